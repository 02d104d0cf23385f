"""The archive's numbers in Python are those of Aeron's headers."""

from __future__ import annotations

from aeron_py._ffi import lib
from aeron_py.archive.recordings import NULL_POSITION, SourceLocation
from aeron_py.archive.replay import REPLAY_ALL_AND_FOLLOW, REPLAY_ALL_AND_STOP
from aeron_py.archive.signals import RecordingSignal


def test_source_locations() -> None:
    for location in SourceLocation:
        assert location == getattr(lib, f"AERON_ARCHIVE_SOURCE_LOCATION_{location.name}")


def test_recording_signals() -> None:
    for signal in RecordingSignal:
        assert signal == getattr(lib, f"AERON_ARCHIVE_CLIENT_RECORDING_SIGNAL_{signal.name}")


def test_positions_and_lengths() -> None:
    assert lib.AERON_NULL_POSITION == NULL_POSITION
    assert lib.ARCHIVE_REPLAY_ALL_AND_FOLLOW == REPLAY_ALL_AND_FOLLOW
    assert lib.ARCHIVE_REPLAY_ALL_AND_STOP == REPLAY_ALL_AND_STOP
