"""The wish to stop, from Ctrl-C or a service manager: noted at any moment, acted on when it suits."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType


class StopSignal:
    """Takes SIGINT, SIGTERM and SIGHUP from the moment it is made; none of them raises anything.

    A third one ends the process at once, for when stopping itself hangs.
    """

    NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._count = 0
        for number in self.NUMBERS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        os.write(self._write, b"!")
        if self._count >= 2:
            signal.signal(number, signal.SIG_DFL)

    @property
    def is_set(self) -> bool:
        """Whether one has come."""
        return self._count > 0

    def wait(self, timeout: float) -> bool:
        """Wait for one, seconds at most; returns whether one has come."""
        if not self.is_set:
            select.select([self._read], [], [], timeout)
        return self.is_set
