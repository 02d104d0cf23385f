"""A time line as text: a row for each topic, a column for each part of the time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aeron_py.cli import render

if TYPE_CHECKING:
    from aeron_py.recorder.timeline import TopicLine

_LEVELS = "▁▂▃▄▅▆▇█"
_QUIET = "·"
_SHORTEST = 10
_UNKNOWN = "─"
LEGEND = f"{_LEVELS} bytes  {_QUIET} quiet  {_UNKNOWN} no journal tells how much  blank: not recorded"


def label_width(names: Sequence[str], width: int) -> int:
    """How many columns the names of the rows take, of ``width`` in all."""
    return min(max(map(len, names), default=0), max(_SHORTEST, width // 3))


def columns(names: Sequence[str], width: int) -> int:
    """How many columns are left for time."""
    return max(_SHORTEST, width - label_width(names, width) - 2)


def rows(lines: Sequence[TopicLine], begin_ms: float, end_ms: float, width: int) -> str:
    """The time line, and below it when it begins and ends.

    Args:
        lines: each with as many amounts as :func:`columns` says.
        begin_ms, end_ms: the time of the first and last column, milliseconds since 1970.
        width: columns of the terminal.
    """
    names = [each.topic for each in lines]
    left = label_width(names, width)
    most = max((amount or 0 for each in lines for amount in each.amounts), default=0)
    cells = ["".join(_cell(amount, most) for amount in each.amounts) for each in lines]
    shown = [f"{_shortened(name, left).ljust(left)}  {row}".rstrip() for name, row in zip(names, cells, strict=True)]
    begin, end = render.time_of(begin_ms), render.time_of(end_ms)
    room = columns(names, width)
    scale = f"{begin}{f'{end} UTC'.rjust(room - len(begin))}" if room >= len(begin) + len(end) + 5 else begin
    return "\n".join([*shown, " " * (left + 2) + scale])


def _cell(amount: int | None, most: int) -> str:
    if amount is None:
        return " "
    if amount <= 0:
        return _UNKNOWN if amount < 0 else _QUIET
    return _LEVELS[min(len(_LEVELS) - 1, amount * len(_LEVELS) // most)]


def _shortened(name: str, width: int) -> str:
    return name if len(name) <= width else f"…{name[len(name) - width + 1 :]}"
