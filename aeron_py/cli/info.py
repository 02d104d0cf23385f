"""``aeron-py info``: all about a recording, a topic or all topics, and when they were recorded."""

from __future__ import annotations

import shutil
from typing import Annotated, Any

import typer

from aeron_py.archive.catalog import CATALOG_FILE_NAME
from aeron_py.cli import completing, descriptions, render, timeline
from aeron_py.cli.options import (
    DEFAULT_ARCHIVE_DIR,
    DEFAULT_CONTROL_STREAM_ID,
    DEFAULT_TIMEOUT,
    AeronDir,
    ArchiveDir,
    AsJson,
    ControlChannel,
    ControlStreamId,
    CredentialsFile,
    Timeout,
    a_time,
    connected,
    only_on_disk,
)


def info(
    what: Annotated[
        str | None,
        typer.Argument(
            help="A recording, as ls gives it, or a topic or a glob of topics. Without it all topics.",
            metavar="RECORDING|TOPIC",
            autocompletion=completing.recordings_and_topics,
        ),
    ] = None,
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from", help="Where the time line begins: a time, or an offset from now (-3d).", callback=a_time
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Where the time line ends: the same.", callback=a_time)
    ] = None,
    aeron_dir: AeronDir = None,
    control_channel: ControlChannel = None,
    control_stream_id: ControlStreamId = DEFAULT_CONTROL_STREAM_ID,
    credentials_file: CredentialsFile = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Show all about a recording or a topic, with a time line of what was recorded when, also on disk alone.

    The time line comes from the recorder's journals, as wide as the terminal. A recording that no recorder tells of
    has its begin and end only.
    """
    from aeron_py.cli.away import tell_away
    from aeron_py.recorder.timeline import TimeLine, time_line
    from aeron_py.recorder.when import parse_time

    width = shutil.get_terminal_size().columns
    meant = int(what) if what is not None and what.isdecimal() else what
    recording: dict[str, Any] = {}
    if isinstance(meant, int):
        if control_channel is None and only_on_disk(archive_dir):
            recording = descriptions.one_of_directory(archive_dir, meant)
        else:
            with connected(
                archive_dir, aeron_dir, control_channel, control_stream_id, credentials_file, timeout
            ) as archive:
                recording = descriptions.one_of_archive(archive, meant)
    if recording and not (archive_dir / CATALOG_FILE_NAME).is_file():  # the archive is far away
        begin_ns, end_ns, lines = TimeLine(0, 0, [])
    else:
        if not recording:
            tell_away(archive_dir, parse_time(begin), parse_time(end))
        begin_ns, end_ns, lines = time_line(
            archive_dir,
            meant,
            begin_ns=parse_time(begin),
            end_ns=parse_time(end),
            parts=0 if as_json else lambda names: timeline.columns(names, width),
        )
    topics = [descriptions.topic(each) for each in lines]
    if as_json and recording:
        print(render.as_json({**recording, "intervals": [each for one in topics for each in one["intervals"]]}))
    elif as_json:
        print(render.as_json(topics))
    else:
        if recording:
            print(descriptions.info(recording, as_json=False), end="\n\n")
        elif len(topics) == 1:
            shown = {
                **topics[0],
                "recordings": ", ".join(map(str, topics[0]["recordings"])),
                "ended": topics[0]["ended"] or "goes on",
            }
            del shown["intervals"]
            print(render.pairs(shown), end="\n\n")
        if lines:
            print(timeline.rows(lines, begin_ns / 1e6, end_ns / 1e6, width))
            print(timeline.LEGEND)
