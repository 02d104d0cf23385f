"""``aeron-py`` as its users run it: output, exit status, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

import aeron_py as aeron
from aeron_py.cli.commands import app
from tests import patient
from tests.cli.inside import run_inside
from tests.processes import is_alive, with_argument
from tests.recorded_files import RecordedFiles, write_catalog
from tests.waiting import wait_until

TIMEOUT = 100.0


def command(*arguments: str) -> list[str]:
    return patient.command("aeron-py", *arguments)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )


def run_unread(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command line of which nobody reads the output any more, as with ``| head``."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        return subprocess.run(command(*arguments), stdout=pipe, stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)


@contextmanager
def up(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command("up", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(
            f"it ended with status {process.wait(TIMEOUT)}: {process.stderr and process.stderr.read()}"
        )
    told: dict[str, Any] = json.loads(line)
    return told


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """``aeron-py up`` with one recording that has stopped and one that goes on."""
    archive_dir = tmp_path_factory.mktemp("up") / "archive"
    with up("--archive-dir", str(archive_dir), "--json") as process:
        told = ready(process)
        with (
            aeron.Client.connect(told["aeron_dir"]) as client,
            aeron.Archive.connect(
                client,
                aeron.ArchiveContext(
                    control_request_channel=told["local_control_channel"],
                    control_request_stream_id=told["local_control_stream_id"],
                ),
                timeout=TIMEOUT,
            ) as archive,
        ):
            for stream_id in (11, 12):
                archive.start_recording("aeron:ipc", stream_id)
            with client.add_exclusive_publication("aeron:ipc", 11) as stopped:
                archive.await_recorded(stopped, timeout=TIMEOUT)
                archive.await_recorded(stopped, stopped.offer(b"x" * 100), timeout=TIMEOUT)
            archive.stop_recording("aeron:ipc", 11)
            with client.add_exclusive_publication("aeron:ipc", 12) as active:
                archive.await_recorded(active, timeout=TIMEOUT)
                yield told
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0


def test_up_tells_where_it_listens(running: dict[str, Any]) -> None:
    assert running["control_channel"].startswith("aeron:udp?endpoint=localhost:")
    assert Path(running["aeron_dir"]).is_dir()
    assert is_alive(running["pid"])
    assert is_alive(running["archive_pid"])


def test_ls(running: dict[str, Any]) -> None:
    done = run("ls", "--archive-dir", running["archive_dir"])
    assert done.returncode == 0, done.stderr
    heading, *lines = done.stdout.splitlines()
    assert heading.split()[:3] == ["id", "stream", "channel"]
    assert [line.split()[-1] for line in lines] == ["stopped", "recording"]
    assert done.stderr == ""


def test_ls_as_json(running: dict[str, Any]) -> None:
    done = run("ls", "--archive-dir", running["archive_dir"], "--json")
    first, second = json.loads(done.stdout)
    assert (first["recording_id"], first["stream_id"], first["state"], first["bytes"]) == (0, 11, "stopped", 160)
    assert (second["recording_id"], second["stream_id"], second["state"]) == (1, 12, "recording")


@pytest.mark.parametrize("local", [True, False])
def test_ls_by_channel(running: dict[str, Any], local: bool) -> None:
    prefix = "local_" if local else ""
    done = run(
        "ls",
        "--json",
        "--aeron-dir",
        running["aeron_dir"],
        "--control-channel",
        running[f"{prefix}control_channel"],
        "--control-stream-id",
        str(running[f"{prefix}control_stream_id"]),
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 2


def test_info(running: dict[str, Any]) -> None:
    done = run("info", "0", "--archive-dir", running["archive_dir"])
    assert done.returncode == 0, done.stderr
    assert "stream_id            11" in done.stdout
    told = json.loads(run("info", "0", "--archive-dir", running["archive_dir"], "--json").stdout)
    assert told["stop_position"] == 160


def test_info_of_an_unknown_recording(running: dict[str, Any]) -> None:
    done = run("info", "99", "--archive-dir", running["archive_dir"])
    assert done.returncode == 1
    assert done.stdout == ""
    assert "99" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_finds_all_well(running: dict[str, Any]) -> None:
    done = run("doctor", "--archive-dir", running["archive_dir"], "--timeout", str(TIMEOUT))
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    # How much shared memory there is, is the machine's own affair.
    assert [line for line in failed if "shared memory" not in line] == []
    assert done.returncode == bool(failed), done.stdout
    findings = json.loads(run("doctor", "--archive-dir", running["archive_dir"], "--json", "--timeout", "60").stdout)
    assert {"python", "aeron-py", "aeron", "java", "driver", "archive"} <= {finding["check"] for finding in findings}


def test_doctor_says_what_to_do(tmp_path: Path) -> None:
    done = run("doctor", "--archive-dir", str(tmp_path / "none"), "--aeron-dir", str(tmp_path / "aeron"))
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert [line.split()[1] for line in failed if "shared memory" not in line] == ["driver", "archive"]
    assert all("start one with  aeron-py up" in line for line in failed if "shared memory" not in line)


def test_what_it_says_to_type_can_be_typed(tmp_path: Path) -> None:
    where = tmp_path / "two words"
    for arguments, others in (
        (["ls"], "--archive-dir or --control-channel"),
        (["doctor", "--aeron-dir", str(where)], "--archive-dir"),
    ):
        done = run_inside(*arguments, "--archive-dir", str(where), columns=500)
        assert f"aeron-py up --archive-dir '{where}'  or name one with {others}\n" in done.stdout + done.stderr
    assert f"aeron-py up --aeron-dir '{where}'\n" in done.stdout


@pytest.mark.parametrize("length", [0, 40, 59])
def test_the_mark_of_an_archive_killed_at_once(length: int, tmp_path: Path) -> None:
    (tmp_path / "archive-mark.dat").write_bytes(bytes(length))
    where = ("--archive-dir", str(tmp_path), "--aeron-dir", str(tmp_path / "aeron"), "--json")
    assert json.loads(run("errors", *where).stdout) == []
    findings = {each["check"]: each["ok"] for each in json.loads(run("doctor", *where).stdout)}
    assert (findings["archive"], findings["archive errors"]) == (False, True)


@pytest.mark.parametrize("arguments", [["ls"], ["info"], ["cat", "0"]])
@pytest.mark.parametrize("output", ["ascii", "closed"])
def test_an_output_that_can_not_show_all(arguments: list[str], output: str, tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    files.append("größer".encode())
    files.save()
    write_catalog(tmp_path, [files.descriptor(channel="aeron:ipc?alias=größer")])
    line = command(*arguments, "--archive-dir", str(tmp_path))
    closed = ["sh", "-c", 'exec "$0" "$@" >&-'] if output == "closed" else []
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*closed, *line], capture_output=True, env=environment, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    assert bool(done.stdout) == (output != "closed")


def test_ls_without_an_archive(tmp_path: Path) -> None:
    done = run("ls", "--archive-dir", str(tmp_path / "none"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"aeron-py up --archive-dir {tmp_path / 'none'}" in done.stderr


def test_ls_and_info_of_an_archive_that_does_not_run(tmp_path: Path) -> None:
    with (
        aeron.ArchivingMediaDriver.launch(tmp_path, timeout=TIMEOUT) as node,
        aeron.Client.connect(node.aeron_dir) as client,
        aeron.Archive.connect(client, node.archive_context(), timeout=TIMEOUT) as archive,
        archive.add_recorded_publication("aeron:ipc", 11) as publication,
    ):
        archive.await_recorded(publication, timeout=TIMEOUT)
        archive.await_recorded(publication, publication.offer(b"x" * 100), timeout=TIMEOUT)
    done = run("ls", "--archive-dir", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    assert "does not run" in done.stderr
    (recording,) = json.loads(done.stdout)
    assert (recording["stream_id"], recording["bytes"], recording["state"]) == (11, 160, "stopped")
    assert "stopped" in run("info", "0", "--archive-dir", str(tmp_path)).stdout
    assert run("info", "7", "--archive-dir", str(tmp_path)).returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["cat", "²"],
        ["info", "²"],
        *([each, str(2**63)] for each in ("cat", "info", "verify")),
    ],
)
def test_numbers_that_can_not_be(arguments: list[str], tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    files.append(b"x")
    files.save()
    done = run(*arguments, "--archive-dir", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["up", "--nonsense"], ["cat"], ["verify", "x"], ["record-stream", "aeron:ipc"]]
)
def test_a_wrong_command_line(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


INTERRUPTED = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, *more):
        if name == "aeron_py.cli.commands":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
sys.argv[1:] = ["ls"]
from aeron_py.cli.app import main
main()
"""


def test_ctrl_c_while_a_command_is_still_imported() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prune", "--older-than", "foo"], "'--older-than': 'foo' is not a duration"),
        (["prune", "--keep-bytes", "7 apples"], "'--keep-bytes': '7 apples' is not a size"),
        (["prune", "--larger-than", "-1"], "'--larger-than': '-1' is not a size"),
        (["record-stream", "aeron:ipc", "1", "--until-bytes", "foo"], "--until-bytes"),
        (["record-stream", "aeron:ipc", "1", "--for", "1parsec"], "--for"),
        (["record-stream", "nonsense", "1"], "a channel begins with aeron:udp?"),
        (["record-stream", "aeron:ipc", "99999999999"], "STREAM_ID"),
        (["ls", "--from", "yesterday"], "'--from': 'yesterday' is not a time"),
        (["ls", "--to", "yesterday"], "--to"),
        (["ls", "--control-channel", "aeron:udp?endpint=localhost:9"], "did you mean endpoint?"),
        (["ls", "--control-stream-id", "99999999999"], "--control-stream-id"),
        (["ls", "--timeout", "-1"], "--timeout"),
        (["info", "--from", "yesterday"], "--from"),
        (["info", "--to", "yesterday"], "--to"),
        (["cat", "1", "--to", "yesterday"], "--to"),
        (["cat", "0", "--from", "²"], "--from"),
        (["errors", "--since", "yesterday"], "--since"),
        (["replicate", "nonsense"], "a channel begins with"),
        (["replicate", "aeron:ipc", "--response-channel", "nonsense"], "--response-channel"),
        (["replicate", "aeron:ipc", "--live", "nonsense"], "--live"),
        (["replicate", "aeron:ipc", "x"], "Invalid value for 'ID'"),
        (["replicate"], "Missing argument 'CHANNEL'"),
        (["top", "--interval", "inf"], "--interval"),
        (["play", "--start", "yesterday"], "--start"),
        (["play", "--end", "yesterday"], "--end"),
        (["play", "--start", "-1h", "--end", "-2h"], "is before the start"),
        (["play", "--pos", "+1000"], "'--pos': '+1000': 1 to 128 batches"),
        (["play", "--speed", "fast"], "--speed"),
        (["play", "--remap", "a=1", "--remap", "nonsense"], "--remap"),
        (["play", "--remap", "a=99999999999"], "'--remap': 'a=99999999999': stream_id must be from -2147483648"),
        (["play", "--remap", "a=aeron:udp?endpiont=localhost:1"], "did you mean endpoint?"),
        (["play", "--start", "-99999999999d"], "'--start': '-99999999999d' is not a time: years go from 1 to 9999"),
        (["sessions", "--recorder-channel", "nonsense"], "--recorder-channel"),
        (["up", "--control-channel", "nonsense"], "--control-channel"),
        (["up", "--replication-channel", "nonsense"], "--replication-channel"),
    ],
)
def test_a_wrong_value(arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known from the command line alone, before anything is looked for."""
    monkeypatch.chdir(tmp_path)
    done = run_inside(*arguments, columns=500)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_doctor_that_nobody_reads(tmp_path: Path) -> None:
    with up("--archive-dir", str(tmp_path), "--json") as process:
        ready(process)
        for arguments in ([], ["--json"]):
            done = run_unread("doctor", "--archive-dir", str(tmp_path), *arguments)
            assert (done.returncode, done.stderr) == (0, b"")
        process.terminate()
        assert process.wait(TIMEOUT) == 0
    assert run_unread("doctor", "--archive-dir", str(tmp_path), "--timeout", "0.1").returncode == 1


def test_each_command_has_help() -> None:
    told = run("--help").stdout
    for name, each in vars(typer.main.get_command(app))["commands"].items():
        assert f" {name} " in told
        assert each.help, name
        # A line of its own, complete, and words for whatever it takes.
        assert each.help.split("\n\n")[0].endswith("."), name
        for parameter in each.params:
            if parameter.name != "help":
                assert parameter.help, f"{name} {parameter.name}"
                assert parameter.help.endswith((".", ")")), f"{name} {parameter.name}: {parameter.help}"


def test_help_of_a_command() -> None:
    done = run("verify", "--help")
    assert done.returncode == 0
    assert "Exit status 3" in done.stdout
    assert done.stdout.count("--") >= 3


def test_version() -> None:
    assert run("--version").stdout == f"{aeron.__version__}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_stops_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    with up("--archive-dir", str(tmp_path / "archive"), "--json") as process:
        told = ready(process)
        process.send_signal(number)
        assert process.wait(TIMEOUT) == 0
    assert not is_alive(told["archive_pid"])
    assert not Path(told["aeron_dir"]).exists()
    mark = (tmp_path / "archive" / "archive-mark.dat").read_bytes()
    assert mark[16:24] == b"\xff" * 8, "the archive did not end in order"


def catches(pid: int, number: signal.Signals) -> bool:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_stops_cleanly_while_it_starts(number: signal.Signals, tmp_path: Path) -> None:
    with up("--archive-dir", str(tmp_path / "archive"), "--json") as process:
        # Python itself catches SIGINT; our handlers are there when SIGHUP is caught, too, which is set last.
        wait_until(lambda: catches(process.pid, signal.SIGHUP))
        process.send_signal(number)
        assert process.wait(TIMEOUT) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert with_argument(str(tmp_path / "archive")) == []


def test_up_without_an_archive(tmp_path: Path) -> None:
    with up("--no-archive", "--aeron-dir", str(tmp_path / "aeron"), "--json") as process:
        assert ready(process)["aeron_dir"] == str(tmp_path / "aeron")
        info = aeron.driver_info(tmp_path / "aeron")
        assert info is not None
        assert info.pid == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0


def test_up_ends_when_its_archive_does(tmp_path: Path) -> None:
    with up("--archive-dir", str(tmp_path / "archive"), "--json") as process:
        told = ready(process)
        os.kill(told["archive_pid"], signal.SIGKILL)
        assert process.wait(TIMEOUT) == 1
        assert process.stderr is not None
        assert "the archive ended with status -9" in process.stderr.read()
    assert not Path(told["aeron_dir"]).exists()


def test_up_with_a_directory_that_is_taken(running: dict[str, Any]) -> None:
    done = run("up", "--archive-dir", running["archive_dir"])
    assert done.returncode == 1
    assert f"process {running['archive_pid']}" in done.stderr
    assert "Traceback" not in done.stderr
