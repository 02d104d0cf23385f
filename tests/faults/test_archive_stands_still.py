"""The archive is stopped (SIGSTOP) for longer than the driver waits for it, while programs are busy with it."""

from __future__ import annotations

import pytest

from aeron_py import ArchiveConnectionError, Recovery, TimedOutError
from tests.faults.place import LIVENESS, Place, archive_ends
from tests.faults.states import Scene
from tests.processes import standing_still


@pytest.fixture(scope="module")
def scene(shared_place: Place) -> Scene:
    shared_place.connect_timeout = LIVENESS / 2
    made = Scene(shared_place)
    with standing_still(shared_place.server.pid):
        shared_place.gate.set()
        made.await_errors()
    archive_ends(shared_place)
    shared_place.start_archive()
    return made


def test_archive_stands_still_while_connecting__connect_times_out(scene: Scene) -> None:
    """Sees: TimedOutError (RETRY) after the timeout of the connect. The archive ends by itself once it goes on.

    Kept: nothing was at stake.
    Recovers: start the archive on the same directory, connect again.
    """
    assert scene.ends_with("connecting", TimedOutError).recovery is Recovery.RETRY
    scene.recovers("connecting")


def test_archive_stands_still_while_listing__session_is_lost(scene: Scene) -> None:
    """Sees: ArchiveConnectionError (RECONNECT) once the driver has given the archive up.

    Kept: all recordings, up to the last message that was confirmed.
    Recovers: the archive ends by itself: start it on the same directory, `Archive.connect` with the same client.
    """
    assert scene.ends_with("listing", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("listing")


def test_archive_stands_still_while_recording__await_recorded_says_so(scene: Scene) -> None:
    """Sees: ArchiveConnectionError (RECONNECT) from `await_recorded`; the publication lives on.

    Kept: every message that `await_recorded` confirmed.
    Recovers: start the archive, connect, `start_recording`: the same publication goes into a new recording.
    """
    assert scene.ends_with("recording", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("recording")


def test_archive_stands_still_while_replaying__replay_ends_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT).

    Kept: the recording.
    Recovers: start the archive, connect, replay from the position of the last message received.
    """
    assert scene.ends_with("replaying", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("replaying")


def test_archive_stands_still_while_replaying_with_async__replay_ends_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT).

    Kept: the recording.
    Recovers: start the archive, connect, replay from the position of the last message received.
    """
    assert scene.ends_with("replaying with async", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("replaying with async")


def test_archive_stands_still_while_joining__join_ends_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT).

    Kept: every message that was confirmed.
    Recovers: start the archive, connect, `join` from the position reached.
    """
    assert scene.ends_with("joining", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("joining")


def test_archive_stands_still_while_merging__merge_fails_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT) from the polls of the merge.

    Kept: every message that was confirmed.
    Recovers: start the archive, connect, replay or merge from the position of the last message received.
    """
    assert scene.ends_with("merging", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("merging")


def test_archive_stands_still_briefly_while_listing__only_the_call_times_out(place: Place) -> None:
    """Sees: TimedOutError (RETRY) from the call, whose timeout was shorter than the pause; the session lives on.

    Kept: all; recordings go on where they were.
    Recovers: by itself: the same call again.
    """
    recorded = place.recorded()
    with standing_still(place.server.pid), pytest.raises(TimedOutError) as caught:
        place.archive.list_recordings(timeout=0.05)
    assert caught.value.recovery is Recovery.RETRY
    assert [each.recording_id for each in place.archive.list_recordings()] == [recorded.recording_id]
    recorded.go_on()
    place.goes_on(recorded)
