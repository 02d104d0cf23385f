"""A replay that is merged into the live stream, in one image over UDP (Aeron's ``ReplayMerge``)."""

from __future__ import annotations

import contextlib
import enum
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aeron_py._closing import Closing
from aeron_py._destinations import change_destination, start_destination
from aeron_py._hot import Message
from aeron_py._waiting import Duration, seconds
from aeron_py.archive import requests
from aeron_py.archive._steps import Steps, answered, asked, pause
from aeron_py.archive.recordings import NULL_POSITION
from aeron_py.archive.replay import replay_params, signed_32_bits
from aeron_py.archive.session import Session
from aeron_py.errors import AeronError, ArchiveError, ClosedError, SettingError, TimedOutError
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.client import Client
    from aeron_py.image import Image
    from aeron_py.subscription import Subscription

__all__ = ["ReplayMerge", "ReplayMergeState"]

REPLAY_DESTINATION: Final = "aeron:udp?endpoint=localhost:0"
_WINDOW_LIMIT = 32 << 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.008, 0.5


class ReplayMergeState(enum.IntEnum):
    """How far a merge is (``ReplayMerge.State``)."""

    RESOLVE_REPLAY_PORT = 0
    GET_RECORDING_POSITION = 1
    REPLAY = 2
    CATCHUP = 3
    ATTEMPT_LIVE_JOIN = 4
    MERGED = 5
    FAILED = 6
    CLOSED = 7


class ReplayMerge(Closing):
    """A replay that becomes live within one image. Made by ``Archive.replay_merge``.

    Call :meth:`poll` or another of its polls until :attr:`is_merged`; from then on the subscription may be polled as
    any other. :meth:`close`, or leaving the ``with`` block, ends the replay if it still goes on; the subscription is
    the caller's, and stays.

    Attributes:
        recording_id: what is replayed.
        subscription: what receives both.
        state: how far it is.
        image: what replay and live stream have in common; None at first.
        is_live_added: whether the live stream is received, too.
        failure: why it failed.
    """

    def __init__(
        self,
        session: Session,
        client: Client,
        subscription: Subscription,
        recording_id: int,
        live_destination: str | ChannelUri,
        *,
        position: int | None,
        replay_destination: str | ChannelUri,
        replay_channel: str | ChannelUri | None,
        progress_timeout: Duration,
    ) -> None:
        self._replay_channel = ChannelUri.parse(str(replay_channel or "aeron:udp"))
        self._replay_destination = ChannelUri.parse(str(replay_destination))
        self._live_destination = ChannelUri.parse(str(live_destination))
        own = ChannelUri.parse(subscription.channel)
        for uri in (own, self._replay_channel, self._replay_destination, self._live_destination):
            if uri.media != "udp":
                raise SettingError(f"a merge needs UDP, not {uri}", operation="replay_merge")
        if own.get("control-mode") != "manual":
            raise SettingError(
                f"the subscription needs control-mode=manual in its channel, not {own}", operation="replay_merge"
            )
        if "endpoint" not in self._replay_destination:
            raise SettingError(f"{self._replay_destination} needs an endpoint", operation="replay_merge")
        self._session, self._client = session, client
        self._begin = position
        self._progress_timeout = seconds(progress_timeout, "progress_timeout")
        self._limit = session.context.message_timeout
        self._replay_session_id: int | None = None
        self._replay_added = False
        self.recording_id = recording_id
        self.subscription = subscription
        self.state = ReplayMergeState.RESOLVE_REPLAY_PORT
        self.image: Image | None = None
        self.is_live_added = False
        self.failure: AeronError | None = None
        self._steps = self._run()
        self._progressed()

    @property
    def is_merged(self) -> bool:
        """Whether the messages come from the live stream alone."""
        return self.state is ReplayMergeState.MERGED

    @property
    def has_failed(self) -> bool:
        """Whether it failed; ``failure`` says why."""
        return self.state is ReplayMergeState.FAILED

    @property
    def position(self) -> int | None:
        """How far it was read; None before it has begun."""
        return None if self.image is None else self.image.position

    def do_work(self) -> ReplayMergeState:
        """Go on as far as can be without waiting. Returns the state.

        Raises:
            TimedOutError: no progress for ``progress_timeout``.
            ArchiveError: the archive refuses, or its session is lost.
            DriverError: the driver refuses.
            ClosedError: it is closed.
        """
        if self.state is ReplayMergeState.CLOSED:
            raise ClosedError(f"the merge of recording {self.recording_id} is closed", operation="do_work")
        if self.failure is not None:
            raise self.failure
        if self.is_merged:
            return self.state
        try:
            next(self._steps, None)
            if not self.is_merged and time.monotonic() > self._last_progress + self._progress_timeout:
                raise TimedOutError(
                    f"the merge of recording {self.recording_id} made no progress in {self._progress_timeout:g} s, "
                    f"at {self.state.name}, position {self.position}",
                    operation="replay_merge",
                )
        except AeronError as error:
            self.failure, self.state = error, ReplayMergeState.FAILED
            raise
        return self.state

    def poll(self, handler: Callable[[Message], object], limit: int = 10) -> int:
        """:meth:`do_work`, then :meth:`Image.poll`; 0 while there is no image.

        Raises as both.
        """
        self.do_work()
        return 0 if self.image is None else self.image.poll(handler, limit)

    def poll_messages(self, limit: int = 256) -> list[Message]:
        """As :meth:`poll`, but returns the messages."""
        self.do_work()
        return [] if self.image is None else self.image.poll_messages(limit)

    def controlled_poll(self, handler: Callable[[Message], object], limit: int = 10) -> int:
        """As :meth:`poll`, with :meth:`Image.controlled_poll`."""
        self.do_work()
        return 0 if self.image is None else self.image.controlled_poll(handler, limit)

    # -- the steps

    def _progressed(self, state: ReplayMergeState | None = None) -> None:
        self._last_progress = time.monotonic()
        if state is not None:
            self.state = state

    def _run(self) -> Steps[None]:
        self._replay_added = True
        yield from self._change("add", self._replay_destination)
        recording = yield from asked(self._session, requests.list_recording(self.recording_id), self._limit)
        self._progressed()
        endpoint = yield from self._resolved()
        self._progressed(ReplayMergeState.GET_RECORDING_POSITION)
        target = yield from self._recorded()

        self._progressed(ReplayMergeState.REPLAY)
        session_id = self._replay_channel.get("session-id") or str(recording.session_id)
        # The archive reads a linger without a unit only.
        channel = self._replay_channel.with_(endpoint=endpoint, session_id=session_id, linger="0", eos=False)
        begin = recording.start_position if self._begin is None else self._begin
        request = requests.replay(
            self.recording_id, channel, self.subscription.stream_id, replay_params(begin, None, None, None)
        )
        self._replay_session_id = yield from asked(self._session, request, self._limit)

        self._progressed(ReplayMergeState.CATCHUP)
        image = yield from self._arrived(signed_32_bits(self._replay_session_id))
        yield from self._read_up_to(image, target)

        self._progressed(ReplayMergeState.ATTEMPT_LIVE_JOIN)
        window = min(image.constants.term_buffer_length // 4, _WINDOW_LIMIT)
        wait = _FIRST_PAUSE
        while True:
            target = yield from self._recorded()
            if not self.is_live_added and target - image.position <= window:
                yield from self._change("add", self._live_destination)
                self.is_live_added = True
                self._progressed()
            if self.is_live_added and image.position >= target and image.active_transport_count >= 2:
                break
            position = image.position
            yield from pause(wait)
            wait = min(2 * wait, _LONGEST_PAUSE)
            yield from self._look_at(image)
            if image.position > position:
                self._progressed()
        self._stop_replay()
        yield from self._change("remove", self._replay_destination)
        self._replay_added = False
        self._progressed(ReplayMergeState.MERGED)

    def _change(self, change: str, destination: ChannelUri) -> Steps[None]:
        pending = start_destination(self._client, self.subscription._handle, "subscription", change, destination)
        yield from answered(pending, self._client.driver_timeout)

    def _resolved(self) -> Steps[str]:
        endpoint = self._replay_destination["endpoint"]
        host, _, port = endpoint.rpartition(":")
        if port != "0":
            return endpoint
        while not (found := self.subscription.local_addresses):
            yield
        return f"{host}:{found[0].rpartition(':')[2]}"

    def _recorded(self) -> Steps[int]:
        wait = _FIRST_PAUSE
        request = requests.get_max_recorded_position(self.recording_id)
        while (position := (yield from asked(self._session, request, self._limit))) == NULL_POSITION:
            yield from pause(wait)
            wait = min(2 * wait, _LONGEST_PAUSE)
        return position

    def _arrived(self, session_id: int) -> Steps[Image]:
        while (image := self.subscription.image_by_session_id(session_id)) is None:
            # Nobody takes what comes late but this.
            self._session.drain()
            self._session.raise_late("replay_merge")
            yield
        self.image = image
        self._progressed()
        return image

    def _read_up_to(self, image: Image, target: int) -> Steps[None]:
        position = image.position
        while position < target:
            yield
            yield from self._look_at(image)
            if image.position > position:
                position = image.position
                self._progressed()

    def _look_at(self, image: Image) -> Steps[None]:
        if image.closed:
            self._session.drain()
            self._session.raise_late("replay_merge")
            # It may be the archive that has gone, and not its replay alone.
            yield from asked(self._session, requests.answer(self.recording_id, "replay_merge"), self._limit)
            raise ArchiveError(
                f"the image of the merge of recording {self.recording_id} ended at {image.position}, in "
                f"{self.state.name}: the replay was stopped, or its packets do not arrive",
                operation="replay_merge",
            )

    # -- the end

    def _stop_replay(self) -> None:
        if self._replay_session_id is not None:
            self._session.send_and_forget(requests.stop_replay(self._replay_session_id))
            self._replay_session_id = None

    def _give_up(self) -> bool:
        """End what goes on; whether the replay's destination is still to be removed."""
        if self.state is ReplayMergeState.CLOSED:
            return False
        self.state = ReplayMergeState.CLOSED
        self._steps.close()
        with contextlib.suppress(AeronError):
            self._stop_replay()
        added, self._replay_added = self._replay_added, False
        return added and not self.subscription.is_closed

    def close(self) -> None:
        """Stop the replay, unless it is merged. The subscription goes on. May be called twice."""
        if self._give_up():
            with contextlib.suppress(AeronError):
                change_destination(
                    self._client, self.subscription._handle, "subscription", "remove", self._replay_destination, None
                )

    def __repr__(self) -> str:
        return f"<ReplayMerge of recording {self.recording_id}, {self.state.name}, position {self.position}>"
