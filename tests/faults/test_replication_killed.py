"""Replications whose source or target is killed: what was confirmed is in the copy, once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py.archive.client import Archive
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.server import ArchiveServer
from aeron_py.client import Client
from aeron_py.driver import MediaDriver
from aeron_py.errors import Recovery, ReplicationError
from aeron_py.publication import ExclusivePublication
from tests.archive.streams import CHANNEL, TIMEOUT, messages, offer
from tests.ports import free_port
from tests.waiting import wait_until

STREAM_ID = 1


class Site:
    """A media driver and a client of it, with an archive that is killed and started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.driver = MediaDriver.launch(
            term_buffer_length=64 * 1024,
            ipc_term_buffer_length=64 * 1024,
            timer_interval=0.1,
            image_liveness_timeout=1.0,
            publication_linger_timeout=0.5,
        )
        self.client = Client.connect(self.driver.aeron_dir)
        self.publication: ExclusivePublication | None = None
        self._channel = f"aeron:udp?endpoint=localhost:{free_port()}"
        self.start()

    def start(self) -> None:
        self.server = ArchiveServer.launch(
            self.directory,
            self.driver.aeron_dir,
            timeout=TIMEOUT,
            control_channel=self._channel,
            segment_file_length=64 * 1024,
            message_timeout=2.0,
        )
        self.archive = Archive.connect(self.client, self.server.archive_context(), timeout=TIMEOUT)

    def kill(self) -> None:
        os.kill(self.server.pid, signal.SIGKILL)
        wait_until(lambda: not self.server.is_running, TIMEOUT)
        self.archive.close()
        self.server.close()

    @property
    def control(self) -> tuple[str, int]:
        return self.server.control_channel, self.server.control_stream_id

    def close(self) -> None:
        self.client.close()
        self.server.close()
        self.driver.close()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "source")
    yield site
    site.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "target")
    yield site
    site.close()


def recorded(source: Site, count: int) -> tuple[int, int]:
    """The recording of a publication that goes on, and the position that the archive has confirmed."""
    source.archive.start_recording(CHANNEL, STREAM_ID)
    publication = source.publication = source.client.add_exclusive_publication(CHANNEL, STREAM_ID)
    wait_until(lambda: publication.is_connected, TIMEOUT)
    for message in messages(count):
        position = offer(publication, message)
    return source.archive.await_recorded(publication, position, timeout=TIMEOUT), position


def copied(target: Site, recording_id: int) -> list[bytes]:
    with RecordingReader(target.directory, target.archive.list_recording(recording_id)) as reader:
        return [bytes(payload) for payload in reader]


def test_source_killed_while_replicating__waits_say_so(source: Site, target: Site) -> None:
    """Sees: ReplicationError (RETRY) from each wait for the replication.

    Kept: what was copied; at the source every message that was confirmed.
    Recovers: start the source's archive: the next wait goes on where the copy ends.
    """
    recording_id, position = recorded(source, 3000)
    replication = target.archive.replicate(recording_id, *source.control)
    copy_id = replication.await_started(TIMEOUT)
    source.kill()
    for _ in range(2):
        with pytest.raises(ReplicationError) as caught:
            replication.await_synced(TIMEOUT)
        assert caught.value.recovery is Recovery.RETRY
    source.start()
    assert replication.await_synced(TIMEOUT) == position
    assert source.archive.get_stop_position(recording_id) == position
    assert replication.recording_id == copy_id
    assert copied(target, copy_id) == messages(3000)


def test_target_killed_while_replicating__it_is_resumed(source: Site, target: Site) -> None:
    """Sees: the session with the archive that copies is lost.

    Kept: what was copied; the source is not held up.
    Recovers: start it on the same directory, connect, `Replication.resume`.
    """
    recording_id, position = recorded(source, 3000)
    replication = target.archive.replicate(recording_id, *source.control)
    copy_id = replication.await_started(TIMEOUT)
    target.kill()
    target.start()
    source.archive.stop_recording(CHANNEL, STREAM_ID)
    replication.resume(target.archive)
    assert replication.await_synced(TIMEOUT) == position
    assert replication.recording_id == copy_id
    assert copied(target, copy_id) == messages(3000)


def test_source_and_target_killed_again_and_again_while_replicating__the_copy_is_exact(
    source: Site, target: Site
) -> None:
    """Sees: as for each of them alone.

    Kept: every message, once, in one copy.
    Recovers: start what was killed, `Replication.resume`.
    """
    recording_id, position = recorded(source, 5000)
    source.archive.stop_recording(CHANNEL, STREAM_ID)
    replication = target.archive.replicate(recording_id, *source.control, file_io_max_length=64 * 1024)
    copy_id = replication.await_started(TIMEOUT)
    for victim in (source, target):
        victim.kill()
        victim.start()
        replication.resume(target.archive)
    assert replication.await_synced(TIMEOUT) == position
    assert copied(target, copy_id) == messages(5000)
    assert [each.recording_id for each in target.archive.list_recordings()] == [copy_id]
