"""What a publisher writes down of what was confirmed to it, in a file that no fault here reaches.

Each line is ``epoch recording count position``: the first ``count`` messages of the epoch are in the recording, and the
last of them ends at ``position``. A line is on the disk before the next message is offered.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Confirmation:
    """What is confirmed of one epoch of a publisher, which is one recording."""

    epoch: str
    recording_id: int
    count: int
    position: int


class Journal:
    """Confirmations, each on the disk before :meth:`confirm` returns."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def confirm(self, found: Confirmation) -> None:
        line = f"{found.epoch} {found.recording_id} {found.count} {found.position}\n".encode()
        assert os.write(self._fd, line) == len(line)
        os.fsync(self._fd)


def confirmations(directory: Path) -> list[Confirmation]:
    """The last confirmation of each epoch, the newest last, from all journals of a directory."""
    found: dict[str, Confirmation] = {}
    for path in directory.glob("*.journal"):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):  # the last may be cut off by a kill: nobody was told of it
                epoch, *numbers = line.split()
                found[epoch] = Confirmation(epoch, *map(int, numbers))
    return sorted(found.values(), key=lambda each: each.epoch.rsplit("-", 1)[1])
