"""What takes several steps, none of which waits: generators that yield when there is nothing to do yet.

The caller looks again whenever it likes, in a thread's loop or in a task's, so both share what happens in between.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TypeAlias, TypeVar

from aeron_py._pending import PendingAdd
from aeron_py.archive._call import Request
from aeron_py.archive.session import Session
from aeron_py.errors import ArchiveConnectionError, TimedOutError

__all__ = ["Steps", "answered", "asked", "pause"]

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]


def asked(session: Session, request: Request[T], timeout: float) -> Steps[T]:
    """The archive's answer to a request.

    Raises:
        TimedOutError: none in time.
        ArchiveError: it refuses, or the session is lost.
    """
    call = session.call(request, quietly=True)
    deadline = time.monotonic() + timeout
    try:
        while not session.step(call):
            if time.monotonic() >= deadline:
                raise TimedOutError(
                    f"the archive at {session.where} did not answer within {timeout:g} s", operation=request.name
                )
            yield
    except BaseException:
        session.abandon(call, forget=True)
        raise
    if isinstance(call.error, ArchiveConnectionError):
        raise session.explained(call.error)
    return call.result()


def answered(pending: PendingAdd[T], timeout: float) -> Steps[T]:
    """The media driver's answer to what was asked of it.

    Raises:
        TimedOutError: none in time.
        DriverError: it refuses.
    """
    deadline = time.monotonic() + timeout
    try:
        while (answer := pending.poll()) is None:
            if time.monotonic() >= deadline:
                raise TimedOutError(
                    f"the media driver in {pending.client.aeron_dir} did not answer for {pending.description} in "
                    f"{timeout:g} s",
                    operation=pending.operation,
                )
            yield
        return answer
    finally:
        pending.cancel()


def pause(seconds: float) -> Steps[None]:
    """Nothing, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
