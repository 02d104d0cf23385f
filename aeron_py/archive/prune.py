"""What of an archive may go: planned from what it has, then deleted through it, whole segment files only."""

from __future__ import annotations

import heapq
import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from aeron_py.archive.catalog import segment_bases, segment_name
from aeron_py.archive.client import Archive
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import SettingError, UnknownRecordingError

__all__ = ["Cut", "Limits", "apply_cut", "plan_cuts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What stays. What goes goes from the beginning of recordings, and is all that any of these says.

    Args:
        older_than: seconds: what was written longer ago goes.
        keep_bytes: of all recordings together; the oldest goes first.
        larger_than: bytes: a recording that is larger loses its beginning, and keeps at least so much.
        before: a position: what lies before it goes.
    """

    older_than: float | None = None
    keep_bytes: int | None = None
    larger_than: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What goes of one recording.

    Attributes:
        recording_id: which.
        new_start_position: where it begins then; None when all of it goes.
        bytes: how much was recorded in what goes.
        files: how many segment files.
    """

    recording_id: int
    new_start_position: int | None
    bytes: int
    files: int


class _Segment(NamedTuple):
    begin: int
    end: int
    written: float
    """When it was written last, seconds since 1970."""


def plan_cuts(
    archive: Archive,
    archive_dir: str | os.PathLike[str],
    recordings: Iterable[RecordingDescriptor],
    limits: Limits,
    now: float | None = None,
) -> list[Cut]:
    """What would go; nothing is deleted yet. The segment that a recording is being written into always stays.

    Args:
        archive: a session with the archive.
        archive_dir: of the archive, if it is on this machine: the age of a segment is that of its file.
        recordings: which may lose something.
        limits: what stays.
        now: what ages count from, seconds since 1970; None for the clock.

    Raises:
        SettingError: no limit at all.
    """
    if limits == Limits():
        raise SettingError("say what may go: older_than, keep_bytes, larger_than or before", operation="prune")
    moment = time.time() if now is None else now
    known = {each.recording_id: each for each in recordings}
    directory = Path(archive_dir)
    bases = segment_bases(directory) if directory.is_dir() else {}
    files = {key: {base: directory / segment_name(key, base) for base in bases.get(key, ())} for key in known}
    segments = {key: _segments(archive, files[key], each) for key, each in known.items()}
    gone = {each: _count(found, known[each].is_active, limits, moment) for each, found in segments.items()}
    if limits.keep_bytes is not None:
        _shrink(segments, gone, limits.keep_bytes, {each for each in known if known[each].is_active})
    empty = [
        Cut(recording_id=each.recording_id, new_start_position=None, bytes=0, files=0)
        for each in known.values()
        if not segments[each.recording_id]
        and not each.is_active
        and _is_old(each.stop_timestamp / 1000, limits, moment)
    ]
    cuts = [_cut(known[each], segments[each], count) for each, count in gone.items() if count]
    return sorted([*cuts, *empty], key=lambda cut: cut.recording_id)


def apply_cut(archive: Archive, cut: Cut) -> int:
    """Delete what a cut says; how many files went. What somebody else has deleted meanwhile is gone, too.

    Raises:
        ArchiveError: the archive refuses, for example because it is replayed from there.
    """
    try:
        if cut.new_start_position is None:
            return archive.purge_recording(cut.recording_id)
        if archive.get_start_position(cut.recording_id) >= cut.new_start_position:
            return 0
        return archive.purge_segments(cut.recording_id, cut.new_start_position)
    except UnknownRecordingError:
        return 0


def _segments(archive: Archive, files: dict[int, Path], recording: RecordingDescriptor) -> list[_Segment]:
    end = recording.stop_position
    if recording.is_active:
        try:
            end = archive.get_max_recorded_position(recording.recording_id)
        except UnknownRecordingError:  # it has stopped, and somebody else has deleted it
            return []
    ended = recording.stop_timestamp / 1000 if recording.stop_timestamp >= 0 else math.inf
    found = []
    begin = recording.start_position
    while begin < end:
        base = recording.segment_file_base_position(begin)
        after = min(base + recording.segment_file_length, end)
        known = after == end and ended < math.inf
        found.append(_Segment(begin, after, ended if known else _written(files.get(base), ended)))
        begin = after
    return found


def _written(path: Path | None, ended: float) -> float:
    try:
        return ended if path is None else min(path.stat().st_mtime, ended)
    except FileNotFoundError:
        return ended


def _is_old(written: float, limits: Limits, now: float) -> bool:
    return limits.older_than is not None and written < now - limits.older_than


def _count(segments: list[_Segment], active: bool, limits: Limits, now: float) -> int:
    """How many segments go, from the first on."""
    count = 0
    size = segments[-1].end - segments[0].begin if segments else 0
    for index, each in enumerate(segments):
        left = size - (each.end - segments[0].begin)
        last = index == len(segments) - 1
        if active and last:
            break
        if (
            _is_old(each.written, limits, now)
            or (limits.larger_than is not None and left >= limits.larger_than and not last)
            or (limits.before is not None and each.end <= limits.before)
        ):
            count = index + 1
        else:
            break
    return count


def _shrink(segments: dict[int, list[_Segment]], gone: dict[int, int], keep: int, active: set[int]) -> None:
    """Let more go, the oldest of all first, until no more than ``keep`` bytes are left."""
    total = sum(each.end - each.begin for found in segments.values() for each in found)
    total -= sum(each.end - each.begin for key, found in segments.items() for each in found[: gone[key]])
    heads: list[tuple[float, int]] = []

    def push(key: int) -> None:
        may_go = len(segments[key]) - (key in active)
        if gone[key] < may_go:
            heapq.heappush(heads, (segments[key][gone[key]].written, key))

    for key in segments:
        push(key)
    while heads and total > keep:
        _, key = heapq.heappop(heads)
        each = segments[key][gone[key]]
        total -= each.end - each.begin
        gone[key] += 1
        push(key)


def _cut(recording: RecordingDescriptor, segments: list[_Segment], count: int) -> Cut:
    whole = count == len(segments)
    return Cut(
        recording_id=recording.recording_id,
        new_start_position=None if whole else segments[count].begin,
        bytes=segments[count - 1].end - segments[0].begin,
        files=count,
    )
