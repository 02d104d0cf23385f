"""``aeron-py record``: a recorder in the foreground; and the topics that recorders have recorded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from aeron_py.cli import render
from aeron_py.cli.refusals import raise_refusal, refusals_explained
from aeron_py.cli.stopping import StopSignal
from aeron_py.recorder.config import load
from aeron_py.recorder.filters import RecordingFilter
from aeron_py.recorder.service import Recorder
from aeron_py.recorder.timeindex import TimeIndex
from aeron_py.recorder.when import format_time

_LOOK_EVERY = 0.25


def record(stop: StopSignal, config: Path, *, as_json: bool) -> int:
    """Run a recorder until told to stop.

    Args:
        stop: what tells so.
        config: the configuration's file.
        as_json: print one line of JSON once the media driver's directory is known.

    Returns:
        the exit status.

    Raises:
        ArchiveError: the archive does not let it begin.
    """
    loaded = load(config)
    with Recorder(loaded, on_event=lambda text: print(text, file=sys.stderr, flush=True)) as recorder:
        told = {
            "aeron_dir": recorder.aeron_dir,
            "archive_dir": str(Path(loaded.archive_dir).absolute()),
            "record": loaded.record,
            "play": loaded.play,
        }
        print(render.as_json(told) if as_json else render.pairs(told), flush=True)
        with refusals_explained(loaded.archive.credentials_file, f"archive.credentials_file in {config}"):
            while not stop.wait(_LOOK_EVERY):
                if not recorder.has_run:
                    # Later it waits instead: what it has recorded goes on when somebody gives it other credentials.
                    raise_refusal(recorder)
    return 0


def topics(archive_dir: Path, wanted: RecordingFilter) -> list[dict[str, Any]]:
    """The topics in the history of an archive directory, of the streams that are wanted."""
    with TimeIndex.open(archive_dir) as index:
        positions = index.latest().positions
        chosen = {topic: [each for each in all_ if wanted.takes_stream(each)] for topic, all_ in index.topics.items()}
        return [_topic(topic, streams, positions) for topic, streams in sorted(chosen.items()) if streams]


def _topic(topic: str, streams: list[Any], positions: dict[int, tuple[int, int]]) -> dict[str, Any]:
    ends = [positions.get(each.index, (0, each.start_position))[1] for each in streams]
    closed = [each.closed_ns for each in streams]
    return {
        "topic": topic,
        "recordings": sorted({each.recording_id for each in streams}),
        "bytes": sum(end - each.start_position for end, each in zip(ends, streams, strict=True)),
        "began_ns": min(each.opened_ns for each in streams),
        "ended_ns": None if None in closed else max(closed),
    }


def ls(found: list[dict[str, Any]], *, as_json: bool) -> str:
    """Topics, one a line."""
    if as_json:
        return render.as_json(found)
    return render.table(
        ["topic", "recordings", "bytes", "began (UTC)", "ended (UTC)"],
        [
            [
                each["topic"],
                len(each["recordings"]),
                each["bytes"],
                _moment(each["began_ns"]),
                "goes on" if each["ended_ns"] is None else _moment(each["ended_ns"]),
            ]
            for each in found
        ],
    )


def _moment(time_ns: int) -> str:
    return format_time(time_ns // 10**9 * 10**9)
