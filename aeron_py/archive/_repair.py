"""The last message of each recording that a killed archive had been writing: whole, or cut off.

After a kill the archive finds by itself where a recording ends. But when the last fragment lies across the end of a
page and all of it on a later page is zero, it can't tell a write that was cut short from a payload of zeros, and
refuses to start until somebody decides. The file system knows: a page that was never written is a hole in the file. Of
padding the archive writes the header alone: it is whole, though the pages after it are holes.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from pathlib import Path

from aeron_py.archive.catalog import CATALOG_FILE_NAME, read_catalog, segment_bases, segment_name
from aeron_py.archive.recordings import RecordingDescriptor

_PAGE = 4096
_ALIGNMENT = 32
_CHUNK = 1 << 20
_TYPE_OFFSET, _PADDING = 6, b"\0\0"
_IDENTITY = struct.Struct("<4q")  # how a descriptor begins, up to the start timestamp
_STOP_TIMESTAMP, _STOP_POSITION = 32, 48


def repair(directory: Path, *, checksums: bool) -> list[str]:
    """Make every recording of an archive that was killed end with a whole fragment.

    Args:
        directory: of an archive that does not run.
        checksums: whether frames carry checksums: the archive then needs no help to know a whole one.

    Returns:
        What was cut off: a line for each.
    """
    cut: list[str] = []
    bases = segment_bases(directory)
    for recording in read_catalog(directory):
        if recording.is_active and recording.recording_id in bases:
            base = bases[recording.recording_id][-1]
            path = directory / segment_name(recording.recording_id, base)
            cut += _repair_segment(directory, recording, base, path, checksums)
    return cut


def _repair_segment(
    directory: Path, recording: RecordingDescriptor, base: int, path: Path, checksums: bool
) -> list[str]:
    cut: list[str] = []
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        while True:
            offset, length = _last_fragment(fd, recording, base)
            doubtful = [page for page in _pages_after(offset, length) if _is_zero(fd, page, offset + length)]
            if not doubtful:
                return cut
            whole = not any(_is_hole(fd, page, offset + length) for page in doubtful)
            if not checksums and (whole or _is_padding(fd, offset)):
                _set_stop_position(directory, recording, base + offset + length)
                return cut
            os.pwrite(fd, bytes(length), offset)
            os.fsync(fd)
            cut.append(f"recording {recording.recording_id} at position {base + offset}")
    finally:
        os.close(fd)


def _last_fragment(fd: int, recording: RecordingDescriptor, base: int) -> tuple[int, int]:
    """Offset in the segment and aligned length of the last fragment; length 0 when there is none."""
    term_offset = recording.start_position & (recording.term_buffer_length - 1)
    offset = term_offset if base == recording.start_position - term_offset else 0
    size = os.fstat(fd).st_size
    length = 0
    chunk, chunk_offset = b"", offset
    while offset + 4 <= size:
        at = offset - chunk_offset
        if at + 4 > len(chunk):
            chunk, chunk_offset, at = os.pread(fd, _CHUNK, offset), offset, 0
        (frame_length,) = struct.unpack_from("<i", chunk, at)
        if frame_length <= 0:
            break
        length = (frame_length + _ALIGNMENT - 1) & -_ALIGNMENT
        offset += length
    return offset - length, length


def _pages_after(offset: int, length: int) -> range:
    """Where each page begins that a fragment reaches over to."""
    return range((offset // _PAGE + 1) * _PAGE, offset + length, _PAGE)


def _is_padding(fd: int, offset: int) -> bool:
    return os.pread(fd, 2, offset + _TYPE_OFFSET) == _PADDING


def _is_zero(fd: int, page: int, end: int) -> bool:
    return not any(os.pread(fd, min(_PAGE, end - page), page))


def _is_hole(fd: int, page: int, end: int) -> bool:
    try:
        return os.lseek(fd, page, os.SEEK_DATA) >= min(page + _PAGE, end)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return True
        raise


def _set_stop_position(directory: Path, recording: RecordingDescriptor, position: int) -> None:
    """Write down in the catalog where a recording ends, so that the archive need not find out."""
    identity = _IDENTITY.pack(
        recording.control_session_id, recording.correlation_id, recording.recording_id, recording.start_timestamp
    )
    with (directory / CATALOG_FILE_NAME).open("r+b") as file:
        at = file.read().index(identity)
        file.seek(at + _STOP_TIMESTAMP)
        file.write(struct.pack("<q", int(time.time() * 1000)))
        file.seek(at + _STOP_POSITION)
        file.write(struct.pack("<q", position))
