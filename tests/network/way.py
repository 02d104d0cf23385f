"""Packets on a bad way: some are lost, some come twice, some are overtaken by those that were sent after them."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Way(Generic[T]):
    """Where packets are until they come out again.

    Args:
        loss: the share that never does.
        twice: the share that does so twice, each at its own time.
        delay: seconds that one takes.
        jitter: by so many seconds more or less; packets overtake each other.
        seed: of the dice.

    Attributes:
        loss: as above; may be changed.
        taken: packets that went in.
        lost: of them, never to come out.
        doubled: of them, to come out twice.
        overtaken: packets that came out after one that had gone in later.
    """

    def __init__(
        self, *, loss: float = 0.0, twice: float = 0.0, delay: float = 0.0, jitter: float = 0.0, seed: int = 7
    ) -> None:
        self.loss, self._twice, self._delay, self._jitter = loss, twice, delay, jitter
        self._dice = random.Random(seed)
        self._under_way: list[tuple[float, int, T]] = []
        self._latest = 0
        self.taken = self.lost = self.doubled = self.overtaken = 0

    def take(self, packet: T) -> None:
        """A packet goes in."""
        self.taken += 1
        if self._dice.random() < self.loss:
            self.lost += 1
            return
        self._send_on(packet)
        if self._dice.random() < self._twice:
            self.doubled += 1
            self._send_on(packet)

    def _send_on(self, packet: T) -> None:
        due = time.monotonic() + self._delay + self._dice.uniform(-self._jitter, self._jitter)
        heapq.heappush(self._under_way, (due, self.taken, packet))

    @property
    def wait(self) -> float | None:
        """Seconds until the next one comes out; None: there is none."""
        return max(0.0, self._under_way[0][0] - time.monotonic()) if self._under_way else None

    def arrived(self) -> Iterator[T]:
        """Those that come out by now."""
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            _, number, packet = heapq.heappop(self._under_way)
            self.overtaken += number < self._latest
            self._latest = max(self._latest, number)
            yield packet
