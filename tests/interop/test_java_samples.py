"""Programs that nobody here wrote, in both directions: Aeron's own samples in Java."""

from __future__ import annotations

from pathlib import Path

import pytest

from aeron_py.archive.client import Archive
from aeron_py.archive.server import ArchivingMediaDriver
from aeron_py.client import Client
from tests.interop.java import START_TIMEOUT, java, sample
from tests.ports import free_port
from tests.streams import send
from tests.waiting import wait_until

SAMPLES = "io.aeron.samples."
COUNT = 3


@pytest.fixture
def udp() -> str:
    return f"aeron:udp?endpoint=127.0.0.1:{free_port()}"


@pytest.fixture(params=["ipc", "udp"])
def channel(request: pytest.FixtureRequest, udp: str) -> str:
    return "aeron:ipc" if request.param == "ipc" else udp


def test_java_publishes_and_we_receive(
    node: ArchivingMediaDriver, node_client: Client, channel: str, tmp_path: Path
) -> None:
    received: list[bytes] = []
    with (
        node_client.add_subscription(channel, 2001) as subscription,
        java(SAMPLES + "BasicPublisher", tmp_path / "output", sample(node, channel, 2001, COUNT)) as publisher,
    ):

        def last() -> bool:
            received.extend(subscription.poll_payloads(10))
            return bool(received) and received[-1] == f"Hello World! {COUNT - 1}".encode()

        wait_until(last, START_TIMEOUT)
        publisher.join()
    first = COUNT - len(received)
    assert received == [f"Hello World! {i}".encode() for i in range(first, COUNT)]


def test_we_publish_and_java_receives(
    node: ArchivingMediaDriver, node_client: Client, channel: str, tmp_path: Path
) -> None:
    with (
        java(SAMPLES + "BasicSubscriber", tmp_path / "output", sample(node, channel, 2002)) as subscriber,
        node_client.add_publication(channel, 2002) as publication,
    ):
        wait_until(lambda: publication.is_connected, START_TIMEOUT)
        for i in range(COUNT):
            send(publication, f"from Python {i}".encode())
        subscriber.wait_for("from Python", COUNT)
        for i in range(COUNT):
            assert f"<<from Python {i}>>" in subscriber.output


def test_java_records_and_we_replay(node: ArchivingMediaDriver, archive: Archive, udp: str, tmp_path: Path) -> None:
    channel = udp + "|ssc=true"
    with java(
        SAMPLES + "archive.RecordedBasicPublisher", tmp_path / "output", sample(node, channel, 2003, COUNT)
    ) as publisher:
        publisher.wait_for("Recording started")
        publisher.join()
    (recording,) = archive.list_recordings(channel="aeron:udp", stream_id=2003)
    assert not recording.is_active
    with (
        archive.start_replay(recording.recording_id, "aeron:ipc", 3003) as replay,
        replay.subscribe() as subscription,
    ):
        payloads = [m.payload for m in subscription.messages(until=recording.stop_position, timeout=START_TIMEOUT)]
    assert payloads == [f"Hello World! {i}".encode() for i in range(COUNT)]


def test_we_record_and_java_replays(
    node: ArchivingMediaDriver, node_client: Client, archive: Archive, tmp_path: Path
) -> None:
    archive.start_recording("aeron:ipc", 2004)
    with node_client.add_exclusive_publication("aeron:ipc", 2004) as publication:
        wait_until(lambda: publication.is_connected)
        for i in range(COUNT):
            position = send(publication, f"recorded by Python {i}".encode())
        archive.await_recorded(publication, position, timeout=START_TIMEOUT)
    archive.stop_recording("aeron:ipc", 2004)
    with java(
        SAMPLES + "archive.ReplayedBasicSubscriber", tmp_path / "output", sample(node, "aeron:ipc", 2004)
    ) as subscriber:
        subscriber.wait_for("recorded by Python", COUNT)
        for i in range(COUNT):
            assert f"<<recorded by Python {i}>>" in subscriber.output


def test_archive_tool_finds_nothing_wrong(tmp_path: Path) -> None:
    archive_dir = tmp_path / "archive"
    with (
        ArchivingMediaDriver.launch(archive_dir, timeout=START_TIMEOUT) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=START_TIMEOUT) as archive,
    ):
        for stream_id in (1, 2):
            archive.start_recording("aeron:ipc", stream_id)
            with client.add_exclusive_publication("aeron:ipc", stream_id) as publication:
                wait_until(lambda publication=publication: publication.is_connected)  # type: ignore[misc]
                for length in (1, 100, 5000):
                    position = send(publication, bytes(range(1, 1 + length % 255)) * (1 + length // 255))
                archive.await_recorded(publication, position, timeout=START_TIMEOUT)
            archive.stop_recording("aeron:ipc", stream_id)
    with java("io.aeron.archive.ArchiveTool", tmp_path / "output", {}, str(archive_dir), "verify") as tool:
        tool.join()
    assert tool.output.count("OK") >= 2, tool.output
    assert "ERR" not in tool.output, tool.output
