"""``aeron-py top``: a media driver as it works, seen from its files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aeron_py.cli import render
from aeron_py.cli.options import DEFAULT_ARCHIVE_DIR, AeronDir, ArchiveDir, AsJson, driver_of

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from aeron_py.overview import Overview

_SORTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "r": ("rate", lambda row: -(row.rate or 0.0)),
    "l": ("lag", lambda row: -(row.lag or 0)),
    "p": ("position", lambda row: -row.position),
    "s": ("stream", lambda row: (row.stream_id, row.session_id)),
}
_KEYS = "r rate  l lag  p position  s stream  q quit"
_NARROW = 100
_LONGEST = 86400.0


def top(
    aeron_dir: AeronDir = None,
    archive_dir: ArchiveDir = DEFAULT_ARCHIVE_DIR,
    interval: Annotated[
        float, typer.Option("--interval", help="Seconds between two looks.", min=0.05, max=_LONGEST)
    ] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="Look twice, an interval apart, print what there is and end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a media driver as it works: heartbeat, streams with rates and lag, recordings, counters, errors, losses.

    It only reads the driver's files, so that it disturbs nothing and works for a driver that is dead, too. Keys: r, l,
    p and s sort by rate, lag, position and stream; q ends. Without a terminal, or with --json, it is as with --once.
    """
    from rich.console import Console
    from rich.live import Live

    from aeron_py.cli.keys import Keys
    from aeron_py.cli.stopping import StopSignal
    from aeron_py.overview import Sampler

    console = Console()
    stop = StopSignal()
    with driver_of(archive_dir, aeron_dir) as directory, Sampler(directory) as sampler:
        overview = sampler.sample()
        if once or as_json or not console.is_terminal:
            stop.wait(interval)
            overview = sampler.sample()
            if as_json:
                print(render.as_json(overview))
            else:
                with console.capture() as shown:  # rich would end with status 1 where nobody reads it
                    console.print(view(overview, "r", console.width, None))
                print(shown.get(), end="")
            return
        with contextlib.ExitStack() as stack:
            keys = stack.enter_context(Keys())
            live = stack.enter_context(Live(console=console, screen=True, auto_refresh=False))
            sort, due = "r", 0.0
            while not stop.is_set:
                if time.monotonic() >= due:
                    overview, due = sampler.sample(), time.monotonic() + interval
                live.update(view(overview, sort, console.width, console.height), refresh=True)
                patience = max(0.0, due - time.monotonic())
                key = keys.read(patience) if keys.works else stop.wait(patience) and ""
                if key == "q":
                    return
                sort = key if key in _SORTS else sort


def view(overview: Overview, sort: str, width: int, height: int | None) -> Group:
    """A driver as text of a width, and of a height if one is given.

    Args:
        overview: what there is.
        sort: a key of those that sort.
        width: columns.
        height: lines, None for as many as it takes.
    """
    from rich.console import Group
    from rich.text import Text

    room = None if height is None else max(0, height - 12 - 2 * bool(overview.errors) - 2 * bool(overview.losses))
    streams = _fitting(sorted(overview.streams, key=_SORTS[sort][1]), room, 0.45)
    recordings = _fitting(sorted(overview.recordings, key=_SORTS[sort][1]), room, 0.25)
    left = None if room is None else room - len(streams) - len(recordings)
    counters = sorted((each for each in overview.counters if each.value), key=lambda each: -abs(each.rate or 0.0))
    narrow = width < _NARROW
    parts: list[Any] = [_heading(overview, width)]
    if height is not None:
        parts.append(Text(f"by {_SORTS[sort][0]}   {_KEYS}", style="dim", no_wrap=True, overflow="ellipsis"))
    parts += [
        Text(),
        _streams(streams, len(overview.streams), narrow),
        Text(),
        _recordings(recordings, len(overview.recordings), narrow),
        Text(),
        _counters(_fitting(counters, left, 1.0)),
    ]
    for each in overview.errors[-1:]:
        kinds = f"{len(overview.errors)} kinds of errors, the last: "
        parts += [Text(), _line(f"{kinds}{' '.join(each.text.split())}", "red")]
    for loss in overview.losses[-1:]:
        total = sum(each.bytes_lost for each in overview.losses)
        told = f"{total} bytes lost, the last of stream {loss.stream_id} from {loss.source}, {loss.channel}"
        parts += [Text(), _line(told, "yellow")]
    return Group(*parts)


def _fitting(rows: list[Any], room: int | None, share: float) -> list[Any]:
    return rows if room is None else rows[: max(1, int(room * share))]


def _line(text: str, style: str = "") -> Any:
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _heading(overview: Overview, width: int) -> Any:
    driver = overview.driver
    if driver.heartbeat_age is None:
        state, style = "was shut down", "red"
    elif not driver.alive:
        state, style = f"silent for {driver.heartbeat_age:.0f} s", "red"
    else:
        state, style = f"alive, heartbeat {driver.heartbeat_age * 1000:.0f} ms ago", "bold"
    return _line(f"{render.time_of(overview.time * 1000)} UTC  driver {driver.pid} {state}  {driver.aeron_dir}", style)


def _table(*columns: tuple[str, bool]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, expand=True, header_style="bold")
    for name, right in columns:
        if name in ("channel", "topic", "counter"):
            table.add_column(name, ratio=1, no_wrap=True, overflow="ellipsis")
        else:
            table.add_column(name, justify="right" if right else "left", no_wrap=True)
    return table


def _streams(rows: list[Any], count: int, narrow: bool) -> Any:
    columns = [(_counted("stream", len(rows), count), True)]
    columns += [] if narrow else [("session", True)]
    columns += [(_what(narrow), False), ("position", True)]
    columns += [] if narrow else [("window left", True)]
    columns += [("rate/s", True), ("lag", True), ("subs", True)]
    table = _table(*columns)
    for each in rows:
        window = "" if each.limit is None else _size(max(0, each.limit - each.position))
        table.add_row(
            str(each.stream_id),
            *([] if narrow else [str(each.session_id)]),
            _name(each, narrow),
            str(each.position),
            *([] if narrow else [window]),
            _rate(each.rate),
            "" if each.lag is None else _size(each.lag),
            str(len(each.subscribers)),
        )
    return table


def _recordings(rows: list[Any], count: int, narrow: bool) -> Any:
    columns = [(_counted("recording", len(rows), count), True), ("stream", True)]
    columns += [] if narrow else [("session", True)]
    table = _table(*columns, (_what(narrow), False), ("position", True), ("rate/s", True), ("lag", True))
    for each in rows:
        table.add_row(
            str(each.recording_id),
            str(each.stream_id),
            *([] if narrow else [str(each.session_id)]),
            _name(each, narrow),
            str(each.position),
            _rate(each.rate),
            "" if each.lag is None else _size(each.lag),
        )
    return table


def _counters(rows: list[Any]) -> Any:
    table = _table(("counter", False), ("value", True), ("change/s", True))
    for each in rows:
        table.add_row(each.label, str(each.value), "" if not each.rate else f"{each.rate:,.0f}")
    return table


def _what(narrow: bool) -> str:
    return "topic" if narrow else "channel"


def _name(row: Any, narrow: bool) -> str:
    """The channel, or where there is little room what the stream is called."""
    from aeron_py.recorder.names import topic_name

    return str(topic_name(row.channel, row.stream_id)) if narrow else row.channel


def _counted(name: str, shown: int, count: int) -> str:
    return name if shown == count else f"{name} ({shown} of {count})"


def _rate(rate: float | None) -> str:
    return "" if rate is None else _size(rate)


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
