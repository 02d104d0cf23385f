"""Two archives, of which one copies a recording of the other, when one of them is lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from aeron_py import Archive, ArchiveConnectionError, ArchiveServer, Recovery
from tests.faults.place import Place, lost
from tests.faults.recording import CHANNEL, TIMEOUT, message
from tests.faults.states import LONG
from tests.processes import standing_still
from tests.waiting import wait_until


class Copying:
    """A recording that goes on, and its copy in a second archive of the same driver.

    Attributes:
        source: the recording that is copied; its archive is the place's.
        server: the second archive.
        archive: a session with that.
        copy_id: the recording there.
    """

    def __init__(self, place: Place, directory: Path) -> None:
        self.place, self.directory = place, directory
        self.source = place.recorded(LONG)
        self.start_server()
        self.replication = self.archive.replicate(
            self.source.recording_id,
            place.server.local_control_channel,
            place.server.local_control_stream_id,
            timeout=TIMEOUT,
        )
        self.copy_id = self.replication.await_started(TIMEOUT)
        self.arrives()

    def start_server(self) -> None:
        self.server = self.place.another_archive(self.directory, archive_id=7)
        self.archive: Archive = self.place.new_session(server=self.server)

    def arrives(self) -> None:
        """Wait until all that was confirmed of the source is in the copy."""
        wait_until(
            lambda: self.archive.get_max_recorded_position(self.copy_id) >= self.source.position,
            TIMEOUT,
            "all is copied",
        )

    def check(self) -> None:
        """The copy has the source's messages, each as it was."""
        with self.archive.replay(
            self.copy_id, CHANNEL, self.place.next_stream(), length=self.source.position
        ) as subscription:
            copied = [each.payload for each in subscription.messages(until=self.source.position, timeout=TIMEOUT)]
        assert copied == [message(number) for number in range(self.source.count)]

    def stops(self) -> None:
        """Wait until the copy does not grow any more."""
        wait_until(lambda: self.archive.get_stop_position(self.copy_id) is not None, TIMEOUT, "the copy stops")


@pytest.fixture
def copying(place: Place, tmp_path: Path) -> Copying:
    return Copying(place, tmp_path / "copy")


def kill(server: ArchiveServer) -> None:
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.is_running)


def go_on(copying: Copying, *, same_source: bool = True) -> None:
    """Resume it; when the source's archive is another now, as a new replication into the same copy."""
    if same_source:
        copying.replication.resume(copying.archive, timeout=TIMEOUT)
    else:
        copying.replication = copying.archive.replicate(
            copying.source.recording_id,
            copying.place.server.local_control_channel,
            copying.place.server.local_control_stream_id,
            recording_id=copying.copy_id,
            timeout=TIMEOUT,
        )
    copying.arrives()
    copying.check()
    copying.source.check(copying.place.archive)


def test_source_archive_killed_while_replicating__copy_stops(place: Place, copying: Copying) -> None:
    """Sees: the copy's recording stops (signal REPLICATE_END, `get_stop_position`); the session with the copy's
        archive lives.

    Kept: what was copied; at the source every message that was confirmed.
    Recovers: start the source's archive; `replicate` again with the copy's `recording_id` goes on where it ends.
    """
    kill(place.server)
    copying.stops()
    copying.check()
    place.start_archive()
    place.archive = place.new_session()
    go_on(copying, same_source=False)


def test_copying_archive_killed_while_replicating__session_with_it_is_lost(place: Place, copying: Copying) -> None:
    """Sees: ArchiveConnectionError (RECONNECT) from the session with the archive that copies; the source goes on.

    Kept: what was copied; the source is not held up.
    Recovers: start it on the same directory, connect; `Replication.resume` goes on where the copy ends.
    """
    kill(copying.server)
    error = lost(copying.archive.list_recordings, ArchiveConnectionError)
    assert error.recovery is Recovery.RECONNECT
    copying.source.go_on(LONG)
    copying.start_server()
    go_on(copying)


def test_source_archive_stands_still_while_replicating__copy_stops(place: Place, copying: Copying) -> None:
    """Sees: the copy's recording stops (signal REPLICATE_END, `get_stop_position`).

    Kept: what was copied; at the source every message that was confirmed.
    Recovers: the source's archive ends by itself: start it; `replicate` again with the copy's `recording_id`.
    """
    with standing_still(place.server.pid):
        copying.stops()
    server = place.server
    wait_until(lambda: not server.is_running, TIMEOUT)
    place.start_archive()
    place.archive = place.new_session()
    go_on(copying, same_source=False)


def test_driver_killed_while_replicating__sessions_with_both_are_lost(place: Place, copying: Copying) -> None:
    """Sees: DriverTimeoutError (RECONNECT) from every call; both archives end by themselves.

    Kept: what was copied; at the source every message that was confirmed.
    Recovers: start the driver and both archives; `replicate` again with the copy's `recording_id`.
    """
    place.driver.kill()
    for server in (place.server, copying.server):
        wait_until(lambda server=server: not server.is_running, TIMEOUT)  # type: ignore[misc]
    place.start()
    copying.start_server()
    go_on(copying, same_source=False)
