"""A stream whose every message can be told, its recording, and the check of what is left of it."""

from __future__ import annotations

import hashlib
import sys
import time

from aeron_py.archive.client import Archive
from aeron_py.archive.server import ArchivingMediaDriver
from aeron_py.client import Client
from aeron_py.errors import AdminActionError, BackPressuredError, NotConnectedError
from aeron_py.publication import ExclusivePublication

CHANNEL = "aeron:ipc"
STREAM_ID = 10
BATCH = 20
TIMEOUT = 60.0


def message(number: int | str) -> bytes:
    """Message ``number`` of the stream: of any length up to three fragments, and with no zero in it."""
    digest = hashlib.sha256(str(number).encode()).digest()
    length = 8 + int.from_bytes(digest[:2], "little") % 4000
    seed = bytes(byte or 1 for byte in digest)
    return (seed * (length // len(seed) + 1))[:length]


def offer(publication: ExclusivePublication, number: int, timeout: float = TIMEOUT) -> int:
    """Offer it until it is taken."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return publication.offer(message(number))
        except (NotConnectedError, BackPressuredError, AdminActionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.0005)


def publish_batch(archive: Archive, publication: ExclusivePublication, first: int) -> int:
    """Publish :data:`BATCH` messages and wait until the archive has them; returns the position confirmed."""
    for number in range(first, first + BATCH):
        position = offer(publication, number)
    archive.await_recorded(publication, position, timeout=TIMEOUT)
    return position


def check(archive: Archive, count: int, position: int) -> None:
    """The last recording has the first ``count`` messages, which end at ``position``, and each is as it was."""
    recording = archive.list_recordings(channel=CHANNEL, stream_id=STREAM_ID)[-1]
    assert not recording.is_active
    assert recording.stop_position >= position
    if not count:
        return
    with (
        archive.start_replay(recording.recording_id, CHANNEL, STREAM_ID + 1000, length=position) as replay,
        replay.subscribe() as subscription,
    ):
        replayed = [m.payload for m in subscription.messages(until=position, timeout=TIMEOUT)]
    assert replayed == [message(number) for number in range(count)]


def main(archive_dir: str, aeron_dir: str) -> None:
    """Publish and record for ever; each line says how many messages are confirmed, and up to which position."""
    with (
        ArchivingMediaDriver.launch(archive_dir, aeron_dir, timeout=TIMEOUT, segment_file_length=1 << 20) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=TIMEOUT) as archive,
    ):
        print("pids", node.archive_pid, flush=True)
        archive.start_recording(CHANNEL, STREAM_ID)
        with client.add_exclusive_publication(CHANNEL, STREAM_ID) as publication:
            count = 0
            while True:
                position = publish_batch(archive, publication, count)
                count += BATCH
                print("confirmed", count, position, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
