"""Recordings: started, stopped, listed and changed in every way."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aeron_py.archive.client import Archive
from aeron_py.archive.recordings import NULL_POSITION, SourceLocation
from aeron_py.archive.server import ArchivingMediaDriver
from aeron_py.archive.signals import RecordingSignal, RecordingSignalEvent
from aeron_py.client import Client
from aeron_py.errors import (
    ActiveRecordingError,
    ActiveSubscriptionError,
    ArchiveError,
    ArchiveErrorCode,
    InvalidPositionError,
    SettingError,
    TimedOutError,
    UnknownRecordingError,
)
from aeron_py.uri import ChannelUri
from tests.archive.streams import CHANNEL, TIMEOUT, messages, new_stream_id, offer, record, stop_position
from tests.ports import free_port
from tests.waiting import wait_until

UNKNOWN = 1_000_000
SEGMENT = 64 * 1024


def test_a_recording_from_start_to_stop(node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    archive.start_recording("aeron:ipc?alias=pubsub:a/b|term-length=64k", stream_id)
    with node_client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        position = offer(publication, b"123456")
        recording_id = archive.await_recorded(publication, timeout=TIMEOUT)
        assert archive.await_recorded(publication, position, timeout=TIMEOUT) == recording_id

        active = archive.list_recording(recording_id)
        assert active.is_active
        assert active.stop_position == NULL_POSITION
        assert active.length is None
        assert active.stop_time is None
        assert active.start_time > before
        assert active.stream_id == stream_id
        assert active.session_id == publication.session_id
        assert active.initial_term_id == publication.initial_term_id
        assert active.term_buffer_length == publication.term_buffer_length
        assert active.original_channel == "aeron:ipc?alias=pubsub:a/b|term-length=64k"
        assert active.stripped_channel.startswith("aeron:ipc")
        assert active.source_identity == "aeron:ipc"
        assert active.segment_file_base_position(position) == 0
        assert archive.get_start_position(recording_id) == 0
        assert archive.get_recording_position(recording_id) == position
        assert archive.get_max_recorded_position(recording_id) == position
        assert archive.get_stop_position(recording_id) is None

    assert stop_position(archive, recording_id) == position
    assert archive.get_recording_position(recording_id) is None
    assert archive.get_max_recorded_position(recording_id) == position
    ended = archive.list_recording(recording_id)
    assert not ended.is_active
    assert ended.length == position
    assert ended.stop_time is not None
    assert ended.stop_time >= ended.start_time
    archive.stop_recording("aeron:ipc?alias=pubsub:a/b|term-length=64k", stream_id)


def test_every_way_to_stop(node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    archive.start_recording(CHANNEL, stream_id)
    archive.stop_recording(CHANNEL, stream_id)
    with pytest.raises(ArchiveError) as unknown:
        archive.stop_recording(CHANNEL, stream_id)
    assert unknown.value.archive_code == ArchiveErrorCode.UNKNOWN_SUBSCRIPTION
    assert archive.try_stop_recording(CHANNEL, stream_id) is False
    archive.start_recording(CHANNEL, stream_id)
    assert archive.try_stop_recording(CHANNEL, stream_id) is True

    subscription_id = archive.start_recording(CHANNEL, stream_id)
    archive.stop_recording_subscription(subscription_id)
    with pytest.raises(ArchiveError) as unknown:
        archive.stop_recording_subscription(subscription_id)
    assert unknown.value.archive_code == ArchiveErrorCode.UNKNOWN_SUBSCRIPTION
    assert archive.try_stop_recording_subscription(subscription_id) is False
    subscription_id = archive.start_recording(CHANNEL, stream_id)
    assert archive.try_stop_recording_subscription(subscription_id) is True

    archive.start_recording(CHANNEL, stream_id)
    with node_client.add_publication(CHANNEL, stream_id) as publication:
        recording_id = archive.await_recorded(publication, timeout=TIMEOUT)
        assert archive.stop_recording_by_identity(recording_id) is True
        stop_position(archive, recording_id)
        assert archive.stop_recording_by_identity(recording_id) is False
    with pytest.raises(UnknownRecordingError):
        archive.stop_recording_by_identity(UNKNOWN)
    archive.try_stop_recording(CHANNEL, stream_id)


def test_recorded_publications(archive: Archive) -> None:
    stream_id = new_stream_id()
    for add in (archive.add_recorded_publication, archive.add_recorded_exclusive_publication):
        with add(CHANNEL, stream_id) as publication:
            position = offer(publication, b"data")
            recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
            found = archive.find_last_matching_recording("aeron:ipc", stream_id, publication.session_id)
            assert found == recording_id
            assert archive.find_last_matching_recording("aeron:udp", stream_id, publication.session_id) is None
            assert (
                archive.find_last_matching_recording(
                    "aeron:ipc", stream_id, publication.session_id, min_recording_id=recording_id + 1
                )
                is None
            )
            archive.stop_recording_publication(publication)
            assert stop_position(archive, recording_id) == position


def test_a_stream_is_recorded_once(archive: Archive) -> None:
    stream_id = new_stream_id()
    archive.start_recording(CHANNEL, stream_id)
    with pytest.raises(ActiveSubscriptionError, match="recording exists"):
        archive.start_recording(CHANNEL, stream_id)
    archive.stop_recording(CHANNEL, stream_id)


def test_a_remote_source(node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    for _ in range(5):  # another program may take the port in between
        channel = f"aeron:udp?endpoint=127.0.0.1:{free_port()}"
        with contextlib.suppress(ArchiveError):
            subscription_id = archive.start_recording(channel, stream_id, SourceLocation.REMOTE, auto_stop=True)
            break
    with node_client.add_exclusive_publication(channel + "|term-length=64k", stream_id) as publication:
        position = offer(publication, b"over the network")
        recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
    assert stop_position(archive, recording_id) == position
    wait_until(lambda: not archive.list_recording_subscriptions(stream_id=stream_id))
    assert archive.try_stop_recording_subscription(subscription_id) is False


def test_lists(node_client: Client, archive: Archive) -> None:
    stream_id, other = new_stream_id(), new_stream_id()
    first = record(node_client, archive, stream_id, channel="aeron:ipc?alias=first|term-length=64k")
    second = record(node_client, archive, stream_id, channel="aeron:ipc?alias=second|term-length=64k")
    third = record(node_client, archive, other, channel="aeron:ipc?alias=first|term-length=64k")

    def ids(*arguments: object, **options: object) -> list[int]:
        return [found.recording_id for found in archive.list_recordings(*arguments, **options)]  # type: ignore[arg-type]

    assert ids("aeron:ipc", stream_id) == [first.recording_id, second.recording_id]
    assert ids(stream_id=stream_id) == [first.recording_id, second.recording_id]
    assert ids("alias=first", stream_id) == [first.recording_id]
    assert ids("alias=first") == [first.recording_id, third.recording_id]
    assert ids("alias=first", limit=1) == [first.recording_id]
    assert ids("alias=first", from_recording_id=second.recording_id) == [third.recording_id]
    assert ids(from_recording_id=first.recording_id, limit=2) == [first.recording_id, second.recording_id]
    assert ids(from_recording_id=third.recording_id) == [third.recording_id]
    assert ids(from_recording_id=UNKNOWN) == []
    assert ids("no such channel", stream_id) == []
    assert ids(stream_id=new_stream_id()) == []
    assert {first.recording_id, second.recording_id, third.recording_id} <= set(ids())
    assert archive.list_recordings(stream_id=other)[0].original_channel == third.original_channel
    with pytest.raises(SettingError, match="limit"):
        archive.list_recordings(limit=0)


def test_recording_subscriptions_are_listed(archive: Archive) -> None:
    streams = [new_stream_id() for _ in range(3)]
    started = {archive.start_recording(CHANNEL, stream_id): stream_id for stream_id in streams}
    listed = archive.list_recording_subscriptions("aeron:ipc")
    assert {found.subscription_id: found.stream_id for found in listed} == started
    assert len(archive.list_recording_subscriptions(limit=2)) == 2
    assert len(archive.list_recording_subscriptions(first=2)) == 1
    assert [found.stream_id for found in archive.list_recording_subscriptions(stream_id=streams[1])] == [streams[1]]
    assert archive.list_recording_subscriptions("aeron:udp") == []
    for stream_id in streams:
        archive.stop_recording(CHANNEL, stream_id)
    assert archive.list_recording_subscriptions() == []


def test_await_recorded_of_a_recording_that_has_stopped(node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    archive.start_recording(CHANNEL, stream_id)
    with node_client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        position = offer(publication, b"data")
        recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
        archive.stop_recording(CHANNEL, stream_id)
        stop_position(archive, recording_id)
        assert archive.await_recorded(publication, position, timeout=TIMEOUT) == recording_id
        with pytest.raises(ArchiveError, match=f"recording {recording_id} stopped at {position}"):
            archive.await_recorded(publication, position + 32, timeout=TIMEOUT)


def test_await_recorded_in_vain(node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    with node_client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        with pytest.raises(TimedOutError, match="no recording of it"):
            archive.await_recorded(publication, 0, timeout=0.3)
        archive.start_recording(CHANNEL, stream_id)
        archive.await_recorded(publication, 0, timeout=TIMEOUT)
        with pytest.raises(TimedOutError, match="recorded up to 0"):
            archive.await_recorded(publication, 4096, timeout=0.3)
    archive.stop_recording(CHANNEL, stream_id)


def test_a_recording_is_extended(node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    recording = record(node_client, archive, stream_id)
    channel = ChannelUri.parse("aeron:ipc").with_initial_position(
        recording.stop_position, recording.initial_term_id, recording.term_buffer_length
    )
    subscription_id = archive.extend_recording(recording.recording_id, CHANNEL, stream_id)
    with node_client.add_exclusive_publication(channel, stream_id) as publication:
        assert publication.position == recording.stop_position
        position = offer(publication, b"more")
        assert archive.await_recorded(publication, position, timeout=TIMEOUT) == recording.recording_id
        with pytest.raises(ArchiveError, match="streamId"):
            archive.extend_recording(recording.recording_id, CHANNEL, new_stream_id())
        with pytest.raises(ActiveRecordingError):
            archive.truncate_recording(recording.recording_id, 0)
    archive.stop_recording_subscription(subscription_id)
    assert stop_position(archive, recording.recording_id) == position
    with pytest.raises(UnknownRecordingError):
        archive.extend_recording(UNKNOWN, CHANNEL, stream_id)


def test_a_recording_is_truncated_and_purged(node: ArchivingMediaDriver, node_client: Client, archive: Archive) -> None:
    recording = record(node_client, archive, new_stream_id(), count=200, length=1024)
    frame = recording.stop_position // 200
    with pytest.raises(InvalidPositionError):
        archive.truncate_recording(recording.recording_id, 5)
    deleted = archive.truncate_recording(recording.recording_id, 10 * frame)
    assert deleted == (recording.stop_position - 1) // SEGMENT
    assert archive.get_stop_position(recording.recording_id) == 10 * frame
    wait_until(lambda: len(segments(node, recording.recording_id)) == 1)
    assert when_deleted(lambda: archive.purge_recording(recording.recording_id)) == 1
    wait_until(lambda: segments(node, recording.recording_id) == [])
    with pytest.raises(UnknownRecordingError):
        archive.get_stop_position(recording.recording_id)
    for call in (archive.purge_recording, archive.list_recording, archive.get_recording_position):
        with pytest.raises(UnknownRecordingError):
            call(recording.recording_id)


def when_deleted(call: Callable[[], int]) -> int:
    """The result of a call that the archive refuses while it deletes files, which it does after it has answered."""
    results: list[int] = []

    def called() -> bool:
        try:
            results.append(call())
        except ArchiveError as error:
            if "in progress" not in str(error):
                raise
        return bool(results)

    wait_until(called)
    return results[0]


def segments(node: ArchivingMediaDriver, recording_id: int) -> list[str]:
    return sorted(path.name for path in Path(node.archive_dir).glob(f"{recording_id}-*.rec"))


def test_segments_are_detached_attached_deleted_and_purged(
    node: ArchivingMediaDriver, node_client: Client, archive: Archive
) -> None:
    recording = record(node_client, archive, new_stream_id(), count=300, length=1024)
    recording_id, count = recording.recording_id, len(segments(node, recording.recording_id))
    assert count > 3
    archive.detach_segments(recording_id, 2 * SEGMENT)
    assert archive.get_start_position(recording_id) == 2 * SEGMENT
    assert len(segments(node, recording_id)) == count
    assert archive.attach_segments(recording_id) == 2
    assert archive.get_start_position(recording_id) == 0
    archive.detach_segments(recording_id, SEGMENT)
    assert archive.delete_detached_segments(recording_id) == 1
    assert when_deleted(lambda: archive.purge_segments(recording_id, 3 * SEGMENT)) == 2
    wait_until(lambda: len(segments(node, recording_id)) == count - 3)
    assert archive.get_start_position(recording_id) == 3 * SEGMENT
    with pytest.raises(ArchiveError):
        archive.detach_segments(recording_id, 3 * SEGMENT + 32)


def test_segments_are_migrated(node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    source = record(node_client, archive, stream_id, count=130, length=992)
    assert source.stop_position > 2 * SEGMENT
    archive.truncate_recording(source.recording_id, 2 * SEGMENT)
    channel = ChannelUri.parse("aeron:ipc?term-length=64k").with_initial_position(
        2 * SEGMENT, source.initial_term_id, source.term_buffer_length
    )
    archive.start_recording(CHANNEL, stream_id)
    with node_client.add_exclusive_publication(channel, stream_id) as publication:
        position = offer(publication, b"after")
        target = archive.await_recorded(publication, position, timeout=TIMEOUT)
    archive.stop_recording(CHANNEL, stream_id)
    stop_position(archive, target)
    assert archive.migrate_segments(source.recording_id, target) == 2
    assert archive.get_start_position(target) == 0


def test_the_channel_of_a_recording_is_changed(node_client: Client, archive: Archive) -> None:
    recording = record(node_client, archive, new_stream_id())
    archive.update_channel(recording.recording_id, "aeron:ipc?alias=renamed")
    assert archive.list_recording(recording.recording_id).original_channel == "aeron:ipc?alias=renamed"


def test_the_channel_of_an_unknown_recording(node_client: Client, archive: Archive) -> None:
    """The archive takes it, and nothing comes of it."""
    recording = record(node_client, archive, new_stream_id())
    before = archive.list_recordings()
    archive.update_channel(UNKNOWN, "aeron:ipc?alias=nobody")
    assert archive.list_recordings() == before
    archive.update_channel(recording.recording_id, "aeron:ipc?alias=somebody")
    assert archive.list_recordings("somebody")


def test_a_channel_is_changed_while_recordings_are_listed(node_client: Client, archive: Archive) -> None:
    """The archive refuses that of one session, so each waits for the other."""
    recording = record(node_client, archive, new_stream_id())
    with ThreadPoolExecutor(4) as pool:
        for number in range(20):
            channel = f"aeron:ipc?alias=changed-{number}"
            listings = [pool.submit(archive.list_recordings) for _ in range(2)]
            change = pool.submit(archive.update_channel, recording.recording_id, channel)
            listings.append(pool.submit(archive.list_recordings))
            assert change.result(TIMEOUT) is None
            for listing in listings:
                assert len(listing.result(TIMEOUT)) == len(listings[0].result(TIMEOUT))
            assert archive.list_recording(recording.recording_id).original_channel == channel


def test_signals(node: ArchivingMediaDriver, node_client: Client) -> None:
    heard: list[RecordingSignalEvent] = []
    with Archive.connect(
        node_client, node.archive_context(), timeout=TIMEOUT, on_recording_signal=heard.append
    ) as session:
        recording = record(node_client, session, new_stream_id(), count=3)

        def stopped() -> bool:
            session.poll_recording_signals()
            return any(event.signal is RecordingSignal.STOP for event in heard)

        wait_until(stopped)
        assert session.recording_signals() == []
    mine = [event for event in heard if event.recording_id == recording.recording_id]
    assert [event.signal for event in mine] == [RecordingSignal.START, RecordingSignal.STOP]
    assert [event.position for event in mine] == [0, recording.stop_position]
    assert len({event.subscription_id for event in mine}) == 1


def test_signals_without_a_handler_are_taken(node_client: Client, archive: Archive) -> None:
    record(node_client, archive, new_stream_id(), count=3)
    taken: list[RecordingSignalEvent] = []

    def stopped() -> bool:
        taken.extend(archive.recording_signals())
        return len(taken) >= 2

    wait_until(stopped)
    assert [event.signal for event in taken] == [RecordingSignal.START, RecordingSignal.STOP]


def test_signals_that_nobody_takes_do_not_pile_up(
    node: ArchivingMediaDriver, node_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aeron_py.archive._incoming._KEPT", 3)
    with Archive.connect(node_client, node.archive_context(), timeout=TIMEOUT) as session:
        last = [record(node_client, session, new_stream_id(), count=1).recording_id for _ in range(4)][-1]
        taken: list[RecordingSignalEvent] = []

        def stopped() -> bool:
            assert session.is_connected  # which has what came looked at
            assert len(session._session.signals) <= 3
            taken[:] = session._session.signals
            return any(each.recording_id == last and each.signal is RecordingSignal.STOP for each in taken)

        wait_until(stopped)
        assert session.recording_signals() == taken[-3:]


def test_bad_arguments(archive: Archive) -> None:
    for call in (
        lambda: archive.start_recording("aeron:icp", 1),
        lambda: archive.start_recording("aeron:ipc", 2**31),
        lambda: archive.start_recording("aeron:ipc", "1"),  # type: ignore[arg-type]
        lambda: archive.get_start_position(2**63),
        lambda: archive.get_start_position(None),  # type: ignore[arg-type]
        lambda: archive.list_recordings(channel="a\0b"),
        lambda: archive.list_recordings(channel="a" * 100_000, stream_id=1),
        lambda: archive.replicate(0, "aeron:ipc", 1, credentials=b"x" * 100_000),
        lambda: archive.update_channel(0, "aeron:ipc?alias=" + "a" * 100_000),
    ):
        with pytest.raises(SettingError):
            call()
    assert messages(1)
