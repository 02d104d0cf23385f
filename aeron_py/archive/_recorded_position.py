"""How far a recording is, told by the archive's ``rec-pos`` counter while it goes on and by the catalog after that."""

from __future__ import annotations

import contextlib
import os
import struct

from aeron_py.archive.catalog import find_recording
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.counters import CounterDescriptor, CountersReader, CounterType
from aeron_py.errors import ArchiveError

__all__ = ["RecordedPosition", "rec_pos_key"]

_KEY = struct.Struct("<qii")  # recording id, session id, length of the source identity; then that, and the archive id
_ARCHIVE_ID = struct.Struct("<q")


def rec_pos_key(key: bytes) -> tuple[int, int, int]:
    """What the key of a ``rec-pos`` counter says: the recording's id, its session, and the archive's id."""
    recording_id, session_id, length = _KEY.unpack_from(key)
    return recording_id, session_id, *_ARCHIVE_ID.unpack_from(key, _KEY.size + length)


class RecordedPosition:
    """A callable that returns the position up to which a recording is on disk, or None when nothing tells.

    Args:
        counters: of the archive's media driver: ``client.counters`` or a ``CountersFile``.
        archive_dir: the archive's directory.
        recording: the recording.
    """

    def __init__(
        self, counters: CountersReader, archive_dir: str | os.PathLike[str], recording: RecordingDescriptor
    ) -> None:
        self._counters = counters
        self._archive_dir = archive_dir
        self._recording = recording
        self._counter: CounterDescriptor | None = None

    def __call__(self) -> int | None:
        counter = self._counter
        if counter is not None:
            value = self._counters.value(counter.counter_id, counter.registration_id)
            if value is not None:
                return value
        self._counter = self._find()
        if self._counter is not None:
            return self._counter.value
        recording = find_recording(self._archive_dir, self._recording.recording_id)
        return None if recording.is_active else recording.stop_position

    def _find(self) -> CounterDescriptor | None:
        # Two archives of one driver may have recordings of one id. Where there is no mark the session tells them apart,
        # but not when the recording was extended.
        archive_id = self._archive_id()
        found = []
        for counter in self._counters.list(CounterType.ARCHIVE_RECORDING_POSITION):
            recording_id, session_id, of_archive = rec_pos_key(counter.key)
            if recording_id == self._recording.recording_id and archive_id in (None, of_archive):
                found.append((session_id == self._recording.session_id, counter))
        return max(found, key=lambda each: each[0], default=(False, None))[1]

    def _archive_id(self) -> int | None:
        with contextlib.suppress(ArchiveError, OSError):
            if (mark := ArchiveMark.read(self._archive_dir)) is not None:
                return mark.archive_id
        return None
