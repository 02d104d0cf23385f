"""The one way to wait: for a condition, up to a time, with Ctrl-C heard at once; and durations as users give them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from aeron_py.errors import AeronError, SettingError, TimedOutError

__all__ = ["Duration", "nanoseconds", "seconds", "wait_for"]

Duration = float | timedelta
"""Seconds, or a timedelta."""

T = TypeVar("T")

# A century: what C gets is a signed number of nanoseconds.
_LONGEST = 100 * 365 * 86400.0

_FIRST_PAUSE = 0.00005
_LONGEST_PAUSE = 0.002


def seconds(value: Duration, name: str) -> float:
    """``value`` in seconds.

    Raises:
        SettingError: not a duration, or negative; ``name`` tells which.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingError(f"{name} is a number of seconds or a timedelta, not {type(value).__name__}", operation=name)
    if math.isnan(value) or value < 0:
        raise SettingError(f"{name} must not be negative: {value}", operation=name)
    return min(float(value), _LONGEST)


def nanoseconds(value: Duration, name: str) -> int:
    """``value`` in nanoseconds, for C.

    Raises:
        SettingError: as :func:`seconds`.
    """
    return round(seconds(value, name) * 1e9)


def wait_for(
    poll: Callable[[], T | None],
    timeout: float,
    operation: str,
    late: Callable[[], str],
    *,
    error: type[AeronError] = TimedOutError,
) -> T:
    """Ask ``poll`` again and again until it answers.

    Args:
        poll: returns None for "not yet".
        timeout: seconds.
        operation: the call that waits, for the error.
        late: what the error says when the time is over.
        error: its class.

    Returns:
        What ``poll`` answered.

    Raises:
        TimedOutError: or ``error``: no answer in time.
    """
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    while True:
        answer = poll()
        if answer is not None:
            return answer
        left = deadline - time.monotonic()
        if left <= 0:
            raise error(late(), operation=operation)
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
