"""Subscriptions: what messages come out of."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from aeron_py._addresses import local_addresses
from aeron_py._destinations import change_destination
from aeron_py._ffi import check, ffi, lib, text
from aeron_py._hot import Message, Poller
from aeron_py._owner import Handle, Owner, weakly
from aeron_py._waiting import Duration, seconds
from aeron_py.batch import Batch
from aeron_py.errors import BusyError, ClosedError, NotConnectedError, TimedOutError
from aeron_py.handlers import hold
from aeron_py.idle import IdleStrategy
from aeron_py.image import Image, ImageConstants
from aeron_py.settings import as_int
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.client import Client

__all__ = ["Subscription"]

_IDLE = IdleStrategy.backoff()

# How often a waiting iterator asks whether its publisher is still there: a look costs more than an empty poll.
_LOOK_EVERY = 64


class Subscription(Owner):
    """A stream to receive (``aeron_subscription_t``), for one thread at a time. Made by ``client.add_subscription``."""

    def __init__(
        self, client: Client, handle: Handle, poller: Poller, source: Any, channel: str, stream_id: int, assemble: bool
    ) -> None:
        self._client = client
        self._handle = handle
        self._poller = poller
        self._source = source
        self._drain_lock = threading.RLock()
        self._images_lock = threading.RLock()
        self._assemble = assemble
        self._images: dict[int, Image] = {}
        self._gone_position = -1
        self._on_available: Callable[[Image], object] | None = None
        self._on_unavailable: Callable[[Image], object] | None = None
        # Called by messages() when there is no image: with True when all have gone too early. May raise why.
        self._on_silence: Callable[[bool], object] | None = None
        self.channel = channel
        """As it was added."""
        self.stream_id = stream_id
        """As it was added."""
        # The hot calls, without a Python frame in between.
        self.__dict__.update(poll=poller.poll, poll_payloads=poller.poll_payloads, poll_messages=poller.poll_messages)
        events = client._events if source == ffi.NULL else lib.shim_source_events(source)
        poller.watch_events(int(ffi.cast("uintptr_t", lib.shim_events_pending(events))), weakly(self._drain))

    @classmethod
    def _of(
        cls,
        client: Client,
        pointer: Any,
        source: Any,
        channel: str,
        stream_id: int,
        on_available: Callable[[Image], object] | None,
        on_unavailable: Callable[[Image], object] | None,
        assemble: bool,
    ) -> Self:
        let_go = hold(on_available, on_unavailable)

        def release(subscription: Any) -> None:
            try:
                check(lib.shim_conductor_close_subscription(subscription, source), "Subscription.close")
            finally:
                let_go()

        address = int(ffi.cast("uintptr_t", pointer))
        handle = Handle(
            f"subscription {channel} {stream_id}",
            pointer,
            release,
            parent=client._handle,
            hot=lambda description: Poller(address, False, description, bool(assemble)),
        )
        # Another thread may close the client from now on.
        with handle.using("add_subscription"):
            subscription = cls(client, handle, handle.hot, source, channel, stream_id, bool(assemble))
        subscription._on_available = on_available
        subscription._on_unavailable = on_unavailable
        return subscription

    def close(self) -> None:
        """Close it, and its images. May be called twice, and from any thread.

        Raises:
            BusyError: called from inside a handler of this subscription.
        """
        self._check_not_inside()
        super().close()
        self._images.clear()  # each leads back to this: only the garbage collector would end them

    def _check_not_inside(self) -> None:
        if self._handle.pointer is not None and self._poller.busy_here():
            raise BusyError(f"{self._handle.description} is in use by this thread", operation="close")

    def poll(self, handler: Callable[[Message], object], limit: int = 10) -> int:
        """Read messages and hand each to ``handler`` (``aeron_subscription_poll``).

        Args:
            handler: called with each :class:`Message`, in this thread. An exception comes out of the poll; what was
                read and not handed on comes with the next poll.
            limit: fragments at most.

        Returns:
            How many messages were handed on; 0 when there is none.

        Raises:
            BusyError: another thread polls, or this is called from a handler.
            ClosedError: it is closed.
            DriverTimeoutError: the client has lost its driver.
        """
        return self._poller.poll(handler, limit)

    def controlled_poll(self, handler: Callable[[Message], object], limit: int = 10) -> int:
        """Read messages one by one; ``handler`` says what becomes of each (``aeron_subscription_controlled_poll``).

        Args:
            handler: called with each :class:`Message`, in this thread; returns a :class:`PollAction`, or None for
                ``CONTINUE``. An exception comes out of the poll, and the message comes again with the next one.
            limit: messages at most.

        Returns:
            How many messages were taken.

        Raises as :meth:`poll`.
        """
        return self._poller.controlled_poll(handler, limit)

    def poll_payloads(self, limit: int = 256) -> list[bytes]:
        """Read messages: the bytes of each. As :meth:`poll` else."""
        return self._poller.poll_payloads(limit)

    def poll_messages(self, limit: int = 256) -> list[Message]:
        """Read messages, each as an object. As :meth:`poll` else."""
        return self._poller.poll_messages(limit)

    def poll_batch(self, limit: int = 1024) -> Batch:
        """Read messages into one piece of memory, without the interpreter's lock and without an object for each.

        Args:
            limit: fragments at most.

        Returns:
            The batch, empty when there is nothing.

        Raises as :meth:`poll`.
        """
        return Batch(self._poller.poll_block(limit))

    def messages(
        self,
        until: int | None = None,
        timeout: Duration | None = None,
        *,
        idle_strategy: IdleStrategy | None = None,
    ) -> Iterator[Message]:
        """The messages as they come. Leave the loop at any time: what it has not given is still there.

        Some messages are read ahead and kept for the next call on this subscription, so ``Image.position`` may be
        further than what the loop has given: go by ``Message.position``.

        Args:
            until: the stream's position to end at, for example a recording's; None to go on for ever.
            timeout: seconds to wait for one message at most; None to wait for ever.
            idle_strategy: how to wait; None for one that sleeps up to a millisecond.

        Raises:
            TimedOutError: no message within ``timeout``.
            NotConnectedError: the publisher went before ``until`` was reached.
            ClosedError: it is closed.
        """
        limit = None if timeout is None else seconds(timeout, "timeout")
        end = None if until is None else as_int(until, "until", 0, 2**63 - 1)
        return self._messages(end, limit, (idle_strategy or _IDLE).idler().idle)

    def _messages(self, until: int | None, timeout: float | None, idle: Callable[[int], None]) -> Iterator[Message]:
        empty = 0
        waits_since = 0.0
        self._gone_position = -1
        had_image = until is not None and bool(self.images)
        if until is not None and had_image and self._reached(until):
            return
        while True:
            # What is read ahead stays with the poller, so that whoever leaves the loop leaves nothing behind in here.
            message = self._poller.take()
            if message is not None:
                if until is not None and not had_image:
                    had_image = True
                    _ = self.images  # one that was seen leaves behind where it ended
                yield message
                if until is not None and message.position >= until:
                    return
                if empty:
                    empty = 0
                    idle(1)
                continue
            if empty == 0:
                waits_since = time.monotonic()
            if until is not None and empty % _LOOK_EVERY == 0:
                if self._reached(until):
                    return
                present = bool(self.images)
                if had_image and not present and not self._poller.pending:
                    if self._on_silence is not None:
                        self._on_silence(True)
                    raise NotConnectedError(
                        f"{self._handle.description} ended before position {until}", operation="messages"
                    )
                had_image = had_image or present or self._gone_position >= 0
            if self._on_silence is not None and empty % _LOOK_EVERY == 0 and not self.images:
                self._on_silence(False)
            empty += 1
            if timeout is not None and time.monotonic() - waits_since > timeout:
                raise TimedOutError(f"no message on {self._handle.description} in {timeout:g} s", operation="messages")
            idle(0)

    def _reached(self, position: int) -> bool:
        """Whether all there is was given up to a position."""
        if self._poller.pending:
            return self._poller.next_position > position
        if images := self.images:
            return all(image.position >= position for image in images)
        return max(0, self._gone_position) >= position

    def _let_go(self, image: Image) -> None:
        """Of a publisher that has gone: how far it was read counts, as it may have ended with padding."""
        with contextlib.suppress(ClosedError):
            self._gone_position = max(self._gone_position, image.position)
        image.close()

    @property
    def images(self) -> list[Image]:
        """One :class:`Image` for each publisher there is."""
        with self._handle.using("images") as pointer, self._images_lock:
            with self._poller:
                count = check(lib.aeron_subscription_image_count(pointer), "images")
                images = [lib.aeron_subscription_image_at_index(pointer, index) for index in range(count)]
            found: dict[int, Image] = {}
            for image in images:
                if image != ffi.NULL:
                    known = self._image(image)
                    found[known.correlation_id] = known
            for gone in self._images.keys() - found.keys():
                self._let_go(self._images.pop(gone))
            return list(found.values())

    def image_by_session_id(self, session_id: int) -> Image | None:
        """The image of a publisher's session, None when it is not there."""
        wanted = as_int(session_id, "session_id", -(2**31), 2**31 - 1)
        with self._handle.using("image_by_session_id") as pointer, self._images_lock:
            with self._poller:
                image = lib.aeron_subscription_image_by_session_id(pointer, wanted)
            return None if image == ffi.NULL else self._image(image)

    def _image(self, pointer: Any) -> Image:
        """The noun of a reference just got, which is let go when it is known already."""
        raw = ffi.new("aeron_image_constants_t *")
        check(lib.aeron_image_constants(pointer, raw), "image")
        known = self._images.get(raw.correlation_id)
        if known is not None and not known._handle.closed:
            lib.aeron_image_release(pointer)
            return known
        image = Image._of(self, pointer)
        self._images[image.correlation_id] = image
        return image

    @property
    def is_connected(self) -> bool:
        """Whether a publisher is there; False when it is closed."""
        with self._handle.kept() as pointer:
            if pointer is None or self._handle.reason is not None:
                return False
            with self._poller:
                return bool(lib.aeron_subscription_is_connected(pointer))

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, or its client, or its driver is lost."""
        with self._handle.kept() as pointer:
            lost = pointer is None or self._handle.reason is not None
            return lost or bool(lib.aeron_subscription_is_closed(pointer))

    @property
    def registration_id(self) -> int:
        """Its number at the driver, for example for a ``response-correlation-id``."""
        raw = ffi.new("aeron_subscription_constants_t *")
        with self._handle.using("registration_id") as pointer:
            check(lib.aeron_subscription_constants(pointer, raw), "registration_id")
        return int(raw.registration_id)

    @property
    def channel_status(self) -> int:
        """1 when the channel works, -1 when it failed (``aeron_subscription_channel_status``); IPC always works."""
        if self.channel.startswith("aeron:ipc"):
            return 1
        with self._handle.using("channel_status") as pointer:
            return int(lib.aeron_subscription_channel_status(pointer))

    @property
    def resolved_channel(self) -> str:
        """The channel with the port that the system gave, where it was added with port 0."""
        room = ffi.new("char[]", 4096)
        with self._handle.using("resolved_channel") as pointer:
            found = lib.aeron_subscription_try_resolve_channel_endpoint_port(pointer, room, 4096)
            check(found, "resolved_channel")
        return text(room) or self.channel

    @property
    def local_addresses(self) -> list[str]:
        """The addresses it receives at, ``address:port``, of all its destinations; empty over IPC.

        Aeron: ``aeron_subscription_local_sockaddrs``.
        """
        return local_addresses(self._handle, "subscription")

    def add_destination(self, channel: str | ChannelUri, *, timeout: Duration | None = None) -> None:
        """Receive from one more destination (``aeron_subscription_async_add_destination``): ``control-mode=manual``.

        Args:
            channel: of the destination, for example ``"aeron:udp?endpoint=localhost:9999"``.
            timeout: seconds to wait for the driver; None for the client's ``driver_timeout``.

        Raises:
            SettingError: a bad argument.
            DriverError: the driver refuses.
        """
        change_destination(self._client, self._handle, "subscription", "add", channel, timeout)

    def remove_destination(self, channel: str | ChannelUri, *, timeout: Duration | None = None) -> None:
        """Don't receive from a destination any more; as :meth:`add_destination`."""
        change_destination(self._client, self._handle, "subscription", "remove", channel, timeout)

    def _drain(self) -> None:
        """Give what happened to the handlers, in this thread: before each poll, when there is something."""
        # What an event points to is there until the next is taken: by a handler that polls, but by no other thread.
        if self._source != ffi.NULL and self._drain_lock.acquire(blocking=False):
            try:
                with self._handle.using("poll"):
                    event = ffi.new("shim_event_t *")
                    events = lib.shim_source_events(self._source)
                    while lib.shim_events_take(events, event):
                        self._dispatch(event)
            finally:
                self._drain_lock.release()
        self._client._drain()

    def _dispatch(self, event: Any) -> None:
        if event.type not in (lib.SHIM_EVENT_AVAILABLE_IMAGE, lib.SHIM_EVENT_UNAVAILABLE_IMAGE):
            return
        came = event.type == lib.SHIM_EVENT_AVAILABLE_IMAGE
        handler = self._on_available if came else self._on_unavailable
        correlation_id, end = event.relevant_id, event.position
        constants = ImageConstants(
            source_identity=text(event.data, event.length),
            correlation_id=correlation_id,
            session_id=event.session_id,
            join_position=end if came else 0,
        )
        if came:
            image = next((each for each in self.images if each.correlation_id == correlation_id), None)
        else:
            with self._images_lock:
                image = self._images.pop(correlation_id, None)
            self._poller.forget(event.session_id)
            if image is not None:
                self._let_go(image)
            else:
                self._gone_position = max(self._gone_position, end)
        if handler is not None:
            handler(image if image is not None else Image._gone(self, constants, end))
