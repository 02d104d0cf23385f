"""What every benchmark uses: processes that are asked over a pipe, a driver, rounds, medians, rows of the table."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE.parent / "build" / "bench" / "c" / "bin"
SIZES = (32, 288, 1024)
TERM = "16m"
"""Term length of every stream whose rate is measured, for every peer."""
LIMIT = 4096
"""Fragments a poll, for C and for ours: the default of poll_batch."""
ANSWER_TIMEOUT = 90.0

_streams = itertools.count(1001)


def stream() -> int:
    """A stream id of nobody else in this run: a stream that was used before may still have a dead subscriber."""
    return next(_streams)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def channel(medium: str, term: str = TERM) -> str:
    """A channel over ``IPC`` or ``UDP`` (loopback)."""
    if medium == "IPC":
        return f"aeron:ipc?term-length={term}"
    return f"aeron:udp?endpoint=127.0.0.1:{free_port()}|term-length={term}"


@dataclass
class Settings:
    """How thorough a run is."""

    rounds: int = 5
    seconds: float = 0.3
    """Length of one measurement."""
    sizes: tuple[int, ...] = SIZES
    pyaeron: bool = True
    """Whether pyaeron can be imported here."""
    quick: bool = False


@dataclass
class Row:
    """One line of the table: what we did beside what the anchor did in the same rounds."""

    group: str
    what: str
    medium: str
    size: int
    unit: str
    ours: float
    anchor_name: str
    anchor: float | None
    less_is_better: bool = False
    goal: float | None = None
    """Of the ratio, at least (or at most where less is better)."""
    aim: float | None = None
    """What the ratio should come to after the goal."""
    headline: bool = False
    bound: float | None = None
    """A goal for our figure itself instead of the ratio."""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        return self.ours / self.anchor if self.anchor else None

    @property
    def met(self) -> bool | None:
        value, wanted = (self.ours, self.bound) if self.bound is not None else (self.ratio, self.goal)
        return self._reaches(value, wanted)

    @property
    def aim_met(self) -> bool | None:
        return self._reaches(self.ratio, self.aim)

    def _reaches(self, value: float | None, wanted: float | None) -> bool | None:
        if value is None or wanted is None:
            return None
        return value <= wanted if self.less_is_better else value >= wanted

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio, "met": self.met, "aim_met": self.aim_met}


class Peer:
    """A process that is told a line and answers with a JSON line."""

    def __init__(self, arguments: Sequence[str | Path | int], fds: Sequence[int] = ()) -> None:
        self.name = " ".join(str(argument) for argument in arguments[:4])
        self.process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            pass_fds=fds,
        )
        self.ready: dict[str, Any] = {}
        self._awaits_ready = True

    def await_ready(self) -> Peer:
        if self._awaits_ready:
            self.ready = self.answer()
            self._awaits_ready = False
        return self

    def tell(self, line: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout
        with killed_after(self.process, ANSWER_TIMEOUT):
            line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()} and without an answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, line: object) -> dict[str, Any]:
        self.tell(line)
        return self.answer()

    def close(self) -> None:
        """End its input: it closes what it has and ends."""
        if self.process.stdin and not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@contextlib.contextmanager
def killed_after(process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    """Kill the process if what is done meanwhile takes longer: a hang fails instead of lasting for ever."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def worker(file: str, *arguments: object, fds: Sequence[int] = ()) -> Peer:
    """A Python peer: ``file`` as a program with the arguments."""
    return Peer([sys.executable, str(HERE / file), *[str(argument) for argument in arguments]], fds)


def c_peer(*arguments: object) -> Peer:
    return Peer([PROGRAMS / "bench_peer", *[str(argument) for argument in arguments]])


def serve(act: Callable[[str], dict[str, Any]], **hello: Any) -> None:
    """The other side: answer each line from stdin until it ends."""
    print(json.dumps({"ready": True, **hello}), flush=True)
    for line in sys.stdin:
        print(json.dumps(act(line.strip())), flush=True)


@contextlib.contextmanager
def closing(*peers: Peer) -> Iterator[None]:
    """Close the peers, publishers before subscribers if they are named so."""
    try:
        for peer in peers:
            peer.await_ready()
        yield
    finally:
        for peer in peers:
            peer.close()


def udp_window() -> dict[str, str]:
    """As much in flight over UDP as sockets may buffer here: what does not fit is lost and sent again."""
    allowed = int(Path("/proc/sys/net/core/rmem_max").read_text())
    window = min(2 << 20, 1 << (allowed.bit_length() - 1))
    return {"aeron.socket.so_rcvbuf": str(window), "aeron.rcv.initial.window.length": str(window)}


@contextlib.contextmanager
def driver(threading_mode: str = "SHARED") -> Iterator[str]:
    """Aeron's own media driver, as a process: its directory."""
    parent = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())
    directory = Path(tempfile.mkdtemp(prefix="aeron-bench-", dir=parent)) / "driver"
    settings = {
        "aeron.dir": directory,
        "aeron.threading.mode": threading_mode,
        "aeron.term.buffer.sparse.file": "true",
        "aeron.dir.delete.on.shutdown": "true",
        "aeron.publication.linger.timeout": "100ms",
        **udp_window(),
    }
    process = subprocess.Popen(
        [str(PROGRAMS / "aeronmd_s"), *[f"-D{name}={value}" for name, value in settings.items()]],
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 30
        while not (directory / "cnc.dat").exists():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the media driver did not start")
            time.sleep(0.02)
        yield str(directory)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(directory.parent, ignore_errors=True)


def rounds(count: int, measures: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Call every measure once a round, one after the other, each round beginning with the next one: what disturbs the
    machine for a while then disturbs all of them."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    names = list(measures)
    for turn in range(count):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(measures[name]())
    return taken


def medians(taken: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in taken.items()}


def percentile(values: Sequence[float], part: float) -> float:
    """The value that so many of 100 do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part / 100))]


def pin(pid: int, core: int) -> None:
    """Keep a process's main thread on one core, so that two that spin never share one. The other threads stay free."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {cores[core % len(cores)]})


def cpu_seconds(pid: int) -> float:
    """Processor time that the threads of a process have used."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
