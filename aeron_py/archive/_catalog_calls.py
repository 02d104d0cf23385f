"""The archive's calls about what it has: the catalog, positions, segment files."""

from __future__ import annotations

from aeron_py._waiting import Duration
from aeron_py.archive import requests
from aeron_py.archive._session_owner import SessionOwner
from aeron_py.archive.recordings import RecordingDescriptor, RecordingSubscription
from aeron_py.uri import ChannelUri


class CatalogCalls(SessionOwner):
    """Ask about recordings, and shorten, move or delete them."""

    def list_recordings(
        self,
        channel: str | None = None,
        stream_id: int | None = None,
        *,
        from_recording_id: int = 0,
        limit: int | None = None,
        timeout: Duration | None = None,
    ) -> list[RecordingDescriptor]:
        """The recordings, in the order of their ids (``listRecordings``, ``listRecordingsForUri``).

        Args:
            channel: only those with this text in the channel that they were started with.
            stream_id: only those of this stream.
            from_recording_id: the lowest id.
            limit: at most so many.
            timeout: seconds to wait; each descriptor that comes gives the next one its time again.
        """
        return self._call(requests.list_recordings(channel, stream_id, from_recording_id, limit), timeout)

    def list_recording(self, recording_id: int, *, timeout: Duration | None = None) -> RecordingDescriptor:
        """One recording (``listRecording``).

        Raises:
            UnknownRecordingError: there is none of that id.
        """
        return self._call(requests.list_recording(recording_id), timeout)

    def list_recording_subscriptions(
        self,
        channel: str = "",
        stream_id: int | None = None,
        *,
        first: int = 0,
        limit: int | None = None,
        timeout: Duration | None = None,
    ) -> list[RecordingSubscription]:
        """What the archive listens to (``listRecordingSubscriptions``).

        Args:
            channel: only those with this text in their channel.
            stream_id: only those of this stream.
            first: how many to leave out at the beginning.
            limit: at most so many.
            timeout: seconds to wait.
        """
        return self._call(requests.list_recording_subscriptions(channel, stream_id, first, limit), timeout)

    def find_last_matching_recording(
        self,
        channel: str,
        stream_id: int,
        session_id: int,
        *,
        min_recording_id: int = 0,
        timeout: Duration | None = None,
    ) -> int | None:
        """The highest id of the recordings of a publication, None when there is none (``findLastMatchingRecording``).

        Args:
            channel: text in the channel that the recording was started with.
            stream_id: its stream.
            session_id: its publication's session.
            min_recording_id: the lowest id.
            timeout: seconds to wait.
        """
        request = requests.find_last_matching_recording(channel, stream_id, session_id, min_recording_id)
        return self._call(request, timeout)

    def get_start_position(self, recording_id: int, *, timeout: Duration | None = None) -> int:
        """The first position in a recording, in bytes (``getStartPosition``).

        Raises:
            UnknownRecordingError: there is none of that id.
        """
        return self._call(requests.get_start_position(recording_id), timeout)

    def get_stop_position(self, recording_id: int, *, timeout: Duration | None = None) -> int | None:
        """Where a recording ended, None while it goes on (``getStopPosition``).

        Raises:
            UnknownRecordingError: there is none of that id.
        """
        return self._call(requests.get_stop_position(recording_id), timeout)

    def get_recording_position(self, recording_id: int, *, timeout: Duration | None = None) -> int | None:
        """How far a recording that goes on has come, None when it has ended (``getRecordingPosition``).

        Raises:
            UnknownRecordingError: there is none of that id.
        """
        return self._call(requests.get_recording_position(recording_id), timeout)

    def get_max_recorded_position(self, recording_id: int, *, timeout: Duration | None = None) -> int:
        """How far a recording has come, whether it goes on or not (``getMaxRecordedPosition``).

        Raises:
            UnknownRecordingError: there is none of that id.
        """
        return self._call(requests.get_max_recorded_position(recording_id), timeout)

    def truncate_recording(self, recording_id: int, position: int, *, timeout: Duration | None = None) -> int:
        """Cut off the end of a stopped recording (``truncateRecording``).

        Args:
            recording_id: the recording.
            position: where it shall end: where a message ends, as ``Message.position`` has it. The archive refuses
                one that is in the middle of a message, but the recording ends there all the same.
            timeout: seconds to wait.

        Returns:
            How many segment files were deleted.

        Raises:
            ActiveRecordingError: it goes on.
        """
        return self._call(requests.truncate_recording(recording_id, position), timeout)

    def purge_recording(self, recording_id: int, *, timeout: Duration | None = None) -> int:
        """Delete a stopped recording with its files (``purgeRecording``); returns how many files."""
        return self._call(requests.purge_recording(recording_id), timeout)

    def detach_segments(self, recording_id: int, new_start_position: int, *, timeout: Duration | None = None) -> None:
        """Move the start of a recording, and leave the files before it where they are (``detachSegments``).

        Args:
            recording_id: the recording.
            new_start_position: where a segment file begins: see
                :meth:`RecordingDescriptor.segment_file_base_position`.
            timeout: seconds to wait.
        """
        self._call(requests.detach_segments(recording_id, new_start_position), timeout)

    def delete_detached_segments(self, recording_id: int, *, timeout: Duration | None = None) -> int:
        """Delete the files before the start of a recording (``deleteDetachedSegments``); returns how many."""
        return self._call(requests.delete_detached_segments(recording_id), timeout)

    def purge_segments(self, recording_id: int, new_start_position: int, *, timeout: Duration | None = None) -> int:
        """:meth:`detach_segments` and :meth:`delete_detached_segments` in one (``purgeSegments``)."""
        return self._call(requests.purge_segments(recording_id, new_start_position), timeout)

    def attach_segments(self, recording_id: int, *, timeout: Duration | None = None) -> int:
        """Take files before the start of a recording into it again (``attachSegments``); returns how many."""
        return self._call(requests.attach_segments(recording_id), timeout)

    def migrate_segments(
        self, source_recording_id: int, target_recording_id: int, *, timeout: Duration | None = None
    ) -> int:
        """Move the files of a stopped recording to one that joins it (``migrateSegments``); returns how many."""
        return self._call(requests.migrate_segments(source_recording_id, target_recording_id), timeout)

    def update_channel(self, recording_id: int, channel: str | ChannelUri, *, timeout: Duration | None = None) -> None:
        """Change the channel under which a recording is listed (``updateChannel``)."""
        self._call(requests.update_channel(recording_id, channel), timeout)
