"""Holds a session before a time whose volume is away, until it is here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn

from aeron_py.errors import SettingError
from aeron_py.recorder.away import VolumeAwayError

if TYPE_CHECKING:
    from aeron_py.recorder.away import AwayVolumes, Span
    from aeron_py.recorder.entries import StreamInfo
    from aeron_py.recorder.timeindex import TimeIndex

__all__ = ["Gate"]

_LOOK_EVERY = 0.1


class Gate:
    """What is away, as one session meets it. Under the session's lock.

    Args:
        away: the volumes that are away; what nothing can fetch, holds nobody.
        index: what was recorded when.
    """

    def __init__(self, away: AwayVolumes, index: TimeIndex) -> None:
        self._away, self._index = away if away.fetches else None, index
        self._all = away
        self._files_of: list[Span] | None = None
        self._span: Span | None = None
        self._seen: list[Span] | None = None
        self._look_at = 0.0
        self._told: tuple[list[Span], list[Span]] | None = None

    @property
    def _spans(self) -> list[Span]:
        """What is away and can be fetched, in times of the index."""
        return [] if self._away is None else self.all_spans

    @property
    def all_spans(self) -> list[Span]:
        """What is away, also what nothing can fetch, in times of the index, oldest first."""
        found = self._all.spans
        if self._told is None or found is not self._told[0]:
            self._told = found, sorted((self._in_order(each) for each in found), key=lambda each: each.end_ns)
        return self._told[1]

    def _in_order(self, span: Span) -> Span:
        if not span.journals:  # all that is known is its name
            return span
        return span._replace(
            begin_ns=self._index.of_journal(span.begin_ns, span.journals[0]),
            end_ns=self._index.of_journal(span.end_ns, span.journals[-1]),
        )

    @property
    def streams(self) -> list[StreamInfo]:
        """What is known of streams in volumes that are away."""
        return self._all.streams

    def _ends(self, span: Span) -> int:
        """The last moment of a volume: the one after it begins a little before it ends."""
        after = self._index.begin_after(span.end_ns)
        return span.end_ns if after is None else min(span.end_ns, after - 1)

    @property
    def earliest_ns(self) -> int | None:
        """The first moment of all there is, here or away."""
        begins = [self._index.begin_ns, *(each.begin_ns for each in self._spans)]
        return min((each for each in begins if each is not None), default=None)

    @property
    def begin_ns(self) -> int | None:
        """The first moment after the last volume that is away."""
        last = max((each.end_ns for each in self._spans), default=None)
        begin = None if last is None else self._index.begin_after(last)
        return self._index.begin_ns if begin is None else begin

    def stand(self, here: int) -> None:
        """The session stands at a time, and goes on from there."""
        spans = self._spans
        self._span = next((each for each in spans if each.end_ns > here and self._ends(each) > here), None)

    @property
    def stands(self) -> bool:
        """Whether anything is away that the session would come to."""
        return self._span is not None

    def until(self, end: int | None, here: int) -> int | None:
        """Up to when it may go on, with an end of its own."""
        if self._span is None:
            return end
        gate = max(self._span.begin_ns - 1, here)
        return gate if end is None else min(gate, end)

    def holds(self, here: int) -> bool:
        """Whether the session can't go on from a time."""
        return self._span is not None and here >= self._span.begin_ns - 1

    def waits_for(self, here: int) -> str | None:
        """What a session at a time waits for, in words."""
        if self._span is None or self._away is None or not self.holds(here):
            return None
        if all(each.name != self._span.name for each in self._spans):
            return f"volume {self._span.name} is here: subscribers still read what came before"
        return self._away.state(self._span.name)

    def need(self) -> None:
        """Fetch what the session would come to next."""
        if self._span is not None and self._away is not None:
            self._away.need(self._span.name)

    def has_lost(self, here: Callable[[], int]) -> bool:
        """Whether something went away since the last look that the session counts on.

        Args:
            here: tells where the session stands.
        """
        if self._away is None or (spans := self._spans) is self._seen:
            return False
        self._seen, before = spans, self._span
        self.stand(here())
        if self._span is None or (before is not None and before.begin_ns <= self._span.begin_ns):
            self._span = before
            return False
        return True

    def opens(self, here: int, ahead_ns: int) -> bool:
        """Whether what the session waits for is here by now; has it fetched if it is not.

        Args:
            here: where the session stands.
            ahead_ns: how much of the recorded time it plays soon.
        """
        if self._away is None or time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + _LOOK_EVERY
        now = self._index.clock_ns(here)
        self._away.use(now, now + ahead_ns)
        span = self._span
        if span is None or here + ahead_ns < span.begin_ns - 1:
            return False
        if any(each.name == span.name for each in self._spans):
            self._away.need(span.name)
            return False
        if not self.holds(here):
            return False
        self._index.look_for_files()
        return True

    def between(self, begin: int, end: int) -> Span | None:
        """The last volume that is away in a time."""
        spans = self._spans
        return next((each for each in reversed(spans) if each.begin_ns < end and begin < self._ends(each)), None)

    def need_span(self, span: Span) -> None:
        """Fetch one."""
        if self._away is not None:
            self._away.need(span.name)

    # -- for the latest messages

    def see_files(self) -> None:
        """Have the index see what came and went by now."""
        if (spans := self._all.spans) is not self._files_of:
            self._files_of = spans
            self._index.look_for_files()

    def use(self, time_ns: int | None) -> None:
        """What was recorded at a time is used now: it stays here for a while."""
        if time_ns is not None:
            now = self._index.clock_ns(time_ns)
            self._all.use(now, now)

    def raise_away(self, needed: Mapping[Span, str]) -> NoReturn:
        """Have volumes fetched, and raise what is to be said of them.

        Args:
            needed: volumes, each with a topic whose latest message may be in it.

        Raises:
            SettingError: nothing could fetch them.
            VolumeAwayError: they are not here yet.
        """
        first = next(iter(needed))
        if self._away is None:
            raise SettingError(
                f"the latest message of {needed[first]} may be in volume {first.name}, which is only where it was "
                "stored: archive_cmds.get of the configuration would fetch it",
                operation="values",
            )
        for each in needed:
            self._away.need(each.name)
        raise VolumeAwayError(self._away.state(first.name), operation="values")
