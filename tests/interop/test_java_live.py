"""From the past into the present, with Aeron's own Java programs: replay merge and persistent subscription."""

from __future__ import annotations

from pathlib import Path

import pytest

from aeron_py import PersistentSubscription
from aeron_py.archive.client import Archive
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.server import ArchivingMediaDriver
from aeron_py.client import Client
from tests.interop.java import START_TIMEOUT, java, java_node, sample
from tests.ports import free_port
from tests.streams import send
from tests.waiting import wait_until

ARCHIVE_SAMPLES = "io.aeron.samples.archive."


@pytest.mark.parametrize("program", ["ReplayMergeSubscriber", "PersistentSubscriber"])
def test_we_publish_and_java_catches_up(
    node: ArchivingMediaDriver, archive: Archive, program: str, tmp_path: Path
) -> None:
    channel = f"aeron:udp?endpoint=127.0.0.1:{free_port()}"
    with archive.add_recorded_exclusive_publication(f"{channel}|ssc=true", 2101) as publication:
        archive.await_recorded(publication, timeout=START_TIMEOUT)
        for number in range(3):
            send(publication, b"past %d" % number)
        archive.await_recorded(publication, timeout=START_TIMEOUT)
        with java(ARCHIVE_SAMPLES + program, tmp_path / "output", sample(node, channel, 2101)) as subscriber:
            subscriber.wait_for("has joined live stream")
            for number in range(3):
                send(publication, b"present %d" % number)
            subscriber.wait_for("<<present 2>>")
            output = subscriber.output
    for number in range(3):
        assert output.count(f"<<past {number}>>") == 1
        assert output.count(f"<<present {number}>>") == 1
    assert output.index("<<past 2>>") < output.index("has joined live stream") < output.index("<<present 0>>")


def test_java_publishes_and_we_catch_up(
    node: ArchivingMediaDriver, node_client: Client, archive: Archive, tmp_path: Path
) -> None:
    channel, count = f"aeron:udp?endpoint=127.0.0.1:{free_port()}", 8
    persistent: list[bytes] = []
    merged: list[bytes] = []
    with java(
        ARCHIVE_SAMPLES + "RecordedBasicPublisher",
        tmp_path / "output",
        sample(node, f"{channel}|ssc=true", 2102, count),
    ) as publisher:
        publisher.wait_for("Recording started")
        recording = wait_until(lambda: archive.list_recordings(stream_id=2102), START_TIMEOUT)[-1]
        wait_until(lambda: (archive.get_recording_position(recording.recording_id) or 0) > 0, START_TIMEOUT)
        with (
            PersistentSubscription.open(
                node_client, node.archive_context(), recording.recording_id, f"aeron-spy:{channel}", 2102
            ) as subscription,
            node_client.add_subscription("aeron:udp?control-mode=manual", 2102) as destinations,
            archive.replay_merge(
                destinations, recording.recording_id, channel, progress_timeout=START_TIMEOUT
            ) as merge,
        ):

            def all_there() -> bool:
                persistent.extend(message.payload for message in subscription.poll_messages())
                merged.extend(message.payload for message in merge.poll_messages())
                return len(persistent) >= count <= len(merged)

            wait_until(all_there, START_TIMEOUT)
            assert subscription.live_joined_counter.value == 1
            assert merge.is_merged
    assert persistent == merged == [b"Hello World! %d" % number for number in range(count)]


def test_we_catch_up_with_a_node_in_java_alone(tmp_path: Path) -> None:
    """Past, replay and present come from a driver and an archive in Java; only the client is ours."""
    past, present = [b"past %d" % number for number in range(100)], [b"present %d" % number for number in range(100)]
    live = f"aeron:udp?endpoint=127.0.0.1:{free_port()}|term-length=64k"
    received: list[bytes] = []
    with java_node(tmp_path) as (aeron_dir, channel):
        context = ArchiveContext(
            control_request_channel=channel, control_response_channel="aeron:udp?endpoint=localhost:0"
        )
        with (
            Client.connect(aeron_dir, driver_timeout=START_TIMEOUT) as client,
            Archive.connect(client, context, timeout=START_TIMEOUT) as archive,
            archive.add_recorded_exclusive_publication(f"{live}|ssc=true", 2103) as publication,
        ):
            for message in past:
                send(publication, message)
            recording_id = archive.await_recorded(publication, timeout=START_TIMEOUT)
            with (
                client.add_subscription("aeron:udp?control-mode=manual", 2103) as destinations,
                archive.replay_merge(destinations, recording_id, live, progress_timeout=START_TIMEOUT) as merge,
            ):

                def merged() -> bool:
                    received.extend(message.payload for message in merge.poll_messages())
                    return merge.is_merged

                wait_until(merged, START_TIMEOUT)
                for message in present:
                    send(publication, message)

                def all_there() -> bool:
                    received.extend(message.payload for message in merge.poll_messages())
                    return len(received) >= len(past) + len(present)

                wait_until(all_there, START_TIMEOUT)
    assert received == past + present
