"""Recording signals: what the archive tells a session about the recordings that it started."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

__all__ = ["RecordingSignal", "RecordingSignalEvent"]


class RecordingSignal(enum.IntEnum):
    """What happened to a recording (``aeron_archive_client_recording_signal_t``)."""

    START = 0
    STOP = 1
    EXTEND = 2
    REPLICATE = 3
    MERGE = 4
    SYNC = 5
    DELETE = 6
    REPLICATE_END = 7


@dataclass(frozen=True, slots=True)
class RecordingSignalEvent:
    """A change in one recording (``aeron_archive_recording_signal_t``).

    Attributes:
        recording_id: the recording.
        subscription_id: the subscription that records it, as ``start_recording`` returned it; -1 for none.
        position: where the recording was then, in bytes.
        signal: what happened; a plain int when this version does not know it.
        correlation_id: the number of the request that it came of, or of the replication.
    """

    recording_id: int
    subscription_id: int
    position: int
    signal: RecordingSignal | int
    correlation_id: int = field(default=-1, compare=False)


def signal_from_code(code: int) -> RecordingSignal | int:
    """The signal of that number, or the number."""
    return RecordingSignal(code) if code in RecordingSignal.__members__.values() else code
