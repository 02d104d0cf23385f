"""Keys of a terminal, one at a time, while a command runs."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Self

_NAMES = {"[D": "left", "[C": "right", "[A": "up", "[B": "down", "[H": "home", "OH": "home", "[1~": "home"}


class Keys:
    """Reads keys as they are pressed; what was set is set back at the end. Ctrl-C stays a signal."""

    def __init__(self) -> None:
        self.works = False
        """Whether there is a terminal to read from, and this process is the one that may."""
        self._before: list[Any] = []
        self._fd = -1

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError, ValueError, termios.error):
            self._fd = sys.stdin.fileno()
            if os.isatty(self._fd) and not _in_background(self._fd):
                self._before = termios.tcgetattr(self._fd)
                tty.setcbreak(self._fd, termios.TCSADRAIN)  # keys that were pressed already count, too
                self.works = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.works:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def read(self, timeout: float) -> str:
        """The next key: a character, or ``left``, ``right``, ``up``, ``down``, ``home``; empty when none came."""
        if not select.select([self._fd], [], [], timeout)[0]:
            return ""
        data = os.read(self._fd, 1)
        if data != b"\x1b":
            return data.decode("latin-1") or "q"
        rest = b""
        while len(rest) < 3 and select.select([self._fd], [], [], 0.02)[0]:
            rest += os.read(self._fd, 1)
            if (found := _NAMES.get(rest.decode("latin-1"))) is not None:
                return found
        return ""


def _in_background(fd: int) -> bool:
    """Whether the terminal is this process's, and another job has it now."""
    try:
        return os.tcgetpgrp(fd) != os.getpgrp()
    except OSError:
        return False
