"""The catalog of an archive, read straight from its directory: no archive has to run, nothing is written."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aeron_py._ffi import ffi, lib
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import AeronError, ArchiveErrorCode, ErrorKind, UnknownRecordingError

__all__ = [
    "CATALOG_FILE_NAME",
    "CatalogEntry",
    "CatalogError",
    "find_recording",
    "read_catalog",
    "read_entries",
    "segment_bases",
    "segment_name",
]

CATALOG_FILE_NAME = "archive.catalog"
_MAJOR_VERSION = 3
_HEADER = struct.Struct("<iiqi")  # version, length, next recording id, alignment of the entries
_HEADER_LENGTH = 32
_ENTRY_LENGTH = 32
_DESCRIPTOR = struct.Struct("<7q6i")
_LENGTH = struct.Struct("<i")
_OLD_ALIGNMENT = 1024
_FRAME_ALIGNMENT = 32
_CHUNK = 1 << 16  # a megabyte is no faster, and freed ones tear holes into the heap of each thread that reads
_AT_ONCE = 256
_SEGMENT = re.compile(r"(\d+)-(\d+)\.rec", re.ASCII)


class CatalogError(AeronError):
    """There is no catalog in that directory, or none that can be read."""

    default_kind = ErrorKind.ARCHIVE


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A valid recording in the catalog, and what can be seen to be wrong with its entry.

    Attributes:
        recording: its descriptor.
        problems: what is wrong, in words.
    """

    recording: RecordingDescriptor
    problems: tuple[str, ...]


def read_catalog(archive_dir: str | os.PathLike[str]) -> list[RecordingDescriptor]:
    """Every valid recording in the catalog of an archive directory, oldest first.

    May be read while the archive runs. ``stop_position`` of an active recording is not known here, and neither is that
    of a recording whose archive was killed, until the archive is started again.

    Args:
        archive_dir: the directory of the archive, with ``archive.catalog`` and the segment files.

    Raises:
        CatalogError: no catalog there, one of another version, or a damaged one.
    """
    return [recording for recording, _ in _entries(archive_dir)]


def read_entries(archive_dir: str | os.PathLike[str]) -> list[CatalogEntry]:
    """The same recordings as :func:`read_catalog`, their entries examined: checksums, and positions that can't be.

    Raises:
        CatalogError: as :func:`read_catalog`.
    """
    return [CatalogEntry(recording, tuple(_problems(recording, entry))) for recording, entry in _entries(archive_dir)]


def known_ids(archive_dir: str | os.PathLike[str]) -> set[int]:
    """The ids of all recordings that there are or were, as far as the catalog still has them.

    Raises:
        CatalogError: as :func:`read_catalog`.
    """
    return {recording.recording_id for recording, _ in _entries(archive_dir, every=True)}


def _entries(
    archive_dir: str | os.PathLike[str], *, every: bool = False, wanted: int = -1
) -> Iterator[tuple[RecordingDescriptor, _Entry]]:
    """Those of all recordings, or of one; what is gone costs little, since a catalog keeps that for ever."""
    path = Path(archive_dir) / CATALOG_FILE_NAME
    try:
        with path.open("rb", buffering=0) as file:
            yield from _walk(file.fileno(), path, every, wanted)
    except OSError as error:
        raise CatalogError(f"no archive in {os.fspath(archive_dir)!r}: {error.strerror}: {path}") from error


def _problems(recording: RecordingDescriptor, entry: _Entry) -> Iterator[str]:
    if entry.checksum and not any(
        entry.checksum == lib.shim_checksum(kind, ffi.from_buffer("uint8_t[]", entry.data), length)
        for kind in (lib.SHIM_VERIFY_CRC32, lib.SHIM_VERIFY_CRC32C)
        for length in (len(entry.data), entry.used)
    ):
        yield "the entry in the catalog does not match its checksum"
    if not recording.is_active and not recording.start_position <= recording.stop_position:
        yield f"it is said to stop at {recording.stop_position}, before its start at {recording.start_position}"
    for name in ("start_position", "stop_position"):
        if (position := getattr(recording, name)) % _FRAME_ALIGNMENT and (name != "stop_position" or position >= 0):
            yield f"no frame can begin at its {name} {position}"


def find_recording(archive_dir: str | os.PathLike[str], recording_id: int) -> RecordingDescriptor:
    """The descriptor of one recording, from the catalog in the archive directory.

    Raises:
        UnknownRecordingError: no such recording: the message names the nearest ids.
        CatalogError: no readable catalog.
    """
    if 0 <= recording_id < 1 << 63:
        for recording, _ in _entries(archive_dir, wanted=recording_id):
            return recording
    recordings = read_catalog(archive_dir)
    near = sorted(recordings, key=lambda each: abs(each.recording_id - recording_id))[:5]
    there = ", ".join(str(each.recording_id) for each in sorted(near, key=lambda each: each.recording_id))
    raise UnknownRecordingError(
        f"no recording {recording_id} in {os.fspath(archive_dir)!r}: "
        + (f"of {len(recordings)} the nearest are {there}" if recordings else "it has no recordings"),
        operation="find_recording",
        archive_code=ArchiveErrorCode.UNKNOWN_RECORDING,
    )


def segment_name(recording_id: int, base: int) -> str:
    """What a segment file is called that begins at a position."""
    return f"{recording_id}-{base}.rec"


def segment_bases(archive_dir: str | os.PathLike[str]) -> dict[int, list[int]]:
    """Where the segment files on disk begin, by recording id, in order.

    Not as paths: there may be very many, and Python keeps the parts of each path among its names for a while.
    """
    found: dict[int, list[int]] = {}
    with os.scandir(archive_dir) as entries:
        for entry in entries:
            if (name := _SEGMENT.fullmatch(entry.name)) is not None:
                found.setdefault(int(name[1]), []).append(int(name[2]))
    for bases in found.values():
        bases.sort()
    return found


@dataclass(frozen=True, slots=True)
class _Entry:
    """What lies in the catalog of a recording: its checksum, 0 without, and what it is of.

    An entry that was made shorter keeps its length, and has the checksum of what is ``used``.
    """

    checksum: int
    data: bytes
    used: int


def _walk(fd: int, path: Path, every: bool, wanted: int) -> Iterator[tuple[RecordingDescriptor, _Entry]]:
    at, alignment = _begin(fd, path)
    walk = ffi.new("shim_catalog_walk_t *", {"alignment": alignment, "every": every, "wanted": wanted, "last_id": -1})
    found, result = ffi.new("shim_catalog_entry_t[]", _AT_ONCE), ffi.new("int32_t *")
    room = _CHUNK
    while True:
        data = os.pread(fd, room, at)
        walk.offset = 0
        before = walk.last_id
        while True:
            count = lib.shim_catalog_walk(walk, ffi.from_buffer("uint8_t[]", data), len(data), found, _AT_ONCE, result)
            for entry in found[0:count]:
                yield _read(data, entry, at, alignment, path)
            if count < _AT_ONCE or result[0] != lib.SHIM_CATALOG_MORE:
                break
        if result[0] == lib.SHIM_CATALOG_DISORDER:
            place = f"recording {_id_at(data, walk.offset)} after {walk.last_id} at byte {at + walk.offset}"
            raise CatalogError(f"damaged catalog, {place}: {path}")
        at += walk.offset
        if result[0] == lib.SHIM_CATALOG_END or (len(data) < room and len(data) - walk.offset < _ENTRY_LENGTH):
            return
        if walk.last_id == before:  # an entry that is longer than what was read
            if len(data) < room:
                raise CatalogError(f"damaged catalog, entry at byte {at}, after recording {walk.last_id}: {path}")
            room *= 2


def _begin(fd: int, path: Path) -> tuple[int, int]:
    """Where the entries begin, and their alignment."""
    data = os.pread(fd, _HEADER_LENGTH, 0)
    if len(data) < _HEADER_LENGTH:
        raise CatalogError(f"damaged catalog, {len(data)} bytes are less than its header: {path}")
    version, _length, _next_id, alignment = _HEADER.unpack_from(data, 0)
    if version >> 16 != _MAJOR_VERSION:
        raise CatalogError(
            f"catalog version {version >> 16}.{version >> 8 & 255}.{version & 255} is not {_MAJOR_VERSION}.x: "
            f"migrate it with ArchiveTool: {path}"
        )
    if alignment < 0 or alignment & (alignment - 1):
        raise CatalogError(f"damaged catalog, alignment {alignment}: {path}")
    return (_HEADER_LENGTH, alignment) if alignment else (_OLD_ALIGNMENT, _OLD_ALIGNMENT)


def _id_at(data: bytes, offset: int) -> int:
    padded = data[offset + _ENTRY_LENGTH :].ljust(_DESCRIPTOR.size, b"\0")
    return int(_DESCRIPTOR.unpack_from(padded)[2])


def _read(data: bytes, entry: Any, at: int, alignment: int, path: Path) -> tuple[RecordingDescriptor, _Entry]:
    begin, length = entry.offset, entry.length
    try:
        recording, used = _descriptor(data, begin, length)
    except (struct.error, ValueError) as error:
        place = f"entry at byte {at + begin - _ENTRY_LENGTH}, of recording {entry.recording_id}"
        raise CatalogError(f"damaged catalog, {place}: {path}") from error
    used = (used + _ENTRY_LENGTH + alignment - 1 & -alignment) - _ENTRY_LENGTH
    return recording, _Entry(entry.checksum & 0xFFFFFFFF, data[begin : begin + length], min(used, length))


def _descriptor(data: bytes, offset: int, length: int) -> tuple[RecordingDescriptor, int]:
    """The descriptor at an offset, and how many of its bytes are used."""
    begin, end = offset, offset + length
    fields = _DESCRIPTOR.unpack_from(data, offset)
    offset += _DESCRIPTOR.size
    texts = []
    for _ in range(3):
        (size,) = _LENGTH.unpack_from(data, offset)
        offset += _LENGTH.size
        if size < 0 or offset + size > end or end > len(data):
            raise ValueError(size)
        texts.append(data[offset : offset + size].decode("utf-8", "replace"))
        offset += size
    recording = RecordingDescriptor(
        control_session_id=fields[0],
        correlation_id=fields[1],
        recording_id=fields[2],
        start_timestamp=fields[3],
        stop_timestamp=fields[4],
        start_position=fields[5],
        stop_position=fields[6],
        initial_term_id=fields[7],
        segment_file_length=fields[8],
        term_buffer_length=fields[9],
        mtu_length=fields[10],
        session_id=fields[11],
        stream_id=fields[12],
        stripped_channel=texts[0],
        original_channel=texts[1],
        source_identity=texts[2],
    )
    return recording, offset - begin
