"""Two hosts with a bad link between them: recordings and live streams come over it whole, and once."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aeron_py.archive.client import Archive
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.recordings import RecordingDescriptor, SourceLocation
from aeron_py.client import Client
from tests import patient
from tests.archive.streams import CHANNEL, TIMEOUT, messages, offer, record
from tests.network.hosts import Host, two_hosts
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(230)

COUNT = 5000
LENGTH = 512
CONTROL_PORT = 8010


@dataclass
class Node:
    """``aeron-py up`` on a host; its driver is reached from here through shared memory."""

    host: Host
    directory: Path
    process: subprocess.Popen[str]
    told: dict[str, Any]
    client: Client
    archive: Archive

    @property
    def control_channel(self) -> str:
        return str(self.told["control_channel"])

    def payloads(self, recording_id: int) -> list[bytes]:
        with RecordingReader(self.directory, self.archive.list_recording(recording_id)) as reader:
            return [bytes(payload) for payload in reader]


@contextlib.contextmanager
def up(host: Host, directory: Path) -> Iterator[Node]:
    arguments = ("up", "--archive-dir", str(directory), "--json")
    channel = f"aeron:udp?endpoint={host.address}:{CONTROL_PORT}"
    command = host.command(*patient.command("aeron-py", *arguments, "--control-channel", channel))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline() or "null")
            assert told, f"aeron-py up ended with {process.wait(TIMEOUT)}"
            context = ArchiveContext(
                control_request_channel=told["local_control_channel"],
                control_request_stream_id=told["local_control_stream_id"],
            )
            with (
                Client.connect(told["aeron_dir"], driver_timeout=TIMEOUT) as client,
                Archive.connect(client, context, timeout=TIMEOUT) as archive,
            ):
                yield Node(host, directory, process, told, client, archive)
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT)
            finally:
                process.kill()


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host]]:
    with two_hosts(loss=0.03, delay=0.005, jitter=0.002) as both:
        yield both


@pytest.fixture(scope="module")
def nodes(hosts: tuple[Host, Host], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    with (
        up(hosts[0], tmp_path_factory.mktemp("a") / "archive") as a,
        up(hosts[1], tmp_path_factory.mktemp("b") / "archive") as b,
    ):
        yield a, b


def replicate(node: Node, source: Node, *arguments: str) -> list[dict[str, Any]]:
    """``aeron-py replicate`` on the host of a node."""
    command = ("replicate", source.control_channel, "--archive-dir", str(node.directory), "--json", *arguments)
    done = subprocess.run(
        node.host.command(*patient.command("aeron-py", *command)),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    copies: list[dict[str, Any]] = json.loads(done.stdout)
    return copies


def recorded(node: Node, stream_id: int) -> RecordingDescriptor:
    return record(node.client, node.archive, stream_id, count=COUNT, length=LENGTH)


RECEIVE = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
    receiver.bind((sys.argv[1], 8030))
    print("ready", flush=True)
    while (number := int(receiver.recv(16))) >= 0:
        print(number)
"""
SEND = """
import socket, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    for number in [*range(1000), *[-1] * 100]:
        sender.sendto(str(number).encode(), (sys.argv[1], 8030))
        time.sleep(0.0001 if number >= 0 else 0.01)
"""


def test_the_link_loses_and_reorders(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    with subprocess.Popen(
        b.command(sys.executable, "-c", RECEIVE, b.address), stdout=subprocess.PIPE, text=True
    ) as receiver:
        try:
            assert receiver.stdout is not None
            assert receiver.stdout.readline() == "ready\n"
            subprocess.run(a.command(sys.executable, "-c", SEND, b.address), check=True, timeout=TIMEOUT)
            numbers = [int(line) for line in receiver.stdout]
        finally:
            receiver.kill()
    assert 500 < len(numbers) < 1000
    assert numbers != sorted(numbers)


def test_a_recording_is_copied_by_the_command(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    recording = recorded(a, 11)
    (copy,) = replicate(b, a, "--stream-id", "11")
    assert copy["done"]
    assert copy["position"] == recording.stop_position
    assert b.payloads(copy["recording_id"]) == messages(COUNT, LENGTH)
    # Run again: there is nothing left to do.
    assert replicate(b, a, str(recording.recording_id)) == [copy]
    assert len(b.archive.list_recordings(stream_id=11)) == 1


def test_a_recording_that_goes_on_is_followed(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    a.archive.start_recording(CHANNEL, 12)
    with a.client.add_exclusive_publication(CHANNEL, 12) as publication:
        wait_until(lambda: publication.is_connected, TIMEOUT)
        for message in messages(COUNT, LENGTH)[: COUNT // 2]:
            position = offer(publication, message)
        recording_id = a.archive.await_recorded(publication, position, timeout=TIMEOUT)
        replication = b.archive.replicate(recording_id, a.control_channel, a.told["control_stream_id"])
        copy_id = replication.await_started(TIMEOUT)
        for message in messages(COUNT, LENGTH)[COUNT // 2 :]:
            position = offer(publication, message)
        wait_until(lambda: replication.position() == position, TIMEOUT)
    assert replication.await_synced(TIMEOUT) == position
    assert b.payloads(copy_id) == messages(COUNT, LENGTH)


def test_the_copy_goes_on_from_the_live_stream(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    control = f"{a.host.address}:8040"
    channel = f"aeron:udp?control={control}|control-mode=dynamic|fc=min|term-length=64k|ssc=true"
    a.archive.start_recording(channel, 14)
    with a.client.add_exclusive_publication(channel, 14) as publication:
        wait_until(lambda: publication.is_connected, TIMEOUT)
        for message in messages(COUNT, LENGTH)[: COUNT // 2]:
            position = offer(publication, message)
        recording_id = a.archive.await_recorded(publication, position, timeout=TIMEOUT)
        live = f"aeron:udp?endpoint={b.host.address}:0|control={control}"
        replication = b.archive.replicate(
            recording_id, a.control_channel, a.told["control_stream_id"], live_destination=live
        )
        copy_id = replication.await_started(TIMEOUT)
        replication.await_synced(TIMEOUT)
        assert replication.is_merged
        for message in messages(COUNT, LENGTH)[COUNT // 2 :]:
            position = offer(publication, message)
        wait_until(lambda: replication.position() == position, TIMEOUT)
    wait_until(lambda: b.archive.get_stop_position(copy_id) == position, TIMEOUT)
    assert b.payloads(copy_id) == messages(COUNT, LENGTH)


def test_a_stream_over_the_network_is_recorded_whole(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    channel = f"aeron:udp?endpoint={b.host.address}:8020|term-length=64k"
    b.archive.start_recording(channel, 13, SourceLocation.REMOTE)
    with a.client.add_exclusive_publication(channel, 13) as publication:
        wait_until(lambda: publication.is_connected, TIMEOUT)
        for message in messages(COUNT, LENGTH):
            position = offer(publication, message)

        def there() -> bool:
            found = b.archive.list_recordings(stream_id=13)
            return bool(found) and b.archive.get_max_recorded_position(found[-1].recording_id) == position

        wait_until(there, TIMEOUT)
    b.archive.stop_recording(channel, 13)
    (recording,) = b.archive.list_recordings(stream_id=13)
    wait_until(lambda: b.archive.get_stop_position(recording.recording_id) == position, TIMEOUT)
    assert b.payloads(recording.recording_id) == messages(COUNT, LENGTH)
