"""The archive's calls that start and stop recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aeron_py._waiting import Duration
from aeron_py.archive import requests
from aeron_py.archive._session_owner import SessionOwner
from aeron_py.archive.recordings import SourceLocation
from aeron_py.archive.replication import Replication, begin_replication
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.publication import ExclusivePublication, Publication

P = TypeVar("P", "Publication", "ExclusivePublication")
Channel = str | ChannelUri


class RecordingCalls(SessionOwner):
    """Start and stop recordings."""

    def start_recording(
        self,
        channel: Channel,
        stream_id: int,
        source_location: SourceLocation = SourceLocation.LOCAL,
        auto_stop: bool = False,
        *,
        timeout: Duration | None = None,
    ) -> int:
        """Record every publication on a channel and stream, those that come later too (``startRecording``).

        The recording of a publication begins where the archive joins it; :meth:`await_recorded` tells when.

        Args:
            channel: which; with ``session-id`` only that publication.
            stream_id: which.
            source_location: whether the publications are on the archive's own media driver.
            auto_stop: whether to stop listening when the first of them ends.
            timeout: seconds to wait.

        Returns:
            The subscription id, for :meth:`stop_recording_subscription`.

        Raises:
            ActiveSubscriptionError: this archive records channel and stream already.
        """
        return self._call(requests.start_recording(channel, stream_id, source_location, auto_stop), timeout)

    def extend_recording(
        self,
        recording_id: int,
        channel: Channel,
        stream_id: int,
        source_location: SourceLocation = SourceLocation.LOCAL,
        auto_stop: bool = False,
        *,
        timeout: Duration | None = None,
    ) -> int:
        """Go on with a recording that was stopped (``extendRecording``).

        The publication must begin where the recording stopped, with the same initial term id, term length and MTU:
        see :meth:`ChannelUri.with_initial_position`. One that does not match is told later, by an error.

        Args:
            recording_id: the recording to go on with.
            channel, stream_id, source_location, auto_stop, timeout: as for :meth:`start_recording`.

        Returns:
            The subscription id.
        """
        request = requests.extend_recording(recording_id, channel, stream_id, source_location, auto_stop)
        return self._call(request, timeout)

    def stop_recording(self, channel: Channel, stream_id: int, *, timeout: Duration | None = None) -> None:
        """Stop what :meth:`start_recording` started with the same arguments (``stopRecording``).

        The stop position is in the catalog a moment later, when the archive sends the signal STOP.

        Raises:
            ArchiveError: UNKNOWN_SUBSCRIPTION, nothing records there.
        """
        self._call(requests.stop_recording(channel, stream_id, tolerate=False), timeout)

    def try_stop_recording(self, channel: Channel, stream_id: int, *, timeout: Duration | None = None) -> bool:
        """As :meth:`stop_recording`; returns False instead when nothing records there (``tryStopRecording``)."""
        return self._call(requests.stop_recording(channel, stream_id, tolerate=True), timeout)

    def stop_recording_subscription(self, subscription_id: int, *, timeout: Duration | None = None) -> None:
        """Stop by the id that :meth:`start_recording` returned (``stopRecording``).

        Raises:
            ArchiveError: UNKNOWN_SUBSCRIPTION.
        """
        self._call(requests.stop_recording_subscription(subscription_id, tolerate=False), timeout)

    def try_stop_recording_subscription(self, subscription_id: int, *, timeout: Duration | None = None) -> bool:
        """As :meth:`stop_recording_subscription`; returns False instead when there is none of that id."""
        return self._call(requests.stop_recording_subscription(subscription_id, tolerate=True), timeout)

    def stop_recording_by_identity(self, recording_id: int, *, timeout: Duration | None = None) -> bool:
        """Stop one recording (``tryStopRecordingByIdentity``); returns whether it was being written."""
        return self._call(requests.stop_recording_by_identity(recording_id), timeout)

    def stop_recording_publication(
        self, publication: Publication | ExclusivePublication, *, timeout: Duration | None = None
    ) -> None:
        """Stop what :meth:`add_recorded_publication` started (``aeron_archive_stop_recording_publication``)."""
        self.stop_recording(_channel_of(publication), publication.stream_id, timeout=timeout)

    def add_recorded_publication(
        self, channel: Channel, stream_id: int, *, timeout: Duration | None = None
    ) -> Publication:
        """Add a publication and have this session of it recorded (``aeron_archive_add_recorded_publication``)."""
        return self._recorded(self.client.add_publication(channel, stream_id, timeout=timeout), timeout)

    def add_recorded_exclusive_publication(
        self, channel: Channel, stream_id: int, *, timeout: Duration | None = None
    ) -> ExclusivePublication:
        """As :meth:`add_recorded_publication`, with an exclusive publication."""
        return self._recorded(self.client.add_exclusive_publication(channel, stream_id, timeout=timeout), timeout)

    def _recorded(self, publication: P, timeout: Duration | None) -> P:
        try:
            self.start_recording(_channel_of(publication), publication.stream_id, timeout=timeout)
        except BaseException:
            publication.close()
            raise
        return publication

    def replicate(
        self,
        source_recording_id: int,
        source_control_channel: Channel,
        source_control_stream_id: int,
        *,
        stop_position: int | None = None,
        recording_id: int | None = None,
        live_destination: Channel | None = None,
        replication_channel: Channel | None = None,
        source_response_channel: Channel | None = None,
        channel_tag_id: int | None = None,
        subscription_tag_id: int | None = None,
        file_io_max_length: int | None = None,
        session_id: int | None = None,
        credentials: bytes | None = None,
        timeout: Duration | None = None,
    ) -> Replication:
        """Copy a recording of another archive into this one (``replicate``).

        A recording that goes on is followed until it stops, unless there is a ``stop_position``; or, with a
        ``live_destination``, until the copy has caught up and goes on from the live stream.

        Args:
            source_recording_id: the recording there.
            source_control_channel: where the other archive takes requests.
            source_control_stream_id: the stream there.
            stop_position: where to end, with the message that reaches it; None for no end.
            recording_id: the recording here to go on with, from where it stopped; None for a new one.
            live_destination: where to join the live stream when the copy has caught up: a destination of a
                multi-destination subscription of this archive.
            replication_channel: what the copy comes over; None for this archive's default.
            source_response_channel: the control address of the other archive, for response channels.
            channel_tag_id, subscription_tag_id: tags of this archive's subscription, so that others of its media driver
                can join it (``aeron:udp?tags=...``) and add destinations.
            file_io_max_length: bytes that the other archive reads at a time.
            session_id: of the recording here, when it is to be another than the source's.
            credentials: for the other archive.
            timeout: seconds to wait for this archive; the other one is waited for later.

        Returns:
            The replication, which tells how it goes, waits and is resumed.

        Raises:
            UnknownRecordingError: no ``recording_id`` here; that there is none at the source is told later.
            ActiveRecordingError: ``recording_id`` is being written.
        """
        begin = begin_replication(
            source_recording_id,
            source_control_channel,
            source_control_stream_id,
            stop_position=stop_position,
            live_destination=live_destination,
            replication_channel=replication_channel,
            source_response_channel=source_response_channel,
            channel_tag_id=channel_tag_id,
            subscription_tag_id=subscription_tag_id,
            file_io_max_length=file_io_max_length,
            session_id=session_id,
            credentials=credentials,
        )
        followed = self._call(begin(recording_id), timeout)
        return Replication(
            self,
            begin,
            followed,
            source_recording_id=source_recording_id,
            recording_id=recording_id,
            stop_position=stop_position,
        )

    def stop_replication(self, replication: Replication | int, *, timeout: Duration | None = None) -> bool:
        """Stop a replication (``tryStopReplication``); returns whether it went on until then.

        Args:
            replication: the replication, or its ``replication_id``.
            timeout: seconds to wait.
        """
        if isinstance(replication, Replication):
            return replication.stop(timeout=timeout)
        return self._call(requests.stop_replication(replication), timeout)


def _channel_of(publication: Publication | ExclusivePublication) -> ChannelUri:
    return ChannelUri.parse(publication.channel).with_(session_id=publication.session_id)
