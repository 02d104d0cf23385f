"""What may be done to the history of a recording, and what may not: Aeron's own cases of it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from aeron_py import (
    ActiveRecordingError,
    Archive,
    ArchiveError,
    ArchivingMediaDriver,
    ChannelUri,
    Client,
    InvalidPositionError,
    RecordingDescriptor,
    UnknownRecordingError,
)
from tests.archive.streams import CHANNEL, TIMEOUT, messages, new_stream_id, offer, record, stop_position
from tests.archive.test_recordings import SEGMENT, UNKNOWN, segments, when_deleted
from tests.waiting import wait_until

LENGTH = 992
FRAME = 1024


def replayed(archive: Archive, recording: RecordingDescriptor, position: int, end: int) -> list[bytes]:
    """What a replay of a part gives."""
    with archive.replay(
        recording.recording_id, CHANNEL, new_stream_id(), position=position, length=end - position
    ) as subscription:
        return [message.payload for message in subscription.messages(until=end, timeout=TIMEOUT)]


def extended(client: Client, archive: Archive, recording: RecordingDescriptor, data: list[bytes]) -> int:
    """Go on with a recording; returns where it then stopped."""
    end = archive.get_stop_position(recording.recording_id)
    assert end is not None
    channel = ChannelUri.parse(CHANNEL).with_initial_position(
        end, recording.initial_term_id, recording.term_buffer_length
    )
    subscription_id = archive.extend_recording(recording.recording_id, CHANNEL, recording.stream_id)
    with client.add_exclusive_publication(channel, recording.stream_id) as publication:
        for message in data:
            offer(publication, message)
        archive.await_recorded(publication, timeout=TIMEOUT)
    archive.stop_recording_subscription(subscription_id)
    return stop_position(archive, recording.recording_id)


# -- truncate


@pytest.mark.parametrize("late", [False, True], ids=["to zero", "to the start of one that began later"])
def test_truncated_to_its_start_it_has_no_files(
    node: ArchivingMediaDriver, node_client: Client, archive: Archive, late: bool
) -> None:
    stream_id = new_stream_id()
    channel = ChannelUri.parse(CHANNEL)
    with node_client.add_exclusive_publication(
        channel.with_initial_position(3 * SEGMENT + 4 * FRAME, 7, 64 * 1024) if late else channel, stream_id
    ) as publication:
        archive.start_recording(CHANNEL, stream_id)
        for message in messages(150, LENGTH):
            archive.await_recorded(publication, timeout=TIMEOUT)
            offer(publication, message)
        recording_id = archive.await_recorded(publication, timeout=TIMEOUT)
    archive.stop_recording(CHANNEL, stream_id)
    stop_position(archive, recording_id)
    start = archive.get_start_position(recording_id)
    assert start == (3 * SEGMENT + 4 * FRAME if late else 0)
    assert archive.truncate_recording(recording_id, start) == 3
    wait_until(lambda: segments(node, recording_id) == [])
    assert archive.get_stop_position(recording_id) == start


def test_truncated_in_the_middle_and_extended_from_there(
    node: ArchivingMediaDriver, node_client: Client, archive: Archive
) -> None:
    recording = record(node_client, archive, new_stream_id(), count=150, length=LENGTH)
    cut = 70 * FRAME
    assert archive.truncate_recording(recording.recording_id, cut) == 1
    wait_until(lambda: len(segments(node, recording.recording_id)) == 2)
    # What was cut off within the segment is not only forgotten: the file has zeros there.
    file = Path(node.archive_dir) / f"{recording.recording_id}-{SEGMENT}.rec"
    assert not any(file.read_bytes()[cut - SEGMENT :])
    end = extended(node_client, archive, recording, [b"new"])
    assert replayed(archive, recording, 0, end) == [*messages(70, LENGTH), b"new"]
    assert replayed(archive, recording, cut, end) == [b"new"]


def test_not_truncated_under_a_replay(node_client: Client, archive: Archive) -> None:
    recording = record(node_client, archive, new_stream_id(), count=150, length=LENGTH)
    with archive.replay(recording.recording_id, CHANNEL, new_stream_id()) as subscription:
        wait_until(lambda: subscription.images)
        with pytest.raises(ArchiveError, match=r"[Rr]eplay"):
            archive.truncate_recording(recording.recording_id, 10 * FRAME)
        with pytest.raises(ArchiveError, match=r"[Rr]eplay"):
            archive.purge_recording(recording.recording_id)
    assert archive.get_stop_position(recording.recording_id) == recording.stop_position


@pytest.mark.parametrize("position", [-32, 33, 1 << 40])
def test_truncated_nowhere_else(node_client: Client, archive: Archive, position: int) -> None:
    recording = record(node_client, archive, new_stream_id(), count=5, length=LENGTH)
    with pytest.raises(ArchiveError):
        archive.truncate_recording(recording.recording_id, position)
    assert archive.get_stop_position(recording.recording_id) == recording.stop_position


# -- purge


def test_purged_only_when_it_has_stopped(node_client: Client, archive: Archive) -> None:
    with archive.add_recorded_exclusive_publication(CHANNEL, new_stream_id()) as publication:
        recording_id = archive.await_recorded(publication, timeout=TIMEOUT)
        with pytest.raises(ActiveRecordingError):
            archive.purge_recording(recording_id)
    stop_position(archive, recording_id)
    when_deleted(lambda: archive.purge_recording(recording_id))
    assert recording_id not in [found.recording_id for found in archive.list_recordings()]
    with pytest.raises(UnknownRecordingError):
        archive.list_recording(recording_id)


def test_listed_while_others_are_purged(node: ArchivingMediaDriver, node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    recordings = [record(node_client, archive, stream_id, count=2).recording_id for _ in range(12)]
    kept = set(recordings)

    def listed(**which: int) -> set[int]:
        # Only these: a recording may begin while the publication before it is still going, and then has that one, too.
        return {each.recording_id for each in archive.list_recordings(**which)} & set(recordings)  # type: ignore[arg-type]

    with Archive.connect(node_client, node.archive_context(), timeout=TIMEOUT) as other:
        for recording_id in recordings[::2]:
            when_deleted(lambda r=recording_id: other.purge_recording(r))  # type: ignore[misc]
            kept.discard(recording_id)
            # The archive answers a purge before it has done all of it.
            wait_until(lambda: listed(stream_id=stream_id) == kept)
            assert listed(from_recording_id=recordings[0]) == kept


# -- segments


def test_a_recording_that_began_in_the_middle_of_a_segment(
    node: ArchivingMediaDriver, node_client: Client, archive: Archive
) -> None:
    stream_id = new_stream_id()
    with node_client.add_exclusive_publication(
        ChannelUri.parse(CHANNEL).with_initial_position(10 * FRAME, 7, 64 * 1024), stream_id
    ) as publication:
        archive.start_recording(CHANNEL, stream_id)
        archive.await_recorded(publication, timeout=TIMEOUT)
        for message in messages(250, LENGTH):
            offer(publication, message)
        recording_id = archive.await_recorded(publication, timeout=TIMEOUT)
        recording = archive.list_recording(recording_id)
        assert recording.start_position == 10 * FRAME
        base = recording.segment_file_base_position(recording.start_position)
        assert base == 0
        assert archive.delete_detached_segments(recording_id) == 0
        archive.detach_segments(recording_id, 2 * SEGMENT)
        assert archive.attach_segments(recording_id) == 2
        assert archive.get_start_position(recording_id) == recording.start_position
        assert archive.attach_segments(recording_id) == 0
        archive.detach_segments(recording_id, SEGMENT)
        assert archive.delete_detached_segments(recording_id) == 1
        assert when_deleted(lambda: archive.purge_segments(recording_id, 2 * SEGMENT)) == 1
        wait_until(lambda: f"{recording_id}-0.rec" not in segments(node, recording_id))
        # While it goes on: nothing at or beyond the segment that is being written.
        for position in (5 * SEGMENT, 2 * SEGMENT + 32, SEGMENT, -SEGMENT):
            with pytest.raises(ArchiveError):
                archive.purge_segments(recording_id, position)
    archive.stop_recording(CHANNEL, stream_id)


def test_no_segment_is_purged_under_a_replay(node_client: Client, archive: Archive) -> None:
    recording = record(node_client, archive, new_stream_id(), count=250, length=LENGTH)
    with archive.replay(recording.recording_id, CHANNEL, new_stream_id()) as subscription:
        wait_until(lambda: subscription.images)
        with pytest.raises(ArchiveError, match=r"[Rr]eplay"):
            archive.purge_segments(recording.recording_id, 2 * SEGMENT)
    assert archive.get_start_position(recording.recording_id) == 0


def test_migrations_that_do_not_fit(node_client: Client, archive: Archive) -> None:
    source = record(node_client, archive, new_stream_id(), count=130, length=LENGTH)
    target = record(node_client, archive, new_stream_id(), count=2, length=LENGTH)
    for from_id, to_id in ((source, target), (target, source), (source, source)):
        with pytest.raises(ArchiveError):
            archive.migrate_segments(from_id.recording_id, to_id.recording_id)
    for from_number, to_number in ((UNKNOWN, target.recording_id), (source.recording_id, UNKNOWN)):
        with pytest.raises(UnknownRecordingError):
            archive.migrate_segments(from_number, to_number)
    assert archive.list_recording(source.recording_id).stop_position == source.stop_position


# -- the catalog


def test_a_descriptor_longer_than_a_packet(node_client: Client, archive: Archive) -> None:
    alias = "x" * 2000
    stream_id = new_stream_id()
    recording = record(node_client, archive, stream_id, count=2, channel=f"{CHANNEL}|alias={alias}")
    purged = record(node_client, archive, stream_id, count=2)
    again = record(node_client, archive, stream_id, count=2, channel=f"{CHANNEL}|alias={alias[:1900]}")
    when_deleted(lambda: archive.purge_recording(purged.recording_id))
    assert archive.list_recording(recording.recording_id).original_channel.endswith(alias)
    assert archive.list_recordings(alias[:1900], stream_id) == [recording, again]
    assert archive.list_recordings(from_recording_id=recording.recording_id, limit=2) == [recording, again]


def test_the_last_recording_of_a_stream(node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    first = record(node_client, archive, stream_id, count=2, channel=f"{CHANNEL}|alias=one")
    last = record(node_client, archive, stream_id, count=2, channel=f"{CHANNEL}|alias=two")
    find = archive.find_last_matching_recording
    assert find(last.original_channel, stream_id, last.session_id) == last.recording_id
    assert find("alias=one", stream_id, first.session_id) == first.recording_id
    assert find("alias=two", stream_id, first.session_id) is None
    assert find("alias=two", stream_id, last.session_id, min_recording_id=last.recording_id + 1) is None
    assert find("", new_stream_id(), last.session_id) is None


def test_a_channel_that_becomes_long(node_client: Client, archive: Archive) -> None:
    recording = record(node_client, archive, new_stream_id(), count=2)
    archive.update_channel(recording.recording_id, "aeron:ipc?alias=" + "y" * 1500)
    assert archive.list_recordings("y" * 1500, recording.stream_id)[0].recording_id == recording.recording_id


# -- replays


def test_a_read_length_below_the_mtu(node_client: Client, archive: Archive) -> None:
    recording = record(node_client, archive, new_stream_id(), count=5, length=LENGTH)
    with pytest.raises(ArchiveError, match=r"mtu|MTU"):
        archive.start_replay(recording.recording_id, CHANNEL, new_stream_id(), file_io_max_length=256)
    with archive.replay(
        recording.recording_id, CHANNEL, new_stream_id(), file_io_max_length=recording.mtu_length
    ) as subscription:
        received = [message.payload for message in subscription.messages(recording.stop_position, TIMEOUT)]
    assert received == messages(5, LENGTH)


def test_a_replay_that_has_ended_is_stopped_in_vain(node_client: Client, archive: Archive) -> None:
    recording = record(node_client, archive, new_stream_id(), count=5)
    replay = archive.start_replay(recording.recording_id, CHANNEL, new_stream_id())
    with replay.subscribe() as subscription:
        assert len(list(subscription.messages(recording.stop_position, TIMEOUT))) == 5
        wait_until(lambda: not subscription.images or subscription.images[0].is_end_of_stream)
    replay.stop()
    archive.stop_replay(replay.replay_session_id)
    archive.stop_all_replays(recording.recording_id)
    assert archive.poll_errors() == []


def test_replays_of_live_recordings_end_with_them(node_client: Client, archive: Archive) -> None:
    for count in (0, 3):
        with contextlib.ExitStack() as closing:
            publication = closing.enter_context(archive.add_recorded_exclusive_publication(CHANNEL, new_stream_id()))
            archive.await_recorded(publication, timeout=TIMEOUT)
            for message in messages(count):
                offer(publication, message)
            recording_id = archive.await_recorded(publication, timeout=TIMEOUT)
            follow = closing.enter_context(archive.replay(recording_id, CHANNEL, new_stream_id()))
            wait_until(lambda f=follow: f.images)  # type: ignore[misc]
            assert not follow.images[0].is_end_of_stream
            offer(publication, b"last")
            found: list[bytes] = []
            wait_until(lambda f=follow, into=found, n=count: into.extend(f.poll_payloads()) or len(into) == n + 1)  # type: ignore[misc]
            publication.close()
            stop_position(archive, recording_id)
            wait_until(lambda f=follow: f.poll_payloads() or all(i.is_end_of_stream for i in f.images))  # type: ignore[misc]
            assert found == [*messages(count), b"last"]


def test_a_replay_from_where_a_late_recording_joined(node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    with (
        node_client.add_subscription(CHANNEL, stream_id) as reader,
        node_client.add_exclusive_publication(CHANNEL, stream_id) as publication,
    ):
        wait_until(lambda: publication.is_connected and publication.position_limit > 0)
        for message in messages(10):
            offer(publication, message)
        assert len(reader.poll_payloads()) == 10
        for _ in range(2):  # two answers of the media driver: between them it has seen how far the reader is
            node_client.add_counter(1001).close()
        joined = publication.position
        archive.start_recording(CHANNEL, stream_id)
        archive.await_recorded(publication, timeout=TIMEOUT)
        end = offer(publication, b"recorded")
        recording_id = archive.await_recorded(publication, end, timeout=TIMEOUT)
        recording = archive.list_recording(recording_id)
        assert recording.start_position == joined
        assert replayed(archive, recording, joined, end) == [b"recorded"]
        with pytest.raises((ArchiveError, InvalidPositionError)):
            archive.start_replay(recording_id, CHANNEL, new_stream_id(), position=joined - 32)
        assert reader.poll_payloads() == [b"recorded"]
    archive.stop_recording(CHANNEL, stream_id)
