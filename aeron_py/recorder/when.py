"""Points in time and speeds, as those who play something back write them.

A point in time is an int of nanoseconds since 1970 (UTC), the way the journal has it.
"""

from __future__ import annotations

import calendar
import contextlib
import math
import re
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aeron_py.errors import SettingError

__all__ = [
    "MAX_BATCHES",
    "UNBOUNDED",
    "UNLIMITED",
    "Batches",
    "format_speed",
    "format_time",
    "parse_position",
    "parse_speed",
    "parse_time",
]

UNBOUNDED = "Unbounded"
"""How the beginning or end of all that was recorded is written: no point in time, None."""
UNLIMITED = math.inf
"""The speed that is as fast as it goes; written ``Unlimited``."""
MAX_BATCHES = 128
"""The most batches that a position can be moved by at once."""
_SLOWEST, _FASTEST = 1e-6, 1e6


class Batches(NamedTuple):
    """A number of batches to move by, forward or, below 0, back."""

    number: int


_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:([Zz])|([+-])(\d\d):(\d\d))"
)
_OFFSET = re.compile(r"([+-])(\d+(?:\.\d+)?)([yMdhms])")
_STEPS = re.compile(r"[+-]\d+")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The calendar's; and what lies within the journal's 64 bits of nanoseconds, with room for sums.
_YEAR_1, _YEAR_10000 = -62_135_596_800 * 10**9, 253_402_300_800 * 10**9
_YEAR_1700, _YEAR_2262 = -8_520_336_000 * 10**9, 9_214_646_400 * 10**9
_TIMES = "write a time like 2026-01-31T13:00:00Z, an offset from now like -3d (units y M d h m s), or Unbounded"


def parse_time(value: str | int | datetime | None, now: int | None = None) -> int | None:
    """A point in time.

    Args:
        value: an RFC 3339 time with its zone, ``2026-01-31T13:00:00.5Z``; ``[+-]N`` and one of ``yMdhms``, an offset
            from now; ``Unbounded`` or None; nanoseconds since 1970; or a ``datetime`` with its zone.
        now: what offsets count from, in nanoseconds; None for the clock.

    Returns:
        Nanoseconds since 1970, None for unbounded. What is before 1700 is 1700, and what is after 2262 is 2262: nothing
        was recorded then, and a journal could not say so.

    Raises:
        SettingError: it is none of these, or not from the years 1 to 9999.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() == UNBOUNDED.lower()):
        return None
    if isinstance(value, datetime) and value.tzinfo is None:
        raise SettingError(f"{value} has no time zone: add tzinfo=datetime.UTC", operation="time")
    if isinstance(value, bool) or not isinstance(value, str | int | datetime):
        raise SettingError(f"{value!r:.100} is not a time: {_TIMES}", operation="time")
    text = value.strip() if isinstance(value, str) else ""
    try:
        if isinstance(value, datetime):
            return _within((value - _EPOCH) // timedelta(microseconds=1) * 1000)
        if isinstance(value, int):
            return _within(value)
        if found := _OFFSET.fullmatch(text):
            return _within(_moved(time.time_ns() if now is None else now, *found.groups()))
        if found := _RFC3339.fullmatch(text):
            return _within(_from_rfc3339(found))
    except (ValueError, OverflowError) as error:
        raise SettingError(f"{value!r:.100} is not a time: {error}", operation="time") from None
    zoneless = _RFC3339.fullmatch(text + "Z")
    advice = "add its zone, for example Z for UTC" if zoneless else _TIMES
    raise SettingError(f"{value!r:.100} is not a time: {advice}", operation="time")


def _within(moment: int) -> int:
    if not _YEAR_1 <= moment < _YEAR_10000:
        raise ValueError("years go from 1 to 9999")
    return max(_YEAR_1700, min(moment, _YEAR_2262))


def _from_rfc3339(found: re.Match[str]) -> int:
    year, month, day, hour, minute, second = (int(found[group]) for group in range(1, 7))
    # A leap second is the first of the next minute: clocks of computers have none.
    moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    seconds = (moment - _EPOCH) // timedelta(seconds=1) + (second == 60)
    if second > 60 or int(found[11] or 0) > 59 or int(found[10] or 0) > 23:
        raise ValueError("hours go to 23, minutes and seconds to 59")
    if found[9]:
        seconds -= int(found[9] + "1") * (int(found[10]) * 3600 + int(found[11]) * 60)
    return seconds * 10**9 + int((found[7] or "").ljust(9, "0"))


def _moved(now: int, sign: str, number: str, unit: str) -> int:
    if unit in _SECONDS:
        whole, _, fraction = number.partition(".")
        nanoseconds = (int(whole) * 10**9 + int(fraction[:9].ljust(9, "0"))) * _SECONDS[unit]
        return now + nanoseconds if sign == "+" else now - nanoseconds
    if "." in number:
        raise ValueError("years and months are whole numbers")
    # The same day and time of another month, or its last day.
    start = _EPOCH + timedelta(seconds=now // 10**9)
    months = start.year * 12 + start.month - 1 + int(sign + number) * (12 if unit == "y" else 1)
    year, month = months // 12, months % 12 + 1
    if not 1 <= year <= 9999:
        raise ValueError("years go from 1 to 9999")
    moved = start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))
    return (moved - _EPOCH) // timedelta(seconds=1) * 10**9 + now % 10**9


def parse_position(value: str | int | datetime, now: int | None = None) -> int | Batches:
    """Where to go: a point in time, or a number of batches from here.

    Args:
        value: a time as for :func:`parse_time`, though not unbounded; or ``[+-]1`` to ``[+-]128``, or such an int.
        now: what offsets count from, in nanoseconds; None for the clock.

    Raises:
        SettingError: it is none of these.
    """
    steps: int | None = None
    if isinstance(value, int) and abs(value) <= MAX_BATCHES:
        steps = int(value)
    elif isinstance(value, str) and _STEPS.fullmatch(value.strip()):
        steps = int(value) if len(value) < 20 else MAX_BATCHES + 1
    if steps is not None:
        if not 1 <= abs(steps) <= MAX_BATCHES:
            raise SettingError(f"{value!r:.100}: 1 to {MAX_BATCHES} batches at once", operation="position")
        return Batches(steps)
    moment = parse_time(value, now)
    if moment is None:
        raise SettingError("a position is a time or a number of batches, not Unbounded", operation="position")
    return moment


def parse_speed(value: str | float) -> float:
    """A speed as a fraction of real time: 1.0 is as it was, :data:`UNLIMITED` as fast as it goes.

    Args:
        value: a number from a millionth to a million, also as text, also with an ``x`` behind it; or ``Unlimited``.

    Raises:
        SettingError: it is none of these. Nothing plays at speed 0: pause it.
    """
    speed = math.nan
    if isinstance(value, str):
        text = value.strip().lower()
        if text == "unlimited":
            return UNLIMITED
        with contextlib.suppress(ValueError):
            speed = float(text.removesuffix("x"))
        if math.isinf(speed):
            speed = math.nan
    elif isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            speed = float(value)
    if not _SLOWEST <= speed <= _FASTEST:
        raise SettingError(
            f"{value!r:.100} is not a speed: a number from {_SLOWEST:f} to {_FASTEST:.0f}, or Unlimited; pause to "
            "stand still",
            operation="speed",
        )
    return speed


def format_time(moment: int | None) -> str:
    """A point in time as RFC 3339 in UTC, with no more digits than it takes; ``Unbounded`` for None."""
    if moment is None:
        return UNBOUNDED
    seconds, nanoseconds = divmod(moment, 10**9)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    fraction = f".{nanoseconds:09}".rstrip("0") if nanoseconds else ""
    return f"{text}{fraction}Z"


def format_speed(speed: float) -> str | float:
    """A speed as JSON has it: the number, or ``Unlimited``."""
    return "Unlimited" if math.isinf(speed) else speed
