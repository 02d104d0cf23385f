"""Credentials between Java and ours, in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py import ArchiveRight, User
from aeron_py.archive.client import Archive
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver
from aeron_py.client import Client
from aeron_py.errors import ArchiveError, ArchiveErrorCode
from tests.archive.streams import record
from tests.interop.java import START_TIMEOUT, java, sample
from tests.ports import free_port
from tests.waiting import wait_until

READER = User("reader", b"may list and replay", frozenset({ArchiveRight.LIST, ArchiveRight.REPLAY}))
OPERATOR = User("operator", b"may do all")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchivingMediaDriver]:
    with ArchivingMediaDriver.launch(
        tmp_path_factory.mktemp("secured"), timeout=START_TIMEOUT, users=[OPERATOR, READER]
    ) as node:
        yield node


def test_java_without_credentials_is_refused(secured: ArchivingMediaDriver, tmp_path: Path) -> None:
    with java(
        "io.aeron.samples.archive.RecordedBasicPublisher", tmp_path / "output", sample(secured, "aeron:ipc", 1)
    ) as publisher:
        assert publisher.process.wait(START_TIMEOUT) != 0
        assert "authenticat" in publisher.output, publisher.output
    with (
        Client.connect(secured.aeron_dir) as client,
        Archive.connect(client, secured.archive_context(credentials=OPERATOR.credentials)) as archive,
    ):
        assert archive.list_recording_subscriptions() == []


def test_a_java_client_connects_with_credentials(secured: ArchivingMediaDriver, tmp_path: Path) -> None:
    """The Java archive is itself a client, of the archive that it copies from."""
    with (
        Client.connect(secured.aeron_dir) as client,
        ArchiveServer.launch(tmp_path, secured.aeron_dir, timeout=START_TIMEOUT) as server,
        Archive.connect(
            client, secured.archive_context(credentials=OPERATOR.credentials), timeout=START_TIMEOUT
        ) as source,
        Archive.connect(client, server.archive_context(), timeout=START_TIMEOUT) as target,
    ):
        recording = record(client, source, 1)

        def replicate(credentials: bytes | None) -> None:
            target.replicate(
                recording.recording_id,
                secured.control_channel,
                secured.archive_server.control_stream_id,
                credentials=credentials,
            )

        for wrong in (None, b"wrong"):
            replicate(wrong)
            (error,) = wait_until(target.poll_errors, START_TIMEOUT)
            assert "authenticat" in str(error)
        replicate(READER.credentials)
        wait_until(target.list_recordings, START_TIMEOUT)
        wait_until(lambda: target.get_stop_position(0) == recording.stop_position, START_TIMEOUT)


def test_we_connect_to_a_secured_java_node(tmp_path: Path) -> None:
    """Driver and archive in Java alone, with the users of Aeron's samples, some of whom are asked once more."""
    channel = f"aeron:udp?endpoint=localhost:{free_port()}"
    aeron_dir = tmp_path / "aeron"
    properties = {
        "aeron.dir": str(aeron_dir),
        "aeron.archive.dir": str(tmp_path / "archive"),
        "aeron.archive.control.channel": channel,
        "aeron.archive.replication.channel": "aeron:udp?endpoint=localhost:0",
        "aeron.archive.recording.events.enabled": "false",
        "aeron.archive.authenticator.supplier": "io.aeron.samples.archive.SampleAuthenticatorSupplier",
        "aeron.threading.mode": "SHARED",
        "aeron.archive.threading.mode": "SHARED",
        "aeron.term.buffer.sparse.file": "true",
    }

    def context(credentials: bytes) -> ArchiveContext:
        return ArchiveContext(
            control_request_channel=channel,
            control_response_channel="aeron:udp?endpoint=localhost:0",
            credentials=credentials,
            on_challenge=lambda challenge: b"admin:CSadmin" if challenge == b"challenge!" else b"",
        )

    with java("io.aeron.archive.ArchivingMediaDriver", tmp_path / "output", properties):
        wait_until((aeron_dir / "cnc.dat").exists, START_TIMEOUT)
        with Client.connect(aeron_dir, driver_timeout=START_TIMEOUT) as client:
            for credentials in (b"admin:admin", b"admin:adminC"):
                with Archive.connect(client, context(credentials), timeout=START_TIMEOUT) as archive:
                    recording = record(client, archive, 100 + len(credentials))
                    assert archive.list_recording(recording.recording_id) == recording
            with pytest.raises(ArchiveError) as caught:
                Archive.connect(client, context(b"admin:wrong"), timeout=START_TIMEOUT)
            assert caught.value.archive_code == ArchiveErrorCode.AUTHENTICATION_REJECTED
