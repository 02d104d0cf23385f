"""What is safe on disk, whatever happens: written in two phases, the data first."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from aeron_py.archive.catalog import CATALOG_FILE_NAME, read_catalog, segment_name
from aeron_py.archive.recordings import RecordingDescriptor

__all__ = ["COMMITTED_FILE_NAME", "Committed", "CommittedFile", "read_committed"]

COMMITTED_FILE_NAME: Final = "committed.json"
_VERSION = 1


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """Positions up to which everything is on disk.

    Args:
        time_ns: when, nanoseconds since 1970.
        journal: recording id of the journal.
        journal_position: of the journal.
        recordings: position by recording id: of the streams that were open, and of those closed since the last time.
        version: of this format.
    """

    time_ns: int
    journal: int
    journal_position: int
    recordings: dict[int, int]
    version: int = _VERSION


def read_committed(archive_dir: str | os.PathLike[str]) -> Committed | None:
    """What the last ``JournalWriter.flush`` made safe in an archive directory; None when there was none."""
    try:
        data = (Path(archive_dir) / COMMITTED_FILE_NAME).read_bytes()
    except FileNotFoundError:
        return None
    return msgspec.json.decode(data, type=Committed)


class CommittedFile:
    """Makes positions safe and says so in ``committed.json``. One thread at a time.

    Args:
        archive_dir: of the archive.
    """

    def __init__(self, archive_dir: str | os.PathLike[str]) -> None:
        self._directory = Path(archive_dir)
        self._safe: dict[int, int] | None = None
        self._known: dict[int, RecordingDescriptor] = {}

    def commit(self, time_ns: int, journal: tuple[int, int], recordings: dict[int, int]) -> Committed:
        """Wait for the disk, then write the file.

        Args:
            time_ns: nanoseconds since 1970.
            journal: recording id and position of the journal, not beyond what is recorded.
            recordings: position by recording id, the same.
        """
        wanted = {**recordings, journal[0]: journal[1]}
        self._learn(wanted)
        if self._safe is None:
            # What ran before was perhaps killed before it could say what is safe. Files that are cost next to nothing.
            changed = list(self._directory.glob("*.rec"))
        else:
            safe = self._safe
            changed = [path for each, position in wanted.items() for path in self._changed(each, position, safe)]
        for path in changed:
            _sync(path)
        if changed:
            # Names of new segments, and the catalog's entries of new recordings.
            _sync(self._directory / CATALOG_FILE_NAME)
            _sync(self._directory)
        committed = Committed(time_ns=time_ns, journal=journal[0], journal_position=journal[1], recordings=recordings)
        self._write(msgspec.json.format(msgspec.json.encode(committed), indent=1))
        self._safe = wanted
        return committed

    def _learn(self, recordings: Iterable[int]) -> None:
        if any(recording not in self._known for recording in recordings):
            self._known = {found.recording_id: found for found in read_catalog(self._directory)}

    def _changed(self, recording_id: int, position: int, safe: dict[int, int]) -> list[Path]:
        recording = self._known.get(recording_id)
        if recording is None:
            return []
        before = safe.get(recording_id, recording.start_position)
        if position <= before:
            return []
        first = recording.segment_file_base_position(before)
        bases = range(first, position, recording.segment_file_length)
        return [self._directory / segment_name(recording_id, base) for base in bases]

    def _write(self, data: bytes) -> None:
        path = self._directory / COMMITTED_FILE_NAME
        beside = path.with_suffix(".json.new")
        with beside.open("wb") as file:
            file.write(data + b"\n")
            file.flush()
            os.fdatasync(file.fileno())
        beside.replace(path)
        _sync(self._directory)


def _sync(path: Path) -> None:
    """``fdatasync``; what is purged or deleted by now needs none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(fd) if path.is_dir() else os.fdatasync(fd)
    finally:
        os.close(fd)
