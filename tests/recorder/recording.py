"""A process that records streams and a journal of them until it is killed; each line is what is committed."""

from __future__ import annotations

import sys

import msgspec

from aeron_py import Archive, ArchivingMediaDriver, Client
from aeron_py.recorder import JournalWriter, StreamInfo
from tests.streams import send

STREAMS = 4
TIMEOUT = 60.0


def main(archive_dir: str, aeron_dir: str) -> None:
    with (
        ArchivingMediaDriver.launch(archive_dir, aeron_dir, timeout=90, segment_file_length=1 << 20) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=TIMEOUT) as archive,
        JournalWriter(
            client, archive, stream_id=9, image_frequency=4096, archive_dir=archive_dir, timeout=TIMEOUT
        ) as writer,
    ):
        print(node.archive_pid, flush=True)
        publications = [
            archive.add_recorded_exclusive_publication(f"aeron:ipc?alias=pubsub:{i}|term-length=64k", 10 + i)
            for i in range(STREAMS)
        ]
        for i, publication in enumerate(publications):
            writer.open_stream(
                StreamInfo(
                    topic=f"pubsub:{i}",
                    recording_id=archive.await_recorded(publication, timeout=TIMEOUT),
                    channel=publication.channel,
                    stream_id=publication.stream_id,
                    session_id=publication.session_id,
                )
            )
        number = 0
        while True:
            for publication in publications:
                send(publication, b"x" * (number % 3000))
                number += 7
            if number % 196 == 0:
                print(msgspec.json.encode(writer.flush()).decode(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
