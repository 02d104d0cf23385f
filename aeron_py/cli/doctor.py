"""``aeron-py doctor``: what is installed, and whether it can work here."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aeron_py._ffi import lib, text
from aeron_py.archive.client import Archive
from aeron_py.archive.java import find_jar, find_java
from aeron_py.archive.mark import marked_errors
from aeron_py.archive.server import context_from_mark
from aeron_py.cli.options import credentials_from, driver_dir, running_mark
from aeron_py.cli.refusals import refusals_explained
from aeron_py.client import Client
from aeron_py.driver import default_aeron_dir, driver_info
from aeron_py.errors import AeronError, DriverTimeoutError

_SHARED_MEMORY = Path("/dev/shm")
_ENOUGH = 256 << 20
_WARNING = "WARN - "


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: its name.
        ok: whether all is well.
        text: what was found; when not all is well, what to do.
    """

    check: str
    ok: bool
    text: str


def examine(
    archive_dir: Path, aeron_dir: Path | None, credentials_file: Path | None, timeout: float
) -> Iterator[Finding]:
    """All checks, one after the other.

    Args:
        archive_dir: the archive's directory.
        aeron_dir: the media driver's; None for the archive's, else Aeron's default.
        credentials_file: of one of the archive's users; None for none.
        timeout: seconds to wait for an answer.
    """
    yield _found("python", lambda: f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield _found("aeron-py", lambda: importlib.metadata.version("aeron-py"))
    yield _found("aeron", lambda: f"{text(lib.aeron_version_text())} (client and media driver)")
    yield _found("aeron-all.jar", lambda: str(find_jar()))
    yield _found("java", _java)
    yield _shared_memory()
    directory = driver_dir(archive_dir, aeron_dir)
    yield _found("driver", lambda: _driver(directory))
    yield _found("archive", lambda: _archive(archive_dir, aeron_dir, credentials_file, timeout))
    yield _archive_errors(archive_dir)


def _found(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check, True, look())
    except (AeronError, OSError) as error:
        return Finding(check, False, str(error))


def _java() -> str:
    java = find_java()
    return f"{java.version} at {java.path} ({java.source})"


def _shared_memory() -> Finding:
    try:
        size = os.statvfs(_SHARED_MEMORY)
    except OSError as error:
        return Finding("shared memory", False, f"{error}: give every driver an --aeron-dir on a tmpfs")
    free = size.f_bavail * size.f_frsize
    told = f"{free >> 20} MiB free of {size.f_blocks * size.f_frsize >> 20} in {_SHARED_MEMORY}"
    if free >= _ENOUGH:
        return Finding("shared memory", True, told)
    return Finding(
        "shared memory",
        False,
        f"{told}: at least {_ENOUGH >> 20} MiB are needed; give a container --shm-size=1g, else remount it larger "
        f"(mount -o remount,size=1g {_SHARED_MEMORY}) or remove directories of drivers that are gone",
    )


def _driver(directory: Path | None) -> str:
    path = default_aeron_dir() if directory is None else str(directory)
    start = f"start one with  aeron-py up --aeron-dir {shlex.quote(path)}"
    info = driver_info(path)
    if info is None:
        raise DriverTimeoutError(f"no media driver in {path}: {start}")
    if not info.alive:
        silence = "was shut down" if info.heartbeat_age is None else f"is silent for {info.heartbeat_age:.0f} s"
        raise DriverTimeoutError(f"the media driver in {path} (process {info.pid}) {silence}: {start}")
    return f"alive in {path} (process {info.pid})"


def _archive(archive_dir: Path, aeron_dir: Path | None, credentials_file: Path | None, timeout: float) -> str:
    mark = running_mark(archive_dir)
    context = context_from_mark(mark, credentials=credentials_from(credentials_file))
    with (
        refusals_explained(credentials_file),
        Client.connect(str(aeron_dir or mark.aeron_dir), driver_timeout=timeout) as client,
        Archive.connect(client, context, timeout=timeout),
    ):
        return f"answers in {archive_dir.absolute()} (process {mark.pid}, archive id {mark.archive_id})"


def _archive_errors(archive_dir: Path) -> Finding:
    try:
        errors = marked_errors(archive_dir)
    except OSError:
        errors = ()
    warned = sum(error.count for error in errors if _WARNING in error.text)
    errors = tuple(error for error in errors if _WARNING not in error.text)
    if not errors:
        return Finding("archive errors", True, f"none; {warned} warnings" if warned else "none")
    last = max(errors, key=lambda error: error.last)
    told = f"{len(errors)} kinds, the last one: {last.text.splitlines()[0]}"
    return Finding("archive errors", False, f"{told}; all are in the mark file and in {archive_dir / 'archive.log'}")
