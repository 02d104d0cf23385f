"""Unlimited speed: each recording straight to where it is to end, as fast as its subscribers read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aeron_py.recorder.playback.bounded import Stage
from aeron_py.recorder.playback.part import Part

if TYPE_CHECKING:
    from collections.abc import Collection

    from aeron_py.recorder.playback.lane import Lane
    from aeron_py.recorder.playback.lanes import Lanes
    from aeron_py.recorder.playback.pacer import Track
    from aeron_py.recorder.timeindex import TimeIndex

__all__ = ["Goals"]

_WINDOW: Final = 64 << 20
_EXACT_NS: Final = 1_000_000


class Goals:
    """Where each recording is to be played to.

    Args:
        index: what was recorded when.
        track: of the session.
        lanes: of the session.
        end: of the session.
    """

    def __init__(self, index: TimeIndex, track: Track, lanes: Lanes, end: int | None) -> None:
        self._index, self._track, self._lanes = index, track, lanes
        known = index.end_ns or 0
        self.until_ns = known if end is None else min(end, known)
        """The recorded time up to which it plays."""
        self._from_ns = track.status.position
        image = index.image_at(self.until_ns)
        self._heard: set[Lane] = set()
        self._goals: dict[Part, int] = {}
        for part in lanes.parts:
            part.limit = self._goals[part] = max(part.position_in(image), part.position)

    def push(self) -> None:
        """Raise the limits, but no further before what comes out than what a pause may still let through."""
        for lane in self._lanes.listening:
            self._heard.add(lane)
            for part in lane.parts:
                goal = self._goals.get(part, part.cursor)
                if part.stage is Stage.RUNNING and part.position < goal:
                    # Where a term ends, a frame ends.
                    term = self._lanes.recordings.find(part.recording_id).term_buffer_length
                    ahead = (part.sent & -term) + max(term, _WINDOW // term * term)
                    if ahead > part.position:
                        self._track.raise_to(part.slot, min(goal, ahead))

    @property
    def _played(self) -> Collection[Lane]:
        # Who has heard all may be gone before this is looked at.
        return self._lanes.listening or self._heard

    @property
    def reached(self) -> bool:
        """Whether all was published for which somebody listens, or did; somebody must, if there is anything to play."""
        lanes = self._played
        return bool(lanes or not self._lanes.by_topic) and all(
            part.stage is Stage.DONE or part.sent >= self._goals.get(part, 0) for lane in lanes for part in lane.parts
        )

    def delivered_ns(self) -> int:
        """The recorded time up to which everything was published: found by halving."""
        if self.reached:
            return self.until_ns
        sent = [
            (info.index, part.sent)
            for lane in self._played
            for part in lane.parts
            if part.stage is not Stage.DONE and part.sent < self._goals.get(part, 0)
            for info in part.infos
        ]
        low, high = self._from_ns, self.until_ns
        while sent and high - low > _EXACT_NS:
            middle = (low + high) // 2
            positions = self._index.image_at(middle).positions
            if all(positions.get(index, (0, 0))[1] <= position for index, position in sent):
                low = middle
            else:
                high = middle
        return low
