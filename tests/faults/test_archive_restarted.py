"""The archive is ended in order and started again while programs are busy with it."""

from __future__ import annotations

import pytest

from aeron_py import Archive, ArchiveConnectionError, Recovery
from tests.faults.place import Pending, Place
from tests.faults.recording import TIMEOUT
from tests.faults.states import Scene


@pytest.fixture(scope="module")
def scene(shared_place: Place) -> Scene:
    """Who connects all the time is to be heard of no more once the others have ended."""
    made = Scene(shared_place, without=("connecting",))
    shared_place.server.close()
    shared_place.gate.set()
    made.await_errors()
    shared_place.start_archive()
    return made


def test_archive_restarted_while_listing__session_is_lost(scene: Scene) -> None:
    """Sees: ArchiveConnectionError (RECONNECT) from the call under way, at once.

    Kept: all recordings, up to the last message that was confirmed.
    Recovers: `Archive.connect` with the same client.
    """
    assert scene.ends_with("listing", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("listing")


def test_archive_restarted_while_recording__await_recorded_says_so(scene: Scene) -> None:
    """Sees: ArchiveConnectionError (RECONNECT) from `await_recorded`; the publication lives on.

    Kept: every message that `await_recorded` confirmed.
    Recovers: connect, `start_recording`: the same publication goes into a new recording.
    """
    error = scene.ends_with("recording", ArchiveConnectionError)
    assert error.operation == "await_recorded"
    assert error.recovery is Recovery.RECONNECT
    scene.recovers("recording")


def test_archive_restarted_while_replaying__replay_ends_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT).

    Kept: the recording.
    Recovers: connect, replay from the position of the last message received.
    """
    assert scene.ends_with("replaying", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("replaying")


def test_archive_restarted_while_replaying_with_async__replay_ends_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT): `async for` does not just end.

    Kept: the recording.
    Recovers: connect, replay from the position of the last message received.
    """
    assert scene.ends_with("replaying with async", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("replaying with async")


def test_archive_restarted_while_joining__join_ends_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT).

    Kept: every message that was confirmed.
    Recovers: connect, `join` from the position reached.
    """
    assert scene.ends_with("joining", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("joining")


def test_archive_restarted_while_merging__merge_fails_with_archive_error(scene: Scene) -> None:
    """Sees: the messages that were on the way, then ArchiveConnectionError (RECONNECT) from the polls of the merge.

    Kept: every message that was confirmed.
    Recovers: connect, replay or merge from the position of the last message received.
    """
    assert scene.ends_with("merging", ArchiveConnectionError).recovery is Recovery.RECONNECT
    scene.recovers("merging")


def test_archive_restarted_while_connecting__connect_waits_for_it(place: Place) -> None:
    """Sees: nothing: a connect that began before the archive was there succeeds when it is.

    Kept: nothing was at stake.
    Recovers: by itself, within the timeout of the connect.
    """
    recorded, context = place.recorded(), place.server.archive_context()
    place.server.close()
    connecting = Pending(lambda: place.enter(Archive.connect(place.client, context, timeout=TIMEOUT)))
    place.start_archive(local_control_stream_id=context.control_request_stream_id)
    assert connecting.ended()
    place.archive = place.new_session()
    place.goes_on(recorded)
