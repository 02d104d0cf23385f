"""Record eleven messages from one stream, find the recording, and replay it onto another stream.

Run it with ``python examples/record_and_replay.py [directory]``; the recording stays in the directory.
"""

from __future__ import annotations

import sys
import tempfile

import aeron_py as aeron

CHANNEL = "aeron:ipc"
STREAM_ID = 10
REPLAY_STREAM_ID = 45
MESSAGE = b"123456"
COUNT = 11


def record(client: aeron.Client, archive: aeron.Archive) -> None:
    archive.start_recording(CHANNEL, STREAM_ID)
    with client.add_exclusive_publication(CHANNEL, STREAM_ID) as publication:
        archive.await_recorded(publication)  # nothing yet, but the archive listens from here on
        for _ in range(COUNT):
            position = publication.offer(MESSAGE)
            print("sent", MESSAGE.decode())
        archive.await_recorded(publication, position)
    archive.stop_recording(CHANNEL, STREAM_ID)


def replay(archive: aeron.Archive) -> int:
    recording = archive.list_recordings(channel=CHANNEL, stream_id=STREAM_ID)[-1]
    print(f"recording {recording.recording_id}: {recording.start_position} to {recording.stop_position}")
    count = 0
    with (
        archive.start_replay(recording.recording_id, CHANNEL, REPLAY_STREAM_ID) as replayed,
        replayed.subscribe() as subscription,
    ):
        for message in subscription.messages(until=recording.stop_position, timeout=30):
            assert message.payload == MESSAGE
            count += 1
    return count


def main(directory: str) -> int:
    with (
        aeron.ArchivingMediaDriver.launch(directory) as node,
        aeron.Client.connect(node.aeron_dir) as client,
        aeron.Archive.connect(client, node.archive_context()) as archive,
    ):
        record(client, archive)
        count = replay(archive)
    print("replayed", count, "messages")
    return 0 if count == COUNT else 1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else temporary))
