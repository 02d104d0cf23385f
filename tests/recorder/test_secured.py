"""Recorders of archives that have users."""

from __future__ import annotations

from pathlib import Path

import pytest

from aeron_py import Archive, ArchiveError, ArchiveErrorCode, ArchiveRight, Client, User
from aeron_py.archive.catalog import read_catalog
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver, context_from_mark
from aeron_py.recorder.config import RecorderConfig, load
from aeron_py.recorder.playback.client import RecorderClient
from aeron_py.recorder.service import Recorder
from tests.recorder.recorders import TIMEOUT, Events, payloads
from tests.streams import send
from tests.waiting import wait_until

TOPIC, STREAM_ID = "pubsub:camera", 10
SENT = [b"picture %d" % number for number in range(10)]


def secret(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def configured(archive_dir: Path, more: str) -> RecorderConfig:
    return load(f"archive_dir: {archive_dir}\nrules: [{{topic: '**'}}]\n{more}")


def record_and_play(recorder: Recorder) -> None:
    recorder.wait_running(TIMEOUT)
    with (
        Client.connect(recorder.aeron_dir) as client,
        client.add_exclusive_publication(f"aeron:ipc?alias={TOPIC}", STREAM_ID) as publication,
        RecorderClient(client, timeout=TIMEOUT) as asking,
    ):
        publication.await_recorder(TIMEOUT)
        for message in SENT:
            send(publication, message)
        wait_until(lambda: recorder.streams, TIMEOUT)
        with asking.open_session(speed="Unlimited", state="pause") as session, session.subscribe(TOPIC) as played:
            session.state = "play"
            messages = played.messages(timeout=TIMEOUT)
            assert [next(messages).payload for _ in SENT] == SENT


def test_one_that_starts_its_archive_with_users(tmp_path: Path) -> None:
    users = secret(tmp_path / "users.yaml", "users: [{name: reader, credentials: s3cret, rights: [list]}]")
    archive_dir = tmp_path / "archive"
    with Recorder(configured(archive_dir, f"embedded: {{users: {users}}}")) as recorder:
        record_and_play(recorder)
        mark = ArchiveMark.read(archive_dir)
        assert mark is not None
        with Client.connect(recorder.aeron_dir) as client:
            with Archive.connect(client, context_from_mark(mark, credentials=b"s3cret"), timeout=TIMEOUT) as archive:
                assert archive.list_recordings(stream_id=STREAM_ID)
                with pytest.raises(ArchiveError) as refused:
                    archive.start_recording("aeron:ipc", 11)
                assert refused.value.archive_code == ArchiveErrorCode.UNAUTHORISED_ACTION
            with pytest.raises(ArchiveError, match="authenticat"):
                Archive.connect(client, context_from_mark(mark), timeout=TIMEOUT)
    assert payloads(archive_dir, STREAM_ID) == SENT


@pytest.mark.parametrize("local", [True, False], ids=["ipc", "udp"])
def test_what_is_asked_of_another_archive_is_not_recorded(tmp_path: Path, local: bool) -> None:
    """Credentials are in it. For those of Aeron's own clients see ``tests/interop/test_java_security.py``."""
    shown, archive_dir = b"of the other archive", tmp_path / "archive"
    with (
        Recorder(configured(archive_dir, "")) as recorder,
        Client.connect(recorder.aeron_dir) as client,
        ArchiveServer.launch(
            tmp_path / "other", recorder.aeron_dir, timeout=TIMEOUT, users=[User("other", shown)]
        ) as other,
    ):
        recorder.wait_running(TIMEOUT)
        context = other.archive_context(local=local, credentials=shown)
        with Archive.connect(client, context, timeout=TIMEOUT) as archive:
            assert archive.list_recordings() == []
            # What begins later is recorded: so the recorder has looked.
            with client.add_exclusive_publication(f"aeron:ipc?alias={TOPIC}", STREAM_ID) as publication:
                publication.await_recorder(TIMEOUT)
                wait_until(lambda: recorder.streams, TIMEOUT)
                assert [each.topic for each in recorder.streams] == [TOPIC]
    assert {each.stream_id for each in read_catalog(archive_dir)} == {STREAM_ID, 900_001}
    assert not any(shown in path.read_bytes() for path in archive_dir.glob("*.rec"))


def test_one_that_joins_an_archive_with_users(tmp_path: Path) -> None:
    """First with credentials of nobody there, then as a user who may do no more than a recorder must."""
    archive_dir, key, events = tmp_path / "archive", secret(tmp_path / "recorder.key", "wrong"), Events()
    rights = frozenset(ArchiveRight) - {ArchiveRight.REPLICATE, ArchiveRight.TRUNCATE}
    with ArchivingMediaDriver.launch(
        archive_dir, timeout=TIMEOUT, users=[User("recorder", b"s3cret", rights)], segment_file_length=64 * 1024
    ) as node:
        server = node.archive_server
        for how in (
            "",
            f"control_channel: '{server.local_control_channel}', control_stream_id: {server.local_control_stream_id}, ",
        ):
            more = f"aeron_dir: {node.aeron_dir}\narchive: {{{how}credentials_file: {key}}}"
            with Recorder(configured(archive_dir, more), on_event=events.append) as recorder:
                if not how:
                    wait_until(events.has("authenticat"), TIMEOUT)
                    secret(key, "s3cret")
                record_and_play(recorder)
    assert payloads(archive_dir, STREAM_ID) == 2 * SENT
