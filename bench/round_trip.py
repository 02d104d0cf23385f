"""There and back between two processes: Aeron's own cping and cpong, ours, pyaeron and pyzmq.

Over IPC both spin. Over UDP both yield while they wait, as the media driver needs a core, too."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from common import (
    PROGRAMS,
    Row,
    Settings,
    closing,
    driver,
    free_port,
    medians,
    percentile,
    pin,
    rounds,
    serve,
    stream,
    worker,
)
from throughput import connect

TERM = "1m"
PINGS = {"IPC": 20_000, "UDP": 3_000}
"""In one round, at most: what is ours to write also ends when the time is over."""
SECONDS = 0.5
PERCENTILES = ("p50", "p99", "p99.9")


def channel(medium: str) -> str:
    return (
        f"aeron:ipc?term-length={TERM}"
        if medium == "IPC"
        else f"aeron:udp?endpoint=127.0.0.1:{free_port()}|term-length={TERM}"
    )


def sides(ends: Any, kind: str, size: int, idle: Callable[[], None]) -> tuple[Callable[[], None], Callable[[], None]]:
    """One ping with its pong, and one turn of the side that answers."""
    publication, subscription = ends
    offer, message = publication.offer, bytes(size)
    if kind == "pyaeron":
        poll, came = subscription.poll, []

        def answer(view: Any, header: Any) -> None:
            while not offer(view):
                pass

        def keep(view: Any, header: Any) -> None:
            came.append(view.tobytes())

        def ping() -> None:
            while not offer(message):
                pass
            while not poll(keep):
                idle()
            came.clear()

        def pong() -> None:
            while not poll(answer):
                idle()

        return ping, pong

    offer, payloads = publication.offer_nowait, subscription.poll_payloads

    def ours() -> None:
        while offer(message) < 0:
            pass
        while not payloads():
            idle()

    def echo() -> None:
        while not (came := payloads()):
            idle()
        for payload in came:
            while offer(payload) < 0:
                pass

    return ours, echo


def spin() -> None:
    pass


def times(once: Callable[[], None], count: int, seconds: float) -> dict[str, Any]:
    clock, taken, until = time.perf_counter_ns, [], time.monotonic() + seconds
    for turn in range(count):
        start = clock()
        once()
        taken.append(clock() - start)
        if not turn % 64 and time.monotonic() > until:
            break
    return {name: percentile(taken, float(name[1:])) for name in PERCENTILES}


def main(role: str, kind: str, directory: str, there: str, back: str, stream_id: int, size: int) -> None:
    """``role`` is ping or pong; the pong side is told how many to answer."""
    if kind == "zmq":
        main_zmq(role, there, size)
        return
    with connect(directory, kind) as client:
        mine, other = (there, back) if role == "ping" else (back, there)
        mine_id, other_id = (stream_id, -stream_id) if role == "ping" else (-stream_id, stream_id)
        subscription = client.add_subscription(other, other_id)
        publication = client.add_exclusive_publication(mine, mine_id)
        while not (publication.is_connected and subscription.is_connected):
            time.sleep(0.005)
        ping, echo = sides((publication, subscription), kind, size, spin if "ipc" in there else os.sched_yield)
        if role == "ping":
            serve(lambda line: times(ping, int(line), SECONDS))
        else:
            serve_echo(echo)
        publication.close()
        subscription.close()


class Halted(Exception):
    """Enough answered."""


def serve_echo(turn: Callable[[], object]) -> None:
    """Answer until told to end: each line from stdin starts, SIGUSR1 stops until the next."""

    def halt(*_: object) -> None:
        raise Halted

    signal.signal(signal.SIGUSR1, halt)
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        print("{}", flush=True)
        with contextlib.suppress(Halted):
            while True:
                turn()
        print("{}", flush=True)


def main_zmq(role: str, where: str, size: int) -> None:
    import zmq

    with zmq.Context() as context, context.socket(zmq.PAIR) as sock:
        if role == "ping":
            sock.connect(where)
            message = bytes(size)

            def ping() -> None:
                sock.send(message)
                while not sock.poll(0):
                    pass
                sock.recv()

            serve(lambda line: times(ping, int(line), SECONDS))
            return
        sock.bind(where)

        def echo() -> None:
            if sock.poll(0):
                sock.send(sock.recv())

        serve_echo(echo)


class Loop:
    """A ping side and a pong side of one kind."""

    def __init__(self, kind: str, directory: str, medium: str, size: int) -> None:
        there, back, stream_id = channel(medium), channel(medium), stream()
        if kind == "zmq":
            there = f"ipc:///{directory}-zmq-{stream_id}" if medium == "IPC" else f"tcp://127.0.0.1:{free_port()}"
        arguments = (kind, directory, there, back, stream_id, size)
        self.count = PINGS[medium]
        self.pong = worker("round_trip.py", "pong", *arguments)
        self.ping = worker("round_trip.py", "ping", *arguments)

    def measure(self) -> dict[str, float]:
        self.pong.ask("go")
        try:
            for peer, core in ((self.ping, 0), (self.pong, 1)):
                pin(peer.process.pid, core)
            found: dict[str, float] = self.ping.ask(self.count)
        finally:
            self.pong.process.send_signal(signal.SIGUSR1)
            self.pong.answer()
        return found


def sample(directory: str, medium: str, size: int) -> dict[str, float]:
    """cping and cpong, new ones each time: that is how they are made."""
    streams = ["-c", channel(medium), "-s", str(stream()), "-C", channel(medium), "-S", str(stream()), "-p", directory]
    variant = "" if medium == "IPC" else "_yielding"
    count = str(PINGS[medium] // 2)
    pong = subprocess.Popen([str(PROGRAMS / f"cpong{variant}"), *streams], stdout=subprocess.DEVNULL)
    ping = subprocess.Popen(
        [str(PROGRAMS / f"cping{variant}"), *streams, "-L", str(size), "-w", count, "-m", count],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        pin(ping.pid, 0)
        pin(pong.pid, 1)
        output, _ = ping.communicate(timeout=60)
    finally:
        ping.kill()
        ping.wait()
        pong.send_signal(signal.SIGINT)
        pong.wait(20)
    line = next(line for line in output.splitlines() if line.startswith("{"))
    found: dict[str, float] = json.loads(line)
    return found


def compare(settings: Settings, medium: str, size: int) -> list[Row]:
    kinds = ["ours", "zmq", *(["pyaeron"] if settings.pyaeron else [])]
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in (*kinds, "C")}
    with driver() as directory:
        loops = {kind: Loop(kind, directory, medium, size) for kind in kinds}

        def measure(kind: str) -> float:
            once = sample(directory, medium, size) if kind == "C" else loops[kind].measure()
            found[kind].append(once)
            return once["p50"]

        with closing(*[end for loop in loops.values() for end in (loop.ping, loop.pong)]):
            for kind in kinds:
                loops[kind].measure()
            rounds(settings.rounds, {kind: lambda kind=kind: measure(kind) for kind in found})  # type: ignore[misc]
    microseconds = {
        kind: medians({name: [once[name] / 1e3 for once in all_of_it] for name in PERCENTILES})
        for kind, all_of_it in found.items()
    }
    names = {"C": "Aeron's cping", "pyaeron": "pyaeron", "zmq": "pyzmq"}
    rows = []
    for kind, name in names.items():
        for part in PERCENTILES if medium == "IPC" and size == 32 else ("p50",):
            goal = 1.7 if kind == "pyaeron" and part == "p50" and medium == "IPC" and size == 32 else None
            anchor = microseconds[kind][part] if kind in microseconds else None
            rows.append(
                Row(
                    "Round trip",
                    f"round trip, {'spinning' if medium == 'IPC' else 'yielding'}, {part}",
                    medium,
                    size,
                    "µs",
                    microseconds["ours"][part],
                    name,
                    anchor,
                    less_is_better=True,
                    goal=goal,
                    aim=1.0 if goal else None,
                    headline=goal is not None,
                )
            )
    return rows


def run(settings: Settings) -> list[Row]:
    sizes = [("IPC", size) for size in settings.sizes] + [("UDP", settings.sizes[0])]
    return [row for medium, size in sizes for row in compare(settings, medium, size)]


if __name__ == "__main__":
    role, kind, directory, there, back, stream_id, size = sys.argv[1:]
    main(role, kind, directory, there, back, int(stream_id), int(size))
