"""Volumes that are only where they were stored: what a command does not see of a history is said."""

from __future__ import annotations

import sys
from pathlib import Path

from aeron_py.recorder.volumes import Volumes

_NAMED = 10


def names_of_away(archive_dir: Path, begin_ns: int | None = None, end_ns: int | None = None) -> str:
    """The volumes of an archive directory that are away, by name, the oldest first; empty when none is.

    Args:
        archive_dir: of the archive.
        begin_ns, end_ns: only those with something of this time, nanoseconds since 1970; None for no limit.
    """
    away = [
        each.name
        for each in Volumes(archive_dir).known()
        if each.away and (begin_ns is None or each.end_ns >= begin_ns) and (end_ns is None or each.begin_ns <= end_ns)
    ]
    return ", ".join(away[:_NAMED]) + (" ..." if len(away) > _NAMED else "")


def tell_away(archive_dir: Path, begin_ns: int | None = None, end_ns: int | None = None) -> None:
    """Say on standard error what is left out because it is away: see :func:`names_of_away`."""
    if names := names_of_away(archive_dir, begin_ns, end_ns):
        print(f"left out are volumes that are only where they were stored: {names}", file=sys.stderr)
