"""What the settings of an archive do: each is seen from outside, by its files, its refusals and its sockets."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py.archive.client import Archive
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver
from aeron_py.client import Client
from aeron_py.driver import MediaDriver
from aeron_py.errors import ArchiveError, ArchiveLimitError, ArchiveStorageError, TimedOutError
from aeron_py.publication import ExclusivePublication
from tests.archive.streams import CHANNEL, TIMEOUT, messages, new_stream_id, offer, record
from tests.ports import free_port
from tests.recorded_files import segment_files
from tests.sockets import bound_addresses
from tests.waiting import wait_until

_CACHESTAT = 451


@pytest.fixture(scope="module")
def media_driver() -> Iterator[MediaDriver]:
    with MediaDriver.launch(ipc_term_buffer_length=64 * 1024, timer_interval=0.1) as launched:
        yield launched


@pytest.fixture
def client(media_driver: MediaDriver) -> Iterator[Client]:
    with Client.connect(media_driver.aeron_dir) as connected:
        yield connected


@contextlib.contextmanager
def served(client: Client, directory: Path, **settings: object) -> Iterator[tuple[ArchiveServer, Archive]]:
    with (
        ArchiveServer.launch(directory, client.aeron_dir, timeout=TIMEOUT, **settings) as server,  # type: ignore[arg-type]
        Archive.connect(client, server.archive_context(), timeout=TIMEOUT) as archive,
    ):
        yield server, archive


def dirty_pages(path: Path) -> int:
    """Pages of a file that the system has not written to the disk yet (``cachestat``)."""

    class Range(ctypes.Structure):
        _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))

    counts = (ctypes.c_uint64 * 5)()
    fd = os.open(path, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(_CACHESTAT, fd, ctypes.byref(Range(0, 0)), ctypes.byref(counts), 0) != 0:
            raise OSError(ctypes.get_errno(), "cachestat needs Linux 6.5")
    finally:
        os.close(fd)
    return counts[1] + counts[2]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_sync_levels(client: Client, tmp_path: Path, level: int) -> None:
    """At level 1 and 2 all that counts as recorded is on the disk."""
    control = tmp_path / "control"
    control.write_bytes(bytes(1 << 20))
    assert dirty_pages(control) > 0, "this directory is in memory, or the system writes at once: nothing to see"
    stream_id = new_stream_id()
    with served(client, tmp_path / "archive", file_sync_level=level) as (server, archive):
        archive.start_recording(CHANNEL, stream_id)
        with client.add_exclusive_publication(CHANNEL, stream_id) as publication:
            wait_until(lambda: publication.is_connected, TIMEOUT)
            for message in messages(2000, 64):
                position = offer(publication, message)
            recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
            (path,) = segment_files(server.archive_dir, recording_id).values()
            dirty = dirty_pages(path)
    assert (dirty == 0) if level else (dirty > 0)


def test_segment_length(client: Client, tmp_path: Path) -> None:
    with served(client, tmp_path, segment_file_length=1 << 17) as (_, archive):
        recording = record(client, archive, new_stream_id(), count=4000)
        assert recording.segment_file_length == 1 << 17
        segments = segment_files(tmp_path, recording.recording_id)
        assert sorted(segments) == [0, 1 << 17, 2 << 17]
        assert {path.stat().st_size for path in segments.values()} == {1 << 17}


def test_limits(client: Client, tmp_path: Path) -> None:
    stream_id = new_stream_id()
    with (
        served(client, tmp_path, max_concurrent_recordings=1, max_concurrent_replays=1) as (_, archive),
        client.add_exclusive_publication(CHANNEL, stream_id) as publication,
    ):
        archive.start_recording(CHANNEL, stream_id)
        recording_id = archive.await_recorded(publication, offer_connected(publication), timeout=TIMEOUT)
        with pytest.raises(ArchiveLimitError, match="max concurrent recordings reached 1"):
            archive.start_recording(CHANNEL, new_stream_id())
        with (
            archive.start_replay(recording_id, "aeron:ipc", new_stream_id()),
            pytest.raises(ArchiveLimitError, match="max concurrent replays reached 1"),
        ):
            archive.start_replay(recording_id, "aeron:ipc", new_stream_id())


def offer_connected(publication: ExclusivePublication) -> int:
    wait_until(lambda: publication.is_connected, TIMEOUT)
    return offer(publication, b"x" * 64)


def test_low_disk(client: Client, tmp_path: Path) -> None:
    with served(client, tmp_path, low_storage_space_threshold=2**62) as (_, archive):
        with pytest.raises(ArchiveStorageError, match="low storage"):
            archive.start_recording(CHANNEL, new_stream_id())
        assert archive.list_recordings() == []
    with served(client, tmp_path, low_storage_space_threshold=0) as (_, archive):
        assert record(client, archive, new_stream_id()).recording_id == 0


def test_the_same_directory_again_with_the_same_recordings(client: Client, tmp_path: Path) -> None:
    before = []
    for _ in range(3):
        with served(client, tmp_path) as (_, archive):
            assert archive.list_recordings() == before
            before.append(record(client, archive, new_stream_id()))


def test_a_mark_left_behind(client: Client, tmp_path: Path) -> None:
    """Of an archive that ran somewhere else, whose process nobody here knows: it is waited for, then taken over."""
    with served(client, tmp_path):
        pass
    path = tmp_path / "archive-mark.dat"
    ours = (tmp_path / "aeron-py.lock").read_bytes()
    (tmp_path / "aeron-py.lock").write_bytes(b"1\n")
    stale = bytearray(path.read_bytes())
    stale[16:24] = (1).to_bytes(8, "little")  # it gave its last sign of life in 1970
    path.write_bytes(stale)
    with served(client, tmp_path) as (server, _):
        mark = ArchiveMark.read(tmp_path)
        assert mark is not None
        assert mark.pid == server.pid
        assert (tmp_path / "aeron-py.lock").read_bytes() not in (ours, b"1\n")
    path.write_bytes(b"no mark at all" * 1000)
    with pytest.raises(ArchiveError, match="archive"), served(client, tmp_path):
        pass


def test_two_archives_on_one_driver_keep_to_themselves(client: Client, tmp_path: Path) -> None:
    """Both record the same publication, under ids and with counters of their own."""
    stream_id = new_stream_id()
    with (
        served(client, tmp_path / "a", archive_id=71) as (_, a),
        served(client, tmp_path / "b", archive_id=72) as (_, b),
        client.add_exclusive_publication(CHANNEL, stream_id) as publication,
    ):
        assert (a.archive_id, b.archive_id) == (71, 72)
        for _ in range(3):
            record(client, a, new_stream_id())
        b.start_recording(CHANNEL, stream_id)
        position = offer_connected(publication)
        assert b.await_recorded(publication, position, timeout=TIMEOUT) == 0
        # The other archive's counter of the same session does not count.
        with pytest.raises(TimedOutError, match="no recording"):
            a.await_recorded(publication, position, timeout=0.3)
        a.start_recording(CHANNEL, stream_id)
        wait_until(lambda: a.list_recordings(stream_id=stream_id), TIMEOUT)
        position = offer(publication, b"y" * 64)
        assert a.await_recorded(publication, position, timeout=TIMEOUT) == 3
        assert b.await_recorded(publication, position, timeout=TIMEOUT) == 0
        assert [each.recording_id for each in b.list_recordings()] == [0]


def test_nothing_listens_off_loopback_unless_asked(tmp_path: Path) -> None:
    with (
        ArchivingMediaDriver.launch(tmp_path / "a", timeout=TIMEOUT) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(local=False), timeout=TIMEOUT) as archive,
        client.add_subscription(f"aeron:udp?endpoint=localhost:{free_port()}", 5),
    ):
        recording = record(client, archive, new_stream_id())
        with archive.replay(recording.recording_id, f"aeron:udp?endpoint=localhost:{free_port()}", 6):
            assert archive.replicate(
                recording.recording_id, node.control_channel, node.archive_server.control_stream_id, timeout=TIMEOUT
            )
            seen = bound_addresses(os.getpid()) | bound_addresses(node.archive_pid)
    assert seen
    assert all(address.is_loopback for address, _ in seen), seen


def test_it_listens_where_it_is_asked_to(tmp_path: Path) -> None:
    with ArchivingMediaDriver.launch(
        tmp_path, timeout=TIMEOUT, control_channel=f"aeron:udp?endpoint=0.0.0.0:{free_port()}"
    ):
        assert any(not address.is_loopback for address, _ in bound_addresses(os.getpid()))
