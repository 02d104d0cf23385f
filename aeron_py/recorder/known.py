"""Streams known from earlier, kept in a small file, so that the archive can listen before their publishers are back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from aeron_py.recorder.discovery import PublishedStream
from aeron_py.recorder.names import place_of

__all__ = ["KNOWN_FILE_NAME", "KnownStream", "KnownStreams", "Place", "place", "wildcard", "write_whole"]

KNOWN_FILE_NAME: Final = "known-streams.json"
_FORGET_AFTER = 30 * 86400
_REMEMBER_EVERY = 3600


class Place(NamedTuple):
    """What an archive tells streams apart by: the alias is no part of it.

    Args:
        where: as :func:`~aeron_py.recorder.names.place_of` tells it.
        stream_id: the stream there.
    """

    where: str
    stream_id: int


def place(channel: str, stream_id: int) -> Place:
    """Where a stream is."""
    return Place(place_of(channel), stream_id)


def wildcard(stream: PublishedStream) -> str:
    """The channel by which an archive records all publications at the place of one, also later ones."""
    head, _, listed = stream.recording_channel.partition("?")
    kept = [part for part in listed.split("|") if not part.startswith("session-id=")]
    return f"{head}?{'|'.join(kept)}" if kept else head


class KnownStream(msgspec.Struct, kw_only=True):
    """A stream that was recorded once.

    Args:
        channel: by which an archive records all its publishers.
        stream_id: of its publishers.
        topic: its name, ``protocol:topic``.
        seen: when it was last there, seconds since 1970.
        shared: whether other streams come on the same channel and stream id, so that it can't be armed.
    """

    channel: str
    stream_id: int
    topic: str
    seen: int = 0
    shared: bool = False

    @property
    def place(self) -> Place:
        """Where it is."""
        return place(self.channel, self.stream_id)


class _File(msgspec.Struct):
    version: int
    streams: list[KnownStream]


class KnownStreams:
    """The known streams of an archive directory.

    Args:
        archive_dir: of the archive; a file that can't be read counts as none.
    """

    def __init__(self, archive_dir: str | os.PathLike[str]) -> None:
        self._path = Path(archive_dir) / KNOWN_FILE_NAME
        self._streams: dict[Place, KnownStream] = {}
        self._changed = False
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=_File).streams
        except (OSError, msgspec.DecodeError):
            found = []
        for stream in found:
            if stream.seen > time.time() - _FORGET_AFTER:
                self._streams[stream.place] = stream

    def __iter__(self) -> Iterator[KnownStream]:
        return iter(list(self._streams.values()))

    def __len__(self) -> int:
        return len(self._streams)

    def get(self, where: Place) -> KnownStream | None:
        """The stream at a place."""
        return self._streams.get(where)

    def note(self, channel: str, stream_id: int, topic: str) -> None:
        """A stream is there now. Two topics at one place make it shared."""
        where, now = place(channel, stream_id), int(time.time())
        known = self._streams.get(where)
        if known is None:
            self._streams[where] = KnownStream(channel=channel, stream_id=stream_id, topic=topic, seen=now)
        elif known.topic != topic and not known.shared:
            known.shared = True
        elif now - known.seen < _REMEMBER_EVERY:
            return
        self._streams[where].seen = now
        self._changed = True

    def share(self, where: Place) -> None:
        """Others come at this place, too."""
        known = self._streams.get(where)
        if known is not None and not known.shared:
            known.shared = self._changed = True

    def save(self) -> None:
        """Write what changed: the file is always whole."""
        if self._changed:
            self._changed = False
            write_whole(self._path, msgspec.json.format(msgspec.json.encode(_File(1, list(self)))) + b"\n")


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by one that is on disk: whatever happens, the old one or the new one is there."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fdatasync(file.fileno())
    beside.replace(path)
