"""The archive's client: what may be asked of an archive."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aeron_py._ffi import ffi, lib
from aeron_py._waiting import Duration, seconds, wait_for
from aeron_py.archive import requests
from aeron_py.archive._catalog_calls import CatalogCalls
from aeron_py.archive._recording_calls import RecordingCalls
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.replay import Replay, is_response_channel, replay_params, replay_subscription
from aeron_py.archive.replay_merge import REPLAY_DESTINATION, ReplayMerge
from aeron_py.archive.session import Session
from aeron_py.archive.signals import RecordingSignalEvent
from aeron_py.errors import AeronError, ArchiveConnectionError, ArchiveError, SettingError, TimedOutError
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.client import Client
    from aeron_py.counters import Counter
    from aeron_py.publication import ExclusivePublication, Publication
    from aeron_py.subscription import Subscription

__all__ = ["Archive"]

_ASK_AGAIN = 0.25
_PAUSE = 0.0005


class Archive(RecordingCalls, CatalogCalls):
    """A session with an archive (``aeron_archive_t``). Make one with :meth:`connect`.

    Any number of threads may use it at once. Each call may raise, besides what it says:

    - ArchiveError: the archive refused; ``archive_code`` says why. Also an error of an earlier request that the
      archive had accepted at first, if no call has raised it yet; what was called then has not been sent.
    - ArchiveConnectionError: the session is lost, connect anew.
    - TimedOutError: no answer within ``timeout``, None for the context's ``message_timeout``.
    - SettingError: an argument is wrong; ClosedError: this was closed.

    Attributes:
        client: the Aeron client that it uses.
        context: how it reached the archive.
        archive_id: the archive's number among those of its media driver.
        control_session_id: the archive's number for this session.
    """

    @classmethod
    def connect(
        cls,
        client: Client,
        context: ArchiveContext | None = None,
        *,
        timeout: Duration | None = None,
        error_handler: Callable[[AeronError], object] | None = None,
        on_recording_signal: Callable[[RecordingSignalEvent], object] | None = None,
    ) -> Archive:
        """Open a session with an archive (``aeron_archive_connect``).

        Args:
            client: the Aeron client to use; it must outlive the session.
            context: how to reach the archive; None for what Aeron's environment variables say.
            timeout: seconds to wait; None for the context's ``message_timeout``.
            error_handler: called with each error that comes when no call waits for it, in the thread of a later call.
            on_recording_signal: called with each recording signal, in the thread of a later call or of
                :meth:`poll_recording_signals`.

        Returns:
            The session.

        Raises:
            TimedOutError: no archive there; the message says which channel, how long, and how far it came.
            ArchiveError: the archive refused, for example the credentials.
            SettingError: a channel or another setting is wrong.
        """
        context = ArchiveContext.from_environment() if context is None else context
        limit = context.message_timeout if timeout is None else seconds(timeout, "timeout")
        for name, handler in (("error_handler", error_handler), ("on_recording_signal", on_recording_signal)):
            if handler is not None and not callable(handler):
                raise SettingError(
                    f"{name} must be callable, not {type(handler).__name__}", operation="Archive.connect"
                )
        session = Session(client._handle, context, error_handler)
        try:
            session.connect(limit)
        except BaseException:
            session.handle.close()
            raise
        return cls(client, session, on_recording_signal)

    def close(self) -> None:
        """End the session. What it had started goes on: recordings, and replays until their subscribers go."""
        self._handle.check_closable()
        self._session.close()

    @property
    def is_connected(self) -> bool:
        """Whether the session is alive, as far as is known here."""
        if self.closed or self._handle.reason is not None:
            return False
        self._session.drain()
        return self._session.failure is None

    # -- signals and errors

    def recording_signals(self) -> list[RecordingSignalEvent]:
        """Take the recording signals that came and that no ``on_recording_signal`` got.

        Signals are of recordings that this session started (``aeron_archive_poll_for_recording_signals``). The last
        4096 are kept until they are taken.
        """
        self._handle.check_open("recording_signals")
        self._session.drain()
        signals = self._session.signals
        return [signals.popleft() for _ in range(len(signals))]

    def poll_recording_signals(self) -> int:
        """Give the recording signals that came to ``on_recording_signal``; returns how many.

        Raises:
            ArchiveError: a late error, as any call does.
        """
        self._handle.check_open("poll_recording_signals")
        self._session.drain()
        self._session.raise_late("poll_recording_signals")
        return self._deliver_signals()

    def poll_errors(self) -> list[AeronError]:
        """Take the errors of earlier requests that came late, instead of having the next call raise one.

        The error handler gets them all the same (``aeron_archive_poll_for_error_response``).
        """
        self._handle.check_open("poll_errors")
        self._session.drain()
        return self._session.take_late()

    # -- positions as they grow

    def await_recorded(
        self,
        publication: Publication | ExclusivePublication,
        position: int | None = None,
        timeout: Duration | None = None,
    ) -> int:
        """Wait until this archive has recorded a publication up to a position.

        It watches the archive's ``rec-pos`` counter, so the publication is on the archive's own media driver.

        Args:
            publication: what is recorded.
            position: in bytes, as ``offer`` returned it; None for all that was published until now.
            timeout: seconds to wait; None for the context's ``message_timeout``.

        Returns:
            The id of its recording.

        Raises:
            TimedOutError: not recorded so far in time; says how far.
            ArchiveError: its recording has stopped before the position.
        """
        wanted = publication.position if position is None else position
        limit = self._limit(timeout)
        session_id, stream_id = publication.session_id, publication.stream_id
        deadline = time.monotonic() + limit
        ask = time.monotonic() + _ASK_AGAIN / 5
        seen: int | None = None
        while True:
            found = self._recorded_position(session_id, stream_id)
            if found is not None:
                recording_id, seen = found
                if seen >= wanted:
                    return recording_id
            now = time.monotonic()
            if found is None and now >= ask:
                ask = now + _ASK_AGAIN
                stopped = self._stopped_recording(session_id, stream_id, limit)
                if stopped is not None and stopped[1] >= wanted:
                    return stopped[0]
                if stopped is not None and self._recorded_position(session_id, stream_id) is None:
                    raise ArchiveError(
                        f"recording {stopped[0]} stopped at {stopped[1]}, before {wanted}", operation="await_recorded"
                    )
            if now >= deadline:
                progress = "no recording of it is under way" if seen is None else f"recorded up to {seen}"
                raise TimedOutError(
                    f"position {wanted} of stream {stream_id}, session {session_id}, was not recorded within "
                    f"{limit:g} s: {progress}",
                    operation="await_recorded",
                )
            self._check_session("await_recorded")
            time.sleep(_PAUSE)

    def _recorded_position(self, session_id: int, stream_id: int) -> tuple[int, int] | None:
        """The recording under way of a publication, and how far it is."""
        recording_id, position = ffi.new("int64_t *", -1), ffi.new("int64_t *")
        self._handle.check_open("await_recorded")
        with self.client._handle.using("await_recorded") as client:
            found = lib.shim_recorded_position(client, self.archive_id, session_id, stream_id, recording_id, position)
        return (recording_id[0], position[0]) if found else None

    def _stopped_recording(self, session_id: int, stream_id: int, limit: float) -> tuple[int, int] | None:
        """The last recording of a publication and where it stopped, if it did."""
        try:
            recording_id = self.find_last_matching_recording("aeron", stream_id, session_id, timeout=limit)
            position = None if recording_id is None else self.get_stop_position(recording_id, timeout=limit)
        except ArchiveConnectionError:
            raise self._session.lost("await_recorded") from None
        return None if recording_id is None or position is None else (recording_id, position)

    def _check_session(self, operation: str) -> None:
        self._session.drain()
        if self._session.failure is not None:
            raise self._session.lost(operation)

    # -- replay

    def start_replay(
        self,
        recording_id: int,
        channel: str | ChannelUri,
        stream_id: int,
        *,
        position: int | None = None,
        length: int | None = None,
        bounding_counter: Counter | int | None = None,
        file_io_max_length: int | None = None,
        timeout: Duration | None = None,
    ) -> Replay:
        """Publish a recording once more (``startReplay``, ``startBoundedReplay``).

        The archive accepts a replay before it finds a subscriber; one that never comes is told later, by an error.

        Args:
            recording_id: what to replay.
            channel: where to.
            stream_id: where to.
            position: where to begin, in bytes, on a frame; None for the start of the recording.
            length: how many bytes; None or ``REPLAY_ALL_AND_FOLLOW`` for all there is, and with a recording that goes
                on, all that comes, too; ``REPLAY_ALL_AND_STOP`` for what there is now.
            bounding_counter: a counter of the same media driver, or its id: the replay goes no further than its value.
                It must exist for as long as the replay; past what is recorded the replay fails.
            file_io_max_length: bytes that the archive reads at a time; None for its default.
            timeout: seconds to wait.

        Returns:
            The replay; :meth:`Replay.subscribe` gets its messages.

        Raises:
            UnknownRecordingError: no such recording; the message tells ids near it.
            InvalidPositionError: the position is not in the recording, or there is nothing to replay.
            ArchiveLimitError: as many replays at once as the archive allows.
        """
        if is_response_channel(channel):
            raise SettingError("a replay on a response channel begins with replay()", operation="start_replay")
        params = replay_params(position, length, bounding_counter, file_io_max_length)
        session_id = self._call(requests.replay(recording_id, channel, stream_id, params), timeout)
        return Replay(self, recording_id, channel, stream_id, session_id)

    def replay(
        self,
        recording_id: int,
        channel: str | ChannelUri,
        stream_id: int,
        *,
        position: int | None = None,
        length: int | None = None,
        bounding_counter: Counter | int | None = None,
        file_io_max_length: int | None = None,
        timeout: Duration | None = None,
        **options: Any,
    ) -> Subscription:
        """Start a replay and subscribe to it (``aeron_archive_replay``).

        Args:
            recording_id, channel, stream_id, position, length, bounding_counter, file_io_max_length, timeout: as for
                :meth:`start_replay`.
            options: as for :meth:`Client.add_subscription`.

        Returns:
            The subscription; closing it, or leaving its ``with`` block, stops the replay. With
            ``control-mode=response`` in the channel the archive answers on the subscription's own way out, so that
            nothing here needs an address that the archive can reach.
        """
        params = replay_params(position, length, bounding_counter, file_io_max_length)
        if is_response_channel(channel):
            subscription = replay_subscription(
                self.client, self._session, recording_id, channel, stream_id, timeout=timeout, **options
            )
            try:
                session_id = self._replay_by_response(subscription, recording_id, channel, stream_id, params, timeout)
            except BaseException:
                subscription.close()
                raise
        else:
            session_id = self._call(requests.replay(recording_id, channel, stream_id, params), timeout)
            try:
                replay = Replay(self, recording_id, channel, stream_id, session_id)
                subscription = replay.subscribe(timeout=timeout, **options)
            except BaseException:
                self._stop_replay_quietly(session_id)
                raise
        handle, release = subscription._handle, subscription._handle._release
        session, stop = self._session, requests.stop_replay(session_id)

        def stop_and_release(pointer: Any) -> None:
            session.send_and_forget(stop)
            release(pointer)

        handle._release = stop_and_release
        return subscription

    def _replay_by_response(
        self,
        subscription: Subscription,
        recording_id: int,
        channel: str | ChannelUri,
        stream_id: int,
        params: Any,
        timeout: Duration | None,
    ) -> int:
        """Have a replay sent back on the way of a publication of its own, which a token ties to this session."""
        limit = self._limit(timeout)
        params.replay_token = self._call(requests.request_replay_token(recording_id), timeout)
        way = ChannelUri.parse(str(self.context.control_request_channel)).with_(
            response_correlation_id=subscription.registration_id, term_length=64 * 1024, session_id=None
        )
        with self.client.add_exclusive_publication(
            way, self.context.control_request_stream_id, timeout=timeout
        ) as publication:
            wait_for(
                lambda: (publication.is_connected and publication.position_limit > 0) or None,
                limit,
                "replay",
                lambda: f"the archive at {self._session.where} did not answer within {limit:g} s",
            )
            request = requests.replay_over(publication._handle, recording_id, channel, stream_id, params)
            return self._call(request, timeout)

    def replay_merge(
        self,
        subscription: Subscription,
        recording_id: int,
        live_destination: str | ChannelUri,
        *,
        position: int | None = None,
        replay_destination: str | ChannelUri = REPLAY_DESTINATION,
        replay_channel: str | ChannelUri | None = None,
        progress_timeout: Duration = 5.0,
    ) -> ReplayMerge:
        """Replay a recording into a subscription, where the live stream takes over in the same image (``ReplayMerge``).

        The two must be of one session: the recording's own publication, over UDP, still running.

        Args:
            subscription: of the live stream's id, with ``control-mode=manual``; nobody else may add destinations to it.
            recording_id: what to replay.
            live_destination: where the live stream arrives, for example ``"aeron:udp?endpoint=localhost:40123"``, or
                with ``control`` for a publisher with destinations.
            position: where to begin, in bytes, on a frame; None for the start of the recording.
            replay_destination: where the replay arrives; port 0 for any free one.
            replay_channel: more parameters for the archive's publication, for example ``aeron:udp?ttl=2``.
            progress_timeout: seconds without progress after which it fails.

        Raises:
            SettingError: a channel that is not UDP, or no ``control-mode=manual``.
        """
        return ReplayMerge(
            self._session,
            self.client,
            subscription,
            recording_id,
            live_destination,
            position=position,
            replay_destination=replay_destination,
            replay_channel=replay_channel,
            progress_timeout=progress_timeout,
        )

    def stop_replay(self, replay: Replay | int, *, timeout: Duration | None = None) -> None:
        """Stop a replay (``stopReplay``). One that has ended is no error.

        Args:
            replay: the replay, or its ``replay_session_id``.
            timeout: seconds to wait.
        """
        session_id = replay.replay_session_id if isinstance(replay, Replay) else replay
        self._call(requests.stop_replay(session_id), timeout)

    def stop_all_replays(self, recording_id: int | None = None, *, timeout: Duration | None = None) -> None:
        """Stop all replays of a recording, or with None of every recording (``stopAllReplays``)."""
        self._call(requests.stop_all_replays(recording_id), timeout)

    def _stop_replay_quietly(self, replay_session_id: int) -> None:
        self._session.send_and_forget(requests.stop_replay(replay_session_id))
