"""``aeron-py prune``: delete what is old or too much, through the archive that runs."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from aeron_py.cli import completing, render
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
    a_duration,
    a_size,
    connected,
)
from aeron_py.cli.quiet import unread_or_not
from aeron_py.errors import AeronError


def prune(
    recording_ids: Annotated[
        list[int] | None,
        typer.Argument(
            help="Recordings that may lose something, as ls gives them. Without any, all but journals that go on.",
            metavar="ID",
            autocompletion=completing.recordings,
        ),
    ] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            "--topic", help="Only topics that this glob matches. May be repeated.", autocompletion=completing.topics
        ),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than", help="Let go what was written longer ago than this: 7d, 12h.", callback=a_duration
        ),
    ] = None,
    keep_bytes: Annotated[
        str | None,
        typer.Option(
            "--keep-bytes",
            help="Keep no more than this of all together: 500GB. The oldest goes first.",
            callback=a_size,
        ),
    ] = None,
    larger_than: Annotated[
        str | None,
        typer.Option(
            "--larger-than", help="Cut the beginning of each recording that is larger than this.", callback=a_size
        ),
    ] = None,
    before: Annotated[
        int | None, typer.Option("--before", help="Let go what lies before this position. Takes IDs.", min=0)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    aeron_dir: AeronDir = None,
    control_channel: ControlChannel = None,
    control_stream_id: ControlStreamId = DEFAULT_CONTROL_STREAM_ID,
    credentials_file: CredentialsFile = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Delete whole recordings and segment files through the archive that runs: says what goes, then asks.

    A recording that goes on keeps the segment it is at. What is being replayed stays: the archive refuses it, and the
    status is then 1. A recorder has limits of its own in its configuration, which know of volumes and hooks.
    """
    from aeron_py.archive.prune import Limits, apply_cut, plan_cuts
    from aeron_py.cli.progress import progress_of_bytes
    from aeron_py.recorder.filters import RecordingFilter
    from aeron_py.recorder.timeindex import is_journal
    from aeron_py.recorder.units import parse_duration, parse_size

    limits = Limits(
        older_than=None if older_than is None else parse_duration(older_than),
        keep_bytes=None if keep_bytes is None else parse_size(keep_bytes),
        larger_than=None if larger_than is None else parse_size(larger_than),
        before=before,
    )
    if limits == Limits():
        raise typer.BadParameter("give --older-than, --keep-bytes, --larger-than or --before")
    if before is not None and not recording_ids:
        raise typer.BadParameter("give the ids of the recordings, too", param_hint="--before")
    if not yes and not dry_run and (as_json or not sys.stdin.isatty()):
        raise typer.BadParameter("nobody can be asked here: give --yes or --dry-run")
    wanted = RecordingFilter.parse(topics=topic)
    with connected(archive_dir, aeron_dir, control_channel, control_stream_id, credentials_file, timeout) as archive:
        if recording_ids:
            recordings = [archive.list_recording(each) for each in recording_ids]
        else:
            recordings = [each for each in archive.list_recordings() if not (each.is_active and is_journal(each))]
        recordings = [each for each in recordings if wanted.takes_recording(each)]
        cuts = plan_cuts(archive, archive_dir, recordings, limits)
        total = sum(cut.bytes for cut in cuts)
        if not as_json:
            rows = [
                (
                    cut.recording_id,
                    "all" if cut.new_start_position is None else f"before {cut.new_start_position}",
                    cut.files,
                    cut.bytes,
                )
                for cut in cuts
            ]
            with unread_or_not():
                print(render.table(("id", "goes", "files", "bytes"), rows))
            print(f"{total} bytes of {len(cuts)} recordings", file=sys.stderr)
        if not dry_run and cuts and not yes:
            typer.confirm("Delete them?", abort=True, err=True)
        results: list[dict[str, Any]] = []
        with progress_of_bytes("prune") as progress:
            done = 0
            for cut in cuts:
                result = {**render.plain(cut), "deleted": 0, "error": None}
                try:
                    if not dry_run:
                        result["deleted"] = apply_cut(archive, cut)
                except AeronError as error:
                    result["error"] = error.message
                    print(f"recording {cut.recording_id} stays: {error.message}", file=sys.stderr)
                results.append(result)
                done += cut.bytes
                progress(done, total)
        if as_json:
            with unread_or_not():
                print(render.as_json(results))
        elif not dry_run:
            print(f"{sum(each['deleted'] for each in results)} files deleted", file=sys.stderr)
    raise typer.Exit(1 if any(each["error"] for each in results) else 0)
