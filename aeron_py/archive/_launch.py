"""How an archive server is started: directory, port, process, and the wait until it is ready."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import sys
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from aeron_py._ffi import ffi, last_error, lib
from aeron_py.archive import java as _java
from aeron_py.archive._files import check_files
from aeron_py.archive._lock import DirectoryLock
from aeron_py.archive._repair import repair
from aeron_py.archive.catalog import CATALOG_FILE_NAME
from aeron_py.archive.child import ChildProcess
from aeron_py.archive.java import Java
from aeron_py.archive.mark import FILE_NAME as MARK_FILE_NAME
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.settings import ArchiveSettings, archive_properties
from aeron_py.archive.users import FILE_PROPERTY, JAVA_SETTINGS, User, checked_users, users_file
from aeron_py.counters import CounterType
from aeron_py.errors import ArchiveError, SettingError, TimedOutError

LOG_NAME = "archive.log"
_LOG_LIMIT = 4 << 20
_QUOTED = 3000
_TRIES = 5
_TORN = "potentially incomplete last fragment"
_PORT_TAKEN = re.compile(r"address already in use|Address already in use|BindException")
_LOCAL_STREAM_IDS = range(1_000_000_000, 2_000_000_000)


class Launch:
    """One start of an archive server; :meth:`run` does it, then the attributes tell what came of it."""

    def __init__(
        self,
        archive_dir: str | os.PathLike[str],
        aeron_dir: str | os.PathLike[str],
        *,
        timeout: float,
        java: Java,
        java_options: Sequence[str],
        properties: Mapping[str, str],
        users: Iterable[User] | None,
        settings: ArchiveSettings,
    ) -> None:
        self.directory = Path(archive_dir).absolute()
        self.aeron_dir = Path(aeron_dir).absolute()
        self.timeout = timeout
        self.java = java
        self.java_options = java_options
        self.properties = dict(properties)
        self.users = None if users is None else checked_users(users)
        self.settings = settings
        for name in JAVA_SETTINGS:
            if name in settings and users is not None:
                raise SettingError(f"users and {name} exclude each other", operation=_OPERATION)
        self.log_path = self.directory / LOG_NAME
        self.log_start = 0
        archive_properties(settings)

    def run(self) -> tuple[ChildProcess, ArchiveMark]:
        """Start it and wait until it is ready.

        A port that another program took in between, and a last message that a killed archive left half written, are
        put right on the way.
        """
        deadline = time.monotonic() + self.timeout
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(f"no archive directory {self.directory}: {error}", operation=_OPERATION) from error
        repaired = False
        for left in reversed(range(_TRIES)):
            try:
                return self._start(deadline)
            except _EndedError as error:
                if _TORN in error.log and not repaired:
                    repaired = True
                    self._cut_torn_messages(deadline)
                elif not (left and "control_channel" not in self.settings and _PORT_TAKEN.search(error.log)):
                    raise ArchiveError(str(error), operation=_OPERATION) from None
        raise AssertionError

    def _start(self, deadline: float) -> tuple[ChildProcess, ArchiveMark]:
        lock = DirectoryLock(self.directory, deadline)
        try:
            check_files(self.directory)
            log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                if os.fstat(log).st_size > _LOG_LIMIT:
                    os.ftruncate(log, 0)
                self.log_start = os.fstat(log).st_size
                with contextlib.ExitStack() as until_ready:
                    secrets = until_ready.enter_context(users_file(self.directory, self.users)) if self.users else None
                    return self._start_child(log, lock, secrets, deadline)
            finally:
                os.close(log)
        finally:
            lock.close()

    def _start_child(
        self, log: int, lock: DirectoryLock, secrets: Path | None, deadline: float
    ) -> tuple[ChildProcess, ArchiveMark]:
        started = time.time()
        command = self._command(secrets)
        child = ChildProcess(command, output=log, keep=lock.fd, environment=_environment(command))
        try:
            lock.record_pid(child.pid)
            mark = self._await_ready(child, started, deadline)
            self._reserve()
            return child, mark
        except BaseException:
            child.stop(0)
            raise

    def _reserve(self) -> None:
        """Give the files that the archive maps their place on the disk.

        Where a mapped file has none, and there is none left, to write is a fault that ends the archive's threads. Among
        the first that it would write then is that the disk is full.
        """
        for name in (MARK_FILE_NAME, CATALOG_FILE_NAME):
            path = self.directory / name
            if lib.shim_reserve(os.fsencode(path)) < 0:
                error = last_error(_OPERATION)
                warnings.warn(f"the archive may end when it writes to {path}: {error}", RuntimeWarning, stacklevel=2)

    def _command(self, secrets: Path | None) -> list[str]:
        settings = dict(self.settings)
        settings.setdefault("control_channel", f"aeron:udp?endpoint=localhost:{_free_port()}")
        settings.setdefault("local_control_stream_id", random.choice(_LOCAL_STREAM_IDS))
        if secrets is not None:
            settings.update(JAVA_SETTINGS)
        properties = {
            **({} if secrets is None else {FILE_PROPERTY: str(secrets)}),
            "aeron.dir": str(self.aeron_dir),
            "aeron.archive.dir": str(self.directory),
            **archive_properties(cast(Mapping[str, Any], settings)),
            **self.properties,
        }
        # What Java writes when it crashes belongs beside the log, not where this process happens to stand.
        crash = f"-XX:ErrorFile={self.log_path.absolute().with_name('hs_err_pid%p.log')}"
        return self.java.command(_java.ARCHIVE_MAIN, properties=properties, options=[crash, *self.java_options])

    def _await_ready(self, child: ChildProcess, started: float, deadline: float) -> ArchiveMark:
        """It writes its version into the mark file when it is nearly ready, and is when its conductor turns."""
        while True:
            status = child.wait(0.01)
            if status is not None:
                how = f"signal {-status}" if status < 0 else f"exit status {status}"
                log = read_log(self.log_path, self.log_start)
                raise _EndedError(f"the archive in {self.directory} ended ({how}) when it was started", log)
            mark = ArchiveMark.read(self.directory)
            if (
                mark is not None
                and mark.pid == child.pid
                and mark.version
                and mark.activity >= started - 1
                and not mark.is_starting
                and _conductor_turns(self.aeron_dir, mark.archive_id)
            ):
                return mark
            if time.monotonic() >= deadline:
                log = read_log(self.log_path, self.log_start)
                raise TimedOutError(
                    f"the archive in {self.directory} was not ready within {self.timeout:g} s{_quote(log)}",
                    operation=_OPERATION,
                )

    def _cut_torn_messages(self, deadline: float) -> None:
        """Cut off what a killed archive had half written, and so had not yet told anybody of."""
        lock = DirectoryLock(self.directory, deadline)
        try:
            cut = repair(self.directory, checksums="record_checksum" in self.settings)
        finally:
            lock.close()
        if cut:
            warnings.warn(
                f"an archive was killed in {self.directory} while it wrote; what was half written is cut off: "
                + ", ".join(cut),
                RuntimeWarning,
                stacklevel=2,
            )


_OPERATION = "ArchiveServer.launch"
_COUNTERS_AT_MOST = 64


class _EndedError(Exception):
    def __init__(self, message: str, log: str) -> None:
        super().__init__(message + _quote(log))
        self.log = log


def _environment(command: Sequence[str]) -> dict[str, str] | None:
    """Of an archive; None for this process's own.

    Java reads its arguments, and names files, as the locale says. Where that knows ASCII alone an archive would record
    in another directory than it was told, of question marks.
    """
    if all(each.isascii() for each in command) or sys.getfilesystemencoding() != "utf-8":
        return None
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def _conductor_turns(aeron_dir: Path, archive_id: int) -> bool:
    """Whether the archive's conductor has gone round once, as its counter of the longest round tells."""
    cnc = ffi.new("aeron_cnc_t **")
    if lib.aeron_cnc_init(cnc, os.fsencode(aeron_dir), 0) < 0:
        return False
    try:
        counters = ffi.new("shim_counter_t[]", _COUNTERS_AT_MOST)
        reader = lib.aeron_cnc_counters_reader(cnc[0])
        count = lib.shim_counters_scan(reader, CounterType.ARCHIVE_MAX_CYCLE_TIME, counters, _COUNTERS_AT_MOST)
        # Its key begins with the archive's id.
        return any(
            counters[i].value > 0
            and int.from_bytes(bytes(counters[i].key[0:8]), sys.byteorder, signed=True) == archive_id
            for i in range(min(count, _COUNTERS_AT_MOST))
        )
    finally:
        lib.aeron_cnc_close(cnc[0])


def read_log(path: Path, start: int = 0) -> str:
    """What the process has written to its log since it was at ``start``."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(_LOG_LIMIT).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _quote(log: str) -> str:
    text = log.strip()
    if not text:
        return "; it wrote nothing"
    return f"; it wrote:\n{text[:_QUOTED]}" + ("\n..." if len(text) > _QUOTED else "")


def _free_port() -> int:
    """A UDP port that is free on loopback now; whoever takes it in between makes the start be tried again."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
