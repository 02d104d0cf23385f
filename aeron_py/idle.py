"""How a loop spends the time when there is nothing to do: fast answers against processor time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from aeron_py._waiting import Duration, nanoseconds
from aeron_py.errors import SettingError

__all__ = ["IdleStrategy", "Idler"]


@dataclass(frozen=True)
class IdleStrategy:
    """What to do when a turn of a loop found no work: for conductors in C, and for our own loops.

    Make one with :meth:`spin`, :meth:`yielding`, :meth:`sleep`, :meth:`backoff`, :meth:`noop` or :meth:`parse`.

    Args:
        name: Aeron's name of it.
        arguments: its parameters as Aeron writes them.
    """

    name: str
    arguments: str = ""

    @classmethod
    def spin(cls) -> IdleStrategy:
        """A full core, the fastest answer (``spin``)."""
        return cls("spin")

    @classmethod
    def noop(cls) -> IdleStrategy:
        """Nothing at all between two looks (``noop``)."""
        return cls("noop")

    @classmethod
    def yielding(cls) -> IdleStrategy:
        """Let others run between two looks (``yield``)."""
        return cls("yield")

    @classmethod
    def sleep(cls, duration: Duration = 0.001) -> IdleStrategy:
        """Sleep so many seconds between two looks (``sleep-ns``)."""
        return cls("sleep-ns", str(nanoseconds(duration, "sleep")))

    @classmethod
    def backoff(
        cls, spins: int = 10, yields: int = 20, min_park: Duration = 0.00005, max_park: Duration = 0.001
    ) -> IdleStrategy:
        """Spin, then yield, then sleep for ``min_park`` seconds, doubled each time up to ``max_park`` (``backoff``)."""
        least, most = nanoseconds(min_park, "min_park"), nanoseconds(max_park, "max_park")
        if not 1 <= least <= most:
            raise SettingError("min_park must be over 0 and not over max_park", operation="backoff")
        for name, value in (("spins", spins), ("yields", yields)):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 32:
                raise SettingError(f"{name} must be a whole number from 0 on, not {value!r}", operation="backoff")
        return cls("backoff", f"{spins}-{yields}-{least}-{most}")

    @classmethod
    def parse(cls, name: str) -> IdleStrategy:
        """The strategy of a name: ``spin``, ``noop``, ``yield``, ``sleep`` or ``backoff``.

        Raises:
            SettingError: no such strategy.
        """
        known: dict[str, Callable[[], IdleStrategy]] = {
            "spin": cls.spin,
            "noop": cls.noop,
            "yield": cls.yielding,
            "sleep": cls.sleep,
            "backoff": cls.backoff,
        }
        if name not in known:
            raise SettingError(f"no idle strategy {name!r}: there are {', '.join(known)}", operation="idle_strategy")
        return known[name]()

    def idler(self) -> Idler:
        """A fresh state of this strategy for one loop."""
        return Idler(self)


class Idler:
    """One loop's state: call :meth:`idle` each turn with how much work there was."""

    def __init__(self, strategy: IdleStrategy) -> None:
        self.strategy = strategy
        self._free_turns = self._yields = 0
        self._first = self._longest = 0.0
        match strategy.name:
            case "backoff":
                spins, yields, least, most = (int(part) for part in strategy.arguments.split("-"))
                self._free_turns, self._yields = spins, yields
                self._first, self._longest = least / 1e9, most / 1e9
            case "sleep-ns":
                self._first = self._longest = int(strategy.arguments) / 1e9
            case "yield":
                self._yields = -1
            case _:
                self._free_turns = -1
        self._turn = 0
        self._park = self._first

    def idle(self, work_count: int = 0) -> None:
        """Spend the time until the next look; ``work_count`` above 0 starts over."""
        if work_count > 0:
            self._turn = 0
            self._park = self._first
            return
        self._turn += 1
        if self._free_turns < 0 or self._turn <= self._free_turns:
            return
        if self._yields < 0 or self._turn <= self._free_turns + self._yields:
            os.sched_yield()
            return
        time.sleep(self._park)
        self._park = min(self._park * 2, self._longest)
