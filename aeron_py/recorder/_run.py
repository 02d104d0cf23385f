"""One journal, read: where it ends, what streams it tells of, which entry stands at a time."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from aeron_py._ffi import ffi, lib
from aeron_py.archive._recorded_position import RecordedPosition
from aeron_py.archive._segments import DamagedRecordingError, Segments
from aeron_py.archive.catalog import find_recording, segment_bases
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.recorded import RecordedBatch
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.recorder._order import Order
from aeron_py.recorder.entries import CLOSED_BODY, HEADER, Entry, EntryKind, StreamInfo, decode, opened

if TYPE_CHECKING:
    from aeron_py.counters import CountersReader

__all__ = ["Run", "State"]

_MS = 1_000_000
_FRAME = struct.Struct("<iBBHiiiiq")
_BEGIN, _END = 0x80, 0x40
_DATA = 1
_PIECE = 4096
_CHUNK = 1 << 18
_ASK_CATALOG = 0.2
_FOREVER = 2**63 - 1


class State:
    """Where the streams of a run stood, by index in it."""

    def __init__(self, capacity: int) -> None:
        self.raw = ffi.new("shim_journal_state_t *")
        self.previous = ffi.new("int64_t[]", max(1, capacity))
        self.positions = ffi.new("int64_t[]", max(1, capacity))
        self.raw.capacity = capacity
        self.raw.previous = self.previous
        self.raw.positions = self.positions

    def apply(self, batch: RecordedBatch, until_ns: int = _FOREVER) -> int:
        """Apply the entries of a batch up to a time, or to one that is not sound: how many."""
        self.raw.unsound = 0
        columns = batch._columns
        if columns is None:
            return 0
        stop = batch._stop
        return int(lib.shim_journal_apply(self.raw, batch._data, columns.pointer, batch._start, stop, until_ns))

    @property
    def unsound(self) -> bool:
        """Whether the last call stopped at a damaged entry."""
        return bool(self.raw.unsound)


class Run:
    """A journal. Not thread-safe but for what the readers it makes do.

    Args:
        archive_dir: of the archive.
        recording: the journal's.
        base: what is added to its stream indexes.
        counters: of the archive's media driver, if it runs.
    """

    def __init__(
        self,
        archive_dir: str | os.PathLike[str],
        recording: RecordingDescriptor,
        base: int,
        counters: CountersReader | None,
    ) -> None:
        self._archive_dir = archive_dir
        self.recording = recording
        self.base = base
        self._segments = Segments(archive_dir, recording)
        self._recorded = (
            RecordedPosition(counters, archive_dir, recording) if counters is not None and recording.is_active else None
        )
        self._fd, self._fd_base = -1, -1
        self._complete = False
        self._missing = not self._segments.exists(recording.start_position)
        self._asked = -_ASK_CATALOG
        self._seen: int | None = None
        self.start = recording.start_position
        self.end = self.start
        """After the last whole entry."""
        self.live = recording.is_active
        self.begin_ns: int | None = None
        self.end_ns: int | None = None
        self.streams: list[StreamInfo] = []
        self.records: list[Entry] = []
        self._last_previous: dict[int, int] = {}
        self.order: Order | None = None
        """How its times are told, None while that is not known."""
        self.refresh()

    def close(self) -> None:
        """Close the file."""
        self._segments.close()
        fd, self._fd, self._fd_base = self._fd, -1, -1
        if fd >= 0:
            os.close(fd)

    # -- growing

    def refresh(self) -> None:
        """Take in what was written since."""
        if self._complete:
            return
        bound = self._bound()
        self._complete = not self.recording.is_active
        if self._complete:
            self._recorded = None
        if bound is not None and bound <= self.end:
            return
        first = self._last_sound_term(bound) if self.begin_ns is None else self.end
        if first is None:
            return
        last = self._walk_to_end(first, bound)
        if last is None:
            return
        if self.begin_ns is None:
            begin = self.entry_at(self.start)
            self.begin_ns = last.time_ns if begin is None else begin.time_ns
        self.end_ns = last.time_ns
        self._take_records(last)

    def _bound(self) -> int | None:
        """How far it is recorded; None when that must be looked for in the files."""
        if not self.recording.is_active:
            return self.recording.stop_position
        recorded = self._recorded
        if recorded is not None and recorded._counter is not None:
            self._seen = recorded()
            if recorded._counter is not None:
                return self._seen
        now = time.monotonic()
        if now < self._asked + _ASK_CATALOG:
            return self._seen
        self._asked = now
        self._seen = None if recorded is None else recorded()
        if recorded is not None and recorded._counter is not None:
            self.live = True
            return self._seen
        self.recording = find_recording(self._archive_dir, self.recording.recording_id)
        if not self.recording.is_active:
            self.live = False
            return self.recording.stop_position
        # No counter and no end: the archive was killed, and the catalog will tell when it runs again.
        self.live = recorded is None
        return None

    def _terms(self, bound: int | None) -> tuple[int, int]:
        """How many terms there can be, and the position where the second one begins, less a term."""
        length = self.recording.term_buffer_length
        first = self.start & -length
        if bound is None:
            bases = segment_bases(self._archive_dir).get(self.recording.recording_id)
            bound = bases[-1] + self.recording.segment_file_length if bases else self.start
        return -(-(bound - first) // length), first

    def _term_start(self, number: int) -> int:
        length = self.recording.term_buffer_length
        return max(self.start, (self.start & -length) + number * length)

    def _last_sound_term(self, bound: int | None) -> int | None:
        count, _ = self._terms(bound)
        if count and self.entry_at(self._term_start(count - 1)) is not None:
            return self._term_start(count - 1)
        low, high = -1, count
        while high - low > 1:
            middle = (low + high) // 2
            if self.entry_at(self._term_start(middle)) is not None:
                low = middle
            else:
                high = middle
        return None if low < 0 else self._term_start(low)

    def _walk_to_end(self, position: int, bound: int | None) -> Entry | None:
        """Move the end to after the last whole entry; that entry, None when there is none more."""
        last: Entry | None = None
        state = State(0)
        try:
            with self._reader(position, bound) as reader:
                while batch := reader.read_batch():
                    sound = state.apply(batch)
                    if sound:
                        last = self._entry(batch, sound - 1)
                        self.end = batch.positions[sound - 1]
                    if sound < len(batch):
                        break
        except DamagedRecordingError:
            # What a crash left torn: all before it counts.
            pass
        return last

    def _reader(self, position: int, bound: int | None, chunk_length: int = _CHUNK) -> RecordingReader:
        recording, directory = self.recording, self._archive_dir
        if bound is None:
            return RecordingReader(directory, recording, position=position, scan=True, chunk_length=chunk_length)
        return RecordingReader(directory, recording, position=position, limit=lambda: bound, chunk_length=chunk_length)

    def _entry(self, batch: RecordedBatch, at: int) -> Entry:
        message = batch[at]
        entry = decode(message.payload, message.reserved_value, -1)
        assert entry is not None
        return entry

    def _take_records(self, last: Entry) -> None:
        """Follow the chain of records back to the last one known."""
        known = self.records[-1].position if self.records else -1
        found: list[Entry] = []
        position = last.record_position
        if last.kind not in (EntryKind.TICK, EntryKind.IMAGE):
            position = self._position_of_last()
        while position > known and position >= self.start:
            entry = self.entry_at(position)
            if entry is None:
                break
            found.append(entry)
            position = entry.record_position
        for entry in reversed(found):
            self._take(entry)

    def _position_of_last(self) -> int:
        # Where the last entry begins is not told by its end: walk its term.
        length = self.recording.term_buffer_length
        begin = max(self.start, (self.end - 1) & -length)
        with self._reader(begin, self.end) as reader:
            while batch := reader.read_batch():
                if batch.positions[-1] >= self.end:
                    return batch.positions[-2] if len(batch) > 1 else begin
                begin = batch.positions[-1]
        return begin

    def _take(self, entry: Entry) -> None:
        self.records.append(entry)
        if entry.kind == EntryKind.OPENED:
            self.streams.append(opened(entry, self.recording.recording_id, self.base))
        elif entry.kind == EntryKind.CLOSED:
            index, _, previous, stop = CLOSED_BODY.unpack_from(entry.body)
            if index < len(self.streams):
                self._close_stream(index, entry.time_ns, previous, stop)

    def _close_stream(self, index: int, time_ns: int, previous: int, stop: int) -> None:
        self._last_previous[index] = previous
        self.streams[index] = msgspec.structs.replace(self.streams[index], closed_ns=time_ns, stop_position=stop)

    def forget_if_purged(self) -> bool:
        """Whether its files were deleted: it is as if it had never been, then."""
        if self.begin_ns is not None and not self._segments.exists(self.start):
            self.close()
            self._complete, self._missing, self.live = True, True, False
            self.begin_ns = self.end_ns = None
            self.end = self.start
            self.streams, self.records = [], []
        return self._complete and self.begin_ns is None

    @property
    def span(self) -> tuple[int, int] | None:
        """The clock's times of its first and its last entry, about, from the catalog, when its files are not there."""
        if self.begin_ns is not None and self.end_ns is not None:
            return self.begin_ns, self.end_ns
        began, ended = self.recording.start_timestamp * _MS, self.recording.stop_timestamp * _MS
        return (began, max(began, ended)) if self._missing else None

    def is_back(self) -> bool:
        """Whether its files, which were not there the last time, are there again: make a new one of it then."""
        there = self._segments.exists(self.start)
        back, self._missing = self._missing and there, not there
        return back

    def finish(self) -> None:
        """Streams that nobody closed end where the journal does: it is not written any more."""
        if self.live or self.end_ns is None or all(stream.closed_ns is not None for stream in self.streams):
            return
        state = self.state_at(self.end_ns)
        for index, stream in enumerate(self.streams):
            if stream.closed_ns is None:
                self._close_stream(index, self.end_ns, state.previous[index], state.positions[index])

    # -- the order of all journals

    @property
    def is_later(self) -> bool:
        """Whether its times are told later than the clock said."""
        return self.order is not None and self.order.later > 0

    def told(self, clock_ns: int) -> int:
        """A time of the clock as it is told."""
        return clock_ns if self.order is None else self.order.told(clock_ns)

    def clock(self, told_ns: int) -> int:
        """What the clock said at a time that is told."""
        return told_ns if self.order is None else self.order.clock(told_ns)

    # -- looking

    def entry_at(self, position: int) -> Entry | None:
        """The entry that begins at a position; None when there is no whole one."""
        parts: list[bytes] = []
        at, checksum = position, 0
        while True:
            piece = self._read(at, _PIECE)
            if len(piece) < _FRAME.size:
                return None
            length, _, flags, kind, offset, _, stream_id, _, reserved = _FRAME.unpack_from(piece)
            if (
                length < _FRAME.size
                or kind != _DATA
                or bool(flags & _BEGIN) != (not parts)
                or offset != at & (self.recording.term_buffer_length - 1)
                or stream_id != self.recording.stream_id
            ):
                return None
            checksum = checksum or reserved
            parts.append(piece[_FRAME.size : length] if length <= len(piece) else self._read(at, length)[_FRAME.size :])
            if flags & _END:
                return decode(b"".join(parts), checksum, position)
            at += length + 31 & -32

    def _read(self, position: int, length: int) -> bytes:
        base = self._segments.base(position)
        if base != self._fd_base:
            self.close()
            try:
                self._fd = os.open(self._segments.path(position), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return b""
            self._fd_base = base
        return os.pread(self._fd, length, position - base)

    def term_at(self, time_ns: int) -> int | None:
        """The last term whose first entry is not after a time; None when all are."""
        count, _ = self._terms(self.end)
        low, high = -1, count
        while high - low > 1:
            middle = (low + high) // 2
            entry = self.entry_at(self._term_start(middle))
            if entry is not None and entry.time_ns <= time_ns:
                low = middle
            else:
                high = middle
        return None if low < 0 else low

    def around(self, time_ns: int) -> tuple[int | None, int | None]:
        """The times of the last entry up to a time, and of the first one after it."""
        before: int | None = None
        number = self.term_at(time_ns)
        for batch in self.batches(self.start if number is None else self._term_start(number)):
            for payload in batch.payloads():
                found: int = HEADER.unpack_from(payload)[4]
                if found > time_ns:
                    return before, found
                before = found
        return before, None

    def batches(self, first: int, end: int | None = None) -> Iterator[RecordedBatch]:
        """Its entries from a position on, up to another or to the end known now."""
        with self._reader(first, self.end if end is None else min(end, self.end)) as reader:
            yield from reader.batches()

    def term_range(self, number: int) -> tuple[int, int]:
        """Where a term begins and ends."""
        return self._term_start(number), min(self._term_start(number + 1), self.end)

    def state_at(self, time_ns: int) -> State:
        """Where its streams stood after all entries up to a time, those opened later too: at their start."""
        state = State(len(self.streams))
        for index, stream in enumerate(self.streams):
            state.previous[index] = state.positions[index] = stream.start_position
            if stream.closed_ns is not None and stream.closed_ns <= time_ns:
                assert stream.stop_position is not None
                state.previous[index] = self._last_previous[index]
                state.positions[index] = stream.stop_position
        try:
            self._replay(state, time_ns)
        except DamagedRecordingError:
            if not self.forget_if_purged():
                raise
        return state

    def _replay(self, state: State, time_ns: int) -> None:
        term = self.term_at(time_ns)
        if term is None:
            return
        for batch in self.batches(self._image_before(self._term_start(term))):
            applied = state.apply(batch, time_ns)
            while applied < len(batch) and state.unsound:
                # One in the middle is damaged: those after it say where the streams stood all the same.
                applied += 1 + state.apply(batch[applied + 1 :], time_ns)
            if applied < len(batch):
                return

    def _image_before(self, position: int) -> int:
        entry = self.entry_at(position)
        if entry is None or entry.kind == EntryKind.IMAGE:
            return position
        return max(self.start, entry.image_position)
