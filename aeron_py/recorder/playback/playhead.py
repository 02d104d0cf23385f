"""Where a session is in recorded time, and where it was told to go."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aeron_py.recorder.playback.feed import Feed
from aeron_py.recorder.playback.gate import Gate
from aeron_py.recorder.playback.goals import Goals
from aeron_py.recorder.playback.lanes import Lanes
from aeron_py.recorder.playback.pacer import FOREVER, Pacer
from aeron_py.recorder.playback.topics import TopicFilter

if TYPE_CHECKING:
    from aeron_py.recorder.away import AwayVolumes
    from aeron_py.recorder.entries import StreamInfo
    from aeron_py.recorder.timeindex import TimeIndex

__all__ = ["PAUSE", "PLAY", "TAIL", "Mode", "Playhead"]

Mode = str
PAUSE: Final = "pause"
PLAY: Final = "play"
TAIL: Final = "tail"

_SETTLE_AT_MOST = 5.0


class Playhead:
    """Goes along a time index, and has it replayed. Thread-safe; what brings it on is :class:`Player`.

    Args:
        pacer: whose threads play it.
        index: what was recorded when.
        archive_dir: of the archive.
        session: the session's id.
        topics: which.
        place: where a topic is played: its channel and stream, from the topic and its stream in the index.
        away: the volumes that are away.
    """

    def __init__(
        self,
        pacer: Pacer,
        index: TimeIndex,
        archive_dir: str | os.PathLike[str],
        session: str,
        topics: TopicFilter,
        place: Callable[[str, StreamInfo], tuple[str, int]],
        away: AwayVolumes,
    ) -> None:
        self.lock = threading.RLock()
        self.index = index
        self.archive_dir = archive_dir
        self.mode: Mode = PAUSE
        self.speed = 1.0
        self.start: int | None = None
        self.end: int | None = None
        self.loop = False
        self.ended = False
        """Whether the end was reached: that which was set, or of what there is."""
        self._pacer = pacer
        self._settling: float | None = None
        self._goals: Goals | None = None
        self._awaited: frozenset[str] = frozenset()
        self.track = pacer.add()
        self.gate = Gate(away, index)
        self.lanes = Lanes(pacer, self.track, index, archive_dir, session, topics, place, self.gate)
        self._feed = Feed(index, self.track, self.lanes.part_of)
        try:
            self.lanes.refresh()
            self.seek(self.begin)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop playing."""
        with self.lock:
            self.lanes.close()
            self._feed.close()
            self.track.close()

    # -- where it is

    @property
    def begin(self) -> int:
        """Where it begins: the start that was set, or of what there is."""
        # What came in the first moment belongs to it: a position is after all that came until then.
        if self.start is None:
            return (self.gate.begin_ns or 1) - 1
        return max(self.start, self.gate.earliest_ns or 1) - 1

    @property
    def earliest(self) -> int:
        """Where it may be set to go on from: the start that was set, or of all there is, here or away."""
        return self.begin if self.start is not None else (self.gate.earliest_ns or 1) - 1

    @property
    def waits_for(self) -> str | None:
        """What it waits for, in words."""
        with self.lock:
            return None if self.mode == TAIL else self.gate.waits_for(self.track.status.position)

    @property
    def pos(self) -> int:
        """Recorded time, nanoseconds since 1970."""
        with self.lock:
            if self.mode == TAIL and not self._awaited:
                now = self.index.now_ns() if self.index.is_live else self.index.end_ns or 0
                return min(now, FOREVER if self.end is None else self.end)
            return self.track.status.position if self._goals is None else self._goals.delivered_ns()

    @property
    def consumed(self) -> bool:
        """Whether all that was to be played until now was read by those who listen."""
        with self.lock:
            return self.lanes.consumed

    # -- being told

    def seek(self, time_ns: int) -> None:
        """Go on from after a recorded time; what is under way is dropped."""
        with self.lock:
            self._goals = None
            self.ended = False
            self.gate.stand(time_ns)
            self._awaited = frozenset()
            image = self.index.image_at(time_ns)
            self.track.pause()
            read = self.lanes.read_up()
            self.track.seek(time_ns)
            self.lanes.seek(image, read)
            self._feed.read_on(time_ns)
            if self.mode == TAIL:
                self.mode = PLAY
            if self.mode == PLAY:
                self._go()
            self._pacer.wake()

    def step(self, batches: int) -> int:
        """Play so many batches at once, or go back so many; how many there were."""
        with self.lock:
            if self._goals is not None or self.mode == TAIL:
                self._stand(self.pos)
            if batches < 0:
                return self._step_back(-batches)
            self.ended = False
            for _ in range(8):
                self._feed.feed(batches, self._pace, self._until)
            made = self.track.step(batches)
            if made < batches:
                self.gate.need()
            if self.mode == PLAY:
                self._go()
            self._pacer.wake()
            return made

    def _step_back(self, batches: int) -> int:
        here = self.track.status.position
        asked = batches + 1
        while True:
            ticks = self.index.ticks_before(here + 1, asked)
            ours = [tick for tick in ticks if any(index in self.lanes for index, _ in tick.positions)]
            if len(ours) > batches or len(ticks) < asked:
                break
            asked *= 4
        reached = ours[-1 - batches].time_ns if len(ours) > batches else min(self.earliest, here)
        if (span := self.gate.between(reached, here)) is not None:
            # Batches that are away are not counted: go to the end of them, and further when they are here.
            self.gate.need_span(span)
            self.seek(min(span.end_ns, here))
            return sum(tick.time_ns > span.end_ns for tick in ours)
        if len(ours) > batches:
            self.seek(ours[-1 - batches].time_ns)
            return batches
        self.seek(min(self.earliest, here))
        return len(ours)

    def set_mode(self, mode: Mode) -> None:
        """Play, pause or tail."""
        with self.lock:
            if mode == self.mode and not self._awaited:
                return
            self._awaited = frozenset()
            if mode == PAUSE:
                if self._goals is not None or self.mode == TAIL:
                    self._stand(self.pos)
                self.track.pause()
                self._settling = None
                self.mode = PAUSE
            elif mode == TAIL:
                self.mode = PAUSE
                self.seek(self.index.now_ns())
                self._tail()
            else:
                if self.mode == TAIL:
                    self._stand(self.pos)
                self.mode = PLAY
                self._go()
            self._pacer.wake()

    def set_speed(self, speed: float) -> None:
        """How fast, as a fraction of real time."""
        with self.lock:
            if speed == self.speed:
                return
            if self._goals is not None:
                self._stand(self.pos)
            self.speed = speed
            if self.mode == PLAY and not self._awaited:
                self._go()
            self._pacer.wake()

    def set_end(self, end: int | None) -> None:
        """Where it ends."""
        with self.lock:
            if end == self.end:
                return
            here = self.pos
            self.end = end
            self.ended = False
            if self.mode == TAIL and (end is None or end > here):
                return
            if end is not None and end < here:
                self.seek(end)
            else:
                self._stand(here)
                if self.mode == PLAY and not self._awaited:
                    self._go()
            self._pacer.wake()

    # -- how time goes on

    def _go(self) -> None:
        """Have time go on, when the replays are there."""
        self.track.pause()
        self.ended = False
        self._awaited = frozenset()
        self._settling = time.monotonic() + _SETTLE_AT_MOST
        if math.isinf(self.speed):
            self.lanes.refresh()
            self._goals = Goals(self.index, self.track, self.lanes, self._until)

    def _stand(self, time_ns: int) -> None:
        """Stand at a time, whatever was played beyond: that is passed over later."""
        stood = [(part, part.position) for part in self.lanes.parts]
        self._goals = None
        self.track.seek(time_ns)
        for part, position in stood:
            part.follows = None
            part.limit = position
            self.track.raise_to(part.slot, position)
            part.reattach()
        self._feed.read_on(time_ns)
        if self.mode == TAIL:
            self.mode = PLAY

    @property
    def _until(self) -> int | None:
        """Up to when it may be played now."""
        return self.gate.until(self.end, self.track.status.position)

    @property
    def _pace(self) -> float:
        """How fast time goes on now."""
        return self.speed if self.mode == PLAY and not math.isinf(self.speed) else 0.0

    def _tail(self) -> None:
        self._goals = None
        self._settling = None
        self.mode = TAIL
        self.lanes.refresh()
        self.lanes.follow()
        self.track.play(1.0, FOREVER)
