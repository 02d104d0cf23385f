"""Recording and replaying: ours, the C archive client on the same archive, and redis streams."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import read_recording
from common import (
    LIMIT,
    Peer,
    Row,
    Settings,
    c_peer,
    closing,
    medians,
    rounds,
    serve,
    stream,
    worker,
)
from throughput import BLOCK, receive_batches, send_blocks, timed

RECORD_BYTES = 64 << 20
"""What one recording run takes on disk; the runs of a size follow each other in one recording."""
REDIS_MESSAGES = 20_000
CHANNEL = "aeron:ipc?term-length=16m"


def messages(size: int) -> int:
    return RECORD_BYTES // ((size + 63) & -32) // BLOCK * BLOCK


def connect(directory: str, request_channel: str, request_stream_id: int) -> Any:
    import aeron_py as aeron

    client = aeron.Client.connect(directory)
    context = aeron.ArchiveContext(control_request_channel=request_channel, control_request_stream_id=request_stream_id)
    return client, aeron.Archive.connect(client, context)


def main(role: str, directory: str, where: str, stream_id: int, size: int, *request: Any) -> None:
    client, archive = connect(directory, request[0], int(request[1]))
    with client, archive:
        if role == "record":
            archive.start_recording(where, stream_id, auto_stop=True)
            with client.add_exclusive_publication(where, stream_id) as publication:
                while not publication.is_connected:
                    time.sleep(0.005)
                send = send_blocks(publication, size)

                def record(line: str) -> dict[str, Any]:
                    start = time.perf_counter()
                    send(int(line))
                    archive.await_recorded(publication, publication.position)
                    return {"seconds": time.perf_counter() - start, "position": publication.position}

                serve(record)
            return

        def replay(line: str) -> dict[str, Any]:
            recording_id, length, count = map(int, line.split())
            with (
                archive.start_replay(recording_id, where, stream_id, position=0, length=length) as replaying,
                replaying.subscribe() as subscription,
            ):
                return timed(count, receive_batches(subscription))

        serve(replay)


def main_redis(path: str, size: int) -> None:
    """Both sides of a redis stream in one client: appending in pipelines, reading in the same pieces."""
    import redis

    client = redis.Redis(unix_socket_path=path)
    data = bytes(size)

    def act(line: str) -> dict[str, Any]:
        start = time.perf_counter()
        if line == "record":
            client.delete("bench")
            for _ in range(REDIS_MESSAGES // 1000):
                pipeline = client.pipeline(transaction=False)
                for _ in itertools.repeat(None, 1000):
                    pipeline.xadd("bench", {b"m": data})
                pipeline.execute()
        else:
            last, found = "0", 0
            while found < REDIS_MESSAGES:
                ((_, entries),) = client.xread({"bench": last}, count=1000)
                found += len(entries)
                last = entries[-1][0]
        return {"seconds": time.perf_counter() - start}

    serve(act)


@contextlib.contextmanager
def redis_server() -> Iterator[str | None]:
    """The socket of a redis server that keeps nothing on disk; None where redis is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="bench-redis-") as directory:
        path = f"{directory}/socket"
        process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", directory],
            stdout=subprocess.DEVNULL,
        )
        try:
            until = time.monotonic() + 20
            while not Path(path).exists() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            yield path
        finally:
            process.terminate()
            process.wait(20)


def record(settings: Settings, peers: dict[str, Peer], size: int, rate: dict[str, float]) -> dict[str, int]:
    """The rates of recording; and of the C peer's recording: its id, length and messages."""
    count, done = messages(size), {"C": 0, "ours": 0}
    last: dict[str, dict[str, Any]] = {}

    def run(kind: str) -> float:
        if kind == "redis":
            return float(REDIS_MESSAGES / peers[kind].ask("record")["seconds"])
        last[kind] = peers[kind].ask(count)
        done[kind] += count
        return float(count / last[kind]["seconds"])

    for kind in peers:
        run(kind)
    taken = rounds(2 * settings.rounds, {kind: lambda kind=kind: run(kind) for kind in peers})  # type: ignore[misc]
    rate.update(medians(taken))
    return {
        "recording_id": peers["C"].ready["recording_id"],
        "length": last["C"]["position"],
        "messages": done["C"],
    }


def replay(settings: Settings, peers: dict[str, Peer], recording: dict[str, int], rate: dict[str, float]) -> None:
    asked = f"{recording['recording_id']} {recording['length']} {recording['messages']}"

    def run(kind: str) -> float:
        if kind == "redis":
            return float(REDIS_MESSAGES / peers[kind].ask("replay")["seconds"])
        return float(recording["messages"] / peers[kind].ask(asked)["seconds"])

    for kind in peers:
        run(kind)
    taken = rounds(settings.rounds, {kind: lambda kind=kind: run(kind) for kind in peers})  # type: ignore[misc]
    rate.update(medians(taken))


def compare(what: str, size: int, rate: dict[str, float]) -> list[Row]:
    rows = []
    for anchor, name in (("C", "C archive client"), ("redis", "redis streams")):
        goal = {("replay", "C", 32): 0.8, ("record", "redis", 1024): 10.0, ("replay", "redis", 1024): 10.0}.get(
            (what, anchor, size)
        )
        rows.append(
            Row(
                "Archive",
                {"record": "record", "replay": "replay into `poll_batch`"}[what],
                "IPC",
                size,
                "M msg/s",
                rate["ours"] / 1e6,
                name,
                rate[anchor] / 1e6 if anchor in rate else None,
                goal=goal,
                headline=goal is not None,
            )
        )
    return rows


def use_memory(directory: str, length: int) -> None:
    """Write and delete that much: memory that a machine gets for the first time is several times slower."""
    path, piece = Path(directory) / "touched", bytes(1 << 20)
    with path.open("wb") as file:
        for _ in range(length >> 20):
            file.write(piece)
    path.unlink()


def run(settings: Settings) -> list[Row]:
    import aeron_py as aeron

    rows: list[Row] = []
    parent = "/dev/shm" if shutil.disk_usage("/dev/shm").free > 6 << 30 else None
    with (
        tempfile.TemporaryDirectory(prefix="bench-archive-", dir=parent, ignore_cleanup_errors=True) as archive_dir,
        aeron.ArchivingMediaDriver.launch(archive_dir) as node,
        redis_server() as path,
        aeron.Client.connect(node.aeron_dir) as client,
        aeron.Archive.connect(client, node.archive_context()) as archive,
    ):
        use_memory(archive_dir, 2 * (2 * settings.rounds + 1) * RECORD_BYTES)
        for size in settings.sizes:
            rows += measure(settings, node, path, size)
            for recording in archive.list_recordings():
                archive.purge_recording(recording.recording_id)
    return rows


def measure(settings: Settings, node: Any, redis_path: str | None, size: int) -> list[Row]:
    """Everything with messages of one size. Leaves the recordings."""
    context = node.archive_context()
    request = (context.control_request_channel, context.control_request_stream_id)
    place = (str(node.aeron_dir), CHANNEL)
    rate: dict[str, float] = {}
    redis = {"redis": worker("archive.py", "redis", redis_path, size)} if redis_path else {}
    with closing(*redis.values()):
        recorders = {
            "C": c_peer("record", *place, stream(), size, LIMIT, *request),
            "ours": worker("archive.py", "record", *place, stream(), size, *request),
        }
        with closing(*recorders.values()):
            recording = record(settings, recorders | redis, size, rate)
        rows = compare("record", size, rate)
        players = {
            "C": c_peer("replay", *place, stream(), size, LIMIT, *request),
            "ours": worker("archive.py", "replay", *place, stream(), size, *request),
        }
        with closing(*players.values()):
            rate.clear()
            replay(settings, players | redis, recording, rate)
        rows += compare("replay", size, rate)
    return rows + read_recording.run(settings, str(node.archive_server.archive_dir), size, recording["recording_id"])


if __name__ == "__main__":
    if sys.argv[1] == "redis":
        main_redis(sys.argv[2], int(sys.argv[3]))
    else:
        role, directory, where, stream_id, size, *request = sys.argv[1:]
        main(role, directory, where, int(stream_id), int(size), *request)
