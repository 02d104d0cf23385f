"""A child process that can't outlive this one, and that is reaped as soon as it ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aeron_py._ffi import check, ffi, lib

__all__ = ["ChildProcess"]

_SLICE = 0.05
"""Seconds that one wait in C may take: so long may Ctrl-C have to wait."""


class ChildProcess:
    """A running program, started by a C thread of its own that stays until the program ends.

    The kernel kills it when this process ends, however that comes about (``PR_SET_PDEATHSIG``). It has its own process
    group, so that Ctrl-C on a terminal does not reach it, and none of this process's open files.

    Args:
        command: the program's path and its arguments.
        environment: all of its environment; None for a copy of this process's.
        output: the descriptor that takes what it writes.
        keep: a descriptor that it shall hold open as its number 3; None for none.

    Raises:
        AeronError: it could not be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: int,
        keep: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        variables = os.environ if environment is None else environment
        pairs = (f"{key}={value}" for key, value in variables.items())
        arguments, _held_arguments = _strings(command)
        assignments, _held_assignments = _strings(tuple(pairs))
        pointer = ffi.new("shim_child_t **")
        check(
            lib.shim_child_start(pointer, arguments, assignments, output, -1 if keep is None else keep),
            f"start {command[0]}",
        )
        # Deleted with the last reference to it: another thread may still wait when this one stops the program.
        self._pointer: Any = ffi.gc(pointer[0], lib.shim_child_delete)
        self.pid: int = lib.shim_child_pid(pointer[0])
        self._status: int | None = None

    @property
    def status(self) -> int | None:
        """Its exit status, or minus the signal that ended it; None while it runs."""
        return self.wait(0)

    def wait(self, timeout: float) -> int | None:
        """Wait for its end.

        Args:
            timeout: seconds.

        Returns:
            its exit status, or minus the signal that ended it; None when it still runs.
        """
        until = time.monotonic() + timeout
        status = ffi.new("int32_t *")
        while self._status is None and (pointer := self._pointer) is not None:
            left = until - time.monotonic()
            if lib.shim_child_wait(pointer, int(max(0.0, min(left, _SLICE)) * 1e9), status):
                self._status = status[0]
            elif left <= 0:
                break
        return self._status

    def send_signal(self, number: int) -> bool:
        """Send it a signal.

        Returns:
            whether it was still there.
        """
        pointer = self._pointer
        return pointer is not None and bool(lib.shim_child_signal(pointer, number))

    def stop(self, timeout: float) -> int | None:
        """Ask it to end (SIGTERM), kill it when it does not in time, and reap it. May be called twice.

        Args:
            timeout: seconds that it has to end by itself.

        Returns:
            its exit status, or minus the signal that ended it.
        """
        if self._pointer is None:
            return self._status
        try:
            if self.send_signal(signal.SIGTERM):
                self.wait(timeout)
        finally:
            self.send_signal(signal.SIGKILL)
            while self.wait(1.0) is None and self._pointer is not None:
                pass
            self._pointer = None
        return self._status


def _strings(values: Sequence[str]) -> tuple[Any, list[Any]]:
    """A NULL-terminated ``char *[]`` and what must be kept as long as it is used."""
    held = [ffi.new("char[]", os.fsencode(value)) for value in values]
    return ffi.cast("const char *const *", array := ffi.new("char *[]", [*held, ffi.NULL])), [*held, array]
