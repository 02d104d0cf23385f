"""``aeron-py record-stream``: one stream, recorded in the foreground."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from aeron_py.cli import render
from aeron_py.cli.options import (
    DEFAULT_ARCHIVE_DIR,
    DEFAULT_CONTROL_STREAM_ID,
    DEFAULT_TIMEOUT,
    STREAM_IDS,
    AeronDir,
    ArchiveDir,
    AsJson,
    ControlChannel,
    ControlStreamId,
    CredentialsFile,
    Timeout,
    a_channel,
    a_duration,
    a_size,
    connected,
)

if TYPE_CHECKING:
    from aeron_py.archive.stream_recorder import StreamProgress

_LOOK_EVERY = 0.1


def record_stream(
    context: typer.Context,
    channel: Annotated[
        str,
        typer.Argument(
            help="The channel: aeron:ipc, aeron:udp?endpoint=224.0.1.1:40456.", metavar="CHANNEL", callback=a_channel
        ),
    ],
    stream_id: Annotated[int, typer.Argument(help="The stream there.", metavar="STREAM_ID", **STREAM_IDS)],
    extend: Annotated[
        bool,
        typer.Option(
            "--extend",
            help="Go on with the last recording of this channel and stream, if there is one and it has stopped. Says "
            "which channel its publisher has to use.",
        ),
    ] = False,
    remote: Annotated[
        bool, typer.Option("--remote", help="The publisher is on another machine than the archive's media driver.")
    ] = False,
    until_bytes: Annotated[
        str | None, typer.Option("--until-bytes", help="Stop when so much was recorded: 64k, 10GB.", callback=a_size)
    ] = None,
    duration: Annotated[
        str | None, typer.Option("--for", help="Stop after this time: 90s, 1h30m.", callback=a_duration)
    ] = None,
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    aeron_dir: AeronDir = None,
    control_channel: ControlChannel = None,
    control_stream_id: ControlStreamId = DEFAULT_CONTROL_STREAM_ID,
    credentials_file: CredentialsFile = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Record one stream with the archive that runs, until SIGINT or SIGTERM, which end it in order, with status 0.

    Each publisher that comes gets a recording of its own. Each recording is told when it begins, and how far it came
    at the end; a terminal shows how far they are meanwhile.
    """
    from rich.console import Console

    from aeron_py.archive.recordings import SourceLocation
    from aeron_py.archive.stream_recorder import StreamRecorder, last_stopped, publisher_channel
    from aeron_py.cli.stopping import StopSignal
    from aeron_py.recorder.units import parse_duration, parse_size

    stop: StopSignal = context.obj or StopSignal()
    most = None if until_bytes is None else parse_size(until_bytes)
    deadline = None if duration is None else time.monotonic() + parse_duration(duration)
    console = Console(stderr=True)
    with connected(archive_dir, aeron_dir, control_channel, control_stream_id, credentials_file, timeout) as archive:
        extended = last_stopped(archive, channel, stream_id) if extend else None
        location = SourceLocation.REMOTE if remote else SourceLocation.LOCAL
        with StreamRecorder(
            archive, channel, stream_id, source_location=location, extend=extended, timeout=timeout
        ) as recorder:
            told = {
                "channel": channel,
                "stream_id": stream_id,
                "extends": None if extended is None else extended.recording_id,
                "publisher_channel": channel if extended is None else str(publisher_channel(extended, channel)),
            }
            if as_json:
                print(render.as_json(told), flush=True)
            elif extended is not None:
                print(f"goes on with recording {extended.recording_id} at {extended.stop_position}", flush=True)
                print(f"its publisher uses {told['publisher_channel']}", flush=True)
            else:
                print(f"waits for publishers of {channel} stream {stream_id}", file=sys.stderr, flush=True)
            known: dict[int, bool] = {}
            while not stop.is_set and (deadline is None or time.monotonic() < deadline):
                progress = recorder.progress()
                for each in progress:
                    if each.recording_id not in known:
                        _tell("started", each, as_json)
                    known[each.recording_id] = each.stopped
                if console.is_terminal and progress and not as_json:
                    line = ", ".join(f"recording {each.recording_id} at {each.position}" for each in progress)
                    console.print(line, end="\r", overflow="ellipsis", no_wrap=True, highlight=False)
                if most is not None and sum(each.position - each.start_position for each in progress) >= most:
                    break
                stop.wait(_LOOK_EVERY)
            for each in recorder.stop():
                _tell("stopped", each, as_json)


def _tell(event: str, progress: StreamProgress, as_json: bool) -> None:
    if as_json:
        told = {key: value for key, value in render.plain(progress).items() if key != "stopped"}
        print(render.as_json({"event": event, **told}), flush=True)
    elif event == "started":
        print(f"recording {progress.recording_id} started at {progress.start_position}", flush=True)
    else:
        size = progress.position - progress.start_position
        print(f"recording {progress.recording_id} stopped at {progress.position}, {size} bytes", flush=True)
