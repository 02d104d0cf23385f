"""How far replays and their subscribers are, from the counters of the media driver."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from aeron_py.counters import CounterType

if TYPE_CHECKING:
    from aeron_py.counters import CountersReader

__all__ = ["Recorded", "Stream", "publications", "published_as", "readers"]

Stream = tuple[int | None, int]
"""A session, None while it is not known, and a stream."""

_STREAM_KEY = struct.Struct("<qii")  # registration id, session id, stream id
_RECORDING_KEY = struct.Struct("<qi")  # recording id, session id


def publications(counters: CountersReader) -> dict[Stream, tuple[int, int]]:
    """What is published, by session and stream: counter and registration of its position."""
    return {
        _STREAM_KEY.unpack_from(each.key)[1:]: (each.counter_id, each.registration_id)
        for each in counters.list(CounterType.PUBLISHER_POSITION)
    }


def published_as(counters: CountersReader, alias: str, stream_id: int) -> dict[int, int]:
    """What is published on a stream whose channel has an alias: sessions by registration, the oldest first."""
    found = (each.key for each in counters.list(CounterType.PUBLISHER_POSITION) if f"alias={alias}" in each.label)
    return dict(sorted(key[:2] for key in map(_STREAM_KEY.unpack_from, found) if key[2] == stream_id))


def readers(counters: CountersReader) -> dict[Stream, int]:
    """How far the slowest subscriber is, by session and stream."""
    found: dict[Stream, int] = {}
    for each in counters.list(CounterType.SUBSCRIPTION_POSITION):
        _, session_id, stream_id = _STREAM_KEY.unpack_from(each.key)
        found[session_id, stream_id] = min(each.value, found.get((session_id, stream_id), each.value))
    return found


class Recorded:
    """What is being recorded. It changes seldom, and is asked for often.

    Args:
        counters: of the media driver.
    """

    def __init__(self, counters: CountersReader) -> None:
        self._counters = counters
        self._ids = b""
        self._found: dict[tuple[int, int], tuple[int, int]] = {}

    def look(self) -> dict[tuple[int, int], tuple[int, int]]:
        """By recording and session: counter and registration of its position."""
        ids = self._counters.ids(CounterType.ARCHIVE_RECORDING_POSITION)
        if ids != self._ids:
            self._ids = ids
            self._found = {
                _RECORDING_KEY.unpack_from(each.key): (each.counter_id, each.registration_id)
                for each in self._counters.list(CounterType.ARCHIVE_RECORDING_POSITION)
            }
        return self._found
