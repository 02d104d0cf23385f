"""A program that listens, replays, lists or connects is killed or stopped: the others are not held up."""

from __future__ import annotations

import pytest

from aeron_py.counters import CounterType
from tests.faults.peers import GIVEN_UP, Peer
from tests.faults.place import Place
from tests.faults.states import LONG
from tests.processes import standing_still
from tests.waiting import wait_until

CONTROL_SESSION, REPLAY_SESSIONS = CounterType.ARCHIVE_CONTROL_SESSION, CounterType.ARCHIVE_REPLAY_SESSION_COUNT
"""Type ids of the archive's counters: one for each session, and how many replays there are."""


def control_sessions(place: Place) -> int:
    return sum(counter.type_id == CONTROL_SESSION for counter in place.client.counters)


def replays(place: Place) -> int:
    return next(counter.value for counter in place.client.counters if counter.type_id == REPLAY_SESSIONS)


def peer(place: Place, role: str, *arguments: object) -> Peer:
    return Peer(role, place.aeron_dir, place.archive_dir, *arguments)


@pytest.mark.parametrize(("role", "word"), [("connect", "connected"), ("list", "listed")])
def test_client_killed_while_connecting_or_listing__its_session_ends(role: str, word: str, shared_place: Place) -> None:
    """Sees: the others nothing. The archive ends the dead client's session once the driver has given it up.

    Kept: all.
    Recovers: by itself; a new client may connect at once.
    """
    kept, before = shared_place.recorded(), control_sessions(shared_place)
    with peer(shared_place, role) as dying:
        dying.told(word)
        assert control_sessions(shared_place) > before
        dying.kill()
    kept.go_on()
    wait_until(lambda: control_sessions(shared_place) == before)
    shared_place.goes_on(kept)


def test_subscriber_killed_while_replaying__replay_ends_at_archive(shared_place: Place) -> None:
    """Sees: the others nothing. The archive ends the replay once the driver has given the subscriber up.

    Kept: the recording.
    Recovers: a new subscriber replays from the position that it had come to.
    """
    recorded = shared_place.recorded(LONG)
    with peer(shared_place, "replay", recorded.recording_id, shared_place.next_stream()) as dying:
        dying.told("replayed")
        assert replays(shared_place) == 1
        dying.kill()
    wait_until(lambda: replays(shared_place) == 0)
    shared_place.goes_on(recorded)


def test_subscriber_stands_still_while_replaying__it_is_told_when_it_goes_on(shared_place: Place) -> None:
    """Sees: it itself, once it goes on: ClientTimeoutError or ConductorServiceTimeoutError (RECONNECT).

    Kept: the recording.
    Recovers: connect anew, with a new client; replay from the position that it had come to.
    """
    recorded = shared_place.recorded(LONG)
    with peer(shared_place, "replay", recorded.recording_id, shared_place.next_stream()) as stopped:
        stopped.told("replayed")
        with standing_still(stopped.pid):
            wait_until(lambda: replays(shared_place) == 0)
        stopped.reads_on()
        assert stopped.told("error") in GIVEN_UP
    shared_place.goes_on(recorded)


def test_subscriber_killed_while_recording__publisher_goes_on(shared_place: Place) -> None:
    """Sees: BackPressuredError (RETRY) from `offer` until the driver has given the subscriber up: no longer.

    Kept: every message, and none is held back from the archive.
    Recovers: by itself; a new subscriber of the live stream may come at once.
    """
    recorded = shared_place.recorded()
    with peer(shared_place, "listen", recorded.stream_id) as dying:
        dying.told("listens")
        recorded.go_on(1)
        dying.told("heard")
        dying.kill()
        recorded.go_on(LONG)
    shared_place.goes_on(recorded)


def test_subscriber_stands_still_while_recording__publisher_goes_on(shared_place: Place) -> None:
    """Sees: the publisher BackPressuredError (RETRY) until the driver gives the subscriber up: no longer.

    Kept: every message.
    Recovers: by itself. The subscriber, told as above, connects anew and replays what it has missed.
    """
    recorded = shared_place.recorded()
    with peer(shared_place, "listen", recorded.stream_id) as stopped:
        stopped.told("listens")
        recorded.go_on(1)
        stopped.told("heard")
        with standing_still(stopped.pid):
            recorded.go_on(LONG)
        stopped.reads_on()
        assert stopped.told("error") in GIVEN_UP
    shared_place.goes_on(recorded)
