"""Subscriptions whose ``receive`` waits."""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Self

from anyio.lowlevel import checkpoint

from aeron_py._destinations import start_destination
from aeron_py._ffi import ffi, lib
from aeron_py._hot import Message
from aeron_py._waiting import Duration
from aeron_py.aio._wait import AsyncOwner, Turn, Waiter, Watch, finish
from aeron_py.batch import Batch
from aeron_py.image import Image
from aeron_py.subscription import Subscription
from aeron_py.uri import ChannelUri

__all__ = ["AsyncSubscription", "ImageEvent"]

# To sleep and be woken takes longer than some turns of the event loop, within which an answer may come. They are made
# after a wait that was short (seconds).
_TURNS = 4
_SOON = 0.00005


@dataclass(frozen=True, slots=True)
class ImageEvent:
    """An image that came or went.

    Args:
        available: whether it came.
        image: it.
    """

    available: bool
    image: Image


class AsyncSubscription(AsyncOwner, Subscription):
    """A :class:`Subscription` that can wait, for one task at a time. Made by ``AsyncClient.add_subscription``.

    ``async for message in subscription`` receives until the loop is left. The polls of a :class:`Subscription` are
    there, too: they never wait.
    """

    _watch_kind = lib.SHIM_WATCH_SUBSCRIPTION
    _image_seen = False
    _turns = 0
    """Of the event loop, before a task sleeps."""

    def _watched_by(self, watch: Watch) -> Self:
        super()._watched_by(watch)
        self._turn = Turn(self._handle.description)
        self._listeners: weakref.WeakSet[_ImageEvents] = weakref.WeakSet()
        self._on_available = self._announce(True, self._on_available)
        self._on_unavailable = self._announce(False, self._on_unavailable)
        return self

    def _announce(self, available: bool, handler: Callable[[Image], object] | None) -> Callable[[Image], None]:
        reference = weakref.ref(self)

        def announce(image: Image) -> None:
            if (subscription := reference()) is not None:
                subscription._image_seen = True
                for listener in list(subscription._listeners):
                    listener.push(ImageEvent(available, image))
            if handler is not None:
                handler(image)

        return announce

    async def receive(self) -> Message:
        """The next message. Cancelled, it has taken none.

        Raises:
            BusyError: another task receives.
            ClosedError: it is closed, or was meanwhile.
            AeronError: the driver was lost.
        """
        with self._turn.take("receive"):
            await checkpoint()
            turn = 0
            while not (found := self._poller.poll_messages(1)):
                await self._await_message(turn)
                turn += 1
            return found[0]

    async def receive_batch(self, limit: int = 4096) -> Batch:
        """The messages that are there, at least one, in one piece of memory. Cancelled, it has taken none.

        Args:
            limit: fragments at most.

        Raises:
            As :meth:`receive`.
        """
        with self._turn.take("receive_batch"):
            await checkpoint()
            turn = 0
            while not (batch := self.poll_batch(limit)):
                await self._await_message(turn)
                turn += 1
            return batch

    async def _await_message(self, turn: int) -> None:
        """Wait for something to read, the first times awake if the last wait was short."""
        if turn < self._turns:
            await checkpoint()
            return
        begin = time.perf_counter()
        await self._park()
        self._turns = _TURNS if time.perf_counter() - begin < _SOON else 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        return await self.receive()

    async def wait_connected(self) -> None:
        """Until a publisher is there.

        Raises:
            BusyError: another task receives.
            ClosedError: it is closed, or was meanwhile.
            AeronError: the driver was lost.
        """
        with self._turn.take("wait_connected"):
            await checkpoint()
            events = self.image_events()
            while not self.is_connected:
                await events.__anext__()

    def image_events(self) -> AsyncIterator[ImageEvent]:
        """Images as they come and go, for ``async for``; those that are there already come first.

        May go on beside a task that receives.
        """
        return _ImageEvents(self)

    async def add_destination(  # type: ignore[override]
        self, channel: str | ChannelUri, *, timeout: Duration | None = None
    ) -> None:
        """As :meth:`Subscription.add_destination`."""
        await self._change_destination("add", channel, timeout)

    async def remove_destination(  # type: ignore[override]
        self, channel: str | ChannelUri, *, timeout: Duration | None = None
    ) -> None:
        """As :meth:`Subscription.remove_destination`."""
        await self._change_destination("remove", channel, timeout)

    async def _change_destination(self, change: str, channel: str | ChannelUri, timeout: Duration | None) -> None:
        await finish(
            self._watch,
            lambda: start_destination(self._client, self._handle, "subscription", change, channel),
            timeout,
        )


class _ImageEvents(AsyncIterator[ImageEvent]):
    def __init__(self, subscription: AsyncSubscription) -> None:
        handle = subscription._handle
        self._subscription = subscription
        self._ready: deque[ImageEvent] = deque()
        self._known: set[int] = set()
        flag: Any = ffi.NULL
        with handle.using("image_events"):
            if subscription._source != ffi.NULL:
                flag = lib.shim_events_pending(lib.shim_source_events(subscription._source))
            self._waiter = Waiter(subscription._watch, lib.SHIM_WATCH_FLAG, flag, handle)
        for image in subscription.images:
            self.push(ImageEvent(True, image))
        subscription._listeners.add(self)

    def push(self, event: ImageEvent) -> None:
        # One that was there already is announced again by an event that nobody has taken yet.
        if event.available == (event.image.correlation_id in self._known):
            return
        self._known ^= {event.image.correlation_id}
        self._ready.append(event)
        self._waiter.wake()

    async def __anext__(self) -> ImageEvent:
        await checkpoint()
        while True:
            self._subscription._handle.check_open("image_events")
            self._subscription._drain()
            if self._ready:
                return self._ready.popleft()
            await self._waiter.wait()

    def __del__(self) -> None:
        if (waiter := self.__dict__.get("_waiter")) is not None:
            waiter.close()
