"""kill -9 of recorder, archive and driver at random moments under load: nothing torn, nothing twice, nothing lost."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py.recorder import read_committed
from tests.faults.killing import Killable, pause
from tests.faults.power import check_power_cut
from tests.faults.told import Checker
from tests.waiting import wait_until


@pytest.fixture
def aeron_dir() -> Iterator[Path]:
    """A directory in shared memory that is removed even when its driver could not."""
    base = Path(tempfile.mkdtemp(prefix="aeron-py-test-", dir="/dev/shm"))
    yield base / "aeron"
    shutil.rmtree(base, ignore_errors=True)


def test_recorder_or_archive_or_driver_killed_while_recording_under_load__nothing_is_lost(
    tmp_path: Path, aeron_dir: Path
) -> None:
    """Sees: what was killed has ended, the others wait for it; after a power cut the journal says what is committed.

    Kept: nothing is torn, twice or lost of what was told to be recorded.
    Recovers: start again what was killed, on the same directories.
    """
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    with Killable(tmp_path, aeron_dir, seed) as node:
        checker = Checker(node.archive_dir, node.rows)
        victims = ["recorder", "archive", "driver", "all"]
        node.random.shuffle(victims)
        checker.await_more(node.look_after)
        for victim in victims:
            pause(node.random.uniform(0, 0.7))
            node.look_after()
            if victim == "all":
                wait_until(lambda: read_committed(node.archive_dir) is not None)
            node.kill(victim)
            if victim == "all":
                assert checker.check_committed()
                check_power_cut(node, tmp_path / "cut")
            node.start()
            checker.await_more(node.look_after)
            print(victim, checker.check())
        node.stop()
        print(checker.check(whole=True))
