"""Recordings read straight from disk, of a real archive: what was published is what is read."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from aeron_py.archive.catalog import find_recording, read_catalog
from aeron_py.archive.client import Archive
from aeron_py.archive.reader import DamagedRecordingError, RecordingReader
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver
from aeron_py.client import Client
from aeron_py.errors import AdminActionError, BackPressuredError, InvalidPositionError
from aeron_py.publication import ExclusivePublication
from tests.nodes import START_TIMEOUT
from tests.recorded_files import segment_files
from tests.waiting import wait_until

CHANNEL = "aeron:ipc?term-length=64k"
WAIT = 60.0
STREAM_IDS = itertools.count(20_000)


@pytest.fixture
def publication(archive: Archive, node_client: Client) -> Iterator[ExclusivePublication]:
    """A publication that is recorded, on a stream of its own."""
    stream_id = next(STREAM_IDS)
    archive.start_recording(CHANNEL, stream_id)
    with node_client.add_exclusive_publication(CHANNEL, stream_id) as recorded:
        wait_until(lambda: recorded.is_connected, WAIT)
        yield recorded


def send(publication: ExclusivePublication, message: bytes, reserved_value: int = 0) -> int:
    def offered() -> int:
        try:
            return publication.offer(message, reserved_value)
        except (BackPressuredError, AdminActionError):
            return 0

    return wait_until(offered, WAIT)


def stopped(archive: Archive, publication: ExclusivePublication) -> RecordingDescriptor:
    recording_id = archive.await_recorded(publication, timeout=WAIT)
    archive.stop_recording(CHANNEL, publication.stream_id)
    wait_until(lambda: archive.get_stop_position(recording_id) is not None, WAIT)
    return archive.list_recording(recording_id)


def messages_of_all_sizes(count: int) -> list[bytes]:
    sizes = (0, 1, 100, 1376, 1377, 5000, 7000)
    return [bytes([index % 256]) * sizes[index % len(sizes)] for index in range(count)]


def test_what_was_published_is_read(
    node: ArchivingMediaDriver, archive: Archive, publication: ExclusivePublication
) -> None:
    messages = messages_of_all_sizes(400)
    positions = [send(publication, message, index) for index, message in enumerate(messages)]
    recording = stopped(archive, publication)
    assert recording.stop_position > 3 * recording.segment_file_length
    with RecordingReader(node.archive_dir, recording) as reader:
        assert list(reader) == messages
        reader.seek(positions[99])
        read = list(reader.messages())
        assert [message.payload for message in read] == messages[100:]
        assert [message.position for message in read] == positions[100:]
        assert [message.reserved_value for message in read] == list(range(100, 400))
        assert {message.session_id for message in read} == {publication.session_id}
        assert {message.stream_id for message in read} == {publication.stream_id}
        reader.seek(0)
        assert [bytes(view) for view in reader.views()] == messages
        check = reader.verify()
    assert (check.messages, check.dropped, check.stop_position) == (400, 0, recording.stop_position)


def test_the_catalog_says_what_the_archive_says(
    node: ArchivingMediaDriver, archive: Archive, publication: ExclusivePublication
) -> None:
    send(publication, b"message")
    recording = stopped(archive, publication)
    found = find_recording(node.archive_dir, recording.recording_id)
    for name in (
        "recording_id",
        "start_position",
        "stop_position",
        "start_timestamp",
        "stop_timestamp",
        "initial_term_id",
        "segment_file_length",
        "term_buffer_length",
        "mtu_length",
        "session_id",
        "stream_id",
        "stripped_channel",
        "original_channel",
        "source_identity",
    ):
        assert getattr(found, name) == getattr(recording, name), name
    assert recording.recording_id in [each.recording_id for each in read_catalog(node.archive_dir)]


def test_messages_of_one_size_become_arrays(
    node: ArchivingMediaDriver, archive: Archive, publication: ExclusivePublication
) -> None:
    dtype = numpy.dtype([("number", "<i8"), ("value", "<f8")])
    for index in range(5000):
        send(publication, struct.pack("<qd", index, index / 4))
    recording = stopped(archive, publication)
    with RecordingReader(node.archive_dir, recording) as reader:
        for copy in (None, True):
            reader.seek(0)
            array = reader.to_numpy(dtype, copy=copy)
            assert array["number"].tolist() == list(range(5000))
            assert array["value"].sum() == sum(range(5000)) / 4
        reader.seek(0)
        assert reader.to_arrow(dtype)["number"].to_pylist() == list(range(5000))


@pytest.mark.parametrize("told_by", ["counters", "archive"])
def test_a_recording_is_followed_while_it_grows(
    node: ArchivingMediaDriver,
    node_client: Client,
    archive: Archive,
    publication: ExclusivePublication,
    told_by: str,
) -> None:
    messages = messages_of_all_sizes(150)
    send(publication, messages[0])
    recording_id = archive.await_recorded(publication, timeout=WAIT)
    by_archive = (lambda: archive.get_max_recorded_position(recording_id)) if told_by == "archive" else None
    counters = node_client.counters if told_by == "counters" else None
    got: list[bytes] = []
    with RecordingReader(node.archive_dir, recording_id, limit=by_archive, counters=counters) as reader:
        assert reader.recording.is_active

        def caught_up() -> bool:
            got.extend(reader)
            return len(got) == sent

        for sent, message in enumerate(messages[1:], 2):
            send(publication, message)
            if sent % 10 == 0:
                wait_until(caught_up, WAIT)
        recording = stopped(archive, publication)
        sent = len(messages)
        wait_until(caught_up, WAIT)
        assert reader.position == reader.limit == recording.stop_position
    assert got == messages


def test_truncated_and_purged_recordings(
    node: ArchivingMediaDriver, archive: Archive, publication: ExclusivePublication
) -> None:
    messages = messages_of_all_sizes(300)
    positions = [send(publication, message) for message in messages]
    recording = stopped(archive, publication)
    reader = RecordingReader(node.archive_dir, recording)
    batch = reader.read_batch(50)

    archive.truncate_recording(recording.recording_id, positions[199])
    with pytest.raises(DamagedRecordingError):
        list(reader)
    with RecordingReader(node.archive_dir, recording.recording_id) as shorter:
        assert list(shorter) == messages[:200]

    segment = recording.segment_file_length
    archive.purge_segments(recording.recording_id, 2 * segment)
    # The archive deletes the files after it has answered.
    wait_until(lambda: min(segment_files(node.archive_dir, recording.recording_id)) == 2 * segment, WAIT)
    with pytest.raises(DamagedRecordingError, match=f"begins at {2 * segment}"):
        reader.seek(0)
        list(reader)
    with RecordingReader(node.archive_dir, recording.recording_id) as rest:
        assert rest.start_position == 2 * segment
        assert list(rest) == [m for m, p in zip(messages[:200], positions, strict=False) if p > 2 * segment]
    with pytest.raises(InvalidPositionError, match="outside"):
        RecordingReader(node.archive_dir, recording.recording_id, position=0)
    reader.close()
    assert batch.payloads() == messages[: len(batch)]


def test_an_archive_that_was_killed_is_read_up_to_what_was_written(tmp_path: Path) -> None:
    messages = messages_of_all_sizes(100)
    directory = tmp_path / "archive"
    with (
        ArchivingMediaDriver.launch(directory, timeout=START_TIMEOUT, segment_file_length=64 * 1024) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=START_TIMEOUT) as archive,
    ):
        archive.start_recording(CHANNEL, 77)
        with client.add_exclusive_publication(CHANNEL, 77) as publication:
            for message in messages:
                send(publication, message)
            recording_id = archive.await_recorded(publication, timeout=WAIT)
            # What a kill leaves: files without a stop position.
            shutil.copytree(directory, tmp_path / "left")
    with RecordingReader(tmp_path / "left", recording_id, scan=True) as reader:
        assert list(reader) == messages
        assert reader.to_arrow().num_rows == 0
        assert reader.verify().messages == len(messages)


def test_record_checksums(tmp_path: Path) -> None:
    with (
        ArchivingMediaDriver.launch(
            tmp_path, timeout=START_TIMEOUT, segment_file_length=64 * 1024, record_checksum="crc32"
        ) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=START_TIMEOUT) as archive,
    ):
        archive.start_recording(CHANNEL, 78)
        with client.add_exclusive_publication(CHANNEL, 78) as publication:
            messages = messages_of_all_sizes(30)
            for message in messages:
                send(publication, message)
            recording = stopped(archive, publication)
            session_id = publication.session_id
        with RecordingReader(node.archive_dir, recording, record_checksum=True) as reader:
            read = list(reader.messages())
    assert [message.payload for message in read] == messages
    assert {message.session_id for message in read} == {session_id}


def test_the_driver_has_another_archive_with_a_recording_of_that_id(
    node: ArchivingMediaDriver, node_client: Client, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:

        def recorded(directory: Path, count: int) -> tuple[ExclusivePublication, int]:
            server = stack.enter_context(ArchiveServer.launch(directory, node.aeron_dir, timeout=START_TIMEOUT))
            context = server.archive_context()
            session = stack.enter_context(Archive.connect(node_client, context, timeout=START_TIMEOUT))
            added = session.add_recorded_exclusive_publication(CHANNEL, next(STREAM_IDS))
            publication = stack.enter_context(added)
            session.await_recorded(publication, timeout=WAIT)
            position = [send(publication, bytes(100)) for _ in range(count)][-1]
            assert session.await_recorded(publication, position, timeout=WAIT) == 0
            return publication, position

        recorded(tmp_path / "other", 20)
        publication, position = recorded(tmp_path / "ours", 5)
        with RecordingReader(tmp_path / "ours", 0, counters=node_client.counters) as reader:
            assert len(list(reader)) == 5
            publication.close()
            wait_until(lambda: not find_recording(tmp_path / "ours", 0).is_active, WAIT)
            assert list(reader) == []
            assert reader.limit == position
