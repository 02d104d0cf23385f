"""Random kills under load: what was confirmed as recorded is read back once, in order, byte for byte.

A driver, an archive, publishers and subscribers, each a process of its own, are killed, stopped for a while or both,
and started again. What publishers were told is recorded they wrote down outside of all that; at the end it is compared.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aeron_py import AeronError, Archive, ArchiveServer, Client, RecordingReader
from tests.driver_process import DriverProcess
from tests.faults.recording import message
from tests.soak.journal import Confirmation, confirmations
from tests.soak.publisher import CHANNEL, number_of

ROOT = Path(__file__).parents[2]
# A machine may be busy, and Java cold.
START = 300.0
PUBLISHERS, SUBSCRIBERS = 2, 2
LIVENESS = 5.0
# Seconds that an archive has to notice that its driver is gone, and to end.
ARCHIVE_ENDS = 90.0
_DRIVER = {
    "client_liveness_timeout": LIVENESS,
    "publication_unblock_timeout": 2 * LIVENESS,
    "driver_timeout": LIVENESS,
    "ipc_term_buffer_length": 1 << 16,
    "term_buffer_length": 1 << 16,
}


def say(*words: object) -> None:
    print(time.strftime("%H:%M:%S"), *words, flush=True)


class Kills:
    """All processes of the run.

    Args:
        base: a directory for the recordings and the logs.
        shared: one in shared memory.
        seed: of the faults.
    """

    def __init__(self, base: Path, shared: Path, seed: int) -> None:
        self.base = base
        self.aeron_dir = shared / "aeron"
        self.archive_dir = base / "archive"
        self.random = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.driver: DriverProcess | None = None
        self.server: ArchiveServer | None = None
        self.peers: dict[str, subprocess.Popen[bytes]] = {}
        self.archive_down_since: float | None = None

    # -- starting

    def start_driver(self) -> None:
        self.driver = DriverProcess(self.aeron_dir, **_DRIVER).__enter__()

    def start_archive(self) -> None:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            self.server = ArchiveServer.launch(
                self.archive_dir,
                self.aeron_dir,
                timeout=START,
                segment_file_length=1 << 20,
                properties={"aeron.driver.timeout": str(int(LIVENESS * 1000))},
            )
        for warning in told:
            if issubclass(warning.category, RuntimeWarning):
                self.faults["a torn message was cut off"] += 1
                say(warning.message)

    def start_peer(self, name: str) -> None:
        kind, index = name.split("-")
        arguments = [str(self.aeron_dir), str(self.archive_dir)]
        arguments += [str(self.base / f"{name}.journal"), index] if kind == "publisher" else [str(self.base)]
        with (self.base / f"{name}.log").open("ab") as log:
            self.peers[name] = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", f"tests.soak.{kind}", *arguments],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def mend(self) -> None:
        """Start again what is not there."""
        if self.driver is None:
            self.start_driver()
        if self.server is not None and not self.server.is_running:
            say("the archive ended with", self.server.exit_status)
            self.server.close()
            self.server = None
        if self.server is None:
            self.start_archive()
        for name, process in list(self.peers.items()):
            status = process.poll()
            if status is not None:
                if status != -signal.SIGKILL:
                    tail = (self.base / f"{name}.log").read_text()[-2000:]
                    raise AssertionError(f"{name} ended by itself with {status}:\n{tail}")
                self.start_peer(name)

    def start(self) -> None:
        self.start_driver()
        self.start_archive()
        for index in range(PUBLISHERS):
            self.start_peer(f"publisher-{index}")
        for index in range(SUBSCRIBERS):
            self.start_peer(f"subscriber-{index}")

    # -- faults

    def pids(self) -> dict[str, int]:
        found = {name: process.pid for name, process in self.peers.items() if process.poll() is None}
        if self.driver is not None:
            found["driver"] = self.driver.pid
        if self.server is not None and self.server.is_running:
            found["archive"] = self.server.pid
        return found

    def fault(self) -> None:
        """One, of what there is."""
        kinds = self.random.choices(["driver", "archive", "publisher", "subscriber"], weights=[2, 4, 3, 3])
        pids = [(name, pid) for name, pid in self.pids().items() if name.split("-")[0] == kinds[0]]
        if not pids:
            return
        name, pid = self.random.choice(pids)
        how = self.random.choices(["killed", "stopped", "stopped, then killed"], weights=[4, 2, 1])[0]
        self.faults[f"{name.split('-')[0]} {how}"] += 1
        if how != "killed":
            pause = self.random.uniform(0.1, 2.5 * LIVENESS)
            say(name, how, f"for {pause:.1f} s")
            os.kill(pid, signal.SIGSTOP)
            time.sleep(pause)
            if how == "stopped":
                os.kill(pid, signal.SIGCONT)
                return
        else:
            say(name, how)
        os.kill(pid, signal.SIGKILL)
        if name == "driver":
            assert self.driver is not None
            self.driver.__exit__(None, None, None)
            self.driver = None
            self._archive_ends()
        elif name == "archive":
            assert self.server is not None
            server = self.server
            await_true(lambda: not server.is_running, 30, "a killed archive ends")
        else:
            self.peers[name].wait(30)

    def _archive_ends(self) -> None:
        """An archive ends by itself when its driver does not come back; or is killed as well."""
        server = self.server
        if server is None:
            return
        if self.random.random() < 0.5:
            await_true(lambda: not server.is_running, ARCHIVE_ENDS, "an archive without a driver ends")
        elif server.is_running:
            os.kill(server.pid, signal.SIGKILL)
            await_true(lambda: not server.is_running, 30, "a killed archive ends")

    def run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(self.random.choice([0.05, 0.5, 2.0, 6.0, 15.0]))
            self.fault()
            time.sleep(self.random.choice([0.0, 0.2, 3.0]))
            self.mend()

    # -- the end

    def stop_peers(self) -> None:
        for process in self.peers.values():
            process.kill()
            process.wait(30)
        self.peers.clear()

    def close(self) -> None:
        self.stop_peers()
        if self.server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.server.pid, signal.SIGCONT)
            self.server.close()
        if self.driver is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.driver.pid, signal.SIGCONT)
            self.driver.__exit__(None, None, None)

    def read_back(self) -> Counter[str]:
        """Compare all that was confirmed, as the archive replays it and as it lies on the disk."""
        read: Counter[str] = Counter()
        self.mend()
        assert self.server is not None
        with (
            Client.connect(self.aeron_dir, driver_timeout=START) as client,
            Archive.connect(client, self.server.archive_context(), timeout=START) as archive,
        ):
            for index, found in enumerate(confirmations(self.base)):
                expected = [message(number_of(found.epoch, number)) for number in range(found.count)]
                with (
                    archive.start_replay(
                        found.recording_id, CHANNEL, 50_000 + index, length=found.position, timeout=START
                    ) as replay,
                    replay.subscribe() as subscription,
                ):
                    replayed = [each.payload for each in subscription.messages(until=found.position, timeout=START)]
                _compare("replayed", found, replayed, expected)
                with RecordingReader(self.archive_dir, found.recording_id, limit=found.position) as reader:
                    stored = list(reader)
                _compare("stored", found, stored, expected)
                read["recordings"] += 1
                read["messages"] += len(expected)
                read["bytes"] += sum(map(len, expected))
        return read


def _compare(what: str, found: Confirmation, got: list[bytes], expected: list[bytes]) -> None:
    if got != expected:
        same = next((i for i, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), len(got))
        raise AssertionError(f"{found}: {what} differ from message {same} on; {len(got)} of {len(expected)}")


def await_true(condition: Callable[[], Any], timeout: float, what: str) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {timeout:g} s"
        time.sleep(0.02)


def main(minutes: float, seed: int) -> None:
    """Raises when something was lost, hung or crashed; the directory with the logs then stays."""
    base = Path(tempfile.mkdtemp(prefix="aeron-py-soak-"))
    shared = Path(tempfile.mkdtemp(prefix="aeron-py-soak-", dir="/dev/shm"))
    say(f"kills: {minutes:g} min, seed {seed}, in {base}")
    kills = Kills(base, shared, seed)
    try:
        kills.start()
        kills.run(minutes * 60)
        kills.stop_peers()
        read = kills.read_back()
    except AeronError as error:
        say("FAILED", repr(error), error)
        raise
    finally:
        kills.close()
        shutil.rmtree(shared, ignore_errors=True)
        say("faults:", ", ".join(f"{count} x {name}" for name, count in sorted(kills.faults.items())))
        say("seen:", seen(base))
    assert read["messages"], "nothing was confirmed"
    say("read back:", ", ".join(f"{count} {name}" for name, count in read.items()))
    shutil.rmtree(base)


def seen(base: Path) -> str:
    """Which errors the publishers and subscribers met, and how often."""
    errors: Counter[str] = Counter()
    for path in base.glob("*.log"):
        for line in path.read_text().splitlines():
            words = line.split()
            if len(words) > 2 and words[1].endswith("Error"):
                errors[f"{words[1]} ({words[2]})"] += 1
    return ", ".join(f"{count} x {name}" for name, count in sorted(errors.items()))
