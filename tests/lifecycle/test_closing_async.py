"""A client of tasks is closed in another thread at many steps of what a task does: an answer or an error, no crash."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

import anyio
import pytest

from aeron_py import ArchivingMediaDriver, AsyncArchive, AsyncClient, MediaDriver
from tests.nodes import CLIENT_TIMEOUT
from tests.stepping import SOME, Counted, Meanwhile

IPC = "aeron:ipc?term-length=64k"
STREAMS = count(600)

Thing = Any
Opened = contextlib.AbstractAsyncContextManager[tuple[AsyncClient, Thing]]


async def closing(opened: Callable[[], Opened], use: Callable[[Thing], Awaitable[object]]) -> None:
    counted = Counted()
    async with opened() as (_, thing):
        with counted.tracing:
            await use(thing)
    assert counted.steps
    for step in range(0, counted.steps, max(1, counted.steps // SOME)):
        async with opened() as (client, thing):
            with Meanwhile(step, client.sync.close) as meanwhile:
                await use(thing)
        meanwhile.check()


async def park(wait: Awaitable[object]) -> None:
    with anyio.move_on_after(0.01):
        await wait


async def use_image_events(subscription: Any) -> None:
    async for _ in subscription.image_events():
        return


async def add_and_close(adding: Any) -> None:
    async with adding:
        pass


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize(
    ("add", "use"),
    [
        (lambda client: client.add_counter(1001, "mine"), lambda counter: park(counter.wait_until(5))),
        (lambda client: client.add_subscription(IPC, 1), lambda subscription: park(subscription.receive())),
        (lambda client: client.add_subscription(IPC, 1), lambda subscription: park(use_image_events(subscription))),
        (lambda client: client.add_publication(IPC, 2), lambda publication: park(publication.wait_connected())),
        (lambda client: client, lambda client: add_and_close(client.add_publication(IPC, 3))),
        (lambda client: client, lambda client: add_and_close(client.add_subscription(IPC, 3))),
        (lambda client: client, lambda client: client.next_session_id(3)),
    ],
    ids=["counter", "receive", "image-events", "connected", "add-publication", "add-subscription", "next-session-id"],
)
def test_of_nouns(driver: MediaDriver, backend: str, add: Callable[[AsyncClient], Any], use: Any) -> None:
    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[tuple[AsyncClient, Thing]]:
        async with AsyncClient.connect(driver.aeron_dir, driver_timeout=CLIENT_TIMEOUT) as client:
            thing = add(client)
            yield client, thing if thing is client else await thing

    anyio.run(closing, opened, use, backend=backend)


async def record(archive: AsyncArchive) -> None:
    async with archive.add_recorded_exclusive_publication(IPC, next(STREAMS)) as publication:
        await archive.await_recorded(publication)


async def signals(archive: AsyncArchive) -> None:
    async for _ in archive.recording_signals():
        return


@pytest.mark.parametrize(
    "use",
    [record, lambda archive: park(signals(archive)), lambda archive: archive.list_recordings()],
    ids=["record", "signals", "list"],
)
def test_of_an_archive(node: ArchivingMediaDriver, use: Callable[[AsyncArchive], Awaitable[object]]) -> None:
    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[tuple[AsyncClient, Thing]]:
        async with (
            AsyncClient.connect(node.aeron_dir, driver_timeout=CLIENT_TIMEOUT) as client,
            client.archive(node.archive_context(), timeout=CLIENT_TIMEOUT) as archive,
        ):
            yield client, archive

    anyio.run(closing, opened, use, backend="trio")
