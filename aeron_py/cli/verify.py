"""``aeron-py verify``: whether an archive still has what it recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aeron_py.cli import completing, render
from aeron_py.cli.options import DEFAULT_ARCHIVE_DIR, LOSS, ArchiveDir, AsJson
from aeron_py.cli.quiet import unread_or_not

if TYPE_CHECKING:
    from aeron_py.archive.verify import Verdict


def verify(
    recording_ids: Annotated[
        list[int] | None,
        typer.Argument(
            help="Recordings, as ls gives them. Without any, all of them.",
            metavar="ID",
            autocompletion=completing.recordings,
        ),
    ] = None,
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    every: Annotated[bool, typer.Option("--all", help="All recordings, which is what happens without an ID.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the catalog and every frame of recordings, from the files alone: the archive may run or not.

    Looked at are the length, place, stream and session of each frame, checksums where the archive recorded with them,
    missing and short segment files, and whether the recording stops where the catalog says. Without checksums, damage
    within a payload can't be seen. What a recorder's volumes have stored elsewhere is not lost, nor is what a
    full disk left of the last write behind the end of a recording. Exit status 3 when anything is lost: each line says
    from which position to which; so also when nobody reads that.
    """
    from aeron_py.archive.verify import verify_archive
    from aeron_py.cli.progress import progress_of_bytes
    from aeron_py.recorder.volumes import Volumes

    if every and recording_ids:
        raise typer.BadParameter("give either --all or ids", param_hint="--all")
    is_away = Volumes(archive_dir).away_parts()
    with progress_of_bytes("verify") as progress:
        verdicts = list(verify_archive(archive_dir, recording_ids or None, on_progress=progress, is_away=is_away))
    with unread_or_not():
        _show(verdicts, as_json)
    raise typer.Exit(0 if all(each.ok for each in verdicts) else LOSS)


def _show(verdicts: list[Verdict], as_json: bool) -> None:
    if as_json:
        print(render.as_json([{**render.plain(each), "ok": each.ok} for each in verdicts]))
    else:
        rows = [
            (
                each.recording_id,
                each.state,
                each.start_position,
                each.stop_position,
                each.messages,
                ", ".join(each.checksums) or "no",
                "ok" if each.ok else f"{sum(lost.to_position - lost.from_position for lost in each.lost)} bytes lost",
            )
            for each in verdicts
        ]
        print(render.table(("id", "state", "start", "stop", "messages", "checksums", "verdict"), rows))
        for each in verdicts:
            for text in each.catalog:
                print(f"recording {each.recording_id}: {text}")
            for part in each.away:
                print(f"recording {each.recording_id}: {part.from_position} to {part.to_position} is {part.reason}")
            for part in each.left_over:
                where = f"{part.from_position} to {part.to_position}"
                print(f"recording {each.recording_id}: {where}, after its end, was {part.reason}: nothing is lost")
            for lost in each.lost:
                where = f"{lost.from_position} to {lost.to_position}"
                print(f"recording {each.recording_id}: lost {where}: {lost.reason} ({lost.path})")
