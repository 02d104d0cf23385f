"""Replications that Aeron's own Java program asks for, between our archives; and ours from a node in Java alone."""

from __future__ import annotations

from pathlib import Path

from aeron_py.archive.client import Archive
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver
from aeron_py.client import Client
from tests.archive.streams import messages, record
from tests.interop.java import START_TIMEOUT, java, java_node, sample
from tests.nodes import START_TIMEOUT as NODE_TIMEOUT


def test_java_replicates_between_ours(
    node: ArchivingMediaDriver, node_client: Client, archive: Archive, tmp_path: Path
) -> None:
    """``RecordingReplicator`` puts a recording of one archive in the place of one of the other."""
    with (
        ArchiveServer.launch(tmp_path / "source", node.aeron_dir, timeout=NODE_TIMEOUT) as server,
        Archive.connect(node_client, server.archive_context(), timeout=NODE_TIMEOUT) as source,
    ):
        old = record(node_client, archive, 2501, 5)
        new = record(node_client, source, 2502, 500)
        program = "aeron.sample.archive.replicate."
        properties = {
            **sample(node, "aeron:ipc", 1),
            program + "source.recording.id": str(new.recording_id),
            program + "destination.recording.id": str(old.recording_id),
            program + "source.control.request.channel": server.control_channel,
            program + "source.control.request.stream.id": str(server.control_stream_id),
            program + "replication.channel": "aeron:udp?endpoint=localhost:0",
        }
        answers = tmp_path / "answers"
        answers.write_text("y\n")
        with (
            answers.open() as stdin,
            java("io.aeron.samples.archive.RecordingReplicator", tmp_path / "output", properties, stdin=stdin) as tool,
        ):
            tool.join()
        assert "replicated to the destination" in tool.output
    (copy,) = archive.list_recordings(stream_id=2502)
    assert copy.stop_position == new.stop_position


def test_we_replicate_from_java(node: ArchivingMediaDriver, archive: Archive, tmp_path: Path) -> None:
    with java_node(tmp_path) as (aeron_dir, channel):
        context = ArchiveContext(
            control_request_channel=channel, control_response_channel="aeron:udp?endpoint=localhost:0"
        )
        with (
            Client.connect(aeron_dir, driver_timeout=START_TIMEOUT) as client,
            Archive.connect(client, context, timeout=START_TIMEOUT) as source,
        ):
            recording = record(client, source, 2503, 500)
            replication = archive.replicate(recording.recording_id, channel, 10)
            assert replication.await_synced(START_TIMEOUT) == recording.stop_position
            assert replication.await_ended(START_TIMEOUT) == recording.stop_position
    copy = archive.list_recording(replication.await_started())
    with RecordingReader(node.archive_dir, copy) as reader:
        assert [bytes(payload) for payload in reader] == messages(500)
