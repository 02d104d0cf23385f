"""What is safe on disk, whatever happens: written in two phases, data first."""

from __future__ import annotations

import os

import msgspec

__all__ = ["Committed", "read_committed"]


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """Positions up to which everything is on disk.

    Args:
        time_ns: when, nanoseconds since 1970.
        journal: recording id of the journal.
        journal_position: of the journal.
        recordings: position by recording id; recordings of which nothing moved since they were safe stay in it.
    """

    time_ns: int
    journal: int
    journal_position: int
    recordings: dict[int, int]
    version: int = 1


def read_committed(archive_dir: str | os.PathLike[str]) -> Committed | None:
    """What the last ``JournalWriter.flush`` made safe in an archive directory; None when there was none."""
    raise NotImplementedError
