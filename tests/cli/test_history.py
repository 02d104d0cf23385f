"""``aeron-py cat``, ``info`` and ``ls --topics``: what was recorded, and when."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aeron_py import Archive, ArchivingMediaDriver, Client
from aeron_py.recorder.when import format_time
from tests.cli.inside import run_inside
from tests.cli.test_commands import TIMEOUT, command, run_unread
from tests.nodes import START_TIMEOUT
from tests.recorder.histories import CAMERA, LOG, RADAR, Recording
from tests.streams import send
from tests.waiting import wait_until


class Recorded(NamedTuple):
    directory: Path
    sent: dict[str, list[bytes]]
    times: list[int]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """A directory with three topics, one of them in two recordings with a gap between, whose archive has ended."""
    directory = tmp_path_factory.mktemp("archive")
    with (
        ArchivingMediaDriver.launch(directory, timeout=START_TIMEOUT, segment_file_length=64 * 1024) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=START_TIMEOUT) as archive,
    ):
        recording = Recording(client, archive, directory, 9000)
        for topic in (CAMERA, RADAR, LOG):
            recording.add(topic)
        for _ in range(5):
            recording.batch(CAMERA, RADAR, LOG)
        recording.remove(LOG)
        for _ in range(5):
            recording.batch(CAMERA, RADAR)
        recording.add(LOG)
        for _ in range(5):
            recording.batch(CAMERA, LOG, length=3000)
        recording.close()
    yield Recorded(directory, recording.sent, recording.times)


def cat(recorded: Recorded, *arguments: str) -> list[dict[str, Any]]:
    done = run_inside("cat", *arguments, "--ndjson", "--archive-dir", str(recorded.directory))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def payloads(lines: list[dict[str, Any]]) -> list[bytes]:
    return [each["text"].encode() if "text" in each else base64.b64decode(each["base64"]) for each in lines]


def test_a_topic_with_times(recorded: Recorded) -> None:
    lines = cat(recorded, LOG)
    assert payloads(lines) == recorded.sent[LOG]
    assert [each["recording_id"] for each in lines] == [3] * 5 + [4] * 5
    assert {each["topic"] for each in lines} == {LOG}
    told = [each["time"] for each in lines]
    # When a batch had been seen whole, its messages had come, and those of the batch before long since.
    for moment, before, after in zip(told[1:5], recorded.times[:4], recorded.times[1:5], strict=True):
        assert format_time(before) < moment <= format_time(after)
    assert told == sorted(told)


def test_parts_of_it(recorded: Recorded) -> None:
    all_ = cat(recorded, CAMERA)
    assert payloads(cat(recorded, "camera/front", "--count", "3")) == recorded.sent[CAMERA][:3]
    since, until = format_time(recorded.times[3] + 1), format_time(recorded.times[7] + 1)
    assert payloads(cat(recorded, CAMERA, "--from", since, "--to", until)) == recorded.sent[CAMERA][4:8]
    begin, end = str(all_[3]["position"]), str(all_[6]["position"])
    assert payloads(cat(recorded, "1", "--from", begin, "--to", end)) == recorded.sent[CAMERA][4:7]
    assert payloads(cat(recorded, "1", "--from", begin, "--count", "0")) == []
    # Large messages come in fragments: a time between leads to where a message begins.
    assert payloads(cat(recorded, CAMERA, "--from", format_time(recorded.times[12] + 1))) == recorded.sent[CAMERA][13:]


def test_bytes_text_and_hex(recorded: Recorded) -> None:
    done = subprocess.run(
        command("cat", RADAR, "--archive-dir", str(recorded.directory)),
        capture_output=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert done.stdout == b"".join(recorded.sent[RADAR])
    text = run_inside("cat", RADAR, "--text", "--archive-dir", str(recorded.directory)).stdout
    assert len(text.splitlines()) >= len(recorded.sent[RADAR])
    shown = run_inside("cat", CAMERA, "--hex", "--archive-dir", str(recorded.directory)).stdout
    assert recorded.sent[CAMERA][0][:8].hex(" ") in shown
    assert "\n  *\n" in shown
    assert "recording 1 position 64 " in shown


def test_a_reader_that_goes_away_is_no_error(recorded: Recorded) -> None:
    for arguments in (["cat", CAMERA], ["ls"], ["info"]):
        done = run_unread(*arguments, "--archive-dir", str(recorded.directory))
        assert done.returncode == 0, arguments
        assert b"rror" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nothing"], 1, "no topic nothing"),
        (["99"], 1, "no recording 99"),
        ([LOG, "--from", "64"], 1, "name one of 3, 4"),
        (["1", "--from", "999999"], 1, "which ends at"),
        (["1", "--from", "33"], 1, "nearest begin"),
        (["1", "--from", "yesterday"], 2, "is not a time"),
        (["0", "--from", "-1h"], 1, "no journal tells when recording 0"),
        (["1", "--text", "--hex"], 2, "give one of"),
    ],
)
def test_what_is_wrong(recorded: Recorded, arguments: list[str], status: int, said: str) -> None:
    done = run_inside("cat", *arguments, "--archive-dir", str(recorded.directory))
    assert done.returncode == status
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_following(tmp_path: Path) -> None:
    with (
        ArchivingMediaDriver.launch(tmp_path, timeout=START_TIMEOUT, segment_file_length=64 * 1024) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=START_TIMEOUT) as archive,
        archive.add_recorded_exclusive_publication("aeron:ipc?alias=log:x|term-length=64k", 77) as publication,
    ):
        archive.await_recorded(publication, timeout=TIMEOUT)
        send(publication, b"first")
        arguments = ("cat", "log:x", "--follow", "--text", "--archive-dir", str(tmp_path))
        with (
            subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, text=True) as ended,
            subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, text=True) as stopped,
        ):
            try:
                for process in (ended, stopped):
                    assert process.stdout is not None
                    assert process.stdout.readline() == "first\n"
                send(publication, b"second")
                for process in (ended, stopped):
                    assert process.stdout is not None
                    assert process.stdout.readline() == "second\n"
                ended.send_signal(signal.SIGINT)
                assert ended.wait(TIMEOUT) == 0
                archive.await_recorded(publication, send(publication, b"third"), timeout=TIMEOUT)
                archive.stop_recording_publication(publication, timeout=TIMEOUT)
                assert stopped.communicate(timeout=TIMEOUT)[0] == "third\n"
                assert stopped.returncode == 0
            finally:
                ended.kill()
                stopped.kill()


def test_info_of_topics(recorded: Recorded) -> None:
    directory = str(recorded.directory)
    told = json.loads(run_inside("info", "--archive-dir", directory, "--json").stdout)
    assert [each["topic"] for each in told] == [LOG, CAMERA, RADAR]
    log = told[0]
    assert log["recordings"] == [3, 4]
    first, second = log["intervals"]
    assert first["began_ns"] < recorded.times[0] < first["ended_ns"] < second["began_ns"] < second["ended_ns"]
    assert log["bytes"] == sum(each["stop_position"] - each["start_position"] for each in log["intervals"])
    (radar,) = json.loads(run_inside("info", "pubsub:ra*", "--archive-dir", directory, "--json").stdout)
    assert radar["topic"] == RADAR
    assert run_inside("info", "nonsense", "--archive-dir", directory).returncode == 1


def test_info_of_a_time_before_all_has_nothing(recorded: Recorded) -> None:
    done = run_inside("info", "--archive-dir", str(recorded.directory), "--to", "-1000d", "--json")
    assert (done.returncode, done.stdout) == (0, "[]\n")


@pytest.mark.parametrize("columns", [80, 200])
def test_the_time_line_is_as_wide_as_the_terminal(recorded: Recorded, columns: int) -> None:
    done = run_inside("info", "--archive-dir", str(recorded.directory), columns=columns)
    log, camera, _, scale, _ = done.stdout.splitlines()
    assert len(camera) <= columns
    assert len(scale) == columns
    assert camera.startswith(f"{CAMERA}  ")
    row = log[len(CAMERA) + 2 :]
    # Recorded, not recorded, recorded.
    assert " " in row.strip()
    assert "█" in camera or "█" in row


def test_info_of_a_recording_has_its_time_line(recorded: Recorded) -> None:
    directory = str(recorded.directory)
    told = json.loads(run_inside("info", "4", "--archive-dir", directory, "--json").stdout)
    (interval,) = told["intervals"]
    assert interval["stop_position"] == told["stop_position"]
    assert f"{LOG}  " in run_inside("info", "4", "--archive-dir", directory).stdout
    # A journal itself is in no journal.
    assert json.loads(run_inside("info", "0", "--archive-dir", directory, "--json").stdout)["intervals"] == []


def test_ls_with_filters(recorded: Recorded) -> None:
    def ids(*arguments: str) -> list[int]:
        done = run_inside("ls", "--json", "--archive-dir", str(recorded.directory), *arguments)
        assert done.returncode == 0, done.stderr
        return [each["recording_id"] for each in json.loads(done.stdout)]

    assert ids() == [0, 1, 2, 3, 4]
    assert ids("--topic", "pubsub:*", "--topic", "camera/*") == [1, 2]
    assert ids("--channel", "motor") == [3, 4]
    assert ids("--stream-id", "9000") == [0]
    assert ids("--active") == []
    assert ids("--to", format_time(recorded.times[0])) == [0, 1, 2, 3]
    assert ids("--from", format_time(time.time_ns() + 10**9)) == []
    topics = json.loads(
        run_inside("ls", "--topics", "--json", "--topic", "log:**", "--archive-dir", str(recorded.directory)).stdout
    )
    assert [each["topic"] for each in topics] == [LOG]


def test_completion_in_the_shell(recorded: Recorded) -> None:
    def completed(*words: str) -> str:
        line = " ".join(["aeron-py", *words])
        environment = {
            **os.environ,
            "_AERON_PY_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words)),
        }
        done = subprocess.run(command(), env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return done.stdout

    assert wait_until(lambda: "verify" in completed("ver"))
    assert "pubsub:radar" in completed("cat", "--archive-dir", str(recorded.directory), "pubsub:r")
