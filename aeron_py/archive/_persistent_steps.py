"""How a persistent subscription gets from a recording to its live stream, and back: steps of which none waits."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from aeron_py.archive import requests
from aeron_py.archive._persistent_told import Listener, PersistentSubscriptionState, Told
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
    DriverError,
    InvalidPositionError,
    SettingError,
    TimedOutError,
)
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.client import Client
    from aeron_py.image import Image
    from aeron_py.subscription import Subscription

__all__ = ["FROM_LIVE", "FROM_START", "PersistentSteps"]

FROM_START: Final = -1
"""The position of a persistent subscription that begins where its recording does."""

FROM_LIVE: Final = -2
"""The position of a persistent subscription that begins live, and needs the recording only to come back."""

_LOOK_EVERY = 0.02
_RETRY_AFTER = 0.25


class PersistentSteps(Told):
    """The session with the archive, the replay and the live stream of a :class:`PersistentSubscription`."""

    def __init__(
        self,
        client: Client,
        context: ArchiveContext,
        recording_id: int,
        live: tuple[ChannelUri, int],
        replay: tuple[ChannelUri, int],
        position: int,
        listener: Listener,
    ) -> None:
        super().__init__(client, listener, f"{replay[1]} {replay[0]} {live[1]} {live[0]}", position)
        self._context = context
        self._live_channel, self._live_stream_id = live
        self._replay_channel, self._replay_stream_id = replay
        self._limit = context.message_timeout
        self._session: Session | None = None
        self._replay: Subscription | None = None
        self._replay_session_id: int | None = None
        self._live: Subscription | None = None
        self._joined: Image | None = None
        self._recorded: tuple[int, int] = (0, 0)  # the initial term id, the session id
        self.recording_id = recording_id

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
        near, seen, look, begin = recording.term_buffer_length // 4, False, 0.0, self.position
        deadline = time.monotonic() + self._limit
        while True:
            assert self._replay is not None
            images = self._replay.images
            seen = seen or bool(images)
            if not seen and time.monotonic() >= deadline:
                raise self._not_arrived(f"within {self._limit:g} s")
            if seen and all(image.is_end_of_stream or image.closed for image in images) and not self._unread():
                yield from self._leave_replay(session, self._replay, begin)
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
            self._check_replay(session, begin)
            yield

    def _not_arrived(self, how: str) -> TimedOutError:
        assert self._replay is not None
        return TimedOutError(
            f"the replay of recording {self.recording_id} did not arrive on {self._replay.channel} {how}",
            operation="PersistentSubscription",
        )

    def _check_replay(self, session: Session, begin: int) -> None:
        if session.late_errors:
            error = session.late_errors.popleft()
            # The archive waits some seconds for its subscriber, in which nobody may have polled.
            raise error if self.position > begin else self._not_arrived(f"in time: {error.message}")

    def _leave_replay(self, session: Session, replay: Subscription, begin: int) -> Steps[None]:
        stop = yield from asked(session, requests.get_stop_position(self.recording_id), self._limit)
        self._check_replay(session, begin)
        if stop is not None and replay._reached(stop):
            # After the last message may be padding, or a part of one whose publisher was killed.
            self.position = max(self.position, stop)
        self._drop_replay()

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

    # -- the end of each

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
