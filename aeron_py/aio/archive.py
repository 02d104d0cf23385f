"""The archive's client whose calls wait without blocking the event loop."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from aeron_py._owner import Owner
from aeron_py._waiting import Duration, seconds
from aeron_py.aio._arrival import Arrival
from aeron_py.aio._opening import Opening
from aeron_py.aio._recorded import await_recorded
from aeron_py.aio._replay_calls import ReplayCalls
from aeron_py.aio._signals import Signals
from aeron_py.aio._threads import close_in_thread
from aeron_py.aio.replay import AsyncRecording
from aeron_py.aio.replication import ReplicationCalls
from aeron_py.archive import requests
from aeron_py.archive._call import Call, Request
from aeron_py.archive._recording_calls import _channel_of
from aeron_py.archive._session_owner import neighbours, with_neighbours
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.recordings import SourceLocation
from aeron_py.archive.session import Session
from aeron_py.archive.signals import RecordingSignalEvent
from aeron_py.errors import AeronError, ArchiveConnectionError, TimedOutError, UnknownRecordingError
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.aio.client import AsyncClient
    from aeron_py.aio.publication import AsyncExclusivePublication, AsyncPublication
    from aeron_py.publication import Publication

__all__ = ["AsyncArchive"]

T = TypeVar("T")

# Nothing tells when the request channel has room again, or when another listing has ended at the archive.
_RETRY = 0.0005


class AsyncArchive(ReplayCalls, ReplicationCalls, Owner):
    """A session with an archive (``aeron_archive_t``). Made by ``AsyncClient.archive``.

    Any number of tasks may use it at once. A call that is cancelled leaves the session as it was; what it asked for may
    happen all the same. Each call may raise what the calls of :class:`Archive` may raise.

    Attributes:
        client: the client that it uses.
        context: how it reached the archive.
        archive_id: the archive's number among those of its media driver.
        control_session_id: the archive's number for this session.
    """

    def __init__(
        self,
        client: AsyncClient,
        session: Session,
        arrival: Arrival,
        on_recording_signal: Callable[[RecordingSignalEvent], object] | None = None,
    ) -> None:
        self.client = client
        self.context = session.context
        self.archive_id = session.archive_id
        self.control_session_id = session.control_session_id
        self._session = session
        self._handle = session.handle
        self._on_recording_signal = on_recording_signal
        self._listeners: weakref.WeakSet[Signals] = weakref.WeakSet()
        self._arrival = arrival

    @classmethod
    async def _connect(
        cls,
        client: AsyncClient,
        context: ArchiveContext | None,
        timeout: Duration | None,
        error_handler: Callable[[AeronError], object] | None,
        on_recording_signal: Callable[[RecordingSignalEvent], object] | None,
    ) -> AsyncArchive:
        context = ArchiveContext.from_environment() if context is None else context
        limit = context.message_timeout if timeout is None else seconds(timeout, "timeout")
        session = Session(client.sync._handle, context, error_handler)
        try:
            with session.handle.using("Archive.connect"):
                arrival = Arrival(session.fd, session.handle)
            await checkpoint()
            with anyio.move_on_after(limit):
                while not session.poll_connected():
                    await arrival.wait(arrival.count)
            if not session.poll_connected():
                raise session.connect_timed_out(limit)
            session.on_taken = arrival.happened
            return cls(client, session, arrival, on_recording_signal)
        except BaseException:
            await close_in_thread(session.close, then_checkpoint=False)
            raise

    # -- one call

    async def _ask(
        self,
        request: Request[T],
        timeout: Duration | None = None,
        undo: Callable[[int], Request[Any]] | None = None,
    ) -> T:
        limit = self._limit(timeout)
        await checkpoint()
        try:
            return await self._answer(request, limit, undo=undo)
        except UnknownRecordingError as error:
            raise await self._with_neighbours(error, request) from None

    async def _answer(
        self,
        request: Request[T],
        limit: float,
        *,
        quietly: bool = False,
        undo: Callable[[int], Request[Any]] | None = None,
    ) -> T:
        self._handle.check_open(request.name)
        call = self._session.call(request, quietly=quietly)
        self._took()
        try:
            await self._complete(call, limit)
        except BaseException as error:
            self._session.abandon(call, forget=isinstance(error, anyio.get_cancelled_exc_class()), undo=undo)
            raise
        if isinstance(call.error, ArchiveConnectionError):
            raise self._session.explained(call.error)
        return call.result()

    async def _complete(self, call: Call[Any], limit: float) -> None:
        session, progress = self._session, 0
        with anyio.move_on_after(limit) as scope:
            while True:
                done, seen = session.step(call), self._arrival.count
                self._took()
                if done:
                    return
                if len(call.response.records) != progress:
                    progress = len(call.response.records)
                    scope.deadline = anyio.current_time() + limit
                await (self._arrival.wait(seen) if call.sent else anyio.sleep(_RETRY))
        raise TimedOutError(
            f"the archive at {session.where} did not answer within {limit:g} s", operation=call.request.name
        )

    async def _with_neighbours(self, error: UnknownRecordingError, request: Request[Any]) -> UnknownRecordingError:
        found: list[int] = []
        if (near := neighbours(request)) is not None:
            try:
                found = [each.recording_id for each in await self._answer(near, self._limit(None), quietly=True)]
            except AeronError:
                found = []
        return with_neighbours(error, request, found)

    def _limit(self, timeout: Duration | None) -> float:
        return self.context.message_timeout if timeout is None else seconds(timeout, "timeout")

    def _check(self, operation: str) -> None:
        """Raises when this is closed, or its session or driver is lost."""
        self.client.sync._check(operation)
        self._drain()
        if self._session.failure is not None:
            raise self._session.lost(operation)

    def _drain(self) -> None:
        self._session.drain()
        self._took()

    def _took(self) -> None:
        """Something may have come: hand on the signals."""
        session = self._session
        while session.signals and (self._listeners or self._on_recording_signal is not None):
            signal = session.signals.popleft()
            for listener in list(self._listeners):
                listener.ready.append(signal)
            if self._on_recording_signal is not None:
                self._on_recording_signal(signal)

    # -- signals and errors

    def recording_signals(self) -> AsyncIterator[RecordingSignalEvent]:
        """The signals of recordings that this session started, as they come, for ``async for``.

        Several iterators get each signal each; the first one also what came before it was made.
        """
        return Signals(self)

    def poll_errors(self) -> list[AeronError]:
        """Take the errors of earlier requests that came late, instead of having the next call raise one."""
        self._handle.check_open("poll_errors")
        self._drain()
        return self._session.take_late()

    @property
    def is_connected(self) -> bool:
        """Whether the session is alive, as far as is known here."""
        if self.closed or self._handle.reason is not None:
            return False
        self._drain()
        return self._session.failure is None

    # -- recording

    def record(
        self,
        channel: str | ChannelUri,
        stream_id: int,
        source_location: SourceLocation = SourceLocation.LOCAL,
        auto_stop: bool = False,
        *,
        timeout: Duration | None = None,
    ) -> Opening[AsyncRecording]:
        """Record for as long as the ``async with`` block lasts. Arguments as for :meth:`Archive.start_recording`.

        Cancelled before that, it is stopped as soon as the archive has answered.
        """

        async def start() -> AsyncRecording:
            request = requests.start_recording(channel, stream_id, source_location, auto_stop)
            subscription_id = await self._ask(request, timeout, _stop_recording)
            return AsyncRecording(self, subscription_id, str(channel), stream_id)

        return Opening(start, "record")

    def add_recorded_publication(
        self, channel: str | ChannelUri, stream_id: int, *, timeout: Duration | None = None
    ) -> Opening[AsyncPublication]:
        """Add a publication and have this session of it recorded: ``await`` it, or ``async with``."""

        async def add() -> AsyncPublication:
            publication = await self.client.add_publication(channel, stream_id, timeout=timeout)
            await self._record_publication(publication, timeout)
            return publication

        return Opening(add, "add_recorded_publication")

    def add_recorded_exclusive_publication(
        self, channel: str | ChannelUri, stream_id: int, *, timeout: Duration | None = None
    ) -> Opening[AsyncExclusivePublication]:
        """As :meth:`add_recorded_publication`, with an exclusive publication."""

        async def add() -> AsyncExclusivePublication:
            publication = await self.client.add_exclusive_publication(channel, stream_id, timeout=timeout)
            await self._record_publication(publication, timeout)
            return publication

        return Opening(add, "add_recorded_exclusive_publication")

    async def _record_publication(self, publication: Publication, timeout: Duration | None) -> None:
        try:
            request = requests.start_recording(
                _channel_of(publication), publication.stream_id, SourceLocation.LOCAL, False
            )
            await self._ask(request, timeout, _stop_recording)
        except BaseException:
            publication.close()
            raise

    async def stop_recording_publication(self, publication: Publication, *, timeout: Duration | None = None) -> None:
        """Stop what :meth:`add_recorded_publication` started (``aeron_archive_stop_recording_publication``)."""
        await self.stop_recording(_channel_of(publication), publication.stream_id, timeout=timeout)

    async def await_recorded(
        self, publication: Publication, position: int | None = None, timeout: Duration | None = None
    ) -> int:
        """As :meth:`Archive.await_recorded`."""
        wanted = publication.position if position is None else position
        return await await_recorded(self, publication.session_id, publication.stream_id, wanted, self._limit(timeout))

    # -- the end

    def close(self) -> None:
        """End the session; blocks for some milliseconds. What it had started goes on. May be called twice."""
        self._session.close()

    async def aclose(self) -> None:
        """End the session; tasks that wait get a :class:`ClosedError`. What it had started goes on."""
        await close_in_thread(self.close)

    async def __aenter__(self) -> Self:
        self._handle.check_open("async with")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _stop_recording(subscription_id: int) -> Request[Any]:
    return requests.stop_recording_subscription(subscription_id, tolerate=True)
