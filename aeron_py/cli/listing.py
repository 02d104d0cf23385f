"""``aeron-py ls`` and ``aeron-py info``: what an archive has."""

from __future__ import annotations

from typing import Any

from aeron_py.archive.client import Archive
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.cli import render


def ls(archive: Archive, *, as_json: bool) -> str:
    """All recordings, one a line."""
    recordings = [_described(archive, recording) for recording in archive.list_recordings()]
    if as_json:
        return render.as_json(recordings)
    return render.table(
        ["id", "stream", "channel", "start", "stop", "bytes", "began (UTC)", "state"],
        [
            [
                recording["recording_id"],
                recording["stream_id"],
                recording["original_channel"],
                recording["start_position"],
                "" if recording["stop_position"] is None else recording["stop_position"],
                recording["bytes"],
                render.time_of(recording["start_timestamp"]),
                recording["state"],
            ]
            for recording in recordings
        ],
    )


def info(archive: Archive, recording_id: int, *, as_json: bool) -> str:
    """All about one recording."""
    recording = _described(archive, archive.list_recording(recording_id))
    return render.as_json(recording) if as_json else render.pairs(recording)


def _described(archive: Archive, recording: RecordingDescriptor) -> dict[str, Any]:
    active = recording.is_active
    reached = archive.get_recording_position(recording.recording_id) if active else recording.stop_position
    if reached is None:  # it stopped just now
        reached = archive.get_stop_position(recording.recording_id) or recording.start_position
    start = recording.start_position
    return {
        "recording_id": recording.recording_id,
        "state": "recording" if active else "stopped",
        "stream_id": recording.stream_id,
        "session_id": recording.session_id,
        "original_channel": recording.original_channel,
        "stripped_channel": recording.stripped_channel,
        "source_identity": recording.source_identity,
        "start_position": start,
        "stop_position": None if active else reached,
        "bytes": reached - start,
        "start_timestamp": recording.start_timestamp,
        "stop_timestamp": None if active else recording.stop_timestamp,
        "initial_term_id": recording.initial_term_id,
        "term_buffer_length": recording.term_buffer_length,
        "segment_file_length": recording.segment_file_length,
        "mtu_length": recording.mtu_length,
    }
