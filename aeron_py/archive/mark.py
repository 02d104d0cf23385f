"""An archive's mark file: who runs in a directory, where it listens, and which errors it has met."""

from __future__ import annotations

import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from aeron_py.errors import ArchiveError

__all__ = ["ArchiveMark", "MarkedError", "marked_errors"]

FILE_NAME = "archive-mark.dat"
LIVENESS_TIMEOUT = 10.0
"""Seconds: after this silence an archive counts as dead (``Archive.Configuration.LIVENESS_TIMEOUT_MS``)."""

_HEADER = 8
_HEADER_LENGTH = 8192
_FIXED = struct.Struct("<i4xqqqiiiii4xq")
_FIXED_LENGTH = 128
_ERRORS_LENGTH_OFFSET = _HEADER + 48
_TIMESTAMP_OFFSET = _HEADER + 8
_ERROR = struct.Struct("<iiqq")


@dataclass(frozen=True, slots=True)
class MarkedError:
    """One kind of error that an archive has met, however often.

    Attributes:
        count: how often.
        first: when it was first seen, seconds since 1970.
        last: when it was last seen, seconds since 1970.
        text: the Java exception with its stack.
    """

    count: int
    first: float
    last: float
    text: str


@dataclass(frozen=True, slots=True)
class ArchiveMark:
    """What an archive says of itself in its directory (``ArchiveMarkFile``).

    Attributes:
        version: of the mark file, 0 until the archive is ready.
        activity: when the archive last said that it lives, seconds since 1970; 0 or less when it ended in order.
        start: when it was started, seconds since 1970.
        pid: its process, as numbered in its own container.
        control_channel: where it takes requests over the network; empty when it does not.
        control_stream_id: the stream id there.
        local_control_channel: where it takes requests from its own machine.
        local_control_stream_id: the stream id there.
        archive_id: tells archives apart.
        aeron_dir: the directory of the media driver that it uses.
    """

    version: int
    activity: float
    start: float
    pid: int
    control_channel: str
    control_stream_id: int
    local_control_channel: str
    local_control_stream_id: int
    archive_id: int
    aeron_dir: str

    @classmethod
    def read(cls, archive_dir: str | os.PathLike[str]) -> ArchiveMark | None:
        """The mark in a directory, None when no archive ever ran there or one is only just starting.

        Raises:
            ArchiveError: the file is not a mark file.
            OSError: it can't be read.
        """
        path = Path(archive_dir) / FILE_NAME
        try:
            data = _read(path, 0, _HEADER_LENGTH)
        except FileNotFoundError:
            return None
        if len(data) < _HEADER + _FIXED_LENGTH or not any(data[:_HEADER]):
            return None
        try:
            return cls._decode(data)
        except (struct.error, UnicodeDecodeError) as error:
            raise ArchiveError(
                f"{path} is damaged, it is not the mark file of an archive ({error}): delete it when none runs there"
            ) from error

    @classmethod
    def _decode(cls, data: bytes) -> ArchiveMark:
        fields = _FIXED.unpack_from(data, _HEADER)
        version, activity, start, pid, control_id, local_id, *_, archive_id = fields
        strings: list[str] = []
        at = _HEADER + _FIXED_LENGTH
        for _ in range(4):
            (length,) = struct.unpack_from("<I", data, at)
            strings.append(data[at + 4 : at + 4 + length].decode("ascii"))
            at += 4 + length
        return cls(
            version=version,
            activity=activity / 1000,
            start=start / 1000,
            pid=pid,
            control_channel=strings[0],
            control_stream_id=control_id,
            local_control_channel=strings[1],
            local_control_stream_id=local_id,
            archive_id=archive_id,
            aeron_dir=strings[3],
        )

    @property
    def is_active(self) -> bool:
        """Whether an archive has given a sign of life in the last ten seconds."""
        return abs(time.time() - self.activity) < LIVENESS_TIMEOUT

    @property
    def is_starting(self) -> bool:
        """Whether an archive is taking the directory over, or died doing so: it then marks the end of time."""
        return self.activity * 1000 >= 2**63 - 1


def _read(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)


def marked_errors(archive_dir: str | os.PathLike[str]) -> tuple[MarkedError, ...]:
    """The errors that an archive has met since it was started (``DistinctErrorLog`` of its mark file).

    Raises:
        OSError: there is no mark file, or it can't be read.
    """
    path = Path(archive_dir) / FILE_NAME
    header = _read(path, _ERRORS_LENGTH_OFFSET, 4)
    if len(header) < 4:  # an archive was killed as soon as it had made the file, or had no room for it
        return ()
    (length,) = struct.unpack("<i", header)
    log = _read(path, _HEADER_LENGTH, max(0, length))
    errors: list[MarkedError] = []
    at = 0
    while at + _ERROR.size <= len(log):
        length, count, last, first = _ERROR.unpack_from(log, at)
        if length < _ERROR.size:
            break
        text = log[at + _ERROR.size : at + length].decode("utf-8", "replace")
        errors.append(MarkedError(count, first / 1000, last / 1000, text))
        at += (length + 7) & ~7
    return tuple(errors)


def clear(archive_dir: str | os.PathLike[str]) -> None:
    """Mark as ended an archive that is known to be dead, which otherwise looks alive for ten seconds more."""
    with (Path(archive_dir) / FILE_NAME).open("r+b") as file:
        file.seek(_TIMESTAMP_OFFSET)
        file.write(struct.pack("<q", -1))
