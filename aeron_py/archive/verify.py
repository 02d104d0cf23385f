"""Whether an archive still has what it recorded: its catalog and every frame, from the files alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from aeron_py._ffi import ffi, lib
from aeron_py.archive._leftovers import is_left_over
from aeron_py.archive._lock import running_archive
from aeron_py.archive._recorded_position import RecordedPosition
from aeron_py.archive._segments import DamagedRecordingError, Segments
from aeron_py.archive.catalog import CatalogEntry, find_recording, read_entries, segment_bases
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.counters import CountersFile
from aeron_py.errors import AeronError, UnknownRecordingError

__all__ = ["Lost", "Verdict", "verify_archive", "verify_recording"]

_CHUNK = 1 << 22
_UNLIMITED = 1 << 62

_REASONS: Final = {
    lib.SHIM_VERIFY_UNWRITTEN: "nothing was written here",
    lib.SHIM_VERIFY_LENGTH: "the frame has an impossible length",
    lib.SHIM_VERIFY_PLACE: "the frame belongs to another position",
    lib.SHIM_VERIFY_STREAM: "the frame is of another stream",
    lib.SHIM_VERIFY_HEADER: "the frame's version, type or flags do not exist",
    lib.SHIM_VERIFY_SESSION: "the frame is of another session than those around it",
    lib.SHIM_VERIFY_CHECKSUM: "the payload does not match its checksum",
}
_STOPPED_BEFORE: Final = "recorded, but the catalog says that it stopped before"
_LEFT_OVER: Final = "left by a write that the disk had no room for"
_KINDS: Final = {lib.SHIM_VERIFY_CRC32: "CRC-32", lib.SHIM_VERIFY_CRC32C: "CRC-32C"}


@dataclass(frozen=True, slots=True)
class Lost:
    """A part of a recording that can't be read any more.

    Attributes:
        from_position: where it begins.
        to_position: where the next sound frame begins, or the recording ends.
        reason: what was found there.
        path: the segment file.
    """

    from_position: int
    to_position: int
    reason: str
    path: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is left of a recording.

    Attributes:
        recording_id: which.
        state: ``stopped``, ``recording`` while it goes on, or ``unfinished`` when its archive was killed.
        start_position: where it begins.
        stop_position: where it ends; of one that goes on: up to where it was looked at.
        messages: whole messages.
        frames: data frames that are sound.
        padding: padding frames.
        payload_bytes: of those messages.
        dropped: fragments of messages whose begin or end is not there.
        sessions: how many publications were recorded one after the other: 1 unless it was extended.
        checksums: which checksums the frames carry. Without one, damage to payloads can not be seen.
        lost: what is lost.
        away: what has no segment file here, and is stored elsewhere.
        left_over: what a write left after the stop position that the disk had no room for. Nobody was told that it is
            recorded, and no reader gets it.
        catalog: what is wrong with its entry in the catalog.
    """

    recording_id: int
    state: str
    start_position: int
    stop_position: int
    messages: int
    frames: int
    padding: int
    payload_bytes: int
    dropped: int
    sessions: int
    checksums: tuple[str, ...]
    lost: tuple[Lost, ...]
    catalog: tuple[str, ...]
    away: tuple[Lost, ...] = ()
    left_over: tuple[Lost, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all that was recorded is there."""
        return not self.lost and not self.catalog


def verify_archive(
    archive_dir: str | os.PathLike[str],
    recording_ids: list[int] | None = None,
    *,
    on_progress: Callable[[int, int], object] | None = None,
    is_away: Callable[[int, int, int], bool] = lambda recording_id, from_position, to_position: False,
) -> Iterator[Verdict]:
    """Check recordings one after the other, whether the archive runs or not.

    Args:
        archive_dir: of the archive.
        recording_ids: which; None for all.
        on_progress: called with the bytes that are checked so far and those that there are in all.
        is_away: asked whether a part of a recording, from a position to another, that has no file is stored elsewhere.

    Yields:
        A verdict for each.

    Raises:
        UnknownRecordingError: no recording of that id.
        CatalogError: no archive there, or its catalog can't be read.
    """
    entries = {entry.recording.recording_id: entry for entry in read_entries(archive_dir)}
    wanted = list(entries) if recording_ids is None else recording_ids
    for each in wanted:
        if each not in entries:
            find_recording(archive_dir, each)
    with _Limits(archive_dir) as limits:
        total = sum(_length(entries[each].recording, limits) for each in wanted)
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            if on_progress is not None:
                on_progress(done, max(total, done))

        for each in wanted:
            yield _verify(archive_dir, entries[each], limits, progress, is_away)


def verify_recording(archive_dir: str | os.PathLike[str], recording_id: int) -> Verdict:
    """Check one recording: see :func:`verify_archive`."""
    return next(verify_archive(archive_dir, [recording_id]))


class _Limits:
    """How far recordings are that go on."""

    def __init__(self, archive_dir: str | os.PathLike[str]) -> None:
        self._archive_dir = archive_dir
        self._counters: CountersFile | None = None
        mark = running_archive(archive_dir)
        self.runs = mark is not None
        if mark is not None:
            try:
                self._counters = CountersFile(mark.aeron_dir)
            except AeronError:
                self.runs = False

    def __enter__(self) -> _Limits:
        return self

    def __exit__(self, *_: object) -> None:
        if self._counters is not None:
            self._counters.close()

    def of(self, recording: RecordingDescriptor) -> int | None:
        """Up to where a recording was written, None when only its files tell."""
        if not recording.is_active:
            return recording.stop_position
        if self._counters is None:
            return None
        try:
            return RecordedPosition(self._counters, self._archive_dir, recording)()
        except UnknownRecordingError:  # it has stopped and was purged meanwhile: nothing is left to look at
            return recording.start_position

    @cached_property
    def files(self) -> dict[int, list[int]]:
        """Where the segment files begin, looked for once: there may be very many."""
        return segment_bases(self._archive_dir)


def _length(recording: RecordingDescriptor, limits: _Limits) -> int:
    limit = limits.of(recording)
    if limit is not None:
        return max(0, limit - recording.start_position)
    return len(limits.files.get(recording.recording_id, ())) * recording.segment_file_length


def _verify(
    archive_dir: str | os.PathLike[str],
    entry: CatalogEntry,
    limits: _Limits,
    progress: Callable[[int], None],
    is_away: Callable[[int, int, int], bool],
) -> Verdict:
    recording = entry.recording
    catalog = list(entry.problems)
    limit = limits.of(recording)
    state = "stopped" if not recording.is_active else "unfinished" if limit is None else "recording"
    lost: tuple[Lost, ...] = ()
    check: _Check | None = None
    try:
        check = _Check(archive_dir, recording, limit, progress, is_away)
    except DamagedRecordingError as error:
        catalog.append(str(error))
    if check is not None:
        try:
            check.run(max(limits.files.get(recording.recording_id, ()), default=-1) if limit is None else -1)
            more = check.after_stop() if state == "stopped" else None
        finally:
            check.close()
        lost = _still_lost(archive_dir, recording, check.lost, more)
    walk = None if check is None else check.walk
    return Verdict(
        recording_id=recording.recording_id,
        state=state,
        start_position=recording.start_position,
        stop_position=recording.start_position if check is None else check.end if limit is None else limit,
        messages=walk.messages if walk else 0,
        frames=walk.frames if walk else 0,
        padding=walk.padding if walk else 0,
        payload_bytes=walk.payload if walk else 0,
        dropped=walk.dropped if walk else 0,
        sessions=check.verify.sessions if check else 0,
        checksums=tuple(name for kind, name in _KINDS.items() if check is not None and check.verify.kinds & kind),
        lost=tuple(each for each in lost if each.reason != _LEFT_OVER),
        catalog=tuple(catalog),
        away=() if check is None else tuple(check.away),
        left_over=tuple(each for each in lost if each.reason == _LEFT_OVER),
    )


def _still_lost(
    archive_dir: str | os.PathLike[str], recording: RecordingDescriptor, lost: list[Lost], more: Lost | None
) -> tuple[Lost, ...]:
    """Without what an archive that runs has purged or truncated meanwhile; ``more`` counts if it was not extended."""
    if not lost and more is None:
        return ()
    try:
        now = find_recording(archive_dir, recording.recording_id)
    except UnknownRecordingError:
        return ()
    if now == recording:
        return (*lost, *([] if more is None else [more]))
    end = _UNLIMITED if now.is_active else now.stop_position
    return tuple(each for each in lost if each.to_position > now.start_position and each.from_position < end)


class _Check:
    """One recording, frame by frame."""

    def __init__(
        self,
        archive_dir: str | os.PathLike[str],
        recording: RecordingDescriptor,
        limit: int | None,
        progress: Callable[[int], None],
        is_away: Callable[[int, int, int], bool],
    ) -> None:
        self._segments = Segments(archive_dir, recording)
        self._recording = recording
        self._scan = limit is None
        self._limit = _UNLIMITED if limit is None else limit
        self._progress = progress
        self._is_away = is_away
        self._told = recording.start_position
        self._memory: Any = None
        self.lost: list[Lost] = []
        self.away: list[Lost] = []
        self.end = recording.start_position
        self.verify = ffi.new("shim_verify_t *")
        self.walk = self.verify.walk
        self.walk.term_length = recording.term_buffer_length
        self.walk.initial_term_id = recording.initial_term_id
        self.walk.stream_id = recording.stream_id
        self.verify.mtu_length = recording.mtu_length
        self.verify.last_session_id = recording.session_id

    def close(self) -> None:
        self._segments.close()

    def run(self, last: int) -> None:
        """From the start to the limit, or for a recording without one to where nothing was written any more.

        Args:
            last: where the last segment file begins, for a recording without a limit.
        """
        position = self._recording.start_position
        while position < self._limit and (not self._scan or self._segments.base(position) <= last):
            end = min(self._limit, self._segments.end(position))
            reached = self._segment(position, end, may_end=self._scan and self._segments.end(position) > last)
            if reached is None:
                break
            position = reached
            self.end = position
        self.walk.dropped += self.verify.fragments
        self.verify.fragments = 0
        if not self._scan:
            self.end = self._limit

    def _segment(self, position: int, end: int, *, may_end: bool) -> int | None:
        """The rest of one segment file: where the next one begins, None when nothing was written any more."""
        try:
            size = self._segments.path(position).stat().st_size
        except FileNotFoundError:
            if self._is_away(self._recording.recording_id, position, end):
                self.away.append(Lost(position, end, "stored elsewhere", str(self._segments.path(position))))
            else:
                self._lose(position, end, "the segment file is missing")
            self._advance(end)
            return end
        except OSError as error:
            return self._unreadable(position, end, error)
        written = min(end, self._segments.base(position) + size)
        bad: tuple[int, int] | None = None  # where a fault began, and which
        while position < written:
            try:
                self._load(self.verify, position, written)
            except (OSError, AeronError) as error:
                return self._unreadable(position if bad is None else bad[0], end, error)
            found = bad is None or lib.shim_verify_find(self.verify)
            while found:
                if bad is not None:
                    self._lose(bad[0], position + self.walk.offset, _REASONS[bad[1]])
                    bad = None
                lib.shim_verify_run(self.verify)
                if self.verify.fault == lib.SHIM_VERIFY_SOUND:
                    break
                bad = position + self.walk.offset, self.verify.fault
                found = lib.shim_verify_pass(self.verify)
            if self.walk.offset == 0:
                break
            position += self.walk.offset
            self._advance(min(position, end))
            if bad is None:
                self.end = min(position, end)
        if may_end and (position < end if bad is None else bad[1] == lib.SHIM_VERIFY_UNWRITTEN):
            # Killed: after the last whole frame nothing was written, or not all of it.
            self.end = position if bad is None else bad[0]
            return None
        if bad is not None:
            self._lose(bad[0], written, _REASONS[bad[1]])
        elif position < written:
            self._lose(position, written, "the frame here goes on after the end")
        if written < end:
            self._lose(max(min(position, end), written), end, "the segment file is shorter than what was recorded")
        elif position > end:
            self._lose(end, end, "the stop position is inside of padding")
        self._advance(end)
        return end

    def after_stop(self) -> Lost | None:
        """What lies after the position at which the recording is said to have stopped."""
        position, verify = self._limit, ffi.new("shim_verify_t *", self.verify[0])
        while self._segments.exists(position):
            end = self._segments.end(position)
            try:
                self._load(verify, position, end)
            except (OSError, AeronError):  # what was recorded does not lie there
                break
            lib.shim_verify_run(verify)
            if verify.walk.offset == 0:
                break
            position += verify.walk.offset
        if position == self._limit:
            return None
        path, base = self._segments.path(self._limit), self._segments.base(self._limit)
        left_over = is_left_over(path, base, self._limit, position, self._recording.term_buffer_length)
        return Lost(self._limit, position, _LEFT_OVER if left_over else _STOPPED_BEFORE, str(path))

    def _load(self, verify: Any, position: int, written: int) -> None:
        walk = ffi.addressof(verify, "walk")
        walk.position = position
        self._memory = self._segments.load(walk, min(_CHUNK, written - position))
        verify.final = position + walk.length >= written

    def _unreadable(self, position: int, end: int, error: OSError | AeronError) -> int:
        """What is left of a segment file that can't be read is lost, but nothing else: where the next one begins."""
        self._lose(position, end, f"the segment file can't be read: {_said(error)}")
        self._advance(end)
        return end

    def _lose(self, from_position: int, to_position: int, reason: str) -> None:
        last = self.lost[-1] if self.lost else None
        if last is not None and last.to_position == from_position and last.reason == reason:
            self.lost[-1] = Lost(last.from_position, to_position, reason, last.path)
        else:
            self.lost.append(Lost(from_position, to_position, reason, str(self._segments.path(from_position))))

    def _advance(self, position: int) -> None:
        self._progress(position - self._told)
        self._told = position


def _said(error: OSError | AeronError) -> str:
    return error.message if isinstance(error, AeronError) else error.strerror or str(error)
