"""A client that makes no call for ten minutes, by the clock."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.faults.quiet import quiet

MINUTES = 10.0


def main(minutes: float, seed: int) -> None:
    """Raises when the client could not go on. Nothing here is random; a shorter soak has a shorter silence."""
    with tempfile.TemporaryDirectory(prefix="aeron-py-soak-", dir="/dev/shm") as base:
        quiet(Path(base), lambda place: time.sleep(min(MINUTES, minutes) * 60))
