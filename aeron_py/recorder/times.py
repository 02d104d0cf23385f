"""When each message of a recorded stream came."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aeron_py._hot import Message
    from aeron_py.recorder.entries import StreamInfo
    from aeron_py.recorder.timeindex import Ticks, TimeIndex

__all__ = ["MessageTimes"]

_NEAR = 1_000_000_000
"""Nanoseconds of ticks that are quicker read than halved once more."""


class MessageTimes:
    """The times of a stream's messages, asked for in their order; going back costs a search. One thread may use it.

    A message's time is that of the tick in which the recorder saw it, exact to a sample; of a stream that is stamped it
    is what its publisher wrote down, exact.

    Args:
        index: what was recorded when.
        stream: one of ``index.streams``.
    """

    def __init__(self, index: TimeIndex, stream: StreamInfo) -> None:
        self._index, self._stream = index, stream
        self._ticks: Ticks | None = None
        self._before = self._reached = stream.start_position
        self._time = stream.opened_ns

    def of(self, message: Message) -> int | None:
        """When a message came, nanoseconds since 1970; None while the journal does not tell of it.

        Args:
            message: of the stream's recording, as a ``RecordingReader`` or a replay gives it.
        """
        if self._stream.stamped and message.reserved_value:
            return message.reserved_value
        return self.at(message.position)

    def at(self, position: int) -> int | None:
        """When the stream was first seen to reach a position.

        Args:
            position: where a message ends.
        """
        if self._ticks is None or position <= self._before:
            self._search(position)
        while self._reached < position:
            tick = next(self._ticks, None) if self._ticks is not None else None
            if tick is None:
                return None
            for index, reached in tick.positions:
                if index == self._stream.index:
                    self._before, self._reached, self._time = self._reached, reached, tick.time_ns
        return self._time

    def _search(self, position: int) -> None:
        """Begin at ticks before the one looked for, not long before it."""
        early = self._stream.opened_ns
        late = self._stream.closed_ns or self._index.end_ns or early
        while late - early > _NEAR:
            middle = (early + late) // 2
            if self._position(middle) < position:
                early = middle
            else:
                late = middle
        if self._ticks is not None:
            self._ticks.close()
        self._before = self._reached = self._position(early - 1)
        self._ticks = self._index.ticks(early)

    def _position(self, time_ns: int) -> int:
        start = self._stream.start_position
        return self._index.image_at(time_ns).positions.get(self._stream.index, (start, start))[1]
