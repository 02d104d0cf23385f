"""Replays: whole and in part, bounded, following, stopped, refused, failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from aeron_py.archive.client import Archive
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.archive.replay import REPLAY_ALL_AND_FOLLOW, REPLAY_ALL_AND_STOP, Replay
from aeron_py.archive.server import ArchivingMediaDriver
from aeron_py.client import Client
from aeron_py.errors import (
    AeronError,
    ArchiveError,
    ArchiveLimitError,
    ClosedError,
    InvalidPositionError,
    SettingError,
    UnknownRecordingError,
)
from aeron_py.idle import IdleStrategy
from aeron_py.subscription import Subscription
from tests.archive.streams import CHANNEL, TIMEOUT, messages, new_stream_id, offer, record, stop_position
from tests.nodes import START_TIMEOUT
from tests.ports import free_port
from tests.waiting import wait_until

COUNT = 20
FRAME = 96
"""Bytes of a frame that holds a message of 64."""


@pytest.fixture
def recording(node_client: Client, archive: Archive) -> RecordingDescriptor:
    made = record(node_client, archive, new_stream_id(), COUNT)
    assert made.stop_position == COUNT * FRAME
    return made


def received(subscription: Subscription, until: int) -> list[bytes]:
    return [bytes(message.payload) for message in subscription.messages(until=until, timeout=TIMEOUT)]


def test_whole(archive: Archive, recording: RecordingDescriptor) -> None:
    stream_id = new_stream_id()
    with archive.start_replay(recording.recording_id, CHANNEL, stream_id) as replay:
        assert replay.stream_id == stream_id
        assert replay.session_id & 0xFFFF_FFFF == replay.replay_session_id & 0xFFFF_FFFF
        assert -(2**31) <= replay.session_id < 2**31
        assert f"session-id={replay.session_id}" in replay.subscription_channel
        with replay.subscribe() as subscription:
            assert received(subscription, recording.stop_position) == messages(COUNT)
    replay.stop()


def test_in_one_go(archive: Archive, recording: RecordingDescriptor) -> None:
    with archive.replay(recording.recording_id, CHANNEL, new_stream_id()) as subscription:
        assert received(subscription, recording.stop_position) == messages(COUNT)
    assert subscription.closed


def test_two_replays_on_one_stream_do_not_mix(archive: Archive, recording: RecordingDescriptor) -> None:
    stream_id = new_stream_id()
    with (
        archive.replay(recording.recording_id, CHANNEL, stream_id) as first,
        archive.replay(recording.recording_id, CHANNEL, stream_id, position=FRAME) as second,
    ):
        assert received(first, recording.stop_position) == messages(COUNT)
        assert received(second, recording.stop_position) == messages(COUNT)[1:]


def test_a_part(archive: Archive, recording: RecordingDescriptor) -> None:
    with archive.replay(
        recording.recording_id,
        CHANNEL,
        new_stream_id(),
        position=3 * FRAME,
        length=4 * FRAME,
        file_io_max_length=4096,
    ) as subscription:
        assert received(subscription, 7 * FRAME) == messages(COUNT)[3:7]
        wait_until(lambda: not subscription.poll_payloads() and not subscription.is_connected)


def test_bounded_by_a_counter(node_client: Client, archive: Archive, recording: RecordingDescriptor) -> None:
    with (
        node_client.add_counter(1001, "how far to replay") as limit,
        archive.replay(recording.recording_id, CHANNEL, new_stream_id(), bounding_counter=limit) as subscription,
    ):
        wait_until(lambda: subscription.is_connected)
        assert subscription.poll_payloads() == []
        limit.value = 5 * FRAME
        assert received(subscription, 5 * FRAME) == messages(COUNT)[:5]
        assert subscription.poll_payloads() == []
        limit.value = recording.stop_position
        assert received(subscription, recording.stop_position) == messages(COUNT)[5:]


def test_bounded_by_the_id_of_a_counter(node_client: Client, archive: Archive, recording: RecordingDescriptor) -> None:
    with (
        node_client.add_counter(1001, "how far", value=2 * FRAME) as limit,
        archive.replay(
            recording.recording_id, CHANNEL, new_stream_id(), bounding_counter=limit.counter_id
        ) as subscription,
    ):
        assert received(subscription, 2 * FRAME) == messages(COUNT)[:2]


def test_bounded_by_no_counter(archive: Archive, recording: RecordingDescriptor) -> None:
    with pytest.raises(ArchiveError, match="ounter"):
        archive.start_replay(recording.recording_id, CHANNEL, new_stream_id(), bounding_counter=100_000)


@pytest.mark.parametrize("length", [None, REPLAY_ALL_AND_FOLLOW, 2**62])
def test_following_a_recording(node_client: Client, archive: Archive, length: int | None) -> None:
    stream_id = new_stream_id()
    archive.start_recording(CHANNEL, stream_id)
    with node_client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        position = offer(publication, b"before")
        recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
        with archive.replay(recording_id, CHANNEL, new_stream_id(), length=length) as subscription:
            assert received(subscription, position) == [b"before"]
            position = offer(publication, b"after")
            assert received(subscription, position) == [b"after"]
    archive.stop_recording(CHANNEL, stream_id)


def test_only_what_is_there_now(node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    archive.start_recording(CHANNEL, stream_id)
    with node_client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        before = offer(publication, b"before")
        recording_id = archive.await_recorded(publication, before, timeout=TIMEOUT)
        with archive.replay(recording_id, CHANNEL, new_stream_id(), length=REPLAY_ALL_AND_STOP) as subscription:
            after = offer(publication, b"after")
            archive.await_recorded(publication, after, timeout=TIMEOUT)
            assert received(subscription, before) == [b"before"]
            wait_until(lambda: not subscription.is_connected)
            assert subscription.poll_payloads() == []
    archive.stop_recording(CHANNEL, stream_id)


def test_a_part_without_a_message_that_has_gone_before_it_was_looked_at(node_client: Client, archive: Archive) -> None:
    stream_id, replayed, session_id = new_stream_id(), new_stream_id(), 4321
    archive.start_recording(CHANNEL, stream_id)
    with node_client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        last = offer(publication, b"last")
        publication.try_claim(100).abort()
        recording_id = archive.await_recorded(publication, timeout=TIMEOUT)
    stop = stop_position(archive, recording_id)
    begun = []

    def begin(count: int) -> None:
        # In the first turn without a message, after it has looked.
        if not begun:
            channel = f"{CHANNEL}|session-id={session_id}"
            begun.append(archive.start_replay(recording_id, channel, replayed, position=last))
            wait_until(lambda: subscription.is_connected)
            wait_until(lambda: not subscription.poll_messages() and not subscription.is_connected)

    idle_strategy = cast(IdleStrategy, SimpleNamespace(idler=lambda: SimpleNamespace(idle=begin)))
    with Replay(archive, recording_id, CHANNEL, replayed, session_id).subscribe() as subscription:
        assert list(subscription.messages(until=stop, timeout=5, idle_strategy=idle_strategy)) == []


def test_stopped(node_client: Client, archive: Archive) -> None:
    stream_id = new_stream_id()
    archive.start_recording(CHANNEL, stream_id)
    with node_client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        position = offer(publication, b"data")
        recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
        ways = (
            lambda replay: replay.stop(),
            lambda replay: replay.__exit__(None, None, None),
            lambda replay: archive.stop_replay(replay.replay_session_id),
            lambda replay: archive.stop_all_replays(recording_id),
            lambda replay: archive.stop_all_replays(),
        )
        for stop in ways:
            replay = archive.start_replay(recording_id, CHANNEL, new_stream_id())
            with replay.subscribe() as subscription:
                assert received(subscription, position) == [b"data"]
                stop(replay)
                wait_until(lambda subscription=subscription: not subscription.is_connected)  # type: ignore[misc]
    archive.stop_recording(CHANNEL, stream_id)


def test_refused(node_client: Client, archive: Archive, recording: RecordingDescriptor) -> None:
    stream_id, recording_id = new_stream_id(), recording.recording_id
    with pytest.raises(UnknownRecordingError, match=rf"list_recordings\(\); ids near .*\b{recording_id}$"):
        archive.start_replay(recording_id + 1, CHANNEL, stream_id)
    with pytest.raises(InvalidPositionError):
        archive.start_replay(recording_id, CHANNEL, stream_id, position=recording.stop_position)
    with pytest.raises(ArchiveError, match="not a multiple"):
        archive.start_replay(recording_id, CHANNEL, stream_id, position=33)
    with pytest.raises(ArchiveError, match="position"):
        archive.start_replay(recording_id, CHANNEL, stream_id, position=recording.stop_position + FRAME)
    with pytest.raises(ArchiveError):
        archive.start_replay(recording_id, CHANNEL, stream_id, position=32)

    empty_stream = new_stream_id()
    archive.start_recording(CHANNEL, empty_stream)
    with node_client.add_exclusive_publication(CHANNEL, empty_stream) as publication:
        empty = archive.await_recorded(publication, 0, timeout=TIMEOUT)
    archive.stop_recording(CHANNEL, empty_stream)
    stop_position(archive, empty)
    with pytest.raises(InvalidPositionError):
        archive.start_replay(empty, CHANNEL, stream_id, position=0)


def test_bad_arguments(archive: Archive, recording: RecordingDescriptor) -> None:
    for options in (
        {"position": -5},
        {"length": -3},
        {"length": 2**63},
        {"position": "0"},
        {"file_io_max_length": 2**31},
        {"bounding_counter": -3},
    ):
        with pytest.raises(SettingError):
            archive.start_replay(recording.recording_id, CHANNEL, new_stream_id(), **options)  # type: ignore[arg-type]
    with pytest.raises(SettingError):
        archive.start_replay(recording.recording_id, "aeron:tcp", 1)


def test_over_a_response_channel(
    node: ArchivingMediaDriver, node_client: Client, recording: RecordingDescriptor
) -> None:
    known = node.archive_context(local=False)
    channel = f"aeron:udp?control-mode=response|control=127.0.0.1:{free_port()}"
    with Archive.connect(node_client, known, timeout=START_TIMEOUT) as session:
        with pytest.raises(SettingError, match="replay"):
            session.start_replay(recording.recording_id, channel, new_stream_id())
        with pytest.raises(UnknownRecordingError):
            session.replay(1_000_000, channel, new_stream_id())
        with session.replay(recording.recording_id, channel, new_stream_id(), position=FRAME) as subscription:
            assert received(subscription, recording.stop_position) == messages(COUNT)[1:]


def test_a_subscription_may_outlive_its_session(node: ArchivingMediaDriver, node_client: Client) -> None:
    session = Archive.connect(node_client, node.archive_context(), timeout=START_TIMEOUT)
    recording = record(node_client, session, new_stream_id(), COUNT)
    with session.replay(recording.recording_id, CHANNEL, new_stream_id()) as subscription:
        replay = session.start_replay(recording.recording_id, CHANNEL, new_stream_id())
        session.close()
        assert received(subscription, recording.stop_position) == messages(COUNT)
        with replay:
            pass
        with pytest.raises(ClosedError):
            replay.stop()


def test_as_many_as_the_archive_allows(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        ArchivingMediaDriver.launch(
            tmp_path_factory.mktemp("archive"),
            driver={"term_buffer_length": 64 * 1024, "ipc_term_buffer_length": 64 * 1024},
            timeout=START_TIMEOUT,
            segment_file_length=64 * 1024,
            max_concurrent_replays=1,
            max_concurrent_recordings=1,
            connect_timeout=4.0,
        ) as small,
        Client.connect(small.aeron_dir) as client,
    ):
        heard: list[AeronError] = []
        with Archive.connect(
            client, small.archive_context(), timeout=START_TIMEOUT, error_handler=heard.append
        ) as archive:
            stream_id = new_stream_id()
            archive.start_recording(CHANNEL, stream_id)
            with client.add_exclusive_publication(CHANNEL, stream_id) as publication:
                position = offer(publication, b"data")
                recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)

                with pytest.raises(ArchiveLimitError):
                    archive.add_recorded_publication(CHANNEL, new_stream_id())

                unheard = archive.start_replay(recording_id, CHANNEL, new_stream_id())
                with pytest.raises(ArchiveLimitError):
                    archive.start_replay(recording_id, CHANNEL, new_stream_id())

                # Nobody subscribes: the archive gives the replay up, long after it had accepted it.
                late = wait_until(archive.poll_errors)
                assert "start_replay" in str(late[0])
                assert isinstance(late[0], ArchiveError)
                assert late[0].correlation_id > 0
                assert any(late[0] is error for error in heard)
                assert unheard.recording_id == recording_id
