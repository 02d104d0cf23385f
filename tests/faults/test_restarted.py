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


def test_driver_killed__another_starts_in_its_directory_at_once(tmp_path: Path) -> None:
    """Sees: BusyError from `MediaDriver.launch` while it lives; nothing once it is killed.

    Kept: recordings; what is in shared memory goes with its driver.
    Recovers: launch again in the same directory.
    """
    aeron_dir = tmp_path / "aeron"
    with DriverProcess(aeron_dir) as process:
        with pytest.raises(BusyError, match=f"process {process.pid}"):
            MediaDriver.launch(aeron_dir)
        process.kill()
        with MediaDriver.launch(aeron_dir) as driver:
            assert driver.aeron_dir == str(aeron_dir)
    assert not aeron_dir.exists()


def test_driver_stands_still__another_is_refused_in_its_directory(tmp_path: Path) -> None:
    """Sees: BusyError from `MediaDriver.launch`: its process is there, it may go on at any moment.

    Kept: all.
    Recovers: let it go on, or kill it.
    """
    aeron_dir = tmp_path / "aeron"
    with DriverProcess(aeron_dir) as process, standing_still(process.pid), pytest.raises(BusyError):
        MediaDriver.launch(aeron_dir)


def test_aeron_py_up_killed__it_starts_again_at_once(tmp_path: Path) -> None:
    """Sees: nothing: `aeron-py up` starts on the directories of one that was killed.

    Kept: every message that was confirmed.
    Recovers: `aeron-py up` again.
    """
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


def test_driver_of_a_fresh_directory_killed__what_it_left_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sees: its directory under `/dev/shm` stays at first.

    Kept: what is not Aeron's, or belongs to a driver that lives.
    Recovers: by itself: a later launch without an `aeron_dir` removes it.
    """
    # With a directory of its own in place of the shared memory, and less patience.
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
