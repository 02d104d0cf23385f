"""What was killed can be started again at once, on the same directories."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from aeron_py import BusyError, MediaDriver
from aeron_py import driver as driver_module
from tests import patient
from tests.driver_process import DriverProcess
from tests.processes import standing_still
from tests.waiting import wait_until

TIMEOUT = 100.0


def test_a_driver_that_was_killed(tmp_path: Path) -> None:
    aeron_dir = tmp_path / "aeron"
    with DriverProcess(aeron_dir) as process:
        with pytest.raises(BusyError, match=f"process {process.pid}"):
            MediaDriver.launch(aeron_dir)
        process.kill()
        with MediaDriver.launch(aeron_dir) as driver:
            assert driver.aeron_dir == str(aeron_dir)
    assert not aeron_dir.exists()


def test_a_driver_that_only_stands_still(tmp_path: Path) -> None:
    aeron_dir = tmp_path / "aeron"
    with DriverProcess(aeron_dir) as process, standing_still(process.pid), pytest.raises(BusyError):
        MediaDriver.launch(aeron_dir)


def test_aeron_py_up(tmp_path: Path) -> None:
    command = patient.command("aeron-py", "up", "--json")
    command += ["--archive-dir", str(tmp_path / "archive"), "--aeron-dir", str(tmp_path / "aeron")]
    for number, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                assert process.stdout.readline(), process.stderr.read()
                process.send_signal(number)
                assert process.wait(TIMEOUT) == status
            finally:
                process.kill()
    wait_until(lambda: not (tmp_path / "aeron").exists())


def test_what_a_killed_driver_left_in_shared_memory_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a directory of its own in place of the shared memory, and less patience."""
    monkeypatch.setattr(driver_module, "_LONG_GONE", 1.0)
    left, living, foreign = (tmp_path / f"aeron-py-{name}" for name in ("left", "living", "foreign"))
    foreign.mkdir()
    (foreign / "notes").write_text("")
    with DriverProcess(living), DriverProcess(left) as killed:
        killed.kill()

        def swept() -> bool:
            driver_module._sweep(tmp_path)
            return not left.exists()

        wait_until(swept)
        assert living.exists()
    assert foreign.exists()
