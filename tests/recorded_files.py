"""An archive directory written by hand: segment files and a catalog as the archive writes them."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from aeron_py.archive.catalog import segment_bases, segment_name

TERM_LENGTH = 64 * 1024
SEGMENT_LENGTH = 2 * TERM_LENGTH
MTU = 1408
DATA, PADDING = 1, 0
BEGIN, END, UNFRAGMENTED = 0x80, 0x40, 0xC0


def segment_files(archive_dir: str | os.PathLike[str], recording_id: int) -> dict[int, Path]:
    """The segment files of a recording that are on disk, by base position, in order."""
    directory = Path(archive_dir)
    bases = segment_bases(archive_dir).get(recording_id, [])
    return {base: directory / segment_name(recording_id, base) for base in bases}


class RecordedFiles:
    """Appends messages to a recording the way a publication and the archive do: terms, padding, fragments, segments."""

    def __init__(
        self,
        directory: Path,
        recording_id: int = 0,
        *,
        start_position: int = 0,
        initial_term_id: int = 7,
        stream_id: int = 10,
        session_id: int = -77,
        term_length: int = TERM_LENGTH,
        segment_length: int = SEGMENT_LENGTH,
    ) -> None:
        self.directory = directory
        self.recording_id = recording_id
        self.start_position = self.position = start_position
        self.initial_term_id = initial_term_id
        self.stream_id = stream_id
        self.session_id = session_id
        self.term_length = term_length
        self.segment_length = segment_length
        self.base = start_position & -term_length
        self.starts: list[int] = []
        self.positions: list[int] = []
        self.messages: list[bytes] = []
        self._segments: dict[int, bytearray] = {}

    def append(self, payload: bytes, reserved_value: int = 0) -> int:
        """One message, in as many frames as it takes; the position after it."""
        most = MTU - 32
        parts = [payload[at : at + most] for at in range(0, len(payload), most)] or [b""]
        needed = sum(32 + (len(part) + 31 & -32) for part in parts)
        left = self.term_length - self.position % self.term_length
        if needed > left:
            self.pad(left)
        self.starts.append(self.position)
        for index, part in enumerate(parts):
            flags = (BEGIN if index == 0 else 0) | (END if index == len(parts) - 1 else 0)
            self.frame(part, flags, reserved_value)
        self.messages.append(payload)
        self.positions.append(self.position)
        return self.position

    def pad(self, length: int) -> None:
        """A padding frame: only its header is written."""
        self._write(self.position, self._header(length, UNFRAGMENTED, PADDING, 0))
        self.position += length

    def frame(self, payload: bytes, flags: int = UNFRAGMENTED, reserved_value: int = 0) -> None:
        """One data frame as it is."""
        self._write(self.position, self._header(32 + len(payload), flags, DATA, reserved_value) + payload)
        self.position += 32 + len(payload) + 31 & -32

    def _header(self, length: int, flags: int, kind: int, reserved_value: int) -> bytes:
        term, offset = divmod(self.position, self.term_length)
        ids = (self.session_id, self.stream_id, self.initial_term_id + term)
        return struct.pack("<iBBHiiiiq", length, 0, flags, kind, offset, *ids, reserved_value)

    def _write(self, position: int, data: bytes) -> None:
        base = position - (position - self.base) % self.segment_length
        segment = self._segments.setdefault(base, bytearray(self.segment_length))
        segment[position - base : position - base + len(data)] = data

    def path(self, position: int) -> Path:
        """The segment file that holds a position."""
        base = position - (position - self.base) % self.segment_length
        return self.directory / f"{self.recording_id}-{base}.rec"

    def save(self, *, stopped: bool = True) -> Path:
        """Write the segment files, and the catalog with this one recording; the directory."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for base, data in self._segments.items():
            self.path(base).write_bytes(data)
        write_catalog(self.directory, [self.descriptor(stopped=stopped)])
        return self.directory

    def descriptor(self, *, stopped: bool = True, channel: str = "aeron:ipc") -> bytes:
        """The catalog's descriptor of it."""
        stop = self.position if stopped else -1
        fields = (0, 1, self.recording_id, 1_700_000_000_000, -1, self.start_position, stop)
        numbers = (self.initial_term_id, self.segment_length, self.term_length, MTU, self.session_id, self.stream_id)
        original = channel if "?" in channel else channel + "?alias=x"
        texts = (text.encode() for text in (channel, original, "source"))
        return struct.pack("<7q6i", *fields, *numbers) + b"".join(struct.pack("<i", len(text)) + text for text in texts)


def write_catalog(
    directory: Path, descriptors: list[bytes], *, states: dict[int, int] | None = None, version: int = 3 << 16 | 1 << 8
) -> Path:
    """A catalog file of these descriptors; ``states`` by index, 1 (valid) where it names none."""
    data = bytearray(struct.pack("<iiqi", version, 32, len(descriptors), 64).ljust(32, b"\0"))
    for index, descriptor in enumerate(descriptors):
        entry = struct.pack("<iii", len(descriptor), (states or {}).get(index, 1), 0).ljust(32, b"\0") + descriptor
        data += entry.ljust(len(entry) + 63 & -64, b"\0")
    path = directory / "archive.catalog"
    path.write_bytes(data.ljust(1 << 16, b"\0"))
    return path
