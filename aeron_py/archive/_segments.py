"""The segment files of one recording: which file holds a position, opened, read or mapped."""

from __future__ import annotations

import contextlib
import mmap
import os
from pathlib import Path
from typing import Any

from aeron_py._ffi import check, lib
from aeron_py.archive._memory import memory
from aeron_py.archive.catalog import segment_bases, segment_name
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import AeronError, ErrorKind

__all__ = ["DamagedRecordingError", "Segments"]


class DamagedRecordingError(AeronError):
    """What is on disk is not what was recorded: names the recording, the position and the segment file.

    Attributes:
        recording_id: the recording.
        position: where its sound part ends.
        path: the segment file, None when it is not there.
    """

    default_kind = ErrorKind.ARCHIVE

    def __init__(self, message: str, recording_id: int, position: int, path: Path | None) -> None:
        where = f", file {path}" if path is not None else ""
        super().__init__(f"{message}: recording {recording_id}, position {position}{where}", operation="read")
        self.recording_id = recording_id
        self.position = position
        self.path = path


class Segments:
    """Finds, reads and maps segments; holds the file of the last one read open.

    A segment file is shortened by nobody while it is recorded. The archive does shorten the last one for a moment when
    it truncates a stopped recording or repairs one after a crash. Who touches a mapping in that moment is killed by
    SIGBUS: so all that copies reads the file, and only what is asked to be a view is mapped.
    """

    def __init__(self, archive_dir: str | os.PathLike[str], recording: RecordingDescriptor) -> None:
        self.directory = Path(archive_dir)
        self.recording_id = recording.recording_id
        self.length = recording.segment_file_length
        term_length = recording.term_buffer_length
        start = recording.start_position
        if (
            term_length < 1 << 16
            or term_length & (term_length - 1)
            or self.length < 1
            or self.length % term_length
            or start < 0
            or start % 32
        ):
            raise DamagedRecordingError(
                f"its descriptor can't be: term length {term_length}, segment length {self.length}, start {start}",
                self.recording_id,
                start,
                None,
            )
        self._first = recording.start_position & -recording.term_buffer_length
        self._fd = -1
        self._base = -1

    def base(self, position: int) -> int:
        """Stream position of the first byte of the segment that holds ``position``."""
        return position - (position - self._first) % self.length

    def end(self, position: int) -> int:
        """Stream position after the last byte of that segment."""
        return self.base(position) + self.length

    def path(self, position: int) -> Path:
        """The file that holds ``position``."""
        return self.directory / self._name(position)

    def _name(self, position: int) -> str:
        return segment_name(self.recording_id, self.base(position))

    def exists(self, position: int) -> bool:
        """Whether the file that holds ``position`` is there."""
        return os.path.exists(f"{self.directory}/{self._name(position)}")  # noqa: PTH110 - see segment_bases

    def close(self) -> None:
        """Close the open file. Mappings stay as long as someone looks at them."""
        fd, self._fd, self._base = self._fd, -1, -1
        if fd >= 0:
            os.close(fd)

    def load(self, walk: Any, length: int) -> Any:
        """Read ``length`` bytes from the walk's position on and put the walk on them; less at a file's end.

        Returns the memory, which must live as long as anything points into it.
        """
        position = walk.position
        base = self.base(position)
        if base != self._base:
            self.close()
            self._fd = self._open(position)
            self._base = base
        data = memory(length)
        walk.data = data
        check(lib.shim_walk_load(walk, self._fd, position - base, length), "read a recording")
        return data

    def map(self, position: int, end: int, *, private: bool) -> tuple[mmap.mmap, int]:
        """Map the segment that holds ``position`` at least up to ``end``.

        Returns the mapping and the offset in it of ``position``. The mapping goes when the last view of it goes.
        ``private`` mappings may be written to: nobody else sees that.
        """
        base = self.base(position)
        fd = self._open(position)
        try:
            size = os.fstat(fd).st_size
            if size < end - base:
                raise self.damaged(f"the segment file has {size} bytes, and {end - base} were recorded", base + size)
            page = (position - base) & -mmap.ALLOCATIONGRANULARITY
            access = mmap.ACCESS_COPY if private else mmap.ACCESS_READ
            mapped = mmap.mmap(fd, end - base - page, access=access, offset=page)
        finally:
            os.close(fd)
        with contextlib.suppress(OSError):
            mapped.madvise(mmap.MADV_WILLNEED)
        return mapped, position - base - page

    def damaged(self, message: str, position: int) -> DamagedRecordingError:
        """The error for what was found at ``position``."""
        return DamagedRecordingError(message, self.recording_id, position, self.path(position))

    def _open(self, position: int) -> int:
        name = self._name(position)
        try:
            return os.open(f"{self.directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            there = segment_bases(self.directory).get(self.recording_id)
            if there and position < there[0]:
                advice = f"the segment was purged or detached, the first one on disk begins at {there[0]}: seek there"
            elif there:
                advice = f"the segment file {name} is missing, the last one on disk begins at {there[-1]}"
            else:
                advice = f"there are no segment files in {self.directory}"
            raise DamagedRecordingError(advice, self.recording_id, position, None) from None
