"""The one way to wait: park with the client's watcher thread (``csrc/watch.c``) until the thing waited for is ready.

Nothing here looks again and again. A waiter's descriptor becomes readable when the watcher, or the publisher's
doorbell, says that there is something to see; then the task looks for itself.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from aeron_py._ffi import check, ffi, lib
from aeron_py._owner import Handle, Owner
from aeron_py._pending import PendingAdd, begin
from aeron_py._waiting import Duration, seconds
from aeron_py.aio._readable import Readable
from aeron_py.errors import BusyError, TimedOutError
from aeron_py.idle import IdleStrategy

T = TypeVar("T")


DEFAULT_WATCH = IdleStrategy.backoff(max_park=0.008)

# Spinning, then yielding, before the first sleep of a backoff; and how often to look although everybody has a bell.
_SPIN_NS = 20_000
_COMMANDS_WAIT = 0.001
"""Seconds until the conductor has taken some of the commands that wait."""
_BELL_PARK_NS = 20_000_000


class Watch:
    """The watcher of one client; its thread starts with the first task that has to wait.

    A message that a program of this package publishes over IPC rings a bell and wakes its waiter whatever the strategy
    is. The strategy counts for all else: other publishers, UDP, replays, back pressure, new images.

    Args:
        parent: the client's handle.
        strategy: what the thread does between two looks.
    """

    def __init__(self, parent: Handle, strategy: IdleStrategy) -> None:
        spin, least, most = _SPIN_NS, 0, 0
        match strategy.name:
            case "backoff":
                kind = lib.SHIM_WATCH_BACKOFF
                spins, yields, least, most = (int(part) for part in strategy.arguments.split("-"))
                spin = spin if spins or yields else 0
            case "sleep-ns":
                kind, most = lib.SHIM_WATCH_SLEEP, int(strategy.arguments)
            case "yield":
                kind = lib.SHIM_WATCH_YIELD
            case _:
                kind = lib.SHIM_WATCH_SPIN
        out = ffi.new("shim_watch_t **")
        with parent.using("connect") as client:
            check(lib.shim_watch_create(out, client, kind, spin, least, most, max(most, _BELL_PARK_NS)), "connect")
            self.handle = Handle(f"watcher of {parent.description}", out[0], lib.shim_watch_close, parent=parent)

    @property
    def looks(self) -> int:
        """How often the thread has looked."""
        with self.handle.using("looks") as watch:
            return int(lib.shim_watch_looks(watch))


class Waiter:
    """One thing that one task at a time waits for.

    Args:
        watch: the client's watcher.
        kind: ``lib.SHIM_WATCH_*``.
        pointer: what to look at, for C.
        parent: the handle of what is looked at: the waiter lets go of it before it is released.
        description: for messages.
    """

    def __init__(self, watch: Watch, kind: int, pointer: Any, parent: Handle, description: str = "") -> None:
        description = description or parent.description
        self._waiting = self._released = False
        # Another thread may be polling the subscription.
        self._looking: Any = parent.hot if kind == lib.SHIM_WATCH_SUBSCRIPTION else contextlib.nullcontext()
        # The client may be closed by another thread at any moment: its own aclose() runs in one.
        self._lock = threading.Lock()
        out = ffi.new("shim_watch_entry_t **")
        with parent.using("wait"), watch.handle.using("wait") as watching:
            check(lib.shim_watch_entry_create(out, watching, kind, ffi.cast("void *", pointer)), "wait")
            self._entry: Any = out[0]
            self._readable = Readable(lib.shim_watch_entry_fd(self._entry))
            self._handle = Handle(description, self._entry, self._release, parent=parent)

    def _release(self, entry: Any) -> None:
        # A task that waits still has the descriptor registered with its event loop: it deletes the entry when it wakes.
        with self._lock:
            self._released = True
            lib.shim_watch_entry_detach(entry)
            if not self._waiting:
                self._delete(entry)

    def _delete(self, entry: Any) -> None:
        self._readable.close(lambda: lib.shim_watch_entry_delete(entry))

    async def wait(self, wanted: int = 0) -> None:
        """Until there is something to see, or what is waited for was closed. Always a checkpoint.

        Args:
            wanted: the least value of a counter; of publications and subscriptions see ``shim_watch_park``.

        Raises:
            BusyError: another task waits here.
            ClosedError: it was closed before; when closed meanwhile, this returns.
        """
        if self._waiting:
            raise BusyError(f"another task waits for {self._handle.description}", operation="wait")
        # Its release takes the lock: until this is parked, and for as long as it is, the entry is there.
        with self._lock:
            self._handle.check_open("wait")
            entry = self._entry
            with self._looking:
                self._waiting = lib.shim_watch_park(entry, wanted) == 0
        if not self._waiting:
            await checkpoint()
            return
        try:
            await self._readable.wait()
        finally:
            with self._lock:
                self._waiting = False
                if self._released:
                    self._delete(entry)
                else:
                    lib.shim_watch_unpark(entry)

    def wake(self) -> None:
        """Wake the task, if one waits. From any thread."""
        with self._lock:
            if not self._released:
                lib.shim_watch_wake(self._entry)

    def close(self) -> None:
        """Wake the task and let go."""
        self._handle.close()


class AsyncOwner(Owner):
    """What can be waited for, and closed with ``async with``."""

    _watch_kind: ClassVar[int]
    _watch: Watch

    def _watched_by(self, watch: Watch) -> Self:
        self._watch = watch
        self._waiters: list[Waiter] = []
        return self

    async def _park(self, wanted: int = 0) -> None:
        """Until the watcher sees something; several tasks may."""
        waiters = self._waiters
        waiter = waiters.pop() if waiters else self._make_waiter()
        try:
            await waiter.wait(wanted)
        finally:
            waiters.append(waiter)

    def _make_waiter(self) -> Waiter:
        with self._handle.using("wait") as pointer:
            return Waiter(self._watch, self._watch_kind, self._watched(pointer), self._handle)

    def _watched(self, pointer: Any) -> Any:
        return pointer

    async def aclose(self) -> None:
        """Close it; tasks that wait for it get a :class:`ClosedError`. May be called twice."""
        self.close()
        await checkpoint()

    async def __aenter__(self) -> Self:
        self._handle.check_open("async with")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def finish(watch: Watch, start: Callable[[], PendingAdd[T]], timeout: Duration | None) -> T:
    """What is asked of the driver, when it has answered. Cancelled or late, it is taken back."""
    pending = None
    with anyio.move_on_after(None if timeout is None else seconds(timeout, "timeout")):
        while (pending := begin(start)) is None:
            await anyio.sleep(_COMMANDS_WAIT)
    pending = start() if pending is None else pending
    client, waiter = pending.client, None
    try:
        limit = client.driver_timeout if timeout is None else seconds(timeout, "timeout")
        waiter = Waiter(watch, lib.SHIM_WATCH_REGISTRATION, pending.pointer, client._handle, pending.description)
        await checkpoint()
        with anyio.move_on_after(limit):
            while (answer := pending.poll()) is None:
                await waiter.wait()
            return answer
        raise TimedOutError(
            f"the media driver in {client.aeron_dir} did not answer for {pending.description} in {limit:g} s",
            operation=pending.operation,
        )
    finally:
        if waiter is not None:
            waiter.close()
        pending.cancel()


class Turn:
    """That only one task at a time is inside: the others get a busy error."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._taken = ""

    def take(self, operation: str) -> Self:
        """Be inside until the ``with`` block ends.

        Raises:
            BusyError: another task is inside.
        """
        if self._taken:
            raise BusyError(
                f"another task is in {self._taken}() of {self._description}: give each task its own",
                operation=operation,
            )
        self._taken = operation
        return self

    def __enter__(self) -> None:
        """Taken already."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._taken = ""
