"""A batch: the messages of one poll in one piece of memory, with what is known of each in columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from aeron_py._hot import Block, Message

__all__ = ["Batch", "Message"]


class Batch(Sequence[Message]):
    """Messages that lie one after the other in one piece of memory (``shim_block_t``).

    A sequence of :class:`Message`; a slice is a batch on the same memory. The columns are memoryviews that
    ``numpy.asarray`` takes without a copy. What is made from a batch keeps its memory alive.
    """

    __slots__ = ("_block", "_start", "_stop")

    def __init__(self, block: Block, start: int = 0, stop: int | None = None) -> None:
        self._block = block
        self._start = start
        self._stop = len(block) if stop is None else stop

    @property
    def data(self) -> memoryview:
        """The bytes that :attr:`offsets` point into, one message after the other; a slice shares them whole."""
        return self._block.data

    @property
    def offsets(self) -> memoryview:
        """Where each message begins in :attr:`data`: int64."""
        return self._block.offsets[self._start : self._stop]

    @property
    def boundaries(self) -> memoryview:
        """As :attr:`offsets`, and where the last one ends: int64, one more than there are messages."""
        return self._block.boundaries[self._start : self._stop + 1]

    @property
    def lengths(self) -> memoryview:
        """Bytes of each message: int32."""
        return self._block.lengths[self._start : self._stop]

    @property
    def positions(self) -> memoryview:
        """The stream's position after each message: int64."""
        return self._block.positions[self._start : self._stop]

    @property
    def reserved_values(self) -> memoryview:
        """The reserved value of each message: int64."""
        return self._block.reserved_values[self._start : self._stop]

    @property
    def session_ids(self) -> memoryview:
        """The session that each message came from: int32."""
        return self._block.session_ids[self._start : self._stop]

    @property
    def stream_id(self) -> int:
        """The stream that all came from."""
        return self._block.stream_id

    def payloads(self) -> list[bytes]:
        """The bytes of each message."""
        return self._block.payloads()[self._start : self._stop]

    def messages(self) -> list[Message]:
        """Each message as an object."""
        return self._block.messages()[self._start : self._stop]

    def __len__(self) -> int:
        return self._stop - self._start

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> Batch: ...
    def __getitem__(self, index: int | slice) -> Message | Batch:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise ValueError("a batch is sliced without a step: take a column for that")
            return Batch(self._block, self._start + start, self._start + max(start, stop))
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"message {index} of {len(self)}")
        return self._block.message(self._start + place)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages())

    def __repr__(self) -> str:
        return f"<Batch of {len(self)} messages>"
