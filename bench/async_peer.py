"""The processes of the asynchronous benchmarks: they wait in an event loop, and send to those that do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from common import serve

LENGTH = 32
CHANNEL = "aeron:ipc?term-length=1m"
WAITERS = 10


def stamp() -> bytes:
    return struct.pack("q", time.monotonic_ns()) + bytes(LENGTH - 8)


def age(payload: bytes) -> int:
    return time.monotonic_ns() - int(struct.unpack_from("q", payload)[0])


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def tick(kind: str, directory: str, where: str) -> None:
    """Send one message, which says when, for each line."""
    if kind == "ours":
        import aeron_py as aeron

        with (
            aeron.Client.connect(directory) as client,
            client.add_exclusive_publication(CHANNEL, int(where)) as publication,
        ):
            while not publication.is_connected:
                time.sleep(0.005)
            serve(lambda line: {"position": publication.offer(stamp())})
    elif kind == "zmq":
        import zmq

        with zmq.Context() as context, context.socket(zmq.PUSH) as sock:
            sock.bind(where)
            serve(lambda line: {"sent": sock.send(stamp())})
    else:
        event = int(where)
        serve(lambda line: {"sent": os.write(event, struct.pack("Q", time.monotonic_ns()))})


async def receive(kind: str, directory: str, where: str) -> None:
    """Tell how old each message is when it comes."""
    if kind == "ours":
        import aeron_py as aeron

        async with (
            aeron.AsyncClient.connect(directory) as client,
            client.add_subscription(CHANNEL, int(where)) as subscription,
        ):
            say({"ready": True})
            while True:
                say({"ns": age((await subscription.receive()).payload)})
    elif kind == "zmq":
        with zmq_socket("PULL") as sock:
            sock.connect(where)
            say({"ready": True})
            while True:
                say({"ns": age(await sock.recv())})
    else:
        import trio

        event = int(where)
        os.set_blocking(event, False)
        say({"ready": True})
        while True:
            await trio.lowlevel.wait_readable(event)
            say({"ns": time.monotonic_ns() - os.eventfd_read(event)})


async def ping(kind: str, directory: str, where: str) -> None:
    """A line says how many round trips; in between the event loop stands still."""

    async def trips(send: Callable[[bytes], Awaitable[object]], receive: Callable[[], Awaitable[object]]) -> None:
        message = bytes(LENGTH)
        say({"ready": True})
        for line in sys.stdin:
            taken = []
            for _ in range(int(line)):
                start = time.perf_counter_ns()
                await send(message)
                await receive()
                taken.append(time.perf_counter_ns() - start)
            say({"ns": statistics.median(taken)})
        await send(b".")

    await both_ways(kind, directory, where, 1, trips)


async def pong(kind: str, directory: str, where: str) -> None:
    """Answer until a short message comes."""

    async def answer(send: Callable[[Any], Awaitable[object]], receive: Callable[[], Awaitable[Any]]) -> None:
        say({"ready": True})
        while True:
            message = await receive()
            payload = message if kind == "zmq" else message.payload
            if len(payload) < LENGTH:
                return
            await send(payload)

    await both_ways(kind, directory, where, -1, answer)


async def both_ways(kind: str, directory: str, where: str, side: int, act: Callable[..., Awaitable[None]]) -> None:
    if kind == "zmq":
        with zmq_socket("PAIR") as sock:
            (sock.connect if side > 0 else sock.bind)(where)
            await act(sock.send, sock.recv)
        return
    import aeron_py as aeron

    async with (
        aeron.AsyncClient.connect(directory) as client,
        client.add_subscription(CHANNEL, int(where) * side) as subscription,
        client.add_exclusive_publication(CHANNEL, -int(where) * side) as publication,
    ):
        await publication.wait_connected()
        await subscription.wait_connected()
        await act(publication.send, subscription.receive)


async def idle(kind: str, directory: str, where: str) -> None:
    """Ten tasks that wait for what never comes."""
    import trio

    async with contextlib.AsyncExitStack() as stack, trio.open_nursery() as nursery:
        waits: list[Callable[[], Awaitable[object]]] = []
        if kind == "ours":
            import aeron_py as aeron

            client = await stack.enter_async_context(aeron.AsyncClient.connect(directory))
            for number in range(WAITERS):
                at = int(where) * 100 + number
                waits.append((await client.add_subscription(CHANNEL, at)).receive)
                await (await client.add_exclusive_publication(CHANNEL, at)).wait_connected()
        else:
            for event in [os.eventfd(0) for _ in range(WAITERS)]:
                waits.append(lambda event=event: trio.lowlevel.wait_readable(event))  # type: ignore[misc]
        for wait in waits:
            nursery.start_soon(wait)
        say({"ready": True})


@contextlib.contextmanager
def zmq_socket(kind: str) -> Any:
    import zmq.asyncio

    with zmq.asyncio.Context() as context, context.socket(getattr(zmq, kind)) as sock:
        yield sock


def main(role: str, kind: str, backend: str, directory: str, where: str) -> None:
    import anyio

    if role == "tick":
        tick(kind, directory, where)
        return
    roles = {"receive": receive, "ping": ping, "pong": pong, "idle": idle}

    async def until_told() -> None:
        """Until done or SIGTERM, and then everything is closed in order: cut off, it would disturb the next run."""
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                    async for _ in signals:
                        group.cancel_scope.cancel()

            group.start_soon(watch)
            await roles[role](kind, directory, where)
            group.cancel_scope.cancel()

    anyio.run(until_told, backend=backend)


if __name__ == "__main__":
    main(*sys.argv[1:])
