"""What a power cut leaves of an archive directory: all that was forced to the disk, and any pages of the rest."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from aeron_py.recorder import Committed, read_committed
from aeron_py.recorder.entries import CLOSED_BODY, EntryKind
from aeron_py.recorder.timeindex import TimeIndex
from tests.faults.killing import TIMEOUT, Killable
from tests.faults.told import Checker
from tests.waiting import wait_until

_PAGE = 4096


def cut_power(archive_dir: Path, copy: Path, chance: random.Random) -> Committed:
    """Copy a directory in which nothing runs any more, as a power cut would have left it.

    Args:
        archive_dir: of an archive that was killed; ``committed.json`` says what is safe in it.
        copy: made.
        chance: which of the other pages are lost, and which files.

    Returns:
        What is safe.
    """
    committed = read_committed(archive_dir)
    assert committed is not None
    safe = {**_closed(archive_dir, committed), **committed.recordings, committed.journal: committed.journal_position}
    copy.mkdir()
    for path in archive_dir.iterdir():
        if path.is_dir():
            shutil.copytree(path, copy / path.name)
            continue
        if path.suffix != ".rec":
            shutil.copy2(path, copy)
            continue
        recording_id, base = (int(each) for each in path.stem.split("-"))
        kept = safe.get(recording_id, 0)
        if kept <= base and chance.random() < 0.3:
            continue
        with path.open("rb") as source, (copy / path.name).open("wb") as target:
            data = source.read()
            for begin in range(0, len(data), _PAGE):
                page = data[begin : begin + _PAGE]
                left = min(max(0, kept - base - begin), len(page))
                if left < len(page) and chance.random() < 0.5:
                    page = page[:left]
                if page:
                    target.seek(begin)
                    target.write(page)
            target.truncate(len(data))
    return committed


def _closed(archive_dir: Path, committed: Committed) -> dict[int, int]:
    """What had ended, and was told so, when the last flush was done: all of it is safe."""
    with TimeIndex.open(archive_dir) as index:
        told = {each.recording_id: each.journal for each in index.streams}
        journals = {each.journal for each in index.streams} - {committed.journal}
    with TimeIndex.open(archive_dir, [committed.journal]) as index:
        ids = {each.index: each.recording_id for each in index.streams}
        ended = {
            ids[CLOSED_BODY.unpack_from(entry.body)[0]]
            for entry in index.records(EntryKind.CLOSED)
            if entry.position < committed.journal_position
        }
    older = {each for each, journal in told.items() if journal < committed.journal}
    return dict.fromkeys(ended | older | {each for each in journals if each < committed.journal}, 1 << 62)


def check_power_cut(node: Killable, base: Path) -> None:
    """With what a power cut would have left, an archive and a recorder go on, and tell of all that was safe.

    Args:
        node: all of it was killed.
        base: for the copy; made.
    """
    base.mkdir()
    committed = cut_power(node.archive_dir, base / "archive", node.random)
    with Killable(base, node.aeron_dir.with_name("cut"), node.random.randrange(1 << 32), publishers=0) as after:
        wait_until(lambda: after.recorder_runs, TIMEOUT)
        Checker(after.archive_dir, node.rows).check_safe(committed)
