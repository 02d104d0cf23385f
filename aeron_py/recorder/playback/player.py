"""What a session does: follows the time index, and has the archive replay what it tells."""

from __future__ import annotations

import math
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from aeron_py.archive.catalog import find_recording, read_catalog
from aeron_py.errors import ArchiveError
from aeron_py.recorder.playback.lane import Lane
from aeron_py.recorder.playback.pacer import FOREVER, Pacer
from aeron_py.recorder.playback.part import Part, Stage, publications, readers
from aeron_py.recorder.playback.topics import TopicFilter, message_begin

if TYPE_CHECKING:
    from aeron_py.archive.recordings import RecordingDescriptor
    from aeron_py.recorder.entries import StreamInfo, Tick
    from aeron_py.recorder.timeindex import Ticks, TimeIndex

__all__ = ["Mode", "Player"]

Mode = str
PAUSE: Final = "pause"
PLAY: Final = "play"
TAIL: Final = "tail"

_SECOND = 1_000_000_000
_AHEAD = 1.0  # seconds of the clock that moves are queued before they are due
_STEPS_AHEAD = 160
_READ = 512
_MOVES = 1 << 14
_STREAMS_EVERY = 0.1
_LIVE_LAG = 150_000_000  # what is recorded is in the journal, and read from there, after so many nanoseconds
_SETTLE_AT_MOST = 5.0
_WINDOW = 64 << 20
_BUSY, _CALM = 0.004, 0.02
_REC_POS = 100
_REC_KEY = struct.Struct("<qi")


class Player:
    """Plays the topics of a time index. Thread-safe; the pacer's thread works on it.

    Args:
        pacer: whose threads play it.
        index: what was recorded when.
        archive_dir: of the archive.
        session: the session's id.
        topics: which.
        place: where a topic is played: its channel and stream, from the topic and its stream in the index.
    """

    def __init__(
        self,
        pacer: Pacer,
        index: TimeIndex,
        archive_dir: str | os.PathLike[str],
        session: str,
        topics: TopicFilter,
        place: Callable[[str, StreamInfo], tuple[str, int]],
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
        self._recordings: dict[int, RecordingDescriptor] = {}
        self._ticks: Ticks | None = None
        self._unpushed: tuple[list[int], list[int], list[int], int] | None = None
        self._streams_at = 0.0
        self._settling: float | None = None
        self._goals: dict[Part, int] | None = None
        self._goal_ns = 0
        self._from_ns = 0
        self._empty = True
        self.track = pacer.add()
        self._refresh_streams()
        self.seek(self.begin)
        pacer.look_after(self)

    # -- where it is

    @property
    def begin(self) -> int:
        """Where it begins: the start that was set, or of what there is."""
        # What came in the first moment belongs to it: a position is after all that came until then.
        return (self.start if self.start is not None else self.index.begin_ns or 1) - 1

    @property
    def pos(self) -> int:
        """Recorded time, nanoseconds since 1970."""
        with self.lock:
            if self.mode == TAIL:
                now = time.time_ns() if self.index.is_live else self.index.end_ns or 0
                return min(now, FOREVER if self.end is None else self.end)
            return self.track.status.position if self._goals is None else self._delivered_ns()

    @property
    def consumed(self) -> bool:
        """Whether all that was to be played until now was read by those who listen."""
        with self.lock:
            lanes = [lane for lane in self.lanes.values() if lane.listening]
            if not all(lane.played and lane.settled for lane in lanes):
                return False
            read = readers(self._pacer)
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
            image = self.index.image_at(time_ns)
            self.track.seek(time_ns)
            for part in self._all_parts:
                known = [image.positions[info.index][1] for info in part.infos if info.index in image.positions]
                part.live = False
                part.seek(max(known, default=part.start))
                self.track.raise_to(part.slot, part.cursor)
            self._read_on(time_ns)
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
                self._feed(batches)
            made = self.track.step(batches)
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
        if len(ours) > batches:
            self.seek(ours[-1 - batches].time_ns)
            return batches
        self.seek(min(self.begin, here))
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
            if self._ticks is not None:
                self._ticks.close()
            self.track.close()

    # -- how time goes on

    def _go(self) -> None:
        """Have time go on, when the replays are there."""
        self.track.pause()
        self.ended = False
        self._settling = time.monotonic() + _SETTLE_AT_MOST
        if math.isinf(self.speed):
            self._set_goals()

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
        self._read_on(time_ns)
        if self.mode == TAIL:
            self.mode = PLAY

    def _read_on(self, time_ns: int) -> None:
        if self._ticks is not None:
            self._ticks.close()
        self._ticks = self.index.ticks(time_ns + 1)
        self._unpushed = None
        self._from_ns = time_ns

    def _tail(self) -> None:
        self._goals = None
        self._settling = None
        self.mode = TAIL
        self._refresh_streams()
        self._follow()
        self.track.play(1.0, FOREVER)

    def _follow(self) -> None:
        """Let what is recorded now be played as the archive has it, and what has ended to its end."""
        counters = {_REC_KEY.unpack_from(each.key): each for each in self._pacer.client.counters.list(_REC_POS)}
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
                self.track.follow(part.slot, found.counter_id, found.registration_id)
            part.limit = max(part.limit, self.track.position(part.slot))

    def _set_goals(self) -> None:
        """Unlimited: where each recording is to be played to, all at once."""
        self._refresh_streams()
        known = self.index.end_ns or 0
        self._goal_ns = known if self.end is None else min(self.end, known)
        image = self.index.image_at(self._goal_ns)
        self._goals = {}
        self._from_ns = self.track.status.position
        for part in self._all_parts:
            ends = [image.positions[info.index][1] for info in part.infos if info.index in image.positions]
            self._goals[part] = max([*ends, part.position])
            part.limit = self._goals[part]

    def _push_goals(self) -> None:
        """Raise the limits, no further before what comes out than what a pause may still let through."""
        assert self._goals is not None
        for lane in self.lanes.values():
            if not lane.listening:
                continue
            for part in lane.parts:
                goal = self._goals.get(part, part.cursor)
                if part.stage is Stage.RUNNING and part.position < goal:
                    term = self.recording(part.recording_id).term_buffer_length
                    ahead = (part.sent & -term) + max(term, _WINDOW // term * term)
                    if ahead > part.position:
                        self.track.raise_to(part.slot, min(goal, ahead))

    def _reached_goals(self) -> bool:
        assert self._goals is not None
        lanes = [lane for lane in self.lanes.values() if lane.listening]
        goals = self._goals
        return bool(lanes or not self.lanes) and all(
            (part.stage is Stage.DONE or part.sent >= goals.get(part, 0)) for lane in lanes for part in lane.parts
        )

    def _delivered_ns(self) -> int:
        """The recorded time up to which everything was published: found by halving."""
        sent = [
            (info.index, part.sent)
            for lane in self.lanes.values()
            if lane.listening
            for part in lane.parts
            if part.sent < (self._goals or {}).get(part, 0)
            for info in part.infos
        ]
        low, high = self._from_ns, self._goal_ns
        if not sent and self._reached_goals():
            return high
        while sent and high - low > 1_000_000:
            middle = (low + high) // 2
            positions = self.index.image_at(middle).positions
            if all(positions.get(index, (0, 0))[1] <= position for index, position in sent):
                low = middle
            else:
                high = middle
        return low

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
            elif math.isinf(self.speed) and self.mode == PLAY:
                self._work_unlimited()
            else:
                self._feed(_STEPS_AHEAD)
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
                    self._recordings.pop(part.recording_id, None)
                    part.failed(error)

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
        elif here.queued == 0 and self._unpushed is None and here.position >= here.horizon:
            if self.index.is_live:
                if here.position >= time.time_ns() - 2 * _LIVE_LAG:
                    self._tail()
            elif here.position >= (self.index.end_ns or 0):
                self._at_end()

    def _work_unlimited(self) -> None:
        if self._settling is not None:
            if not all(lane.ready for lane in self.lanes.values()):
                return
            self._settling = None
        self._push_goals()
        if self._reached_goals():
            if self.index.is_live and (self.end is None or self.end > time.time_ns() - _LIVE_LAG):
                self._tail()
            else:
                self._stand(max(self._goal_ns, self.track.status.position))
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

    # -- feeding

    def _feed(self, steps: int) -> None:
        """Queue the moves of what is to come."""
        here = self.track.status
        speed = self.speed if self.mode == PLAY and not math.isinf(self.speed) else 0.0
        until = here.position + int(_AHEAD * speed * _SECOND)
        if self._unpushed is not None:
            if not self.track.push(*self._unpushed):
                return
            self._unpushed = None
        pushed = 0
        while pushed < _MOVES and (here.horizon < until or here.queued < steps) and self._ticks is not None:
            if self.end is not None and here.horizon >= self.end:
                return
            ticks = self._ticks.read(_READ)
            moves = self._moves(ticks)
            if not ticks:
                moves = ([], [], [], self._known_until(here.horizon))
            if not self.track.push(*moves):
                self._unpushed = moves
                return
            pushed += len(moves[0]) + 1
            here = self.track.status
            if not ticks:
                return

    def _known_until(self, horizon: int) -> int:
        known = time.time_ns() - _LIVE_LAG if self.index.is_live else self.index.end_ns or 0
        return max(horizon, known if self.end is None else min(known, self.end))

    def _moves(self, ticks: Iterable[Tick]) -> tuple[list[int], list[int], list[int], int]:
        times: list[int] = []
        slots: list[int] = []
        positions: list[int] = []
        horizon = 0
        parts = self._parts
        for time_ns, moved in ticks:
            if self.end is not None and time_ns > self.end:
                horizon = max(horizon, self.end)
                break
            horizon = time_ns
            for index, position in moved:
                part = parts.get(index)
                if part is None:
                    if index in self._ignored:
                        continue
                    self._refresh_streams()
                    part = parts.get(index)
                    if part is None:
                        self._ignored.add(index)
                        continue
                times.append(time_ns)
                slots.append(part.slot)
                positions.append(position)
                if position > part.limit:
                    part.limit = position
        return times, slots, positions, horizon

    # -- streams, recordings, counters

    def _look_for_streams(self) -> None:
        now = time.monotonic()
        if now >= self._streams_at:
            self._streams_at = now + _STREAMS_EVERY
            self._refresh_streams()
            if self.mode == TAIL:
                self._follow()
            if self._empty and (begin := self.index.begin_ns) is not None:
                self._empty = False
                if self.track.status.position < begin:
                    self.seek(self.begin)

    def _refresh_streams(self) -> None:
        for info in self.index.streams:
            known = self._parts.get(info.index)
            if known is None and info.index in self._ignored:
                continue
            if known is None and info.topic not in self._topics:
                self._ignored.add(info.index)
                continue
            lane = self.lanes.get(info.topic)
            if lane is None:
                channel, stream_id = self._place(info.topic, info)
                lane = Lane(self._pacer.client, info.topic, channel, stream_id, self._session, self._make_part)
                self.lanes[info.topic] = lane
            self._parts[info.index] = lane.add(info)

    def _make_part(self, info: StreamInfo, channel: str, stream_id: int) -> Part:
        slot = len(self._all_parts)
        part = Part(self._pacer, self.track, slot, info, channel, stream_id, self._begin_of)
        self._all_parts.append(part)
        self.track.raise_to(slot, part.cursor)
        return part

    def recording(self, recording_id: int) -> RecordingDescriptor:
        """What the catalog has of a recording."""
        found = self._recordings.get(recording_id)
        if found is None:
            self._recordings = {each.recording_id: each for each in read_catalog(self.archive_dir)}
            found = self._recordings.get(recording_id)
        return find_recording(self.archive_dir, recording_id) if found is None else found

    def _begin_of(self, part: Part) -> int:
        """Where a replay of a part can begin: at a message, and not in what was purged."""
        recording = self.recording(part.recording_id)
        if part.cursor <= recording.start_position:
            return recording.start_position
        return max(part.start, message_begin(self.archive_dir, recording, part.cursor, part.limit))

    def _look_at_counters(self) -> None:
        stages = {part.stage for part in self._all_parts}
        if Stage.FINDING in stages:
            published = publications(self._pacer)
            for part in self._all_parts:
                part.found(published)
        if Stage.DRAINING in stages:
            read = readers(self._pacer)
            for part in self._all_parts:
                part.drained(read)
