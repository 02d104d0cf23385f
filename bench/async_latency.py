"""Waiting with `await`: wakes from idleness, round trips between two event loops, and what waiting costs."""

from __future__ import annotations

import os
import statistics
import sys
import time
from typing import Any

import async_peer
from common import (
    Peer,
    Row,
    Settings,
    c_peer,
    closing,
    cpu_seconds,
    driver,
    medians,
    percentile,
    pin,
    rounds,
    stream,
    worker,
)

CHANNEL = "aeron:ipc?term-length=1m"
IDLE = 0.1
"""Seconds between two messages of a kind."""
TICKS = 12
"""Wakes of each kind in one round."""
TRIPS = 400
"""Round trips of each kind in one round."""


def wakes(settings: Settings, directory: str) -> dict[str, dict[str, float]]:
    """Microseconds from before the offer to after the await, by kind."""
    event = os.eventfd(0)
    zmq = f"ipc://{directory}-wake"
    streams = {kind: stream() for kind in ("ours trio", "ours asyncio", "ours from C")}

    def receiver(kind: str, backend: str, where: object) -> Peer:
        fds = (event,) if kind == "eventfd" else ()
        return worker("async_peer.py", "receive", kind, backend, directory, where, fds=fds)

    receivers = {
        "ours trio": receiver("ours", "trio", streams["ours trio"]),
        "ours asyncio": receiver("ours", "asyncio", streams["ours asyncio"]),
        "ours from C": receiver("ours", "trio", streams["ours from C"]),
        "zmq": receiver("zmq", "asyncio", zmq),
        "eventfd": receiver("eventfd", "trio", event),
    }
    senders = {
        kind: worker("async_peer.py", "tick", "ours", "-", directory, streams[kind])
        for kind in ("ours trio", "ours asyncio")
    }
    senders["ours from C"] = c_peer("publish", directory, CHANNEL, streams["ours from C"], 32, 10)
    senders["zmq"] = worker("async_peer.py", "tick", "zmq", "-", directory, zmq)
    senders["eventfd"] = worker("async_peer.py", "tick", "eventfd", "-", directory, event, fds=(event,))
    taken: dict[str, list[float]] = {kind: [] for kind in receivers}
    with closing(*senders.values(), *receivers.values()):
        for turn in range(settings.rounds * TICKS + 2):
            for kind, peer in receivers.items():
                time.sleep(IDLE / len(receivers))
                senders[kind].ask(0)
                nanoseconds = peer.answer()["ns"]
                if turn >= 2:
                    taken[kind].append(nanoseconds / 1e3)
        for peer in receivers.values():  # the ends of their pipes tell them
            peer.process.terminate()
    os.close(event)
    return {kind: {"p50": statistics.median(values), "p90": percentile(values, 90)} for kind, values in taken.items()}


def trips(settings: Settings, directory: str) -> dict[str, float]:
    """Microseconds of a round trip between two event loops on two cores: the median of the rounds' medians."""
    kinds = {
        "ours trio": ("ours", "trio", stream()),
        "ours asyncio": ("ours", "asyncio", stream()),
        "zmq": ("zmq", "asyncio", f"ipc://{directory}-trip"),
    }
    pongs = {
        name: worker("async_peer.py", "pong", kind, backend, directory, at)
        for name, (kind, backend, at) in kinds.items()
    }
    pings = {
        name: worker("async_peer.py", "ping", kind, backend, directory, at)
        for name, (kind, backend, at) in kinds.items()
    }
    with closing(*pings.values(), *pongs.values()):
        for ping in pings.values():
            pin(ping.process.pid, 0)
            ping.ask(TRIPS // 4)
        for pong in pongs.values():
            pin(pong.process.pid, 1)
        return medians(
            rounds(
                settings.rounds,
                {name: lambda ping=ping: ping.ask(TRIPS)["ns"] / 1e3 for name, ping in pings.items()},  # type: ignore[misc]
            )
        )


def idle_cpu(settings: Settings, directory: str) -> dict[str, float]:
    """Percent of a core that ten waiters take, by kind, over the same seconds."""
    seconds = 2.0 if settings.quick else 5.0
    peers = {kind: worker("async_peer.py", "idle", kind, "trio", directory, stream()) for kind in ("ours", "eventfd")}
    with closing(*peers.values()):
        time.sleep(1)  # what starting costs is over
        before = {kind: cpu_seconds(peer.process.pid) for kind, peer in peers.items()}
        start = time.perf_counter()
        time.sleep(seconds)
        taken = time.perf_counter() - start
        found = {kind: (cpu_seconds(peer.process.pid) - before[kind]) / taken * 100 for kind, peer in peers.items()}
        for peer in peers.values():
            peer.process.terminate()
    return found


def row(what: str, unit: str, ours: float, name: str, anchor: float, **goal: Any) -> Row:
    return Row(
        "Waiting with `await`",
        what,
        "IPC",
        async_peer.LENGTH,
        unit,
        ours,
        name,
        anchor,
        less_is_better=True,
        headline=bool(goal),
        **goal,
    )


def run(settings: Settings) -> list[Row]:
    with driver() as directory:
        wake = wakes(settings, directory)
        trip = trips(settings, directory)
        idle = idle_cpu(settings, directory)
    rows = []
    for kind, shown in (("ours trio", "trio"), ("ours asyncio", "asyncio")):
        goal = {"goal": 1.5} if kind == "ours trio" else {}
        for part in ("p50", "p90"):
            what = f"wake after {IDLE * 1e3:.0f} ms, {shown}, {part}"
            rows.append(
                row(
                    what,
                    "µs",
                    wake[kind][part],
                    "eventfd, trio",
                    wake["eventfd"][part],
                    **goal if part == "p50" else {},
                )
            )
            rows.append(row(what, "µs", wake[kind][part], "zmq.asyncio", wake["zmq"][part]))
    what = "wake by a publisher in C, which rings no bell, p50"
    rows.append(row(what, "µs", wake["ours from C"]["p50"], "eventfd, trio", wake["eventfd"]["p50"]))
    rows += [
        row(f"round trip, {shown}, p50", "µs", trip[kind], "zmq.asyncio", trip["zmq"], goal=0.5)
        for kind, shown in (("ours trio", "trio"), ("ours asyncio", "asyncio"))
    ]
    rows.append(
        row("ten that wait: processor", "% of a core", idle["ours"], "ten eventfds", idle["eventfd"], bound=1.0)
    )
    return rows


if __name__ == "__main__":
    sys.exit("run bench/run.py --only async_latency")
