"""What is kept of a session when its media driver is gone, to open it again on the next."""

from __future__ import annotations

from msgspec import Struct

from aeron_py.recorder.playback.topics import Remap

__all__ = ["KeptSession"]


class KeptSession(Struct, frozen=True, kw_only=True):
    """A session as it was.

    Args:
        session_id: its id.
        start: where it began, nanoseconds since 1970; None for all there is.
        end: where it ended; None for nowhere.
        left_at: up to which recorded time it was played at most.
        speed: a fraction of real time, infinity for unlimited.
        mode: ``play``, ``pause`` or ``tail``.
        loop: whether it began anew at its end.
        ended: whether it had come to its end.
        topics: globs of the topics that it plays.
        remap: where it plays them.
        channel: where it plays the others.
        places: where each topic was played: channel and stream id.
        cursors: by recording id, the position up to which it was published.
        heard: the topics that somebody subscribed to.
    """

    session_id: str
    start: int | None
    end: int | None
    left_at: int
    speed: float
    mode: str
    loop: bool
    ended: bool
    topics: tuple[str, ...]
    remap: tuple[Remap, ...]
    channel: str
    places: dict[str, tuple[str, int]]
    cursors: dict[int, int]
    heard: frozenset[str]
