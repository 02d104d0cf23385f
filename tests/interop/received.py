"""What the receiver in C has written down."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

_ABOUT = struct.Struct("<qii")
_STAMP = struct.Struct("<qq")


class Arrival(NamedTuple):
    """A message that came.

    Attributes:
        at_ns: when, nanoseconds since 1970.
        stream_id: on which stream.
        payload: the message.
    """

    at_ns: int
    stream_id: int
    payload: bytes


class Stamped(NamedTuple):
    """A message of the publishers in C and of those that do as they do.

    Attributes:
        number: its number in its stream.
        sent_ns: when it was sent, nanoseconds since 1970.
        row: the rest.
    """

    number: int
    sent_ns: int
    row: bytes


def stamped(payload: bytes) -> Stamped:
    """What a message says of itself."""
    return Stamped(*_STAMP.unpack_from(payload), payload[_STAMP.size :])


class Received:
    """Reads the receiver's file while it grows.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._offset = 0
        self.arrivals: list[Arrival] = []

    def count(self) -> int:
        """How many came so far."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        data, at = self._rest + data, 0
        while at + _ABOUT.size <= len(data):
            when, stream_id, length = _ABOUT.unpack_from(data, at)
            end = at + _ABOUT.size + length
            if end > len(data):
                break
            self.arrivals.append(Arrival(when, stream_id, data[at + _ABOUT.size : end]))
            at = end
        self._rest = data[at:]
        return len(self.arrivals)

    def payloads(self, stream_id: int) -> list[bytes]:
        """What came on a stream."""
        self.count()
        return [each.payload for each in self.arrivals if each.stream_id == stream_id]
