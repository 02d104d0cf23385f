"""What was recorded when: seek to a time, walk the ticks forward and back, over a chain of journals."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.recorder.entries import Entry, EntryKind, Image, StreamInfo, Tick

if TYPE_CHECKING:
    from aeron_py.counters import CountersReader

__all__ = ["Image", "StreamInfo", "Tick", "Ticks", "TimeIndex"]


class TimeIndex:
    """A chain of journals as one history. Opens at once however long they are; several threads may ask it.

    Made by :meth:`open`.
    """

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
            DamagedRecordingError: files of a journal are missing.
        """
        raise NotImplementedError

    @property
    def begin_ns(self) -> int | None:
        """The time of the first entry, nanoseconds since 1970; None while there is none."""
        raise NotImplementedError

    @property
    def end_ns(self) -> int | None:
        """The time of the last entry; of a live journal: at this moment."""
        raise NotImplementedError

    @property
    def is_live(self) -> bool:
        """Whether the last journal is still being written."""
        raise NotImplementedError

    @property
    def streams(self) -> list[StreamInfo]:
        """Every stream, in the order they were opened; of a live journal: at this moment.

        Stream indexes are unique over the chain and never change.
        """
        raise NotImplementedError

    @property
    def topics(self) -> dict[str, list[StreamInfo]]:
        """The streams by topic: a topic's history is its streams, one after the other."""
        raise NotImplementedError

    def records(self, kind: EntryKind | None = None) -> list[Entry]:
        """Entries that are neither tick nor image, oldest first: of one kind, or all."""
        raise NotImplementedError

    def image_at(self, time_ns: int) -> Image:
        """Where every stream stood at a time: after all ticks up to and including ``time_ns``."""
        raise NotImplementedError

    def ticks(self, from_ns: int, to_ns: int | None = None) -> Ticks:
        """The ticks with ``from_ns <= time_ns < to_ns``, oldest first.

        After ``image_at(t)`` goes on ``ticks(t + 1)``. See :class:`Ticks` for a live journal.
        """
        raise NotImplementedError

    def ticks_before(self, time_ns: int, n: int) -> list[Tick]:
        """The last ``n`` ticks before a time (not at it), oldest first; less at the begin."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the files. May be called twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Ticks(Iterator[Tick]):
    """Ticks in order. When a live journal has no more, the iteration ends; iterate again to go on from there."""

    def __next__(self) -> Tick:
        raise NotImplementedError

    def read(self, limit: int) -> list[Tick]:
        """The next ticks, at most ``limit``; empty when there is nothing more now."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the files. May be called twice."""
        raise NotImplementedError
