"""Memory to read into, used again once nobody looks at it: fresh memory costs more than what is read into it."""

from __future__ import annotations

from collections import deque
from typing import Any

from aeron_py._ffi import ffi

__all__ = ["memory"]

_SMALLEST = 1 << 16
_LARGEST = 1 << 23
_KEPT = 4

_uncleared = ffi.new_allocator(should_clear_after_alloc=False)
_spare: dict[int, deque[Any]] = {}


def memory(size: int) -> Any:
    """At least ``size`` bytes (``uint8_t *``), not cleared; free when the last view of it goes."""
    if not _SMALLEST <= size <= _LARGEST:
        return _uncleared("uint8_t[]", max(1, size))
    size = 1 << (size - 1).bit_length()
    spare = _spare.setdefault(size, deque(maxlen=_KEPT))
    try:
        owned = spare.pop()
    except IndexError:
        owned = _uncleared("uint8_t[]", size)
    return ffi.gc(ffi.cast("uint8_t *", owned), lambda _pointer: spare.append(owned), size)
