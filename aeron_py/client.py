"""The client: one connection to a media driver, from which everything else is added."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from aeron_py._adding import Adding
from aeron_py._connecting import await_driver, context_calls, start, stop
from aeron_py._error_reading import error_from_handler
from aeron_py._ffi import ffi, lib, text
from aeron_py._owner import Handle, weakly
from aeron_py._pending import PendingAdd, begin
from aeron_py._waiting import Duration, seconds, wait_for
from aeron_py.counters import Counter, CountersReader
from aeron_py.driver import default_aeron_dir, directory, driver_info
from aeron_py.errors import AeronError, BufferFullError, DriverTimeoutError
from aeron_py.handlers import check_handler, hold
from aeron_py.idle import IdleStrategy
from aeron_py.publication import ExclusivePublication, Publication
from aeron_py.settings import as_int
from aeron_py.subscription import Subscription
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.image import Image

__all__ = ["Client"]

T = TypeVar("T")

_log = logging.getLogger("aeron_py")


def _log_error(error: AeronError) -> None:
    _log.error("%s", error)


class Client(Adding):
    """A client of a media driver (``aeron_t``). Make one with :meth:`connect`.

    Its own thread (Aeron's conductor) talks to the driver. Handlers run in the threads that use the client.
    """

    def __init__(self, handle: Handle, conductor: Any, aeron_dir: str, driver_timeout: float) -> None:
        self._handle = handle
        self._conductor = conductor
        self._events = lib.shim_conductor_events(conductor)
        self._pending = lib.shim_events_pending(self._events)
        self._drain_lock = threading.Lock()
        self._on_error: Callable[[AeronError], object] = _log_error
        self._on_available_counter: Callable[[int, int], object] | None = None
        self._on_unavailable_counter: Callable[[int, int], object] | None = None
        handle._refresh = weakly(self._refresh)
        self.aeron_dir = aeron_dir
        """The media driver's directory."""
        self.driver_timeout = driver_timeout
        """Seconds that the driver may take for an answer."""
        with handle.using("connect") as client:
            self.client_id: int = lib.aeron_client_id(client)
            """The client's number at its driver."""
            self.counters = CountersReader(handle, lib.aeron_counters_reader(client))
            """All counters of the driver."""
        self._driver = self._driver_now()

    @classmethod
    def connect(
        cls,
        aeron_dir: str | os.PathLike[str] | None = None,
        *,
        error_handler: Callable[[AeronError], object] | None = None,
        driver_timeout: Duration = 10.0,
        idle_strategy: IdleStrategy | None = None,
        client_name: str = "",
        keepalive_interval: Duration = 0.5,
        resource_linger: Duration = 3.0,
        pre_touch_mapped_memory: bool = False,
        on_available_counter: Callable[[int, int], object] | None = None,
        on_unavailable_counter: Callable[[int, int], object] | None = None,
    ) -> Client:
        """Connect to the media driver of a directory (``aeron_init``, ``aeron_start``).

        Args:
            aeron_dir: the driver's directory; None for ``AERON_DIR`` or Aeron's default.
            error_handler: gets errors that belong to no call; they are logged when it is None.
            driver_timeout: seconds to wait for a driver now, for its answers later, and without a sign of life from it
                before the client gives up.
            idle_strategy: of the conductor thread; None for one that sleeps up to 4 ms.
            client_name: shown in the driver's counters, at most 100 bytes.
            keepalive_interval: seconds between two signs of life.
            resource_linger: seconds that the memory of images is kept after they went.
            pre_touch_mapped_memory: touch each page of a log at once.
            on_available_counter: called with the registration id and the counter id of each counter that comes.
            on_unavailable_counter: the same for each that goes.

        Returns:
            The client.

        Raises:
            DriverTimeoutError: no living driver in the directory within the time.
            SettingError: a bad argument.
        """
        path = directory(default_aeron_dir() if aeron_dir is None else aeron_dir)
        timeout = seconds(driver_timeout, "driver_timeout")
        calls = context_calls(
            path,
            timeout,
            idle_strategy=idle_strategy,
            client_name=client_name,
            keepalive_interval=keepalive_interval,
            resource_linger=resource_linger,
            pre_touch_mapped_memory=pre_touch_mapped_memory,
        )
        handlers = {
            "error_handler": error_handler,
            "on_available_counter": on_available_counter,
            "on_unavailable_counter": on_unavailable_counter,
        }
        for which, handler in handlers.items():
            check_handler(handler, which)
        await_driver(path, timeout)

        interest = lib.SHIM_CONDUCTOR_COUNTERS if on_available_counter or on_unavailable_counter else 0
        pointers = start(calls, interest)
        let_go = hold(*handlers.values())

        def release(client: Any) -> None:
            try:
                stop(client, *pointers[1:])
            finally:
                let_go()

        client = cls(Handle(f"client of {path}", pointers[0], release), pointers[2], path, timeout)
        if error_handler is not None:
            client._on_error = error_handler
        client._on_available_counter = on_available_counter
        client._on_unavailable_counter = on_unavailable_counter
        return client

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, or has lost its driver."""
        with self._handle.kept() as pointer:
            return pointer is None or self._handle.reason is not None or bool(lib.aeron_is_closed(pointer))

    def next_correlation_id(self) -> int:
        """A number unique among all clients of the driver (``aeron_next_correlation_id``)."""
        with self._handle.using("next_correlation_id") as client:
            return int(lib.aeron_next_correlation_id(client))

    def add_publication(
        self, channel: str | ChannelUri, stream_id: int, *, timeout: Duration | None = None
    ) -> Publication:
        """Add a publication that several threads may use; on a stream this client has already, they share one log.

        Args:
            channel: for example ``"aeron:ipc"``.
            stream_id: 32 bits, signed.
            timeout: seconds to wait for the driver; None for ``driver_timeout``.

        Returns:
            The publication (``aeron_async_add_publication``).

        Raises:
            SettingError: a bad argument.
            DriverError: the driver refuses.
            TimedOutError: it did not answer in time.
        """
        return self._finish(lambda: self._start_add_publication(channel, stream_id), timeout)

    def add_exclusive_publication(
        self, channel: str | ChannelUri, stream_id: int, *, timeout: Duration | None = None
    ) -> ExclusivePublication:
        """Add a publication with a session and a log of its own, for one thread at a time: the faster kind.

        Args and Raises as :meth:`add_publication`.

        Returns:
            The publication (``aeron_async_add_exclusive_publication``).
        """
        return self._finish(lambda: self._start_add_exclusive_publication(channel, stream_id), timeout)

    def add_subscription(
        self,
        channel: str | ChannelUri,
        stream_id: int,
        *,
        on_available_image: Callable[[Image], object] | None = None,
        on_unavailable_image: Callable[[Image], object] | None = None,
        assemble: bool = True,
        timeout: Duration | None = None,
    ) -> Subscription:
        """Add a subscription (``aeron_async_add_subscription``).

        Args:
            channel: for example ``"aeron:ipc"``.
            stream_id: 32 bits, signed.
            on_available_image: called with each :class:`Image` that comes, in the thread that polls.
            on_unavailable_image: the same for each that goes.
            assemble: whether fragmented messages come out whole.
            timeout: seconds to wait for the driver; None for ``driver_timeout``.

        Raises as :meth:`add_publication`.
        """

        def start() -> PendingAdd[Subscription]:
            return self._start_add_subscription(
                channel,
                stream_id,
                on_available_image=on_available_image,
                on_unavailable_image=on_unavailable_image,
                assemble=assemble,
            )

        return self._finish(start, timeout)

    def add_counter(
        self, type_id: int, label: str = "", *, key: bytes = b"", value: int = 0, timeout: Duration | None = None
    ) -> Counter:
        """Add a counter that others can read (``aeron_async_add_counter``).

        Args:
            type_id: what kind it is; applications use 1000 and more.
            label: for people, at most 380 bytes.
            key: for programs, at most 112 bytes.
            value: where it begins.
            timeout: seconds to wait for the driver; None for ``driver_timeout``.

        Raises as :meth:`add_publication`.
        """
        first = as_int(value, "value", -(2**63), 2**63 - 1)

        def start() -> PendingAdd[Counter]:
            return self._start_add_counter(type_id, label, key=key)

        counter = self._finish(start, timeout)
        if first:
            counter.value = first
        return counter

    def add_static_counter(
        self,
        type_id: int,
        label: str = "",
        *,
        registration_id: int,
        key: bytes = b"",
        timeout: Duration | None = None,
    ) -> Counter:
        """Add a counter that outlives this client, or find it again (``aeron_async_add_static_counter``).

        Closing it, or the client, leaves the counter at the driver for as long as that runs.

        Args:
            type_id: what kind it is; applications use 1000 and more.
            label: for people, at most 380 bytes; of one that is there already it stays as it is.
            registration_id: your own number of it: with the type it tells which counter it is.
            key: for programs, at most 112 bytes.
            timeout: seconds to wait for the driver; None for ``driver_timeout``.

        Raises as :meth:`add_publication`.
        """

        def start() -> PendingAdd[Counter]:
            return self._start_add_counter(type_id, label, key=key, registration_id=registration_id)

        return self._finish(start, timeout)

    def next_session_id(self, stream_id: int, *, timeout: Duration | None = None) -> int:
        """A session id that no publication of the driver has on a stream (``aeron_async_next_session_id``).

        Args:
            stream_id: for a publication on which stream, with ``session-id`` in its channel.
            timeout: seconds to wait for the driver; None for ``driver_timeout``.

        Raises as :meth:`add_publication`.
        """
        return self._finish(lambda: self._start_next_session_id(stream_id), timeout)

    def _finish(self, start: Callable[[], PendingAdd[T]], timeout: Duration | None) -> T:
        """Start something and wait for it, or cancel it."""
        limit = self.driver_timeout if timeout is None else seconds(timeout, "timeout")
        pending = wait_for(
            lambda: begin(start),
            limit,
            "add",
            lambda: f"for {limit:g} s too many commands waited before this one: try again",
            error=BufferFullError,
        )
        try:
            return wait_for(
                pending.poll,
                limit,
                pending.operation,
                lambda: f"the media driver in {self.aeron_dir} did not answer for {pending.description} in {limit:g} s",
            )
        finally:
            pending.cancel()

    def _drain(self) -> None:
        """Give what happened to the handlers, in this thread."""
        if not self._drain_lock.acquire(blocking=False):
            return
        try:
            with self._handle.using("client"):
                event = ffi.new("shim_event_t *")
                while lib.shim_events_take(self._events, event):
                    self._dispatch(event)
                if lost := lib.shim_events_dropped(self._events):
                    self._on_error(AeronError(f"{lost} events of the client were dropped: none was taken for too long"))
        finally:
            self._drain_lock.release()

    def _dispatch(self, event: Any) -> None:
        kind = event.type
        if kind == lib.SHIM_EVENT_CLIENT_CLOSED:
            self._handle.lose(self._error_of(event))
        elif kind == lib.SHIM_EVENT_CLIENT_ERROR:
            self._on_error(self._error_of(event))
        elif kind == lib.SHIM_EVENT_PUBLICATION_ERROR:
            where = f"publication on stream {event.stream_id}, session {event.session_id}"
            self._on_error(error_from_handler(event.code, text(event.data, event.length), where))
        elif kind == lib.SHIM_EVENT_AVAILABLE_COUNTER and self._on_available_counter is not None:
            self._on_available_counter(event.id, event.code)
        elif kind == lib.SHIM_EVENT_UNAVAILABLE_COUNTER and self._on_unavailable_counter is not None:
            self._on_unavailable_counter(event.id, event.code)

    def _error_of(self, event: Any) -> AeronError:
        error = error_from_handler(event.code, text(event.data, event.length), "client")
        error.message = f"{error.message} [media driver directory {self.aeron_dir}]"
        return error

    def _check(self, operation: str) -> None:
        """Raises when the client is closed or has lost its driver; delivers what happened first."""
        with self._handle.using(operation):
            if self._pending[0]:
                self._drain()
            self._handle.check_open(operation)

    def _refresh(self) -> None:
        """C says closed: the conductor tells why a moment later."""
        if self._handle.pointer is None or self._handle.reason is not None:
            return
        with self._handle.using("client") as client:
            if lib.aeron_is_closed(client):
                lib.shim_events_wait(self._events, 1_000_000_000)
            self._drain()
        # When its driver was killed and started again, what is under way fails before its silence is noticed.
        if self._handle.reason is None and self._driver != self._driver_now():
            message = f"the media driver in {self.aeron_dir} has gone, or was started again: make a new client"
            self._handle.lose(DriverTimeoutError(message, operation="client"))

    def _driver_now(self) -> tuple[int, float] | None:
        """Which driver there is in the directory."""
        info = driver_info(self.aeron_dir)
        return None if info is None else (info.pid, info.start_time)
