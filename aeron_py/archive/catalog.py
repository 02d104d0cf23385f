"""The catalog of an archive, read straight from its directory: no archive has to run, nothing is written."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aeron_py._ffi import ffi, lib
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import AeronError, ArchiveErrorCode, ErrorKind, UnknownRecordingError

__all__ = [
    "CATALOG_FILE_NAME",
    "CatalogEntry",
    "CatalogError",
    "all_segment_files",
    "find_recording",
    "read_catalog",
    "read_entries",
    "segment_files",
]

CATALOG_FILE_NAME = "archive.catalog"
_MAJOR_VERSION = 3
_STATE_VALID = 1
_HEADER = struct.Struct("<iiqi")  # version, length, next recording id, alignment of the entries
_HEADER_LENGTH = 32
_ENTRY = struct.Struct("<iii")  # length of the descriptor, state, checksum
_ENTRY_LENGTH = 32
_DESCRIPTOR = struct.Struct("<7q6i")
_LENGTH = struct.Struct("<i")
_OLD_ALIGNMENT = 1024
_FRAME_ALIGNMENT = 32
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


def _entries(archive_dir: str | os.PathLike[str], *, every: bool = False) -> list[tuple[RecordingDescriptor, _Entry]]:
    path = Path(archive_dir) / CATALOG_FILE_NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CatalogError(f"no archive in {os.fspath(archive_dir)!r}: {error.strerror}: {path}") from error
    return list(_descriptors(data, path, every))


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
    recordings = read_catalog(archive_dir)
    for recording in recordings:
        if recording.recording_id == recording_id:
            return recording
    near = sorted(recordings, key=lambda each: abs(each.recording_id - recording_id))[:5]
    there = ", ".join(str(each.recording_id) for each in sorted(near, key=lambda each: each.recording_id))
    raise UnknownRecordingError(
        f"no recording {recording_id} in {os.fspath(archive_dir)!r}: "
        + (f"of {len(recordings)} the nearest are {there}" if recordings else "it has no recordings"),
        operation="find_recording",
        archive_code=ArchiveErrorCode.UNKNOWN_RECORDING,
    )


def segment_files(archive_dir: str | os.PathLike[str], recording_id: int) -> dict[int, Path]:
    """The segment files of a recording that are on disk, by base position, in order.

    They are named ``<recording id>-<base position>.rec``.
    """
    return all_segment_files(archive_dir).get(recording_id, {})


def all_segment_files(archive_dir: str | os.PathLike[str]) -> dict[int, dict[int, Path]]:
    """The segment files on disk, by recording id and base position, the latter in order."""
    found: dict[int, dict[int, Path]] = {}
    for entry in os.scandir(archive_dir):
        if (name := _SEGMENT.fullmatch(entry.name)) is not None:
            found.setdefault(int(name[1]), {})[int(name[2])] = Path(entry.path)
    return {recording_id: dict(sorted(files.items())) for recording_id, files in found.items()}


@dataclass(frozen=True, slots=True)
class _Entry:
    """What lies in the catalog of a recording: its checksum, 0 without, and what it is of.

    An entry that was made shorter keeps its length, and has the checksum of what is ``used``.
    """

    checksum: int
    data: bytes
    used: int


def _descriptors(data: bytes, path: Path, every: bool) -> Iterator[tuple[RecordingDescriptor, _Entry]]:
    if len(data) < _HEADER_LENGTH:
        raise CatalogError(f"damaged catalog, {len(data)} bytes are less than its header: {path}")
    version, _length, _next_id, alignment = _HEADER.unpack_from(data, 0)
    if version >> 16 != _MAJOR_VERSION:
        raise CatalogError(
            f"catalog version {version >> 16}.{version >> 8 & 255}.{version & 255} is not {_MAJOR_VERSION}.x: "
            f"migrate it with ArchiveTool: {path}"
        )
    offset = _HEADER_LENGTH if alignment else _OLD_ALIGNMENT
    alignment = alignment or _OLD_ALIGNMENT
    if alignment < 0 or alignment & (alignment - 1):
        raise CatalogError(f"damaged catalog, alignment {alignment}: {path}")
    last_id = -1
    while offset + _ENTRY_LENGTH <= len(data):
        length, state, checksum = _ENTRY.unpack_from(data, offset)
        if length <= 0:
            return
        try:
            recording, used = _descriptor(data, offset + _ENTRY_LENGTH, length)
        except (struct.error, ValueError) as error:
            raise CatalogError(f"damaged catalog, entry at byte {offset}, after recording {last_id}: {path}") from error
        if recording.recording_id <= last_id:
            raise CatalogError(
                f"damaged catalog, recording {recording.recording_id} after {last_id} at byte {offset}: {path}"
            )
        last_id = recording.recording_id
        if every or state == _STATE_VALID:
            begin = offset + _ENTRY_LENGTH
            used = (used + _ENTRY_LENGTH + alignment - 1 & -alignment) - _ENTRY_LENGTH
            yield recording, _Entry(checksum & 0xFFFFFFFF, data[begin : begin + length], min(used, length))
        offset += (length + _ENTRY_LENGTH + alignment - 1) & -alignment


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
