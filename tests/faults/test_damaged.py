"""An archive's directory in which files are damaged, missing, or left by somebody else."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aeron_py import ArchiveError, ArchiveServer, RecordingReader
from aeron_py.archive.catalog import CATALOG_FILE_NAME, CatalogError
from aeron_py.archive.mark import FILE_NAME as MARK_FILE_NAME
from aeron_py.archive.reader import DamagedRecordingError
from tests.archive.streams import stop_position
from tests.faults.place import ARCHIVE, Place, Recorded
from tests.faults.recording import message
from tests.faults.states import LONG

ENTRY = 32
"""Where the catalog's first entry begins."""


class Directory:
    """An archive's directory with two recordings, and a copy of it as it was.

    Attributes:
        first: a recording of several segments.
        second: one that no test here harms.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.path = place.archive_dir
        self.first, self.second = place.recorded(LONG), place.recorded()
        for recorded in (self.first, self.second):
            recorded.publication.close()
            assert stop_position(place.archive, recorded.recording_id) == recorded.position
        place.server.close()
        self.copy = place.archive_dir.with_name("copy")
        shutil.copytree(self.path, self.copy)

    def restore(self) -> None:
        shutil.rmtree(self.path)
        shutil.copytree(self.copy, self.path)

    def segment(self, recorded: Recorded) -> Path:
        """The first file of a recording."""
        return self.path / f"{recorded.recording_id}-0.rec"

    @property
    def catalog(self) -> Path:
        return self.path / CATALOG_FILE_NAME

    def launch(self) -> ArchiveServer:
        return ArchiveServer.launch(self.path, self.place.aeron_dir, **ARCHIVE)

    def check(self, *intact: Recorded) -> None:
        """An archive starts there and has these recordings as they were; and records."""
        with self.launch() as self.place.server, self.place.new_session() as self.place.archive:
            self.place.goes_on(*intact)


@pytest.fixture(scope="module")
def recorded(shared_place: Place) -> Directory:
    return Directory(shared_place)


@pytest.fixture
def directory(recorded: Directory) -> Iterator[Directory]:
    recorded.restore()
    yield recorded


def stored(directory: Directory, recorded: Recorded) -> list[bytes]:
    with RecordingReader(directory.path, recorded.recording_id) as reader:
        return list(reader)


def refuses_to_start(directory: Directory, match: str) -> None:
    """And what is there stays as it is."""
    before = directory.segment(directory.second).read_bytes()
    with pytest.raises(ArchiveError, match=match):
        directory.launch()
    assert directory.segment(directory.second).read_bytes() == before


def test_segment_truncated__replay_says_where(directory: Directory) -> None:
    """Sees: ArchiveError from the replay with the position; DamagedRecordingError from a RecordingReader.

    Kept: everything before that position, and all other recordings.
    Recovers: what is before can be read; restore the file from a copy.
    """
    first, second = directory.first, directory.second
    os.truncate(directory.segment(first), 5000)
    with RecordingReader(directory.path, first.recording_id) as reader:
        messages = reader.messages()
        read = []
        with pytest.raises(DamagedRecordingError, match="shorter"):
            read += [each.payload for each in messages]
    with directory.launch() as server, directory.place.new_session(server=server) as archive:
        with pytest.raises(ArchiveError, match="unexpected end of recording at position"):
            first.check(archive)
        second.check(archive)
    shutil.copy(directory.copy / directory.segment(first).name, directory.path)
    directory.check(first, second)


def test_segment_missing__replay_says_which(directory: Directory) -> None:
    """Sees: ArchiveError from the replay that names the file; DamagedRecordingError from a RecordingReader.

    Kept: all other recordings, and the other files of this one.
    Recovers: restore the file from a copy.
    """
    first, second = directory.first, directory.second
    last = max(directory.path.glob(f"{first.recording_id}-*.rec"), key=lambda path: int(path.stem.split("-")[1]))
    last.unlink()
    with pytest.raises(DamagedRecordingError, match=last.name):
        stored(directory, first)
    with directory.launch() as server, directory.place.new_session(server=server) as archive:
        with pytest.raises(ArchiveError, match=last.name):
            first.check(archive)
        second.check(archive)
    shutil.copy(directory.copy / last.name, directory.path)
    directory.check(first, second)


def test_frame_damaged_with_checksums__replay_says_where(place: Place) -> None:
    """Sees: with `record_checksum` and `replay_checksum`, ArchiveError from the replay: CRC checksum mismatch.

    Kept: everything before that frame.
    Recovers: restore the file from a copy.
    """
    place.server.close()
    place.start_archive(record_checksum="crc32c", replay_checksum="crc32c")
    place.connect()
    recorded = place.recorded()
    recorded.publication.close()
    stop_position(place.archive, recorded.recording_id)
    segment = place.archive_dir / f"{recorded.recording_id}-0.rec"
    whole = segment.read_bytes()
    place_of = whole.index(message(3)[:64])
    with segment.open("r+b") as file:
        file.seek(place_of)
        file.write(b"\xff" * 16)
    with pytest.raises(ArchiveError, match="checksum"):
        recorded.check(place.archive)
    segment.write_bytes(whole)
    place.goes_on(recorded)


def overwrite(offset: int, data: bytes) -> Callable[[Directory], None]:
    def harm(directory: Directory) -> None:
        with directory.catalog.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    return harm


def empty(directory: Directory) -> None:
    directory.catalog.write_bytes(b"")


def cut_off(directory: Directory) -> None:
    os.truncate(directory.catalog, 200)


def restore_catalog(directory: Directory) -> None:
    shutil.copy(directory.copy / CATALOG_FILE_NAME, directory.path)
    directory.check(directory.first, directory.second)


@pytest.mark.parametrize("harm", [overwrite(0, b"\xff" * 32), empty], ids=["overwritten", "empty"])
def test_catalog_header_damaged__archive_does_not_start(
    harm: Callable[[Directory], None], directory: Directory
) -> None:
    """Sees: ArchiveError from `ArchiveServer.launch`, CatalogError from a RecordingReader; both name the file.

    Kept: all files of recordings.
    Recovers: restore `archive.catalog` from a copy.
    """
    harm(directory)
    with pytest.raises(CatalogError):
        stored(directory, directory.second)
    refuses_to_start(directory, CATALOG_FILE_NAME)
    restore_catalog(directory)


@pytest.mark.parametrize(
    "harm",
    [overwrite(ENTRY + 40, b"\xff" * 100), overwrite(ENTRY, struct.pack("<i", -5)), cut_off],
    ids=["overwritten", "no length", "cut off"],
)
def test_catalog_record_damaged__archive_does_not_start(
    harm: Callable[[Directory], None], directory: Directory
) -> None:
    """Sees: ArchiveError from `ArchiveServer.launch`: an archive would start without it and write over its files.

    Kept: all files of recordings.
    Recovers: restore `archive.catalog` from a copy.
    """
    harm(directory)
    refuses_to_start(directory, "write over")
    restore_catalog(directory)


def test_catalog_missing__archive_does_not_start(directory: Directory) -> None:
    """Sees: ArchiveError from `ArchiveServer.launch`: an archive would begin a new catalog and write over the files.

    Kept: all files of recordings.
    Recovers: restore `archive.catalog` from a copy.
    """
    directory.catalog.unlink()
    refuses_to_start(directory, "write over")
    restore_catalog(directory)


def test_mark_file_damaged__archive_does_not_start(directory: Directory) -> None:
    """Sees: ArchiveError from `ArchiveServer.launch` that names the file, and says to delete it.

    Kept: all: the mark only says who runs there.
    Recovers: delete `archive-mark.dat`.
    """
    (directory.path / MARK_FILE_NAME).write_bytes(b"\xff" * 9000)
    refuses_to_start(directory, "delete it")
    (directory.path / MARK_FILE_NAME).unlink()
    directory.check(directory.first, directory.second)
