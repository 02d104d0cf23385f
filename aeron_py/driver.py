"""The media driver: Aeron's C driver inside this process, and a look at whether one is alive in a directory."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from aeron_py._driver_properties import checked_properties, in_environment, variable
from aeron_py._ffi import NULL, check, ffi, lib, text, to_bytes
from aeron_py._owner import Handle, Owner
from aeron_py._waiting import Duration, seconds
from aeron_py.errors import AeronError, BusyError, SettingError
from aeron_py.settings import DriverSettings, ThreadingMode, apply, checked

__all__ = ["DriverInfo", "MediaDriver", "ThreadingMode", "default_aeron_dir", "driver_info"]

# Embedded: many streams in a small /dev/shm, and a driver that cleans up after itself.
_DEFAULTS: DriverSettings = {
    "dir_delete_on_shutdown": True,
    "dir_delete_on_start": False,
    "ipc_term_buffer_length": 1 << 20,
    "print_configuration": False,
    "term_buffer_length": 1 << 20,
    "term_buffer_sparse_file": True,
}

_CNC_FILE = "cnc.dat"
# Seconds without a heartbeat, of a driver whose process is gone, after which it is taken for killed.
_STANDSTILL = 3.0
_LONG_GONE = 60.0
_CLOCK_STEP = 0.02
_FRESH_PREFIX = "aeron-py-"
# What Aeron puts into its directory; anything else there is somebody's own.
_OWN_FILES = {_CNC_FILE, "loss-report.dat", "publications", "images"}

# aeron_driver_context_t keeps the directory in AERON_MAX_PATH bytes, and appends file names to it.
_LONGEST_DIR = 300


@dataclass(frozen=True)
class DriverInfo:
    """A media driver's own account of itself, from its command and control file.

    Args:
        aeron_dir: its directory.
        pid: the process it runs, or ran, in.
        start_time: when it started, seconds since 1970.
        heartbeat_age: seconds since it last turned its conductor; None when it was shut down or never began.
        client_liveness_timeout: seconds without a sign of life after which it gives a client up.
        alive: whether the heartbeat is younger than the timeout asked for.
    """

    aeron_dir: str
    pid: int
    start_time: float
    heartbeat_age: float | None
    client_liveness_timeout: float
    alive: bool


def default_aeron_dir() -> str:
    """Where drivers and clients meet unless told otherwise: ``AERON_DIR``, else ``aeron_default_path``."""
    if configured := os.environ.get("AERON_DIR"):
        return configured
    path = ffi.new("char[]", 4096)
    check(lib.aeron_default_path(path, 4096), "default_aeron_dir")
    return text(path)


def directory(value: str | os.PathLike[str], name: str = "aeron_dir") -> str:
    """A directory's name for C.

    Raises:
        SettingError: not a path, empty, with a NUL, or too long.
    """
    try:
        path = os.fspath(value)
    except TypeError:
        raise SettingError(f"{name} must be a path, not {type(value).__name__}", operation=name) from None
    if not isinstance(path, str) or not path:
        raise SettingError(f"{name} must be a path that is not empty, not {path!r}", operation=name)
    if len(to_bytes(path, name)) > _LONGEST_DIR:
        raise SettingError(f"{name} is longer than {_LONGEST_DIR} bytes: {path[:60]}...", operation=name)
    return path


def driver_info(aeron_dir: str | os.PathLike[str], timeout: Duration = 10.0) -> DriverInfo | None:
    """Look at a directory without becoming a client (``aeron_cnc_init``).

    Args:
        aeron_dir: the directory.
        timeout: seconds without a heartbeat after which a driver is taken for dead.

    Returns:
        What the driver there says of itself, None when there is, or was, none.

    Raises:
        SettingError: ``aeron_dir`` is not a path.
        AeronError: this user may not use the driver there.
    """
    path, patience = directory(aeron_dir), seconds(timeout, "timeout")
    if not _is_there(path):
        return None
    out = ffi.new("aeron_cnc_t **")
    if lib.aeron_cnc_init(out, os.fsencode(path), 0) < 0:
        return None
    try:
        constants = ffi.new("aeron_cnc_constants_t *")
        check(lib.aeron_cnc_constants(out[0], constants), "driver_info")
        beat = lib.aeron_cnc_to_driver_heartbeat(out[0])
    finally:
        lib.aeron_cnc_close(out[0])
    age = max(0.0, time.time() - beat / 1000) if beat > 0 else None
    return DriverInfo(
        aeron_dir=path,
        pid=constants.pid,
        start_time=constants.start_timestamp / 1000,
        heartbeat_age=age,
        client_liveness_timeout=constants.client_liveness_timeout / 1e9,
        alive=age is not None and age <= patience,
    )


def _is_there(path: str) -> bool:
    """Whether a directory has a driver's file; C would call one that it may not open none."""
    file = Path(path) / _CNC_FILE
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            return False
        raise AeronError(
            f"{file} can't be opened to read and write, as whoever uses that media driver must: {error.strerror}: come "
            "as the user that runs it, or have it give you these rights",
            operation="driver_info",
            code=error.errno,
        ) from None
    return True


def _check_directory(path: str, timeout: float) -> None:
    """Raises unless a driver may take the directory over, which it empties."""
    target = Path(path)
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir() or target.is_symlink():
        raise SettingError(
            f"aeron_dir {path} is not a directory: name one for this driver", operation="MediaDriver.launch"
        )
    names = {entry.name for entry in target.iterdir()}
    if names - _OWN_FILES or (names and _CNC_FILE not in names):
        raise SettingError(
            f"aeron_dir {path} holds other files than Aeron's ({sorted(names - _OWN_FILES or names)[0]}), which would "
            "be deleted: name a directory that does not exist yet",
            operation="MediaDriver.launch",
        )
    if (info := driver_info(path, timeout)) is not None and info.alive:
        if not _was_killed(info):
            raise BusyError(
                f"a media driver (process {info.pid}) is alive in {path}: connect to it, or name another directory",
                operation="MediaDriver.launch",
            )
        (target / _CNC_FILE).unlink()


def _remove_empty(target: Path) -> None:
    """Remove what a start that failed has left, so that the directory does not look like somebody's own."""
    if not (target / _CNC_FILE).exists():
        for path in (target / "publications", target / "images", target):
            with contextlib.suppress(OSError):
                path.rmdir()


def _was_killed(info: DriverInfo) -> bool:
    """Whether a driver died so lately that its heartbeat still looks fresh.

    Its process is not among those that can be seen from here; and since it might run in another container, its
    heartbeat, which comes every second, must stand still, too.
    """
    age = info.heartbeat_age or 0.0
    while True:
        if process_runs(info.pid):
            return False
        now = driver_info(info.aeron_dir)
        if now is None or now.heartbeat_age is None or now.heartbeat_age < age:
            return False
        age = now.heartbeat_age
        if age >= _STANDSTILL:
            return True
        time.sleep(0.05)


def process_runs(pid: int) -> bool:
    """Whether a process can be seen from here, and is not only waiting for its parent to take notice of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _fresh_directory() -> str:
    shared = Path("/dev/shm")
    base = shared if shared.is_dir() and os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
    _sweep(base)
    return tempfile.mkdtemp(prefix=_FRESH_PREFIX, dir=base)


def _sweep(base: Path) -> None:
    """Remove the fresh directories of drivers that were killed a while ago: nobody else would, and they hold memory."""
    for path in base.glob(_FRESH_PREFIX + "*"):
        with contextlib.suppress(OSError, AeronError):
            if path.stat().st_uid != os.getuid() or {entry.name for entry in path.iterdir()} - _OWN_FILES:
                continue
            info = driver_info(path)
            if info is None or info.heartbeat_age is None or info.heartbeat_age < _LONG_GONE:
                continue
            if not process_runs(info.pid):
                shutil.rmtree(path, ignore_errors=True)


class MediaDriver(Owner):
    """Aeron's media driver in this process. Make one with :meth:`launch`."""

    def __init__(self, handle: Handle, aeron_dir: str, threading_mode: ThreadingMode) -> None:
        self._handle = handle
        self.aeron_dir = aeron_dir
        """Where clients find it."""
        self.threading_mode = threading_mode
        """How many threads it has."""

    @classmethod
    def launch(
        cls,
        aeron_dir: str | os.PathLike[str] | None = None,
        threading_mode: ThreadingMode = ThreadingMode.SHARED,
        *,
        properties: Mapping[str, str] | None = None,
        **settings: Unpack[DriverSettings],
    ) -> MediaDriver:
        """Start a media driver (``aeron_driver_start``).

        Args:
            aeron_dir: its directory; None for a fresh one of its own under ``/dev/shm``. One that exists must be
                empty or left over from a driver. It is removed at close.
            threading_mode: how many threads it has.
            properties: more of Aeron's own, by name and as text, for example
                ``{"aeron.congestioncontrol.supplier": "aeron_cubic_congestion_control_strategy_supplier"}``. A setting
                of the same meaning wins.
            settings: see :class:`DriverSettings`. Terms are 1 MiB and sparse unless told otherwise.

        Returns:
            The running driver.

        Raises:
            SettingError: a bad setting, or a directory with other files in it.
            BusyError: a driver is alive in the directory.
            AeronError: it could not start.
        """
        try:
            mode = ThreadingMode(threading_mode)
        except ValueError:
            raise SettingError(f"{threading_mode!r} is not a ThreadingMode", operation="MediaDriver.launch") from None
        environment = checked_properties(properties or {})
        defaults = {name: value for name, value in _DEFAULTS.items() if variable(f"aeron.{name}") not in environment}
        asked: dict[str, Any] = {**defaults, **settings}
        # It deletes whatever the directory's name is, also when the start fails: only for a driver that did start.
        delete = asked.pop("dir_delete_on_shutdown", True)
        calls = checked(asked)
        checked({"dir_delete_on_shutdown": delete})
        if aeron_dir is None:
            path, fresh = _fresh_directory(), True
        else:
            path, fresh = directory(aeron_dir), False
            # C's clock moves in steps of some milliseconds: to it a heartbeat is fresh for as much longer.
            _check_directory(path, seconds(asked.get("driver_timeout", 10.0), "driver_timeout") + _CLOCK_STEP)
        try:
            driver, context = _start(path, mode, calls, delete, environment)
        except BaseException:
            if fresh:
                shutil.rmtree(path, ignore_errors=True)
            else:
                _remove_empty(Path(path))
            raise
        return cls(Handle(f"media driver {path}", (driver, context), _stop), path, mode)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._handle.closed


def _start(
    path: str, mode: ThreadingMode, calls: list[tuple[str, Any]], delete: bool, environment: Mapping[str, str]
) -> tuple[Any, Any]:
    with in_environment(environment):
        return _start_in(path, mode, calls, delete)


def _start_in(path: str, mode: ThreadingMode, calls: list[tuple[str, Any]], delete: bool) -> tuple[Any, Any]:
    operation = "MediaDriver.launch"
    out = ffi.new("aeron_driver_context_t **")
    check(lib.aeron_driver_context_init(out), operation)
    context = out[0]
    driver = NULL
    try:
        check(lib.aeron_driver_context_set_dir_delete_on_shutdown(context, False), operation)
        check(lib.aeron_driver_context_set_dir(context, os.fsencode(path)), operation)
        check(lib.aeron_driver_context_set_threading_mode(context, mode), operation)
        apply(context, calls)
        made = ffi.new("aeron_driver_t **")
        check(lib.aeron_driver_init(made, context), operation)
        driver = made[0]
        check(lib.aeron_driver_start(driver, False), operation)
        check(lib.aeron_driver_context_set_dir_delete_on_shutdown(context, delete), operation)
    except BaseException:
        if driver != NULL:
            lib.aeron_driver_close(driver)
        lib.aeron_driver_context_close(context)
        raise
    return driver, context


def _stop(pointers: tuple[Any, Any]) -> None:
    driver, context = pointers
    check(lib.aeron_driver_close(driver), "MediaDriver.close")
    check(lib.aeron_driver_context_close(context), "MediaDriver.close")
