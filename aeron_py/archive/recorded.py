"""What a :class:`~aeron_py.archive.reader.RecordingReader` returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from aeron_py._ffi import ffi, lib
from aeron_py._hot import Message, walk_messages, walk_payloads
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

    __slots__ = ("_memory", "address", "pointer")

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
        self.address = _address(pointer)

    def view(self, name: str, count: int) -> memoryview:
        """A column as a read-only memoryview of ``count`` integers that keeps the memory alive."""
        capacity = self.pointer.capacity
        start = capacity * (_NAMES.index(name) * 8 if name in _NAMES[:3] else 24 + 4 * (name == "session_ids"))
        whole = memoryview(ffi.buffer(self._memory, start + count * (8 if name in _NAMES[:3] else 4)))
        return (whole[start:].cast("q") if name in _NAMES[:3] else whole[start:].cast("i")).toreadonly()


class RecordedBatch(Sequence[Message]):
    """Messages read at once, as one piece of memory and columns: nothing is made for a message until it is asked for.

    A sequence of :class:`Message`, as a :class:`~aeron_py.Batch` is; a slice is a batch on the same memory. Everything
    it gives keeps the memory alive, also after the reader is closed.
    """

    __slots__ = ("_columns", "_data", "_length", "_start", "_stop", "_stream_id")

    def __init__(self, data: Any, length: int, columns: Columns | None, start: int, stop: int, stream_id: int) -> None:
        self._data = data
        self._length = length
        self._columns = columns
        self._start = start
        self._stop = stop
        self._stream_id = stream_id

    def __len__(self) -> int:
        return self._stop - self._start

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages())

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> RecordedBatch: ...
    def __getitem__(self, index: int | slice) -> Message | RecordedBatch:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise ValueError("a batch is sliced without a step: take a column for that")
            return self._part(self._start + start, self._start + max(start, stop))
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"message {index} of {len(self)}")
        return self._part(self._start + place, self._start + place + 1).messages()[0]

    def __repr__(self) -> str:
        return f"<RecordedBatch of {len(self)} messages>"

    @property
    def stream_id(self) -> int:
        """The stream that all came from."""
        return self._stream_id

    @property
    def data(self) -> memoryview:
        """The memory that ``offsets`` point into (bytes, read-only). Between the messages lie frame headers."""
        return memoryview(ffi.buffer(self._data, self._length)).toreadonly() if self._columns else memoryview(b"")

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
        """Session id of each message (int32)."""
        return self._view("session_ids")

    def payloads(self) -> list[bytes]:
        """The bytes of each message."""
        if self._columns is None:
            return []
        return walk_payloads(_address(self._data), self._columns.address, self._start, self._stop)

    def messages(self) -> list[Message]:
        """Each message as an object."""
        if self._columns is None:
            return []
        return walk_messages(_address(self._data), self._columns.address, self._start, self._stop, self._stream_id)

    def views(self) -> list[memoryview]:
        """Each message as a read-only memoryview into ``data``, without a copy."""
        data = self.data
        places = zip(self.offsets.tolist(), self.lengths.tolist(), strict=True)
        return [data[offset : offset + length] for offset, length in places]

    def pack_into(self, out: Any) -> int:
        """Copy the messages one after the other into a writable buffer of bytes; the bytes copied (``shim_walk_pack``).

        Raises:
            ValueError: the buffer is too small.
        """
        if self._columns is None:
            return 0
        target = ffi.from_buffer("uint8_t[]", out, require_writable=True)
        if len(target) < (needed := sum(self.lengths)):
            raise ValueError(f"the buffer has {len(target)} bytes, the messages {needed}")
        return int(lib.shim_walk_pack(self._data, self._columns.pointer, self._start, self._stop, target, ffi.NULL))

    def packed(self) -> tuple[memoryview, memoryview]:
        """The payloads one after the other, copied, and ``count + 1`` int32: where each begins and the last ends.

        That is how Arrow wants them.
        """
        if self._columns is None:
            return memoryview(b""), memoryview(bytes(4))
        size = sum(self.lengths)
        out = memory(size)
        ends = ffi.new("int32_t[]", len(self) + 1)
        lib.shim_walk_pack(self._data, self._columns.pointer, self._start, self._stop, out, ends + 1)
        return memoryview(ffi.buffer(out, size)), memoryview(ffi.buffer(ends))

    def _part(self, start: int, stop: int) -> RecordedBatch:
        return RecordedBatch(self._data, self._length, self._columns, start, stop, self._stream_id)

    def _view(self, name: str) -> memoryview:
        if self._columns is None:
            return memoryview(b"").cast("q") if name in _NAMES[:3] else memoryview(b"").cast("i")
        return self._columns.view(name, self._stop)[self._start :]


def _address(pointer: Any) -> int:
    return int(ffi.cast("uintptr_t", pointer))
