"""What was recorded when: seek to a time, walk the ticks forward and back, over a chain of journals."""

from __future__ import annotations

import os
import re
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aeron_py.archive.catalog import read_catalog
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.recorded import RecordedBatch
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import ClosedError
from aeron_py.recorder._run import Run, State
from aeron_py.recorder.entries import HEADER, MORE, TICK_ITEM, Entry, EntryKind, Image, StreamInfo, Tick, decode
from aeron_py.recorder.journal import JOURNAL_ALIAS

if TYPE_CHECKING:
    from aeron_py.counters import CountersReader

__all__ = ["Image", "StreamInfo", "Tick", "Ticks", "TimeIndex", "journal_recordings"]

_ASK_CATALOG = 0.2
_RUN_BITS = 32
_READ = 512
_FOREVER = 2**63 - 1


def journal_recordings(archive_dir: str | os.PathLike[str]) -> list[RecordingDescriptor]:
    """The journals in the catalog of an archive directory, oldest first: by their alias."""
    return [
        recording
        for recording in read_catalog(archive_dir)
        if f"alias={JOURNAL_ALIAS}" in re.split(r"[?|]", recording.original_channel)
    ]


class TimeIndex:
    """A chain of journals as one history. Opens at once however long they are; several threads may ask it.

    Made by :meth:`open`.
    """

    def __init__(
        self,
        archive_dir: str | os.PathLike[str],
        recordings: Sequence[int | RecordingDescriptor] | None,
        counters: CountersReader | None,
    ) -> None:
        self._archive_dir = archive_dir
        self._counters = counters
        self._lock = threading.RLock()
        self._runs: list[Run] = []
        self._ticks: weakref.WeakSet[Ticks] = weakref.WeakSet()
        self._finds = recordings is None
        self._asked = 0.0
        self._closed = False
        if recordings is None:
            self._find()
        else:
            known = {recording.recording_id: recording for recording in read_catalog(archive_dir)}
            for each in recordings:
                self._add(known[each] if isinstance(each, int) and each in known else _descriptor(archive_dir, each))

    @classmethod
    def open(
        cls,
        archive_dir: str | os.PathLike[str],
        journal_recordings: Sequence[int | RecordingDescriptor] | None = None,
        *,
        counters: CountersReader | None = None,
    ) -> Self:
        """Open the journals of an archive directory.

        Args:
            archive_dir: of the archive.
            journal_recordings: the journals, oldest first; None for all that the catalog has under the journal's
                alias, also those that come later.
            counters: of the archive's media driver, when the archive runs: tells how far a live journal is. Without,
                a journal without an end is read up to its last whole entry.

        Raises:
            CatalogError: no archive there.
            UnknownRecordingError: no such recording.
        """
        return cls(archive_dir, journal_recordings, counters)

    # -- the chain

    def _add(self, recording: RecordingDescriptor) -> None:
        self._runs.append(Run(self._archive_dir, recording, len(self._runs) << _RUN_BITS, self._counters))

    def _find(self) -> None:
        known = {run.recording.recording_id for run in self._runs}
        for recording in journal_recordings(self._archive_dir):
            if recording.recording_id not in known:
                self._add(recording)
        self._asked = time.monotonic()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the time index of {os.fspath(self._archive_dir)!r} is closed")

    def _refresh(self) -> None:
        self._check_open()
        for run in self._runs:
            run.refresh()
        if self._finds and not self.is_live and time.monotonic() > self._asked + _ASK_CATALOG:
            self._find()

    @property
    def is_live(self) -> bool:
        """Whether the last journal is still being written, as far as is known."""
        return bool(self._runs) and self._runs[-1].live

    @property
    def begin_ns(self) -> int | None:
        """The time of the first entry, nanoseconds since 1970; None while there is none."""
        with self._lock:
            self._refresh()
            return next((run.begin_ns for run in self._runs if run.begin_ns is not None), None)

    @property
    def end_ns(self) -> int | None:
        """The time of the last entry; of a live journal: at this moment. None while there is none.

        A journal has entries while something is recorded: a live one may be quiet since then.
        """
        with self._lock:
            self._refresh()
            return next((run.end_ns for run in reversed(self._runs) if run.end_ns is not None), None)

    @property
    def streams(self) -> list[StreamInfo]:
        """Every stream, in the order they were opened; of a live journal: at this moment.

        Stream indexes are unique over the chain and never change.
        """
        with self._lock:
            self._refresh()
            for run in self._runs:
                run.finish()
            return [stream for run in self._runs for stream in run.streams]

    @property
    def topics(self) -> dict[str, list[StreamInfo]]:
        """The streams by topic: a topic's history is its streams, one after the other."""
        found: dict[str, list[StreamInfo]] = {}
        for stream in self.streams:
            found.setdefault(stream.topic, []).append(stream)
        return found

    def records(self, kind: EntryKind | None = None) -> list[Entry]:
        """Entries that are neither tick nor image, oldest first: of one kind, or all."""
        with self._lock:
            self._refresh()
            return [entry for run in self._runs for entry in run.records if kind is None or entry.kind == kind]

    # -- times

    def image_at(self, time_ns: int) -> Image:
        """Where every stream stood at a time: after all ticks up to and including ``time_ns``."""
        with self._lock:
            self._refresh()
            positions: dict[int, tuple[int, int]] = {}
            for run in self._runs:
                if run.begin_ns is None or run.begin_ns > time_ns:
                    continue
                run.finish()
                state = run.state_at(time_ns)
                previous, places = state.previous, state.positions
                for index, stream in enumerate(run.streams):
                    if stream.opened_ns <= time_ns:
                        positions[stream.index] = (previous[index], places[index])
            return Image(time_ns, positions)

    def ticks(self, from_ns: int, to_ns: int | None = None) -> Ticks:
        """The ticks with ``from_ns <= time_ns < to_ns``, oldest first.

        After ``image_at(t)`` goes on ``ticks(t + 1)``. See :class:`Ticks` for a live journal.
        """
        with self._lock:
            self._refresh()
            ticks = Ticks(self, from_ns, _FOREVER if to_ns is None else to_ns)
            self._ticks.add(ticks)
            return ticks

    def ticks_before(self, time_ns: int, n: int) -> list[Tick]:
        """The last ``n`` ticks before a time (not at it), oldest first; less at the begin."""
        found: list[Tick] = []
        with self._lock:
            self._refresh()
            for run in reversed(self._runs):
                number = None if run.begin_ns is None else run.term_at(time_ns - 1)
                while number is not None and number >= 0 and len(found) < n:
                    older = _last_ticks(run, number, time_ns, n - len(found) + 1)
                    if older and found and older[-1].time_ns == found[0].time_ns:
                        # Parts of one tick on both sides of the end of a term.
                        joined = Tick(found[0].time_ns, older.pop().positions + found[0].positions)
                        found[0] = joined
                    found = older + found
                    number -= 1
        return found[-n:] if n > 0 else []

    def close(self) -> None:
        """Close the files, also those of the :class:`Ticks`. May be called twice."""
        with self._lock:
            self._closed = True
            for ticks in list(self._ticks):
                ticks.close()
            for run in self._runs:
                run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
        begun = [i for i, run in enumerate(runs) if run.begin_ns is not None and run.begin_ns <= self._from_ns]
        return begun[-1] if begun else 0

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
            reader = self._open(run)
            batch = reader.read_batch(_READ) if reader is not None else None
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
        runs = self._index._runs
        if self._run >= len(runs):
            with self._index._lock:
                self._index._refresh()
        return runs[self._run] if self._run < len(runs) else None

    def _open(self, run: Run) -> RecordingReader | None:
        if self._reader is None and run.begin_ns is not None:
            with self._index._lock:
                number = run.term_at(self._from_ns)
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
            if self._run + 1 >= len(self._index._runs):
                return False
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self._run += 1
        return True

    def _decode(self, batch: RecordedBatch, run: Run) -> list[Tick]:
        state = State(0)
        skipped = state.apply(batch, self._from_ns - 1)
        batch = batch[skipped:]
        payloads = batch.payloads()
        if state.apply(batch) < len(batch):
            # One in the middle is damaged: the others say where the streams stood all the same.
            checked = zip(payloads, batch.reserved_values, strict=True)
            payloads = [payload for payload, checksum in checked if decode(payload, checksum) is not None]
        ticks: list[Tick] = []
        for payload in payloads:
            part = _tick(payload, run.base)
            if part is None or part[0].time_ns < self._from_ns:
                continue
            if part[0].time_ns >= self._to_ns:
                self.close()
                return ticks + self._rest()
            _join(ticks, self._part, part[0])
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


def _last_ticks(run: Run, term: int, time_ns: int, n: int) -> list[Tick]:
    """The last ``n`` ticks of a term before a time."""
    first, end = run.term_range(term)
    state = State(0)
    batches: list[RecordedBatch] = []
    for batch in run.batches(first, end):
        count = state.apply(batch, time_ns - 1)
        batches.append(batch[:count])
        if count < len(batch):
            break
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


def _descriptor(archive_dir: str | os.PathLike[str], recording: int | RecordingDescriptor) -> RecordingDescriptor:
    from aeron_py.archive.catalog import find_recording

    return find_recording(archive_dir, recording) if isinstance(recording, int) else recording
