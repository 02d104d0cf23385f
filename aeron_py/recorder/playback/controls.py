"""The controls of a session, as they are read."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Controls"]


class Controls(Struct, frozen=True, kw_only=True):
    """All controls at one moment.

    Args:
        start: an RFC 3339 time, or ``Unbounded``.
        end: the same.
        pos: the time up to which was played; None while nothing is recorded.
        speed: a fraction of real time, or ``Unlimited``.
        state: ``play``, ``pause`` or ``tail``.
        ended: whether ``end`` was reached, or the end of what there is when nothing is recorded any more.
        drained: whether it has ended, and all who subscribe have read all of it.
        waiting: what it waits for before it goes on, in words: a volume that is not here. None when for nothing.
        pos_ns: ``pos`` in nanoseconds since 1970.
    """

    start: str
    end: str
    pos: str | None
    speed: float | str
    state: str
    ended: bool
    drained: bool
    pos_ns: int | None
    waiting: str | None = None
