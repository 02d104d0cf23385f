"""What a session does: follows the time index, and has the archive replay what it tells."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aeron_py.errors import AeronError, ArchiveError
from aeron_py.recorder.playback.feed import LIVE_LAG, Feed
from aeron_py.recorder.playback.gate import Gate
from aeron_py.recorder.playback.goals import Goals
from aeron_py.recorder.playback.kept import KeptSession
from aeron_py.recorder.playback.lanes import Lanes
from aeron_py.recorder.playback.pacer import FOREVER, Pacer
from aeron_py.recorder.playback.topics import TopicFilter

if TYPE_CHECKING:
    from aeron_py.archive.recordings import RecordingDescriptor
    from aeron_py.recorder.away import AwayVolumes
    from aeron_py.recorder.entries import StreamInfo
    from aeron_py.recorder.timeindex import TimeIndex

__all__ = ["Mode", "Player"]

Mode = str
PAUSE: Final = "pause"
PLAY: Final = "play"
TAIL: Final = "tail"

_STEPS_AHEAD = 160
_STREAMS_EVERY = 0.1
_SETTLE_AT_MOST = 5.0
_BUSY, _CALM = 0.004, 0.02
_FETCH_AHEAD = 10e9  # nanoseconds of the clock that a volume is fetched before it is due


class Player:
    """Plays the topics of a time index. Thread-safe; the pacer's thread works on it.

    Args:
        pacer: whose threads play it.
        index: what was recorded when.
        archive_dir: of the archive.
        session: the session's id.
        topics: which.
        place: where a topic is played: its channel and stream, from the topic and its stream in the index.
        away: the volumes that are away; None when nothing could bring them back.
    """

    def __init__(
        self,
        pacer: Pacer,
        index: TimeIndex,
        archive_dir: str | os.PathLike[str],
        session: str,
        topics: TopicFilter,
        place: Callable[[str, StreamInfo], tuple[str, int]],
        away: AwayVolumes | None = None,
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
        self._streams_at = 0.0
        self._settling: float | None = None
        self._goals: Goals | None = None
        self._empty = True
        self._left_at: int | None = None
        self._seen_ns = 0
        self._awaited: frozenset[str] = frozenset()
        self._await_until = 0.0
        self.track = pacer.add()
        self._gate = Gate(away, index)
        self.lanes = Lanes(pacer, self.track, index, archive_dir, session, topics, place, self._gate)
        self._feed = Feed(index, self.track, self.lanes.part_of)
        self.lanes.refresh()
        self.seek(self.begin)
        pacer.look_after(self)

    # -- where it is

    @property
    def begin(self) -> int:
        """Where it begins: the start that was set, or of what there is."""
        # What came in the first moment belongs to it: a position is after all that came until then.
        if self.start is None:
            return (self._gate.begin_ns or 1) - 1
        return max(self.start, self._gate.earliest_ns or 1) - 1

    @property
    def earliest(self) -> int:
        """Where it may be set to go on from: the start that was set, or of all there is, here or away."""
        return self.begin if self.start is not None else (self._gate.earliest_ns or 1) - 1

    @property
    def waits_for(self) -> str | None:
        """What it waits for, in words."""
        with self.lock:
            return None if self.mode == TAIL else self._gate.waits_for(self.track.status.position)

    @property
    def pos(self) -> int:
        """Recorded time, nanoseconds since 1970."""
        with self.lock:
            if self.mode == TAIL and not self._awaited:
                now = time.time_ns() if self.index.is_live else self.index.end_ns or 0
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
            self._gate.stand(time_ns)
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
                self._gate.need()
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
        if (span := self._gate.between(reached, here)) is not None:
            # Batches that are away are not counted: go to the end of them, and further when they are here.
            self._gate.need_span(span)
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
                self.seek(time.time_ns())
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

    def close(self) -> None:
        """Stop playing."""
        self._pacer.forget(self)
        with self.lock:
            self.lanes.close()
            self._feed.close()
            self.track.close()

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
            part.live = False
            part.limit = position
            self.track.raise_to(part.slot, position)
            part.reattach()
        self._feed.read_on(time_ns)
        if self.mode == TAIL:
            self.mode = PLAY

    @property
    def _until(self) -> int | None:
        """Up to when it may be played now."""
        return self._gate.until(self.end, self.track.status.position)

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

    # -- the work of the pacer's thread

    def work(self) -> float:
        """Bring everything on; returns after how many seconds to come back."""
        with self.lock:
            if self.track._handle.closed:
                return _CALM
            self._look_for_streams()
            for lane in self.lanes:
                lane.work()
            self.lanes.look_at_counters()
            self._seen_ns = self.track.status.position if self._goals is None else self._goals.until_ns
            if self._awaited:
                self._await_listeners()
            elif self.mode == TAIL:
                self._work_tail()
            elif self._is_held():
                self._settling = None
            elif math.isinf(self.speed) and self.mode == PLAY:
                self._work_unlimited()
            else:
                self._feed.feed(_STEPS_AHEAD, self._pace, self._until)
                if self.mode == PLAY:
                    self._work_play()
            busy = self._settling is not None or self._goals is not None
            busy = busy or not self.lanes.settled
            return _BUSY if busy else _CALM

    def on_replay_error(self, error: ArchiveError) -> None:
        """The archive tells that a replay failed; it may be another's."""
        with self.lock:
            self.lanes.on_replay_error(error)

    def _is_held(self) -> bool:
        """Whether it waits for what is away."""
        if self._gate.has_lost(lambda: self.pos):
            self._stand(self.pos)
            if self.mode == PLAY:
                self._go()
        if self._goals is not None:
            if not self._goals.reached or self._goals.until_ns == self.end or not self._gate.stands:
                return False
            self._stand(self._until or 0)
        here = self.track.status.position
        if self._gate.opens(here, int(_FETCH_AHEAD * self._pace)) and self.consumed:
            self.lanes.refresh()
            self.seek(here)
        return self._gate.holds(here)

    def _work_play(self) -> None:
        if self._settling is not None:
            if not self.lanes.settled and time.monotonic() < self._settling:
                return
            self._settling = None
            self.track.play(self.speed, FOREVER if self.end is None else self.end)
            return
        here = self.track.status
        if self.end is not None and here.position >= self.end:
            self._at_end()
        elif here.queued == 0 and self._feed.pushed_all and here.position >= here.horizon:
            if self.index.is_live:
                if here.position >= time.time_ns() - 2 * LIVE_LAG:
                    self._tail()
            elif here.position >= (self.index.end_ns or 0):
                self._at_end()

    def _work_unlimited(self) -> None:
        if self._settling is not None:
            if not all(lane.ready for lane in self.lanes):
                return
            self._settling = None
        assert self._goals is not None
        self._goals.push()
        if self._goals.reached:
            known = self._goals.until_ns
            if self.index.is_live and (self.end is None or self.end > time.time_ns() - LIVE_LAG):
                self._tail()
            else:
                self._stand(max(known, self.track.status.position))
                self._at_end()

    def _work_tail(self) -> None:
        for part in self.lanes.parts:
            part.limit = max(part.limit, self.track.position(part.slot))
        if self.end is not None and time.time_ns() >= self.end:
            self._stand(self.end)
            self._at_end()
        elif not self.index.is_live:
            if self.loop and self.lanes.parts:
                self._at_end()
            else:
                self.ended = True  # for as long as nobody records
        else:
            self.ended = False

    def _at_end(self) -> None:
        """The end that was set, or of what there is when nothing records any more."""
        if self.loop:
            if self.consumed:
                self.seek(self.begin)
            return
        ends = self.end is not None and self.track.status.position >= self.end
        if ends or (self.end is not None and self.end <= time.time_ns()):
            self.track.pause()
            self.mode = PAUSE
        else:
            self._tail()
        self.ended = True

    # -- streams and recordings

    def _look_for_streams(self) -> None:
        now = time.monotonic()
        if now >= self._streams_at:
            self._streams_at = now + _STREAMS_EVERY
            self.lanes.refresh()
            if self.mode == TAIL and not self._awaited:
                self.lanes.follow()
            if self._empty and self.index.begin_ns is not None:
                self._empty = False
                if self.track.status.position < self.earliest:
                    self.seek(self.begin)

    def recording(self, recording_id: int) -> RecordingDescriptor:
        """What the catalog has of a recording."""
        with self.lock:
            return self.lanes.recordings.find(recording_id)

    # -- over the death of an archive, or of a media driver

    def lost(self) -> None:
        """The archive is gone: stand still until :meth:`go_on`."""
        with self.lock:
            if self._left_at is not None:
                return
            try:
                self.track.pause()
                here = self.track.status.position if self._goals is None else self._goals.until_ns
            except AeronError:
                here = self._seen_ns  # the media driver is gone, too
            self._left_at = time.time_ns() if self.mode == TAIL else here
            self._goals = self._settling = None
            self.lanes.lost()

    def go_on(self) -> None:
        """The archive is back: go on from where all that was published ends."""
        with self.lock:
            if self._left_at is not None:
                left_at, self._left_at = self._left_at, None
                self.lanes.refresh()
                self._go_on(left_at)

    def _go_on(self, left_at: int) -> None:
        time_ns = self.lanes.published_until(min(self.begin, left_at), left_at)
        self.track.seek(time_ns)
        self.lanes.stand(self.index.image_at(time_ns))
        self._feed.read_on(time_ns)
        self._empty = self.index.begin_ns is None
        if not self._awaited:
            self._resume()
        self._pacer.wake()

    def _resume(self) -> None:
        if self.mode == PLAY:
            self._go()
        elif self.mode == TAIL:
            self._tail()

    def kept(self) -> tuple[int, dict[int, int], frozenset[str]]:
        """Where it stood when all was lost: time, position of each recording, topics that were listened to."""
        with self.lock:
            assert self._left_at is not None
            heard = self._awaited or frozenset(lane.topic for lane in self.lanes if lane.heard)
            return self._left_at, {part.recording_id: part.cursor for part in self.lanes.parts}, heard

    def restore(self, kept: KeptSession, patience: float) -> None:
        """Go on as a session that another media driver had, once those are back who listened to it.

        Args:
            kept: what it was.
            patience: seconds to wait for them.
        """
        with self.lock:
            self.lanes.restore(kept.cursors, kept.heard)
            self.mode, self.ended = kept.mode, kept.ended
            self._awaited, self._await_until = kept.heard, time.monotonic() + patience
            self._go_on(kept.left_at)

    def _await_listeners(self) -> None:
        listening = {lane.topic for lane in self.lanes.listening}
        if self._awaited <= listening or time.monotonic() >= self._await_until:
            self._awaited = frozenset()
            self._resume()
