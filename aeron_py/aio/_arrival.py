"""Waiting for what a C thread puts into a queue of events, by any number of tasks."""

from __future__ import annotations

import os
import threading

import anyio
from anyio.lowlevel import checkpoint

from aeron_py._owner import Handle


class Arrival:
    """Wakes every task that waits when there is something in the queue, or when it is closed.

    One of the tasks waits on the descriptor, the others for that one.

    Args:
        fd: the queue's descriptor, an eventfd; a duplicate is kept, so that it can be closed under a waiting task.
        parent: the handle that the queue belongs to.

    Attributes:
        count: of what has happened: who looks in several steps notes it before, for :meth:`wait`.
    """

    def __init__(self, fd: int, parent: Handle) -> None:
        self._fd = os.dup(fd)
        self.count = 0
        self._released = False
        self._thread = threading.get_ident()
        self._leader: anyio.CancelScope | None = None
        self._happened = anyio.Event()
        self._lock = threading.Lock()
        self._handle = Handle(parent.description, self._fd, self._release, parent=parent)

    def _release(self, fd: int) -> None:
        # From any thread: the leader still has the descriptor registered with its event loop.
        with self._lock:
            self._released = True
            if self._leader is None:
                os.close(fd)
            else:
                os.eventfd_write(fd, 1)

    async def wait(self, seen: int) -> None:
        """Until something happened that the caller has not looked for. A checkpoint.

        Args:
            seen: the count when the caller began to look: what was taken out while it looked doesn't wake it any more.

        Raises:
            ClosedError: it was closed before; when closed meanwhile, this returns.
        """
        if seen != self.count:
            await checkpoint()
            return
        scope = anyio.CancelScope()
        with self._lock:
            self._handle.check_open("wait")
            leads = self._leader is None
            if leads:
                self._leader = scope
        if not leads:
            await self._happened.wait()
            return
        try:
            with scope:
                await anyio.wait_readable(self._fd)
        finally:
            with self._lock:
                self._leader = None
                if self._released:
                    os.close(self._fd)
            self.happened()

    def happened(self) -> None:
        """Wake all: somebody took something out of the queue that may be theirs. Another thread wakes nobody."""
        self.count += 1
        if threading.get_ident() != self._thread:
            return
        if self._leader is not None:
            self._leader.cancel()
        self._happened.set()
        self._happened = anyio.Event()
