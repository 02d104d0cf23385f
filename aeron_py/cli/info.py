"""``aeron-py info``: all about one recording."""

from __future__ import annotations

from typing import Annotated

import typer

from aeron_py.cli import completing, descriptions
from aeron_py.cli.options import (
    DEFAULT_ARCHIVE_DIR,
    DEFAULT_CONTROL_STREAM_ID,
    DEFAULT_TIMEOUT,
    AeronDir,
    ArchiveDir,
    AsJson,
    ControlChannel,
    ControlStreamId,
    Timeout,
    connected,
    only_on_disk,
)


def info(
    recording_id: Annotated[
        int,
        typer.Argument(help="The recording, as ls gives it.", metavar="ID", autocompletion=completing.recordings),
    ],
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    aeron_dir: AeronDir = None,
    control_channel: ControlChannel = None,
    control_stream_id: ControlStreamId = DEFAULT_CONTROL_STREAM_ID,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Show all about one recording, also of an archive that does not run."""
    if control_channel is None and only_on_disk(archive_dir):
        recording = descriptions.one_of_directory(archive_dir, recording_id)
    else:
        with connected(archive_dir, aeron_dir, control_channel, control_stream_id, timeout) as archive:
            recording = descriptions.one_of_archive(archive, recording_id)
    print(descriptions.info(recording, as_json=as_json))
