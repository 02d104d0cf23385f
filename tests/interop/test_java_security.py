"""Credentials between Java and ours, in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py import ArchiveRight, User
from aeron_py.archive.catalog import read_catalog
from aeron_py.archive.client import Archive
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver
from aeron_py.client import Client
from aeron_py.errors import ArchiveError, ArchiveErrorCode
from aeron_py.recorder.service import Recorder
from tests.archive.streams import CHANNEL, messages, new_stream_id, record
from tests.interop.building import built
from tests.interop.java import START_TIMEOUT, asking_locally, java, java_node, sample
from tests.recorder.recorders import configured
from tests.waiting import wait_until

READER = User("reader", b"may list and replay", frozenset({ArchiveRight.LIST, ArchiveRight.REPLAY}))
OPERATOR = User("operator", b"may do all")
SAMPLE_AUTHENTICATOR = "io.aeron.samples.archive.SampleAuthenticatorSupplier"
SAYS = {"challenged", "connected", "recording", "replaying", "message", "refused"}


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


def test_what_java_asks_of_another_archive_is_not_recorded(tmp_path: Path) -> None:
    """A recorder whose rules take all: neither requests, with credentials in them, nor answers."""
    archive_dir = tmp_path / "archive"
    with (
        Recorder(configured(archive_dir)) as recorder,
        Client.connect(recorder.aeron_dir) as client,
        ArchiveServer.launch(tmp_path / "other", recorder.aeron_dir, timeout=START_TIMEOUT, users=[OPERATOR]) as other,
    ):
        recorder.wait_running(START_TIMEOUT)
        told = asking_locally(recorder.aeron_dir, other)
        told |= {"credentials": OPERATOR.credentials.decode(), "recording": "0"}
        for number in range(2):
            output = tmp_path / f"output-{number}"
            with java("SecuredClient", output, told, classes=built("interop_jvm") / "interop_jvm") as program:
                program.wait_for("connected")
                program.wait_for("refused")
                program.join()
        # What the other archive records is a stream as any.
        with (
            Archive.connect(
                client, other.archive_context(credentials=OPERATOR.credentials), timeout=START_TIMEOUT
            ) as archive,
            archive.add_recorded_exclusive_publication("aeron:ipc?alias=pubsub:both", 77) as publication,
        ):
            publication.await_recorder(START_TIMEOUT)
            wait_until(lambda: [each.topic for each in recorder.streams] == ["pubsub:both"], START_TIMEOUT)
    assert {each.stream_id for each in read_catalog(archive_dir)} == {77, 900_001}
    assert not any(OPERATOR.credentials in path.read_bytes() for path in archive_dir.glob("*.rec"))


def asking(
    node: ArchivingMediaDriver, recording_id: int, output: Path, credentials: bytes | None = None, answer: bytes = b""
) -> list[str]:
    """What comes of Aeron's own Java client, which lists recordings and replays one: see ``jvm/SecuredClient.java``."""
    properties = sample(node, "aeron:ipc", 1) | {
        "recording": str(recording_id),
        "channel": CHANNEL,
        "stream": str(new_stream_id()),
        "answer": answer.decode(),
    }
    if credentials is not None:
        properties["credentials"] = credentials.decode()
    classes = built("interop_jvm") / "interop_jvm"
    with java("SecuredClient", output, properties, classes=classes) as program:
        program.join()
    return [line for line in program.output.splitlines() if line.split()[0] in SAYS]


def served(recording_id: int) -> list[str]:
    """What that client says when all goes well."""
    sent = [f"message {message.hex()}" for message in messages(20)]
    return ["connected", f"recording {recording_id}", "replaying", *sent]


def refused(code: ArchiveErrorCode) -> str:
    """What it says of a refusal begins with this."""
    return f"refused {code.value} "


def test_a_java_client_gets_what_its_user_may(tmp_path: Path) -> None:
    """Each connects with ``AeronArchive`` and a ``CredentialsSupplier`` of its own."""
    lister = User("lister", b"may only list", frozenset({ArchiveRight.LIST}))
    with ArchivingMediaDriver.launch(
        tmp_path / "archive", timeout=START_TIMEOUT, users=[OPERATOR, READER, lister]
    ) as node:
        with (
            Client.connect(node.aeron_dir) as client,
            Archive.connect(
                client, node.archive_context(credentials=OPERATOR.credentials), timeout=START_TIMEOUT
            ) as archive,
        ):
            recording = record(client, archive, new_stream_id()).recording_id
        for user in (OPERATOR, READER):
            assert asking(node, recording, tmp_path / user.name, user.credentials) == served(recording)
        for name, wrong in (("none", None), ("empty", b""), ("wrong", b"may do al")):
            (line,) = asking(node, recording, tmp_path / name, wrong)
            assert line.startswith(refused(ArchiveErrorCode.AUTHENTICATION_REJECTED))
        *got, line = asking(node, recording, tmp_path / "lister", lister.credentials)
        assert got == ["connected", f"recording {recording}"]
        assert line.startswith(refused(ArchiveErrorCode.UNAUTHORISED_ACTION))


def test_a_java_client_answers_a_challenge(tmp_path: Path) -> None:
    with ArchivingMediaDriver.launch(
        tmp_path / "archive", timeout=START_TIMEOUT, authenticator_supplier=SAMPLE_AUTHENTICATOR
    ) as node:
        with (
            Client.connect(node.aeron_dir) as client,
            Archive.connect(client, node.archive_context(credentials=b"admin:admin"), timeout=START_TIMEOUT) as archive,
        ):
            recording = record(client, archive, new_stream_id()).recording_id
        answered = asking(node, recording, tmp_path / "right", b"admin:adminC", b"admin:CSadmin")
        assert answered == ["challenged challenge!", *served(recording)]
        challenged, line = asking(node, recording, tmp_path / "wrong", b"admin:adminC", b"admin:admin")
        assert challenged == "challenged challenge!"
        assert line.startswith(refused(ArchiveErrorCode.AUTHENTICATION_REJECTED))


def test_we_connect_to_a_secured_java_node(tmp_path: Path) -> None:
    """Driver and archive in Java alone, with the users of Aeron's samples, some of whom are asked once more."""

    def context(credentials: bytes, answer: bytes = b"") -> ArchiveContext:
        return ArchiveContext(
            control_request_channel=channel,
            control_response_channel="aeron:udp?endpoint=localhost:0",
            credentials=credentials,
            on_challenge=lambda challenge: answer if challenge == b"challenge!" else b"",
        )

    with (
        java_node(tmp_path, aeron_archive_authenticator_supplier=SAMPLE_AUTHENTICATOR) as (aeron_dir, channel),
        Client.connect(aeron_dir, driver_timeout=START_TIMEOUT) as client,
    ):
        for right in (context(b"admin:admin"), context(b"admin:adminC", b"admin:CSadmin")):
            with Archive.connect(client, right, timeout=START_TIMEOUT) as archive:
                recording = record(client, archive, new_stream_id())
                assert archive.list_recording(recording.recording_id) == recording
                with (
                    archive.start_replay(
                        recording.recording_id, "aeron:ipc?term-length=64k", new_stream_id()
                    ) as replay,
                    replay.subscribe() as subscription,
                ):
                    replayed = subscription.messages(until=recording.stop_position, timeout=START_TIMEOUT)
                    assert [message.payload for message in replayed] == messages(20)
        for wrong in (context(b""), context(b"admin:wrong"), context(b"admin:adminC", b"admin:admin")):
            with pytest.raises(ArchiveError) as caught:
                Archive.connect(client, wrong, timeout=START_TIMEOUT)
            assert caught.value.archive_code == ArchiveErrorCode.AUTHENTICATION_REJECTED
