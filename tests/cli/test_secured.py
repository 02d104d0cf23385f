"""Commands that connect to an archive with users."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py import Archive, ArchiveRight, ArchiveServer, ArchivingMediaDriver, Client, MediaDriver, User
from tests.archive.streams import new_stream_id, record
from tests.cli.inside import run_inside
from tests.cli.test_commands import command, run
from tests.cli.test_play import playing
from tests.nodes import START_TIMEOUT
from tests.recorder.histories import CAMERA, Recording
from tests.waiting import wait_until

SECRET = b"s3cret\n"
MAY_LIST, LIST = b"may list", frozenset({ArchiveRight.LIST})


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchivingMediaDriver]:
    with ArchivingMediaDriver.launch(
        tmp_path_factory.mktemp("archive"),
        timeout=START_TIMEOUT,
        users=[User("operator", SECRET), User("lister", MAY_LIST, LIST)],
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


def refused(done: subprocess.CompletedProcess[str], how: str, file: Path | None = None) -> None:
    """It failed, in one line that says what is missing and how to give it."""
    assert done.returncode == 1
    (line,) = [each for each in (done.stderr + done.stdout).splitlines() if "credentials of one of its users" in each]
    assert line.startswith(("error: authentication rejected", "FAIL ")), line
    assert ("none were given" if file is None else f"those in {file} are wrong") in line
    assert how in line


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
    refused(run_inside(*arguments), "--credentials-file or AERON_PY_CREDENTIALS_FILE")
    key.write_bytes(SECRET.strip())
    refused(run_inside(*arguments, "--credentials-file", str(key)), "--credentials-file or AERON_PY", key)
    key.write_bytes(SECRET)
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


def test_a_copy_says_which_archive_refuses(secured: ArchivingMediaDriver, key: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.key"
    stranger.write_bytes(b"wrong")
    stranger.chmod(0o600)
    with ArchivingMediaDriver.launch(
        tmp_path / "target", timeout=START_TIMEOUT, users=[User("operator", SECRET)]
    ) as target:
        server = secured.archive_server
        copy = ["replicate", server.control_channel, "--source-stream-id", str(server.control_stream_id)]
        copy += ["--archive-dir", str(target.archive_dir)]
        refused(run_inside(*copy), "with --credentials-file")
        copy += ["--credentials-file", str(key)]
        refused(run_inside(*copy), "with --source-credentials-file")
        refused(
            run_inside(*copy, "--source-credentials-file", str(stranger)), "with --source-credentials-file", stranger
        )


def test_play_refused_ends_at_once(secured: ArchivingMediaDriver, key: Path) -> None:
    arguments = ("play", "--archive-dir", str(secured.archive_dir))
    refused(run(*arguments), "--credentials-file or AERON_PY_CREDENTIALS_FILE")
    key.write_bytes(b"wrong")
    refused(run(*arguments, "--credentials-file", str(key)), "--credentials-file or AERON_PY", key)


def test_play_without_the_right_says_so(secured: ArchivingMediaDriver, tmp_path: Path) -> None:
    """The archive lets it in, but gives it no replay when somebody comes to listen."""
    lister = tmp_path / "lister.key"
    lister.write_bytes(MAY_LIST)
    lister.chmod(0o600)
    with playing("--archive-dir", str(secured.archive_dir), "--credentials-file", str(lister)) as (process, told):
        topic = told["topics"][CAMERA]
        assert process.stderr is not None
        with (
            Client.connect(told["aeron_dir"]) as client,
            client.add_subscription(topic["channel"], topic["stream_id"]),
        ):
            while "playback waits: " not in (line := process.stderr.readline()):
                assert line, process.poll()
            assert "unauthorised action" in line


def test_record_refused_ends_at_once(secured: ArchivingMediaDriver, key: Path, tmp_path: Path) -> None:
    config = tmp_path / "recorder.yaml"
    joined = f"archive_dir: {secured.archive_dir}\naeron_dir: {secured.aeron_dir}\nrules: [{{}}]\n"
    config.write_text(joined)
    refused(run("record", "--config", str(config)), f"archive.credentials_file in {config}")
    key.write_bytes(b"wrong")
    config.write_text(f"{joined}archive: {{credentials_file: {key}}}\n")
    refused(run("record", "--config", str(config)), f"archive.credentials_file in {config}", key)


def test_record_refused_later_waits_for_other_credentials(key: Path, tmp_path: Path) -> None:
    """The archive comes back with other users: a recorder that had begun goes on once its file has what they show."""
    archive_dir, config, told = tmp_path / "archive", tmp_path / "recorder.yaml", tmp_path / "told"
    with MediaDriver.launch() as driver:
        config.write_text(
            f"archive_dir: {archive_dir}\naeron_dir: {driver.aeron_dir}\nrules: [{{}}]\n"
            f"archive: {{credentials_file: {key}}}\n"
        )

        def archive_of(secret: bytes) -> ArchiveServer:
            return ArchiveServer.launch(
                archive_dir, driver.aeron_dir, timeout=START_TIMEOUT, users=[User("recorder", secret)]
            )

        def has(text: str, times: int = 1) -> bool:
            assert process.poll() is None, told.read_text()
            return told.read_text().count(text) >= times

        with (
            archive_of(SECRET) as server,
            told.open("w") as file,
            subprocess.Popen(command("record", "--config", str(config)), stdout=file, stderr=file) as process,
        ):
            try:
                wait_until(lambda: has("running on"), START_TIMEOUT)
                server.close()
                with archive_of(b"another one"):
                    wait_until(lambda: has("authentication rejected"), START_TIMEOUT)
                    key.write_bytes(b"another one")
                    wait_until(lambda: has("running on", 2), START_TIMEOUT)
                    process.terminate()
                    assert process.wait(START_TIMEOUT) == 0, told.read_text()
            finally:
                process.kill()
