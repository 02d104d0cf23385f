"""Where a reader stands in a recording: brings the next piece under the walk in C, and judges how a walk ended."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from aeron_py._ffi import ffi, lib
from aeron_py.archive._segments import Segments
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import SettingError

__all__ = ["Cursor"]

UNLIMITED = 1 << 62
_HEADER = 32


def _nowhere() -> int:
    return 0


def _let_go(held: Any, _pointer: Any) -> None:
    """Nothing to do: a mapping goes with the last reference to it."""


class Cursor:
    """A walk (``shim_walk_t``) with the memory that it walks in.

    Args:
        segments: of the recording.
        recording: its descriptor.
        limit: returns how far it can be read now.
        final: whether that is where the recording ends for good: a message that is not whole there never will be.
        scan: the limit is not known, it is where nothing was written.
        chunk_length: bytes read at once.
    """

    def __init__(
        self,
        segments: Segments,
        recording: RecordingDescriptor,
        limit: Callable[[], int],
        *,
        final: bool,
        scan: bool,
        chunk_length: int,
    ) -> None:
        self.segments = segments
        self.memory: Any = None
        self.end_found: int | None = None
        self._limit = limit
        self._final = final
        self._scan = scan
        self._chunk_length = self._wanted = chunk_length
        self._short = False
        self.walk = ffi.new("shim_walk_t *")
        self.walk.term_length = recording.term_buffer_length
        self.walk.initial_term_id = recording.initial_term_id
        self.walk.stream_id = recording.stream_id

    @property
    def position(self) -> int:
        """The stream position where it stands."""
        return int(self.walk.position + self.walk.offset)

    @property
    def used_up(self) -> bool:
        """Whether the walk has passed all memory it was given."""
        return bool(self.walk.offset >= self.walk.length)

    def limit(self) -> int:
        """How far can be read now."""
        limit = self._limit()
        return limit if self.end_found is None else min(limit, self.end_found)

    def stand(self, position: int) -> None:
        """Stand at a position, with no memory: views of the former stay valid, they hold it."""
        walk = self.walk
        walk.data = ffi.NULL
        walk.length = walk.offset = 0
        walk.position = position
        self.memory = None
        self._short = False

    def close(self) -> None:
        """Read nothing more, and forget who tells the limit: he holds this, and would live on as a cycle."""
        self.stand(self.position)
        self._limit = _nowhere

    def load(self, length: int | None = None) -> bool:
        """Read the next piece into memory of its own; False when there is nothing up to the limit."""
        position = self.position
        end = min(self.limit(), self.segments.end(position))
        length = min(self._wanted if length is None else length, end - position)
        if length <= 0 or (self._scan and not self.segments.exists(position)):
            return False
        self.stand(position)
        self.memory = self.segments.load(self.walk, length)
        self._short = self.walk.length < length
        if self.walk.length == 0:
            return self._ended(position)
        return True

    def map(self, *, private: bool) -> bool:
        """Map the segment from here to the limit; False when there is nothing up to the limit."""
        position = self.position
        if self._scan:
            raise SettingError(
                f"recording {self.segments.recording_id} has no stop position, it can only be read by copying: "
                "with read_batch, to_arrow or copy=True",
                operation="read a recording",
            )
        end = min(self.limit(), self.segments.end(position))
        if end <= position:
            return False
        mapped, offset = self.segments.map(position, end, private=private)
        self.stand(position)
        held = ffi.from_buffer("uint8_t[]", mapped)
        # Whoever looks at the memory holds the mapping: the destructor's argument does.
        self.memory = ffi.gc(held + offset, partial(_let_go, held))
        self.walk.data = self.memory
        self.walk.length = end - position
        return True

    def frame_around(self, position: int, start: int) -> tuple[int, int]:
        """Begin and end of the frame that holds ``position``, walking from its term's begin or from ``start``."""
        self.stand(position)
        if self.load(_HEADER) and (length := lib.shim_walk_seek(self.walk, position)):
            return position, position + length
        self.stand(max(start, position & -self.walk.term_length))
        while self.load():
            if length := lib.shim_walk_seek(self.walk, position):
                return self.position, self.position + length
            if not self.settle():
                break
        return self.position, self.position

    def settle(self) -> bool:
        """After a walk that listed nothing more: whether to load or map the next piece and go on.

        Raises:
            DamagedRecordingError: the walk met what can't be a frame of this recording.
        """
        walk, position = self.walk, self.position
        end = int(walk.position + walk.length)
        status = walk.status
        if status in (lib.SHIM_WALK_DAMAGED, lib.SHIM_WALK_UNWRITTEN):
            return self._ended(position)
        if status == lib.SHIM_WALK_INCOMPLETE:
            if self._short:
                return self._ended(position)
            if end >= self.limit():
                self.stand(end if self._final else position)
                return False
            if end >= self.segments.end(position):
                position = end
            elif walk.offset == 0:
                self._wanted *= 2
        else:
            self._wanted = self._chunk_length
        self.stand(position)
        return True

    def _ended(self, position: int) -> bool:
        """No sound frame at ``position``: the end when that is what is looked for, else an error."""
        status = self.walk.status if self.walk.length else lib.SHIM_WALK_INCOMPLETE
        header = bytes(ffi.buffer(self.walk.data + self.walk.offset, 32)) if self._header_there() else b""
        self.stand(position)
        if self._scan and status != lib.SHIM_WALK_DAMAGED:
            self.end_found = position
            return False
        if not header or status == lib.SHIM_WALK_INCOMPLETE:
            raise self.segments.damaged("the segment file is shorter than what was recorded", position)
        if status == lib.SHIM_WALK_UNWRITTEN:
            raise self.segments.damaged(f"nothing was written here, though recorded up to {self.limit()}", position)
        raise self.segments.damaged(f"this is no frame of the recording, its header is {header.hex(' ', 4)}", position)

    def _header_there(self) -> bool:
        return bool(self.walk.offset + 32 <= self.walk.length)
