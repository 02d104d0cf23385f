"""The reader on segment files written by hand: every shape of stream, and every way for files to be wrong."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import zlib
from pathlib import Path

import numpy
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aeron_py.archive.reader import DamagedRecordingError, RecordingReader
from aeron_py.errors import BusyError, ClosedError, InvalidPositionError, SettingError, UnknownRecordingError
from tests.living import nothing_lives_on
from tests.recorded_files import BEGIN, END, MTU, SEGMENT_LENGTH, TERM_LENGTH, RecordedFiles

POINT = numpy.dtype([("id", "<i8"), ("x", "<f8"), ("name", "S8")])


def fixed(directory: Path, count: int = 5000, length: int = 24, **settings: int) -> RecordedFiles:
    files = RecordedFiles(directory, **settings)
    for index in range(count):
        files.append(index.to_bytes(8, "little") * (length // 8), reserved_value=index)
    files.save()
    return files


def mixed(directory: Path, count: int = 300, **settings: int) -> RecordedFiles:
    files = RecordedFiles(directory, **settings)
    for index in range(count):
        size = (0, 1, 31, 32, 33, 1000, MTU - 32, MTU - 31, 4000, 7777)[index % 10]
        files.append(bytes([index % 251]) * size, reserved_value=-index)
    files.save()
    return files


def flip(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("chunk_length", [4096, 1 << 14, 1 << 20])
@pytest.mark.parametrize("start_position", [0, 96, 3 * TERM_LENGTH + 64])
def test_every_way_of_reading_gives_every_message(tmp_path: Path, chunk_length: int, start_position: int) -> None:
    files = mixed(tmp_path, start_position=start_position)
    assert len(list(tmp_path.glob("*.rec"))) > 2

    def reader() -> RecordingReader:
        return RecordingReader(tmp_path, 0, chunk_length=chunk_length)

    with reader() as each:
        assert list(each) == files.messages
        assert each.position == each.limit == files.position
        assert list(each) == []
    with reader() as each:
        assert [bytes(view) for view in each.views()] == files.messages
        assert each.position == files.position
    with reader() as each:
        batches = list(each.batches(limit=7))
        assert max(len(batch) for batch in batches) == 7
        assert [payload for batch in batches for payload in batch.payloads()] == files.messages
        assert [position for batch in batches for position in batch.positions] == files.positions
        assert [value for batch in batches for value in batch.reserved_values] == [-i for i in range(300)]
        assert {value for batch in batches for value in batch.session_ids} == {files.session_id}
    with reader() as each:
        mapped = list(each.batches(50, copy=False))
        assert [payload for batch in mapped for payload in batch.payloads()] == files.messages
    with reader() as each:
        assert each.to_arrow()["payload"].to_pylist() == files.messages


def test_a_batch_gives_its_messages_in_every_form(tmp_path: Path) -> None:
    files = mixed(tmp_path, 20)
    with RecordingReader(tmp_path, 0) as reader:
        batch = reader.read_batch()
    assert len(batch) == 20
    assert batch.payloads() == [message.payload for message in batch] == files.messages
    assert [batch[index].payload for index in range(-20, 20)] == files.messages * 2
    assert [bytes(view) for view in batch.views()] == files.messages
    assert numpy.asarray(batch.lengths).tolist() == [len(message) for message in files.messages]
    out = bytearray(sum(batch.lengths))
    assert batch.pack_into(out) == len(out)
    assert bytes(out) == b"".join(files.messages)
    with pytest.raises(ValueError, match="the buffer has"):
        batch.pack_into(bytearray(10))
    with pytest.raises(IndexError):
        batch[20]
    part = batch[5:8]
    assert [message.payload for message in part] == part.payloads() == files.messages[5:8]
    assert part.positions.tolist() == files.positions[5:8]
    assert [bytes(view) for view in part.views()] == files.messages[5:8]
    message = part[1]
    assert (message.position, message.reserved_value) == (files.positions[6], -6)
    assert (message.session_id, message.stream_id) == (files.session_id, files.stream_id)
    with pytest.raises(TypeError):
        batch.data[0] = 1


def test_nothing_to_read_is_an_empty_batch(tmp_path: Path) -> None:
    files = fixed(tmp_path, 3)
    with RecordingReader(tmp_path, 0, position=files.position) as reader:
        batch = reader.read_batch()
        assert len(batch) == 0 and not batch
        assert list(batch) == batch.views() == list(batch.offsets) == list(batch.session_ids) == []
        assert len(batch.data) == batch.pack_into(bytearray()) == 0
        assert len(reader.to_numpy("i8")) == reader.to_arrow().num_rows == 0


def test_breaking_off_loses_nothing(tmp_path: Path) -> None:
    files = mixed(tmp_path, 100)
    with RecordingReader(tmp_path, 0) as reader:
        got = []
        for message in reader:
            got.append(message)
            if len(got) == 3:
                break
        for view in reader.views():
            got.append(bytes(view))
            if len(got) == 8:
                break
        got += reader.read_batch(2).payloads()
        assert reader.position == files.positions[9]
        got += list(reader)
    assert got == files.messages


@pytest.mark.parametrize("length", [8, 24, 1000])
def test_messages_of_one_size_are_strided_views_of_the_files(tmp_path: Path, length: int) -> None:
    files = fixed(tmp_path, 3000, length)
    with RecordingReader(tmp_path, 0) as reader:
        parts = list(reader.arrays("i8"))
        assert reader.position == files.position
    items = length // 8
    assert all(part.shape == ((len(part),) if items == 1 else (len(part), items)) for part in parts)
    assert not any(part.flags.writeable or part.flags.owndata for part in parts)
    assert numpy.concatenate(parts).reshape(-1, items)[:, 0].tolist() == list(range(3000))
    for copy in (None, True):
        with RecordingReader(tmp_path, 0) as reader:
            whole = reader.to_numpy("i8", copy=copy)
            assert whole.reshape(-1, items)[:, -1].tolist() == list(range(3000))
    with RecordingReader(tmp_path, 0) as reader, pytest.raises(SettingError, match="not in one row"):
        reader.to_numpy("i8", copy=False)


def test_one_row_is_not_copied(tmp_path: Path) -> None:
    fixed(tmp_path, 100)
    with RecordingReader(tmp_path, 0) as reader:
        array = reader.to_numpy(POINT, copy=False)
    assert not array.flags.owndata and array.strides == (64,)
    assert array["id"].tolist() == list(range(100))


def test_arrays_and_views_outlive_their_reader(tmp_path: Path) -> None:
    files = fixed(tmp_path, 4000)
    reader = RecordingReader(tmp_path, 0)
    views = list(reader.views())
    reader.seek(0)
    arrays = list(reader.arrays("i8"))
    reader.seek(0)
    batch = reader.read_batch()
    data, positions = batch.data, batch.positions
    count = len(batch)
    reader.close()
    for path in tmp_path.glob("*.rec"):
        path.unlink()
    del reader, batch
    gc.collect()
    assert [bytes(view) for view in views] == files.messages
    assert numpy.concatenate(arrays)[:, 0].tolist() == list(range(4000))
    assert positions.tolist() == files.positions[:count]
    assert files.messages[0] in bytes(data[:100])


def test_a_closed_reader_does_not_wait_for_the_garbage_collector(tmp_path: Path) -> None:
    fixed(tmp_path, 10)

    def once() -> None:
        with RecordingReader(tmp_path, 0) as reader:
            assert len(reader.read_batch()) == 10

    once()
    with nothing_lives_on():
        once()


def test_mappings_and_descriptors_go_with_the_last_view(tmp_path: Path) -> None:
    fixed(tmp_path, 4000)

    def used() -> tuple[int, int]:
        gc.collect()
        maps = sum(str(tmp_path) in line for line in Path("/proc/self/maps").read_text().splitlines())
        return maps, len(list(Path("/proc/self/fd").iterdir()))

    before = used()
    for _ in range(3):
        with RecordingReader(tmp_path, 0) as reader:
            list(reader)
            reader.seek(0)
            next(reader.views())
            reader.to_numpy("i8")
    assert used() == before


def test_mixed_ways_of_reading_do_not_touch_each_others_memory(tmp_path: Path) -> None:
    files = mixed(tmp_path)
    with RecordingReader(tmp_path, 0) as reader:
        views = reader.views()
        first = next(views)
        reader.seek(0)
        assert reader.read_batch(3).payloads() == files.messages[:3]
        assert bytes(next(views)) == files.messages[1]
        assert bytes(first) == files.messages[0]
        views.close()


def test_a_reader_follows_a_growing_recording(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    got: list[bytes] = []
    files.append(b"begin")
    files.save(stopped=False)
    with RecordingReader(tmp_path, 0, limit=lambda: files.position) as reader:
        for index in range(150):
            got += list(reader)
            assert got == files.messages
            assert len(reader.read_batch()) == 0
            files.append(bytes([index % 256]) * (index * 7 % 3000))
            files.save(stopped=False)
        got += list(reader)
    assert got == files.messages


def test_an_array_of_what_grows_while_it_is_read(tmp_path: Path) -> None:
    files = fixed(tmp_path, count=500)
    files.save(stopped=False)
    ends = iter(files.positions)
    with RecordingReader(tmp_path, 0, limit=lambda: next(ends, None)) as reader:
        array = reader.to_numpy(copy=True)
    assert array.tobytes() == b"".join(files.messages)


def test_a_reader_of_a_directory_where_this_process_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = mixed(tmp_path / "archive")
    files.save()
    monkeypatch.chdir(tmp_path)
    with RecordingReader("archive", 0) as reader:
        monkeypatch.chdir("/")
        assert list(reader) == files.messages


def test_a_message_is_read_when_its_last_fragment_is_there(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    files.append(b"a" * 5000)
    files.save(stopped=False)
    limit = 1408
    with RecordingReader(tmp_path, 0, limit=lambda: limit) as reader:
        assert len(reader.read_batch()) == 0 and list(reader.views()) == []
        assert reader.position == 0
        limit = files.position
        assert list(reader) == files.messages


def test_nothing_new_keeps_the_limit(tmp_path: Path) -> None:
    files = fixed(tmp_path, 5)
    known = iter([files.position, -1, -1, -1, -1])
    with RecordingReader(tmp_path, 0, limit=lambda: next(known, -1)) as reader:
        assert list(reader) == files.messages


def test_an_active_recording_needs_a_limit(tmp_path: Path) -> None:
    files = mixed(tmp_path, 30)
    files.save(stopped=False)
    with pytest.raises(SettingError, match="limit="):
        RecordingReader(tmp_path, 0)
    with RecordingReader(tmp_path, 0, limit=files.positions[9]) as reader:
        assert list(reader) == files.messages[:10]
    with RecordingReader(tmp_path, 0, scan=True) as reader:
        with pytest.raises(SettingError, match="can only be read by copying"):
            next(reader.views())
        assert list(reader) == files.messages
        assert reader.verify().stop_position == files.position


def test_a_scan_ends_where_nothing_was_written(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    while files.position < SEGMENT_LENGTH:
        files.append(b"x" * 992)
    files.save(stopped=False)
    with RecordingReader(tmp_path, 0, scan=True) as reader:
        assert len(list(reader)) == len(files.messages)
    files.frame(b"begun", BEGIN)
    files.save(stopped=False)
    with RecordingReader(tmp_path, 0, scan=True) as reader:
        assert len(list(reader)) == len(files.messages)


def test_fragments_without_begin_or_end_are_dropped_and_counted(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    files.frame(b"end of a message that began before", END)
    files.append(b"one")
    files.frame(b"begin", BEGIN)
    files.pad(64)
    files.frame(b"middle", 0)
    files.frame(b"end", END)
    files.append(b"two")
    files.frame(b"begin", BEGIN)
    files.frame(b"middle", 0)
    files.append(b"three" * 1000)
    files.frame(b"begin at the very end", BEGIN)
    files.save()
    with RecordingReader(tmp_path, 0) as reader:
        assert list(reader) == files.messages
        assert reader.position == files.position
        check = reader.verify()
    assert check.messages == 3 and check.dropped == 6 and check.padding == 1
    assert check.payload_bytes == sum(map(len, files.messages))
    with RecordingReader(tmp_path, 0) as reader:
        assert [bytes(view) for view in reader.views()] == files.messages


def test_verify_counts_and_keeps_the_position(tmp_path: Path) -> None:
    files = mixed(tmp_path, start_position=96)
    with RecordingReader(tmp_path, 0, chunk_length=4096) as reader:
        reader.read_batch(5)
        before = reader.position
        check = reader.verify()
        assert reader.position == before
    assert (check.start_position, check.stop_position) == (96, files.position)
    assert check.messages == len(files.messages) and check.dropped == 0
    assert check.payload_bytes == sum(map(len, files.messages))


def test_seek_goes_to_frames_only(tmp_path: Path) -> None:
    files = mixed(tmp_path)
    with RecordingReader(tmp_path, 0) as reader:
        for index in (0, 5, 150, 299):
            reader.seek(files.starts[index])
            assert list(reader) == files.messages[index:]
        reader.seek(files.position)
        assert list(reader) == []
        inside = files.starts[5] + 64
        with pytest.raises(InvalidPositionError, match=f"begin at {files.starts[5]} and {files.positions[5]}"):
            reader.seek(inside)
        with pytest.raises(InvalidPositionError, match=f"outside 0 to {files.position}"):
            reader.seek(files.position + 32)
        with pytest.raises(InvalidPositionError):
            reader.seek(-32)
        with pytest.raises(InvalidPositionError):
            RecordingReader(tmp_path, 0, position=inside)


DAMAGES = {
    "length": (0, b"\x1f\0\0\0"),
    "negative length": (0, b"\0\0\0\x80"),
    "length past the term": (0, b"\0\0\x10\0"),
    "unwritten": (0, b"\0\0\0\0"),
    "type": (6, b"\x05\0"),
    "term offset": (8, b"\x01\0\0\0"),
    "stream id": (16, b"\x63\0\0\0"),
    "term id": (20, b"\x63\0\0\0"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_frame_is_an_error_after_the_sound_ones(tmp_path: Path, damage: str) -> None:
    files = fixed(tmp_path, 4000)
    bad = 3000
    start = files.starts[bad]
    offset, data = DAMAGES[damage]
    flip(files.path(start), start % SEGMENT_LENGTH + offset, data)
    match = f"recording 0, position {start}, file {files.path(start)}"

    with RecordingReader(tmp_path, 0) as reader:
        got = []
        with pytest.raises(DamagedRecordingError, match=match) as caught:
            for message in reader:
                got.append(message)
        assert got == files.messages[:bad]
        assert (caught.value.position, caught.value.path) == (start, files.path(start))
        with pytest.raises(DamagedRecordingError, match=match):
            reader.read_batch()
        with pytest.raises(DamagedRecordingError, match=match):
            reader.verify()
        reader.seek(0)
        views = 0
        with pytest.raises(DamagedRecordingError, match=match):
            for _view in reader.views():
                views += 1
        assert views == bad
        reader.seek(0)
        with pytest.raises(DamagedRecordingError, match=match):
            reader.to_numpy("i8")


def test_a_missing_segment_says_which_there_are(tmp_path: Path) -> None:
    files = fixed(tmp_path, 8000)
    second = SEGMENT_LENGTH
    files.path(second).unlink()
    with RecordingReader(tmp_path, 0) as reader, pytest.raises(DamagedRecordingError, match="is missing"):
        list(reader)
    files.path(0).unlink()
    with RecordingReader(tmp_path, 0) as reader, pytest.raises(DamagedRecordingError, match=f"begins at {2 * second}"):
        reader.to_numpy("i8")


def test_a_shortened_segment_is_an_error(tmp_path: Path) -> None:
    files = fixed(tmp_path, 1000)
    os.truncate(files.path(0), 640 * 64 + 40)
    with RecordingReader(tmp_path, 0) as reader:
        got = []
        with pytest.raises(DamagedRecordingError, match=f"shorter.*position {640 * 64}"):
            for message in reader:
                got.append(message)
        assert got == files.messages[:640]
        reader.seek(0)
        with pytest.raises(DamagedRecordingError, match="segment file has 41000 bytes"):
            next(reader.views())
        with pytest.raises(DamagedRecordingError, match="segment file has 41000 bytes"):
            reader.to_numpy("i8")


def test_messages_of_several_sizes_are_no_array(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    files.append(b"x" * 24)
    files.append(b"x" * 16)
    files.save()
    for copy in (None, True, False):
        with RecordingReader(tmp_path, 0) as reader, pytest.raises(Exception, match="a message of 16 bytes"):
            reader.to_numpy("i8", copy=copy)
    for dtype in ("S5", "V0", object):
        with RecordingReader(tmp_path, 0) as reader, pytest.raises(SettingError, match=r"dtype|whole number"):
            reader.to_numpy(dtype)
    fragmented = RecordedFiles(tmp_path, 1)
    fragmented.append(b"x" * 4000)
    fragmented.save()
    with RecordingReader(tmp_path, 1) as reader, pytest.raises(DamagedRecordingError, match="fragment"):
        reader.to_numpy()
    with RecordingReader(tmp_path, 1) as reader:
        assert reader.to_numpy(copy=True).shape == (1, 4000)


def test_arrow_tables(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    for index in range(3000):
        files.append(numpy.array([(index, index / 2, b"n%d" % index)], POINT).tobytes(), reserved_value=index)
    files.save()
    with RecordingReader(tmp_path, 0, chunk_length=1 << 14) as reader:
        table = reader.to_arrow()
        assert reader.position == files.position
    assert table.column_names == ["position", "reserved_value", "session_id", "payload"]
    assert table["payload"].to_pylist() == files.messages
    assert table["position"].to_pylist() == files.positions
    assert table["reserved_value"].to_pylist() == list(range(3000))
    table.validate(full=True)
    with RecordingReader(tmp_path, 0) as reader:
        table = reader.to_arrow(POINT)
    table.validate(full=True)
    assert table["id"].to_pylist() == list(range(3000))
    assert table["x"].type == pyarrow.float64()
    assert table["name"].to_pylist()[2999] == b"n2999"
    with RecordingReader(tmp_path, 0) as reader, pytest.raises(SettingError, match="3 items"):
        reader.to_arrow("i8")


@pytest.mark.parametrize("name", ["numpy", "pyarrow"])
def test_a_missing_library_says_what_to_install(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fixed(tmp_path, 3)
    monkeypatch.setitem(sys.modules, name, None)
    with RecordingReader(tmp_path, 0) as reader, pytest.raises(ImportError, match="pip install aeron-py"):
        reader.to_numpy("i8") if name == "numpy" else reader.to_arrow()


def test_record_checksums_stand_where_the_session_id_stood(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    session_id = files.session_id
    for index in range(10):
        files.session_id = zlib.crc32(b"%d" % index) - (1 << 31)
        files.append(b"%d" % index)
    files.session_id = session_id
    files.save()
    with RecordingReader(tmp_path, 0, record_checksum=True) as reader:
        assert set(reader.read_batch().session_ids) == {session_id}


def test_a_closed_reader_says_so(tmp_path: Path) -> None:
    fixed(tmp_path, 3)
    reader = RecordingReader(tmp_path, 0)
    views, started = reader.views(), reader.arrays("u1")
    next(started)
    reader.close()
    reader.close()
    assert reader.closed and "closed" in repr(reader)
    for use in (
        reader.read_batch,
        reader.verify,
        lambda: next(iter(reader)),
        lambda: next(views),
        lambda: next(started),
    ):
        with pytest.raises(ClosedError, match="reader of recording 0 is closed"):
            use()
    with pytest.raises(ClosedError):
        reader.seek(0)
    with pytest.raises(ClosedError):
        reader.__enter__()


def test_a_second_thread_gets_an_error(tmp_path: Path) -> None:
    files = fixed(tmp_path, 3)
    inside, go_on = threading.Event(), threading.Event()

    def limit() -> int:
        inside.set()
        go_on.wait(30)
        return files.position

    go_on.set()
    with RecordingReader(tmp_path, 0, limit=limit) as reader:
        inside.clear()
        go_on.clear()
        thread = threading.Thread(target=reader.read_batch)
        thread.start()
        try:
            assert inside.wait(30)
            with pytest.raises(BusyError, match="another thread"):
                reader.read_batch()
        finally:
            go_on.set()
            thread.join(30)


def test_nor_does_what_is_mapped_move_a_reader_that_reads(tmp_path: Path) -> None:
    files = fixed(tmp_path)
    inside, go_on = threading.Event(), threading.Event()

    def limit() -> int:
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            go_on.wait(30)
        return files.position

    with RecordingReader(tmp_path, 0, limit=limit) as reader:
        begun = reader.messages()
        next(begun)
        reader.seek(0)
        thread = threading.Thread(target=reader.read_batch)
        thread.start()
        try:
            assert inside.wait(30)
            for each in (reader.views(), reader.arrays(), reader.batches(copy=False)):
                with pytest.raises(BusyError, match="another thread"):
                    next(each)
            with pytest.raises(BusyError, match="another thread"):
                begun.close()
        finally:
            go_on.set()
            thread.join(30)


@pytest.mark.parametrize("field", ["term_length", "segment_length", "start_position"])
def test_a_descriptor_that_can_not_be(tmp_path: Path, field: str) -> None:
    files = fixed(tmp_path, 3)
    setattr(files, field, 4711)
    files.save()
    with pytest.raises(DamagedRecordingError, match="its descriptor can't be"):
        RecordingReader(tmp_path, 0)


def test_closing_from_inside_a_read_is_an_error(tmp_path: Path) -> None:
    files = fixed(tmp_path, 3)
    close = False

    def limit() -> int:
        if close:
            reader.close()
        return files.position

    with RecordingReader(tmp_path, 0, limit=limit) as reader:
        close = True
        with pytest.raises(BusyError, match="close it after that"):
            reader.read_batch()
        close = False
        assert list(reader) == files.messages


def test_unknown_recordings_name_the_nearest(tmp_path: Path) -> None:
    fixed(tmp_path, 3)
    with pytest.raises(UnknownRecordingError, match="nearest are 0"):
        RecordingReader(tmp_path, 4)


def test_limits_must_be_positive(tmp_path: Path) -> None:
    fixed(tmp_path, 3)
    with RecordingReader(tmp_path, 0) as reader, pytest.raises(SettingError):
        reader.read_batch(0)
    with RecordingReader(tmp_path, 0) as reader, pytest.raises(SettingError):
        next(reader.batches(0, copy=False))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sizes=st.lists(st.integers(0, 6000), max_size=120),
    chunk_length=st.sampled_from([4096, 5000, 20000, 1 << 20]),
    limit=st.integers(1, 50),
)
def test_any_messages_come_back(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], chunk_length: int, limit: int
) -> None:
    directory = tmp_path_factory.mktemp("any")
    files = RecordedFiles(directory)
    for index, size in enumerate(sizes):
        files.append(bytes([index]) * size)
    files.save()
    with RecordingReader(directory, 0, chunk_length=chunk_length) as reader:
        assert [payload for batch in reader.batches(limit) for payload in batch.payloads()] == files.messages
        reader.seek(0)
        assert [message.payload for message in reader.messages()] == files.messages
        reader.seek(0)
        assert [bytes(view) for view in reader.views()] == files.messages


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_bytes_on_disk_can_do_harm(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = tmp_path_factory.mktemp("harm")
    files = mixed(directory, 60)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.sampled_from(files.starts))
        offset = start % SEGMENT_LENGTH + data.draw(st.integers(0, 40))
        flip(files.path(start), offset, data.draw(st.binary(min_size=1, max_size=8)))
    with RecordingReader(directory, 0, chunk_length=data.draw(st.sampled_from([4096, 1 << 20]))) as reader:
        for read in (lambda: list(reader), lambda: list(reader.views()), reader.verify, lambda: reader.to_numpy("u1")):
            with contextlib.suppress(DamagedRecordingError, SettingError):
                reader.seek(0)
                read()
