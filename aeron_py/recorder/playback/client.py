"""The client's side of the control stream: sessions of a recorder that runs elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from aeron_py._closing import Closing
from aeron_py._waiting import Duration, seconds, wait_for
from aeron_py.errors import AeronError, ArchiveConnectionError, ClosedError, SettingError, TimedOutError
from aeron_py.recorder.away import VolumeAwayError
from aeron_py.recorder.playback import messages
from aeron_py.recorder.playback.controls import Controls
from aeron_py.recorder.playback.messages import VERSION, Reply, ReplyTo, Request, SessionInfo
from aeron_py.recorder.playback.subscribing import await_left, topic_of
from aeron_py.recorder.playback.topics import Remap, TopicInfo, Value
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.client import Client
    from aeron_py.subscription import Subscription

__all__ = ["DEFAULT_CHANNEL", "DEFAULT_STREAM_ID", "RecorderClient", "RemoteSession"]

DEFAULT_CHANNEL = "aeron:ipc"
DEFAULT_STREAM_ID = 900_000
_ALIAS = "file:aeron-py/control"
_REPLY_STREAMS = 2_000_000
_PAUSE = 0.0005
ASK_AGAIN = 0.1
"""Seconds after which a recorder is asked again that waits for what it needs."""
WAITS = (ArchiveConnectionError, VolumeAwayError)
"""How it says so."""


class Protocol:
    """Requests and replies, without I/O: what the client and its async twin share.

    Args:
        correlation_id: a number that no other client of the media driver has.
        reply_channel: where replies are to come.
    """

    def __init__(self, correlation_id: int, reply_channel: str) -> None:
        self.name = uuid.uuid4().hex
        self.reply = ReplyTo(channel=reply_channel, stream_id=_REPLY_STREAMS + correlation_id % 1_000_000)
        self._id = 0

    def request(self, body: messages.Bodies) -> tuple[int, bytes]:
        """A request: its number, and the message."""
        self._id += 1
        made = Request(version=VERSION, client=self.name, id=self._id, reply=self.reply, body=body)
        return self._id, msgspec.json.encode(made)

    def result(self, message: bytes, number: int, body: messages.Bodies) -> tuple[bool, Any]:
        """Whether a message is the reply to a request, and its result.

        Raises:
            AeronError: it was refused.
        """
        reply = msgspec.json.decode(message, type=Reply)
        if reply.client != self.name or reply.id != number:
            return False, None
        if reply.error is not None:
            raise reply.error.error(type(body).__name__.lower())
        return True, None if body.result is None else msgspec.json.decode(reply.result, type=body.result)


def control_channel(channel: str | ChannelUri) -> ChannelUri:
    """The channel of requests, with an alias that says what it is."""
    return ChannelUri.parse(str(channel)).with_(alias=_ALIAS)


def open_body(
    *,
    start: messages.Time = None,
    end: messages.Time = None,
    pos: messages.Time = None,
    speed: float | str = 1.0,
    state: str = "pause",
    topics: Iterable[str] | None = None,
    remap: Sequence[Remap] = (),
    loop: bool = False,
    channel: str | None = None,
) -> messages.Open:
    """The request to open a session."""
    globs = (topics,) if isinstance(topics, str) else topics
    return messages.Open(
        start=start,
        end=end,
        pos=pos,
        speed=speed,
        state=state,
        topics=None if globs is None else tuple(globs),
        remap=tuple(remap),
        loop=loop,
        channel=channel,
    )


def value_of(value: messages.RecordedValue | None) -> Value | None:
    """A value as a session in this process gives it."""
    return None if value is None else Value(**msgspec.structs.asdict(value))


class RecorderClient(Closing):
    """Asks a recorder for sessions over its control stream. Thread-safe.

    Args:
        client: on the recorder's media driver, or on any that reaches the control channel.
        channel: the recorder's control channel.
        stream_id: the stream there.
        reply_channel: where the recorder is to answer, seen from both sides; with port 0 any that is free. None for
            ``aeron:ipc``, when that is the control channel.
        timeout: seconds that an answer may take, and that the recorder may wait for its archive meanwhile.

    Raises:
        SettingError: a bad argument.
    """

    def __init__(
        self,
        client: Client,
        *,
        channel: str = DEFAULT_CHANNEL,
        stream_id: int = DEFAULT_STREAM_ID,
        reply_channel: str | None = None,
        timeout: Duration = 10.0,
    ) -> None:
        self._client = client
        self._timeout = seconds(timeout, "timeout")
        self._where = f"{channel} stream {stream_id}"
        self._protocol = Protocol(client.next_correlation_id(), reply_channel_of(channel, reply_channel))
        self._lock = threading.Lock()
        self._closing = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            reply = self._protocol.reply
            self._replies = stack.enter_context(client.add_subscription(reply.channel, reply.stream_id))
            self._protocol.reply = ReplyTo(channel=self._replies.resolved_channel, stream_id=reply.stream_id)
            self._requests = stack.enter_context(client.add_exclusive_publication(control_channel(channel), stream_id))
            self._closing = stack.pop_all()

    def open_session(self, **options: Any) -> RemoteSession:
        """Open a session.

        Args:
            options: ``start``, ``end``, ``pos``, ``speed``, ``state``, ``topics``, ``remap``, ``loop`` and ``channel``,
                as for :class:`Session`.

        Raises:
            SettingError: a bad argument, or as many sessions as the recorder allows.
            TimedOutError: no recorder answers.
        """
        return RemoteSession(self, self.call(open_body(**options)).session, owned=True)

    def session(self, session_id: str) -> RemoteSession:
        """A session that is open, perhaps of somebody else. Leaving its ``with`` block does not close it."""
        return RemoteSession(self, session_id, owned=False)

    def sessions(self) -> list[SessionInfo]:
        """All sessions of the recorder."""
        found: list[SessionInfo] = self.call(messages.Sessions())
        return found

    def call(self, body: messages.Bodies) -> Any:
        """Send a request and wait for its result; while the recorder's archive is gone, for that to be back, and for
        volumes that are fetched for it.

        Raises:
            AeronError: it was refused; a class of its own where there is one.
            ArchiveConnectionError: the recorder still waits for its archive after ``timeout``.
            VolumeAwayError: or for a volume.
            TimedOutError: no answer within ``timeout``.
        """
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return self._ask(body, deadline)
            except WAITS:
                # Nothing of it was done, or what can be done again.
                if time.monotonic() + ASK_AGAIN > deadline:
                    raise
                time.sleep(ASK_AGAIN)

    def _ask(self, body: messages.Bodies, deadline: float) -> Any:
        with self._lock:
            number, message = self._protocol.request(body)
            operation = type(body).__name__.lower()
            while self._requests.offer_nowait(message) < 0:
                if time.monotonic() > deadline or self._requests.is_closed:
                    self._requests.offer(message)  # says why, and may still go through
                    break
                time.sleep(_PAUSE)
            while True:
                for payload in self._replies.poll_payloads(16):
                    found, result = self._protocol.result(payload, number, body)
                    if found:
                        return result
                if time.monotonic() > deadline:
                    raise TimedOutError(
                        f"no recorder answered on {self._where} within {self._timeout:g} s", operation=operation
                    )
                time.sleep(_PAUSE)

    def close(self) -> None:
        """Close it. Its sessions go on while somebody listens to them. May be called twice."""
        self._closing.close()


class RemoteSession:
    """A session of a recorder: what :class:`Session` has, over the control stream.

    Raises, whatever is asked of it:
        SettingError: the recorder refuses, or the session is gone.
        ClosedError: it was closed here.
        TimedOutError: no answer.
    """

    __slots__ = ("__weakref__", "_closed", "_owned", "_recorder", "session_id")  # no control of another name is set

    def __init__(self, recorder: RecorderClient, session_id: str, *, owned: bool) -> None:
        self._recorder = recorder
        self.session_id = session_id
        self._owned = owned
        self._closed = False

    def _call(self, body: messages.Bodies) -> Any:
        if self._closed:
            raise ClosedError(f"session {self.session_id} is closed", operation=type(body).__name__.lower())
        return self._recorder.call(body)

    @property
    def controls(self) -> Controls:
        """All controls at one moment."""
        found: Controls = self._call(messages.Get(session=self.session_id))
        return found

    def set(self, **values: Any) -> Controls:
        """Set several controls at once: ``start``, ``end``, ``pos``, ``speed``, ``state``, ``loop``.

        Returns:
            All of them as they are then.
        """
        found: Controls = self._call(messages.Set(session=self.session_id, **values))
        return found

    @property
    def start(self) -> str:
        """Where it begins, see :attr:`Session.start`."""
        return self.controls.start

    @start.setter
    def start(self, value: messages.Time) -> None:
        self.set(start=value)

    @property
    def end(self) -> str:
        """Where it ends, see :attr:`Session.end`."""
        return self.controls.end

    @end.setter
    def end(self, value: messages.Time) -> None:
        self.set(end=value)

    @property
    def pos(self) -> str | None:
        """The time up to which was played, see :attr:`Session.pos`."""
        return self.controls.pos

    @pos.setter
    def pos(self, value: str | int) -> None:
        self.set(pos=value)

    @property
    def speed(self) -> float | str:
        """How fast, see :attr:`Session.speed`."""
        return self.controls.speed

    @speed.setter
    def speed(self, value: float | str) -> None:
        self.set(speed=value)

    @property
    def state(self) -> str:
        """``play``, ``pause`` or ``tail``, see :attr:`Session.state`."""
        return self.controls.state

    @state.setter
    def state(self, value: str) -> None:
        self.set(state=value)

    @property
    def ended(self) -> bool:
        """Whether the end was reached, see :attr:`Session.ended`."""
        return self.controls.ended

    def step(self, batches: int = 1) -> Controls:
        """Play so many batches at once, or go back, 128 at most."""
        return self.set(pos=f"{batches:+d}")

    @property
    def topics(self) -> dict[str, TopicInfo]:
        """Its topics, and where they are played."""
        found: dict[str, TopicInfo] = self._call(messages.Topics(session=self.session_id))
        return found

    def subscribe(self, topic: str, **options: Any) -> Subscription:
        """Subscribe to a topic as it is played, see :meth:`Session.subscribe`."""
        info = await_left(lambda: topic_of(self.topics, topic), self._recorder._client)
        return self._recorder._client.add_subscription(info.channel, info.stream_id, **options)

    def values(self, topics: Iterable[str] | None = None) -> dict[str, Value | None]:
        """The latest message of each topic at ``pos``; what is away is fetched, see :meth:`Session.values`.

        Raises:
            VolumeAwayError: a volume that may have one is not here within the ``timeout`` of the client. Ask again
                later.
        """
        body = messages.Values(session=self.session_id, topics=None if topics is None else tuple(topics))
        return {topic: value_of(value) for topic, value in self._call(body).items()}

    def value(self, topic: str) -> Value | None:
        """The latest message of a topic at ``pos``, None when none came until then."""
        return self.values((topic,))[topic]

    def wait_ended(self, timeout: Duration | None = None) -> None:
        """Wait until it has ended and all who subscribe have read it.

        Raises:
            TimedOutError: not within that time.
        """
        limit = float("inf") if timeout is None else seconds(timeout, "timeout")
        wait_for(
            lambda: self.controls.drained or None, limit, "wait_ended", lambda: f"the session goes on after {limit:g} s"
        )

    def close(self) -> None:
        """Close it for everybody. May be called twice."""
        if not self._closed:
            self._call(messages.Close(session=self.session_id))
            self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owned:
            with contextlib.suppress(AeronError):
                self.close()

    def __repr__(self) -> str:
        return f"<RemoteSession {self.session_id}>"


def reply_channel_of(channel: str, reply_channel: str | None) -> str:
    """Where replies are to come.

    Raises:
        SettingError: it must be told.
    """
    if reply_channel is not None:
        return reply_channel
    if ChannelUri.parse(channel).media == "ipc":
        return "aeron:ipc"
    raise SettingError(
        "reply_channel: with a control channel over the network say where answers are to come, for example "
        "aeron:udp?endpoint=this-host:0",
        operation="RecorderClient",
    )
