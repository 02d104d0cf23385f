"""kill -9 of the archive while programs are busy with it. All of them at once: it is killed once for all tests."""

from __future__ import annotations

import os
import signal

import pytest

from aeron_py import ArchiveConnectionError, Recovery, TimedOutError
from tests.faults.place import LIVENESS, Place, archive_ends
from tests.faults.states import Scene
from tests.processes import standing_still


@pytest.fixture(scope="module")
def scene(shared_place: Place) -> Scene:
    shared_place.connect_timeout = LIVENESS / 2
    made = Scene(shared_place)
    # So that what is asked for is under way when it dies.
    with standing_still(shared_place.server.pid):
        os.kill(shared_place.server.pid, signal.SIGKILL)
        archive_ends(shared_place)
        shared_place.gate.set()
    made.await_errors()
    shared_place.start_archive()
    return made


def test_archive_killed_while_connecting__connect_times_out(scene: Scene) -> None:
    """Sees: TimedOutError (RETRY) after the timeout of the connect; it says how far the connect came.

    Kept: nothing was at stake.
    Recovers: start the archive on the same directory, connect again.
    """
    assert scene.ends_with("connecting", TimedOutError).recovery is Recovery.RETRY
    scene.recovers("connecting")


def test_archive_killed_while_listing__session_is_lost(scene: Scene) -> None:
    """Sees: ArchiveConnectionError (RECONNECT) from the call under way, within the driver's client liveness timeout.

    Kept: all recordings, up to the last message that was confirmed.
    Recovers: start the archive on the same directory, `Archive.connect` with the same client.
    """
    assert scene.ends_with("listing", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("listing")


def test_archive_killed_while_recording__await_recorded_says_so(scene: Scene) -> None:
    """Sees: ArchiveConnectionError (RECONNECT) from `await_recorded`; the publication lives on.

    Kept: every message that `await_recorded` confirmed.
    Recovers: start the archive, connect, `start_recording`: the same publication goes into a new recording.
    """
    error = scene.ends_with("recording", ArchiveConnectionError)
    assert error.operation == "await_recorded"
    assert error.recovery is Recovery.RECONNECT
    scene.recovers("recording")


def test_archive_killed_while_replaying__replay_ends_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT).

    Kept: the recording.
    Recovers: start the archive, connect, replay from the position of the last message received.
    """
    assert scene.ends_with("replaying", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("replaying")


def test_archive_killed_while_replaying_with_async__replay_ends_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT): `async for` does not just end.

    Kept: the recording.
    Recovers: start the archive, connect, replay from the position of the last message received.
    """
    assert scene.ends_with("replaying with async", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("replaying with async")


def test_archive_killed_while_joining__join_ends_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT).

    Kept: every message that was confirmed.
    Recovers: start the archive, connect, `join` from the position reached.
    """
    assert scene.ends_with("joining", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("joining")


def test_archive_killed_while_merging__merge_fails_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT) from the polls of the merge.

    Kept: every message that was confirmed.
    Recovers: start the archive, connect, replay or merge from the position of the last message received.
    """
    assert scene.ends_with("merging", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("merging")
