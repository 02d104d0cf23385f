"""From the time index into a track: the moves that are to come, before they are due."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aeron_py.recorder.entries import Tick
    from aeron_py.recorder.playback.pacer import Track
    from aeron_py.recorder.playback.part import Part
    from aeron_py.recorder.timeindex import Ticks, TimeIndex

__all__ = ["LIVE_LAG", "Feed"]

LIVE_LAG: Final = 150_000_000
"""Nanoseconds after which what is recorded is in the journal, and can be read from there."""

_SECOND = 1_000_000_000
_AHEAD = 1.0  # seconds of the clock that moves are queued before they are due
_READ = 512
_MOVES = 1 << 14

Moves = tuple[list[int], list[int], list[int], int]


class Feed:
    """Reads the ticks of a time index in order.

    Args:
        index: the time index.
        track: what gets them.
        part_of: the part that a stream of the index is of, None for one that is not played.
    """

    def __init__(self, index: TimeIndex, track: Track, part_of: Callable[[int], Part | None]) -> None:
        self._index = index
        self._track = track
        self._part_of = part_of
        self._ticks: Ticks | None = None
        self._unpushed: Moves | None = None
        self.told_all = False
        """Whether the track was told of all there was, the last time."""

    def read_on(self, time_ns: int) -> None:
        """Go on with what comes after a time."""
        self.close()
        self._ticks = self._index.ticks(time_ns + 1)
        self._unpushed = None
        self.told_all = False

    def close(self) -> None:
        """Close the files."""
        if self._ticks is not None:
            self._ticks.close()

    def feed(self, steps: int, speed: float, end: int | None) -> None:
        """Queue what is due soon.

        Args:
            steps: moves that are queued at least.
            speed: how fast time goes on.
            end: where the session ends.
        """
        self.told_all = False
        here = self._track.status
        until = here.position + int(_AHEAD * speed * _SECOND)
        if self._unpushed is not None:
            if not self._track.push(*self._unpushed):
                return
            self._unpushed = None
        pushed = 0
        while pushed < _MOVES and (here.horizon < until or here.queued < steps) and self._ticks is not None:
            if end is not None and here.horizon >= end:
                return
            ticks = self._ticks.read(_READ)
            moves = self._moves(ticks, end)
            if not ticks:
                moves = ([], [], [], self._known_until(here.horizon, end))
            if not self._track.push(*moves):
                self._unpushed = moves
                return
            pushed += len(moves[0]) + 1
            here = self._track.status
            if not ticks:
                self.told_all = True
                return

    def _known_until(self, horizon: int, end: int | None) -> int:
        known = self._index.now_ns() - LIVE_LAG if self._index.is_live else self._index.end_ns or 0
        return max(horizon, known if end is None else min(known, end))

    def _moves(self, ticks: Iterable[Tick], end: int | None) -> Moves:
        times: list[int] = []
        slots: list[int] = []
        positions: list[int] = []
        horizon = 0
        for time_ns, moved in ticks:
            if end is not None and time_ns > end:
                horizon = max(horizon, end)
                break
            horizon = time_ns
            for index, position in moved:
                part = self._part_of(index)
                if part is None:
                    continue
                times.append(time_ns)
                slots.append(part.slot)
                positions.append(position)
                if position > part.limit:
                    part.limit = position
        return times, slots, positions, horizon
