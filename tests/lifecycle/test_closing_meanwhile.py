"""The client is closed in another thread, at each step of what this one asks: an answer or an error, never a crash."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

import pytest

from aeron_py import Client, CncFile, Image, MediaDriver, Subscription
from aeron_py.archive.child import ChildProcess
from tests.stepping import at_each_step
from tests.streams import await_room, send
from tests.waiting import wait_until

PATIENCE = 60
IPC = "aeron:ipc?term-length=64k"
UDP = "aeron:udp?endpoint=localhost:0|term-length=64k"


def closing(
    driver: MediaDriver, add: Callable[[contextlib.ExitStack, Client], Any], use: Callable[[Any], object]
) -> int:
    """Close a client at each step of what is done with something that belongs to it; how many steps there are."""

    def make(stack: contextlib.ExitStack) -> tuple[Callable[[], object], Callable[[], object]]:
        client = stack.enter_context(Client.connect(driver.aeron_dir, driver_timeout=PATIENCE))
        thing = add(stack, client)
        return lambda: use(thing), client.close

    steps = at_each_step(make)
    assert steps
    return steps


def set_value(counter: Any) -> None:
    counter.value = 7


def add_image(stack: contextlib.ExitStack, client: Client) -> Image:
    publication = stack.enter_context(client.add_exclusive_publication(IPC, 3))
    subscription = stack.enter_context(client.add_subscription(IPC, 3))
    image = wait_until(lambda: subscription.images)[0]
    await_room(publication)
    send(publication, b"something")
    return image


@pytest.mark.parametrize(
    "use",
    [
        lambda counter: counter.value,
        set_value,
        lambda counter: counter.add(1),
        lambda counter: counter.compare_and_set(0, 1),
        lambda counter: counter.is_closed,
        lambda counter: counter.close(),
        lambda counter: counter._client.counters.value(counter.counter_id, counter.registration_id),
        lambda counter: counter._client.counters.read(counter.counter_id),
        lambda counter: counter._client.counters.list(1001),
        lambda counter: counter._client.counters.ids(1001),
    ],
    ids=["value", "set", "add", "compare-and-set", "is-closed", "close", "value-by-id", "read", "list", "ids"],
)
def test_of_counters(driver: MediaDriver, use: Callable[[Any], object]) -> None:
    closing(driver, lambda stack, client: client.add_counter(1001, "mine"), use)


@pytest.mark.parametrize(
    "use",
    [lambda client: client.next_correlation_id(), lambda client: client.is_closed],
    ids=["next-correlation-id", "is-closed"],
)
def test_of_a_client(driver: MediaDriver, use: Callable[[Any], object]) -> None:
    closing(driver, lambda stack, client: client, use)


@pytest.mark.parametrize(
    "use",
    [
        lambda subscription: subscription.registration_id,
        lambda subscription: subscription.channel_status,
        lambda subscription: subscription.resolved_channel,
        lambda subscription: subscription.local_addresses,
        lambda subscription: subscription.is_connected,
        lambda subscription: subscription.images,
        lambda subscription: subscription.poll_batch(),
        lambda subscription: subscription.close(),
    ],
    ids=[
        "registration-id",
        "channel-status",
        "resolved-channel",
        "addresses",
        "is-connected",
        "images",
        "poll",
        "close",
    ],
)
def test_of_a_subscription(driver: MediaDriver, use: Callable[[Subscription], object]) -> None:
    closing(driver, lambda stack, client: client.add_subscription(UDP, 2), use)


@pytest.mark.parametrize(
    "use",
    [
        lambda image: image.block_poll(),
        lambda image: image.reject("no more"),
        lambda image: image.active_transport_count,
        lambda image: image.position,
        lambda image: image.closed,
        lambda image: image.close(),
    ],
    ids=["block-poll", "reject", "transports", "position", "closed", "close"],
)
def test_of_an_image(driver: MediaDriver, use: Callable[[Image], object]) -> None:
    closing(driver, add_image, use)


@pytest.mark.parametrize(
    "use",
    [
        lambda file: file.heartbeat,
        lambda file: file.errors(),
        lambda file: file.losses(),
        lambda file: file.streams(),
        lambda file: file.counters.read(0),
        lambda file: file.info(),
    ],
    ids=["heartbeat", "errors", "losses", "streams", "read", "info"],
)
def test_of_a_driver_s_file(driver: MediaDriver, use: Callable[[CncFile], object]) -> None:
    def make(stack: contextlib.ExitStack) -> tuple[Callable[[], object], Callable[[], object]]:
        file = stack.enter_context(CncFile.open(driver.aeron_dir))
        return lambda: use(file), file.close

    assert at_each_step(make)


@pytest.mark.parametrize(
    "use",
    [lambda child: child.status, lambda child: child.send_signal(0)],
    ids=["status", "send-signal"],
)
def test_of_a_child_process(use: Callable[[ChildProcess], object]) -> None:
    def make(stack: contextlib.ExitStack) -> tuple[Callable[[], object], Callable[[], object]]:
        output = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, output)
        child = ChildProcess(["/bin/sleep", "60"], output=output)
        return lambda: use(child), lambda: child.stop(0)

    assert at_each_step(make)
