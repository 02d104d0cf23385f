"""kill -9 of the media driver while programs are busy. All of them at once: it is killed once for all tests."""

from __future__ import annotations

import pytest

from aeron_py import DriverTimeoutError, Recovery
from tests.faults.place import Place, archive_ends
from tests.faults.states import Scene


@pytest.fixture(scope="module")
def scene(shared_place: Place) -> Scene:
    made = Scene(shared_place)
    shared_place.driver.kill()
    shared_place.gate.set()
    made.await_errors()
    archive_ends(shared_place)
    shared_place.start_driver()
    shared_place.start_archive()
    return made


def test_driver_killed_while_connecting__connect_says_driver_lost(scene: Scene) -> None:
    """Sees: DriverTimeoutError (RECONNECT), which names the driver's directory, after the client's `driver_timeout`.

    Kept: nothing was at stake.
    Recovers: the archive ends by itself; start the driver and then the archive on the same directories, connect anew.
    """
    error = scene.ends_with("connecting", DriverTimeoutError)
    assert error.recovery is Recovery.RECONNECT
    assert str(scene.place.aeron_dir) in str(error)
    scene.recovers("connecting")


def test_driver_killed_while_listing__call_says_driver_lost(scene: Scene) -> None:
    """Sees: as long as the client has not noticed, answers: client and archive share memory. Then
        DriverTimeoutError (RECONNECT).

    Kept: all recordings, up to the last message that was confirmed.
    Recovers: the archive ends by itself; start the driver and then the archive on the same directories, connect anew.
    """
    error = scene.ends_with("listing", DriverTimeoutError)
    assert error.recovery is Recovery.RECONNECT
    assert str(scene.place.aeron_dir) in str(error)
    scene.recovers("listing")


def test_driver_killed_while_recording__await_recorded_says_driver_lost(scene: Scene) -> None:
    """Sees: DriverTimeoutError (RECONNECT), which names the driver's directory, after the client's
        `driver_timeout`. The publication is closed with the client.

    Kept: every message that `await_recorded` confirmed.
    Recovers: the archive ends by itself; start the driver and then the archive on the same directories, connect
        anew, publish into a new recording.
    """
    error = scene.ends_with("recording", DriverTimeoutError)
    assert error.recovery is Recovery.RECONNECT
    assert str(scene.place.aeron_dir) in str(error)
    scene.recovers("recording")


def test_driver_killed_while_replaying__replay_says_driver_lost(scene: Scene) -> None:
    """Sees: the messages that were on the way, then DriverTimeoutError (RECONNECT).

    Kept: the recording.
    Recovers: the archive ends by itself; start the driver and then the archive on the same directories, connect
        anew, replay from the position of the last message received.
    """
    error = scene.ends_with("replaying", DriverTimeoutError)
    assert error.recovery is Recovery.RECONNECT
    assert str(scene.place.aeron_dir) in str(error)
    scene.recovers("replaying")


def test_driver_killed_while_replaying_with_async__replay_says_driver_lost(scene: Scene) -> None:
    """Sees: the messages that were on the way, then DriverTimeoutError (RECONNECT).

    Kept: the recording.
    Recovers: the archive ends by itself; start the driver and then the archive on the same directories, connect
        anew, replay from the position of the last message received.
    """
    error = scene.ends_with("replaying with async", DriverTimeoutError)
    assert error.recovery is Recovery.RECONNECT
    assert str(scene.place.aeron_dir) in str(error)
    scene.recovers("replaying with async")


def test_driver_killed_while_joining__join_says_driver_lost(scene: Scene) -> None:
    """Sees: the messages that were on the way, then DriverTimeoutError (RECONNECT).

    Kept: every message that was confirmed.
    Recovers: the archive ends by itself; start the driver and then the archive on the same directories, connect
        anew, `join` from the position reached.
    """
    error = scene.ends_with("joining", DriverTimeoutError)
    assert error.recovery is Recovery.RECONNECT
    assert str(scene.place.aeron_dir) in str(error)
    scene.recovers("joining")


def test_driver_killed_while_merging__merge_says_driver_lost(scene: Scene) -> None:
    """Sees: the messages that were on the way, then DriverTimeoutError (RECONNECT) from the polls of the merge.

    Kept: every message that was confirmed.
    Recovers: the archive ends by itself; start the driver and then the archive on the same directories, connect
        anew, replay or merge from the position of the last message received.
    """
    error = scene.ends_with("merging", DriverTimeoutError)
    assert error.recovery is Recovery.RECONNECT
    assert str(scene.place.aeron_dir) in str(error)
    scene.recovers("merging")
