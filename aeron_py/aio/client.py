"""The client whose calls wait without blocking the event loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from aeron_py._pending import PendingAdd
from aeron_py._waiting import Duration
from aeron_py.aio._opening import Opening
from aeron_py.aio._threads import close_in_thread, open_in_thread
from aeron_py.aio._wait import DEFAULT_WATCH, AsyncOwner, Watch, finish
from aeron_py.aio.counter import AsyncCounter
from aeron_py.aio.publication import AsyncExclusivePublication, AsyncPublication
from aeron_py.aio.subscription import AsyncSubscription
from aeron_py.client import Client
from aeron_py.counters import CountersReader
from aeron_py.errors import AeronError, SettingError
from aeron_py.idle import IdleStrategy
from aeron_py.image import Image
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.aio.archive import AsyncArchive
    from aeron_py.archive.context import ArchiveContext
    from aeron_py.archive.signals import RecordingSignalEvent

__all__ = ["AsyncClient"]

# An idle program shall cost next to nothing: a wake of the conductor costs some 30 us on a virtual machine.
_CONDUCTOR_IDLE = IdleStrategy.backoff(max_park=0.008)

A = TypeVar("A", bound=AsyncOwner)
S = TypeVar("S", bound=AsyncSubscription)


class AsyncClient:
    """A client of a media driver (``aeron_t``), for one event loop. Make one with :meth:`connect`.

    Args:
        client: the client that does the work; closed with this.
        watch_strategy: see :meth:`connect`.
    """

    def __init__(self, client: Client, watch_strategy: IdleStrategy = DEFAULT_WATCH) -> None:
        if not isinstance(watch_strategy, IdleStrategy):
            raise SettingError(
                f"watch_strategy must be an IdleStrategy, not {type(watch_strategy).__name__}", operation="connect"
            )
        self._client = client
        self._watch = Watch(client._handle, watch_strategy)

    @classmethod
    def connect(
        cls,
        aeron_dir: str | os.PathLike[str] | None = None,
        *,
        watch_strategy: IdleStrategy = DEFAULT_WATCH,
        **settings: Any,
    ) -> Opening[AsyncClient]:
        """Connect to the media driver of a directory: ``async with`` or ``await`` it.

        Args:
            aeron_dir: the driver's directory; None for ``AERON_DIR`` or Aeron's default.
            watch_strategy: how the one thread that looks for all waiting tasks passes the time between two looks. It
                bounds the latency of a wake by what rings no bell: publishers that are not of this package, UDP,
                replays, back pressure, new images. The default sleeps at most 8 ms, which costs well under 1 % of a
                core; ``IdleStrategy.spin()`` and ``yielding()`` wake soonest and cost a core while a task waits.
            settings: as for :meth:`Client.connect`; the conductor thread sleeps up to 8 ms by default.

        Raises:
            DriverTimeoutError: no living driver in the directory within the time.
            SettingError: a bad argument.
        """

        def connect() -> AsyncClient:
            client = Client.connect(aeron_dir, **{"idle_strategy": _CONDUCTOR_IDLE, **settings})
            try:
                return cls(client, watch_strategy)
            except BaseException:
                client.close()
                raise

        return Opening(lambda: open_in_thread(connect, lambda client: client._client.close()), "AsyncClient.connect")

    @property
    def sync(self) -> Client:
        """The client that does the work, for what needs no waiting."""
        return self._client

    @property
    def aeron_dir(self) -> str:
        """The media driver's directory."""
        return self._client.aeron_dir

    @property
    def client_id(self) -> int:
        """The client's number at its driver."""
        return self._client.client_id

    @property
    def counters(self) -> CountersReader:
        """All counters of the driver."""
        return self._client.counters

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, or has lost its driver."""
        return self._client.is_closed

    def next_correlation_id(self) -> int:
        """A number unique among all clients of the driver (``aeron_next_correlation_id``)."""
        return self._client.next_correlation_id()

    def add_publication(
        self, channel: str | ChannelUri, stream_id: int, *, timeout: Duration | None = None
    ) -> Opening[AsyncPublication]:
        """As :meth:`Client.add_publication`: ``await`` it, or ``async with``. Cancelled, nothing stays behind."""
        return self._adding(
            lambda: self._client._start_add("publication", AsyncPublication._of, channel, stream_id),
            timeout,
            "add_publication",
        )

    def add_exclusive_publication(
        self, channel: str | ChannelUri, stream_id: int, *, timeout: Duration | None = None
    ) -> Opening[AsyncExclusivePublication]:
        """As :meth:`Client.add_exclusive_publication`: ``await`` it, or ``async with``."""
        return self._adding(
            lambda: self._client._start_add("exclusive_publication", AsyncExclusivePublication._of, channel, stream_id),
            timeout,
            "add_exclusive_publication",
        )

    def add_subscription(
        self,
        channel: str | ChannelUri,
        stream_id: int,
        *,
        on_available_image: Callable[[Image], object] | None = None,
        on_unavailable_image: Callable[[Image], object] | None = None,
        assemble: bool = True,
        timeout: Duration | None = None,
    ) -> Opening[AsyncSubscription]:
        """As :meth:`Client.add_subscription`: ``await`` it, or ``async with``."""
        return Opening(
            lambda: self._add_subscription(
                AsyncSubscription,
                channel,
                stream_id,
                on_available_image=on_available_image,
                on_unavailable_image=on_unavailable_image,
                assemble=assemble,
                timeout=timeout,
            ),
            "add_subscription",
        )

    async def _add_subscription(
        self,
        noun: type[S],
        channel: str | ChannelUri,
        stream_id: int,
        *,
        on_available_image: Callable[[Image], object] | None = None,
        on_unavailable_image: Callable[[Image], object] | None = None,
        assemble: bool = True,
        timeout: Duration | None = None,
    ) -> S:
        def start() -> PendingAdd[S]:
            return self._client._start_add_subscription(
                channel,
                stream_id,
                on_available_image=on_available_image or _nothing,
                on_unavailable_image=on_unavailable_image,
                assemble=assemble,
                noun=noun,
            )

        return await self._add(start, timeout)

    def add_counter(
        self, type_id: int, label: str = "", *, key: bytes = b"", value: int = 0, timeout: Duration | None = None
    ) -> Opening[AsyncCounter]:
        """As :meth:`Client.add_counter`: ``await`` it, or ``async with``."""

        def start() -> PendingAdd[AsyncCounter]:
            return self._client._start_add_counter(type_id, label, key=key, noun=AsyncCounter)

        async def add() -> AsyncCounter:
            counter = await self._add(start, timeout)
            counter.value = value
            return counter

        return Opening(add, "add_counter")

    def add_static_counter(
        self,
        type_id: int,
        label: str = "",
        *,
        registration_id: int,
        key: bytes = b"",
        timeout: Duration | None = None,
    ) -> Opening[AsyncCounter]:
        """As :meth:`Client.add_static_counter`: ``await`` it, or ``async with``."""

        def start() -> PendingAdd[AsyncCounter]:
            return self._client._start_add_counter(
                type_id, label, key=key, registration_id=registration_id, noun=AsyncCounter
            )

        return self._adding(start, timeout, "add_static_counter")

    async def next_session_id(self, stream_id: int, *, timeout: Duration | None = None) -> int:
        """As :meth:`Client.next_session_id`."""
        return await finish(self._watch, lambda: self._client._start_next_session_id(stream_id), timeout)

    def archive(
        self,
        context: ArchiveContext | None = None,
        *,
        timeout: Duration | None = None,
        error_handler: Callable[[AeronError], object] | None = None,
        on_recording_signal: Callable[[RecordingSignalEvent], object] | None = None,
    ) -> Opening[AsyncArchive]:
        """Open a session with an archive: ``async with`` or ``await`` it. Arguments as for :meth:`Archive.connect`."""
        from aeron_py.aio.archive import AsyncArchive

        return Opening(
            lambda: AsyncArchive._connect(self, context, timeout, error_handler, on_recording_signal), "archive"
        )

    def _adding(self, start: Callable[[], PendingAdd[A]], timeout: Duration | None, name: str) -> Opening[A]:
        return Opening(lambda: self._add(start, timeout), name)

    async def _add(self, start: Callable[[], PendingAdd[A]], timeout: Duration | None) -> A:
        noun = await finish(self._watch, start, timeout)
        return noun._watched_by(self._watch)

    def close(self) -> None:
        """Close all that was added, then the client; blocks for some milliseconds. May be called twice."""
        self._client.close()

    async def aclose(self) -> None:
        """Close all that was added, then the client; waiting tasks get a :class:`ClosedError`. May be called twice."""
        await close_in_thread(self._client.close)

    async def __aenter__(self) -> Self:
        self._client._handle.check_open("async with")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return repr(self._client).replace("<Client", "<AsyncClient")


def _nothing(image: Image) -> None:
    """That images come is of interest to ``image_events`` even when the user has no handler."""
