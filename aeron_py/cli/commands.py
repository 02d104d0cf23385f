"""The commands of ``aeron-py``: what they take, and what they do with it."""

from __future__ import annotations

import inspect
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

import aeron_py
from aeron_py.cli import doctor as _doctor
from aeron_py.cli import render
from aeron_py.cli.cat import cat
from aeron_py.cli.info import info
from aeron_py.cli.ls import ls
from aeron_py.cli.options import (
    DEFAULT_ARCHIVE_DIR,
    DEFAULT_RECORDER_CHANNEL,
    DEFAULT_RECORDER_STREAM_ID,
    THREADING_MODES,
    AeronDir,
    ArchiveDir,
    AsJson,
    CredentialsFile,
    RecorderChannel,
    RecorderStreamId,
    Timeout,
    a_channel,
    a_time,
    checked,
    threading_mode_of,
)
from aeron_py.cli.prune import prune
from aeron_py.cli.quiet import QuietCommand, unread_or_not
from aeron_py.cli.record_stream import record_stream
from aeron_py.cli.replicate import replicate
from aeron_py.cli.reports import errors, loss
from aeron_py.cli.stopping import StopSignal
from aeron_py.cli.top import top
from aeron_py.cli.up import up as _up
from aeron_py.cli.verify import verify
from aeron_py.driver import ThreadingMode
from aeron_py.errors import AeronError

app = typer.Typer(
    name="aeron-py",
    help="Aeron for Python: run a media driver and an archive, and look at what is recorded.\n\n"
    "Results go to standard output, talk to standard error. "
    "Exit status: 0 all went well, 1 it failed, 2 the command line is wrong, 3 it is done, but something is lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def run(stop: StopSignal | None) -> int:
    """Run the command line; ends with SystemExit, or returns the exit status."""
    _settle_output()
    try:
        app(obj=stop)
    except (AeronError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _settle_output() -> None:
    """Have results go somewhere, whatever the terminal knows and whether or not there is an output at all."""
    if sys.stdout is None:  # closed, as with >&-
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    elif isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        print(aeron_py.__version__)
        raise typer.Exit()


@app.command()
def up(
    context: typer.Context,
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    aeron_dir: Annotated[
        Path | None, typer.Option("--aeron-dir", help="The media driver's directory. By default a fresh one.")
    ] = None,
    no_archive: Annotated[bool, typer.Option("--no-archive", help="Run the media driver alone.")] = False,
    control_channel: Annotated[
        str | None,
        typer.Option(
            "--control-channel",
            help="Where the archive takes requests over the network, for example aeron:udp?endpoint=localhost:8010. "
            "By default a free port on loopback.",
            callback=a_channel,
        ),
    ] = None,
    replication_channel: Annotated[
        str | None,
        typer.Option(
            "--replication-channel",
            help="Where the archive receives what it copies from other archives. By default a free port of the host "
            "that --control-channel names.",
            callback=a_channel,
        ),
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option("--users", help="A file that says who may connect to the archive, and what each may do: YAML."),
    ] = None,
    threading_mode: Annotated[
        ThreadingMode,
        typer.Option(
            "--threading-mode", help="The media driver's threads.", parser=threading_mode_of, metavar=THREADING_MODES
        ),
    ] = ThreadingMode.SHARED,
    as_json: AsJson = False,
) -> None:
    """Run a media driver and an archive until SIGINT or SIGTERM, which end them in order, with status 0."""
    status = _up(
        context.obj or StopSignal(),
        archive_dir=None if no_archive else archive_dir,
        aeron_dir=aeron_dir,
        settings={"control_channel": control_channel, "replication_channel": replication_channel},
        users=users,
        threading_mode=threading_mode,
        as_json=as_json,
    )
    raise typer.Exit(status)


@app.command()
def record(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", help="The configuration: YAML or JSON.")] = None,
    example: Annotated[bool, typer.Option("--example", help="Print a configuration with comments and exit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a recorder until SIGINT or SIGTERM, which end it in order, with status 0."""
    # Here, so that other commands start without it.
    from aeron_py.cli import record as _record
    from aeron_py.recorder.config import example as example_text

    if example:
        print(example_text(), end="")
        return
    if config is None:
        raise typer.BadParameter("name a file, or see --example", param_hint="--config")
    raise typer.Exit(_record.record(context.obj or StopSignal(), config, as_json=as_json))


def _a_position(value: str | None) -> str | None:
    from aeron_py.recorder.when import parse_position

    return checked(parse_position, value)


def _a_speed(value: str) -> str:
    from aeron_py.recorder.when import parse_speed

    return checked(parse_speed, value)


def _a_remap(value: list[str] | None) -> list[str] | None:
    from aeron_py.recorder.playback.topics import Remap

    return checked(Remap.parse, value)


@app.command()
def play(
    context: typer.Context,
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="The recorder's configuration: says where the archive and the recorder are, unless another option "
            "does, and how volumes are fetched when no recorder runs.",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start", help="Where to begin: a time, an offset from now (-3d), or Unbounded.", callback=a_time
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--end", help="Where to end: the same. Unbounded follows what comes.", callback=a_time)
    ] = None,
    pos: Annotated[
        str | None, typer.Option("--pos", help="Where to begin now, after --start: the same.", callback=_a_position)
    ] = None,
    speed: Annotated[
        str, typer.Option("--speed", help="A fraction of real time, or Unlimited.", callback=_a_speed)
    ] = "1",
    topics: Annotated[
        list[str] | None,
        typer.Option("--topics", help="A glob of topics to play, as in rules: camera/**, pubsub:*. May be repeated."),
    ] = None,
    remap: Annotated[
        list[str] | None,
        typer.Option(
            "--remap",
            help="Where a topic is played: TOPIC=STREAM_ID, TOPIC=+OFFSET, TOPIC=CHANNEL, TOPIC=CHANNEL#STREAM_ID. "
            "TOPIC may be a glob. May be repeated.",
            callback=_a_remap,
        ),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin anew at the end.")] = False,
    start_paused: Annotated[
        bool, typer.Option("--start-paused", help="Wait for a key before the first message.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for subscribers to all topics before the first message.")
    ] = False,
    aeron_dir: AeronDir = None,
    recorder_channel: RecorderChannel = DEFAULT_RECORDER_CHANNEL,
    recorder_stream_id: RecorderStreamId = DEFAULT_RECORDER_STREAM_ID,
    credentials_file: CredentialsFile = None,
    as_json: AsJson = False,
) -> None:
    """Play what was recorded: from a recorder that runs, else from the archive's directory. Keys steer it.

    Volumes that are only where they were stored are fetched by the recorder that runs, or by the commands of --config.
    """
    from aeron_py.cli import play as _play
    from aeron_py.cli.sources import Source
    from aeron_py.recorder.playback.controlled import check_order
    from aeron_py.recorder.when import parse_time

    checked(lambda value: check_order(parse_time(start), parse_time(value)), end)
    source = Source(archive_dir, aeron_dir, recorder_channel, recorder_stream_id, credentials_file)
    status = _play.play(
        context.obj or StopSignal(),
        source if config is None else source.configured(config, lambda name: _is_given(context, name)),
        start=start,
        end=end,
        pos=pos,
        speed=speed,
        topics=topics or (),
        remap=remap or (),
        loop=loop,
        start_paused=start_paused,
        wait=wait,
        as_json=as_json,
    )
    raise typer.Exit(status)


@app.command(cls=QuietCommand)
def sessions(
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    aeron_dir: AeronDir = None,
    recorder_channel: RecorderChannel = DEFAULT_RECORDER_CHANNEL,
    recorder_stream_id: RecorderStreamId = DEFAULT_RECORDER_STREAM_ID,
    as_json: AsJson = False,
) -> None:
    """List the sessions of playback of the recorder that runs."""
    from aeron_py.cli import play as _play
    from aeron_py.cli.sources import Source

    print(_play.sessions(Source(archive_dir, aeron_dir, recorder_channel, recorder_stream_id), as_json=as_json))


@app.command()
def doctor(
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    aeron_dir: AeronDir = None,
    credentials_file: CredentialsFile = None,
    timeout: Timeout = 3.0,
    as_json: AsJson = False,
) -> None:
    """Check what is installed and whether a driver and an archive run; each line that fails says what to do."""
    findings = []
    for finding in _doctor.examine(archive_dir, aeron_dir, credentials_file, timeout):
        findings.append(finding)
        if not as_json:
            with unread_or_not():
                print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check.ljust(14)}  {finding.text}", flush=True)
    if as_json:
        with unread_or_not():
            print(render.as_json(findings))
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option was given, and does not only have its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _help(command: Callable[..., None]) -> str:
    """A docstring with each paragraph in one line, for terminals of any width."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(command.__doc__ or ""))


# Each in a file of its own, which imports only within the command what takes time.
COMMANDS: tuple[Callable[..., None], ...] = (ls, info, cat, verify, prune, record_stream, replicate, top, errors, loss)
for _command in COMMANDS:
    app.command(cls=QuietCommand, help=_help(_command))(_command)
