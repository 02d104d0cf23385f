"""Shared memory and disks without space left."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py import (
    AeronError,
    Archive,
    ArchiveServer,
    ArchiveStorageError,
    Client,
    DriverError,
    DriverErrorCode,
    MediaDriver,
    Recovery,
)
from aeron_py.archive.verify import verify_archive
from tests.faults.disks import SmallDisk
from tests.faults.place import ARCHIVE
from tests.faults.recording import BATCH, CHANNEL, STREAM_ID, TIMEOUT, check, message, offer, publish_batch
from tests.lifecycle.scripts import run

MIB = 1 << 20
# What a driver takes for itself is below, what it takes with a few short streams, too.
ENOUGH, TOO_LITTLE = 64 * MIB, MIB


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SmallDisk]:
    """In place of ``/dev/shm``."""
    with SmallDisk(tmp_path / "shm", ENOUGH) as disk:
        yield disk


def test_shared_memory_full_while_starting__driver_says_so(tmp_path: Path) -> None:
    """Sees: AeronError from `MediaDriver.launch`, `code` ENOSPC; it says where, and how to get more.

    Kept: nothing was at stake.
    Recovers: make room, launch again in the same directory.
    """
    with SmallDisk(tmp_path / "shm", TOO_LITTLE) as disk:
        with pytest.raises(AeronError, match="shm-size") as caught:
            MediaDriver.launch(disk.path / "aeron")
        assert caught.value.code == errno.ENOSPC
        assert str(disk.path) in str(caught.value)
        disk.grow(ENOUGH)
        with MediaDriver.launch(disk.path / "aeron") as driver, Client.connect(driver.aeron_dir) as client:
            client.add_counter(1001, "alive").close()


def test_shared_memory_full_while_adding__publication_is_refused(memory: SmallDisk) -> None:
    """Sees: DriverError STORAGE_SPACE (FATAL) from `add_publication`, with what it takes and what is free.

    Kept: all other streams go on.
    Recovers: free memory, or shorter terms; then add it again.
    """
    with (
        MediaDriver.launch(memory.path / "aeron") as driver,
        Client.connect(driver.aeron_dir) as client,
        client.add_subscription(CHANNEL, STREAM_ID) as subscription,
        client.add_exclusive_publication(CHANNEL, STREAM_ID) as publication,
    ):
        for add in (client.add_publication, client.add_exclusive_publication):
            with pytest.raises(DriverError, match="shm-size") as caught:
                add("aeron:ipc?term-length=64m", 2)
            assert caught.value.code == DriverErrorCode.STORAGE_SPACE
            assert caught.value.recovery is Recovery.FATAL
        publication.send(b"goes on", wait_connected=True, timeout=TIMEOUT)
        assert next(subscription.messages(timeout=TIMEOUT)).payload == b"goes on"
        client.add_publication("aeron:ipc?term-length=64k", 2).close()


PUBLISHES = """
import sys
from aeron_py import AdminActionError, BackPressuredError, Client, MediaDriver
driver = MediaDriver.launch(sys.argv[1], term_buffer_sparse_file=sys.argv[2] == "sparse")
client = Client.connect(driver.aeron_dir)
subscription = client.add_subscription("aeron:ipc", 1)
publication = client.add_exclusive_publication("aeron:ipc", 1)
with open(sys.argv[1] + "/../filler", "wb", buffering=0) as filler:
    try:
        while True:
            filler.write(bytes(4096))
    except OSError:
        pass
taken = 0
while taken < 5000:
    try:
        publication.offer(bytes(1000))
        taken += 1
    except BackPressuredError:
        subscription.poll_messages()
    except AdminActionError:
        pass
print("published")
subscription.close(), publication.close(), client.close(), driver.close()
"""


def test_shared_memory_full_while_publishing__terms_that_were_allocated_go_on(memory: SmallDisk) -> None:
    """Sees: nothing, with `term_buffer_sparse_file=False`: a stream that was added has its memory.

    Kept: all.
    Recovers: nothing to do.
    """
    done = run(PUBLISHES, str(memory.path / "aeron"), "allocated")
    assert (done.returncode, done.stdout) == (0, "published\n"), done.stderr


def test_shared_memory_full_while_publishing_into_sparse_terms__process_dies(memory: SmallDisk) -> None:
    """Sees: the process that first writes where no memory is left is killed by SIGBUS: the kernel knows no error
        for it.

    Kept: what was recorded.
    Recovers: keep room in `/dev/shm` for three terms of each stream, or have them allocated when a stream is added:
        `term_buffer_sparse_file=False`.
    """
    done = run(PUBLISHES, str(memory.path / "aeron"), "sparse")
    assert done.returncode == -signal.SIGBUS, done.stdout


def test_disk_full_while_recording__recording_stops_and_session_says_why(
    tmp_path: Path, driver: MediaDriver, client: Client
) -> None:
    """Sees: ArchiveStorageError (FATAL) from `await_recorded`, or from the next call on the session.

    Kept: every message that was confirmed. Publishers are not held up; what comes later is not recorded. What the last
        write left after the end of the recording, `aeron-py verify` tells, but not as a loss.
    Recovers: make room; the archive lives on: `stop_recording` and `start_recording`, into a new recording.
    """
    with (
        SmallDisk(tmp_path / "disk", 8 * MIB) as disk,
        ArchiveServer.launch(
            disk.path / "archive", driver.aeron_dir, **ARCHIVE, low_storage_space_threshold=0
        ) as server,
        Archive.connect(client, server.archive_context(), timeout=TIMEOUT) as archive,
        client.add_exclusive_publication(CHANNEL, STREAM_ID) as publication,
    ):
        archive.start_recording(CHANNEL, STREAM_ID)
        count = position = 0
        with pytest.raises(ArchiveStorageError, match="No space left") as caught:
            while True:
                end = publish_batch(archive, publication, count)
                count, position = count + BATCH, end
        assert caught.value.recovery is Recovery.FATAL
        assert count
        check(archive, count, position)
        (verdict,) = verify_archive(disk.path / "archive")
        assert verdict.ok, verdict.lost
        assert all(each.from_position == verdict.stop_position for each in verdict.left_over)

        disk.grow(ENOUGH)
        archive.stop_recording(CHANNEL, STREAM_ID)
        archive.start_recording(CHANNEL, STREAM_ID)
        archive.await_recorded(publication, timeout=TIMEOUT)
        start = publication.position
        for number in range(BATCH):
            position = offer(publication, number)
        recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
        with archive.replay(
            recording_id, CHANNEL, STREAM_ID + 1, position=start, length=position - start
        ) as subscription:
            replayed = [each.payload for each in subscription.messages(until=position, timeout=TIMEOUT)]
        assert replayed == [message(number) for number in range(BATCH)]


def test_disk_nearly_full_while_recording__new_recordings_are_refused(
    tmp_path: Path, driver: MediaDriver, client: Client
) -> None:
    """Sees: ArchiveStorageError (FATAL) from `start_recording` with less free than `low_storage_space_threshold`.

    Kept: recordings under way go on.
    Recovers: make room, or start the archive with a lower threshold; then `start_recording` again.
    """
    with (
        SmallDisk(tmp_path / "disk", 8 * MIB) as disk,
        ArchiveServer.launch(
            disk.path / "archive", driver.aeron_dir, **ARCHIVE, low_storage_space_threshold=2 * MIB
        ) as server,
        Archive.connect(client, server.archive_context(), timeout=TIMEOUT) as archive,
        client.add_exclusive_publication(CHANNEL, STREAM_ID) as publication,
    ):
        archive.start_recording(CHANNEL, STREAM_ID)
        count = 0
        with pytest.raises(ArchiveStorageError, match="low storage"):
            while True:
                position = publish_batch(archive, publication, count)
                count += BATCH
                archive.start_recording(CHANNEL, STREAM_ID + 1)
                archive.stop_recording(CHANNEL, STREAM_ID + 1)
        position = publish_batch(archive, publication, count)
        count += BATCH
        disk.grow(ENOUGH)
        archive.start_recording(CHANNEL, STREAM_ID + 1)
        archive.stop_recording(CHANNEL, STREAM_ID)
        check(archive, count, position)


def test_disk_full_while_starting__archive_warns(tmp_path: Path, driver: MediaDriver, client: Client) -> None:
    """Sees: a RuntimeWarning from `ArchiveServer.launch`, with the file that has no space: the archive may end.

    Kept: what is there.
    Recovers: make room, launch again in the same directory.
    """
    with SmallDisk(tmp_path / "disk", MIB) as disk:
        with pytest.warns(RuntimeWarning, match="may end"):
            ArchiveServer.launch(disk.path / "archive", driver.aeron_dir, **ARCHIVE).close()
        disk.grow(ENOUGH)
        with (
            ArchiveServer.launch(disk.path / "archive", driver.aeron_dir, **ARCHIVE) as server,
            Archive.connect(client, server.archive_context(), timeout=TIMEOUT) as archive,
        ):
            assert archive.list_recordings() == []
