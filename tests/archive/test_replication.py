"""Recordings copied from one archive into another: each on a media driver of its own, over UDP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from aeron_py.archive.client import Archive
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.archive.replication import Replication
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver
from aeron_py.client import Client
from aeron_py.errors import (
    ActiveRecordingError,
    ArchiveError,
    SettingError,
    TimedOutError,
    UnknownRecordingError,
)
from aeron_py.publication import ExclusivePublication
from tests.archive.streams import CHANNEL, TIMEOUT, messages, new_stream_id, offer, record
from tests.ports import free_port
from tests.waiting import wait_until


@dataclass(frozen=True)
class Host:
    """A node, with a session with its archive."""

    node: ArchivingMediaDriver
    client: Client
    archive: Archive

    @property
    def control(self) -> tuple[str, int]:
        return self.node.control_channel, self.node.archive_server.control_stream_id

    def payloads(self, recording_id: int) -> list[bytes]:
        with RecordingReader(self.node.archive_dir, self.archive.list_recording(recording_id)) as reader:
            return [bytes(payload) for payload in reader]


def launched(directory: Path, **settings: Any) -> ArchivingMediaDriver:
    return ArchivingMediaDriver.launch(
        directory,
        driver={"term_buffer_length": 64 * 1024, "ipc_term_buffer_length": 64 * 1024, "timer_interval": 0.1},
        timeout=TIMEOUT,
        segment_file_length=64 * 1024,
        **settings,
    )


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ArchivingMediaDriver]]:
    with launched(tmp_path_factory.mktemp("source")) as first, launched(tmp_path_factory.mktemp("target")) as second:
        yield [first, second]


@pytest.fixture(scope="module")
def local_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchivingMediaDriver]:
    """One that takes no requests over the network."""
    with launched(tmp_path_factory.mktemp("local"), control_channel="") as node:
        yield node


def hosted(node: ArchivingMediaDriver) -> Iterator[Host]:
    with (
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=TIMEOUT) as archive,
    ):
        yield Host(node, client, archive)


@pytest.fixture
def source(nodes: list[ArchivingMediaDriver]) -> Iterator[Host]:
    yield from hosted(nodes[0])


@pytest.fixture
def target(nodes: list[ArchivingMediaDriver]) -> Iterator[Host]:
    yield from hosted(nodes[1])


@pytest.fixture
def local(local_node: ArchivingMediaDriver) -> Iterator[Host]:
    yield from hosted(local_node)


def recorded(source: Host, count: int = 2000) -> RecordingDescriptor:
    return record(source.client, source.archive, new_stream_id(), count=count)


def test_historic(source: Host, target: Host) -> None:
    recording = recorded(source)
    replication = target.archive.replicate(recording.recording_id, *source.control)
    recording_id = replication.await_started(TIMEOUT)
    assert replication.await_synced(TIMEOUT) == recording.stop_position
    assert replication.await_ended(TIMEOUT) == recording.stop_position
    assert replication.is_synced
    assert not replication.is_merged
    assert replication.has_ended
    assert replication.source_position(source.archive) == replication.position() == recording.stop_position
    copy = target.archive.list_recording(recording_id)
    for field in ("start_position", "stop_position", "initial_term_id", "session_id", "stream_id", "original_channel"):
        assert getattr(copy, field) == getattr(recording, field)
    assert target.payloads(recording_id) == messages(2000)
    assert replication.stop() is False


def test_what_is_told_of_it_is_the_present(source: Host, target: Host) -> None:
    replication = target.archive.replicate(recorded(source).recording_id, *source.control)
    wait_until(lambda: replication.is_synced, TIMEOUT)
    wait_until(lambda: replication.has_ended, TIMEOUT)
    assert replication.recording_id is not None
    other = target.archive.replicate(1_000_000, *source.control)
    assert isinstance(wait_until(lambda: other.error, TIMEOUT), UnknownRecordingError)
    target.archive.close()
    assert other.has_ended
    assert replication.is_synced


def published(publication: ExclusivePublication, from_: int, to: int) -> int:
    position = 0
    for message in messages(to)[from_:]:
        position = offer(publication, message)
    return position


def test_live_is_followed_until_its_end(source: Host, target: Host) -> None:
    stream_id = new_stream_id()
    source.archive.start_recording(CHANNEL, stream_id)
    with source.client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        wait_until(lambda: publication.is_connected, TIMEOUT)
        recording_id = source.archive.await_recorded(publication, published(publication, 0, 500), timeout=TIMEOUT)
        replication = target.archive.replicate(recording_id, *source.control)
        copy_id = replication.await_started(TIMEOUT)
        for count in (1000, 2000):
            position = published(publication, count // 2, count)
            wait_until(lambda position=position: replication.position() == position, TIMEOUT)  # type: ignore[misc]
            assert not replication.has_ended
        assert replication.source_position(source.archive) == position
        with pytest.raises(TimedOutError, match="it goes on"):
            replication.await_synced(0.05)
    assert replication.await_synced(TIMEOUT) == position
    assert target.payloads(copy_id) == messages(2000)


def test_up_to_a_position_then_on_into_the_same_recording(source: Host, target: Host) -> None:
    recording = recorded(source)
    first = target.archive.replicate(recording.recording_id, *source.control, stop_position=9600)
    copy_id = first.await_started(TIMEOUT)
    assert first.await_synced(TIMEOUT) == 9600
    assert target.archive.get_stop_position(copy_id) == 9600
    second = target.archive.replicate(
        recording.recording_id, *source.control, recording_id=copy_id, file_io_max_length=64 * 1024
    )
    assert second.recording_id == copy_id
    assert second.await_synced(TIMEOUT) == recording.stop_position
    assert target.payloads(copy_id) == messages(2000)
    third = target.archive.replicate(recording.recording_id, *source.control, recording_id=copy_id)
    assert third.await_synced(TIMEOUT) == recording.stop_position
    assert [each.recording_id for each in target.archive.list_recordings(stream_id=recording.stream_id)] == [copy_id]


def test_with_a_session_id(source: Host, target: Host) -> None:
    recording = recorded(source, 10)
    replication = target.archive.replicate(recording.recording_id, *source.control, session_id=12345)
    replication.await_synced(TIMEOUT)
    copy = target.archive.list_recording(replication.await_started())
    assert recording.session_id != 12345
    assert copy.session_id == 12345


def test_tagged_so_that_others_hear_it_too(source: Host, target: Host) -> None:
    """A subscription with the same tags gets what is copied as it comes."""
    recording = recorded(source)
    channel_tag, subscription_tag = target.client.next_correlation_id(), target.client.next_correlation_id()
    channel = f"aeron:udp?control-mode=manual|rejoin=false|tags={channel_tag},{subscription_tag}"
    with target.client.add_subscription(channel, recording.stream_id) as subscription:
        replication = target.archive.replicate(
            recording.recording_id,
            *source.control,
            channel_tag_id=channel_tag,
            subscription_tag_id=subscription_tag,
        )
        payloads = [
            message.payload for message in subscription.messages(until=recording.stop_position, timeout=TIMEOUT)
        ]
        assert payloads == messages(2000)
        assert replication.await_synced(TIMEOUT) == recording.stop_position


def test_on_to_the_live_stream(source: Host, target: Host) -> None:
    """The copy catches up, then goes on from the publisher itself, without the other archive."""
    stream_id, control = new_stream_id(), f"localhost:{free_port()}"
    channel = f"aeron:udp?control={control}|control-mode=dynamic|fc=min|term-length=64k|ssc=true"
    source.archive.start_recording(channel, stream_id)
    with source.client.add_exclusive_publication(channel, stream_id) as publication:
        wait_until(lambda: publication.is_connected, TIMEOUT)
        recording_id = source.archive.await_recorded(publication, published(publication, 0, 500), timeout=TIMEOUT)
        replication = target.archive.replicate(
            recording_id,
            *source.control,
            live_destination=f"aeron:udp?endpoint=localhost:0|control={control}",
        )
        copy_id = replication.await_started(TIMEOUT)
        replication.await_synced(TIMEOUT)
        assert replication.is_merged
        assert replication.await_ended(TIMEOUT) is not None
        source.archive.stop_recording(channel, stream_id)
        position = published(publication, 500, 2000)
        wait_until(lambda: replication.position() == position, TIMEOUT)
    wait_until(lambda: target.archive.get_stop_position(copy_id) == position, TIMEOUT)
    assert target.payloads(copy_id) == messages(2000)


def test_over_response_channels(source: Host, target: Host) -> None:
    """Then the source needs no way to the target: it answers on the way on which it was asked."""
    recording = recorded(source)
    response = f"aeron:udp?control-mode=response|control=localhost:{free_port()}"
    replication = target.archive.replicate(
        recording.recording_id,
        *source.control,
        source_response_channel=response,
        replication_channel=f"aeron:udp?control-mode=response|control=localhost:{free_port()}",
    )
    assert replication.await_synced(TIMEOUT) == recording.stop_position
    assert target.payloads(replication.await_started()) == messages(2000)


def test_response_channels_are_for_nothing_else(source: Host, target: Host) -> None:
    response = f"aeron:udp?control-mode=response|control=localhost:{free_port()}"
    for params, words in (
        ({"live_destination": f"aeron:udp?endpoint=localhost:{free_port()}"}, "can't be used with live destinations"),
        ({"channel_tag_id": 1, "subscription_tag_id": 2}, "can't be used with tagged replication"),
    ):
        with pytest.raises(ArchiveError, match=words):
            target.archive.replicate(0, *source.control, replication_channel=response, **params)  # type: ignore[arg-type]


def test_many_at_once(source: Host, target: Host) -> None:
    recordings = [recorded(source, count) for count in (100, 1000, 10)]
    replications = [target.archive.replicate(each.recording_id, *source.control) for each in recordings]
    for recording, replication in reversed(list(zip(recordings, replications, strict=True))):
        assert replication.await_synced(TIMEOUT) == recording.stop_position
        assert target.payloads(replication.await_started()) == source.payloads(recording.recording_id)


@pytest.mark.parametrize("response", [False, True], ids=["", "response"])
def test_to_several_archives_at_once(source: Host, target: Host, local: Host, response: bool) -> None:
    stream_id = new_stream_id()
    params: dict[str, Any] = {"session_id": 42, "replication_channel": "aeron:udp?endpoint=localhost:0"}
    if response:
        for name in ("replication_channel", "source_response_channel"):
            params[name] = f"aeron:udp?control-mode=response|control=localhost:{free_port()}"
    source.archive.start_recording(CHANNEL, stream_id)
    with source.client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        wait_until(lambda: publication.is_connected, TIMEOUT)
        recording_id = source.archive.await_recorded(publication, published(publication, 0, 500), timeout=TIMEOUT)
        copies = [(each, each.archive.replicate(recording_id, *source.control, **params)) for each in (target, local)]
        for count in (500, 1000):
            position = published(publication, 500, count) or publication.position
            for _, copy in copies:
                copy.await_started(TIMEOUT)
                wait_until(lambda copy=copy, position=position: copy.position() == position, TIMEOUT)  # type: ignore[misc]
    for host, copy in copies:
        assert copy.await_synced(TIMEOUT) == position
        assert host.payloads(copy.await_started()) == messages(1000)


@pytest.mark.parametrize("before", [0, 500], ids=["nothing", "something"])
def test_an_archive_without_network_goes_on_to_the_live_stream(source: Host, local: Host, before: int) -> None:
    """Whether or not something was published before."""
    stream_id, control = new_stream_id(), f"localhost:{free_port()}"
    channel = f"aeron:udp?control={control}|control-mode=dynamic|fc=min|term-length=64k|ssc=true"
    source.archive.start_recording(channel, stream_id)
    with source.client.add_exclusive_publication(channel, stream_id) as publication:
        wait_until(lambda: publication.is_connected, TIMEOUT)
        (recording,) = wait_until(lambda: source.archive.list_recordings(stream_id=stream_id), TIMEOUT)
        published(publication, 0, before)
        replication = local.archive.replicate(
            recording.recording_id,
            *source.control,
            live_destination=f"aeron:udp?endpoint=localhost:0|control={control}",
        )
        copy_id = replication.await_started(TIMEOUT)
        replication.await_synced(TIMEOUT)
        assert replication.is_merged
        position = published(publication, before, 1000)
        wait_until(lambda: replication.position() == position, TIMEOUT)
    wait_until(lambda: local.archive.get_stop_position(copy_id) == position, TIMEOUT)
    assert local.payloads(copy_id) == messages(1000)


def test_in_small_reads(source: Host, target: Host) -> None:
    """Smaller than a message, but no smaller than a packet."""
    recording = record(source.client, source.archive, new_stream_id(), length=4000)
    replication = target.archive.replicate(recording.recording_id, *source.control, file_io_max_length=1500)
    assert replication.await_synced(TIMEOUT) == recording.stop_position
    assert target.payloads(replication.await_started()) == messages(20, 4000)
    replication = target.archive.replicate(
        recording.recording_id, *source.control, file_io_max_length=recording.mtu_length - 1
    )
    with pytest.raises(ArchiveError, match=r"mtuLength.*fileIoMaxLength|fileIoMaxLength.*mtuLength"):
        replication.await_synced(TIMEOUT)


def test_over_a_recording_with_nothing_in_it(source: Host, target: Host) -> None:
    """It becomes the copy in all, whatever it was of."""
    recording = recorded(source)
    other = record(
        target.client, target.archive, new_stream_id(), channel="aeron:ipc?term-length=128k|alias=other|mtu=4096"
    )
    target.archive.truncate_recording(other.recording_id, other.start_position)
    replication = target.archive.replicate(recording.recording_id, *source.control, recording_id=other.recording_id)
    assert replication.await_synced(TIMEOUT) == recording.stop_position
    wait_until(lambda: not target.archive.list_recording(other.recording_id).is_active, TIMEOUT)
    copy = target.archive.list_recording(other.recording_id)
    own = {name: getattr(copy, name) for name in ("recording_id", "control_session_id", "stop_timestamp")}
    assert copy == replace(recording, **own)
    assert target.payloads(other.recording_id) == messages(2000)


def test_where_the_source_asks_once_more(source: Host, target: Host, tmp_path: Path) -> None:
    """An archive answers no challenge of another; it says so."""
    with ArchiveServer.launch(
        tmp_path,
        source.node.aeron_dir,
        timeout=TIMEOUT,
        authenticator_supplier="io.aeron.samples.archive.SampleAuthenticatorSupplier",
    ) as server:
        replication = target.archive.replicate(
            0, server.control_channel, server.control_stream_id, credentials=b"admin:adminC"
        )
        with pytest.raises(ArchiveError, match="does not support challenge/response authentication"):
            replication.await_started(TIMEOUT)


def test_stopped_and_resumed(source: Host, target: Host) -> None:
    stream_id = new_stream_id()
    source.archive.start_recording(CHANNEL, stream_id)
    with source.client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        wait_until(lambda: publication.is_connected, TIMEOUT)
        recording_id = source.archive.await_recorded(publication, published(publication, 0, 500), timeout=TIMEOUT)
        with target.archive.replicate(recording_id, *source.control) as replication:
            copy_id = replication.await_started(TIMEOUT)
            first = replication.replication_id
        assert replication.await_ended(TIMEOUT) is not None
        assert not target.archive.list_recording(copy_id).is_active
        replication.resume()
        assert replication.replication_id != first
        assert target.archive.stop_replication(replication) is True
        with pytest.raises(ArchiveError, match="was stopped before it was in sync: resume it"):
            replication.await_synced(TIMEOUT)
        replication.resume()
        replication.resume()
        position = published(publication, 500, 1000)
    assert replication.await_synced(TIMEOUT) == position
    assert replication.recording_id == copy_id
    assert target.payloads(copy_id) == messages(1000)


def test_what_can_not_be(source: Host, target: Host) -> None:
    unknown = target.archive.replicate(1_000_000, *source.control)
    with pytest.raises(UnknownRecordingError, match="unknown src recording id 1000000"):
        unknown.await_started(TIMEOUT)
    with pytest.raises(UnknownRecordingError):
        unknown.await_synced(TIMEOUT)
    assert unknown.recording_id is None
    assert unknown.position() is None
    with pytest.raises(UnknownRecordingError, match="destination"):
        target.archive.replicate(0, *source.control, recording_id=1_000_000)
    assert target.archive.stop_replication(1_000_000) is False
    assert target.archive.poll_errors() == []
    for bad in ({"session_id": 2**31}, {"channel_tag_id": "1"}, {"live_destination": "nowhere"}, {"credentials": "a"}):
        with pytest.raises(SettingError):
            target.archive.replicate(0, *source.control, **bad)  # type: ignore[arg-type]


def test_into_a_recording_that_is_being_written(source: Host, target: Host) -> None:
    stream_id = new_stream_id()
    target.archive.start_recording(CHANNEL, stream_id)
    with target.client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        wait_until(lambda: publication.is_connected, TIMEOUT)
        recording_id = target.archive.await_recorded(publication, published(publication, 0, 1), timeout=TIMEOUT)
        recording = recorded(source, 10)
        with pytest.raises(ActiveRecordingError):
            replication = target.archive.replicate(recording.recording_id, *source.control, recording_id=recording_id)
            replication.await_synced(TIMEOUT)


def test_its_name(source: Host, target: Host) -> None:
    recording = recorded(source, 10)
    replication: Replication = target.archive.replicate(recording.recording_id, *source.control)
    replication.await_ended(TIMEOUT)
    words = f"<Replication of {recording.recording_id} into {replication.recording_id}, synced>"
    assert repr(replication) == words


def test_it_goes_on_without_the_session_that_asked_for_it(source: Host, target: Host) -> None:
    stream_id = new_stream_id()
    source.archive.start_recording(CHANNEL, stream_id)
    with source.client.add_exclusive_publication(CHANNEL, stream_id) as publication:
        wait_until(lambda: publication.is_connected, TIMEOUT)
        recording_id = source.archive.await_recorded(publication, published(publication, 0, 500), timeout=TIMEOUT)
        with Archive.connect(target.client, target.node.archive_context(), timeout=TIMEOUT) as session:
            replication = session.replicate(recording_id, *source.control)
            copy_id = replication.await_started(TIMEOUT)
            wait_until(lambda: replication.position() == publication.position, TIMEOUT)
        position = published(publication, 500, 1000)
        wait_until(lambda: target.archive.get_max_recorded_position(copy_id) == position, TIMEOUT)
        assert target.archive.stop_replication(replication.replication_id) is True
        wait_until(lambda: not target.archive.list_recording(copy_id).is_active, TIMEOUT)
    assert target.payloads(copy_id) == messages(1000)
