"""Many requests to an archive at once, without waiting for one answer before the next request."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from aeron_py.errors import TimedOutError

if TYPE_CHECKING:
    from aeron_py.archive._call import Call, Request
    from aeron_py.archive.session import Session

__all__ = ["ask_each"]

T = TypeVar("T")

_UNDER_WAY: Final = 64
"""Requests without an answer: what an archive takes in one turn, and less than its answers may fill."""
_LOOK_EVERY = 0.05
_RETRY = 0.0005


def ask_each(session: Session, requests: Sequence[Request[T]], timeout: float) -> list[Call[T]]:
    """Ask for each and wait until all are done: the refusal of one stops no other.

    Args:
        session: with the archive. Late errors of other requests are left for other calls to raise.
        requests: what to ask for.
        timeout: seconds that the archive may be silent.

    Returns:
        For each request the call that is done: its ``result()`` is what it gave, or raises.

    Raises:
        TimedOutError: the archive answers no more.
        ArchiveConnectionError, ClosedError: the session is lost.
    """
    coming = deque(session.call(request, quietly=True) for request in requests)
    calls = list(coming)
    under_way: list[Call[T]] = []
    deadline = time.monotonic() + timeout
    try:
        while coming or under_way:
            while coming and len(under_way) < _UNDER_WAY:
                under_way.append(coming.popleft())
            left = [call for call in under_way if not session.step(call)]
            now = time.monotonic()
            if len(left) < len(under_way):
                deadline = now + timeout
            elif now >= deadline:
                message = f"the archive at {session.where} did not answer within {timeout:g} s"
                raise TimedOutError(message, operation=left[0].request.name)
            elif left[0].sent:
                session.pause(min(_LOOK_EVERY, deadline - now), left[0].wake)
            else:
                time.sleep(_RETRY)
            under_way = left
    finally:
        for call in under_way:
            session.abandon(call)
    if requests and session.failure is not None:
        raise session.lost(requests[0].name)
    return calls
