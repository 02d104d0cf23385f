"""kill -9 of each process at random moments: errors in time, nothing left running, nothing confirmed is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py.archive.client import Archive
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver
from aeron_py.client import Client
from aeron_py.driver import MediaDriver
from aeron_py.errors import AeronError
from tests.faults import recording
from tests.faults.recording import BATCH, CHANNEL, STREAM_ID, TIMEOUT
from tests.processes import is_alive, with_argument
from tests.waiting import wait_until

DRIVER_TIMEOUT = 10.0

DRIVER = """
import sys
from aeron_py.driver import MediaDriver
with MediaDriver.launch(sys.argv[1]):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def aeron_dir() -> Iterator[Path]:
    """A directory in shared memory that is removed even when its driver could not."""
    base = Path(tempfile.mkdtemp(prefix="aeron-py-test-", dir="/dev/shm"))
    yield base / "aeron"
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def driver_process(aeron_dir: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(aeron_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def check_after_restart(archive_dir: Path, count: int, position: int) -> None:
    with (
        ArchivingMediaDriver.launch(archive_dir, timeout=TIMEOUT) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=TIMEOUT) as archive,
    ):
        recording.check(archive, count, position)


@pytest.mark.filterwarnings("ignore:an archive was killed:RuntimeWarning")
@pytest.mark.parametrize("run", range(3))
def test_process_of_driver_archive_and_publisher_killed_while_recording__all_ends_with_it(
    run: int, tmp_path: Path, aeron_dir: Path
) -> None:
    """Sees: nothing is left running: the archive, a child process, ends with its parent however that ends.

    Kept: every message that was confirmed.
    Recovers: start it again on the same directories, at once.
    """
    archive_dir = tmp_path / "archive"
    command = [sys.executable, "-m", "tests.faults.recording", str(archive_dir), str(aeron_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        lines = process.stdout
        archive_pid = int(lines.readline().split()[1])
        confirmed = [lines.readline().split() for _ in range(random.randint(1, 20))]
        time.sleep(random.uniform(0, 0.02))
        process.kill()
        confirmed += [line.split() for line in lines if line.endswith("\n")]
    wait_until(lambda: not is_alive(archive_pid))
    assert with_argument(str(archive_dir)) == []
    _, count, position = confirmed[-1]
    check_after_restart(archive_dir, int(count), int(position))


@pytest.mark.filterwarnings("ignore:an archive was killed:RuntimeWarning")
@pytest.mark.parametrize("run", range(3))
def test_archive_killed_at_any_moment_while_recording__calls_say_so(run: int, tmp_path: Path) -> None:
    """Sees: an ArchiveError from a call on the session, in time.

    Kept: every message that was confirmed; one that was half written is cut off.
    Recovers: start it again on the same directory, at once.
    """
    archive_dir = tmp_path / "archive"
    count = position = 0
    with (
        MediaDriver.launch() as driver,
        Client.connect(driver.aeron_dir) as client,
        ArchiveServer.launch(archive_dir, driver.aeron_dir, timeout=TIMEOUT, segment_file_length=1 << 20) as server,
        Archive.connect(client, server.archive_context(), timeout=TIMEOUT) as archive,
        client.add_exclusive_publication(CHANNEL, STREAM_ID) as publication,
    ):
        archive.start_recording(CHANNEL, STREAM_ID)
        for _ in range(random.randint(1, 20)):
            position = recording.publish_batch(archive, publication, count)
            count += BATCH
        recording.offer(publication, count)
        os.kill(server.pid, signal.SIGKILL)
        begin = time.monotonic()
        with pytest.raises(AeronError, match="archive"):
            while True:
                archive.list_recordings(timeout=1)
        assert time.monotonic() - begin < TIMEOUT
        wait_until(lambda: not server.is_running)

    check_after_restart(archive_dir, count, position)


@pytest.mark.filterwarnings("ignore:an archive was killed:RuntimeWarning")
def test_driver_killed_at_any_moment_while_recording__calls_say_so(
    tmp_path: Path, aeron_dir: Path, driver_process: subprocess.Popen[str]
) -> None:
    """Sees: an AeronError from each call on the client and on the session, in time, that names the driver's directory.

    Kept: every message that was confirmed.
    Recovers: start driver and archive again, at once.
    """
    archive_dir = tmp_path / "archive"
    count = position = 0
    with (
        ArchiveServer.launch(archive_dir, aeron_dir, timeout=TIMEOUT, segment_file_length=1 << 20) as server,
        Client.connect(aeron_dir, driver_timeout=DRIVER_TIMEOUT) as client,
        Archive.connect(client, server.archive_context(), timeout=TIMEOUT) as archive,
        client.add_exclusive_publication(CHANNEL, STREAM_ID) as publication,
    ):
        archive.start_recording(CHANNEL, STREAM_ID)
        for _ in range(random.randint(1, 20)):
            position = recording.publish_batch(archive, publication, count)
            count += BATCH
        driver_process.kill()
        driver_process.wait()
        begin = time.monotonic()
        with pytest.raises(AeronError, match=str(aeron_dir)):
            while True:
                client.add_counter(2000, "x").close()
        # Shared memory works without a driver until the client has noticed.
        with pytest.raises(AeronError):
            while True:
                archive.list_recordings()
        assert time.monotonic() - begin < TIMEOUT
    check_after_restart(archive_dir, count, position)
