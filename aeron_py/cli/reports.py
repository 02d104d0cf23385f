"""``aeron-py errors`` and ``aeron-py loss``: what a driver and an archive have met, as they noted it in their files."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from aeron_py.archive.mark import marked_errors
from aeron_py.cli import render
from aeron_py.cli.options import DEFAULT_ARCHIVE_DIR, AeronDir, ArchiveDir, AsJson, a_time, driver_of
from aeron_py.errors import DriverTimeoutError


def errors(
    aeron_dir: AeronDir = None,
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", help="Only what came at this time or later: a time, or an offset (-1h).", callback=a_time
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Each error with all its lines, as Java's traces have.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the distinct errors that the media driver and the archive noted, each once with how often it came.

    They are read from files, so that it works for what is dead, too. The archive's are those since its last start.
    """
    from aeron_py.cnc import CncFile
    from aeron_py.recorder.when import parse_time

    begin = (parse_time(since) or 0) / 1e9
    found: list[dict[str, Any]] = []
    missing: DriverTimeoutError | None = None
    try:
        with driver_of(archive_dir, aeron_dir) as directory, CncFile(directory) as cnc:
            found += [{"source": "driver", **render.plain(each)} for each in cnc.errors(begin)]
    except DriverTimeoutError as error:
        missing = error
    try:
        for marked in marked_errors(archive_dir):
            if marked.last >= begin:
                times = {"first_time": marked.first, "last_time": marked.last}
                found.append({"source": "archive", "observations": marked.count, **times, "text": marked.text})
    except FileNotFoundError:
        if missing is not None:
            raise missing from None
    found.sort(key=lambda each: each["last_time"])
    if as_json:
        print(render.as_json(found))
        return
    if not found:
        print("there is no error", file=sys.stderr)
    rows = [
        (
            each["source"],
            each["observations"],
            render.time_of(each["first_time"] * 1000),
            render.time_of(each["last_time"] * 1000),
            _in_a_line(each),
        )
        for each in found
    ]
    if not full:
        print(render.table(("source", "times", "first (UTC)", "last (UTC)", "error"), rows))
        return
    for row, each in zip(rows, found, strict=True):
        print(f"{row[0]}, {row[1]} times, {row[2]} to {row[3]} UTC\n{each['text'].rstrip()}\n")


def _in_a_line(error: dict[str, Any]) -> str:
    """What the driver says goes over several lines; of Java's traces the first line is what happened."""
    lines = error["text"].splitlines() or [""]
    return lines[0] if error["source"] == "archive" else " ".join(line.strip() for line in lines)


def loss(aeron_dir: AeronDir = None, archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR, as_json: AsJson = False) -> None:
    """List what the media driver's receivers lost, by stream and source: the loss report, read from its file.

    Lost means that it had to be sent again. Whether it came in the end is not said.
    """
    from aeron_py.cnc import CncFile

    with driver_of(archive_dir, aeron_dir) as directory, CncFile(directory) as cnc:
        found = cnc.losses()
    if as_json:
        print(render.as_json(found))
        return
    if not found:
        print("nothing was lost", file=sys.stderr)
    rows = [
        (
            each.stream_id,
            each.session_id,
            each.source,
            each.channel,
            each.observations,
            each.bytes_lost,
            render.time_of(each.first_time * 1000),
            render.time_of(each.last_time * 1000),
        )
        for each in found
    ]
    headings = ("stream", "session", "source", "channel", "times", "bytes", "first (UTC)", "last (UTC)")
    print(render.table(headings, rows))
