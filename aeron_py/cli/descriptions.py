"""What an archive has, asked of it or, when it does not run, of its disk; and how that looks."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aeron_py.archive.catalog import find_recording, read_catalog
from aeron_py.archive.client import Archive
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.cli import render
from aeron_py.errors import UnknownRecordingError
from aeron_py.recorder.when import format_time

if TYPE_CHECKING:
    from aeron_py.recorder.filters import RecordingFilter
    from aeron_py.recorder.timeline import TopicLine


def of_archive(archive: Archive, wanted: RecordingFilter) -> list[dict[str, Any]]:
    """Recordings of an archive that runs."""
    found = []
    for recording in archive.list_recordings():
        if wanted.takes_recording(recording):
            with contextlib.suppress(UnknownRecordingError):  # it has stopped and was deleted since it was listed
                found.append(_live(archive, recording))
    return found


def one_of_archive(archive: Archive, recording_id: int) -> dict[str, Any]:
    """One recording of an archive that runs."""
    return _live(archive, archive.list_recording(recording_id))


def of_directory(archive_dir: Path, wanted: RecordingFilter) -> list[dict[str, Any]]:
    """Recordings of an archive that does not run."""
    return [_on_disk(recording) for recording in read_catalog(archive_dir) if wanted.takes_recording(recording)]


def one_of_directory(archive_dir: Path, recording_id: int) -> dict[str, Any]:
    """One recording of an archive that does not run."""
    return _on_disk(find_recording(archive_dir, recording_id))


def ls(recordings: list[dict[str, Any]], *, as_json: bool) -> str:
    """Recordings, one a line."""
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
                _or_blank(recording["stop_position"]),
                _or_blank(recording["bytes"]),
                render.time_of(recording["start_timestamp"]),
                recording["state"],
            ]
            for recording in recordings
        ],
    )


def info(recording: dict[str, Any], *, as_json: bool) -> str:
    """All about one recording."""
    if as_json:
        return render.as_json(recording)
    return render.pairs({name: _or_blank(value) for name, value in recording.items()})


def topic(line: TopicLine) -> dict[str, Any]:
    """A topic, and when it was recorded."""
    return {
        "topic": line.topic,
        "recordings": sorted({each.recording_id for each in line.intervals}),
        "bytes": line.bytes,
        "began": format_time(line.intervals[0].began_ns),
        "ended": None if line.intervals[-1].ended_ns is None else format_time(line.intervals[-1].ended_ns),
        "intervals": [
            {
                "recording_id": each.recording_id,
                "session_id": each.session_id,
                "began_ns": each.began_ns,
                "ended_ns": each.ended_ns,
                "start_position": each.start_position,
                "stop_position": each.stop_position,
                "journal": each.journal,
            }
            for each in line.intervals
        ],
    }


def _or_blank(value: object) -> object:
    return "" if value is None else value


def _live(archive: Archive, recording: RecordingDescriptor) -> dict[str, Any]:
    if not recording.is_active:
        return _described(recording, "stopped", recording.stop_position)
    reached = archive.get_recording_position(recording.recording_id)
    if reached is None:  # it stopped just now
        reached = archive.get_stop_position(recording.recording_id)
    return _described(recording, "recording", reached)


def _on_disk(recording: RecordingDescriptor) -> dict[str, Any]:
    if recording.is_active:  # killed: where it ends is found out when the archive is started again
        return _described(recording, "unfinished", None)
    return _described(recording, "stopped", recording.stop_position)


def _described(recording: RecordingDescriptor, state: str, reached: int | None) -> dict[str, Any]:
    return {
        "recording_id": recording.recording_id,
        "state": state,
        "stream_id": recording.stream_id,
        "session_id": recording.session_id,
        "original_channel": recording.original_channel,
        "stripped_channel": recording.stripped_channel,
        "source_identity": recording.source_identity,
        "start_position": recording.start_position,
        "stop_position": None if recording.is_active else recording.stop_position,
        "bytes": None if reached is None else reached - recording.start_position,
        "start_timestamp": recording.start_timestamp,
        "stop_timestamp": None if recording.is_active else recording.stop_timestamp,
        "initial_term_id": recording.initial_term_id,
        "term_buffer_length": recording.term_buffer_length,
        "segment_file_length": recording.segment_file_length,
        "mtu_length": recording.mtu_length,
    }
