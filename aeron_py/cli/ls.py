"""``aeron-py ls``: the recordings of an archive, or the topics of its recorder."""

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
    CredentialsFile,
    StreamId,
    Timeout,
    a_time,
    connected,
    only_on_disk,
)


def ls(
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    topics: Annotated[
        bool, typer.Option("--topics", help="The topics that a recorder has recorded, instead of recordings.")
    ] = False,
    channel: Annotated[str | None, typer.Option("--channel", help="Only with this text in the channel.")] = None,
    stream_id: StreamId = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            "--topic",
            help="Only topics that this glob matches, as in rules: camera/**, pubsub:*. May be repeated.",
            autocompletion=completing.topics,
        ),
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from", help="Only what was recorded at or after this time, or offset from now (-3d).", callback=a_time
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Only what was recorded before this time: the same.", callback=a_time)
    ] = None,
    active: Annotated[bool, typer.Option("--active", help="Only what goes on.")] = False,
    aeron_dir: AeronDir = None,
    control_channel: ControlChannel = None,
    control_stream_id: ControlStreamId = DEFAULT_CONTROL_STREAM_ID,
    credentials_file: CredentialsFile = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """List the recordings of an archive, or the topics of its recorder, also when it does not run."""
    from aeron_py.recorder.filters import RecordingFilter

    wanted = RecordingFilter.parse(
        channel=channel, stream_id=stream_id, topics=topic, begin=begin, end=end, active=active
    )
    if topics:
        from aeron_py.cli import record as _record
        from aeron_py.cli.away import tell_away

        tell_away(archive_dir, wanted.begin_ns, wanted.end_ns)
        print(_record.ls(_record.topics(archive_dir, wanted), as_json=as_json))
        return
    if control_channel is None and only_on_disk(archive_dir):
        recordings = descriptions.of_directory(archive_dir, wanted)
    else:
        with connected(
            archive_dir, aeron_dir, control_channel, control_stream_id, credentials_file, timeout
        ) as archive:
            recordings = descriptions.of_archive(archive, wanted)
    print(descriptions.ls(recordings, as_json=as_json))
