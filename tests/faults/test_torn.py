"""A message that a killed archive had only half written: cut off at the next start. What is whole is kept."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from aeron_py import Archive, ArchiveServer, Client, MediaDriver
from tests.waiting import wait_until

TIMEOUT = 90.0
PAGE = 4096


def record_and_kill(driver: MediaDriver, client: Client, archive_dir: Path, last: bytes) -> tuple[int, int]:
    """Record three frames, of which the third lies across the end of the first page; its id, and a frame's length."""
    with (
        ArchiveServer.launch(archive_dir, driver.aeron_dir, timeout=TIMEOUT, segment_file_length=1 << 16) as server,
        Archive.connect(client, server.archive_context(), timeout=TIMEOUT) as archive,
        archive.add_recorded_exclusive_publication("aeron:ipc", 10) as publication,
    ):
        archive.await_recorded(publication, timeout=TIMEOUT)
        payload = publication.max_payload_length
        frame = payload + 32
        assert 2 * frame < PAGE < 3 * frame
        for byte in (b"x", b"x", last):
            position = publication.offer(byte * payload)
        assert position == 3 * frame
        recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.is_running)
    return recording_id, frame


def replayed(archive: Archive, recording_id: int, position: int) -> list[bytes]:
    assert archive.list_recording(recording_id).stop_position == position
    with archive.start_replay(recording_id, "aeron:ipc", 1010) as replay, replay.subscribe() as subscription:
        return [message.payload for message in subscription.messages(until=position, timeout=TIMEOUT)]


def test_last_page_torn__half_a_fragment_is_cut_off(driver: MediaDriver, client: Client, tmp_path: Path) -> None:
    """Sees: a RuntimeWarning from `ArchiveServer.launch`: which recording was cut off, and at which position.

    Kept: every whole message.
    Recovers: by itself, when the archive is started.
    """
    recording_id, frame = record_and_kill(driver, client, tmp_path, b"x")
    segment = tmp_path / f"{recording_id}-0.rec"
    size = segment.stat().st_size
    os.truncate(segment, PAGE)
    os.truncate(segment, size)

    with pytest.warns(RuntimeWarning, match=f"recording {recording_id} at position {2 * frame}"):
        server = ArchiveServer.launch(tmp_path, driver.aeron_dir, timeout=TIMEOUT)
    with server, Archive.connect(client, server.archive_context(), timeout=TIMEOUT) as archive:
        assert replayed(archive, recording_id, 2 * frame) == [b"x" * (frame - 32)] * 2


def test_archive_killed_after_padding__the_position_after_it_is_kept(
    driver: MediaDriver, client: Client, tmp_path: Path
) -> None:
    """Sees: nothing.

    Kept: every whole message, and the positions after them.
    Recovers: by itself, when the archive is started.
    """
    with (
        ArchiveServer.launch(tmp_path, driver.aeron_dir, timeout=TIMEOUT, segment_file_length=1 << 16) as server,
        Archive.connect(client, server.archive_context(), timeout=TIMEOUT) as archive,
        archive.add_recorded_exclusive_publication("aeron:ipc", 10) as publication,
    ):
        archive.await_recorded(publication, timeout=TIMEOUT)
        publication.offer(b"x")
        publication.append_padding(2 * PAGE)
        position = publication.position
        recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.is_running)
    with (
        ArchiveServer.launch(tmp_path, driver.aeron_dir, timeout=TIMEOUT) as server,
        Archive.connect(client, server.archive_context(), timeout=TIMEOUT) as archive,
    ):
        assert archive.list_recording(recording_id).stop_position == position > 2 * PAGE


def test_last_page_of_zeros__it_is_not_taken_for_torn(driver: MediaDriver, client: Client, tmp_path: Path) -> None:
    """Sees: nothing.

    Kept: every whole message, also one that consists of zeros.
    Recovers: by itself, when the archive is started.
    """
    recording_id, frame = record_and_kill(driver, client, tmp_path, b"\0")
    with (
        ArchiveServer.launch(tmp_path, driver.aeron_dir, timeout=TIMEOUT) as server,
        Archive.connect(client, server.archive_context(), timeout=TIMEOUT) as archive,
    ):
        last = replayed(archive, recording_id, 3 * frame)[-1]
        assert last == bytes(frame - 32)
