"""What asyncio's own cancellation, which no scope shields from, leaves of a send and of a receive."""

from __future__ import annotations

import asyncio

import anyio
import pytest

import aeron_py as aeron

LONG = 60
ROUNDS = 100
IPC = "aeron:ipc?term-length=64k"


# Trio has cancel scopes only.
@pytest.mark.parametrize("backend", ["asyncio"], indirect=True)
async def test_a_cancelled_task_loses_and_doubles_nothing(driver: aeron.MediaDriver, backend: str) -> None:
    sent: list[bytes] = []
    received: list[bytes] = []
    async with (
        aeron.AsyncClient.connect(driver.aeron_dir, driver_timeout=LONG) as client,
        client.add_subscription(IPC, 1) as subscription,
        client.add_exclusive_publication(IPC, 1) as publication,
    ):

        async def send(payload: bytes) -> None:
            await publication.send(payload, wait_connected=True)
            sent.append(payload)

        async def receive() -> None:
            received.append((await subscription.receive()).payload)

        async def cancelled_after(turns: int, task: asyncio.Task[None]) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

        with anyio.fail_after(LONG):
            await send(b"first")
            for number in range(ROUNDS):
                await cancelled_after(number % 5, asyncio.ensure_future(send(b"%d" % number)))
                await cancelled_after(number % 7, asyncio.ensure_future(receive()))
            await send(b"last")
            while received[-1:] != [b"last"]:
                await receive()
    assert len(sent) > 2
    assert received == sent
