"""The driver is killed while every kind of wait is pending: each wakes with the reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

import aeron_py as aeron
from tests.driver_process import DriverProcess
from tests.processes import standing_still

pytestmark = pytest.mark.timeout(170)

# Short, for the tests: the client gives up when the driver has been silent for so long.
TIMEOUT = 5.0
LONG = 90
IPC = "aeron:ipc?term-length=64k"


class Waits:
    """Tasks that wait, and what ended each."""

    def __init__(self) -> None:
        self.ended: dict[str, Exception] = {}
        self.begun = 0

    async def wait(self, name: str, call: Callable[[], Awaitable[object]]) -> None:
        self.begun += 1
        try:
            await call()
        except aeron.AeronError as error:
            self.ended[name] = error


async def test_every_wait_ends_with_the_reason(tmp_path: Path) -> None:
    waits = Waits()
    with DriverProcess(tmp_path / "aeron") as driver:
        async with aeron.AsyncClient.connect(
            driver.aeron_dir, driver_timeout=TIMEOUT, error_handler=lambda error: None
        ) as client:
            full = await client.add_exclusive_publication(IPC, 1)
            silent = await client.add_subscription(IPC, 1)
            alone = await client.add_publication(IPC, 2)
            quiet = await client.add_subscription(IPC, 3)
            batches = await client.add_subscription(IPC, 4)
            counter = await client.add_counter(1001, "mine")
            await full.wait_connected()
            while full.offer_nowait(bytes(1000)) != aeron.OfferResult.BACK_PRESSURED:
                pass
            calls: dict[str, Callable[[], Awaitable[object]]] = {
                "back pressure": lambda: full.send(bytes(1000)),
                "no subscriber": lambda: alone.send(b"x", wait_connected=True),
                "connected": alone.wait_connected,
                "receive": quiet.receive,
                "batch": batches.receive_batch,
                "images": batches.image_events().__anext__,
                "counter": lambda: counter.wait_until(5),
            }
            with anyio.fail_after(LONG):
                async with anyio.create_task_group() as tasks:
                    for name, call in calls.items():
                        tasks.start_soon(waits.wait, name, call)
                    await anyio.wait_all_tasks_blocked()
                    driver.kill()
                    tasks.start_soon(waits.wait, "add", lambda: client.add_subscription(IPC, 5, timeout=LONG))
                    tasks.start_soon(
                        waits.wait, "destination", lambda: silent.add_destination("aeron:udp?endpoint=127.0.0.1:9")
                    )
            assert waits.ended.keys() == {*calls, "add", "destination"}
            for name in calls:
                assert isinstance(waits.ended[name], aeron.DriverTimeoutError), (name, waits.ended[name])
                assert driver.aeron_dir in str(waits.ended[name])
                assert waits.ended[name].recovery is aeron.Recovery.RECONNECT  # type: ignore[attr-defined]
            with pytest.raises(aeron.DriverTimeoutError):
                await silent.receive()


async def test_adds_at_a_driver_that_stands_still(tmp_path: Path) -> None:
    with DriverProcess(tmp_path / "aeron") as driver:
        async with aeron.AsyncClient.connect(driver.aeron_dir, driver_timeout=LONG) as client:
            with standing_still(driver.pid):
                for add in (client.add_subscription, client.add_publication, client.add_exclusive_publication):
                    with pytest.raises(aeron.TimedOutError, match=driver.aeron_dir):
                        await add("aeron:ipc", 1, timeout=0.05)
                    with anyio.move_on_after(0.05) as scope:
                        await add("aeron:ipc", 1)
                    assert scope.cancelled_caught
            with anyio.fail_after(LONG):
                async with (
                    client.add_subscription("aeron:ipc", 2),
                    client.add_publication("aeron:ipc", 2) as publication,
                ):
                    await publication.wait_connected()
                # What was given up went away again when the driver went on.
                while [counter for counter in client.counters if " 1 aeron:ipc" in counter.label]:
                    await anyio.sleep(0.02)


async def test_archive_waits_end_with_the_reason(tmp_path: Path) -> None:
    waits = Waits()
    with (
        DriverProcess(tmp_path / "aeron") as driver,
        aeron.ArchiveServer.launch(tmp_path / "archive", driver.aeron_dir, timeout=LONG) as server,
    ):
        async with (
            aeron.AsyncClient.connect(
                driver.aeron_dir, driver_timeout=TIMEOUT, error_handler=lambda error: None
            ) as client,
            client.archive(server.archive_context(), timeout=LONG) as archive,
            client.add_publication(IPC, 1) as publication,
        ):
            await archive.start_recording("aeron:ipc", 1)
            await publication.wait_connected()
            first = await archive.await_recorded(publication, timeout=LONG)
            assert first >= 0
            with anyio.fail_after(LONG):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(waits.wait, "signals", archive.recording_signals().__anext__)
                    tasks.start_soon(
                        waits.wait, "recorded", lambda: archive.await_recorded(publication, 1 << 30, timeout=LONG)
                    )
                    await anyio.wait_all_tasks_blocked()
                    driver.kill()
                    tasks.start_soon(waits.wait, "list", lambda: archive.list_recordings(timeout=LONG))
            assert isinstance(waits.ended["recorded"], aeron.AeronError)
            with pytest.raises(aeron.AeronError):
                await archive.list_recordings()
