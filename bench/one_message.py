"""What one call costs in processor time: a process offers bursts to itself, offering and polling are timed apart."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

from common import TERM, Row, Settings, closing, driver, medians, rounds, serve, stream, worker

BURST_BYTES = 4 << 20
"""What one burst takes of the log, a quarter of its term: it never meets back pressure."""
POLL_LIMIT = 256
"""Fragments a poll, for both."""


def burst(size: int) -> int:
    return BURST_BYTES // ((size + 32 + 31) & ~31)


class Ours:
    """One stream of ours, both ends."""

    def __init__(self, client: Any, stream_id: int) -> None:
        import aeron_py as aeron

        channel = f"aeron:ipc?term-length={TERM}"
        self.turn, self.full = aeron.AdminActionError, aeron.BackPressuredError
        self.subscription = client.add_subscription(channel, stream_id)
        self.publication = client.add_exclusive_publication(channel, stream_id)
        while not self.publication.is_connected:
            time.sleep(0.001)
        self.taken: list[bytes] = []

    def offer(self, data: bytes, count: int) -> None:
        offer, calls = self.publication.offer, itertools.repeat(None, count)
        while True:
            try:
                for _ in calls:
                    offer(data)
                return
            except self.turn:  # the log turned to its next term: one call for nothing
                continue
            except self.full:
                return

    def poll(self) -> Callable[[], int]:
        poll = self.subscription.poll
        return lambda: poll(ignore, POLL_LIMIT)

    def into_bytes(self) -> Callable[[], int]:
        poll, taken = self.subscription.poll_payloads, self.taken

        def once() -> int:
            found = poll(POLL_LIMIT)
            taken.extend(found)
            return len(found)

        return once

    def empty(self, count: int) -> None:
        poll = self.subscription.poll
        for _ in itertools.repeat(None, count):
            poll(ignore, POLL_LIMIT)


class Pyaeron(Ours):
    """The same with pyaeron."""

    def __init__(self, client: Any, stream_id: int) -> None:
        channel = f"aeron:ipc?term-length={TERM}"
        self.subscription = client.add_subscription(channel, stream_id)
        self.publication = client.add_exclusive_publication(channel, stream_id)
        self.publication.await_connected()
        self.taken = []

    def offer(self, data: bytes, count: int) -> None:
        offer = self.publication.offer
        for _ in itertools.repeat(None, count):
            offer(data)

    def poll(self) -> Callable[[], int]:
        poll = self.subscription.poll
        return lambda: poll(ignore, POLL_LIMIT)

    def into_bytes(self) -> Callable[[], int]:
        poll, taken = self.subscription.poll, self.taken

        def keep(view: Any, header: Any) -> None:
            taken.append(view.tobytes())

        return lambda: poll(keep, POLL_LIMIT)


def ignore(*message: object) -> None:
    pass


def measure(lines: Ours, what: str, size: int, seconds: float) -> float:
    """Nanoseconds for one message (or one empty poll)."""
    count, spent, done = burst(size), 0, 0
    data = bytes(size)
    if what == "empty":
        start = time.thread_time_ns()
        lines.empty(200_000)
        return (time.thread_time_ns() - start) / 200_000
    ignored, kept = lines.poll(), lines.into_bytes()
    until = time.monotonic() + seconds
    while time.monotonic() < until or not done:  # the other side gives up if nothing works
        start = time.thread_time_ns()
        lines.offer(data, count)
        offered = time.thread_time_ns()
        once = kept if what == "bytes" else ignored
        found = 0
        while more := once():
            found += more
        polled = time.thread_time_ns()
        lines.taken.clear()
        time.sleep(0.003)  # lets the driver see what was read
        if found < count * 0.99:  # it had not seen it: some offers were refused, and took less time
            time.sleep(0.03)
            continue
        spent += offered - start if what == "offer" else polled - offered
        done += count if what == "offer" else found
    return spent / done


def main(library: str, directory: str, seconds: float, streams: dict[int, int]) -> None:
    client: Any
    if library == "ours":
        import aeron_py as aeron

        client, kind = aeron.Client.connect(directory), Ours
    else:
        import pyaeron

        client, kind = pyaeron.Aeron(dir=directory), Pyaeron
    with client:
        lines = {size: kind(client, stream_id) for size, stream_id in streams.items()}

        def act(line: str) -> dict[str, Any]:
            what, _, size = line.partition(" ")
            return {"ns": measure(lines[int(size)], what, int(size), seconds)}

        serve(act)
        for line in lines.values():
            line.publication.close()
            line.subscription.close()


def run(settings: Settings) -> list[Row]:
    rows = []
    libraries = ["ours", "pyaeron"] if settings.pyaeron else ["ours"]
    with driver() as directory:
        peers = {
            library: worker(
                "one_message.py", library, directory, settings.seconds, *[f"{s}={stream()}" for s in settings.sizes]
            )
            for library in libraries
        }
        with closing(*peers.values()):
            for what, size in [("empty", 32), *itertools.product(("offer", "poll", "bytes"), settings.sizes)]:
                taken = medians(
                    rounds(
                        settings.rounds,
                        {
                            name: lambda peer=peer: peer.ask(f"{what} {size}")["ns"]  # type: ignore[misc]  # noqa: B023
                            for name, peer in peers.items()
                        },
                    )
                )
                rows.append(row(what, size, taken["ours"], taken.get("pyaeron")))
    return rows


def row(what: str, size: int, ours: float, peer: float | None) -> Row:
    if what == "empty":
        return Row(
            "One message at a time",
            "`poll` that finds nothing",
            "IPC",
            0,
            "ns",
            ours,
            "pyaeron",
            peer,
            less_is_better=True,
        )
    names = {
        "offer": ("`offer`", 0.5),
        "poll": ("`poll` with a handler that gets a `Message`, pyaeron's a view for the moment", None),
        "bytes": ("receive as `bytes` objects", 1.2),
    }
    name, goal = names[what]
    return Row(
        "One message at a time",
        name,
        "IPC",
        size,
        "M msg/s",
        1e3 / ours,
        "pyaeron",
        1e3 / peer if peer else None,
        goal=goal,
        aim=1.0 if what == "offer" else None,
        headline=size == 32 and goal is not None,
    )


if __name__ == "__main__":
    main(
        sys.argv[1], sys.argv[2], float(sys.argv[3]), {int(s): int(i) for s, i in (a.split("=") for a in sys.argv[4:])}
    )
