"""Options that several commands share, and the connection that they lead to."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from aeron_py.archive._lock import running_archive
from aeron_py.archive.catalog import CATALOG_FILE_NAME
from aeron_py.archive.client import Archive
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.server import context_from_mark
from aeron_py.archive.users import read_credentials
from aeron_py.cli.refusals import refusals_explained
from aeron_py.client import Client
from aeron_py.driver import ThreadingMode, default_aeron_dir
from aeron_py.errors import AeronError, ArchiveConnectionError, DriverTimeoutError, SettingError

T = TypeVar("T")


def checked(parse: Callable[[str], object], value: T) -> T:
    """The value of an option, or the values, as it is: for the ``callback`` of options.

    Args:
        parse: what will take it, and raises when it can't.
        value: a text, several, or None.

    Raises:
        typer.BadParameter: with what ``parse`` says.
    """
    for each in (value,) if isinstance(value, str) else value if isinstance(value, list) else ():
        try:
            parse(each)
        except SettingError as error:
            raise typer.BadParameter(error.message) from None
    return value


# What they need is imported only when there is a value.


def a_time(value: str | None) -> str | None:
    """Checks a time or an offset from now."""
    from aeron_py.recorder.when import parse_time

    return checked(parse_time, value)


def a_duration(value: str | None) -> str | None:
    """Checks a duration."""
    from aeron_py.recorder.units import parse_duration

    return checked(parse_duration, value)


def a_size(value: str | None) -> str | None:
    """Checks a size in bytes."""
    from aeron_py.recorder.units import parse_size

    return checked(parse_size, value)


def a_channel(value: str | None) -> str | None:
    """Checks a channel."""
    from aeron_py.uri import ChannelUri

    return checked(ChannelUri.parse, value)


STREAM_IDS: dict[str, Any] = {"min": -(2**31), "max": 2**31 - 1}

ArchiveDir = Annotated[
    Path, typer.Option("--archive-dir", help="Where the archive keeps its recordings.", show_default=True)
]
AeronDir = Annotated[
    Path | None,
    typer.Option("--aeron-dir", help="The media driver's directory. By default the one that the archive uses."),
]
ControlChannel = Annotated[
    str | None,
    typer.Option(
        "--control-channel",
        help="Where the archive takes requests. By default what it noted in its directory.",
        callback=a_channel,
    ),
]
ControlStreamId = Annotated[
    int, typer.Option("--control-stream-id", help="The stream id of the control channel.", **STREAM_IDS)
]
StreamId = Annotated[int | None, typer.Option("--stream-id", help="Only of this stream.", **STREAM_IDS)]
CredentialsFile = Annotated[
    Path | None,
    typer.Option(
        "--credentials-file",
        envvar="AERON_PY_CREDENTIALS_FILE",
        help="The credentials of one of the archive's users: a file that only you may read. By default the one that "
        "AERON_PY_CREDENTIALS_FILE names, if any.",
    ),
]
RecorderChannel = Annotated[
    str,
    typer.Option(
        "--recorder-channel", help="Where the recorder takes requests: its control.channel.", callback=a_channel
    ),
]
RecorderStreamId = Annotated[
    int,
    typer.Option("--recorder-stream-id", help="The stream there: the recorder's control.stream_id.", **STREAM_IDS),
]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait for an answer.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

LOSS = 3
"""The exit status of what was done, though something is lost."""
DEFAULT_ARCHIVE_DIR = Path("recordings")
DEFAULT_CONTROL_STREAM_ID = 100
DEFAULT_RECORDER_CHANNEL = "aeron:ipc"
DEFAULT_RECORDER_STREAM_ID = 900_000
DEFAULT_TIMEOUT = 10.0
THREADING_MODES = "|".join(mode.name.lower() for mode in ThreadingMode)


def threading_mode_of(name: str | ThreadingMode) -> ThreadingMode:
    """The mode of that name.

    Raises:
        typer.BadParameter: there is none.
    """
    if isinstance(name, ThreadingMode):
        return name
    try:
        return ThreadingMode[name.upper()]
    except KeyError:
        raise typer.BadParameter(f"{name!r} is none of {THREADING_MODES}") from None


def credentials_from(file: Path | None) -> bytes:
    """What that file has; nothing without one.

    Raises:
        SettingError: it can't be read, or others may read it, too.
    """
    return b"" if file is None else read_credentials(file)


@contextlib.contextmanager
def connected(
    archive_dir: Path,
    aeron_dir: Path | None,
    control_channel: str | None,
    control_stream_id: int,
    credentials_file: Path | None,
    timeout: float,
) -> Iterator[Archive]:
    """The archive that the options name.

    Raises:
        ArchiveConnectionError: no archive runs there.
        ArchiveError: it wants other credentials.
        SettingError: the file of the credentials can't be used.
    """
    credentials = credentials_from(credentials_file)
    if control_channel is not None:
        context = ArchiveContext(
            control_request_channel=control_channel,
            control_request_stream_id=control_stream_id,
            control_response_channel=(
                "aeron:ipc" if control_channel.startswith("aeron:ipc") else "aeron:udp?endpoint=localhost:0"
            ),
            credentials=credentials,
        )
    else:
        mark = running_mark(archive_dir, "--archive-dir or --control-channel")
        context = context_from_mark(mark, credentials=credentials)
        aeron_dir = aeron_dir or Path(mark.aeron_dir)
    with Client.connect(None if aeron_dir is None else str(aeron_dir), driver_timeout=timeout) as client:
        with refusals_explained(credentials_file):
            archive = Archive.connect(client, context, timeout=timeout)
        with archive:
            yield archive


def only_on_disk(archive_dir: Path) -> bool:
    """Whether an archive has run in a directory and does not now; says so on standard error."""
    if running_archive(archive_dir) is not None or not (archive_dir / CATALOG_FILE_NAME).is_file():
        return False
    print(f"the archive in {archive_dir.absolute()} does not run: this is what its disk has", file=sys.stderr)
    return True


def running_mark(archive_dir: Path, options: str = "--archive-dir") -> ArchiveMark:
    """The mark of the archive that runs in a directory.

    Args:
        archive_dir: the directory.
        options: those with which the command takes another archive.

    Raises:
        ArchiveConnectionError: none does; says how to start or name one.
    """
    mark = running_archive(archive_dir)
    start = f"aeron-py up --archive-dir {shlex.quote(str(archive_dir))}"
    advice = f"start one with  {start}  or name one with {options}"
    if mark is None and (archive_dir / CATALOG_FILE_NAME).is_file():
        raise ArchiveConnectionError(f"the archive in {archive_dir.absolute()} does not run: {advice}")
    if mark is None:
        raise ArchiveConnectionError(f"no archive has run in {archive_dir.absolute()}: {advice}")
    return mark


def driver_dir(archive_dir: Path, aeron_dir: Path | None) -> Path | None:
    """The media driver's directory: the one given, else the one that the archive uses or, when it does not run, used.

    None when there is no such directory any more.
    """
    if aeron_dir is not None:
        return aeron_dir
    try:
        mark = running_archive(archive_dir) or ArchiveMark.read(archive_dir)
    except (AeronError, OSError):
        return None
    return None if mark is None or not Path(mark.aeron_dir).is_dir() else Path(mark.aeron_dir)


@contextlib.contextmanager
def driver_of(archive_dir: Path, aeron_dir: Path | None) -> Iterator[Path | None]:
    """As :func:`driver_dir`; when Aeron's default one is taken and has no driver, the error says how to name another.

    Raises:
        DriverTimeoutError: it came out of the block.
    """
    found = driver_dir(archive_dir, aeron_dir)
    try:
        yield found
    except DriverTimeoutError as error:
        if found is not None:
            raise
        raise DriverTimeoutError(
            f"no media driver in {default_aeron_dir()}, and no archive in {archive_dir.absolute()} that tells of "
            "another: name the driver's directory with --aeron-dir, or that of an archive on it with --archive-dir"
        ) from error
