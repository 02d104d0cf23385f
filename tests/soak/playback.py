"""Fifty streams of Java, C and pyaeron programs, recorded and played: the time error at 1x stays under 3 ms (p99)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from aeron_py.client import Client
from aeron_py.recorder.playback.client import RecorderClient
from tests.interop.building import ROOT
from tests.interop.playing import (
    CONFIG,
    TIMEOUT,
    percentile,
    play,
    publish,
    publishers,
    recorded,
    recorded_batches,
    step,
)
from tests.interop.tables import dealt
from tests.recorder.recorders import Process, payloads
from tests.waiting import wait_until

PAUSE = 0.04
ERROR_MS = 3.0
PART = 99


def main(minutes: float, seed: int) -> None:
    """Record for a part of the time, then play it.

    Args:
        minutes: how long all of it takes, about.
        seed: not used: the publishers' rhythm is their own.
    """
    with tempfile.TemporaryDirectory(prefix="aeron-py-soak-") as directory:
        _record_and_play(Path(directory), max(5.0, 60 * minutes * 0.4))


def _record_and_play(base: Path, seconds: float) -> None:
    archive_dir, config = base / "archive", base / "recorder.yaml"
    config.write_text(CONFIG.format(archive_dir=archive_dir))
    batches_sent = max(1, int(seconds / PAUSE))
    streams = dealt(base, count=50, files=5, rows=4 * batches_sent)
    with Process("record", "--config", str(config)) as recorder:
        aeron_dir = recorder.told["aeron_dir"]
        with publishers(aeron_dir, streams, base, batches=batches_sent, pause=PAUSE, pyaeron=_pyaeron()) as programs:
            publish(programs)
        wait_until(lambda: recorded(archive_dir, streams), TIMEOUT, "all recorded")
        for stream in streams:
            stream.check(payloads(archive_dir, stream.stream_id))
        batches = recorded_batches(archive_dir)
        print(f"{len(batches)} batches; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
        with Client.connect(aeron_dir) as client, RecorderClient(client, timeout=TIMEOUT) as asking:
            played = [play(asking, aeron_dir, streams, batches, base, speed) for speed in (1, 10, "Unlimited")]
            print(*played, sep="\n", flush=True)
            step(asking, aeron_dir, batches, base, first=len(batches) // 3, count=200)
    found = percentile(played[0].errors_ms, PART)
    assert found < ERROR_MS, f"p{PART} of the time error is {found:.3f} ms: has the machine nothing else to do?"


def _pyaeron() -> Path | None:
    """An interpreter with pyaeron, in an environment of its own."""
    sys.path.append(str(ROOT / "bench"))
    from environment import PYAERON_NEEDS, choose_python

    base, version = choose_python()
    if version < PYAERON_NEEDS:
        print("no Python 3.12 or newer: nothing is published with pyaeron. Set BENCH_PYTHON to one to have it.")
        return None
    place = ROOT / "build" / "soak" / "venv"
    python = place / "bin" / "python"
    if not (place / "installed").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([base, "-m", "venv", place], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "pyaeron"], check=True)
        (place / "installed").touch()
    return python
