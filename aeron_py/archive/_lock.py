"""Who owns an archive's directory: a lock that the archive process itself holds open, and which ends with it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from aeron_py.archive import mark
from aeron_py.archive.mark import ArchiveMark
from aeron_py.errors import ArchiveError

_FILE_NAME = "aeron-py.lock"
_STILL_ENDING = 5.0
"""Seconds that an archive killed just now may need to be gone."""


class DirectoryLock:
    """A lock on an archive's directory, to be inherited by the archive: the kernel drops it when the last holder ends.

    Args:
        directory: the archive's.
        deadline: on the monotonic clock.

    Raises:
        ArchiveError: another archive runs there; names its process.
    """

    def __init__(self, directory: Path, deadline: float) -> None:
        self.fd = os.open(directory / _FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._acquire(directory, min(deadline, time.monotonic() + _STILL_ENDING))
            self._clear_mark(directory, deadline)
        except BaseException:
            self.close()
            raise

    def _acquire(self, directory: Path, deadline: float) -> None:
        while True:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise _in_use(directory, self._recorded_pid()) from None
                time.sleep(0.02)

    def _recorded_pid(self) -> int:
        with contextlib.suppress(ValueError):
            return int(os.pread(self.fd, 32, 0))
        return 0

    def _clear_mark(self, directory: Path, deadline: float) -> None:
        """Make way when the archive that left the mark is known to be dead; else wait for its mark to go stale."""
        path = directory / mark.FILE_NAME
        while path.exists():
            last = ArchiveMark.read(directory)
            if last is None or last.pid == 0:
                path.unlink()
            elif last.pid == self._recorded_pid() or last.is_starting:
                mark.clear(directory)
                return
            elif not last.is_active:
                return
            elif time.monotonic() >= deadline:
                raise _in_use(directory, last.pid)
            else:
                time.sleep(0.1)

    def record_pid(self, pid: int) -> None:
        """Write down who holds the lock from now on."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{pid}\n".encode(), 0)

    def close(self) -> None:
        """Let go of this process's share; the archive's own goes with it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def running_archive(directory: str | os.PathLike[str]) -> ArchiveMark | None:
    """The mark of the archive that runs in a directory, None when none does.

    One that was started here and killed is known to be dead at once, by its lock; of others the mark looks alive for
    ten seconds more. When the clock is set back an archive gives no sign of life until it is as late as it was before:
    that one was started here and lives is known by its lock, too.

    Raises:
        ArchiveError, OSError: as :meth:`ArchiveMark.read`.
    """
    found = ArchiveMark.read(directory)
    if found is None or found.is_starting:
        return None
    if found.is_active:
        return None if _has_lock(directory, found.pid) is False else found
    return found if found.activity > time.time() and _has_lock(directory, found.pid) else None


def _has_lock(directory: str | os.PathLike[str], pid: int) -> bool | None:
    """Whether the process that had the lock last has it still, None when that was another one."""
    try:
        with (Path(directory) / _FILE_NAME).open("rb") as file:
            if file.read(32).strip() != str(pid).encode():
                return None
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return True


def _in_use(directory: Path, pid: int) -> ArchiveError:
    who = f"process {pid}" if pid else "another process"
    return ArchiveError(
        f"an archive runs in {directory} already ({who}): stop it, or use another archive_dir",
        operation="ArchiveServer.launch",
    )
