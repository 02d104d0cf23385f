"""What the shell may complete: recordings and topics, as far as the archive's directory tells them at once."""

from __future__ import annotations

from pathlib import Path

import typer

from aeron_py.cli.options import DEFAULT_ARCHIVE_DIR
from aeron_py.errors import AeronError


def recordings(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of recordings with the topic of each."""
    from aeron_py.archive.catalog import read_catalog
    from aeron_py.recorder.names import topic_name

    try:
        found = read_catalog(_archive_dir(context))
    except (AeronError, OSError):
        return []
    return [
        (str(each.recording_id), str(topic_name(each.original_channel, each.stream_id)))
        for each in found
        if str(each.recording_id).startswith(incomplete)
    ]


def topics(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of topics, with how many recordings each has."""
    from aeron_py.archive.catalog import read_catalog
    from aeron_py.recorder.names import topic_name

    try:
        found = read_catalog(_archive_dir(context))
    except (AeronError, OSError):
        return []
    counts: dict[str, int] = {}
    for each in found:
        name = str(topic_name(each.original_channel, each.stream_id))
        counts[name] = counts.get(name, 0) + 1
    return [(name, f"{count} recordings") for name, count in sorted(counts.items()) if name.startswith(incomplete)]


def recordings_and_topics(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Both."""
    return [*recordings(context, incomplete), *topics(context, incomplete)]


def _archive_dir(context: typer.Context) -> Path:
    return Path(context.params.get("archive_dir") or DEFAULT_ARCHIVE_DIR)
