"""An archive that does not get to run, and directories that others have left."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py import ArchiveError, ArchiveServer, ArchivingMediaDriver, BusyError, Client, MediaDriver, SettingError
from aeron_py.archive.mark import FILE_NAME as MARK_FILE_NAME
from aeron_py.archive.mark import ArchiveMark
from aeron_py.errors import TimedOutError
from tests.driver_process import DriverProcess
from tests.faults.place import ARCHIVE, DRIVER, Pending, Place
from tests.faults.recording import TIMEOUT
from tests.processes import with_argument
from tests.waiting import wait_until

_MARK_PID_OFFSET = 8 + 24


@pytest.fixture
def driver() -> Iterator[MediaDriver]:
    with MediaDriver.launch(client_liveness_timeout=TIMEOUT, publication_unblock_timeout=2 * TIMEOUT) as launched:
        yield launched


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_java_missing_while_starting__launch_says_how_to_get_one(
    tmp_path: Path, driver: MediaDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sees: SettingError from `ArchiveServer.launch`, before anything is started; it says where it looked.

    Kept: all.
    Recovers: install one, `pip install 'aeron-py[server]'`; or name one: `java=`, `JAVA_HOME`.
    """
    with pytest.raises(SettingError, match="server"):
        ArchiveServer.launch(tmp_path, driver.aeron_dir, java=tmp_path / "no-java")


def test_java_ends_at_once_while_starting__launch_quotes_it(tmp_path: Path, driver: MediaDriver) -> None:
    """Sees: ArchiveError from `ArchiveServer.launch`, as soon as it has ended, with its exit status and its words.

    Kept: all.
    Recovers: as the quoted words say; then launch again.
    """
    java = program(
        tmp_path / "java", 'test "$1" = -version && echo \'version "21"\' >&2 && exit; echo broken >&2; exit 3'
    )
    begin = time.monotonic()
    with pytest.raises(ArchiveError, match=r"(?s)exit status 3.*broken"):
        ArchiveServer.launch(tmp_path / "archive", driver.aeron_dir, java=java, timeout=TIMEOUT)
    assert time.monotonic() - begin < TIMEOUT


def test_java_heap_too_small_while_starting__launch_quotes_it(tmp_path: Path, driver: MediaDriver) -> None:
    """Sees: ArchiveError from `ArchiveServer.launch` with Java's words: too small a heap.

    Kept: all.
    Recovers: `java_options=("-Xmx256m",)` or more; then launch again.
    """
    with pytest.raises(ArchiveError, match="heap"):
        ArchiveServer.launch(tmp_path / "archive", driver.aeron_dir, java_options=("-Xmx1m",), timeout=TIMEOUT)


def test_archive_killed_while_starting__launch_says_so(tmp_path: Path, driver: MediaDriver) -> None:
    """Sees: ArchiveError from `ArchiveServer.launch`, at once, with the signal.

    Kept: what is in the directory.
    Recovers: launch again in the same directory.
    """
    archive_dir = tmp_path / "archive"
    java = program(tmp_path / "java", 'test "$1" = -version && echo \'version "21"\' >&2 && exit; kill -9 $$')
    with pytest.raises(ArchiveError, match="signal 9"):
        ArchiveServer.launch(archive_dir, driver.aeron_dir, java=java, timeout=TIMEOUT)
    with ArchiveServer.launch(archive_dir, driver.aeron_dir, **ARCHIVE) as server:
        assert server.is_running


def test_archive_never_ready_while_starting__launch_times_out(tmp_path: Path, driver: MediaDriver) -> None:
    """Sees: TimedOutError (RETRY) from `ArchiveServer.launch`; the process is ended, nothing of it is left.

    Kept: what is in the directory.
    Recovers: launch again, with a longer `timeout`.
    """
    marker = str(tmp_path / "archive")
    java = program(tmp_path / "java", 'test "$1" = -version && echo \'version "21"\' >&2 && exit; exec sleep 1000')
    with pytest.raises(TimedOutError, match="not ready"):
        ArchiveServer.launch(marker, driver.aeron_dir, java=java, timeout=0.5)
    wait_until(lambda: not with_argument(marker))


def test_driver_killed_while_archive_starts__launch_says_so(tmp_path: Path) -> None:
    """Sees: ArchiveError from `ArchiveServer.launch` with the archive's words: no driver; or that it ended.

    Kept: what is in the directory.
    Recovers: start the driver, launch again.
    """
    aeron_dir, archive_dir = tmp_path / "aeron", tmp_path / "archive"
    with DriverProcess(aeron_dir, **DRIVER) as driver:
        driver.kill()
        starting = Pending(lambda: ArchiveServer.launch(archive_dir, aeron_dir, **ARCHIVE))
        starting.ends_with(ArchiveError)
    with DriverProcess(aeron_dir, **DRIVER), ArchiveServer.launch(archive_dir, aeron_dir, **ARCHIVE) as server:
        assert server.is_running


def foreign() -> subprocess.Popen[bytes]:
    """A process that has nothing to do with Aeron."""
    return subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)


def test_mark_of_archive_stale_and_its_pid_reused__archive_starts(place: Place) -> None:
    """Sees: nothing: who owns the directory is told by a lock that ended with its holder, not by the number of a
        process.

    Kept: all.
    Recovers: by itself, at once.
    """
    recorded = place.recorded()
    os.kill(place.server.pid, 9)
    wait_until(lambda: not place.server.is_running)
    with foreign() as other:
        with (place.archive_dir / MARK_FILE_NAME).open("r+b") as file:
            file.seek(_MARK_PID_OFFSET)
            file.write(struct.pack("<q", other.pid))
        mark = ArchiveMark.read(place.archive_dir)
        assert mark is not None
        assert mark.pid == other.pid
        begin = time.monotonic()
        place.start_archive()
        assert time.monotonic() - begin < TIMEOUT
        place.archive = place.new_session()
        place.goes_on(recorded)
        assert other.poll() is None
        assert other.stdin is not None
        other.stdin.close()


def test_archive_alive_while_starting_another__launch_is_refused(place: Place) -> None:
    """Sees: ArchiveError from `ArchiveServer.launch` with the process that has the directory.

    Kept: all; the one that runs is not disturbed.
    Recovers: use that one, or another directory.
    """
    recorded = place.recorded()
    with pytest.raises(ArchiveError, match=f"process {place.server.pid}"):
        ArchiveServer.launch(place.archive_dir, place.aeron_dir, timeout=1.0)
    recorded.go_on()
    place.goes_on(recorded)


def test_aeron_directory_stale_and_its_pid_reused__driver_starts_once_it_is_silent(tmp_path: Path) -> None:
    """Sees: BusyError from `MediaDriver.launch` as long as the last heartbeat is younger than `driver_timeout`.

    Kept: recordings; what is in shared memory goes with its driver.
    Recovers: by itself after `driver_timeout`; launch again.
    """
    aeron_dir = tmp_path / "aeron"
    with DriverProcess(aeron_dir) as driver:
        driver.kill()
    with foreign() as other:
        with (aeron_dir / "cnc.dat").open("r+b") as file:
            data = file.read(4096)
            at = data.index(struct.pack("<q", driver.pid))
            file.seek(at)
            file.write(struct.pack("<q", other.pid))
        with pytest.raises(BusyError, match=f"process {other.pid}"):
            MediaDriver.launch(aeron_dir, driver_timeout=TIMEOUT)

        def launched() -> MediaDriver | None:
            try:
                return MediaDriver.launch(aeron_dir, driver_timeout=1.0)
            except BusyError:
                return None

        with wait_until(launched) as again, Client.connect(again.aeron_dir) as client:
            client.add_counter(1001, "alive").close()
        assert other.stdin is not None
        other.stdin.close()


def test_aeron_directory_of_somebody_else__driver_leaves_it_alone(tmp_path: Path) -> None:
    """Sees: SettingError from `MediaDriver.launch` that names a file which is not Aeron's.

    Kept: all that is in the directory.
    Recovers: name another directory.
    """
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SettingError, match=r"thesis\.txt"):
        ArchivingMediaDriver.launch(tmp_path / "archive", tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
