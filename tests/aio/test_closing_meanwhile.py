"""The client is closed, in a thread, at any moment of what many tasks do with it: each gets a ClosedError, no more."""

from __future__ import annotations

import gc
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

import aeron_py as aeron

pytestmark = pytest.mark.timeout(170)

SECONDS = float(os.environ.get("AERON_PY_RACE_SECONDS", "2"))
LONG = 60
IPC = "aeron:ipc?term-length=64k"


@pytest.fixture(autouse=True)
def threads_change_often() -> Iterator[None]:
    """So that the other thread gets in between any two steps."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


async def until_closed(call: Callable[[], Awaitable[object]], chance: random.Random) -> None:
    try:
        while True:
            with anyio.move_on_after(chance.choice((0, 0.0005, 0.003))):
                await call()
            await checkpoint()
    except aeron.ClosedError:
        pass


async def use_and_close(driver: aeron.MediaDriver, chance: random.Random) -> None:
    client = await aeron.AsyncClient.connect(driver.aeron_dir, driver_timeout=LONG)
    subscription = await client.add_subscription(IPC, 1)
    publication = await client.add_publication(IPC, 1)
    alone = await client.add_publication(IPC, 2)
    counter = await client.add_counter(1001, "mine")

    async def images() -> None:
        async for _ in subscription.image_events():
            pass

    async def subscribe() -> None:
        async with client.add_subscription(IPC, 3):
            pass

    async def publish() -> None:
        async with client.add_publication(IPC, 4):
            pass

    calls: list[Callable[[], Awaitable[object]]] = [
        images,
        alone.wait_connected,
        lambda: publication.send(bytes(500), wait_connected=True),
        lambda: counter.wait_until(5),
        subscribe,
        publish,
    ]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(until_closed, subscription.receive, chance)
        for call in calls * 2:
            tasks.start_soon(until_closed, call, chance)
        await anyio.sleep(chance.random() * 0.05)
        await client.aclose()


async def test_each_task_gets_a_closed_error(driver: aeron.MediaDriver) -> None:
    chance = random.Random(3)
    await use_and_close(driver, chance)
    before = descriptors()
    end = time.monotonic() + SECONDS
    with anyio.fail_after(LONG + SECONDS):
        while time.monotonic() < end:
            await use_and_close(driver, chance)
        while descriptors() > before + 2:  # threads that ran the close may keep something of their own
            await anyio.sleep(0.02)
