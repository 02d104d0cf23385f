"""The topics of a session as they are played: which there are, their recordings, and how far each is."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Container, Iterator, Mapping
from typing import TYPE_CHECKING

from aeron_py.archive.requests import get_start_position
from aeron_py.errors import AeronError, ArchiveError
from aeron_py.recorder.playback.bounded import Stage
from aeron_py.recorder.playback.lane import Lane
from aeron_py.recorder.playback.log_buffer import whole_up_to
from aeron_py.recorder.playback.pacer import FOREVER, Pacer, Track
from aeron_py.recorder.playback.part import Part
from aeron_py.recorder.playback.positions import Recorded, Stream, publications, readers
from aeron_py.recorder.playback.recordings import Recordings
from aeron_py.recorder.playback.topics import TopicFilter

if TYPE_CHECKING:
    from aeron_py.recorder.entries import Image, StreamInfo
    from aeron_py.recorder.playback.gate import Gate
    from aeron_py.recorder.playback.topics import TopicInfo
    from aeron_py.recorder.timeindex import TimeIndex

__all__ = ["Lanes"]

_STOP_AT_MOST = 5.0
_READ_AT_MOST = 0.1
_PAUSE = 0.0005
_CYCLES = 3
_EXACT_NS = 1_000_000


class Lanes:
    """The lanes of a session, and the parts of all of them. Used with the player's lock.

    Args:
        pacer: whose threads play it.
        track: of the session.
        index: what was recorded when.
        archive_dir: of the archive.
        session: the session's id.
        topics: which.
        place: where a topic is played: its channel and stream, from the topic and its stream in the index.
        gate: tells of what is away.
    """

    def __init__(
        self,
        pacer: Pacer,
        track: Track,
        index: TimeIndex,
        archive_dir: str | os.PathLike[str],
        session: str,
        topics: TopicFilter,
        place: Callable[[str, StreamInfo], tuple[str, int]],
        gate: Gate,
    ) -> None:
        self.by_topic: dict[str, Lane] = {}
        self.parts: list[Part] = []
        self.recordings = Recordings(archive_dir)
        self._pacer, self._track, self._index = pacer, track, index
        self._session, self._topics, self._place, self._gate = session, topics, place, gate
        self._part_of: dict[int, Part] = {}
        self._ignored: set[int] = set()
        self._free_slots: list[int] = []
        self._positions: list[int] = []
        self._busy: list[Lane] = []
        self._seen: list[StreamInfo] | None = None
        self._recorded = Recorded(pacer.client.counters)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self.by_topic.values())

    @property
    def listening(self) -> list[Lane]:
        """Those that somebody subscribes to."""
        return [lane for lane in self if lane.listening]

    def infos(self) -> dict[str, TopicInfo]:
        """What they are, for those who ask."""
        for lane in self:
            if lane.heard and not lane.listening:
                lane.work()  # its replay is given up from now on
        published = publications(self._pacer.client.counters)
        return {topic: lane.info(published) for topic, lane in self.by_topic.items()}

    # -- the work of the pacer's thread

    def work(self) -> None:
        """Bring all of them on. Most lanes of many are quiet at most times: they must cost next to nothing."""
        # Before it is seen who listens: whoever comes in between gets what comes in between.
        positions = self._positions = self._slot_positions()
        self._busy = busy = []
        for lane in self.by_topic.values():
            if lane.quiet and not lane.listening:
                for part in lane.parts:
                    position = positions[part.slot]
                    if position > part.cursor:
                        part.pass_by(position)
            else:
                lane.work()
                if not lane.quiet:
                    busy.append(lane)
        self._look_at_counters()

    @property
    def settled(self) -> bool:
        """Whether nothing is under way that time should wait for, as :meth:`work` saw it."""
        return all(lane.settled for lane in self._busy)

    def _look_at_counters(self) -> None:
        """See which replays have begun to publish, and which were read to their end."""
        parts = [part for lane in self._busy for part in lane.parts]
        stages = {part.stage for part in parts}
        if Stage.FINDING in stages:
            published = publications(self._pacer.client.counters)
            for part in parts:
                part.found(published)
        if stages & {Stage.DRAINING, Stage.LEFT}:
            read = readers(self._pacer.client.counters)
            for part in parts:
                part.drained(read)

    def _slot_positions(self) -> list[int]:
        return self._track.positions(len(self.parts) + len(self._free_slots))

    def see_limits(self) -> None:
        """What follows a recording was told what the archive had, as :meth:`work` saw it."""
        for part in self.parts:
            position = self._positions[part.slot]
            if position > part.limit:
                part.limit = position

    # -- streams

    def refresh(self) -> None:
        """Take in what the time index has learned."""
        for info in self._gate.streams:
            if info.topic not in self.by_topic and info.topic in self._topics:
                self._lane(info)
        streams = self._index.streams
        if streams == self._seen:
            return
        for info in streams:
            known = self._part_of.get(info.index)
            if known is None and info.index in self._ignored:
                continue
            if known is None and info.topic not in self._topics:
                self._ignored.add(info.index)
                continue
            self._part_of[info.index] = self._lane(info).add(info, self._make_part)
        self._let_go({info.index for info in streams})
        # Parts that wait to be let go of are looked at again.
        self._seen = streams if len(set(self._part_of.values())) == len(self.parts) else None

    def _let_go(self, known: set[int]) -> None:
        """Forget what the time index has no more: it was purged, or its volume went away, and may come back."""
        self._ignored &= known
        for index in self._part_of.keys() - known:
            del self._part_of[index]
        for lane in self:
            for part in lane.let_go(known):
                self.parts.remove(part)
                self._track.forget(part.slot)
                self._free_slots.append(part.slot)

    def _lane(self, info: StreamInfo) -> Lane:
        lane = self.by_topic.get(info.topic)
        if lane is None:
            channel, stream_id = self._place(info.topic, info)
            lane = Lane(self._pacer.client, info, channel, stream_id, self._session)
            self.by_topic[info.topic] = lane
        return lane

    def _make_part(self, info: StreamInfo, channel: str, stream_id: int) -> Part:
        slot = self._free_slots.pop() if self._free_slots else len(self.parts)
        part = Part(self._pacer, self._track, slot, info, channel, stream_id, self.recordings)
        self.parts.append(part)
        self._track.raise_to(slot, part.cursor)
        return part

    def __contains__(self, index: int) -> bool:
        return index in self._part_of

    def part_of(self, index: int) -> Part | None:
        """The part that a stream of the time index is of, None when it is not played."""
        part = self._part_of.get(index)
        if part is None and index not in self._ignored:
            self.refresh()
            part = self._part_of.get(index)
            if part is None:
                self._ignored.add(index)
        return part

    # -- where they are

    @property
    def consumed(self) -> bool:
        """Whether all that was to be played until now was read by those who listen."""
        lanes = self.listening
        if not all(lane.played and lane.settled for lane in lanes):
            return False
        read = readers(self._pacer.client.counters)
        for lane in lanes:
            for part in lane.parts:
                if read.get(part.played_as, part.position) < part.position:
                    return False
        return True

    def follow(self) -> None:
        """Let what is recorded now be played as the archive has it, and what has ended to its end."""
        counters, positions = self._recorded.look(), self._slot_positions()
        for part in self.parts:
            stop, position = part.stop, positions[part.slot]
            if stop is not None:
                if position < stop:
                    self._track.raise_to(part.slot, stop)
                part.limit = max(part.limit, stop)
                part.follows = None
                continue
            found = counters.get((part.recording_id, part.infos[-1].session_id))
            if found is not None and found != part.follows:
                part.follows = found
                self._track.follow(part.slot, *found)
            part.limit = max(part.limit, position)

    # -- over the death of an archive

    def lost(self) -> None:
        """The archive is gone, and all replays with it."""
        with contextlib.suppress(AeronError):  # of the media driver, which may be gone, too
            counters = self._pacer.client.counters
            for lane in self:
                lane.find_unanswered(counters)
            published = publications(counters)
            for part in self.parts:
                part.found(published)
        for lane in self:
            lane.quiet = False
            lane.heard = lane.listening or lane.heard
        ends = self._whole_ends()
        for part in self.parts:
            part.lost(ends.get(part, part.sent))
        self.recordings.forget_all()

    def _whole_ends(self) -> dict[Part, int]:
        """Up to where the publications of replays are whole, to which nobody publishes any more."""
        ends: dict[Part, int] = {}
        asked = [part for part in self.parts if part.published is not None]
        read = self._read()
        while asked:
            for part in asked:
                ends.pop(part, None)
                with contextlib.suppress(AeronError, OSError):
                    ends[part] = self._whole_end(part, read.get(part.played_as))
            # Subscribers read on meanwhile, and what they have read is cleared: look again where they came further.
            read = self._read()
            asked = [part for part in asked if ends.get(part, FOREVER) < read.get(part.played_as, 0)]
        return ends

    def _whole_end(self, part: Part, read: int | None) -> int:
        assert part.published is not None
        aeron_dir, registration_id = self._pacer.client.aeron_dir, part.published[1]
        return whole_up_to(aeron_dir, registration_id, part.term_length, part.begun, part.sent, read)

    def _read(self) -> dict[Stream, int]:
        try:
            return readers(self._pacer.client.counters)
        except AeronError:  # the media driver is gone, too
            return {}

    def restore(self, cursors: Mapping[int, int], heard: Container[str]) -> None:
        """Be as lanes were that another media driver had."""
        for lane in self:
            lane.quiet = False
            lane.heard = lane.topic in heard
        for part in self.parts:
            part.cursor = max(part.cursor, cursors.get(part.recording_id, 0))

    def published_until(self, low: int, high: int) -> int:
        """The recorded time up to which everything was published to those who listened: found by halving.

        Args:
            low: a time up to which it surely was.
            high: a time after which nothing was.
        """
        heard = [part for lane in self if lane.heard for part in lane.parts if part.error is None]

        def published(time_ns: int) -> bool:
            image = self._index.image_at(time_ns)
            return all(part.position_in(image) <= part.cursor for part in heard)

        if published(high):
            return high
        while high - low > _EXACT_NS:
            middle = (low + high) // 2
            low, high = (middle, high) if published(middle) else (low, middle)
        return low

    def stand(self, image: Image) -> None:
        """Go on from a time: who listened, after what was published to them beyond it."""
        for lane in self:
            for part in lane.parts:
                part.follows = None
                if not lane.heard and part.stage is not Stage.DONE:
                    part.cursor = max(part.start, part.position_in(image))
                part.limit = part.cursor
                self._track.raise_to(part.slot, part.cursor)

    # -- elsewhere

    def seek(self, image: Image, read: dict[Stream, int]) -> None:
        """Play what comes after a time next.

        Args:
            image: where the streams stood then.
            read: how far subscribers are, see :meth:`read_up`.
        """
        self.recordings.forget_all()  # what lies there may have gone, or come back, since it was played
        for part in self.parts:
            part.follows = None
            part.seek(part.position_in(image), read)
            self._track.raise_to(part.slot, part.cursor)
        self._await_stopped()

    def read_up(self) -> dict[Stream, int]:
        """Give subscribers a moment to read what was published; how far they are."""
        deadline = time.monotonic() + _READ_AT_MOST
        while True:
            running = [part for part in self.parts if part.stage is Stage.RUNNING]
            read = readers(self._pacer.client.counters) if running else {}
            if time.monotonic() >= deadline or all(part.read_up(read) for part in running):
                return read
            time.sleep(_PAUSE)

    def _await_stopped(self) -> None:
        """Wait until whoever subscribes from now on hears nothing of replays that were stopped."""
        stopping = [part for part in self.parts if part.stage is Stage.STOPPING]
        deadline = time.monotonic() + _STOP_AT_MOST
        for part in stopping:
            while part.stage is Stage.STOPPING and time.monotonic() < deadline and self._pacer.problem is None:
                part.work_stop()
                if part.stage is Stage.STOPPING:
                    time.sleep(_PAUSE)
        # The archive has noted it. It acts on it before it answers requests that come after that; then the media driver
        # hears of the end of the replay before it hears of new subscribers.
        with contextlib.suppress(AeronError):
            for _ in range(_CYCLES if stopping else 0):
                session = self._pacer.archive._session
                call = session.call(get_start_position(stopping[0].recording_id), quietly=True)
                session.wait(call, _STOP_AT_MOST, self._pacer.check)

    def on_replay_error(self, error: ArchiveError) -> None:
        """The archive tells that a replay failed; it may be another's."""
        for part in self.parts:
            if part.correlation_id == error.correlation_id != -1:
                self.recordings.forget(part.recording_id)
                part.failed(error)

    def close(self) -> None:
        """Stop playing."""
        for lane in self:
            lane.close()
