"""Commands that connect to an archive with users."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py import Archive, ArchivingMediaDriver, Client, User
from tests.archive.streams import new_stream_id, record
from tests.cli.inside import run_inside
from tests.cli.test_play import playing
from tests.nodes import START_TIMEOUT
from tests.recorder.histories import CAMERA, Recording

SECRET = b"s3cret\n"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchivingMediaDriver]:
    with ArchivingMediaDriver.launch(
        tmp_path_factory.mktemp("archive"), timeout=START_TIMEOUT, users=[User("operator", SECRET)]
    ) as node:
        with (
            Client.connect(node.aeron_dir) as client,
            Archive.connect(client, node.archive_context(credentials=SECRET), timeout=START_TIMEOUT) as archive,
        ):
            record(client, archive, new_stream_id())
            recording = Recording(client, archive, node.archive_dir, 9000)
            recording.add(CAMERA)
            recording.batch(CAMERA)
            recording.close()
        yield node


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "operator.key"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "command",
    [
        ["ls"],
        ["info", "0"],
        ["prune", "--older-than", "1d", "--dry-run"],
        ["record-stream", "aeron:ipc", "77", "--for", "10ms"],
        ["doctor"],
    ],
    ids=lambda command: str(command[0]),
)
def test_what_connects_shows_credentials(
    secured: ArchivingMediaDriver, key: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*command, "--archive-dir", str(secured.archive_dir)]
    refused = run_inside(*arguments)
    assert refused.returncode == 1
    assert "authenticat" in refused.stderr + refused.stdout
    asked = run_inside(*arguments, "--credentials-file", str(key))
    assert "authenticat" not in asked.stderr + asked.stdout
    assert asked.returncode == 0, asked.stderr
    monkeypatch.setenv("AERON_PY_CREDENTIALS_FILE", str(key))
    assert run_inside(*arguments).returncode == 0
    server = secured.archive_server
    if command[0] != "doctor":
        where = ["--control-channel", server.control_channel, "--control-stream-id", str(server.control_stream_id)]
        assert run_inside(*arguments, *where, "--aeron-dir", secured.aeron_dir).returncode == 0
    key.chmod(0o644)
    told = run_inside(*arguments)
    assert told.returncode == 1
    assert "chmod 600" in told.stderr + told.stdout


def test_play_without_a_recorder(secured: ArchivingMediaDriver, key: Path) -> None:
    arguments = ("--archive-dir", str(secured.archive_dir), "--speed", "Unlimited", "--credentials-file", str(key))
    with playing(*arguments) as (process, told):
        assert set(told["topics"]) == {CAMERA}
        process.terminate()
        assert process.wait(START_TIMEOUT) == 0


def test_both_sides_of_a_copy(secured: ArchivingMediaDriver, key: Path, tmp_path: Path) -> None:
    with ArchivingMediaDriver.launch(
        tmp_path / "target", timeout=START_TIMEOUT, users=[User("operator", SECRET)]
    ) as target:
        server = secured.archive_server
        done = run_inside(
            "replicate",
            server.control_channel,
            "--source-stream-id",
            str(server.control_stream_id),
            "--archive-dir",
            str(target.archive_dir),
            "--credentials-file",
            str(key),
            "--source-credentials-file",
            str(key),
            "0",
            "--json",
        )
        assert done.returncode == 0, done.stderr
        assert [each["done"] for each in json.loads(done.stdout)] == [True]
