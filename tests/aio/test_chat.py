"""Fifty tasks talk over ten streams and are cancelled at random: nothing is lost, doubled or leaked."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from collections import defaultdict
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

import aeron_py as aeron

pytestmark = pytest.mark.timeout(170)

SECONDS = float(os.environ.get("AERON_PY_CHAT_SECONDS", "2"))
STREAMS = 10
SENDERS = 4


class Stream:
    """Four senders and one receiver; every sender numbers its messages."""

    def __init__(self, client: aeron.AsyncClient, stream_id: int, seed: int) -> None:
        self.client = client
        self.stream_id = stream_id
        self.random = random.Random(seed)
        self.sent = [0] * SENDERS
        self.received: dict[int, list[int]] = defaultdict(list)
        self.stop = False

    async def send(self, number: int) -> None:
        """Sends until told to stop; a message whose send was cancelled goes out with the next send."""
        async with self.client.add_publication("aeron:ipc?term-length=64k", self.stream_id) as publication:
            while not self.stop:
                with anyio.move_on_after(self.random.choice((0, 0.0001, 0.001, 1))):
                    data = b"%d %d" % (number, self.sent[number])
                    await publication.send(data.ljust(self.random.choice((16, 200, 1000))), wait_connected=True)
                    self.sent[number] += 1
                if self.random.random() < 0.002:
                    with anyio.move_on_after(self.random.choice((0, 0.005, 0.03))):
                        async with self.client.add_subscription("aeron:ipc", 9000 + self.stream_id):
                            pass
                await checkpoint()

    async def receive(self, subscription: aeron.AsyncSubscription, done: anyio.Event) -> None:
        """Receives one by one or in batches until all that was sent is there."""
        while not (done.is_set() and self.counts() == self.sent):
            with anyio.move_on_after(self.random.choice((0, 0.0001, 0.001, 0.1))):
                if self.random.random() < 0.5:
                    self.take((await subscription.receive()).payload)
                else:
                    for message in await subscription.receive_batch(self.random.choice((1, 10, 1000))):
                        self.take(message.payload)

    def take(self, payload: bytes) -> None:
        number, count = payload.split()
        self.received[int(number)].append(int(count))

    def counts(self) -> list[int]:
        return [len(self.received[number]) for number in range(SENDERS)]


def resources() -> tuple[int, int]:
    """Descriptors and threads of this process."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))


def leaked(before: tuple[int, int]) -> list[str]:
    """What there is more than before."""
    descriptors, threads = resources()
    if descriptors <= before[0] and threads <= before[1]:
        return []
    return [*map(str, Path("/proc/self/fd").iterdir()), *(thread.name for thread in threading.enumerate())]


async def chat(client: aeron.AsyncClient, seconds: float, base: int) -> int:
    """Returns the number of messages exchanged, after checking each."""
    done = anyio.Event()
    streams = [Stream(client, base + index, seed=base * 1000 + index) for index in range(STREAMS)]
    async with anyio.create_task_group() as receivers:
        subscriptions = [await client.add_subscription("aeron:ipc", stream.stream_id) for stream in streams]
        for stream, subscription in zip(streams, subscriptions, strict=True):
            receivers.start_soon(stream.receive, subscription, done)
        with anyio.fail_after(60 + seconds):
            async with anyio.create_task_group() as senders:
                for stream in streams:
                    for number in range(SENDERS):
                        senders.start_soon(stream.send, number)
                await anyio.sleep(seconds)
                for stream in streams:
                    stream.stop = True
        done.set()
    for subscription in subscriptions:
        await subscription.aclose()
    for stream in streams:
        for number in range(SENDERS):
            assert stream.received[number] == list(range(stream.sent[number]))
    return sum(sum(stream.sent) for stream in streams)


@pytest.mark.timeout(SECONDS * 2 + 170)
async def test_chat_of_fifty_tasks_loses_doubles_and_leaks_nothing(driver: aeron.MediaDriver) -> None:
    async with aeron.AsyncClient.connect(driver.aeron_dir) as client:
        assert await chat(client, 0.5, base=1000) > 0  # what is made once is there afterwards
        before = resources()
        assert await chat(client, SECONDS, base=2000) > 0
        deadline = time.monotonic() + 60
        while (more := leaked(before)) and time.monotonic() < deadline:
            await anyio.sleep(0.05)
        assert not more
    assert Path(driver.aeron_dir).exists()
