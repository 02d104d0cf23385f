"""The child process: what it gets, how it ends, and that it can't outlive its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py.archive.child import ChildProcess
from aeron_py.errors import AeronError
from tests.processes import is_alive
from tests.waiting import wait_until


@pytest.fixture
def output(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "output", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield fd
    os.close(fd)


def read(fd: int) -> str:
    return os.pread(fd, 1 << 16, 0).decode()


def test_status_and_output_arrive(output: int) -> None:
    child = ChildProcess(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], output=output)
    assert child.wait(30) == 3
    assert sorted(read(output).split()) == ["err", "out"]
    assert not child.send_signal(signal.SIGTERM)
    assert child.stop(1) == 3
    assert child.stop(1) == 3


def test_it_has_only_the_descriptors_meant_for_it(output: int, tmp_path: Path) -> None:
    inherited = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    kept = os.open(tmp_path / "kept", os.O_RDWR | os.O_CREAT)
    child = ChildProcess(["/bin/sh", "-c", "cd /proc/$$/fd; echo *; readlink 0 3"], output=output, keep=kept)
    assert child.wait(30) == 0
    child.stop(0)
    os.close(inherited)
    os.close(kept)
    descriptors, standard_input, third = read(output).splitlines()
    # The shell itself may open the directory that it lists.
    assert descriptors.split()[:4] == ["0", "1", "2", "3"]
    assert len(descriptors.split()) <= 5
    assert standard_input == "/dev/null"
    assert third == str(tmp_path / "kept")


def test_it_has_the_environment_given_and_default_signals(output: int) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        child = ChildProcess(
            ["/bin/sh", "-c", "echo $WORD; kill -TERM $$; sleep 60"], output=output, environment={"WORD": "x"}
        )
        assert child.wait(30) == -signal.SIGTERM
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    child.stop(0)
    assert read(output) == "x\n"


def test_it_has_a_process_group_of_its_own(output: int) -> None:
    child = ChildProcess(["/bin/sleep", "600"], output=output)
    assert os.getpgid(child.pid) == child.pid
    assert child.status is None
    assert child.stop(30) == -signal.SIGTERM
    assert not is_alive(child.pid)


def test_what_does_not_listen_is_killed(output: int) -> None:
    child = ChildProcess(["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"], output=output)
    wait_until(lambda: "ready" in read(output))
    assert child.stop(0.2) == -signal.SIGKILL


def test_a_program_that_is_not_there(output: int) -> None:
    with pytest.raises(AeronError, match="/no/such/program"):
        ChildProcess(["/no/such/program"], output=output)


PARENT = """
import os, sys, threading
from aeron_py.archive.child import ChildProcess
def start():
    global child
    child = ChildProcess(["/bin/sleep", "600"], output=2)
# From a thread that ends at once: that must not end the child.
thread = threading.Thread(target=start); thread.start(); thread.join()
print(child.pid, child.wait(0.2), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_it_dies_with_its_parent(number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdin is not None
    with parent, parent.stdout, parent.stdin:
        pid, status = parent.stdout.readline().split()
        assert status == "None"
        assert is_alive(int(pid))
        parent.send_signal(number)
        parent.wait(60)
        wait_until(lambda: not is_alive(int(pid)))
