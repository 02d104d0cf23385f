"""What was recorded when: for each topic, as intervals and as amounts along time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from aeron_py.archive._lock import running_archive
from aeron_py.archive.catalog import read_catalog
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import SettingError
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.names import TopicName, topic_name
from aeron_py.recorder.playback.topics import matches_topic
from aeron_py.recorder.timeindex import TimeIndex, journal_recordings

__all__ = ["UNKNOWN", "Interval", "TimeLine", "TopicLine", "time_line"]

UNKNOWN: Final = -1
"""The amount of a part of the time in which something was recorded, and no journal tells how much."""
_MS = 1_000_000


class Interval(Struct, frozen=True, kw_only=True):
    """A time during which a topic was recorded.

    Args:
        recording_id: the archive's recording.
        session_id: of its publisher.
        began_ns: nanoseconds since 1970.
        ended_ns: the same, None while it goes on.
        start_position: where it begins in the recording.
        stop_position: where it ends or is now; None when no journal tells and it goes on.
        journal: whether a recorder's journal tells of it; else only the catalog does.
    """

    recording_id: int
    session_id: int
    began_ns: int
    ended_ns: int | None
    start_position: int
    stop_position: int | None
    journal: bool = True


class TopicLine(Struct, frozen=True, kw_only=True):
    """A topic along time.

    Args:
        topic: ``protocol:topic``.
        intervals: oldest first. Between them nothing was recorded.
        amounts: bytes in each part of the time, :data:`UNKNOWN`, or None where it was not recorded at all.
    """

    topic: str
    intervals: tuple[Interval, ...]
    amounts: tuple[int | None, ...] = ()

    @property
    def bytes(self) -> int:
        """In all intervals, as far as is known."""
        return sum(each.stop_position - each.start_position for each in self.intervals if each.stop_position)


class TimeLine(NamedTuple):
    """Topics along time.

    Attributes:
        begin_ns: when it begins, nanoseconds since 1970.
        end_ns: when it ends.
        topics: by name.
    """

    begin_ns: int
    end_ns: int
    topics: list[TopicLine]


def time_line(
    archive_dir: str | os.PathLike[str],
    what: int | str | None = None,
    *,
    begin_ns: int | None = None,
    end_ns: int | None = None,
    parts: int | Callable[[Sequence[str]], int] = 0,
) -> TimeLine:
    """What an archive has recorded when, from the recorder's journals and, where those say nothing, from its catalog.

    Args:
        archive_dir: of the archive, which may run or not.
        what: a recording id, a topic or a glob of topics; None for all topics.
        begin_ns, end_ns: the time; None for all of it.
        parts: into how many equal parts the time is cut for :attr:`TopicLine.amounts`, or what tells that from the
            names of the topics.

    Raises:
        CatalogError: no archive there.
        SettingError: no such topic.
    """
    with TimeIndex.open(archive_dir) as index:
        last = index.end_ns or 0
        latest = index.latest().positions
        told = {each.recording_id for each in index.streams} | {
            each.recording_id for each in journal_recordings(archive_dir)
        }
        streams = {
            topic: found
            for topic, all_ in index.topics.items()
            if (found := [each for each in all_ if _means(what, topic, each.recording_id)])
        }
        others: dict[str, list[RecordingDescriptor]] = {}
        for recording in read_catalog(archive_dir):
            topic = str(topic_name(recording.original_channel, recording.stream_id))
            if recording.recording_id not in told and _means(what, topic, recording.recording_id):
                others.setdefault(topic, []).append(recording)
        names = sorted({*streams, *others})
        if not names and isinstance(what, str):
            known = ", ".join(sorted(index.topics)[:10])
            raise SettingError(
                f"no topic {what} in {os.fspath(archive_dir)!r}: " + (f"there are {known}" if known else "it has none"),
                operation="info",
            )
        intervals = {
            name: sorted(
                [*_of_streams(streams.get(name, ()), latest), *map(_of_recording, others.get(name, ()))],
                key=lambda each: each.began_ns,
            )
            for name in names
        }
        now = time.time_ns() if running_archive(archive_dir) is not None else last
        every = [each for found in intervals.values() for each in found]
        begin = min((each.began_ns for each in every), default=now) if begin_ns is None else begin_ns
        end = max((each.ended_ns or now for each in every), default=now) if end_ns is None else end_ns
        if begin_ns is None and end_ns is not None:
            begin = min(begin, end - 1)
        end = max(end, begin + 1)
        count = parts(names) if callable(parts) else parts
        edges = [begin + (end - begin) * part // count for part in range(count + 1)] if count else []
        images = [index.image_at(edge).positions for edge in edges]
        lines = [
            TopicLine(
                topic=name,
                intervals=tuple(each for each in intervals[name] if _overlaps(each, begin, end)),
                amounts=tuple(
                    _amount(streams.get(name, ()), intervals[name], edges[part : part + 2], images[part : part + 2])
                    for part in range(count)
                ),
            )
            for name in names
        ]
        return TimeLine(begin, end, [each for each in lines if each.intervals])


def _means(what: int | str | None, topic: str, recording_id: int) -> bool:
    if what is None or isinstance(what, int):
        return what in (None, recording_id)
    return what in (topic, TopicName.parse(topic).topic) or matches_topic(what, topic)


def _of_streams(streams: Sequence[StreamInfo], latest: Mapping[int, tuple[int, int]]) -> list[Interval]:
    found: list[Interval] = []
    for each in streams:
        interval = Interval(
            recording_id=each.recording_id,
            session_id=each.session_id,
            began_ns=each.opened_ns,
            ended_ns=each.closed_ns,
            start_position=each.start_position,
            stop_position=latest.get(each.index, (0, each.start_position))[1],
        )
        before = found[-1] if found else None
        if (
            before is not None
            and before.recording_id == interval.recording_id
            and before.stop_position == interval.start_position
        ):
            # The same recording, told of by the next journal.
            found[-1] = replace(before, ended_ns=interval.ended_ns, stop_position=interval.stop_position)
        else:
            found.append(interval)
    return found


def _of_recording(recording: RecordingDescriptor) -> Interval:
    return Interval(
        recording_id=recording.recording_id,
        session_id=recording.session_id,
        began_ns=recording.start_timestamp * _MS,
        ended_ns=None if recording.stop_timestamp < 0 else recording.stop_timestamp * _MS,
        start_position=recording.start_position,
        stop_position=None if recording.is_active else recording.stop_position,
        journal=False,
    )


def _overlaps(interval: Interval, begin: int, end: int) -> bool:
    return interval.began_ns < end and (interval.ended_ns is None or interval.ended_ns >= begin)


def _amount(
    streams: Sequence[StreamInfo],
    intervals: Sequence[Interval],
    edges: Sequence[int],
    images: Sequence[Mapping[int, tuple[int, int]]],
) -> int | None:
    there = [each for each in intervals if _overlaps(each, *edges)]
    if not there:
        return None
    amount = 0
    for each in streams:
        start = (0, each.start_position)
        amount += images[1].get(each.index, start)[1] - images[0].get(each.index, start)[1]
    return UNKNOWN if amount == 0 and not any(each.journal for each in there) else amount
