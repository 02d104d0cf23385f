"""Archives checked from their files: what is sound, and what is lost from where to where."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeron_py._ffi import ffi, lib
from aeron_py.archive.catalog import read_entries
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.verify import Lost, Verdict, verify_archive, verify_recording
from tests.recorded_files import MTU, PADDING, SEGMENT_LENGTH, TERM_LENGTH, RecordedFiles, write_catalog


def crc32(payload: bytes) -> int:
    return zlib.crc32(payload)


def crc32c(payload: bytes) -> int:
    return int(lib.shim_checksum(lib.SHIM_VERIFY_CRC32C, payload, len(payload)))


def filled(directory: Path, segments: int = 3, **options: int) -> RecordedFiles:
    """A recording of messages of many lengths, some of them fragmented, over so many segments."""
    files = RecordedFiles(directory, **options)
    number = 0
    while files.position < files.start_position + segments * SEGMENT_LENGTH - 5000:
        number += 1
        files.append(bytes([number % 256]) * (number * 37 % 3000))
    return files


def with_checksums(files: RecordedFiles, checksum: Callable[[bytes], int]) -> None:
    """As an archive with record checksums writes: over the payload with what aligns it, though not into padding."""
    for base, segment in files._segments.items():
        at = max(0, files.start_position - base)
        while at < len(segment):
            length, _, _, kind = struct.unpack_from("<iBBH", segment, at)
            if length == 0:
                break
            aligned = length + 31 & -32
            if kind != PADDING:
                struct.pack_into("<I", segment, at + 12, checksum(bytes(segment[at + 32 : at + aligned])))
            at += aligned


def overwrite(files: RecordedFiles, position: int, offset: int, data: bytes) -> None:
    """Damage the frame at a position."""
    path = files.path(position)
    with path.open("r+b") as file:
        file.seek((position - files.base) % files.segment_length + offset)
        file.write(data)


def lost(verdict: Verdict) -> list[tuple[int, int]]:
    return [(each.from_position, each.to_position) for each in verdict.lost]


@pytest.mark.parametrize("start", [0, 96, TERM_LENGTH + 32 * 700])
@pytest.mark.parametrize("checksum", [None, crc32, crc32c])
def test_a_sound_recording(tmp_path: Path, start: int, checksum: Callable[[bytes], int] | None) -> None:
    files = filled(tmp_path, start_position=start)
    if checksum is not None:
        with_checksums(files, checksum)
    files.save()
    verdict = verify_recording(tmp_path, 0)
    with RecordingReader(tmp_path, 0) as reader:
        check = reader.verify()
    assert verdict == Verdict(
        recording_id=0,
        state="stopped",
        start_position=start,
        stop_position=files.position,
        messages=len(files.messages),
        frames=check.frames,
        padding=check.padding,
        payload_bytes=sum(map(len, files.messages)),
        dropped=0,
        sessions=1,
        checksums={None: (), crc32: ("CRC-32",), crc32c: ("CRC-32C",)}[checksum],
        lost=(),
        catalog=(),
    )
    assert verdict.ok


@pytest.mark.parametrize(
    ("offset", "data", "reason"),
    [
        (0, b"\0\0\0\0", "nothing was written"),
        (0, b"\x10\0\0\0", "impossible length"),
        (0, b"\xff\xff\xff\xff", "impossible length"),
        (0, b"\0\0\0\x7f", "impossible length"),
        (0, struct.pack("<i", MTU + 32), "impossible length"),
        (4, b"\x01", "version, type or flags"),
        (5, b"\xc3", "version, type or flags"),
        (6, b"\x02", "version, type or flags"),
        (8, b"\x20\0\0\0", "another position"),
        (12, b"\x01\x02\x03\x04", "another session"),
        (16, b"\x99", "another stream"),
        (20, b"\x99", "another position"),
    ],
)
@pytest.mark.parametrize("which", [0, 1, 57, -1])
def test_a_damaged_header(tmp_path: Path, which: int, offset: int, data: bytes, reason: str) -> None:
    files = RecordedFiles(tmp_path)
    for number in range(100):
        files.append(bytes([number]) * 500)
    files.save()
    position, end = files.starts[which], files.positions[which]
    overwrite(files, position, offset, data)
    verdict = verify_recording(tmp_path, 0)
    if offset == 12 and which == 0:
        # It may have been a publication of one message, before the recording was extended.
        assert (lost(verdict), verdict.sessions) == ([], 2)
        return
    assert lost(verdict) == [(position, end)]
    assert reason in verdict.lost[0].reason
    assert verdict.lost[0].path == str(files.path(position))
    assert verdict.messages == 99
    assert not verdict.ok


@pytest.mark.parametrize("checksum", [crc32, crc32c])
@pytest.mark.parametrize("which", [0, 1, 57, -1])
def test_a_damaged_payload_with_checksums(tmp_path: Path, checksum: Callable[[bytes], int], which: int) -> None:
    files = RecordedFiles(tmp_path)
    for number in range(100):
        files.append(bytes([number]) * 500)
    with_checksums(files, checksum)
    files.save()
    overwrite(files, files.starts[which], 32 + 250, b"?")
    verdict = verify_recording(tmp_path, 0)
    assert lost(verdict) == [(files.starts[which], files.positions[which])]
    assert "checksum" in verdict.lost[0].reason or which == 0


def test_many_faults_are_told_one_by_one(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    for number in range(400):
        files.append(bytes([number % 256]) * 500)
    files.save()
    for index in (5, 90, 91, 200):
        overwrite(files, files.starts[index], 0, bytes(32))
    verdict = verify_recording(tmp_path, 0)
    begins, ends = files.starts, files.positions
    # Two of them follow each other.
    assert lost(verdict) == [(begins[5], ends[5]), (begins[90], ends[91]), (begins[200], ends[200])]
    assert verdict.messages == 396


def test_a_message_of_which_a_fragment_is_lost(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    for _ in range(3):
        files.append(b"x" * 5000)
    files.save()
    second = files.starts[1] + MTU
    overwrite(files, second, 20, b"\x99")
    verdict = verify_recording(tmp_path, 0)
    assert lost(verdict) == [(second, second + MTU)]
    assert (verdict.messages, verdict.dropped) == (2, 3)


def test_a_missing_segment(tmp_path: Path) -> None:
    files = filled(tmp_path)
    files.save()
    files.path(SEGMENT_LENGTH).unlink()
    verdict = verify_recording(tmp_path, 0)
    assert verdict.lost == (
        Lost(SEGMENT_LENGTH, 2 * SEGMENT_LENGTH, "the segment file is missing", str(files.path(SEGMENT_LENGTH))),
    )


def test_a_segment_that_is_stored_elsewhere(tmp_path: Path) -> None:
    files = filled(tmp_path)
    files.save()
    files.path(SEGMENT_LENGTH).unlink()
    part = (0, SEGMENT_LENGTH, 2 * SEGMENT_LENGTH)
    (verdict,) = verify_archive(tmp_path, is_away=lambda *asked: asked == part)
    assert verdict.ok
    assert [(each.from_position, each.to_position) for each in verdict.away] == [part[1:]]


def test_a_segment_that_can_not_be_read(tmp_path: Path) -> None:
    files, other = filled(tmp_path), filled(tmp_path, recording_id=1)
    other.save()
    files.save()
    write_catalog(tmp_path, [files.descriptor(), other.descriptor()])
    broken, looped = files.path(SEGMENT_LENGTH), files.path(2 * SEGMENT_LENGTH)
    broken.unlink()
    broken.mkdir()  # as root may read every file, one that nobody can
    looped.unlink()
    looped.symlink_to(looped)
    verdict, sound = verify_archive(tmp_path)
    assert lost(verdict) == [(SEGMENT_LENGTH, 2 * SEGMENT_LENGTH), (2 * SEGMENT_LENGTH, files.position)]
    assert all(each.reason.startswith("the segment file can't be read: ") for each in verdict.lost)
    assert sound.ok
    assert sound.messages == len(other.messages)


def test_what_lies_after_the_end_can_not_be_read(tmp_path: Path) -> None:
    files = filled(tmp_path)
    saved_with_stop(files, SEGMENT_LENGTH)
    files.path(SEGMENT_LENGTH).unlink()
    files.path(SEGMENT_LENGTH).mkdir()
    assert verify_recording(tmp_path, 0).ok


@pytest.mark.parametrize("stopped", [True, False])
def test_many_recordings_are_looked_for_once(tmp_path: Path, stopped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors = []
    for recording_id in range(20):
        files = filled(tmp_path, 1, recording_id=recording_id)
        files.save()
        descriptors.append(files.descriptor(stopped=stopped))
    write_catalog(tmp_path, descriptors)
    looked: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (looked.append(path), scandir(path))[1])
    assert all(verdict.ok for verdict in verify_archive(tmp_path))
    assert len(looked) <= 1


def test_no_segment_at_all(tmp_path: Path) -> None:
    files = filled(tmp_path)
    files.save()
    for path in tmp_path.glob("*.rec"):
        path.unlink()
    assert lost(verify_recording(tmp_path, 0)) == [(0, files.position)]


@pytest.mark.parametrize("left", [0, 1, 31, 32, 5000])
def test_a_short_segment(tmp_path: Path, left: int) -> None:
    files = filled(tmp_path)
    files.save()
    with files.path(SEGMENT_LENGTH).open("r+b") as file:
        file.truncate(left)
    verdict = verify_recording(tmp_path, 0)
    assert verdict.lost[-1].to_position == 2 * SEGMENT_LENGTH
    assert SEGMENT_LENGTH <= verdict.lost[0].from_position <= SEGMENT_LENGTH + left
    assert "shorter" in verdict.lost[-1].reason


def saved_with_stop(files: RecordedFiles, stop: int) -> None:
    files.save()
    files.position = stop
    write_catalog(files.directory, [files.descriptor()])


def test_a_stop_position_too_early(tmp_path: Path) -> None:
    files = filled(tmp_path)
    end, stop = files.position, files.positions[len(files.positions) // 2]
    saved_with_stop(files, stop)
    assert lost(verify_recording(tmp_path, 0)) == [(stop, end)]


def left_by_a_full_disk(files: RecordedFiles, stop: int, room: int) -> None:
    """A recording whose last write had room up to a place in the last segment, as when the disk gives no more pages."""
    saved_with_stop(files, stop)
    path = files.path(stop)
    path.write_bytes(path.read_bytes()[:room].ljust(files.segment_length, b"\0"))


@pytest.mark.parametrize("checksum", [None, crc32])
def test_a_write_that_had_no_room(tmp_path: Path, checksum: Callable[[bytes], int] | None) -> None:
    """What it left after the stop position ends with a page, within a frame: no loss, since nobody was told of it."""
    files = RecordedFiles(tmp_path)
    for _ in range(60):
        files.append(b"x" * 1000)
    if checksum is not None:
        with_checksums(files, checksum)
    stop, room = files.positions[40], 12 * 4096
    whole = max(each for each in files.positions if each <= room)
    left_by_a_full_disk(files, stop, room)
    verdict = verify_recording(tmp_path, 0)
    assert (verdict.ok, verdict.messages, verdict.stop_position) == (True, 41, stop)
    (left,) = verdict.left_over
    # Without checksums the frame that is cut looks like a whole one.
    cut = min(each for each in files.positions if each > room)
    assert (left.from_position, left.to_position) == (stop, cut if checksum is None else whole)


@pytest.mark.parametrize("stop", [0, 32, 40, 58])
def test_a_stop_position_too_early_in_the_last_term(tmp_path: Path, stop: int) -> None:
    """All frames are whole: they were recorded, and the catalog is wrong."""
    files = RecordedFiles(tmp_path)
    for _ in range(60):
        files.append(b"x" * 1000)
    end, early = files.position, files.positions[stop]
    assert end % 4096
    saved_with_stop(files, early)
    verdict = verify_recording(tmp_path, 0)
    assert (lost(verdict), verdict.left_over) == ([(early, end)], ())


def test_a_write_goes_over_the_end_of_no_term(tmp_path: Path) -> None:
    """What was recorded in an earlier write than the one that had no room is lost with a stop position before it."""
    files = RecordedFiles(tmp_path)
    while files.position < TERM_LENGTH + 50_000:
        files.append(b"x" * 1000)
    stop, room = files.positions[40], TERM_LENGTH + 5 * 4096
    left_by_a_full_disk(files, stop, room)
    verdict = verify_recording(tmp_path, 0)
    assert not verdict.ok
    assert [each.from_position for each in verdict.lost] == [stop]
    assert verdict.left_over == ()


def test_damage_before_what_a_full_disk_left(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    for _ in range(60):
        files.append(b"x" * 1000)
    stop = files.positions[40]
    left_by_a_full_disk(files, stop, 12 * 4096)
    overwrite(files, files.starts[20], 0, bytes(4))
    verdict = verify_recording(tmp_path, 0)
    assert lost(verdict) == [(files.starts[20], files.positions[20])]
    assert [each.from_position for each in verdict.left_over] == [stop]


def test_a_stop_position_too_late(tmp_path: Path) -> None:
    files = filled(tmp_path)
    end, stop = files.position, files.position + 320
    saved_with_stop(files, stop)
    assert lost(verify_recording(tmp_path, 0)) == [(end, stop)]


def test_a_stop_position_within_a_frame(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    for _ in range(3):
        files.append(b"x" * 500)
    saved_with_stop(files, files.positions[1] + 64)
    verdict = verify_recording(tmp_path, 0)
    assert (files.positions[1], files.positions[1] + 64) in lost(verdict)


def test_a_killed_archive_has_lost_nothing_after_its_last_frame(tmp_path: Path) -> None:
    files = filled(tmp_path)
    files.save(stopped=False)
    verdict = verify_recording(tmp_path, 0)
    assert (verdict.state, verdict.ok, verdict.stop_position) == ("unfinished", True, files.position)
    overwrite(files, files.starts[20], 0, bytes(4))
    assert lost(verify_recording(tmp_path, 0)) == [(files.starts[20], files.positions[20])]


def test_a_killed_archive_whose_last_segment_is_empty(tmp_path: Path) -> None:
    files = filled(tmp_path, 1)
    files.pad(SEGMENT_LENGTH - files.position)
    files.save(stopped=False)
    files.path(SEGMENT_LENGTH).write_bytes(bytes(SEGMENT_LENGTH))
    verdict = verify_recording(tmp_path, 0)
    assert (verdict.ok, verdict.stop_position) == (True, SEGMENT_LENGTH)


def test_an_extended_recording(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    for session in (5, 6, 6, 7):
        files.session_id = session
        for _ in range(40):
            files.append(b"x" * 700)
    files.save()
    verdict = verify_recording(tmp_path, 0)
    assert (verdict.ok, verdict.sessions) == (True, 3)


@pytest.mark.parametrize("checksum", [crc32, crc32c])
def test_an_extended_recording_with_checksums(tmp_path: Path, checksum: Callable[[bytes], int]) -> None:
    files = RecordedFiles(tmp_path)
    for session in (5, 6):
        files.session_id = session
        for _ in range(200):
            files.append(b"x" * 700)
    with_checksums(files, checksum)
    files.save()
    verdict = verify_recording(tmp_path, 0)
    assert verdict.lost == ()
    assert verdict.messages == 400


def test_an_archive_started_again_with_checksums(tmp_path: Path) -> None:
    plain, checked = RecordedFiles(tmp_path / "plain"), RecordedFiles(tmp_path / "checked")
    for files in (plain, checked):
        for _ in range(200):
            files.append(b"x" * 700)
        if files is checked:
            with_checksums(files, crc32c)
        files.save()
    first = plain.path(0).read_bytes()
    (tmp_path / "checked" / plain.path(0).name).write_bytes(first)
    verdict = verify_recording(tmp_path / "checked", 0)
    assert (verdict.ok, verdict.checksums, verdict.sessions) == (True, ("CRC-32C",), 1)


def test_the_catalog_itself(tmp_path: Path) -> None:
    files = filled(tmp_path, 1)
    files.save()
    path = tmp_path / "archive.catalog"
    data = bytearray(path.read_bytes())
    (length,) = struct.unpack_from("<i", data, 32)
    struct.pack_into("<I", data, 32 + 8, crc32(bytes(data[64 : 64 + length])))
    path.write_bytes(data)
    assert read_entries(tmp_path)[0].problems == ()
    data[64 + 40] ^= 0xFF  # the start position
    data[64 + 40] &= 0xE0
    path.write_bytes(data)
    (problem, *_) = read_entries(tmp_path)[0].problems
    assert "checksum" in problem
    assert not verify_recording(tmp_path, 0).ok


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    files = filled(tmp_path)
    files.save()
    files.path(SEGMENT_LENGTH).unlink()
    seen: list[tuple[int, int]] = []
    (verdict,) = verify_archive(tmp_path, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (files.position, files.position)
    assert seen == sorted(seen)
    assert verdict.recording_id == 0


def test_checksums_are_the_standard_ones() -> None:
    data = ffi.from_buffer("uint8_t[]", b"123456789")
    assert lib.shim_checksum(lib.SHIM_VERIFY_CRC32, data, 9) == 0xCBF43926
    assert lib.shim_checksum(lib.SHIM_VERIFY_CRC32C, data, 9) == 0xE3069283


@given(seed=st.integers(0, 2**32 - 1), checksum=st.sampled_from([None, crc32, crc32c]))
def test_any_damage_is_survived(
    tmp_path_factory: pytest.TempPathFactory, seed: int, checksum: Callable[[bytes], int] | None
) -> None:
    random = Random(seed)
    files = filled(tmp_path_factory.mktemp("damaged"), 2, start_position=random.choice([0, 32 * 77]))
    if checksum is not None:
        with_checksums(files, checksum)
    files.save(stopped=random.random() < 0.7)
    for _ in range(random.randrange(1, 20)):
        path = files.path(random.randrange(files.start_position, files.position))
        with path.open("r+b") as file:
            file.seek(random.randrange(SEGMENT_LENGTH))
            file.write(random.randbytes(random.choice([1, 4, 64, 4000])))
    verdict = verify_recording(files.directory, 0)
    ends = [edge for each in lost(verdict) for edge in each]
    assert ends == sorted(ends)
    assert verdict.messages <= len(files.messages) + 20
