"""Waiting for a descriptor to become readable: anyio's way, or a shorter one where the event loop is known.

anyio registers the descriptor anew for each wait, which costs asyncio more than all the rest of a wake.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable

import anyio


def in_trio() -> bool:
    """Whether this is a task of trio, which may have asyncio for a guest."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_task())


class Readable:
    """One socket that is read empty by who waited, one task at a time.

    Args:
        fd: the descriptor; closed by its owner after :meth:`close`.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Until it is readable. A checkpoint."""
        if in_trio():
            await sys.modules["trio"].lowlevel.wait_readable(self._fd)
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            await anyio.wait_readable(self._fd)
            return
        if loop is not self._loop:
            try:
                loop.add_reader(self._fd, self._on_readable)
            except NotImplementedError:
                await anyio.wait_readable(self._fd)
                return
            self._loop = loop
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _on_readable(self) -> None:
        # Whether anybody waits or not: the loop must not come back for this ring.
        with contextlib.suppress(OSError):
            os.read(self._fd, 1)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self, then: Callable[[], object]) -> None:
        """Have the event loop forget the descriptor, from any thread, and then call ``then``."""
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            then()
            return
        known = loop

        def forget() -> None:
            known.remove_reader(self._fd)
            then()

        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is known:
            forget()
            return
        try:
            known.call_soon_threadsafe(forget)
        except RuntimeError:  # closed meanwhile
            then()
