"""Messages of a recording or a topic from the archive's files, with the times at which they came."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aeron_py._closing import Closing
from aeron_py.archive._lock import running_archive
from aeron_py.archive._recorded_position import RecordedPosition
from aeron_py.archive.catalog import find_recording, read_catalog
from aeron_py.archive.reader import RecordedBatch, RecordingReader
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.counters import CountersFile
from aeron_py.errors import AeronError, SettingError
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.names import TopicName, topic_name
from aeron_py.recorder.playback.topics import message_begin
from aeron_py.recorder.timeindex import TimeIndex
from aeron_py.recorder.times import MessageTimes
from aeron_py.recorder.when import parse_time

if TYPE_CHECKING:
    from aeron_py._hot import Message

__all__ = ["History", "Stretch", "parse_place"]

_ASK_CATALOG = 0.25
_UNLIMITED = 1 << 62


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a recording that is read.

    Attributes:
        recording: which.
        start: where it begins, a position.
        end: where it ends; None for where the recording does.
        topic: what it is called.
        stream: what the journal tells of it, None when none does.
    """

    recording: RecordingDescriptor
    start: int
    end: int | None
    topic: str
    stream: StreamInfo | None


@dataclass(frozen=True, slots=True)
class _Time:
    ns: int


def parse_place(text: str | None) -> int | _Time | None:
    """A position in bytes, or a time as :func:`~aeron_py.recorder.when.parse_time` takes it.

    Raises:
        SettingError: it is neither.
    """
    if text is None:
        return None
    if text.strip().isdecimal():
        return int(text)
    moment = parse_time(text)
    return None if moment is None else _Time(moment)


class History(Closing):
    """Reads what was recorded, oldest first; of a topic one recording after the other.

    Args:
        archive_dir: of the archive, which may run or not.
        what: a recording id, or a topic: with its protocol, or as ``camera/front`` when only one has that name.
        begin: where to begin: a position or a time, as :func:`parse_place` gives it; None for the start.
        end: where to end, before that; None for the end.
        follow: whether to read on what comes.

    Raises:
        CatalogError: no archive there.
        UnknownRecordingError: no recording of that id.
        SettingError: no such topic; positions are given for several recordings; no journal tells of times.
    """

    def __init__(
        self,
        archive_dir: str | os.PathLike[str],
        what: int | str,
        *,
        begin: int | _Time | None = None,
        end: int | _Time | None = None,
        follow: bool = False,
    ) -> None:
        self._archive_dir = archive_dir
        self._follow = follow
        self._closing = contextlib.ExitStack()
        self._asked = 0.0
        self._reader: RecordingReader | None = None
        self._times: MessageTimes | None = None
        with contextlib.ExitStack() as stack:
            self._counters = stack.enter_context(counters) if (counters := _counters(archive_dir)) else None
            self._index = stack.enter_context(TimeIndex.open(archive_dir, counters=self._counters))
            found = self._of_recording(what) if isinstance(what, int) else self._of_topic(what)
            self.stretches = self._cut(found, begin, end)
            """What is read."""
            self._closing = stack.pop_all()
        self._next = 0

    # -- what is meant

    def _of_recording(self, recording_id: int) -> list[Stretch]:
        recording = find_recording(self._archive_dir, recording_id)
        streams = [each for each in self._index.streams if each.recording_id == recording_id]
        if not streams:
            name = str(topic_name(recording.original_channel, recording.stream_id))
            return [Stretch(recording, recording.start_position, None, name, None)]
        found = self._of_streams(streams)
        if found and recording.start_position < found[0].start:  # an older journal is gone already
            first = found[0]
            found.insert(0, Stretch(recording, recording.start_position, first.start, first.topic, None))
        return found

    def _of_topic(self, topic: str) -> list[Stretch]:
        topics = self._index.topics
        named = [each for each in topics if topic in (each, TopicName.parse(each).topic)]
        if len(named) == 1:
            return self._of_streams(topics[named[0]])
        if named:
            raise SettingError(f"several topics are called {topic}: name one of {', '.join(named)}", operation="cat")
        recordings = [
            each
            for each in read_catalog(self._archive_dir)
            if topic in (str(name := topic_name(each.original_channel, each.stream_id)), name.topic)
        ]
        if not recordings:
            raise SettingError(
                f"no topic {topic} in {os.fspath(self._archive_dir)!r}: aeron-py ls --topics has them", operation="cat"
            )
        return [Stretch(each, each.start_position, None, topic, None) for each in recordings]

    def _of_streams(self, streams: list[StreamInfo]) -> list[Stretch]:
        """One stretch for each stream, up to where the recording's next one begins; the last goes to its end."""
        recordings = {each.recording_id: each for each in read_catalog(self._archive_dir)}
        ends: dict[int, int] = {}
        found = []
        for each in reversed(streams):
            recording = recordings.get(each.recording_id)
            end = ends.get(each.recording_id)
            ends[each.recording_id] = each.start_position
            if recording is not None:
                start = max(each.start_position, recording.start_position)
                if end is None or start < end:  # else it was purged
                    found.append(Stretch(recording, start, end, each.topic, each))
        return found[::-1]

    def _cut(self, found: list[Stretch], begin: int | _Time | None, end: int | _Time | None) -> list[Stretch]:
        ids = sorted({each.recording.recording_id for each in found})
        if len(ids) > 1 and (isinstance(begin, int) or isinstance(end, int)):
            raise SettingError(
                f"a position is one of a recording: name one of {', '.join(map(str, ids))} instead of the topic, or "
                "write times",
                operation="cat",
            )
        cut = []
        for each in found:
            limit = self._limit(each.recording)
            if isinstance(begin, int) and limit is not None and begin > limit:
                raise SettingError(
                    f"position {begin} is after all of recording {each.recording.recording_id}, which ends at {limit}",
                    operation="cat",
                )
            start = each.start if begin is None else max(each.start, self._place(each, begin))
            stop = each.end if end is None else self._place(each, end)
            if each.end is not None and stop is not None:
                stop = min(stop, each.end)
            if isinstance(begin, _Time) and start > each.start:
                start = message_begin(self._archive_dir, each.recording, start, start + 1 if limit is None else limit)
            if stop is None or start < stop:
                cut.append(Stretch(each.recording, start, stop, each.topic, each.stream))
        return cut

    def _place(self, stretch: Stretch, place: int | _Time) -> int:
        if isinstance(place, int):
            return place
        if stretch.stream is None:
            raise SettingError(
                f"no journal tells when recording {stretch.recording.recording_id} was recorded: write positions",
                operation="cat",
            )
        start = stretch.stream.start_position
        return self._index.image_at(place.ns - 1).positions.get(stretch.stream.index, (start, start))[1]

    # -- reading

    def read_batch(self, limit: int | None = None) -> RecordedBatch | None:
        """The next messages, copied, all of one stretch; None when there is nothing more now: see :attr:`ended`.

        Args:
            limit: messages at most.

        Raises:
            DamagedRecordingError: what comes next on disk is no frame.
        """
        while self._next < len(self.stretches):
            reader = self._opened()
            if reader is not None and (batch := reader.read_batch(limit)):
                return batch
            if self._goes_on(reader):
                return None
            if reader is not None:
                reader.close()
            self._reader = self._times = None
            self._next += 1
        return None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._next >= len(self.stretches)

    @property
    def stretch(self) -> Stretch:
        """What the last batch is from."""
        return self.stretches[min(self._next, len(self.stretches) - 1)]

    @property
    def length(self) -> int:
        """Bytes that there are to read now, with what frames them."""
        total = 0
        for each in self.stretches:
            limit = each.end if each.end is not None else self._limit(each.recording)
            total += max(0, (each.start if limit is None else limit) - each.start)
        return total

    def time_of(self, message: Message) -> int | None:
        """When a message of the last batch came, nanoseconds since 1970; None when no journal tells."""
        if self._times is None:
            if self.stretch.stream is None:
                return None
            self._times = MessageTimes(self._index, self.stretch.stream)
        return self._times.of(message)

    def close(self) -> None:
        """Close the files. May be called twice."""
        if self._reader is not None:
            self._reader.close()
        self._closing.close()

    def _limit(self, recording: RecordingDescriptor) -> int | None:
        """How far a recording is now, None when only its files tell."""
        if not recording.is_active:
            return recording.stop_position
        return None if self._counters is None else RecordedPosition(self._counters, self._archive_dir, recording)()

    def _opened(self) -> RecordingReader | None:
        """The reader of the current stretch, None when nothing is in it."""
        if self._reader is None:
            stretch = self.stretches[self._next]
            recording, end = stretch.recording, _UNLIMITED if stretch.end is None else stretch.end
            limit = self._limit(recording)
            options: dict[str, Any]
            if limit is None:
                options = {"limit": stretch.end, "scan": stretch.end is None}
            elif self._follow and recording.is_active and self._counters is not None:
                recorded = RecordedPosition(self._counters, self._archive_dir, recording)
                options = {"limit": lambda: None if (now := recorded()) is None else min(now, end)}
            elif stretch.start < min(limit, end):
                options = {"limit": min(limit, end)}
            else:
                return None
            self._reader = RecordingReader(self._archive_dir, recording, position=stretch.start, **options)
        return self._reader

    def _goes_on(self, reader: RecordingReader | None) -> bool:
        """Whether more may come in this stretch, which has nothing more now."""
        stretch = self.stretches[self._next]
        if not self._follow or reader is None or self._counters is None or not stretch.recording.is_active:
            return False
        if stretch.end is not None and reader.position >= stretch.end:
            return False
        now = time.monotonic()
        if now < self._asked + _ASK_CATALOG:
            return True
        self._asked = now
        recording = find_recording(self._archive_dir, stretch.recording.recording_id)
        if recording.is_active:
            return running_archive(self._archive_dir) is not None
        # Read on as one that has stopped: what is no whole message at its end never will be.
        self.stretches[self._next] = dataclasses.replace(stretch, start=reader.position, recording=recording)
        reader.close()
        self._reader = None
        return True


def _counters(archive_dir: str | os.PathLike[str]) -> CountersFile | None:
    """The counters of the media driver that an archive uses, None when it does not run."""
    mark = running_archive(archive_dir)
    if mark is None:
        return None
    try:
        return CountersFile(mark.aeron_dir)
    except AeronError:
        return None
