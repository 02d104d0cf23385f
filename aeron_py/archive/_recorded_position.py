"""How far a recording is, told by the archive's ``rec-pos`` counter while it goes on and by the catalog after that."""

from __future__ import annotations

import os
import struct

from aeron_py.archive.catalog import find_recording
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.counters import CounterDescriptor, CountersReader

__all__ = ["RecordedPosition"]

_REC_POS = 100
_KEY = struct.Struct("<qi")  # recording id, session id


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
        # Two archives of one driver may have recordings of one id: the session tells, but for an extended recording.
        wanted = self._recording.recording_id, self._recording.session_id
        found = [
            (_KEY.unpack_from(counter.key) == wanted, counter)
            for counter in self._counters.list(_REC_POS)
            if _KEY.unpack_from(counter.key)[0] == wanted[0]
        ]
        return max(found, key=lambda each: each[0], default=(False, None))[1]
