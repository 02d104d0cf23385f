"""The async twin of :class:`~aeron_py.recorder.playback.client.RecorderClient`, on trio and asyncio."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

import anyio

from aeron_py._waiting import Duration, seconds
from aeron_py.errors import AeronError, ClosedError, TimedOutError
from aeron_py.recorder.playback import messages
from aeron_py.recorder.playback.client import (
    ASK_AGAIN,
    DEFAULT_CHANNEL,
    DEFAULT_STREAM_ID,
    WAITS,
    Protocol,
    control_channel,
    open_body,
    reply_channel_of,
    value_of,
)
from aeron_py.recorder.playback.messages import ReplyTo
from aeron_py.recorder.playback.subscribing import ASKING, LEFT_WITHIN, LOOK_EVERY, topic_of

if TYPE_CHECKING:
    from aeron_py.aio.client import AsyncClient
    from aeron_py.aio.publication import AsyncExclusivePublication
    from aeron_py.aio.subscription import AsyncSubscription
    from aeron_py.recorder.playback.controls import Controls
    from aeron_py.recorder.playback.messages import SessionInfo
    from aeron_py.recorder.playback.topics import TopicInfo, Value

__all__ = ["AsyncRecorderClient", "AsyncRemoteSession"]

_TAKE_BACK = 2.0
"""Seconds that a cancelled ``open_session`` waits for the session that it asked for, to close it."""


class AsyncRecorderClient:
    """A :class:`RecorderClient` with ``await``. Made by :meth:`connect`; any number of tasks may use it."""

    def __init__(
        self,
        client: AsyncClient,
        protocol: Protocol,
        requests: AsyncExclusivePublication,
        replies: AsyncSubscription,
        where: str,
        timeout: float,
    ) -> None:
        self._client = client
        self._protocol = protocol
        self._requests = requests
        self._replies = replies
        self._where = where
        self._timeout = timeout
        self._lock = anyio.Lock()

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(
        cls,
        client: AsyncClient,
        *,
        channel: str = DEFAULT_CHANNEL,
        stream_id: int = DEFAULT_STREAM_ID,
        reply_channel: str | None = None,
        timeout: Duration = 10.0,
    ) -> AsyncIterator[AsyncRecorderClient]:
        """A client for the time of an ``async with`` block; arguments as for :class:`RecorderClient`."""
        protocol = Protocol(client.next_correlation_id(), reply_channel_of(channel, reply_channel))
        async with (
            client.add_subscription(protocol.reply.channel, protocol.reply.stream_id) as replies,
            client.add_exclusive_publication(control_channel(channel), stream_id) as requests,
        ):
            protocol.reply = ReplyTo(channel=replies.resolved_channel, stream_id=protocol.reply.stream_id)
            where = f"{channel} stream {stream_id}"
            yield cls(client, protocol, requests, replies, where, seconds(timeout, "timeout"))

    @contextlib.asynccontextmanager
    async def open_session(self, **options: Any) -> AsyncIterator[AsyncRemoteSession]:
        """A session for the time of an ``async with`` block; options as for :meth:`RecorderClient.open_session`."""
        session = AsyncRemoteSession(self, (await self.call(open_body(**options))).session)
        try:
            yield session
        finally:
            with anyio.CancelScope(shield=True), contextlib.suppress(AeronError):
                await session.close()

    def session(self, session_id: str) -> AsyncRemoteSession:
        """A session that is open, perhaps of somebody else."""
        return AsyncRemoteSession(self, session_id)

    async def sessions(self) -> list[SessionInfo]:
        """All sessions of the recorder."""
        found: list[SessionInfo] = await self.call(messages.Sessions())
        return found

    async def call(self, body: messages.Bodies) -> Any:
        """Send a request and wait for its result; raises as :meth:`RecorderClient.call`."""
        gone: AeronError | None = None
        try:
            with anyio.fail_after(self._timeout):
                while True:
                    try:
                        return await self._ask(body)
                    except WAITS as error:
                        gone = error  # and nothing of it was done
                        await anyio.sleep(ASK_AGAIN)
        except TimeoutError:
            if gone is not None:
                raise gone from None
            raise TimedOutError(
                f"no recorder answered on {self._where} within {self._timeout:g} s",
                operation=type(body).__name__.lower(),
            ) from None

    async def _ask(self, body: messages.Bodies) -> Any:
        async with self._lock:
            number, message = self._protocol.request(body)
            await self._requests.send(message, wait_connected=True)
            try:
                return await self._result(number, body)
            except anyio.get_cancelled_exc_class():
                if isinstance(body, messages.Open):
                    await self._take_back(number, body)
                raise

    async def _result(self, number: int, body: messages.Bodies) -> Any:
        while True:
            reply = await self._replies.receive()
            found, result = self._protocol.result(reply.payload, number, body)
            if found:
                return result

    async def _take_back(self, number: int, body: messages.Open) -> None:
        """Close the session that is being opened, which nobody would: its client is still there."""
        with anyio.move_on_after(_TAKE_BACK, shield=True), contextlib.suppress(AeronError):
            opened = await self._result(number, body)
            _, message = self._protocol.request(messages.Close(session=opened.session))
            await self._requests.send(message)


class AsyncRemoteSession:
    """A session of a recorder, with ``await``; raises as :class:`RemoteSession`."""

    __slots__ = ("__weakref__", "_closed", "_recorder", "session_id")

    def __init__(self, recorder: AsyncRecorderClient, session_id: str) -> None:
        self._recorder = recorder
        self.session_id = session_id
        self._closed = False

    async def _call(self, body: messages.Bodies) -> Any:
        if self._closed:
            raise ClosedError(f"session {self.session_id} is closed", operation=type(body).__name__.lower())
        return await self._recorder.call(body)

    async def controls(self) -> Controls:
        """All controls at one moment."""
        found: Controls = await self._call(messages.Get(session=self.session_id))
        return found

    async def set(self, **values: Any) -> Controls:
        """Set several controls at once: ``start``, ``end``, ``pos``, ``speed``, ``state``, ``loop``."""
        found: Controls = await self._call(messages.Set(session=self.session_id, **values))
        return found

    async def step(self, batches: int = 1) -> Controls:
        """Play so many batches at once, or go back, 128 at most."""
        return await self.set(pos=f"{batches:+d}")

    async def topics(self) -> dict[str, TopicInfo]:
        """Its topics, and where they are played."""
        found: dict[str, TopicInfo] = await self._call(messages.Topics(session=self.session_id))
        return found

    @contextlib.asynccontextmanager
    async def subscribe(self, topic: str, **options: Any) -> AsyncIterator[AsyncSubscription]:
        """A subscription to a topic as it is played, for the time of an ``async with`` block."""
        info = topic_of(await self.topics(), topic)
        if info.listening:
            async with self._recorder._client.add_counter(ASKING, "playback: who has gone"):
                pass
            info = topic_of(await self.topics(), topic)
        with anyio.move_on_after(LEFT_WITHIN):
            while info.leaving:
                await anyio.sleep(LOOK_EVERY)
                info = topic_of(await self.topics(), topic)
        async with self._recorder._client.add_subscription(info.channel, info.stream_id, **options) as subscription:
            yield subscription

    async def values(self, topics: Iterable[str] | None = None) -> dict[str, Value | None]:
        """The latest message of each topic at ``pos``, see :meth:`RemoteSession.values`."""
        body = messages.Values(session=self.session_id, topics=None if topics is None else tuple(topics))
        return {topic: value_of(value) for topic, value in (await self._call(body)).items()}

    async def close(self) -> None:
        """Close it for everybody. May be called twice."""
        if not self._closed:
            await self._call(messages.Close(session=self.session_id))
            self._closed = True
