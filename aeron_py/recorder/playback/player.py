"""What a session does: follows the time index, and has the archive replay what it tells."""

from __future__ import annotations

import contextlib
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
from aeron_py.recorder.playback.lane import Lane
from aeron_py.recorder.playback.pacer import FOREVER, Pacer
from aeron_py.recorder.playback.part import Part, Stage
from aeron_py.recorder.playback.positions import publications, readers, recorded
from aeron_py.recorder.playback.recordings import Recordings
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
_STOP_AT_MOST = 5.0
_READ_AT_MOST = 0.1
_PAUSE = 0.0005
_CYCLES = 3
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
        self.lanes: dict[str, Lane] = {}
        self.mode: Mode = PAUSE
        self.speed = 1.0
        self.start: int | None = None
        self.end: int | None = None
        self.loop = False
        self.ended = False
        """Whether the end was reached: that which was set, or of what there is."""
        self._pacer = pacer
        self._session = session
        self._topics = topics
        self._place = place
        self._parts: dict[int, Part] = {}
        self._all_parts: list[Part] = []
        self._ignored: set[int] = set()
        self._recordings = Recordings(archive_dir)
        self._streams_at = 0.0
        self._settling: float | None = None
        self._goals: Goals | None = None
        self._empty = True
        self.track = pacer.add()
        self._feed = Feed(index, self.track, self._part_of)
        self._gate = Gate(away, index)
        self._refresh_streams()
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
            if self.mode == TAIL:
                now = time.time_ns() if self.index.is_live else self.index.end_ns or 0
                return min(now, FOREVER if self.end is None else self.end)
            return self.track.status.position if self._goals is None else self._goals.delivered_ns()

    @property
    def consumed(self) -> bool:
        """Whether all that was to be played until now was read by those who listen."""
        with self.lock:
            lanes = [lane for lane in self.lanes.values() if lane.listening]
            if not all(lane.played and lane.settled for lane in lanes):
                return False
            read = readers(self._pacer.client.counters)
            for lane in lanes:
                for part in lane.parts:
                    session_id = part.session_id
                    if session_id is not None and read.get((session_id, lane.stream_id), FOREVER) < part.position:
                        return False
            return True

    # -- being told

    def seek(self, time_ns: int) -> None:
        """Go on from after a recorded time; what is under way is dropped."""
        with self.lock:
            self._goals = None
            self.ended = False
            self._gate.stand(time_ns)
            image = self.index.image_at(time_ns)
            self.track.pause()
            read = self._read_up()
            self.track.seek(time_ns)
            for part in self._all_parts:
                known = [image.positions[info.index][1] for info in part.infos if info.index in image.positions]
                part.live = False
                part.seek(max(known, default=part.start), read)
                self.track.raise_to(part.slot, part.cursor)
            self._await_stopped()
            self._feed.read_on(time_ns)
            if self.mode == TAIL:
                self.mode = PLAY
            if self.mode == PLAY:
                self._go()
            self._pacer.wake()

    def _read_up(self) -> dict[tuple[int, int], int]:
        """Give subscribers a moment to read what was published; how far they are."""
        deadline = time.monotonic() + _READ_AT_MOST
        while True:
            running = [part for part in self._all_parts if part.stage is Stage.RUNNING]
            read = readers(self._pacer.client.counters) if running else {}
            if time.monotonic() >= deadline or all(part.read_up(read) for part in running):
                return read
            time.sleep(_PAUSE)

    def _await_stopped(self) -> None:
        """Wait until whoever subscribes from now on hears nothing of replays that were stopped."""
        stopping = [part for part in self._all_parts if part.stage is Stage.STOPPING]
        deadline = time.monotonic() + _STOP_AT_MOST
        for part in stopping:
            while part.stage is Stage.STOPPING and time.monotonic() < deadline:
                part.work_stop()
                if part.stage is Stage.STOPPING:
                    time.sleep(_PAUSE)
        # The archive has noted it. It acts on it before it answers requests that come after that; then the media driver
        # hears of the end of the replay before it hears of new subscribers.
        with contextlib.suppress(AeronError):
            for _ in range(_CYCLES if stopping else 0):
                self._pacer.archive.get_start_position(stopping[0].recording_id, timeout=_STOP_AT_MOST)

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
            ours = [tick for tick in ticks if any(index in self._parts for index, _ in tick.positions)]
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
            if mode == self.mode:
                return
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
            if self.mode == PLAY:
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
                if self.mode == PLAY:
                    self._go()
            self._pacer.wake()

    def close(self) -> None:
        """Stop playing."""
        self._pacer.forget(self)
        with self.lock:
            for lane in self.lanes.values():
                lane.close()
            self._feed.close()
            self.track.close()

    # -- how time goes on

    def _go(self) -> None:
        """Have time go on, when the replays are there."""
        self.track.pause()
        self.ended = False
        self._settling = time.monotonic() + _SETTLE_AT_MOST
        if math.isinf(self.speed):
            self._refresh_streams()
            self._goals = Goals(self.index, self.track, self.lanes, self._recordings, self._until)

    def _stand(self, time_ns: int) -> None:
        """Stand at a time, whatever was played beyond: that is passed over later."""
        stood = [(part, part.position) for part in self._all_parts]
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
        self._refresh_streams()
        self._follow()
        self.track.play(1.0, FOREVER)

    def _follow(self) -> None:
        """Let what is recorded now be played as the archive has it, and what has ended to its end."""
        counters = recorded(self._pacer.client.counters)
        for part in self._all_parts:
            stop = part.stop
            if stop is not None:
                self.track.raise_to(part.slot, stop)
                part.limit = max(part.limit, stop)
                part.live = False
                continue
            found = counters.get((part.recording_id, part.infos[-1].session_id))
            if found is not None:
                part.live = True
                self.track.follow(part.slot, *found)
            part.limit = max(part.limit, self.track.position(part.slot))

    # -- the work of the pacer's thread

    def work(self) -> float:
        """Bring everything on; returns after how many seconds to come back."""
        with self.lock:
            if self.track._handle.closed:
                return _CALM
            self._look_for_streams()
            for lane in self.lanes.values():
                lane.work()
            self._look_at_counters()
            if self.mode == TAIL:
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
            busy = busy or any(not lane.settled for lane in self.lanes.values())
            return _BUSY if busy else _CALM

    def on_replay_error(self, error: ArchiveError) -> None:
        """The archive tells that a replay failed; it may be another's."""
        with self.lock:
            for part in self._all_parts:
                if part.correlation_id == error.correlation_id != -1:
                    self._recordings.forget(part.recording_id)
                    part.failed(error)

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
            self._refresh_streams()
            self.seek(here)
        return self._gate.holds(here)

    def _work_play(self) -> None:
        if self._settling is not None:
            settled = all(lane.settled for lane in self.lanes.values())
            if not settled and time.monotonic() < self._settling:
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
            if not all(lane.ready for lane in self.lanes.values()):
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
        for part in self._all_parts:
            part.limit = max(part.limit, self.track.position(part.slot))
        if self.end is not None and time.time_ns() >= self.end:
            self._stand(self.end)
            self._at_end()
        elif not self.index.is_live:
            if self.loop and self._all_parts:
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

    def _part_of(self, index: int) -> Part | None:
        """The part that a stream of the time index is of, None when it is not played."""
        part = self._parts.get(index)
        if part is None and index not in self._ignored:
            self._refresh_streams()
            part = self._parts.get(index)
            if part is None:
                self._ignored.add(index)
        return part

    # -- streams, recordings, counters

    def _look_for_streams(self) -> None:
        now = time.monotonic()
        if now >= self._streams_at:
            self._streams_at = now + _STREAMS_EVERY
            self._refresh_streams()
            if self.mode == TAIL:
                self._follow()
            if self._empty and self.index.begin_ns is not None:
                self._empty = False
                if self.track.status.position < self.earliest:
                    self.seek(self.begin)

    def _lane(self, info: StreamInfo) -> Lane:
        lane = self.lanes.get(info.topic)
        if lane is None:
            channel, stream_id = self._place(info.topic, info)
            lane = Lane(self._pacer.client, info, channel, stream_id, self._session, self._make_part)
            self.lanes[info.topic] = lane
        return lane

    def _refresh_streams(self) -> None:
        for info in self._gate.streams:
            if info.topic not in self.lanes and info.topic in self._topics:
                self._lane(info)
        for info in self.index.streams:
            known = self._parts.get(info.index)
            if known is None and info.index in self._ignored:
                continue
            if known is None and info.topic not in self._topics:
                self._ignored.add(info.index)
                continue
            self._parts[info.index] = self._lane(info).add(info)

    def _make_part(self, info: StreamInfo, channel: str, stream_id: int) -> Part:
        slot = len(self._all_parts)
        part = Part(self._pacer, self.track, slot, info, channel, stream_id, self._recordings.begin_of)
        self._all_parts.append(part)
        self.track.raise_to(slot, part.cursor)
        return part

    def recording(self, recording_id: int) -> RecordingDescriptor:
        """What the catalog has of a recording."""
        with self.lock:
            return self._recordings.find(recording_id)

    def _look_at_counters(self) -> None:
        stages = {part.stage for part in self._all_parts}
        if Stage.FINDING in stages:
            published = publications(self._pacer.client.counters)
            for part in self._all_parts:
                part.found(published)
        if Stage.DRAINING in stages:
            read = readers(self._pacer.client.counters)
            for part in self._all_parts:
                part.drained(read)
