"""Two processes, one sends as fast as it can, the other receives: messages a second as the receiver sees them."""

from __future__ import annotations

import array
import itertools
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from common import (
    LIMIT,
    PROGRAMS,
    TERM,
    Peer,
    Row,
    Settings,
    c_peer,
    channel,
    closing,
    driver,
    free_port,
    medians,
    pin,
    rounds,
    serve,
    stream,
    worker,
)

EACH_LIMIT = 256
"""Fragments a poll that makes objects, for ours and pyaeron: the default of poll_payloads."""
BLOCK = 4096
"""Messages an `offer_block`."""


def connect(directory: str, library: str) -> Any:
    if library == "pyaeron":
        import pyaeron

        return pyaeron.Aeron(dir=directory)
    import aeron_py as aeron

    return aeron.Client.connect(directory)


def send_blocks(publication: Any, size: int) -> Callable[[int], None]:
    """`offer_block`: what does not go in is offered again."""
    data = bytes(size * BLOCK)
    offsets = memoryview(array.array("q", range(0, size * BLOCK + 1, size)))

    def send(count: int) -> None:
        offer = publication.offer_block
        while count > 0:
            begin, end = 0, min(count, BLOCK)
            while begin < end:
                begin += offer(data, offsets[begin : end + 1])
            count -= end

    return send


def send_each(publication: Any, size: int) -> Callable[[int], None]:
    """One message at a time, ours: negative results are offered again."""
    data = bytes(size)

    def send(count: int) -> None:
        offer = publication.offer_nowait
        for _ in itertools.repeat(None, count):
            while offer(data) < 0:
                pass

    return send


def send_pyaeron(publication: Any, size: int) -> Callable[[int], None]:
    data = bytes(size)

    def send(count: int) -> None:
        offer = publication.offer
        for _ in itertools.repeat(None, count):
            while not offer(data):
                pass

    return send


def receive_batches(subscription: Any) -> Callable[[], int]:
    poll = subscription.poll_batch
    return lambda: len(poll(LIMIT))


def receive_bytes(subscription: Any) -> Callable[[], int]:
    poll = subscription.poll_payloads
    return lambda: len(poll(EACH_LIMIT))


def receive_pyaeron(subscription: Any) -> Callable[[], int]:
    poll = subscription.poll

    def keep(view: Any, header: Any) -> None:
        view.tobytes()

    return lambda: poll(keep, EACH_LIMIT)


SENDERS = {"batch": send_blocks, "each": send_each, "pyaeron": send_pyaeron}
RECEIVERS = {"batch": receive_batches, "each": receive_bytes, "pyaeron": receive_pyaeron}


def timed(count: int, once: Callable[[], int]) -> dict[str, Any]:
    """From the first poll that finds something until all came."""
    before = time.perf_counter()
    got = 0
    while not got:
        before = time.perf_counter()
        got = once()
    while got < count:
        got += once()
    return {"seconds": time.perf_counter() - before}


def main(role: str, kind: str, directory: str, where: str, stream_id: int, size: int) -> None:
    if kind == "zmq":
        return main_zmq(role, where, size)
    with connect(directory, kind) as client:
        if role == "publish":
            end = client.add_exclusive_publication(where, stream_id)
            send = SENDERS[kind](end, size)

            def act(line: str) -> dict[str, Any]:
                send(int(line))
                return {}

        else:
            end = client.add_subscription(where, stream_id)
            once = RECEIVERS[kind](end)

            def act(line: str) -> dict[str, Any]:
                return timed(int(line), once)

        while not end.is_connected:
            time.sleep(0.005)
        serve(act)
        end.close()
    return None


def main_zmq(role: str, where: str, size: int) -> None:
    import zmq

    with zmq.Context() as context, context.socket(zmq.PUSH if role == "publish" else zmq.PULL) as sock:
        if role == "publish":
            sock.bind(where)
            data = bytes(size)

            def act(line: str) -> dict[str, Any]:
                for _ in itertools.repeat(None, int(line)):
                    sock.send(data)
                return {}

        else:
            sock.connect(where)

            def act(line: str) -> dict[str, Any]:
                return timed(int(line), lambda: 1 if sock.recv() else 0)

        serve(act)


class Pair:
    """A sender and a receiver of one kind."""

    def __init__(self, kind: str, directory: str, medium: str, size: int, seconds: float) -> None:
        stream_id = stream()
        if kind == "zmq":
            where = f"ipc:///{directory}-zmq-{stream_id}" if medium == "IPC" else f"tcp://127.0.0.1:{free_port()}"
        else:
            where = channel(medium)
        if kind == "C":
            self.receiver = c_peer("subscribe", directory, where, stream_id, size, LIMIT)
            self.sender = c_peer("publish", directory, where, stream_id, size, LIMIT)
        else:
            self.receiver = worker("throughput.py", "subscribe", kind, directory, where, stream_id, size)
            self.sender = worker("throughput.py", "publish", kind, directory, where, stream_id, size)
        self.seconds = seconds
        self.count = 20_000

    def transfer(self) -> float:
        pin(self.sender.process.pid, 0)
        pin(self.receiver.process.pid, 1)
        self.receiver.tell(self.count)
        self.sender.tell(self.count)
        taken: float = self.receiver.answer()["seconds"]
        self.sender.answer()
        rate = self.count / taken
        self.count = max(2000, int(rate * self.seconds))
        return rate

    def warm_up(self) -> None:
        for _ in range(2):  # the first time shows how many messages the wanted time takes
            self.transfer()


def sample_rate(directory: str, seconds: float) -> float:
    """What Aeron's own samples reach over IPC with their 32 bytes."""
    where, stream_id = channel("IPC"), stream()
    arguments = ["-c", where, "-s", str(stream_id), "-p", directory]
    receiver = subprocess.Popen(
        [str(PROGRAMS / "rate_subscriber"), *arguments, "-f", str(LIMIT)], stdout=subprocess.DEVNULL
    )
    try:
        time.sleep(0.2)
        sender = subprocess.run(
            [str(PROGRAMS / "streaming_exclusive_publisher"), *arguments, "-m", str(int(2e7 * seconds) + 1000)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        )
        found = re.search(r"([\d.e+]+) msgs/sec", sender.stdout)
        assert found, sender.stdout
        return float(found[1])
    finally:
        receiver.send_signal(signal.SIGINT)
        receiver.wait(15)


def compare(settings: Settings, medium: str, size: int) -> list[Row]:
    kinds = ["C", "batch", "each", "zmq", *(["pyaeron"] if settings.pyaeron else [])]
    with driver("SHARED") as directory:
        pairs = {kind: Pair(kind, directory, medium, size, settings.seconds) for kind in kinds}
        ends: list[Peer] = [end for pair in pairs.values() for end in (pair.sender, pair.receiver)]
        with closing(*ends):
            for pair in pairs.values():
                pair.warm_up()
            measures = {kind: pair.transfer for kind, pair in pairs.items()}
            if medium == "IPC" and size == 32:
                measures["sample"] = lambda: sample_rate(directory, settings.seconds)
            rate = {kind: value / 1e6 for kind, value in medians(rounds(settings.rounds, measures)).items()}
    first = medium == "IPC" and size == 32
    shown = ("Two processes", medium, size)

    def row(what: str, ours: str, anchor: str, name: str, goal: float | None = None) -> Row:
        group, where, length = shown
        return Row(
            group,
            what,
            where,
            length,
            "M msg/s",
            rate[ours],
            name,
            rate.get(anchor),
            goal=goal,
            headline=goal is not None,
        )

    batch, each = "`offer_block` → `poll_batch`", "`offer` → `poll_payloads`"
    rows = [row(batch, "batch", "C", "C client", 0.7 if first else None)]
    if first:
        rows.append(row(batch, "batch", "sample", "Aeron's C samples"))
    rows += [
        row(each, "each", "pyaeron", "pyaeron"),
        row(each, "each", "zmq", "pyzmq (ipc)" if medium == "IPC" else "pyzmq (tcp)"),
    ]
    return rows


def run(settings: Settings) -> list[Row]:
    return [row for medium in ("IPC", "UDP") for size in settings.sizes for row in compare(settings, medium, size)]


def note() -> str:
    return (
        f"terms of {TERM[:-1]} MiB for every peer, at most {LIMIT} fragments a poll into batches and in C,\n"
        f"{EACH_LIMIT} where each message becomes an object, {BLOCK} messages a block"
    )


if __name__ == "__main__":
    role, kind, directory, where, stream_id, size = sys.argv[1:]
    main(role, kind, directory, where, int(stream_id), int(size))
