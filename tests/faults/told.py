"""Checks what a recorder tells of what its archive recorded: everything, each message once, in order, byte for byte."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy

from aeron_py.archive.catalog import CATALOG_FILE_NAME, find_recording, read_catalog
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.recorder import Committed, read_committed
from aeron_py.recorder.timeindex import TimeIndex, journal_recordings
from tests.interop.received import stamped
from tests.waiting import wait_until

FRAME = 32
LONGEST = 8192 + 6 * FRAME
TIMEOUT = 120.0
Session = tuple[int, int]
"""Stream id and session id."""


@dataclass
class Recorded:
    """The messages of one recording, as far as they were read: each was found to be what was published.

    Args:
        position: up to where.
    """

    session: Session
    position: int
    begins: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[int] = field(default_factory=lambda: array("q"))


@dataclass(frozen=True)
class Range:
    """What a journal tells of a recording: from where to where."""

    recording_id: int
    start: int
    end: int
    closed: bool


@dataclass
class Told:
    """How much there is.

    Attributes:
        messages: told, in all.
        sessions: publishers that came and went, a session each stream.
        recordings: of them.
        journals: in the chain.
        lost: messages between two recordings of a session that neither has.
    """

    messages: int = 0
    sessions: int = 0
    recordings: int = 0
    journals: int = 0
    lost: int = 0


class Checker:
    """Checks again and again while it goes on; what was read once is not read again.

    Args:
        archive_dir: of the archive.
        rows: by stream id, what is published.
    """

    def __init__(self, archive_dir: Path, rows: Mapping[int, list[bytes]]) -> None:
        self._archive_dir, self._rows = archive_dir, rows
        self._recorded: dict[int, Recorded] = {}
        self._ticks_from = 0
        self._tick_positions: dict[int, int] = {}

    # -- recordings

    def _recordings(self) -> dict[int, RecordingDescriptor]:
        return {each.recording_id: each for each in read_catalog(self._archive_dir) if each.stream_id in self._rows}

    def read(self, recording: RecordingDescriptor, limit: int) -> Recorded:
        """Read on in a recording, up to a position that must be recorded."""
        known = self._recorded.get(recording.recording_id)
        if known is None:
            known = Recorded((recording.stream_id, recording.session_id), recording.start_position)
            self._recorded[recording.recording_id] = known
        if limit <= known.position:
            return known
        rows = self._rows[recording.stream_id]
        full = recording.mtu_length - FRAME
        with RecordingReader(self._archive_dir, recording, position=known.position, limit=limit) as reader:
            while batch := reader.read_batch():
                for payload, end in zip(batch.payloads(), batch.positions, strict=True):
                    message = stamped(payload)
                    wanted = known.numbers[-1] + 1 if known.numbers else message.number
                    where = f"recording {recording.recording_id} of {known.session} before {end}"
                    assert message.number == wanted, f"{where}: message {message.number} is not {wanted}"
                    assert message.row == rows[wanted % len(rows)], f"{where}: message {wanted} is another"
                    whole, rest = divmod(len(payload), full)
                    length = whole * recording.mtu_length + ((rest + FRAME + 31) & -32 if rest else 0)
                    known.numbers.append(wanted)
                    known.begins.append(end - length)
                    known.ends.append(end)
            known.position = max(known.position, known.ends[-1] if known.ends else 0)
            assert reader.position <= limit, f"recording {recording.recording_id}"
        return known

    def check_committed(self) -> int:
        """All that ``committed.json`` names is on disk; how many positions. Nothing that writes may run."""
        committed = read_committed(self._archive_dir)
        if committed is None:
            return 0
        for recording_id, position in committed.recordings.items():
            recording = find_recording(self._archive_dir, recording_id)
            known = self.read(recording, position)
            if known.position >= position:
                continue
            # The last of it may be a fragment, or padding.
            with RecordingReader(self._archive_dir, recording, position=known.position, limit=position) as reader:
                assert not reader.read_batch(), recording
                assert position - reader.position <= LONGEST, (recording_id, reader.position, position)
        with TimeIndex.open(self._archive_dir, [committed.journal]) as index:
            assert index._runs[0].end >= committed.journal_position, (index._runs[0].end, committed)
        return len(committed.recordings) + 1

    def check_safe(self, committed: Committed) -> None:
        """What was safe at a power cut is recorded and told; what came after it may be there or not."""
        told = {each.recording_id: each.end for ranges in self.told().values() for each in ranges}
        for recording_id, position in committed.recordings.items():
            recording = find_recording(self._archive_dir, recording_id)
            assert recording.is_active or recording.stop_position >= position, (recording, committed)
            assert told[recording_id] >= position, (recording, told[recording_id], position)
            self.read(recording, position)

    # -- what is told

    def told(self) -> dict[Session, list[Range]]:
        """What the journals tell, by session, in the order of the journals."""
        found: dict[Session, list[Range]] = {}
        with TimeIndex.open(self._archive_dir) as index:
            end = index.end_ns
            if end is None:
                return {}
            positions = index.image_at(end).positions
            for each in index.streams:
                assert each.stream_id in self._rows, each
                _, position = positions.get(each.index, (0, each.start_position))
                told = Range(each.recording_id, each.start_position, position, each.closed_ns is not None)
                found.setdefault((each.stream_id, each.session_id), []).append(told)
            self._check_ticks(index, end)
        return found

    def _check_ticks(self, index: TimeIndex, end: int) -> None:
        """Time goes on, and so do positions."""
        before = self._ticks_from
        for tick in index.ticks(self._ticks_from + 1, end):
            assert tick.time_ns > before, tick
            before = tick.time_ns
            for stream, position in tick.positions:
                assert position > self._tick_positions.get(stream, -1), (tick, self._tick_positions[stream])
                self._tick_positions[stream] = position
        self._ticks_from = before

    def await_more(self, look_after: Callable[[], None]) -> None:
        """Until more is told of every stream.

        Args:
            look_after: called meanwhile; raises if that can't be any more.
        """

        def lengths() -> dict[int, int]:
            found: dict[int, int] = dict.fromkeys(self._rows, 0)
            for (stream_id, _), ranges in self.told().items():
                found[stream_id] += sum(each.end - each.start for each in ranges)
            return found

        def moved() -> bool:
            look_after()
            time.sleep(0.1)  # a look at all of it is not for nothing
            return all(length > before[stream_id] for stream_id, length in lengths().items())

        wait_until((self._archive_dir / CATALOG_FILE_NAME).exists, TIMEOUT)
        before = lengths()
        wait_until(moved, TIMEOUT, "the recorder tells of nothing more")

    def check(self, *, whole: bool = False) -> Told:
        """Check all that is told by now.

        Args:
            whole: whether everything has ended in order, so that all that was recorded must be told.
        """
        recordings = self._recordings()
        result = Told(recordings=len(recordings), journals=len(journal_recordings(self._archive_dir)))
        told = self.told()
        for session, ranges in told.items():
            result.sessions += 1
            numbers, lost = self._check_session(session, ranges, recordings)
            result.messages += len(numbers)
            result.lost += lost
            mine = [each for each in recordings.values() if (each.stream_id, each.session_id) == session]
            if whole:
                every: set[int] = set()
                for recording in mine:
                    assert not recording.is_active, recording
                    every |= set(self.read(recording, recording.stop_position).numbers)
                missing = sorted(every - set(numbers.tolist()))
                assert not missing, f"{session}: recorded and not told: {missing[:10]} of {len(missing)}; {ranges}"
        if whole:
            for recording in recordings.values():
                session = recording.stream_id, recording.session_id
                assert session in told or not self.read(recording, recording.stop_position).numbers, recording
        return result

    def _check_session(
        self, session: Session, ranges: list[Range], recordings: Mapping[int, RecordingDescriptor]
    ) -> tuple[numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]], int]:
        joined: list[Range] = []
        for each in ranges:
            last = joined[-1] if joined else None
            if last is not None and last.recording_id == each.recording_id:
                # Told of by two journals: the second goes on where the first left off.
                assert last.end == each.start, f"{session}: {last} and then {each}: a hole, or twice"
                joined[-1] = Range(each.recording_id, last.start, each.end, each.closed)
            elif each.end > each.start:
                joined.append(each)
        parts, lost = [numpy.empty(0, numpy.int64)], 0
        for each in joined:
            recording = recordings[each.recording_id]
            if not recording.is_active:
                assert recording.stop_position >= each.end, f"{session}: lost: {recording} is shorter than {each}"
            messages = self.read(recording, each.end)
            begins, ends = numpy.asarray(messages.begins), numpy.asarray(messages.ends)
            whole = (begins >= each.start) & (ends <= each.end)
            mine = numpy.asarray(messages.numbers)[whole]
            if not len(mine):
                continue
            assert (numpy.diff(mine) == 1).all(), session
            if len(parts) == 1:
                assert mine[0] == 0, f"{session}: begins with message {mine[0]}: {ranges}"
            else:
                between = int(mine[0] - parts[-1][-1])
                assert between >= 1, f"{session}: message {mine[0]} after {parts[-1][-1]}"
                lost += between - 1
            parts.append(mine)
        return numpy.concatenate(parts), lost
