"""``aeron-py record`` and ``aeron-py ls --topics``."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

import aeron_py as aeron
from aeron_py.recorder.config import load
from tests.cli.test_commands import TIMEOUT, command, ready, run
from tests.processes import with_argument
from tests.streams import send
from tests.waiting import wait_until


def configuration(directory: Path) -> str:
    path = directory / "recorder.yaml"
    path.write_text(f"{{archive_dir: {directory / 'archive'}, play: false, rules: [{{}}]}}")
    return str(path)


def test_the_example_is_a_configuration() -> None:
    done = run("record", "--example")
    assert done.returncode == 0
    assert load(done.stdout).rules


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_record_and_stop(number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("record", "--config", configuration(tmp_path), "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            told = ready(process)
            with (
                aeron.Client.connect(told["aeron_dir"]) as client,
                client.add_publication("aeron:ipc?alias=pubsub:camera/front", 10) as publication,
            ):
                publication.await_recorder(TIMEOUT)
                wait_until(lambda: publication.is_connected, TIMEOUT)
                end = send(publication, b"x")
                process.send_signal(number)
                assert process.wait(TIMEOUT) == 0
            assert process.stderr is not None
            assert "recording pubsub:camera/front as recording 1" in process.stderr.read()
        finally:
            process.kill()
    assert not Path(told["aeron_dir"]).exists()
    assert with_argument(told["archive_dir"]) == []

    (topic,) = json.loads(run("ls", "--topics", "--json", "--archive-dir", told["archive_dir"]).stdout)
    assert (topic["topic"], topic["recordings"], topic["bytes"]) == ("pubsub:camera/front", [1], end)
    assert topic["began_ns"] <= topic["ended_ns"]
    assert "pubsub:camera/front" in run("ls", "--topics", "--archive-dir", told["archive_dir"]).stdout


def test_a_wrong_configuration(tmp_path: Path) -> None:
    path = tmp_path / "recorder.yaml"
    path.write_text(f"archive_dir: {tmp_path}\nruls: []\n")
    done = run("record", "--config", str(path))
    assert done.returncode == 1
    assert "did you mean rules?" in done.stderr
    assert "Traceback" not in done.stderr
    assert run("record").returncode == 2
    assert run("record", "--config", str(tmp_path / "none")).returncode == 1
