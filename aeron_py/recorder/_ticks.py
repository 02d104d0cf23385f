"""Ticks, read from a chain of journals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from aeron_py.archive._segments import DamagedRecordingError
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.recorded import RecordedBatch
from aeron_py.recorder._run import Run, State
from aeron_py.recorder.entries import HEADER, MORE, TICK_ITEM, EntryKind, Tick, decode

if TYPE_CHECKING:
    from aeron_py.recorder.timeindex import TimeIndex

__all__ = ["Ticks", "last_ticks"]

_READ = 512


class Ticks(Iterator[Tick]):
    """Ticks in order, made by :meth:`TimeIndex.ticks`.

    When a live journal has no more, the iteration ends; iterate again, or :meth:`read`, to go on from there. One thread
    at a time may use it.
    """

    def __init__(self, index: TimeIndex, from_ns: int, to_ns: int) -> None:
        self._index = index
        self._from_ns = from_ns
        self._to_ns = to_ns
        self._run = self._first_run()
        self._reader: RecordingReader | None = None
        self._ready: list[Tick] = []
        self._next = 0
        self._part: Tick | None = None
        self._over = False

    def _first_run(self) -> int:
        runs = self._index._runs
        # Not the last one that had begun: a recorder begins a journal before it ends the one before.
        going_on = (i for i, run in enumerate(runs) if run.end_ns is not None and run.told(run.end_ns) >= self._from_ns)
        return self._index._gone + next(going_on, max(0, len(runs) - 1))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Tick:
        if self._next >= len(self._ready):
            self._ready, self._next = self._more(), 0
            if not self._ready:
                raise StopIteration
        self._next += 1
        return self._ready[self._next - 1]

    def read(self, limit: int) -> list[Tick]:
        """The next ticks, at most ``limit``; empty when there is nothing more now."""
        found: list[Tick] = []
        while len(found) < limit:
            if self._next >= len(self._ready):
                self._ready, self._next = self._more(), 0
                if not self._ready:
                    break
            part = self._ready[self._next : self._next + limit - len(found)]
            self._next += len(part)
            found += part
        return found

    def close(self) -> None:
        """Close the file. May be called twice; letting go of the object closes it, too."""
        reader, self._reader, self._over = self._reader, None, True
        if reader is not None:
            reader.close()

    def __del__(self) -> None:
        if self.__dict__.get("_reader") is not None:
            self.close()

    def _more(self) -> list[Tick]:
        """The next ticks, as many as come at once."""
        self._index._check_open()
        while not self._over:
            run = self._current()
            if run is None:
                return []
            try:
                reader = self._open(run)
                batch = reader.read_batch(_READ) if reader is not None else None
            except DamagedRecordingError:
                if not run.forget_if_purged():
                    raise
                batch = None
            if batch:
                ticks = self._decode(batch, run)
            elif self._go_on(run):
                ticks = self._rest() if self._reader is None else []
            else:
                return []
            if ticks:
                return ticks
        return []

    def _current(self) -> Run | None:
        index = self._index
        with index._lock:
            if self._run >= index._gone + len(index._runs):
                index._refresh()
            if self._run < index._gone:
                self._leave_run(index._gone)
            place = self._run - index._gone
            return index._runs[place] if place < len(index._runs) else None

    def _leave_run(self, following: int) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self._run = following

    def _open(self, run: Run) -> RecordingReader | None:
        if self._reader is None and run.begin_ns is not None:
            with self._index._lock:
                number = run.term_at(run.clock(self._from_ns))
                position = run.start if number is None else run.term_range(number)[0]
            self._reader = RecordingReader(
                self._index._archive_dir, run.recording, position=position, limit=lambda: run.end, chunk_length=1 << 18
            )
        return self._reader

    def _go_on(self, run: Run) -> bool:
        """At the end of what is known of a run: whether there is more now, here or in the next run."""
        end = run.end
        with self._index._lock:
            self._index._refresh()
            if run.end > end:
                return True
            if self._run + 1 >= self._index._gone + len(self._index._runs):
                return False
            self._leave_run(self._run + 1)
        return True

    def _decode(self, batch: RecordedBatch, run: Run) -> list[Tick]:
        state = State(0)
        skipped = state.apply(batch, run.clock(self._from_ns) - 1)
        batch = batch[skipped:]
        payloads = batch.payloads()
        if state.apply(batch) < len(batch):
            # One in the middle is damaged: the others say where the streams stood all the same.
            checked = zip(payloads, batch.reserved_values, strict=True)
            payloads = [payload for payload, checksum in checked if decode(payload, checksum) is not None]
        ticks: list[Tick] = []
        for payload in payloads:
            part = _tick(payload, run.base)
            if part is None:
                continue
            tick = Tick(run.told(part[0].time_ns), part[0].positions) if run.is_later else part[0]
            if tick.time_ns < self._from_ns:
                continue
            if tick.time_ns >= self._to_ns:
                self.close()
                return ticks + self._rest()
            _join(ticks, self._part, tick)
            self._part = ticks.pop() if part[1] else None
        return ticks

    def _rest(self) -> list[Tick]:
        """What the parts of a tick that came say, when no more come."""
        part, self._part = self._part, None
        return [] if part is None else [part]


def _tick(payload: bytes, base: int) -> tuple[Tick, bool] | None:
    """A tick, and whether the next entry goes on with it."""
    if payload[0] != EntryKind.TICK:
        return None
    _, _, flags, count, time_ns, _, _ = HEADER.unpack_from(payload)
    items = TICK_ITEM.iter_unpack(payload[HEADER.size : HEADER.size + count * TICK_ITEM.size])
    positions = tuple((base + index, position) for index, position in items) if base else tuple(items)
    return Tick(time_ns, positions), bool(flags & MORE)


def _join(ticks: list[Tick], part: Tick | None, tick: Tick) -> None:
    if part is not None and part.time_ns == tick.time_ns:
        tick = Tick(tick.time_ns, part.positions + tick.positions)
    elif part is not None:
        ticks.append(part)
    ticks.append(tick)


def last_ticks(run: Run, term: int, time_ns: int, n: int) -> list[Tick]:
    """The last ``n`` ticks of a term before a time."""
    first, end = run.term_range(term)
    state = State(0)
    batches: list[RecordedBatch] = []
    try:
        for batch in run.batches(first, end):
            count = state.apply(batch, time_ns - 1)
            batches.append(batch[:count])
            if count < len(batch):
                break
    except DamagedRecordingError:
        if not run.forget_if_purged():
            raise
    found: list[Tick] = []
    for batch in reversed(batches):
        for at in range(len(batch) - 1, -1, -1):
            part = _tick(batch[at].payload, run.base)
            if part is None:
                continue
            if found and found[-1].time_ns == part[0].time_ns:
                found[-1] = Tick(part[0].time_ns, part[0].positions + found[-1].positions)
            else:
                if len(found) == n:
                    return found[::-1]
                found.append(part[0])
    return found[::-1]
