"""``aeron-py play`` and ``sessions`` as their users run them: from a directory and from a recorder, with keys."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from aeron_py import Archive, ArchivingMediaDriver, Client
from aeron_py.archive.mark import ArchiveMark
from aeron_py.recorder.config import RecorderConfig
from aeron_py.recorder.playback import ControlServer, RecorderClient
from aeron_py.recorder.service import Recorder
from aeron_py.recorder.when import format_time
from tests.cli.test_commands import TIMEOUT, command, run
from tests.recorder.histories import CAMERA, RADAR, Listeners, Recording, stamp_of
from tests.recorder.recorders import recordings
from tests.recorder.test_away import RESTARTS, Kept
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, list[bytes]]]]:
    """An archive directory with a history, whose archive does not run any more."""
    directory = tmp_path_factory.mktemp("archive")
    with (
        ArchivingMediaDriver.launch(directory, timeout=TIMEOUT, segment_file_length=64 * 1024) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=TIMEOUT) as archive,
    ):
        recording = Recording(client, archive, directory, 9000)
        recording.add(CAMERA)
        recording.add(RADAR)
        for _ in range(15):
            recording.batch(CAMERA, RADAR)
        recording.close()
    yield directory, recording.sent


@contextlib.contextmanager
def playing(*arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """``aeron-py play``, and the line that it told at its start."""
    with subprocess.Popen(
        command("play", "--json", *arguments), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = stream(process.stdout).readline()
            assert line, stream(process.stderr).read()
            yield process, json.loads(line)
        finally:
            process.kill()


def stream(found: IO[str] | None) -> IO[str]:
    assert found is not None
    return found


def test_play_from_a_directory(recorded: tuple[Path, dict[str, list[bytes]]]) -> None:
    directory, sent = recorded
    arguments = ("--archive-dir", str(directory), "--speed", "5", "--wait", "--remap", "pubsub:radar=65001")
    with playing(*arguments) as (process, told):
        topics = told["topics"]
        assert topics[RADAR] == {"channel": "aeron:ipc", "stream_id": 65001}
        with Client.connect(told["aeron_dir"], driver_timeout=TIMEOUT) as client:
            with Listeners(
                {name: client.add_subscription(each["channel"], each["stream_id"]) for name, each in topics.items()}
            ) as listeners:
                listeners.await_all(sent)
            assert process.wait(TIMEOUT) == 0
        assert json.loads(stream(process.stdout).read())["ended"] is True


def test_keys_and_sessions_of_a_recorder(recorded: tuple[Path, dict[str, list[bytes]]]) -> None:
    directory, _ = recorded
    ours, theirs = pty.openpty()
    with (
        contextlib.closing(os.fdopen(ours, "wb", buffering=0)) as keyboard,
        ArchivingMediaDriver.launch(directory, timeout=TIMEOUT, segment_file_length=64 * 1024) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=TIMEOUT) as archive,
        ControlServer(client, archive, RecorderConfig(archive_dir=str(directory), record=False)),
        RecorderClient(client, timeout=TIMEOUT) as recorder,
        playing("--archive-dir", str(directory), "--start-paused", stdin=theirs) as (process, told),
    ):
        os.close(theirs)
        assert told["recorder"] is True
        session = recorder.session(told["session"])
        listed = run("sessions", "--archive-dir", str(directory), "--json")
        assert [each["session"] for each in json.loads(listed.stdout)] == [told["session"]]
        assert told["session"] in run("sessions", "--archive-dir", str(directory)).stdout
        assert session.state == "pause"
        begin = session.controls.pos_ns
        assert begin is not None
        for key, done in [
            (b"+", lambda: session.speed == 2.0),
            (b".", lambda: (session.controls.pos_ns or 0) > begin),
            (b",", lambda: (session.controls.pos_ns or 0) <= begin),
            (b"-", lambda: session.speed == 1.0),
            (b"u", lambda: session.speed == "Unlimited"),
            (b"1", lambda: session.speed == 1.0),
        ]:
            keyboard.write(key)
            wait_until(done, 60, f"key {key!r}")
        keyboard.write(b"q")
        assert process.wait(TIMEOUT) == 0
        assert recorder.sessions() == []


def test_started_again_at_once_after_a_kill(recorded: tuple[Path, dict[str, list[bytes]]]) -> None:
    """The archive of the one that was killed looks alive for ten seconds more."""
    directory, _ = recorded
    told = []
    for _again in range(2):
        with playing("--archive-dir", str(directory), "--start-paused", "--wait") as (process, line):
            told.append(line)
            process.kill()
    assert told[0]["aeron_dir"] != told[1]["aeron_dir"]
    assert told[0]["topics"].keys() == told[1]["topics"].keys()


def test_the_tail_of_what_is_over(recorded: tuple[Path, dict[str, list[bytes]]]) -> None:
    directory, _ = recorded
    ours, theirs = pty.openpty()
    with (
        contextlib.closing(os.fdopen(ours, "wb", buffering=0)) as keyboard,
        playing("--archive-dir", str(directory), "--start-paused", stdin=theirs) as (process, _told),
    ):
        os.close(theirs)
        keyboard.write(b"t")
        assert process.wait(TIMEOUT) == 0
        ended = json.loads(stream(process.stdout).read())
        assert (ended["state"], ended["ended"]) == ("tail", True)


def test_what_is_wrong(tmp_path: Path) -> None:
    found = run("play", "--archive-dir", str(tmp_path))
    assert found.returncode == 1
    assert "no archive has run" in found.stderr
    found = run("play", "--archive-dir", str(tmp_path), "--remap", "nonsense")
    assert found.returncode == 2
    assert "TOPIC=STREAM_ID" in found.stderr


@pytest.fixture(scope="module")
def put_away(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """An archive directory of which a volume is only where it was stored, whose recorder does not run any more."""
    kept = Kept(tmp_path_factory.mktemp("kept"))
    with Recorder(kept.config, on_event=kept.events.append) as recorder:
        recorder.wait_running(TIMEOUT)
        keeper = recorder._keeper
        assert keeper is not None
        with Client.connect(recorder.aeron_dir) as client:
            for _ in range(2):
                with client.add_exclusive_publication(f"aeron:ipc?alias={RESTARTS}", 11) as publication:
                    publication.await_recorder(TIMEOUT)
                    for _ in range(50):
                        kept.send(publication, RESTARTS)
                    wait_until(lambda: recorder.streams, TIMEOUT)
                wait_until(lambda: not recorder.streams, TIMEOUT)
                kept.ends.append(time.time_ns())
                if len(kept.ends) == 1:
                    keeper.rotate()
            wait_until(lambda: [each.stored for each in kept.volumes.known()] == [True], TIMEOUT)
            kept.take_away(recorder)
    return kept


def played_of(kept: Kept, expected: list[bytes], *arguments: str) -> str:
    """Play all of it to a listener; what was said meanwhile."""
    with playing("--speed", "Unlimited", "--wait", *arguments) as (process, told):
        place = told["topics"][RESTARTS]
        with Client.connect(told["aeron_dir"], driver_timeout=TIMEOUT) as client:
            subscription = client.add_subscription(place["channel"], place["stream_id"])
            with Listeners({RESTARTS: subscription}) as listeners:
                listeners.await_all({RESTARTS: expected})
            assert process.wait(TIMEOUT) == 0
        return stream(process.stderr).read()


def test_what_is_away_is_named(put_away: Kept) -> None:
    archive_dir, (volume,) = str(put_away.archive_dir), put_away.volumes.known()
    here = [each for each in put_away.sent[RESTARTS] if stamp_of(each) > put_away.ends[0]]
    said = played_of(put_away, here, "--archive-dir", archive_dir, "--start", "-1h")
    assert f"stored: {volume.name}: name the recorder's configuration" in said
    # Not when it is not asked for.
    said = played_of(put_away, here, "--archive-dir", archive_dir, "--start", format_time(volume.end_ns + 1))
    assert volume.name not in said


@pytest.mark.parametrize("command", [["ls", "--topics"], ["info"], ["info", RESTARTS], ["cat", RESTARTS, "--hex"]])
def test_what_is_away_is_named_by_who_shows_what_there_is(put_away: Kept, command: list[str]) -> None:
    """They show what is here, and say that there is more."""
    where, (volume,) = ("--archive-dir", str(put_away.archive_dir)), put_away.volumes.known()
    said = f"left out are volumes that are only where they were stored: {volume.name}\n"
    done = run(*command, *where)
    assert (done.returncode, done.stderr) == (0, said)
    if command[0] != "cat":
        done = run(*command, "--from", format_time(volume.end_ns + 1), *where)
        assert (done.returncode, done.stderr) == (0, "")


def test_what_is_away_is_fetched(put_away: Kept, tmp_path: Path) -> None:
    config = tmp_path / "recorder.yaml"
    commands = {name: list(getattr(put_away.config.archive_cmds, name)) for name in ("list", "put", "get")}
    told = {"archive_dir": str(put_away.archive_dir), "rules": [{"topic": "**"}], "archive_cmds": commands}
    config.write_text(json.dumps(told))
    said = played_of(put_away, put_away.sent[RESTARTS], "--config", str(config), "--start", "-1h")
    assert "is here again" in said
    assert [each.away for each in put_away.volumes.known()] == [False]
    assert len(recordings(put_away.archive_dir, 11)) == 2, "it records nothing"


def test_its_archive_is_killed(recorded: tuple[Path, dict[str, list[bytes]]]) -> None:
    """It says so, and goes on when another one runs."""
    directory, sent = recorded
    with playing("--archive-dir", str(directory), "--speed", "0.5", "--wait") as (process, told):
        topics = told["topics"]
        with (
            Client.connect(told["aeron_dir"], driver_timeout=TIMEOUT) as client,
            Listeners(
                {name: client.add_subscription(each["channel"], each["stream_id"]) for name, each in topics.items()}
            ) as listeners,
        ):
            wait_until(lambda: all(listeners.poll().values()), TIMEOUT)
            mark = ArchiveMark.read(directory)
            assert mark is not None
            os.kill(mark.pid, signal.SIGKILL)
            listeners.await_all(sent)
            assert process.wait(TIMEOUT) == 0
        said = stream(process.stderr).read()
        assert "waiting: the archive ended" in said
        assert json.loads(stream(process.stdout).read())["ended"] is True
