"""What tests ask about processes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.waiting import wait_until


def is_alive(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def with_argument(argument: str) -> list[int]:
    """The processes whose command line contains a text, such as a directory of the test's own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if argument.encode() in command and is_alive(int(entry.name)):
                found.append(int(entry.name))
    return found


@contextlib.contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """A process of the test's own does nothing within the block, as one that is stopped or starved."""

    def stands() -> bool:
        # A signal reaches the threads one by one, each when it runs next.
        states = [path.read_text().rsplit(")", 1)[1].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]
        return bool(states) and set(states) == {"T"}

    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(stands)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # killed meanwhile
            os.kill(pid, signal.SIGCONT)
