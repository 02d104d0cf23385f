"""How results look: JSON for programs, aligned columns for people."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def as_json(value: Any) -> str:
    """One line of JSON."""
    return json.dumps(value, default=_plain)


def plain(value: Any) -> dict[str, Any]:
    """The attributes of a dataclass by name."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"no JSON for {value!r}")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as they need to be, numbers to the right."""
    lines = [list(headings), *([str(cell) for cell in row] for row in rows)]
    numeric = [all(_is_number(line[i]) for line in lines[1:]) for i in range(len(headings))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_number(cell: str) -> bool:
    return cell == "" or cell.replace(",", "").replace(".", "").lstrip("-").isdigit()


def pairs(values: dict[str, object]) -> str:
    """One name and value a line."""
    width = max(len(name) for name in values)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in values.items())


def time_of(seconds_or_ms: float | None) -> str:
    """A time in milliseconds since 1970, in UTC; empty for none."""
    if seconds_or_ms is None or seconds_or_ms < 0:
        return ""
    return datetime.datetime.fromtimestamp(seconds_or_ms / 1000, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
