"""One stream, recorded from now until told to stop: new recordings of it, or one that goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aeron_py._waiting import Duration, seconds, wait_for
from aeron_py.archive.client import Archive
from aeron_py.archive.recordings import RecordingDescriptor, SourceLocation
from aeron_py.archive.signals import RecordingSignal
from aeron_py.errors import ArchiveError, SettingError, UnknownRecordingError
from aeron_py.uri import ChannelUri

__all__ = ["StreamProgress", "StreamRecorder", "last_stopped", "publisher_channel"]

# What tells one stream of a channel from another; the rest says how it is sent.
_SAME = ("endpoint", "control", "interface", "session-id", "alias", "tags")


@dataclass(frozen=True, slots=True)
class StreamProgress:
    """How far a recording is.

    Attributes:
        recording_id: which.
        start_position: where it began, or went on.
        position: how far it is.
        stopped: whether it has ended.
    """

    recording_id: int
    start_position: int
    position: int
    stopped: bool


def last_stopped(archive: Archive, channel: str | ChannelUri, stream_id: int) -> RecordingDescriptor | None:
    """The last recording of a channel and stream if it has stopped, None when there is none that can go on.

    Raises:
        ArchiveError: it has not stopped.
    """
    wanted = _identity(channel)
    found = [each for each in archive.list_recordings(stream_id=stream_id) if _recorded_as(each) == wanted]
    if found and found[-1].is_active:
        raise ArchiveError(
            f"recording {found[-1].recording_id} of {channel} stream {stream_id} goes on: stop it first",
            operation="extend",
        )
    return found[-1] if found else None


def publisher_channel(recording: RecordingDescriptor, channel: str | ChannelUri) -> ChannelUri:
    """The channel on which an exclusive publication goes on where a recording stopped."""
    uri = channel if isinstance(channel, ChannelUri) else ChannelUri.parse(channel)
    return uri.with_initial_position(
        recording.stop_position, recording.initial_term_id, recording.term_buffer_length
    ).with_(mtu=recording.mtu_length)


def _recorded_as(recording: RecordingDescriptor) -> tuple[object, ...] | None:
    try:
        return _identity(recording.original_channel)
    except SettingError:  # other programs may record with parameters that we do not take
        return None


def _identity(channel: str | ChannelUri) -> tuple[object, ...]:
    uri = channel if isinstance(channel, ChannelUri) else ChannelUri.parse(channel)
    return (uri.media, *(uri.get(name) for name in _SAME))


class StreamRecorder:
    """Has an archive record a stream; closing it stops the recordings in order.

    Args:
        archive: a session with the archive, which nobody else takes signals from meanwhile.
        channel: what to record.
        stream_id: the stream.
        source_location: whether the publisher is on the archive's media driver.
        extend: the recording to go on with; None for new ones, one for each publisher that comes.
        timeout: seconds to wait for the archive; None for its context's ``message_timeout``.

    Raises:
        ActiveSubscriptionError: the archive records this already.
    """

    def __init__(
        self,
        archive: Archive,
        channel: str | ChannelUri,
        stream_id: int,
        *,
        source_location: SourceLocation = SourceLocation.LOCAL,
        extend: RecordingDescriptor | None = None,
        timeout: Duration | None = None,
    ) -> None:
        self._archive = archive
        self._timeout = archive.context.message_timeout if timeout is None else seconds(timeout, "timeout")
        self._found: dict[int, StreamProgress] = {}
        self._stopped = False
        archive.recording_signals()
        if extend is None:
            self.subscription_id = archive.start_recording(channel, stream_id, source_location, timeout=timeout)
        else:
            self.subscription_id = archive.extend_recording(
                extend.recording_id, channel, stream_id, source_location, timeout=timeout
            )

    def progress(self) -> list[StreamProgress]:
        """The recordings so far, and how far each is.

        Raises:
            ArchiveError: a publisher does not go on where the recording that is to be extended stopped.
        """
        self._take_signals()
        for error in self._archive.poll_errors():
            raise error
        for each in list(self._found.values()):
            if not each.stopped:
                try:
                    position = self._archive.get_recording_position(each.recording_id, timeout=self._timeout)
                except UnknownRecordingError:  # it has ended and was deleted: the signal of its end is here by now
                    self._take_signals()
                    continue
                if position is not None:
                    self._found[each.recording_id] = StreamProgress(
                        each.recording_id, each.start_position, position, False
                    )
        return list(self._found.values())

    def stop(self) -> list[StreamProgress]:
        """Stop, and wait until each recording has its end in the catalog; how far each came. May be called twice.

        What has ended before may have been deleted since.
        """
        if not self._stopped:
            self._stopped = True
            self._archive.try_stop_recording_subscription(self.subscription_id, timeout=self._timeout)
        self._take_signals()
        deadline = time.monotonic() + self._timeout
        for each in list(self._found.values()):
            if each.stopped:
                continue
            try:
                end = self._end_of(each.recording_id, max(0.0, deadline - time.monotonic()))
            except UnknownRecordingError:
                self._take_signals()
                continue
            self._found[each.recording_id] = StreamProgress(each.recording_id, each.start_position, end, True)
        return list(self._found.values())

    def _end_of(self, recording_id: int, timeout: float) -> int:
        return wait_for(
            lambda: self._archive.get_stop_position(recording_id, timeout=self._timeout),
            timeout,
            "stop",
            lambda: f"recording {recording_id} did not stop",
        )

    def _take_signals(self) -> None:
        for event in self._archive.recording_signals():
            if event.subscription_id != self.subscription_id:
                continue
            known = self._found.get(event.recording_id)
            if event.signal in (RecordingSignal.START, RecordingSignal.EXTEND):
                self._found[event.recording_id] = StreamProgress(
                    event.recording_id, event.position, event.position, False
                )
            elif event.signal == RecordingSignal.STOP and known is not None:
                self._found[event.recording_id] = StreamProgress(
                    event.recording_id, known.start_position, event.position, True
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._stopped and self._archive.is_connected:
            self.stop()
