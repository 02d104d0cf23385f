"""Commands of the configuration, run to their end within their time."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from aeron_py.errors import AeronError

__all__ = ["HookError", "run_hook"]

_LOOK_EVERY = 0.05
_KILLED = 2.0
"""Seconds in which the output of what was killed ends, unless something got away with it."""


class HookError(AeronError):
    """A command of ``archive_cmds`` failed."""


def run_hook(
    which: str,
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    timeout: float,
    interrupted: threading.Event,
) -> str:
    """Run a command without a shell, and wait for it.

    Args:
        which: what errors call it.
        command: program and arguments.
        directory: where it runs.
        environment: what it gets besides this process's own.
        timeout: seconds; then it and what it started are killed.
        interrupted: set, the same.

    Returns:
        What it printed.

    Raises:
        HookError: it can't be run, did not end in time, or not with 0.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise HookError(f"{which}: {error}", operation=which.split()[0]) from None
    with process:
        output, problem = _output(process, timeout, interrupted)
    if problem:
        raise HookError(f"{which}: {problem}", operation=which.split()[0])
    return output


def _output(process: subprocess.Popen[bytes], timeout: float, interrupted: threading.Event) -> tuple[str, str]:
    deadline = time.monotonic() + timeout
    problem = ""
    while True:
        try:
            output, errors = process.communicate(timeout=_LOOK_EVERY)
            break
        except subprocess.TimeoutExpired:
            if problem:
                if time.monotonic() >= deadline + _KILLED:
                    output = errors = b""
                    break
                continue
            if interrupted.is_set():
                problem = "ended, since the recorder ends"
            elif time.monotonic() >= deadline:
                problem = f"did not end within {timeout:g} s"
            if problem:
                deadline = time.monotonic()
                os.killpg(process.pid, signal.SIGKILL)
    if not problem and process.returncode:
        said = errors.decode("utf-8", "replace").strip()
        problem = f"ended with status {process.returncode}" + (f": {said[-500:]}" if said else "")
    return output.decode("utf-8", "replace"), problem
