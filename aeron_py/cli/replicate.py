"""``aeron-py replicate``: recordings of another archive copied into this one."""

from __future__ import annotations

import sys
from pathlib import Path
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
    CredentialsFile,
    StreamId,
    Timeout,
    a_channel,
    credentials_from,
    running_mark,
)
from aeron_py.cli.progress import progress_of_bytes
from aeron_py.cli.quiet import unread_or_not
from aeron_py.cli.refusals import refusals_explained
from aeron_py.errors import ArchiveError

if TYPE_CHECKING:
    from aeron_py.archive.replicator import Copied


def replicate(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="Where the other archive takes requests: aeron:udp?endpoint=10.0.0.1:8010.",
            metavar="CHANNEL",
            callback=a_channel,
        ),
    ],
    recording_ids: Annotated[
        list[int] | None, typer.Argument(help="The recordings there. By default all.", metavar="ID")
    ] = None,
    source_stream_id: Annotated[
        int, typer.Option("--source-stream-id", help="The stream id there.", **STREAM_IDS)
    ] = DEFAULT_CONTROL_STREAM_ID,
    channel: Annotated[str | None, typer.Option("--channel", help="Only those with this text in the channel.")] = None,
    stream_id: StreamId = None,
    follow: Annotated[bool, typer.Option("--follow", help="Follow recordings that go on, until they stop.")] = False,
    live: Annotated[
        str | None,
        typer.Option(
            "--live",
            help="The same, then go on from the live stream itself: a destination to join it by.",
            callback=a_channel,
        ),
    ] = None,
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    aeron_dir: AeronDir = None,
    response_channel: Annotated[
        str | None,
        typer.Option(
            "--response-channel",
            help="Where the other archive's answers come in. By default a free port of the host that this archive's "
            "control channel names.",
            callback=a_channel,
        ),
    ] = None,
    credentials_file: CredentialsFile = None,
    source_credentials_file: Annotated[
        Path | None, typer.Option("--source-credentials-file", help="The same, of the other archive's.")
    ] = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Copy recordings of another archive into the one that runs here. What is there already is not copied again.

    When either archive goes away it waits, and goes on where it was; so it does when it is run again. Of a recording
    that lacks a segment file there, what comes before is copied, and the exit status is 3.
    """
    from aeron_py.archive.replicator import Replicator, Wanted
    from aeron_py.cli.stopping import StopSignal

    stop: StopSignal = context.obj or StopSignal()
    wanted = Wanted(
        source_channel=source,
        source_stream_id=source_stream_id,
        recording_ids=tuple(recording_ids or ()),
        channel=channel,
        stream_id=stream_id,
        aeron_dir=aeron_dir,
        response_channel=response_channel,
        follow=follow,
        live=live,
        credentials=credentials_from(credentials_file),
        source_credentials=credentials_from(source_credentials_file),
        timeout=timeout,
    )

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    replicator = Replicator(wanted, lambda: running_mark(archive_dir), stop.wait, tell)
    with progress_of_bytes("replicating") as show:
        try:
            replicator.run(show)
        except ArchiveError:
            refused = (
                (source_credentials_file, "--source-credentials-file") if replicator.at_source else (credentials_file,)
            )
            with refusals_explained(*refused):
                raise
    copies = list(replicator.copies.values())
    with unread_or_not():
        print(render.as_json(copies) if as_json else _table(copies))
    if not replicator.is_whole:
        raise typer.Exit(3)
    raise typer.Exit(0 if replicator.is_done or follow else 1)


def _table(copies: list[Copied]) -> str:
    return render.table(
        ("source", "recording", "stream", "from", "to", "state"),
        [
            (
                copy.source_recording_id,
                "" if copy.recording_id is None else copy.recording_id,
                copy.stream_id,
                copy.start_position,
                copy.position,
                "done"
                if copy.done
                else f"of {copy.source_position}" + (", which lacks the rest" if copy.problem else ""),
            )
            for copy in copies
        ],
    )
