"""What the archive's catalog has of recordings, kept while it holds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aeron_py.archive.catalog import find_recording, read_catalog
from aeron_py.recorder.playback.topics import message_begin

if TYPE_CHECKING:
    from aeron_py.archive.recordings import RecordingDescriptor
    from aeron_py.recorder.playback.part import Part

__all__ = ["Recordings"]


class Recordings:
    """Descriptors by recording id.

    Args:
        archive_dir: of the archive.
    """

    def __init__(self, archive_dir: str | os.PathLike[str]) -> None:
        self._archive_dir = archive_dir
        self._known: dict[int, RecordingDescriptor] = {}

    def find(self, recording_id: int) -> RecordingDescriptor:
        """A recording's.

        Raises:
            UnknownRecordingError: no such recording.
        """
        found = self._known.get(recording_id)
        if found is None:
            self._known = {each.recording_id: each for each in read_catalog(self._archive_dir)}
            found = self._known.get(recording_id)
        return find_recording(self._archive_dir, recording_id) if found is None else found

    def forget(self, recording_id: int) -> None:
        """It may have changed."""
        self._known.pop(recording_id, None)

    def forget_all(self) -> None:
        """All may have changed."""
        self._known = {}

    def span_of(self, part: Part) -> tuple[int, int | None]:
        """Where a replay of a part can begin, at a message, and not in what was purged; and where its recording ends.

        Returns:
            The two positions; the end is None while it is recorded.

        Raises:
            UnknownRecordingError: no such recording.
        """
        recording = self.find(part.recording_id)
        if recording.is_active and part.stop is not None:
            recording = self._known[part.recording_id] = find_recording(self._archive_dir, part.recording_id)
        end = None if recording.is_active else recording.stop_position
        if part.cursor <= recording.start_position:
            return recording.start_position, end
        if end is not None and part.cursor >= end:
            return part.cursor, end
        return max(part.start, message_begin(self._archive_dir, recording, part.cursor, part.limit)), end
