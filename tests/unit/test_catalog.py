"""The archive's catalog, read from catalogs written by hand."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aeron_py.archive.catalog import CatalogError, find_recording, known_ids, read_catalog, segment_bases
from aeron_py.errors import UnknownRecordingError
from tests.recorded_files import MTU, SEGMENT_LENGTH, TERM_LENGTH, RecordedFiles, write_catalog


def descriptors(directory: Path, *ids: int) -> list[bytes]:
    return [RecordedFiles(directory, recording_id).descriptor() for recording_id in ids]


def test_every_field_is_read(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path, 3, start_position=64)
    files.append(b"message")
    files.save()
    (recording,) = read_catalog(tmp_path)
    assert recording == find_recording(tmp_path, 3)
    assert recording.recording_id == 3
    assert (recording.start_position, recording.stop_position) == (64, 128)
    assert recording.start_timestamp == 1_700_000_000_000
    assert (recording.session_id, recording.stream_id, recording.initial_term_id) == (-77, 10, 7)
    assert (recording.segment_file_length, recording.term_buffer_length) == (SEGMENT_LENGTH, TERM_LENGTH)
    assert recording.mtu_length == MTU
    assert recording.stripped_channel == "aeron:ipc"
    assert recording.original_channel == "aeron:ipc?alias=x"
    assert recording.source_identity == "source"


def test_deleted_recordings_are_left_out(tmp_path: Path) -> None:
    write_catalog(tmp_path, descriptors(tmp_path, 0, 1, 2, 5), states={1: 2, 2: 0})
    assert [recording.recording_id for recording in read_catalog(tmp_path)] == [0, 5]


def test_more_entries_than_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = descriptors(tmp_path, *range(1000))
    gone = {number: 2 for number in range(1000) if number % 100}
    for chunk in (100, 1 << 10, 1 << 14, 1 << 20):
        monkeypatch.setattr("aeron_py.archive.catalog._CHUNK", chunk)
        write_catalog(tmp_path, every)
        assert [recording.recording_id for recording in read_catalog(tmp_path)] == [*range(1000)]
        write_catalog(tmp_path, every, states=gone)
        assert [recording.recording_id for recording in read_catalog(tmp_path)] == [*range(0, 1000, 100)]
        assert known_ids(tmp_path) == {*range(1000)}
        assert find_recording(tmp_path, 900).recording_id == 900
        for unknown in (-1, 1, 999, 1000):
            with pytest.raises(UnknownRecordingError, match=f"no recording {unknown} "):
                find_recording(tmp_path, unknown)
    write_catalog(tmp_path, [*every, every[7]])
    with pytest.raises(CatalogError, match="recording 7 after 999 at byte"):
        read_catalog(tmp_path)


def test_an_unknown_recording_names_the_nearest(tmp_path: Path) -> None:
    write_catalog(tmp_path, descriptors(tmp_path, *range(0, 40, 2)))
    with pytest.raises(UnknownRecordingError, match=r"no recording 21 .* of 20 the nearest are 16, 18, 20, 22, 24"):
        find_recording(tmp_path, 21)
    write_catalog(tmp_path, [])
    with pytest.raises(UnknownRecordingError, match="no recordings"):
        find_recording(tmp_path, 0)


def test_no_catalog(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no archive in"):
        read_catalog(tmp_path)


def test_another_version(tmp_path: Path) -> None:
    write_catalog(tmp_path, [], version=2 << 16 | 5)
    with pytest.raises(CatalogError, match=r"version 2\.0\.5 is not 3\.x"):
        read_catalog(tmp_path)


def test_damaged_catalogs(tmp_path: Path) -> None:
    path = tmp_path / "archive.catalog"
    path.write_bytes(b"short")
    with pytest.raises(CatalogError, match="5 bytes"):
        read_catalog(tmp_path)
    write_catalog(tmp_path, descriptors(tmp_path, 4, 3))
    with pytest.raises(CatalogError, match="recording 3 after 4"):
        read_catalog(tmp_path)
    write_catalog(tmp_path, [descriptors(tmp_path, 4)[0][:100]])
    with pytest.raises(CatalogError, match="entry at byte 32"):
        read_catalog(tmp_path)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(offset=st.integers(0, 400), data=st.binary(min_size=1, max_size=40))
def test_no_bytes_do_harm(tmp_path_factory: pytest.TempPathFactory, offset: int, data: bytes) -> None:
    directory = tmp_path_factory.mktemp("catalog")
    path = write_catalog(directory, descriptors(directory, 0, 1))
    content = bytearray(path.read_bytes())
    content[offset : offset + len(data)] = data
    path.write_bytes(content)
    with contextlib.suppress(CatalogError):
        read_catalog(directory)


def test_segments_in_order(tmp_path: Path) -> None:
    for name in ("1-0.rec", "1-131072.rec", "1-65536.rec", "11-0.rec", "1-x.rec", "1-0.rec.del", "archive.catalog"):
        (tmp_path / name).touch()
    assert segment_bases(tmp_path) == {1: [0, 65536, 131072], 11: [0]}
