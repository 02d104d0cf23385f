"""What was recorded when: seek to a time, walk the ticks forward and back, over a chain of journals."""

from __future__ import annotations

import os
import re
import threading
import time
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from aeron_py._closing import Closing
from aeron_py.archive.catalog import find_recording, read_catalog
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import ClosedError
from aeron_py.recorder._order import UNCHANGED, order_of
from aeron_py.recorder._run import Run
from aeron_py.recorder._ticks import Ticks, last_ticks
from aeron_py.recorder.entries import Entry, EntryKind, Image, StreamInfo, Tick
from aeron_py.recorder.journal import JOURNAL_ALIAS

if TYPE_CHECKING:
    from aeron_py.counters import CountersReader

__all__ = ["Image", "StreamInfo", "Tick", "Ticks", "TimeIndex", "is_journal", "journal_recordings"]

_ASK_CATALOG = 0.2
_LOOK_FOR_FILES = 1.0
_RUN_BITS = 32
_FOREVER = 2**63 - 1


def journal_recordings(archive_dir: str | os.PathLike[str]) -> list[RecordingDescriptor]:
    """The journals in the catalog of an archive directory, oldest first: by their alias."""
    return [recording for recording in read_catalog(archive_dir) if is_journal(recording)]


def is_journal(recording: RecordingDescriptor) -> bool:
    """Whether a recording is a journal: by its alias."""
    return f"alias={JOURNAL_ALIAS}" in re.split(r"[?|]", recording.original_channel)


class TimeIndex(Closing):
    """A chain of journals as one history. Opens at once however long they are; several threads may ask it.

    Made by :meth:`open`. Journals that are deleted meanwhile go from it, with their streams; those that come back
    are in it again, with the stream indexes that they had.
    """

    def __init__(
        self,
        archive_dir: str | os.PathLike[str],
        recordings: Sequence[int | RecordingDescriptor] | None,
        counters: CountersReader | None,
        in_order: bool = False,
    ) -> None:
        self._archive_dir = archive_dir
        self._in_order = in_order
        self._counters = counters
        self._lock = threading.RLock()
        self._runs: list[Run] = []
        # How many were before them, and are gone for good.
        self._gone = 0
        self._ticks: weakref.WeakSet[Ticks] = weakref.WeakSet()
        self._finds = recordings is None
        self._asked = 0.0
        self._looked = time.monotonic()
        self._closed = False
        if recordings is None:
            self._find()
        else:
            known = {recording.recording_id: recording for recording in read_catalog(archive_dir)}
            for each in recordings:
                self._add(known[each] if isinstance(each, int) and each in known else _descriptor(archive_dir, each))
            self._arrange()

    @classmethod
    def open(
        cls,
        archive_dir: str | os.PathLike[str],
        journal_recordings: Sequence[int | RecordingDescriptor] | None = None,
        *,
        counters: CountersReader | None = None,
        in_order: bool = False,
    ) -> Self:
        """Open the journals of an archive directory.

        Args:
            archive_dir: of the archive.
            journal_recordings: the journals, oldest first; None for all that the catalog has under the journal's
                alias, also those that come later.
            counters: of the archive's media driver, when the archive runs: tells how far a live journal is. Without,
                a journal without an end is read up to its last whole entry.
            in_order: whether times never go back, also where the clock was set back by more than an hour between two
                journals: what was recorded after that is told later than what was before. See :meth:`clock_ns`. Else
                all times are the clock's, and the ticks of one journal come after those of the one before.

        Raises:
            CatalogError: no archive there.
            UnknownRecordingError: no such recording.
        """
        return cls(archive_dir, journal_recordings, counters, in_order)

    # -- the chain

    def _add(self, recording: RecordingDescriptor) -> None:
        self._runs.append(self._run(recording, self._gone + len(self._runs) << _RUN_BITS))

    def _run(self, recording: RecordingDescriptor, base: int) -> Run:
        return Run(self._archive_dir, recording, base, self._counters)

    def _find(self) -> None:
        found = {recording.recording_id: recording for recording in journal_recordings(self._archive_dir)}
        # The archive purged them: their files do not come back, as those of a volume that is away do.
        while self._runs and self._runs[0].recording.recording_id not in found and self._runs[0].forget_if_purged():
            self._runs.pop(0)
            self._gone += 1
        known = {run.recording.recording_id for run in self._runs}
        for recording_id, recording in found.items():
            if recording_id not in known:
                self._add(recording)
        self._arrange()
        self._asked = time.monotonic()

    def look_again(self) -> None:
        """Find journals that are new, though the last one seemed to be written still."""
        with self._lock:
            self._check_open()
            if self._finds:
                self._find()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the time index of {os.fspath(self._archive_dir)!r} is closed")

    def _refresh(self) -> None:
        self._check_open()
        now = time.monotonic()
        if now > self._looked + _LOOK_FOR_FILES:
            self._looked = now
            for place, run in enumerate(self._runs):
                if run.forget_if_purged() and run.is_back():
                    self._runs[place] = self._run(run.recording, run.base)
                    self._runs[place].order = run.order
        for run in self._runs:
            run.refresh()
        if self._finds and not self.is_live and now > self._asked + _ASK_CATALOG:
            self._find()
        else:
            self._arrange()

    def _arrange(self) -> None:
        """See how the times of journals are told that are new."""
        before: Run | None = None
        for run in self._runs:
            if run.order is None:
                run.order = order_of(run, before) if self._in_order else UNCHANGED
            if run.order is not None:
                run.order.look(run)
                before = run

    def look_for_files(self) -> None:
        """See now which journals are there, those of volumes that went or came back: it is seen in a second anyway."""
        with self._lock:
            self._looked = time.monotonic() - 2 * _LOOK_FOR_FILES
            self._refresh()

    @property
    def is_live(self) -> bool:
        """Whether the last journal is still being written, as far as is known."""
        return bool(self._runs) and self._runs[-1].live

    @property
    def begin_ns(self) -> int | None:
        """The time of the first entry, nanoseconds since 1970; None while there is none."""
        with self._lock:
            self._refresh()
            return next((run.told(run.begin_ns) for run in self._runs if run.begin_ns is not None), None)

    @property
    def end_ns(self) -> int | None:
        """The time of the last entry; of a live journal: at this moment. None while there is none.

        A journal has entries while something is recorded: a live one may be quiet since then.
        """
        with self._lock:
            self._refresh()
            return next((run.told(run.end_ns) for run in reversed(self._runs) if run.end_ns is not None), None)

    def begin_after(self, time_ns: int) -> int | None:
        """The time of the first entry of the first journal that ends after a time; None when there is none."""
        with self._lock:
            self._refresh()
            found = (run for run in self._runs if run.end_ns is not None and run.told(run.end_ns) > time_ns)
            return next((run.told(run.begin_ns) for run in found if run.begin_ns is not None), None)

    @property
    def streams(self) -> list[StreamInfo]:
        """Every stream, in the order they were opened; of a live journal: at this moment.

        Stream indexes are unique over the chain and never change.
        """
        with self._lock:
            self._refresh()
            for run in self._runs:
                run.finish()
            return [stream for run in self._runs for stream in (_told(run) if run.is_later else run.streams)]

    @property
    def topics(self) -> dict[str, list[StreamInfo]]:
        """The streams by topic: a topic's history is its streams, one after the other."""
        found: dict[str, list[StreamInfo]] = {}
        for stream in self.streams:
            found.setdefault(stream.topic, []).append(stream)
        return found

    def records(self, kind: EntryKind | None = None) -> list[Entry]:
        """Entries that are neither tick nor image, oldest first: of one kind, or all. Their times are the clock's."""
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
                if run.begin_ns is not None and run.told(run.begin_ns) <= time_ns:
                    _add_positions(positions, run, run.clock(time_ns))
            return Image(time_ns, positions)

    def latest(self) -> Image:
        """Where every stream stood at last, whatever the clock said then."""
        with self._lock:
            self._refresh()
            positions: dict[int, tuple[int, int]] = {}
            for run in self._runs:
                if run.end_ns is not None:
                    _add_positions(positions, run, run.end_ns)
            return Image(self.end_ns or 0, positions)

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
                before = run.clock(time_ns)
                number = None if run.begin_ns is None else run.term_at(before - 1)
                while number is not None and number >= 0 and len(found) < n:
                    older = [
                        Tick(run.told(tick.time_ns), tick.positions)
                        for tick in last_ticks(run, number, before, n - len(found) + 1)
                    ]
                    if older and found and older[-1].time_ns == found[0].time_ns:
                        # Parts of one tick on both sides of the end of a term.
                        joined = Tick(found[0].time_ns, older.pop().positions + found[0].positions)
                        found[0] = joined
                    found = older + found
                    number -= 1
        return found[-n:] if n > 0 else []

    # -- the clock's times, of an index that is in order

    def clock_ns(self, time_ns: int) -> int:
        """What the clock said at a time of this index: the same, unless that is ``in_order`` and it was set back."""
        with self._lock:
            run = self._run_at(time_ns)
            return time_ns if run is None else run.clock(time_ns)

    def now_ns(self) -> int:
        """This moment, as a time of this index."""
        with self._lock:
            orders = (run.order.latest for run in reversed(self._runs) if run.order is not None)
            return time.time_ns() + next(orders, 0)

    def first_ns(self, clock_ns: int) -> int:
        """The time of this index at which the clock first said so; when it never did, first said something later."""
        with self._lock:
            runs = self._arranged
            said = (run for run, begin, end in runs if begin <= clock_ns <= end)
            later = (run for run, _, end in runs if end >= clock_ns)
            run = next(said, None) or next(later, runs[-1][0] if runs else None)
            return clock_ns if run is None else run.told(clock_ns)

    def last_ns(self, clock_ns: int) -> int:
        """The time of this index at which the clock last said so, or will; when never, last said something earlier."""
        with self._lock:
            runs = self._arranged
            begun = [place for place, (_, begin, _) in enumerate(runs) if begin <= clock_ns]
            if not begun:
                return clock_ns
            said = (place for place in reversed(begun) if runs[place][0].live or clock_ns <= runs[place][2])
            place = next(said, begun[-1])
            run = runs[place][0]
            found = run.told(clock_ns)
            for each, begin, _ in runs[place + 1 :] if run.is_later else ():
                found = min(found, each.told(begin) - 1)
            return found

    def near_ns(self, clock_ns: int, time_ns: int) -> int:
        """The time of this index at which the clock said so, in the journal of another time if it said so there."""
        with self._lock:
            here = self._run_at(time_ns)
            said = any(run is here and begin <= clock_ns <= end for run, begin, end in self._arranged)
            return here.told(clock_ns) if here is not None and said else self.first_ns(clock_ns)

    def of_journal(self, clock_ns: int, recording_id: int) -> int:
        """A time of the clock that is one of a journal's, as a time of this index."""
        with self._lock:
            run = next((each for each in self._runs if each.recording.recording_id == recording_id), None)
            return clock_ns if run is None else run.told(clock_ns)

    @property
    def _arranged(self) -> list[tuple[Run, int, int]]:
        """The journals, each with what the clock said first and last, also those that are not here."""
        self._refresh()
        now = time.time_ns()
        known = [(run, run.span) for run in self._runs if run.order is not None]
        return [(run, span[0], max(span[1], now) if run.live else span[1]) for run, span in known if span is not None]

    def _run_at(self, time_ns: int) -> Run | None:
        """The journal that tells of a time, or the one before it; the first for all earlier."""
        runs = self._arranged
        begun = (run for run, begin, _ in reversed(runs) if run.told(begin) <= time_ns)
        return next(begun, runs[0][0] if runs else None)

    def close(self) -> None:
        """Close the files, also those of the :class:`Ticks`. May be called twice."""
        with self._lock:
            self._closed = True
            for ticks in list(self._ticks):
                ticks.close()
            for run in self._runs:
                run.close()


def _told(run: Run) -> list[StreamInfo]:
    return [
        replace(
            stream,
            opened_ns=run.told(stream.opened_ns),
            closed_ns=None if stream.closed_ns is None else run.told(stream.closed_ns),
        )
        for stream in run.streams
    ]


def _add_positions(positions: dict[int, tuple[int, int]], run: Run, clock_ns: int) -> None:
    run.finish()
    state = run.state_at(clock_ns)
    previous, places = state.previous, state.positions
    for index, stream in enumerate(run.streams):
        if stream.opened_ns <= clock_ns:
            positions[stream.index] = (previous[index], places[index])


def _descriptor(archive_dir: str | os.PathLike[str], recording: int | RecordingDescriptor) -> RecordingDescriptor:
    return find_recording(archive_dir, recording) if isinstance(recording, int) else recording
