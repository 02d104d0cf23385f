"""Publications, subscriptions and counters that wait."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio.testing
from anyio.lowlevel import checkpoint

import aeron_py as aeron
from aeron_py.aio._wait import Watch

pytestmark = pytest.mark.timeout(170)

PUB_POS = aeron.CounterType.PUBLISHER_POSITION
LONG = 60
IPC = "aeron:ipc?term-length=64k"


def connect(driver: aeron.MediaDriver, **settings: Any) -> Any:
    return aeron.AsyncClient.connect(driver.aeron_dir, driver_timeout=LONG, **settings)


async def test_messages_come_in_order_and_whole(driver: aeron.MediaDriver) -> None:
    payloads = [bytes([number % 256]) * (number * 37 % 5000) for number in range(1, 400)]
    received: list[bytes] = []
    async with connect(driver) as client, client.add_subscription(IPC, 1) as subscription:

        async def receive() -> None:
            async for message in subscription:
                received.append(message.payload)
                if len(received) == len(payloads):
                    return

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks, client.add_exclusive_publication(IPC, 1) as publication:
                tasks.start_soon(receive)
                for payload in payloads:
                    await publication.send(payload, wait_connected=True)
    assert received == payloads


async def test_send_waits_for_a_slow_receiver(driver: aeron.MediaDriver) -> None:
    async with (
        connect(driver) as client,
        client.add_subscription(IPC, 1) as subscription,
        client.add_publication(IPC, 1) as publication,
    ):
        sent: list[int] = []

        async def send(task: int) -> None:
            for number in range(60):
                await publication.send(b"%d %d" % (task, number) + bytes(1000), 7)
                sent.append(number)

        with anyio.fail_after(LONG):
            await publication.wait_connected()
            async with anyio.create_task_group() as tasks:
                for task in range(3):
                    tasks.start_soon(send, task)
                await anyio.wait_all_tasks_blocked()
                assert 0 < len(sent) < 180  # the window is 32 KiB
                received = [await subscription.receive() for _ in range(180)]
        assert {message.reserved_value for message in received} == {7}
        for task in range(3):
            mine = [int(m.payload.split(b"\0")[0].split()[1]) for m in received if m.payload[:1] == b"%d" % task]
            assert mine == list(range(60))


async def test_batches_and_many_at_once(driver: aeron.MediaDriver) -> None:
    async with (
        connect(driver) as client,
        client.add_subscription(IPC, 1) as subscription,
        client.add_exclusive_publication(IPC, 1) as publication,
    ):
        received: list[bytes] = []

        async def receive() -> None:
            while len(received) < 3000:
                batch = await subscription.receive_batch(100)
                assert len(batch) > 0
                received.extend(batch.payloads())

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(receive)
                end = await publication.send_many([b"%d" % n for n in range(3000)], wait_connected=True)
        assert end == publication.position
        assert received == [b"%d" % n for n in range(3000)]


async def test_who_always_sends_or_receives_lets_others_have_their_turn(driver: aeron.MediaDriver) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await checkpoint()
            turns += 1

    async with (
        connect(driver) as client,
        client.add_subscription(IPC, 1) as subscription,
        client.add_exclusive_publication(IPC, 1) as publication,
    ):
        await publication.wait_connected()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(others)
            for _ in range(200):
                await publication.send(b"x")
            assert turns >= 150
            turns = 0
            for _ in range(200):
                await subscription.receive()
            assert turns >= 150
            tasks.cancel_scope.cancel()


async def test_a_send_that_was_cancelled_has_not_been_published(driver: aeron.MediaDriver) -> None:
    """Wherever between two sends a task is cancelled, and also as asyncio's own tasks are."""
    async with (
        connect(driver) as client,
        client.add_subscription(IPC, 1) as subscription,
        client.add_exclusive_publication(IPC, 1) as publication,
    ):
        await publication.wait_connected()
        for turns in range(6):
            returned: list[int] = []

            async def send(returned: list[int] = returned) -> None:
                while True:
                    returned.append(await publication.send(b"x"))

            if trio.lowlevel.in_trio_task():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(send)
                    for _ in range(turns):
                        await checkpoint()
                    tasks.cancel_scope.cancel()
            else:
                task = asyncio.create_task(send())
                for _ in range(turns):
                    await checkpoint()
                task.cancel()
                await asyncio.wait([task])
            assert [message.position for message in subscription.poll_messages(100)] == returned


async def test_without_a_subscriber(driver: aeron.MediaDriver) -> None:
    async with connect(driver) as client, client.add_publication(IPC, 1) as publication:
        with pytest.raises(aeron.NotConnectedError):
            await publication.send(b"x")
        with anyio.move_on_after(0.05) as scope:
            await publication.send(b"x", wait_connected=True)
        assert scope.cancelled_caught

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(publication.wait_connected)
                await anyio.wait_all_tasks_blocked()
                async with client.add_subscription(IPC, 1) as subscription:
                    await publication.send(b"y", wait_connected=True)
                    assert (await subscription.receive()).payload == b"y"
                    with pytest.raises(aeron.PublicationError):
                        await publication.send(bytes(publication.max_message_length + 1), wait_connected=True)


async def test_one_task_at_a_time_receives(driver: aeron.MediaDriver) -> None:
    async with connect(driver) as client, client.add_subscription(IPC, 1) as subscription:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(subscription.receive)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(aeron.BusyError):
                await subscription.receive()
            with pytest.raises(aeron.BusyError):
                await subscription.receive_batch()
            tasks.cancel_scope.cancel()
        # The busy error took nothing from the other, nor does the cancellation leave it busy.
        async with client.add_publication(IPC, 1) as publication:
            with anyio.fail_after(LONG):
                await publication.send(b"x", wait_connected=True)
                assert (await subscription.receive()).payload == b"x"


@pytest.mark.parametrize("whole", [False, True], ids=["the thing", "the client"])
async def test_close_from_another_task_wakes_who_waits(driver: aeron.MediaDriver, whole: bool) -> None:
    async with connect(driver) as client:
        subscription = await client.add_subscription(IPC, 1)
        publication = await client.add_publication(IPC, 2)
        counter = await client.add_counter(1001, "mine")
        woken: list[str] = []

        async def wait(name: str, call: Callable[[], Awaitable[object]]) -> None:
            with pytest.raises(aeron.ClosedError):
                await call()
            woken.append(name)

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait, "receive", subscription.receive)
                tasks.start_soon(wait, "images", subscription.image_events().__anext__)
                tasks.start_soon(wait, "connected", publication.wait_connected)
                tasks.start_soon(wait, "send", lambda: publication.send(b"x", wait_connected=True))
                tasks.start_soon(wait, "counter", lambda: counter.wait_until(5))
                await anyio.wait_all_tasks_blocked()
                for thing in (client,) if whole else (subscription, publication, counter):
                    await thing.aclose()
                    await thing.aclose()
        assert sorted(woken) == ["connected", "counter", "images", "receive", "send"]
        with pytest.raises(aeron.ClosedError):
            await subscription.receive()
        with pytest.raises(aeron.ClosedError):
            await publication.send(b"x")


async def test_cancelled_adds_leave_nothing_behind(driver: aeron.MediaDriver) -> None:
    def descriptors() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    async with connect(driver) as client:
        children = len(client.sync._handle._children)
        before = descriptors()
        adds = [
            lambda: client.add_subscription("aeron:ipc", 3),
            lambda: client.add_publication("aeron:ipc", 3),
            lambda: client.add_exclusive_publication("aeron:ipc", 3),
            lambda: client.add_counter(1002, "cancelled"),
        ]
        for number in range(80):
            with anyio.move_on_after(number % 5 * 0.0003):
                thing = await adds[number % 4]()
                await thing.aclose()
        with anyio.fail_after(LONG):
            while (
                descriptors() > before
                or len(client.sync._handle._children) > children
                or [counter for counter in client.counters if counter.label == "cancelled"]
                or any(" 3 aeron:ipc" in each.label for each in client.counters.list(PUB_POS))
            ):
                await anyio.sleep(0.02)


async def test_refused_adds_raise(driver: aeron.MediaDriver) -> None:
    async with connect(driver) as client:
        with pytest.raises(aeron.AeronError):
            await client.add_subscription("aeron:udp?endpoint=no.such.host.invalid:4000", 1)
        with pytest.raises(aeron.SettingError):
            await client.add_subscription("aeron:ipc?term-lenght=64k", 1)
    with pytest.raises(aeron.DriverTimeoutError):
        await aeron.AsyncClient.connect(driver.aeron_dir + "-not", driver_timeout=0.1)
    with anyio.move_on_after(0.05) as scope:
        await aeron.AsyncClient.connect(driver.aeron_dir + "-not", driver_timeout=5)
    assert scope.cancelled_caught


async def test_images_come_and_go(driver: aeron.MediaDriver) -> None:
    async with connect(driver) as client, client.add_subscription(IPC, 1) as subscription:
        events: list[tuple[bool, int]] = []
        sessions: list[int] = []

        async def listen() -> None:
            async for event in subscription.image_events():
                events.append((event.available, event.image.session_id))
                if len(events) == 4:
                    return

        async def receive() -> None:
            await subscription.receive()

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                tasks.start_soon(receive)
                for _ in range(2):
                    async with client.add_exclusive_publication(IPC, 1) as publication:
                        sessions.append(publication.session_id)
                        await publication.wait_connected()
                        while (True, sessions[-1]) not in events:
                            await anyio.sleep(0.01)
                    while (False, sessions[-1]) not in events:
                        await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()
        assert events == [(True, sessions[0]), (False, sessions[0]), (True, sessions[1]), (False, sessions[1])]


async def test_over_udp_and_from_another_client(driver: aeron.MediaDriver) -> None:
    async with (
        connect(driver) as one,
        connect(driver) as other,
        one.add_subscription("aeron:udp?endpoint=127.0.0.1:0", 1) as subscription,
        other.add_publication(subscription.resolved_channel, 1) as publication,
    ):
        with anyio.fail_after(LONG):
            for number in range(20):
                await publication.send(b"%d" % number, wait_connected=True)
                assert (await subscription.receive()).payload == b"%d" % number


async def test_destinations(driver: aeron.MediaDriver) -> None:
    async with (
        connect(driver) as client,
        client.add_subscription("aeron:udp?endpoint=127.0.0.1:0", 1) as subscription,
        client.add_publication("aeron:udp?control-mode=manual", 1) as publication,
    ):
        with anyio.fail_after(LONG):
            await publication.add_destination(subscription.resolved_channel)
            await publication.send(b"x", wait_connected=True)
            assert (await subscription.receive()).payload == b"x"
            await publication.remove_destination(subscription.resolved_channel)


@pytest.mark.parametrize("strategy", ["spin", "yield", "sleep", "backoff"])
async def test_strategies_of_the_watcher(driver: aeron.MediaDriver, strategy: str) -> None:
    async with (
        connect(driver, watch_strategy=aeron.IdleStrategy.parse(strategy)) as client,
        client.add_subscription("aeron:udp?endpoint=127.0.0.1:0", 1) as subscription,
    ):
        with anyio.move_on_after(0.05):
            await subscription.receive()
        async with client.add_publication(subscription.resolved_channel, 1) as publication:
            with anyio.fail_after(LONG):
                await publication.send(b"x", wait_connected=True)
                assert (await subscription.receive()).payload == b"x"


async def test_a_counter_is_waited_for(driver: aeron.MediaDriver) -> None:
    async with connect(driver) as client, client.add_counter(1001, "mine", value=3) as counter:
        with anyio.fail_after(LONG):
            assert await counter.wait_until(3) == 3
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(counter.wait_until, 10)
                await anyio.wait_all_tasks_blocked()
                counter.add(7)


async def test_ten_idle_waiters_cost_next_to_nothing(driver: aeron.MediaDriver) -> None:
    async with connect(driver) as client:
        with anyio.fail_after(LONG):
            publications = [await client.add_publication(IPC, 100 + number) for number in range(10)]
            async with anyio.create_task_group() as tasks:
                for publication in publications:
                    subscription = await client.add_subscription(IPC, publication.stream_id)
                    await subscription.wait_connected()
                    tasks.start_soon(subscription.receive)
                await anyio.wait_all_tasks_blocked()
                watch: Watch = client._watch
                before, begin = watch.looks, time.monotonic()
                await anyio.sleep(1)
                # Its looks are what an idle client costs: at most one each 20 ms, and some to begin with.
                assert watch.looks - before <= 50 * (time.monotonic() - begin) + 50
                tasks.cancel_scope.cancel()


@pytest.mark.parametrize("backend", ["trio"])
async def test_every_call_is_a_checkpoint(driver: aeron.MediaDriver) -> None:
    async with connect(driver) as client:
        subscription = await client.add_subscription(IPC, 1)
        publication = await client.add_publication(IPC, 1)
        await publication.wait_connected()
        with trio.testing.assert_checkpoints():
            await publication.send(b"x")
        with trio.testing.assert_checkpoints():
            await publication.send_many([b"y", b"z", b"a"])
        with trio.testing.assert_checkpoints():
            await publication.wait_connected()
        with trio.testing.assert_checkpoints():
            await subscription.receive()
        with trio.testing.assert_checkpoints():
            await anext(aiter(subscription))
        with trio.testing.assert_checkpoints():
            await subscription.receive_batch(1)
        with trio.testing.assert_checkpoints():
            await anext(aiter(subscription.image_events()))
        with trio.testing.assert_checkpoints():
            await subscription.wait_connected()
        with trio.testing.assert_checkpoints():
            async with client.add_counter(1001, "mine") as counter:
                pass
        with trio.testing.assert_checkpoints():
            await counter.aclose()
        with trio.testing.assert_checkpoints():
            await subscription.aclose()
        with trio.testing.assert_checkpoints():
            await publication.aclose()
        with trio.testing.assert_checkpoints():
            await client.aclose()


async def test_what_is_neither_awaited_nor_entered_warns(driver: aeron.MediaDriver) -> None:
    async with connect(driver) as client:
        with pytest.warns(RuntimeWarning, match="add_subscription"):
            client.add_subscription(IPC, 1)
            gc.collect()


async def test_static_counters_and_session_ids(driver: aeron.MediaDriver) -> None:
    async with aeron.AsyncClient.connect(driver.aeron_dir) as client:
        async with client.add_static_counter(2001, "kept", registration_id=9) as counter:
            counter.value = 3
            assert await counter.wait_until(3) == 3
        assert await client.next_session_id(77) != await client.next_session_id(77)
