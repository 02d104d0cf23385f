"""A subscription that begins in a recording and goes on live, and falls back to the recording when it has to.

It does what Aeron's own persistent subscription does, whose C code waits inside a poll for a media driver that may be
dead. Here no step waits, and a driver that is gone is an error of the poll.
"""

from __future__ import annotations

import contextlib
import enum
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from aeron_py._hot import Message
from aeron_py.archive import requests
from aeron_py.archive._steps import Steps, answered, asked, pause
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.archive.replay import replay_params, signed_32_bits
from aeron_py.archive.session import Session
from aeron_py.errors import (
    AeronError,
    ArchiveConnectionError,
    ArchiveError,
    ArchiveLimitError,
    ClosedError,
    DriverError,
    InvalidPositionError,
    SettingError,
    TimedOutError,
)
from aeron_py.handlers import PollAction, check_handler
from aeron_py.settings import as_int
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.client import Client
    from aeron_py.counters import Counter
    from aeron_py.image import Image
    from aeron_py.subscription import Subscription

__all__ = ["FROM_LIVE", "FROM_START", "PersistentSubscription", "PersistentSubscriptionState"]

FROM_START: Final = -1
"""The position of a persistent subscription that begins where its recording does."""

FROM_LIVE: Final = -2
"""The position of a persistent subscription that begins live, and needs the recording only to come back."""

_LOOK_EVERY = 0.02
_RETRY_AFTER = 0.25
_COUNTERS: Final = {
    "state_counter": (114, "Persistent Subscription State"),
    "join_difference_counter": (115, "Persistent Subscription Join Difference"),
    "live_left_counter": (116, "Persistent Subscription Live Left Count"),
    "live_joined_counter": (117, "Persistent Subscription Live Joined Count"),
}
_UNKNOWN = -(2**63)


class PersistentSubscriptionState(enum.IntEnum):
    """What a persistent subscription is doing, as its state counter has it; Aeron's C code has states in between."""

    AWAIT_ARCHIVE_CONNECTION = 0
    AWAIT_LIST_RECORDING_RESPONSE = 2
    AWAIT_REPLAY_RESPONSE = 4
    REPLAY = 12
    ATTEMPT_SWITCH = 13
    AWAIT_LIVE = 15
    LIVE = 16
    FAILED = 17


@dataclass(frozen=True, slots=True)
class _Listener:
    on_live_joined: Callable[[], object] | None
    on_live_left: Callable[[], object] | None
    on_error: Callable[[AeronError], object] | None


class PersistentSubscription:
    """A recording from any position on, and then its live stream: nothing twice, nothing missed.

    Make one with :meth:`open`; for one thread at a time. When the live stream is lost it goes back to the recording by
    itself; while it is live the archive may come and go. What is only gone for a while is told to ``on_error`` and
    tried again; what can't be put right, such as a recording that ended before the live stream begins, is raised by
    each poll from then on. (``aeron_archive_persistent_subscription_t``)

    Attributes:
        recording_id: the recording.
        state: what it is doing.
        position: of the stream, after the last message received; negative before the first.
        join_difference: how far the live stream began ahead of where the replay then was, in bytes; None if never.
        failure: why it failed; None if it has not.
        state_counter, join_difference_counter, live_left_counter, live_joined_counter: the same for others to see.
    """

    state_counter: Counter
    join_difference_counter: Counter
    live_left_counter: Counter
    live_joined_counter: Counter

    def __init__(
        self,
        client: Client,
        context: ArchiveContext,
        recording_id: int,
        live: tuple[ChannelUri, int],
        replay: tuple[ChannelUri, int],
        position: int,
        listener: _Listener,
        counters: dict[str, Counter | None],
    ) -> None:
        self._client, self._context = client, context
        self._live_channel, self._live_stream_id = live
        self._replay_channel, self._replay_stream_id = replay
        self._listener = listener
        self._limit = context.message_timeout
        self._session: Session | None = None
        self._replay: Subscription | None = None
        self._replay_session_id: int | None = None
        self._live: Subscription | None = None
        self._joined: Image | None = None
        self._recorded: tuple[int, int] = (0, 0)  # the initial term id, the session id
        self._closed = False
        self._to_tell: deque[Callable[[], object]] = deque()
        self._own_counters: list[Counter] = []
        self.recording_id = recording_id
        self.position = position
        self.state = PersistentSubscriptionState.AWAIT_ARCHIVE_CONNECTION
        self.join_difference: int | None = None
        self.failure: AeronError | None = None
        self._steps = self._run()
        try:
            for name, given in counters.items():
                setattr(self, name, self._counter(*_COUNTERS[name]) if given is None else given)
        except BaseException:
            self.close()
            raise
        self._count("join_difference_counter", _UNKNOWN)

    @classmethod
    def open(
        cls,
        client: Client,
        context: ArchiveContext,
        recording_id: int,
        live_channel: str | ChannelUri,
        live_stream_id: int,
        *,
        position: int = FROM_START,
        replay_channel: str | ChannelUri = "aeron:ipc",
        replay_stream_id: int | None = None,
        on_live_joined: Callable[[], object] | None = None,
        on_live_left: Callable[[], object] | None = None,
        on_error: Callable[[AeronError], object] | None = None,
        state_counter: Counter | None = None,
        join_difference_counter: Counter | None = None,
        live_left_counter: Counter | None = None,
        live_joined_counter: Counter | None = None,
    ) -> PersistentSubscription:
        """Begin: the first polls connect to the archive (``aeron_archive_persistent_subscription_create``).

        Args:
            client: the Aeron client to use.
            context: how to reach the archive; it has a session of its own.
            recording_id: the recording of the live stream.
            live_channel: where the publisher publishes, ``aeron-spy:`` included; with ``tether=false`` it does not hold
                the publisher up, and comes back by way of the recording when it was too slow.
            live_stream_id: the stream there, which is the recording's.
            position: where to begin, in bytes, on a frame; or ``FROM_START`` or ``FROM_LIVE``.
            replay_channel: where the archive replays to; over UDP with an endpoint of this machine, port 0 for any.
            replay_stream_id: the stream there; None for one that nobody else uses.
            on_live_joined: called, in the thread that polls, when it becomes live.
            on_live_left: the same when it is live no more.
            on_error: the same with each error, also those after which it tries again.
            state_counter, join_difference_counter, live_left_counter, live_joined_counter: counters of yours to use in
                place of its own; they stay yours to close.

        Raises:
            SettingError: a bad argument.
        """
        begin = as_int(position, "position", FROM_LIVE, 2**63 - 1)
        stream = as_int(live_stream_id, "live_stream_id", -(2**31), 2**31 - 1)
        if replay_stream_id is None:
            replay_stream_id = random.randrange(1 << 30, 1 << 31)
        handlers = {"on_live_joined": on_live_joined, "on_live_left": on_live_left, "on_error": on_error}
        for name, handler in handlers.items():
            check_handler(handler, name)
        return cls(
            client,
            context,
            as_int(recording_id, "recording_id", 0, 2**63 - 1),
            (ChannelUri.parse(str(live_channel)).validate(), stream),
            (
                ChannelUri.parse(str(replay_channel)).validate(),
                as_int(replay_stream_id, "replay_stream_id", -(2**31), 2**31 - 1),
            ),
            begin,
            _Listener(on_live_joined, on_live_left, on_error),
            {
                "state_counter": state_counter,
                "join_difference_counter": join_difference_counter,
                "live_left_counter": live_left_counter,
                "live_joined_counter": live_joined_counter,
            },
        )

    # -- what there is to see

    @property
    def is_live(self) -> bool:
        """Whether messages come from the live stream."""
        return self.state is PersistentSubscriptionState.LIVE

    @property
    def is_replaying(self) -> bool:
        """Whether messages come from the recording."""
        return self.state in (PersistentSubscriptionState.REPLAY, PersistentSubscriptionState.ATTEMPT_SWITCH)

    @property
    def has_failed(self) -> bool:
        """Whether it failed for good; ``failure`` says why."""
        return self.state is PersistentSubscriptionState.FAILED

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    # -- polls

    def poll(self, handler: Callable[[Message], object], limit: int = 10) -> int:
        """Go on with what is to be done, without waiting, and read messages: as :meth:`Subscription.poll`.

        Raises:
            ArchiveError, SettingError: it has failed for good.
            ClosedError: it is closed.
            DriverTimeoutError: the client has lost its driver.
        """
        self._work()
        count = 0

        def hand_on(message: Message) -> None:
            nonlocal count
            if message.position > self.position:
                self.position = message.position
                count += 1
                handler(message)

        source = self._source()
        if source is not None:
            source.poll(hand_on, limit)
        return count

    def poll_messages(self, limit: int = 256) -> list[Message]:
        """As :meth:`poll`, but returns the messages."""
        self._work()
        source = self._source()
        if source is None:
            return []
        found = [message for message in source.poll_messages(limit) if message.position > self.position]
        if found:
            self.position = found[-1].position
        return found

    def controlled_poll(self, handler: Callable[[Message], object], limit: int = 10) -> int:
        """As :meth:`poll`; ``handler`` says what becomes of each message: see :meth:`Subscription.controlled_poll`."""
        self._work()

        count = 0

        def decide(message: Message) -> object:
            nonlocal count
            if message.position <= self.position:
                return PollAction.CONTINUE
            action = handler(message)
            if action is not PollAction.ABORT and action != PollAction.ABORT:
                self.position = message.position
                count += 1
            return action

        source = self._source()
        if source is not None:
            source.controlled_poll(decide, limit)
        return count

    def _source(self) -> Subscription | Image | None:
        if self.is_live:
            return None if self._joined is None or self._joined.closed else self._joined
        return self._replay if self.is_replaying else None

    def _work(self) -> None:
        if self._closed:
            raise ClosedError(f"the subscription to recording {self.recording_id} is closed", operation="poll")
        if self.failure is not None:
            raise self.failure
        self._client._check("poll")
        try:
            next(self._steps)
        except AeronError as error:
            self._steps.close()
            self._drop_replay()
            self._drop_live()
            self._drop_session()
            self.failure = error
            self._set(PersistentSubscriptionState.FAILED)
            self._report(error)
            self._tell_all()
            raise
        self._tell_all()

    # -- the steps

    def _run(self) -> Steps[None]:
        while True:
            try:
                yield from self._become_live()
            except DriverError:
                raise
            except (ArchiveConnectionError, ArchiveLimitError, TimedOutError) as error:
                self._client._check("poll")
                self._drop_replay()
                self._drop_session()
                self._report(error)
                yield from pause(_RETRY_AFTER)
                continue
            self._set(PersistentSubscriptionState.LIVE)
            self._count("live_joined_counter")
            self._tell(self._listener.on_live_joined)
            yield from self._stay_live()
            self._count("live_left_counter")
            self._set(PersistentSubscriptionState.AWAIT_ARCHIVE_CONNECTION)
            self._tell(self._listener.on_live_left)

    def _become_live(self) -> Steps[None]:
        while True:
            session = yield from self._connected()
            recording = yield from self._recording(session)
            if self.position == FROM_LIVE:
                yield from self._join_at_once()
                return
            if not recording.is_active and self.position >= recording.stop_position:
                if (yield from self._join_at_the_end(session)):
                    return
            elif (yield from self._replay_until_live(session, recording)):
                return

    def _connected(self) -> Steps[Session]:
        if self._session is not None and not self._session.handle.closed:
            self._session.drain()
            if self._session.failure is None:
                return self._session
        self._drop_session()
        self._set(PersistentSubscriptionState.AWAIT_ARCHIVE_CONNECTION)
        session = self._session = Session(self._client._handle, self._context, self._report)
        deadline = time.monotonic() + self._limit
        while not session.poll_connected():
            if time.monotonic() >= deadline:
                raise session.connect_timed_out(self._limit)
            yield
        return session

    def _recording(self, session: Session) -> Steps[RecordingDescriptor]:
        self._set(PersistentSubscriptionState.AWAIT_LIST_RECORDING_RESPONSE)
        recording = yield from asked(session, requests.list_recording(self.recording_id), self._limit)
        if recording.stream_id != self._live_stream_id:
            raise SettingError(
                f"recording {self.recording_id} is of stream {recording.stream_id}, not of the live stream "
                f"{self._live_stream_id}",
                operation="PersistentSubscription",
            )
        self._recorded = (recording.initial_term_id, recording.session_id)
        if self.position == FROM_START:
            self.position = recording.start_position
        if self.position == FROM_LIVE:
            return recording
        if self.position < recording.start_position:
            raise InvalidPositionError(
                f"position {self.position} is before {recording.start_position}, where recording {self.recording_id} "
                "begins",
                operation="PersistentSubscription",
            )
        if not recording.is_active and self.position > recording.stop_position:
            raise InvalidPositionError(
                f"position {self.position} is beyond {recording.stop_position}, where recording {self.recording_id} "
                "has stopped",
                operation="PersistentSubscription",
            )
        return recording

    def _join_at_once(self) -> Steps[None]:
        self._set(PersistentSubscriptionState.AWAIT_LIVE)
        self._joined = image = yield from self._live_image()
        self.position = image.join_position

    def _join_at_the_end(self, session: Session) -> Steps[bool]:
        """Wait for the live stream where the recording has stopped; False when the recording goes on after all."""
        self._set(PersistentSubscriptionState.AWAIT_LIVE)
        while True:
            image = yield from self._live_image(wait=_LOOK_EVERY * 5)
            if image is not None and image.join_position <= self.position:
                self._difference(image)
                self._joined = image
                return True
            stop = yield from asked(session, requests.get_stop_position(self.recording_id), self._limit)
            if stop is None or stop > self.position:
                return False
            if image is not None:
                raise ArchiveError(
                    f"recording {self.recording_id} has stopped at {stop}, and the live stream is at "
                    f"{image.join_position} already: what is in between is lost",
                    operation="PersistentSubscription",
                )

    def _replay_until_live(self, session: Session, recording: RecordingDescriptor) -> Steps[bool]:
        """Replay until the live stream takes over, or False when the replay has ended before that."""
        self._set(PersistentSubscriptionState.AWAIT_REPLAY_RESPONSE)
        try:
            yield from self._start_replay(session)
        except ArchiveError:
            # It may have stopped right here after it was listed: then there is nothing to replay.
            stop = yield from asked(session, requests.get_stop_position(self.recording_id), self._limit)
            if stop is None or stop > self.position:
                raise
            self._drop_replay()
            return False
        self._set(PersistentSubscriptionState.REPLAY)
        near, seen, look = recording.term_buffer_length // 4, False, 0.0
        deadline = time.monotonic() + self._limit
        while True:
            assert self._replay is not None
            images = self._replay.images
            seen = seen or bool(images)
            if not seen and time.monotonic() >= deadline:
                raise TimedOutError(
                    f"the replay of recording {self.recording_id} did not arrive on {self._replay.channel} within "
                    f"{self._limit:g} s",
                    operation="PersistentSubscription",
                )
            if seen and all(image.is_end_of_stream or image.closed for image in images) and not self._unread():
                self._drop_replay()
                return False
            if self._live is None and time.monotonic() >= look:
                recorded = yield from asked(session, requests.get_recording_position(self.recording_id), self._limit)
                look = time.monotonic() + _LOOK_EVERY
                if recorded is not None and recorded - self.position <= near:
                    yield from self._add_live()
            if self._live is not None and (image := self._first(self._live)) is not None:
                if self.state is not PersistentSubscriptionState.ATTEMPT_SWITCH:
                    self._difference(image)
                    self._set(PersistentSubscriptionState.ATTEMPT_SWITCH)
                if image.join_position <= self.position:
                    self._joined = image
                    self._drop_replay()
                    return True
            elif self.state is PersistentSubscriptionState.ATTEMPT_SWITCH:
                self._drop_live()
                self._set(PersistentSubscriptionState.REPLAY)
            session.drain()
            if session.late_errors:
                raise session.late_errors.popleft()
            yield

    def _unread(self) -> bool:
        return self._replay is not None and bool(self._replay._poller.pending)

    def _start_replay(self, session: Session) -> Steps[None]:
        channel, port = self._replay_channel, None
        if channel.media == "udp" and (channel.get("endpoint") or "").endswith(":0"):
            # The archive must know the port, which only a subscription finds.
            self._replay = yield from self._added(channel, self._replay_stream_id)
            while not (port := self._replay.local_addresses):
                yield
            endpoint = f"{channel['endpoint'].rpartition(':')[0]}:{port[0].rpartition(':')[2]}"
            channel = channel.with_(endpoint=endpoint)
        params = replay_params(self.position, None, None, None)
        request = requests.replay(self.recording_id, channel, self._replay_stream_id, params)
        self._replay_session_id = yield from asked(session, request, self._limit)
        if self._replay is None:
            own = channel.with_(session_id=signed_32_bits(self._replay_session_id))
            self._replay = yield from self._added(own, self._replay_stream_id)

    def _stay_live(self) -> Steps[None]:
        assert self._live is not None
        assert self._joined is not None
        while not self._joined.closed and self._joined in self._live.images:
            yield
        self._drop_live()

    def _live_image(self, wait: float | None = None) -> Steps[Any]:
        """The live stream's image, waited for; with ``wait`` None after so many seconds."""
        if self._live is None:
            yield from self._add_live()
        assert self._live is not None
        begin = deadline = time.monotonic()
        while (image := self._first(self._live)) is None:
            now = time.monotonic()
            if wait is not None and now >= begin + wait:
                return None
            if now >= deadline + self._limit:
                deadline = now
                self._report(
                    TimedOutError(
                        f"nobody publishes what goes on with recording {self.recording_id} on {self._live_channel}, "
                        f"stream {self._live_stream_id}, since {now - begin:.0f} s: still waiting",
                        operation="PersistentSubscription",
                    )
                )
            yield
        return image

    def _add_live(self) -> Steps[None]:
        self._live = yield from self._added(self._live_channel, self._live_stream_id)

    def _added(self, channel: ChannelUri, stream_id: int) -> Steps[Subscription]:
        pending: Any = self._client._start_add_subscription(channel, stream_id)
        added: Subscription = yield from answered(pending, self._client.driver_timeout)
        return added

    def _first(self, subscription: Subscription) -> Image | None:
        """The image of the stream that was recorded: others may publish there, too."""
        term_id, session_id = self._recorded
        fitting = [image for image in subscription.images if image.constants.initial_term_id == term_id]
        return min(fitting, key=lambda image: image.session_id != session_id, default=None)

    # -- telling

    def _set(self, state: PersistentSubscriptionState) -> None:
        self.state = state
        self._count("state_counter", int(state))

    def _difference(self, image: Image) -> None:
        self.join_difference = image.join_position - self.position
        self._count("join_difference_counter", self.join_difference)

    def _count(self, name: str, value: int | None = None) -> None:
        counter: Counter = getattr(self, name)
        with contextlib.suppress(AeronError):  # the user's own, closed meanwhile
            if value is None:
                counter.add(1)
            else:
                counter.value = value

    def _counter(self, type_id: int, name: str) -> Counter:
        label = f"{name}: {self._replay_stream_id} {self._replay_channel} {self._live_stream_id} {self._live_channel}"
        counter = self._client.add_counter(type_id, label[:380])
        self._own_counters.append(counter)
        return counter

    def _tell(self, handler: Callable[[], object] | None) -> None:
        # Not at once: an exception of a handler must come out of the poll, not end the steps.
        if handler is not None:
            self._to_tell.append(handler)

    def _report(self, error: AeronError) -> None:
        if (handler := self._listener.on_error) is not None:
            self._to_tell.append(lambda: handler(error))

    def _tell_all(self) -> None:
        while self._to_tell:
            self._to_tell.popleft()()

    # -- the end

    def _drop_replay(self) -> None:
        session_id, self._replay_session_id = self._replay_session_id, None
        if session_id is not None and self._session is not None and not self._session.handle.closed:
            with contextlib.suppress(AeronError):
                self._session.send_and_forget(requests.stop_replay(session_id))
        replay, self._replay = self._replay, None
        if replay is not None:
            replay.close()

    def _drop_live(self) -> None:
        live, self._live, self._joined = self._live, None, None
        if live is not None:
            live.close()

    def _drop_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def close(self) -> None:
        """End the replay, the subscriptions and the session. May be called twice."""
        if not self._closed:
            self._closed = True
            self._steps.close()
            self._drop_replay()
            self._drop_live()
            self._drop_session()
            for counter in self._own_counters:
                counter.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<PersistentSubscription of recording {self.recording_id}, {self.state.name}, position {self.position}>"
