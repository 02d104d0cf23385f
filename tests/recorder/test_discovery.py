"""Streams and recordings are found as they come and go, whoever publishes them, and named as their publisher meant."""

from __future__ import annotations

import contextlib
import dataclasses
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from aeron_py import Client, CounterDescriptor, CountersFile, MediaDriver
from aeron_py.archive.client import Archive
from aeron_py.archive.server import ArchivingMediaDriver
from aeron_py.counters import CounterType
from aeron_py.recorder.config import ChannelConfig
from aeron_py.recorder.discovery import (
    ActiveRecording,
    BadCounter,
    Changes,
    Discovery,
    PublishedStream,
    RecordingWatch,
)
from aeron_py.uri import ChannelUri
from tests.interop.java import START_TIMEOUT, java, sample
from tests.ports import free_port
from tests.streams import next_stream, send
from tests.waiting import wait_until

T = TypeVar("T", PublishedStream, ActiveRecording)
PUB_POS = CounterType.PUBLISHER_POSITION


def look_until(watch: Discovery | RecordingWatch, found: Callable[[list[T]], bool]) -> list[T]:
    """Look until what is there is as wanted; returns it."""

    def looked() -> bool:
        watch.scan()
        return found(watch.current)  # type: ignore[arg-type]

    wait_until(looked, START_TIMEOUT, f"{watch.current}")
    return watch.current  # type: ignore[return-value]


def names(streams: list[PublishedStream]) -> list[str]:
    return sorted(str(stream.name) for stream in streams)


def test_publications_come_and_go(driver: MediaDriver, client: Client) -> None:
    discovery = Discovery(client.counters)
    assert not discovery.scan()
    assert discovery.current == []

    first = client.add_exclusive_publication("aeron:ipc?alias=pubsub:camera/front|term-length=64k", 10)
    second = client.add_publication("aeron:ipc", 11)
    changes: list[Changes[PublishedStream]] = []

    def both() -> bool:
        changes.append(discovery.scan())
        return len(discovery.current) == 2

    wait_until(both)
    came = [stream for change in changes for stream in change.came]
    assert came == discovery.current
    assert came[0] == PublishedStream(
        name=came[0].name,
        channel="aeron:ipc?alias=pubsub:camera/front|term-length=64k",
        stream_id=10,
        session_id=first.session_id,
        registration_id=first.registration_id,
        counter_id=came[0].counter_id,
        client_id=client.client_id,
        exclusive=True,
    )
    assert [str(stream.name) for stream in came] == ["pubsub:camera/front", "file:ipc/11"]
    assert not came[1].exclusive
    assert not discovery.scan()

    first.close()
    second.close()
    gone: list[PublishedStream] = []

    def none() -> bool:
        gone.extend(discovery.scan().gone)
        return not discovery.current

    wait_until(none, 60)
    assert sorted(gone, key=lambda stream: stream.stream_id) == came


def test_a_publisher_that_restarts_is_another_publication_of_the_same_name(driver: MediaDriver, client: Client) -> None:
    discovery = Discovery(client.counters)
    channel, stream_id = "aeron:ipc?alias=log:app", next_stream()
    with client.add_exclusive_publication(channel, stream_id) as first:
        look_until(discovery, lambda found: len(found) == 1)
    with client.add_exclusive_publication(channel, stream_id) as second:
        found = look_until(discovery, lambda found: any(stream.session_id == second.session_id for stream in found))
        assert {str(stream.name) for stream in found} == {"log:app"}
        assert first.session_id != second.session_id


def test_a_label_that_cannot_be_read_is_told_once_and_stops_nothing(driver: MediaDriver, client: Client) -> None:
    labels = ["nonsense", "pub-pos (exclusive): 1 2", "pub-pos (shared): 1 2 3 aeron:ipc", "", "\x01 %s \u00e9"]
    bad: list[BadCounter] = []
    discovery = Discovery(client.counters)
    with contextlib.ExitStack() as stack:
        for label in labels[:3]:
            stack.enter_context(client.add_counter(PUB_POS, label=label))
        stack.enter_context(client.add_publication("aeron:ipc?alias=cfg:a", 10))
        for label in labels[3:]:
            stack.enter_context(client.add_counter(PUB_POS, label=label))

        def all_there() -> bool:
            bad.extend(discovery.scan().bad)
            return len(bad) == len(labels) and len(discovery.current) == 1

        wait_until(all_there, message=f"{bad}")
        assert [str(stream.name) for stream in discovery.current] == ["cfg:a"]
        assert all(each.problem == "not the label of a publication" for each in bad)
        assert not discovery.scan()


@pytest.mark.parametrize("length", [300, 340, 345, 350, 600])
def test_a_channel_too_long_for_a_label_loses_its_end(driver: MediaDriver, client: Client, length: int) -> None:
    discovery = Discovery(client.counters)
    head, tail = "aeron:ipc?alias=pubsub:long", "|x-last=end"
    channel = f"{head}|x-padding={'x' * (length - len(head) - len(tail) - len('|x-padding='))}{tail}"
    assert len(channel) == length
    with client.add_exclusive_publication(channel, 10) as publication:
        (stream,) = look_until(discovery, lambda found: len(found) == 1)
        assert str(stream.name) == "pubsub:long"
        assert channel.startswith(stream.channel)
        ChannelUri.parse(stream.channel).validate()
        assert stream.recording_channel == f"aeron:ipc?session-id={publication.session_id}|alias=pubsub:long"


def test_an_alias_too_long_for_a_label_is_none(driver: MediaDriver, client: Client) -> None:
    discovery = Discovery(client.counters)
    with client.add_exclusive_publication(f"aeron:ipc?alias=pubsub:{'x' * 400}", 10) as publication:
        (stream,) = look_until(discovery, lambda found: len(found) == 1)
        assert (str(stream.name), stream.channel) == ("file:ipc/10", "aeron:ipc")
        assert stream.recording_channel == f"aeron:ipc?session-id={publication.session_id}"


def test_what_is_ignored_does_not_come_and_what_is_configured_is_covered(driver: MediaDriver, client: Client) -> None:
    endpoint = f"127.0.0.1:{free_port()}"
    configured = [ChannelConfig(channel=f"aeron:udp?endpoint={endpoint}", stream_id=10, topic="pubsub:far")]
    discovery = Discovery(client.counters, configured, ignore=lambda stream: stream.stream_id == 99)
    discovery.cover("aeron:ipc?alias=pubsub:armed", 12)
    with contextlib.ExitStack() as stack:
        for channel, stream_id in [
            (f"aeron:udp?endpoint={endpoint}|alias=pubsub:near", 10),
            (f"aeron:udp?endpoint={endpoint}", 11),
            ("aeron:ipc", 12),
            ("aeron:ipc", 99),
        ]:
            stack.enter_context(client.add_publication(channel, stream_id))
        found = look_until(discovery, lambda found: len(found) == 3)
    assert [stream.covered for stream in sorted(found, key=lambda stream: stream.stream_id)] == [True, False, True]


def test_a_driver_is_watched_without_being_its_client(driver: MediaDriver, client: Client) -> None:
    with CountersFile(driver.aeron_dir) as counters, client.add_publication("aeron:ipc", 10):
        look_until(Discovery(counters), lambda found: names(found) == ["file:ipc/10"])


def test_a_thousand_streams_are_looked_at_in_no_time(driver: MediaDriver, client: Client) -> None:
    discovery = Discovery(client.counters)
    pending = [
        client._start_add_counter(PUB_POS, f"pub-pos (exclusive): {i} {-i} {i} aeron:ipc?alias=pubsub:{i}")
        for i in range(1000)
    ]
    with contextlib.ExitStack() as stack:
        for each in pending:
            stack.enter_context(wait_until(each.poll))
        found = look_until(discovery, lambda found: len(found) == 1000)
        assert {str(stream.name) for stream in found} == {f"pubsub:{i}" for i in range(1000)}
        begin = time.perf_counter()
        for _ in range(100):
            assert not discovery.scan()
        # It takes 0.05 ms; this is for a machine that does much else.
        assert (time.perf_counter() - begin) / 100 < 0.01


CHANNELS = [
    "aeron:ipc?alias=pubsub:ipc|term-length=64k",
    "aeron:udp?endpoint=127.0.0.1:{port}|alias=pubsub:udp|ssc=true",
    "aeron:udp?control=127.0.0.1:{port}|control-mode=dynamic|alias=pubsub:dynamic|ssc=true",
    "aeron:udp?control-mode=manual|tags={port},{next}|alias=pubsub:manual|ssc=true",
    "aeron:udp?endpoint=224.20.30.39:{port}|interface=127.0.0.1|alias=pubsub:multicast|ssc=true",
    "aeron:udp?endpoint=127.0.0.1:{port}|session-id=-77|ssc=true",
]


@pytest.mark.parametrize("template", CHANNELS)
def test_each_publication_is_recorded_by_itself_whatever_its_channel(
    node_client: Client, archive: Archive, template: str
) -> None:
    port, stream_id = free_port(), next_stream()
    channel = template.format(port=port, next=port + 1)
    discovery, recordings = Discovery(node_client.counters), RecordingWatch(node_client.counters)
    with node_client.add_exclusive_publication(channel, stream_id) as publication:
        streams: list[PublishedStream] = look_until(
            discovery, lambda found: any(stream.stream_id == stream_id for stream in found)
        )
        (stream,) = (stream for stream in streams if stream.stream_id == stream_id)
        archive.start_recording(stream.recording_channel, stream_id, auto_stop=True)
        active: list[ActiveRecording] = look_until(
            recordings, lambda found: any(each.session_id == publication.session_id for each in found)
        )
        (recording,) = (each for each in active if each.session_id == publication.session_id)
        assert recording.stream_id == stream_id
        assert recording.channel == stream.recording_channel
        assert recording.name == stream.name
        wait_until(lambda: publication.is_connected)
        position = send(publication, b"message")
        wait_until(lambda: node_client.counters.value(recording.counter_id, recording.registration_id) == position)
        (listed,) = archive.list_recordings(stream_id=stream_id)
        assert listed.recording_id == recording.recording_id
    look_until(recordings, lambda found: all(each.session_id != publication.session_id for each in found))


def test_what_the_archive_itself_publishes_is_left_out(node_client: Client, archive: Archive) -> None:
    discovery = Discovery(node_client.counters)
    with node_client.add_exclusive_publication("aeron:ipc?alias=pubsub:source", next_stream()) as publication:
        archive.start_recording(f"aeron:ipc?session-id={publication.session_id}", publication.stream_id, auto_stop=True)
        position = send(publication, b"message")
        recording_id = archive.await_recorded(publication, position)
        with (
            archive.start_replay(recording_id, "aeron:ipc", next_stream()) as replay,
            replay.subscribe() as subscription,
        ):
            wait_until(lambda: subscription.is_connected)
            labels = [counter.label for counter in node_client.counters.list(PUB_POS)]
            assert any(f" {replay.stream_id} aeron:ipc" in label for label in labels)
            found = look_until(discovery, lambda found: "pubsub:source" in names(found))
            assert replay.stream_id not in {stream.stream_id for stream in found}


def test_programs_in_java_are_found_by_their_alias(
    node: ArchivingMediaDriver, node_client: Client, archive: Archive, tmp_path: Path
) -> None:
    stream_id = next_stream()
    properties = sample(node, "aeron:ipc?alias=pubsub:java/hello", stream_id, 3)
    discovery, recordings = Discovery(node_client.counters), RecordingWatch(node_client.counters)
    with java("io.aeron.samples.BasicPublisher", tmp_path / "output", properties) as publisher:
        found = look_until(discovery, lambda found: "pubsub:java/hello" in names(found))
        (stream,) = (stream for stream in found if stream.stream_id == stream_id)
        assert not stream.exclusive
        archive.start_recording(stream.recording_channel, stream.stream_id, auto_stop=True)
        look_until(recordings, lambda found: any(str(each.name) == "pubsub:java/hello" for each in found))
        publisher.join()
    look_until(discovery, lambda found: "pubsub:java/hello" not in names(found))


class Counters:
    """Counters as a driver makes them: step by step."""

    def __init__(self, *counters: CounterDescriptor) -> None:
        self.counters = {counter.counter_id: counter for counter in counters}

    def ids(self, type_id: int) -> bytes:
        found = self.list(type_id)
        return b"".join(struct.pack("=qii", each.registration_id, each.counter_id, type_id) for each in found)

    def list(self, type_id: int) -> list[CounterDescriptor]:
        return [counter for counter in self.counters.values() if counter.type_id == type_id]

    def read(self, counter_id: int) -> CounterDescriptor | None:
        return self.counters.get(counter_id)

    def set(self, counter_id: int, **changes: int) -> None:
        self.counters[counter_id] = dataclasses.replace(self.counters[counter_id], **changes)


def counter(counter_id: int, type_id: int, registration_id: int, owner_id: int, label: str) -> CounterDescriptor:
    return CounterDescriptor(counter_id, type_id, 0, registration_id, owner_id, 0, label, bytes(112))


def test_whose_a_counter_is_may_be_said_after_it_is_there() -> None:
    counters = Counters(
        counter(1, 101, 5, 2, "Archive Errors"),
        counter(2, PUB_POS, 0, 0, "pub-pos (exclusive): 6 1 1001 aeron:ipc"),
        counter(3, PUB_POS, 0, 0, "pub-pos (exclusive): 7 1 1002 aeron:ipc"),
        counter(4, PUB_POS, 8, 0, "pub-pos (exclusive): 8 1 1003 aeron:ipc"),
    )
    discovery = Discovery(counters)  # type: ignore[arg-type]
    assert not discovery.scan()
    counters.set(2, registration_id=6)
    counters.set(3, registration_id=7)
    # Only the oldest client of a driver may have the id 0: it is believed at the second look.
    assert [stream.stream_id for stream in discovery.scan().came] == [1003]
    counters.set(2, owner_id=2)
    counters.set(3, owner_id=9)
    assert [(stream.stream_id, stream.client_id) for stream in discovery.scan().came] == [(1002, 9)]
    assert not discovery.scan()


def test_a_slot_that_is_used_again_is_another_stream() -> None:
    counters = Counters(counter(2, PUB_POS, 6, 9, "pub-pos (exclusive): 6 1 1001 aeron:ipc"))
    discovery = Discovery(counters)  # type: ignore[arg-type]
    discovery.scan()
    counters.counters[2] = counter(2, PUB_POS, 7, 9, "pub-pos (concurrent): 7 2 1002 aeron:ipc")
    changes = discovery.scan()
    assert [stream.stream_id for stream in changes.gone] == [1001]
    assert [stream.stream_id for stream in changes.came] == [1002]
