"""The archives of a media driver, from its counters, and which streams have requests to one of them.

What tells: an archive's client subscribes to the stream, and the archive has a counter of a control session with that
publication's session, which it makes before it looks at credentials. What it only records has a ``rec-pos`` counter.
"""

from __future__ import annotations

import re
import struct
import time

from aeron_py.archive._recorded_position import rec_pos_key
from aeron_py.counters import CountersReader, CounterType
from aeron_py.recorder.names import place_of

__all__ = ["OtherArchives"]

_OF_EACH = CounterType.ARCHIVE_ERROR_COUNT, CounterType.ARCHIVE_CONTROL_SESSIONS
"""Of these each archive has one from its start on; of the first not beside Java's own driver."""
_ARCHIVE_ID = struct.Struct("<q")
_SUBSCRIPTION = re.compile(r"sub-pos: (-?\d+) (-?\d+) (-?\d+) (.*) @-?\d+", re.DOTALL)
_SESSION = re.compile(r"sessionId=(-?\d+)")
_Place = tuple[str, int]
_DECIDED_WITHIN = 1.0
"""Seconds in which an archive that subscribes to a stream shows why: both counters come within milliseconds."""


class OtherArchives:
    """The archives of a media driver, and the requests of others to all of them but one's own.

    Args:
        counters: of the driver.
        archive_id: one's own archive; None to look for no requests.
    """

    def __init__(self, counters: CountersReader, archive_id: int | None) -> None:
        self._counters, self._own = counters, archive_id
        self.clients: frozenset[int] = frozenset()
        """The clients that archives are."""
        self._others: dict[int, int] = {}
        # By session and stream: the client that subscribes, its subscription, and where that listens.
        self._subscribed: dict[tuple[int, int], list[tuple[int, int, _Place]]] = {}
        self._asked: set[tuple[int, int]] = set()
        self._recorded: set[tuple[int, int]] = set()
        self._recording: set[int] = set()
        self._control: dict[_Place, int] = {}
        self._undecided: dict[int, float] = {}

    def look(self) -> None:
        """See which archives there are, and what they listen to."""
        archives = {
            each.owner_id: _ARCHIVE_ID.unpack_from(each.key)[0]
            for type_id in _OF_EACH
            for each in self._counters.list(type_id)
        }
        self.clients = frozenset(archives)
        self._others = {} if self._own is None else {c: a for c, a in archives.items() if a != self._own}
        self._control = {where: client for where, client in self._control.items() if client in self._others}
        if self._others:
            self._look_at_others()

    def _look_at_others(self) -> None:
        self._subscribed = {}
        for each in self._counters.list(CounterType.SUBSCRIPTION_POSITION):
            if each.owner_id in self._others and (found := _SUBSCRIPTION.fullmatch(each.label)):
                subscription, session_id, stream_id = int(found[1]), int(found[2]), int(found[3])
                told = each.owner_id, subscription, (place_of(found[4]), stream_id)
                self._subscribed.setdefault((session_id, stream_id), []).append(told)
        # After those: what a subscription is for shows later than that it is there.
        self._recorded = {
            (archive_id, session_id)
            for _, session_id, archive_id in (
                rec_pos_key(each.key) for each in self._counters.list(CounterType.ARCHIVE_RECORDING_POSITION)
            )
        }
        self._asked = {
            (each.owner_id, int(found[1]))
            for each in self._counters.list(CounterType.ARCHIVE_CONTROL_SESSION)
            if (found := _SESSION.search(each.label))
        }
        self._recording &= {each for told in self._subscribed.values() for _, each, _ in told}
        for (session_id, _), subscriptions in self._subscribed.items():
            for client, subscription, where in subscriptions:
                if (self._others[client], session_id) in self._recorded:
                    self._recording.add(subscription)
                elif (client, session_id) in self._asked and subscription not in self._recording:
                    self._control[where] = client

    def asks(self, registration_id: int, channel: str, stream_id: int, session_id: int) -> bool | None:
        """Whether a publication has requests to another archive; None when that is not known yet, for a second at most.

        Args:
            registration_id: of the publication.
            channel: its channel.
            stream_id: the stream there.
            session_id: its session.
        """
        if (place_of(channel), stream_id) in self._control:
            return True
        if not self._others:
            return False
        subscribed = self._subscribed.get((session_id, stream_id), ())
        if any(where in self._control for _, _, where in subscribed):
            return True
        now = time.monotonic()
        until = self._undecided.get(registration_id)
        if until is None:
            # The media driver may be about to tell an archive of it.
            self._undecided = {each: last for each, last in self._undecided.items() if last > now - _DECIDED_WITHIN}
            self._undecided[registration_id] = now + _DECIDED_WITHIN
            return None
        decided = all(subscription in self._recording for _, subscription, _ in subscribed)
        return False if decided or now >= until else None
