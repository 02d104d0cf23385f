"""``aeron-py cat``: the messages of a recording or a topic."""

from __future__ import annotations

import base64
import os
import stat
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aeron_py.cli import completing, render
from aeron_py.cli.options import DEFAULT_ARCHIVE_DIR, ArchiveDir, checked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aeron_py._hot import Message
    from aeron_py.archive.recorded import RecordedBatch
    from aeron_py.recorder.history import History

_LOOK_EVERY = 0.05
_AT_ONCE = 4096
_ROW = 16


def _a_place(value: str | None) -> str | None:
    from aeron_py.recorder.history import parse_place

    return checked(parse_place, value)


def cat(
    what: Annotated[
        str,
        typer.Argument(
            help="A recording, as ls gives it, or a topic, as ls --topics does.",
            metavar="RECORDING|TOPIC",
            autocompletion=completing.recordings_and_topics,
        ),
    ],
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Where to begin: a position, or where a journal knows it a time or an offset from now (-10m).",
            callback=_a_place,
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Where to end, before that: the same.", callback=_a_place)
    ] = None,
    count: Annotated[int | None, typer.Option("--count", min=0, help="How many messages at most.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until the recording stops or Ctrl-C.")
    ] = False,
    text: Annotated[bool, typer.Option("--text", help="Each message as text in a line: so on a terminal.")] = False,
    as_hex: Annotated[bool, typer.Option("--hex", help="Each message as hexadecimal digits and characters.")] = False,
    ndjson: Annotated[
        bool,
        typer.Option(
            "--ndjson",
            help="Each message as a line of JSON: recording_id, topic, position, reserved_value, time, and the payload "
            "as text or, when it is none, as base64.",
        ),
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="The bytes of the messages with nothing between them: so into a pipe or file.")
    ] = False,
) -> None:
    """Print the messages of a recording or a topic, oldest first, from the archive's files: it may run or not."""
    from aeron_py.cli.away import tell_away
    from aeron_py.cli.progress import progress_of_bytes
    from aeron_py.cli.stopping import StopSignal
    from aeron_py.recorder.history import History, parse_place

    if text + as_hex + ndjson + raw > 1:
        raise typer.BadParameter("give one of --text, --hex, --ndjson and --raw")
    stop = StopSignal() if follow else None
    if ndjson:
        shown = _as_json
    elif as_hex:
        shown = _as_hex
    elif text or (sys.stdout.isatty() and not raw):
        shown = _as_text
    else:
        shown = _as_bytes
    out = sys.stdout.buffer
    first, last = parse_place(begin), parse_place(end)
    if not what.isdecimal():
        tell_away(archive_dir, getattr(first, "ns", None), getattr(last, "ns", None))
    with (
        History(
            archive_dir,
            int(what) if what.isdecimal() else what,
            begin=first,
            end=last,
            follow=follow,
        ) as history,
        progress_of_bytes("cat") as progress,
    ):
        to_file = stat.S_ISREG(os.fstat(out.fileno()).st_mode) and not follow
        total, done = history.length if to_file else 0, 0
        left = count
        while left is None or left > 0:
            batch = history.read_batch(_AT_ONCE if left is None else min(left, _AT_ONCE))
            if batch is None:
                out.flush()
                if history.ended or stop is None or stop.wait(_LOOK_EVERY):
                    break
                continue
            for part in shown(history, batch):
                out.write(part)
            if stop is not None and stop.is_set:
                break
            if left is not None:
                left -= len(batch)
            if to_file:
                done += sum(batch.lengths) + 32 * len(batch)
                progress(done, max(done, total))


def _as_bytes(history: History, batch: RecordedBatch) -> Iterator[Any]:
    yield batch.packed()[0]


def _as_text(history: History, batch: RecordedBatch) -> Iterator[bytes]:
    for payload in batch.payloads():
        yield payload.decode("utf-8", "backslashreplace").encode() + b"\n"


def _as_hex(history: History, batch: RecordedBatch) -> Iterator[bytes]:
    for message in batch.messages():
        yield f"{_heading(history, message)}\n".encode()
        payload = message.payload
        before, told = b"", False
        for at in range(0, len(payload), _ROW):
            row = bytes(payload[at : at + _ROW])
            if row == before and at + _ROW < len(payload):
                if not told:
                    yield b"  *\n"
                told = True
                continue
            before, told = row, False
            digits = f"{row[:8].hex(' ')}  {row[8:].hex(' ')}".ljust(3 * _ROW)
            characters = "".join(chr(each) if 32 <= each < 127 else "." for each in row)
            yield f"  {at:06x}  {digits}  {characters}\n".encode()


def _heading(history: History, message: Message) -> str:
    from aeron_py.recorder.when import format_time

    moment = history.time_of(message)
    return " ".join(
        [
            f"recording {history.stretch.recording.recording_id} position {message.position}",
            f"{len(message.payload)} bytes",
            *([f"reserved {message.reserved_value}"] if message.reserved_value else []),
            *([format_time(moment)] if moment is not None else []),
        ]
    )


def _as_json(history: History, batch: RecordedBatch) -> Iterator[bytes]:
    from aeron_py.recorder.when import format_time

    stretch = history.stretch
    for message in batch.messages():
        moment = history.time_of(message)
        line: dict[str, Any] = {
            "recording_id": stretch.recording.recording_id,
            "topic": stretch.topic,
            "position": message.position,
            "reserved_value": message.reserved_value,
            "time": None if moment is None else format_time(moment),
        }
        payload = bytes(message.payload)
        try:
            line["text"] = payload.decode()
        except UnicodeDecodeError:
            line["base64"] = base64.b64encode(payload).decode()
        yield render.as_json(line).encode() + b"\n"
