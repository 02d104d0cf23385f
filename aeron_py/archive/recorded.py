"""What a :class:`~aeron_py.archive.reader.RecordingReader` returns."""

from __future__ import annotations

import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aeron_py._ffi import ffi, lib
from aeron_py.archive._memory import memory

__all__ = ["RecordedBatch", "RecordingCheck"]

_NAMES = ("offsets", "positions", "reserved_values", "lengths", "session_ids")


@dataclass(frozen=True)
class RecordingCheck:
    """What :meth:`RecordingReader.verify` counted.

    Attributes:
        start_position: where the check began.
        stop_position: where it ended: all before it is sound.
        messages: complete messages.
        frames: data frames; more than the messages when some are fragmented.
        padding: padding frames.
        payload_bytes: the messages' bytes together.
        dropped: fragments of messages whose begin or end was not recorded.
    """

    start_position: int
    stop_position: int
    messages: int
    frames: int
    padding: int
    payload_bytes: int
    dropped: int


class Columns:
    """Memory for the columns of one batch, in one piece: what C fills."""

    __slots__ = ("_memory", "pointer")

    def __init__(self, capacity: int) -> None:
        self._memory = memory(32 * capacity)
        pointer = ffi.new("shim_walk_columns_t *")
        pointer.capacity = capacity
        for index, name in enumerate(_NAMES[:3]):
            setattr(pointer, name, ffi.cast("int64_t *", self._memory + 8 * index * capacity))
        narrow = ffi.cast("int32_t *", self._memory + 24 * capacity)
        pointer.lengths = narrow
        pointer.session_ids = narrow + capacity
        self.pointer = pointer

    def view(self, name: str, count: int) -> memoryview:
        """A column as a read-only memoryview of ``count`` integers that keeps the memory alive."""
        capacity = self.pointer.capacity
        start = capacity * (_NAMES.index(name) * 8 if name in _NAMES[:3] else 24 + 4 * (name == "session_ids"))
        whole = memoryview(ffi.buffer(self._memory, start + count * (8 if name in _NAMES[:3] else 4)))
        return (whole[start:].cast("q") if name in _NAMES[:3] else whole[start:].cast("i")).toreadonly()

    def places(self, count: int) -> Iterator[tuple[int, int]]:
        """Offset and length of each of the first ``count`` messages."""
        return zip(self.view("offsets", count).tolist(), self.view("lengths", count).tolist(), strict=True)


class RecordedBatch:
    """Messages read at once, as one piece of memory and columns: nothing is made for a message until it is asked for.

    Everything it gives keeps the memory alive, also after the reader is closed. Iterate it for the messages as bytes.
    """

    __slots__ = ("_columns", "_count", "_data", "_length", "_session_id")

    def __init__(
        self, data: Any, length: int, columns: Columns | None, count: int, session_id: int | None = None
    ) -> None:
        self._data = data
        self._length = length
        self._columns = columns
        self._count = count
        self._session_id = session_id

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.payloads())

    def __getitem__(self, index: int) -> bytes:
        """The payload of one message."""
        if not -self._count <= index < self._count:
            raise IndexError(f"message {index} of {self._count}")
        offset = self.offsets[index]
        return bytes(self.data[offset : offset + self.lengths[index]])

    def __repr__(self) -> str:
        return f"<RecordedBatch {self._count} messages>"

    @property
    def count(self) -> int:
        """How many messages."""
        return self._count

    @property
    def data(self) -> memoryview:
        """The memory that ``offsets`` point into (bytes, read-only). Between the messages lie frame headers."""
        return memoryview(ffi.buffer(self._data, self._length)).toreadonly() if self._count else memoryview(b"")

    @property
    def offsets(self) -> memoryview:
        """Where each message begins in ``data`` (int64)."""
        return self._view("offsets")

    @property
    def lengths(self) -> memoryview:
        """Length of each message in bytes (int32)."""
        return self._view("lengths")

    @property
    def positions(self) -> memoryview:
        """Stream position at the end of each message, as a subscriber sees it (int64)."""
        return self._view("positions")

    @property
    def reserved_values(self) -> memoryview:
        """Reserved value of each message (int64), of its first fragment."""
        return self._view("reserved_values")

    @property
    def session_ids(self) -> memoryview:
        """Session id of each message (int32), as in the file."""
        if self._session_id is not None:
            return memoryview(array.array("i", [self._session_id]) * self._count).toreadonly()
        return self._view("session_ids")

    def payloads(self) -> list[bytes]:
        """Every message as bytes."""
        if self._columns is None:
            return []
        raw = ffi.buffer(self._data, self._length)
        return [raw[offset : offset + length] for offset, length in self._columns.places(self._count)]

    def views(self) -> list[memoryview]:
        """Every message as a read-only memoryview into ``data``, without a copy."""
        if self._columns is None:
            return []
        data = self.data
        return [data[offset : offset + length] for offset, length in self._columns.places(self._count)]

    def pack_into(self, out: Any) -> int:
        """Copy the messages one after the other into a writable buffer of bytes; the bytes copied (``shim_walk_pack``).

        Raises:
            ValueError: the buffer is too small.
        """
        if not self._count or self._columns is None:
            return 0
        target = ffi.from_buffer("uint8_t[]", out, require_writable=True)
        if len(target) < (needed := sum(self.lengths)):
            raise ValueError(f"the buffer has {len(target)} bytes, the messages {needed}")
        return int(lib.shim_walk_pack(self._data, self._columns.pointer, 0, self._count, target, ffi.NULL))

    def packed(self) -> tuple[memoryview, memoryview]:
        """The payloads one after the other, copied, and ``count + 1`` int32: where each begins and the last ends.

        That is how Arrow wants them.
        """
        if self._columns is None:
            return memoryview(b""), memoryview(bytes(4))
        size = sum(self.lengths)
        out = memory(size)
        ends = ffi.new("int32_t[]", self._count + 1)
        lib.shim_walk_pack(self._data, self._columns.pointer, 0, self._count, out, ends + 1)
        return memoryview(ffi.buffer(out, size)), memoryview(ffi.buffer(ends))

    def _view(self, name: str) -> memoryview:
        if self._columns is None:
            return memoryview(b"").cast("q") if name in _NAMES[:3] else memoryview(b"").cast("i")
        return self._columns.view(name, self._count)
