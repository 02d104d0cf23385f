"""Record the rows of two real tables from several streams at once, replay every recording, and compare each byte.

Run it with ``make demo``, or ``python examples/demo.py [directory]`` to keep the recordings. Exits with 1 when what was
replayed differs in anything from what was published.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from vega_datasets import local_data

import aeron_py as aeron

TIMEOUT = 60.0
REPLAY_OFFSET = 1000


@dataclass
class Stream:
    """One stream of the demo, and what became of it."""

    name: str
    channel: str
    stream_id: int
    rows: list[bytes]
    stop_position: int = 0
    seconds: float = 0.0
    recording_id: int = -1
    replayed: int = 0
    differs: str = ""

    @property
    def bytes(self) -> int:
        return sum(map(len, self.rows))


def streams() -> list[Stream]:
    """The prices of five stocks, a stream each over shared memory; and the airports of the USA over UDP."""
    stocks = defaultdict(list)
    for row in local_data.stocks.raw().splitlines()[1:]:
        stocks[row.split(b",")[0].decode()].append(row)
    found = [Stream(f"stocks/{name}", "aeron:ipc", 10 + i, rows) for i, (name, rows) in enumerate(stocks.items())]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Nobody but the archive listens, which spies on its own driver: the publisher has to count that as a subscriber.
    airports = f"aeron:udp?endpoint=127.0.0.1:{port}|ssc=true"
    found.append(Stream("airports", airports, 10 + len(found), local_data.airports.raw().splitlines()[1:]))
    return found


def record(client: aeron.Client, archive: aeron.Archive, stream: Stream, progress: Progress) -> None:
    task = progress.add_task(f"record {stream.name}", total=len(stream.rows))
    archive.start_recording(stream.channel, stream.stream_id)
    with client.add_exclusive_publication(stream.channel, stream.stream_id) as publication:
        begin = time.perf_counter()
        for row in stream.rows:
            stream.stop_position = publication.send(row, wait_connected=True, timeout=TIMEOUT)
            progress.advance(task)
        archive.await_recorded(publication, stream.stop_position, timeout=TIMEOUT)
        stream.seconds = time.perf_counter() - begin
    archive.stop_recording(stream.channel, stream.stream_id)


def replay(archive: aeron.Archive, stream: Stream, progress: Progress) -> None:
    task = progress.add_task(f"replay {stream.name}", total=len(stream.rows))
    with (
        archive.start_replay(stream.recording_id, "aeron:ipc", stream.stream_id + REPLAY_OFFSET) as replayed,
        replayed.subscribe() as subscription,
    ):
        for message in subscription.messages(until=stream.stop_position, timeout=TIMEOUT):
            expected = stream.rows[stream.replayed] if stream.replayed < len(stream.rows) else None
            if message.payload != expected and not stream.differs:
                stream.differs = f"message {stream.replayed} is {message.payload!r}, not {expected!r}"
            stream.replayed += 1
            progress.advance(task)
    if stream.replayed != len(stream.rows) and not stream.differs:
        stream.differs = f"{stream.replayed} of {len(stream.rows)} messages"


def main(directory: str) -> int:
    all_streams = streams()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        aeron.ArchivingMediaDriver.launch(directory) as node,
        aeron.Client.connect(node.aeron_dir) as client,
        aeron.Archive.connect(client, node.archive_context()) as archive,
        Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress,
    ):
        for stream in all_streams:
            record(client, archive, stream, progress)
        for recording in archive.list_recordings():
            for stream in all_streams:
                if stream.stream_id == recording.stream_id:
                    stream.recording_id = recording.recording_id
        for stream in all_streams:
            replay(archive, stream, progress)

    table = Table("stream", "recording id", "messages", "bytes", "rate (msg/s)", "verdict")
    for stream in all_streams:
        table.add_row(
            stream.name,
            str(stream.recording_id),
            f"{stream.replayed:,}",
            f"{stream.bytes:,}",
            f"{len(stream.rows) / stream.seconds:,.0f}",
            stream.differs or "identical",
        )
    Console().print(table)
    return 1 if any(stream.differs for stream in all_streams) else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else temporary))
