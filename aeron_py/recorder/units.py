"""Durations and sizes as people write them: ``10s``, ``1h30m``, ``128MB``."""

from __future__ import annotations

import math
import re
from typing import Annotated, TypeAlias

from msgspec import Meta

from aeron_py.errors import SettingError

__all__ = ["Duration", "Size", "format_duration", "format_size", "parse_duration", "parse_size"]

Duration: TypeAlias = Annotated[float, Meta(ge=0, extra={"kind": "duration"})]
"""Seconds; in a configuration also a text, see :func:`parse_duration`."""
Size: TypeAlias = Annotated[int, Meta(ge=0, extra={"kind": "size"})]
"""Bytes; in a configuration also a text, see :func:`parse_size`."""

_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
# As Aeron's channels have them, as disks are sold, and as memory is counted.
_BYTES: dict[str, int] = {
    "": 1,
    "B": 1,
    **{unit: 1024**power for power, unit in enumerate("kmgt", 1)},
    **{unit.upper(): 1024**power for power, unit in enumerate("kmgt", 1)},
    **{f"{unit}B": 1000**power for power, unit in enumerate("kMGT", 1)},
    "KB": 1000,
    **{f"{unit}iB": 1024**power for power, unit in enumerate("KMGT", 1)},
}
_LARGEST = 2**62
_PART = re.compile(r"(\d+(?:\.\d+)?)([a-zA-Z]+)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([a-zA-Z]*)")


def parse_duration(value: str | float) -> float:
    """A duration in seconds.

    Args:
        value: seconds, or numbers with the units ns, us, ms, s, m, h, d and w: ``500ms``, ``1h30m``.

    Raises:
        SettingError: it is none, or negative.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SettingError(f"a duration is a number of seconds or a text like 10s, not {value!r}", operation="duration")
    try:
        if not isinstance(value, str):
            seconds = float(value)
        elif (text := value.replace(" ", "")) and _PART.sub("", text) == "":
            seconds = math.fsum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
        else:
            seconds = float(text)
    except KeyError as error:
        raise SettingError(
            f"{value!r:.100}: no unit of time is called {error}; there are {', '.join(_SECONDS)}", operation="duration"
        ) from None
    except (ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise SettingError(
            f"{value!r:.100} is not a duration: write for example 500ms, 10s, 1h30m", operation="duration"
        )
    return seconds


def parse_size(value: str | int) -> int:
    """A size in bytes.

    Args:
        value: bytes, or a number with a unit: k, m, g, t and KiB, MiB, GiB, TiB are powers of 1024, kB, MB, GB and TB
            of 1000.

    Raises:
        SettingError: it is none, negative, or more than 4 EiB.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return _fitting(value, value)
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found or found[2] not in _BYTES:
        raise SettingError(f"{value!r:.100} is not a size: write for example 65536, 64k, 128MB, 1GiB", operation="size")
    unit = _BYTES[found[2]]
    return _fitting(round(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit, value)


def _fitting(size: int, value: object) -> int:
    if size > _LARGEST:
        raise SettingError(f"{value!r:.100} is more than {format_size(_LARGEST)}", operation="size")
    return size


def format_duration(seconds: float) -> str:
    """A duration as :func:`parse_duration` takes it, in the largest units that leave nothing over."""
    if seconds and seconds < 1:
        unit, factor = next(((u, f) for u, f in (("ms", 1e3), ("us", 1e6)) if seconds * f >= 1), ("ns", 1e9))
        return f"{seconds * factor:g}{unit}"
    for unit in "wdhm":
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{round(seconds / _SECONDS[unit])}{unit}"
    return f"{seconds:g}s"


def format_size(size: int) -> str:
    """A size as :func:`parse_size` takes it, as short as can be without loss."""
    units = ("TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "kB")
    whole = [f"{size // _BYTES[unit]}{unit}" for unit in units if size and size % _BYTES[unit] == 0]
    return min(whole, key=len, default=str(size))
