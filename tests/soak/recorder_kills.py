"""kill -9 of recorder, archive, driver and publishers every few seconds under load; after each all is checked."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from aeron_py.archive.verify import verify_archive
from tests.faults.killing import Killable, pause
from tests.faults.power import check_power_cut
from tests.faults.told import Checker
from tests.interop.java import java

VICTIMS = {"recorder": 4, "archive": 4, "publisher": 2, "driver": 2, "all": 2}
POWER_CUT = 0.3
"""How often it is checked, when all is killed, what a power cut would have left."""
AT_ONCE = 0.3
"""How often the next kill comes while all is still starting."""


def main(minutes: float, seed: int) -> None:
    """Kill for so long.

    Args:
        minutes: how long.
        seed: of all that is random.
    """
    base = Path(tempfile.mkdtemp(prefix="aeron-py-soak-"))
    shared = Path(tempfile.mkdtemp(prefix="aeron-py-soak-", dir="/dev/shm"))
    try:
        _kill(base, shared / "aeron", time.monotonic() + 60 * minutes, seed)
    except BaseException:
        print(f"all files are kept in {base}", flush=True)
        raise
    else:
        shutil.rmtree(base)
    finally:
        shutil.rmtree(shared, ignore_errors=True)


def _kill(base: Path, aeron_dir: Path, until: float, seed: int) -> None:
    kills: Counter[str] = Counter()
    committed = cuts = 0
    with Killable(base, aeron_dir, seed, publishers=3, streams=4, pause=0.02, more="rotate_interval: 15s") as node:
        checker = Checker(node.archive_dir, node.rows)
        checker.await_more(node.look_after)
        while time.monotonic() < until:
            node.look_after()
            (victim,) = node.random.choices(list(VICTIMS), VICTIMS.values())
            node.kill(victim)
            kills[victim] += 1
            if victim in ("archive", "driver", "all"):
                committed += checker.check_committed()
            if victim == "all" and node.random.random() < POWER_CUT:
                check_power_cut(node, base / "cut")
                shutil.rmtree(base / "cut")
                cuts += 1
            if victim == "all" and node.random.random() < 0.5:
                node.start_recorder()  # before all that it needs
            node.start()
            if node.random.random() < AT_ONCE:
                pause(node.random.uniform(0, 1))
                continue
            began = time.monotonic()
            checker.await_more(node.look_after)
            print(f"{victim}: goes on after {time.monotonic() - began:.1f} s; {checker.check()}", flush=True)
            pause(node.random.uniform(0, 3))
        checker.await_more(node.look_after)
        node.stop()
        print(f"in order: {checker.check(whole=True)}", flush=True)
    damaged = [verdict for verdict in verify_archive(node.archive_dir) if not verdict.ok]
    assert not damaged, damaged
    with java("io.aeron.archive.ArchiveTool", base / "verify", {}, str(node.archive_dir), "verify") as tool:
        tool.process.wait()
    errors = [line for line in tool.output.splitlines() if "ERR" in line]
    wrong = [line for line in errors if not _ends_with_its_segment(line) and not _asks(line)]
    assert not wrong and " OK" in tool.output, "\n".join(wrong) or tool.output
    print(f"ArchiveTool finds nothing wrong; kills: {dict(kills)}; power cuts: {cuts}", flush=True)
    print(f"positions that were committed and are there: {committed}", flush=True)
    print(f"ended by themselves, and were started again: {len(node.ended)}", *node.ended, sep="\n", flush=True)


def _asks(line: str) -> bool:
    """Whether ArchiveTool asks about a last fragment of which all on a later page is zero.

    It can't tell whether that was written; the file system could, when the archive was started again.
    """
    return "Please choose the corrective action" in line


def _ends_with_its_segment(line: str) -> bool:
    """Whether ArchiveTool only misses the next segment, which an archive that was killed had not yet made."""
    found = re.search(r"stopPosition=(\d+) exceed max segment file position=(\d+)", line)
    return found is not None and int(found[1]) == int(found[2]) + 1
