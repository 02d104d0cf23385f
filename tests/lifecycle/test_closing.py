"""Closing: in every order, twice, by forgetting; and what use after it says."""

from __future__ import annotations

import gc
import itertools
import os
import random
import threading
import warnings
import weakref
from pathlib import Path
from typing import Any

import pytest

from aeron_py import (
    AeronError,
    Client,
    ClosedError,
    CountersReader,
    Image,
    MediaDriver,
)
from tests.living import nothing_lives_on
from tests.streams import await_room, send
from tests.waiting import wait_until


def open_all(driver: MediaDriver) -> dict[str, Any]:
    client = Client.connect(driver.aeron_dir)
    counter = client.add_counter(1001, "mine")
    exclusive = client.add_exclusive_publication("aeron:ipc", 1)
    publication = client.add_publication("aeron:ipc", 1)
    subscription = client.add_subscription("aeron:ipc", 1, on_available_image=print, on_unavailable_image=print)
    wait_until(lambda: len(subscription.images) == 2)
    return {
        "driver": driver,
        "client": client,
        "counter": counter,
        "exclusive": exclusive,
        "publication": publication,
        "subscription": subscription,
        "image": subscription.images[0],
        "file": CountersReader.open(driver.aeron_dir),
    }


def use(name: str, thing: Any) -> None:
    match name:
        case "client":
            thing.add_publication("aeron:ipc", 1, timeout=20)
        case "counter":
            thing.add(1)
        case "exclusive" | "publication":
            thing.offer(b"x")
        case "subscription":
            thing.poll(print)
            _ = thing.images
        case "image":
            thing.poll(print)
        case "file":
            thing.list()


# All 40,320 orders would take too long; these are others in no run.
ORDERS = [
    random.Random(seed).sample(
        ["driver", "client", "counter", "exclusive", "publication", "subscription", "image", "file"], 8
    )
    for seed in range(24)
]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "-".join(order))
def test_any_order(order: list[str]) -> None:
    driver = MediaDriver.launch(ipc_term_buffer_length=64 * 1024)
    things = open_all(driver)
    closed: set[str] = set()
    for name in order:
        things[name].close()
        things[name].close()
        closed.add(name)
        if name in ("client", "subscription"):
            closed.add("image")
        if name == "client":
            closed |= {"counter", "exclusive", "publication", "subscription"}
        for other in closed - {"driver"}:
            with pytest.raises(ClosedError):
                use(other, things[other])
    assert not Path(driver.aeron_dir).exists()
    assert all(thing.closed for thing in things.values())
    for thing in things.values():
        assert "(closed)" in repr(thing)


def test_use_after_close_says_what(driver: MediaDriver) -> None:
    client = Client.connect(driver.aeron_dir)
    client.close()
    with pytest.raises(ClosedError, match=r"client of .* is closed"), client:
        pass
    with pytest.raises(ClosedError):
        client.counters.list()
    with pytest.raises(ClosedError) as caught:
        client.add_subscription("aeron:ipc", 1)
    assert caught.value.operation == "add_subscription"


def test_what_is_closed_does_not_wait_for_the_garbage_collector(driver: MediaDriver) -> None:
    def once() -> None:
        things = open_all(driver)
        del things["driver"]
        send(things["publication"], b"x")
        # What was sent before on the same publication may come with it: the driver has it still.
        wait_until(things["subscription"].poll_payloads)
        for name in reversed(things):
            things[name].close()

    once()
    with nothing_lives_on():
        once()


def test_nothing_is_left() -> None:
    directories: list[Path] = []

    def once() -> None:
        things = open_all(MediaDriver.launch(ipc_term_buffer_length=64 * 1024))
        directories.append(Path(things["driver"].aeron_dir))
        for name in reversed(things):
            things[name].close()

    def descriptors() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    def threads() -> set[str]:
        return set(os.listdir("/proc/self/task"))  # noqa: PTH208

    once()
    descriptors_before, threads_before = descriptors(), threads()
    for _ in range(3):
        once()
    # A thread that has ended leaves /proc a moment after it was joined.
    wait_until(lambda: threads() <= threads_before)
    wait_until(lambda: descriptors() <= descriptors_before)
    assert not [directory for directory in directories if directory.exists()]


def test_mapped_files_go_with_what_they_belong_to(client: Client) -> None:
    def mapped() -> int:
        return sum(
            client.aeron_dir in line and ".logbuffer" in line
            for line in Path("/proc/self/maps").read_text().splitlines()
        )

    def once() -> None:
        with (
            client.add_exclusive_publication("aeron:ipc", 1) as publication,
            client.add_subscription("aeron:ipc", 1) as subscription,
        ):
            wait_until(lambda: publication.is_connected and subscription.images)

    for _ in range(3):
        once()
    wait_until(lambda: mapped() == 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda client: client.add_publication("aeron:ipc", 5),
        lambda client: client.add_exclusive_publication("aeron:ipc", 5),
        lambda client: client.add_subscription("aeron:ipc", 5, on_available_image=print),
        lambda client: client.add_counter(1001, "mine"),
        lambda client: Client.connect(client.aeron_dir),
        lambda client: CountersReader.open(client.aeron_dir),
        lambda client: MediaDriver.launch(),
    ],
    ids=["publication", "exclusive", "subscription", "counter", "client", "file", "driver"],
)
def test_forgotten(client: Client, make: Any) -> None:
    thing = make(client)
    handle, gone = thing._handle, weakref.ref(thing)
    with pytest.warns(ResourceWarning, match="unclosed"):
        del thing
        gc.collect()
    assert gone() is None
    assert handle.closed


def test_children_keep_their_client(driver: MediaDriver) -> None:
    publication = Client.connect(driver.aeron_dir).add_publication("aeron:ipc", 1)
    gc.collect()
    assert publication.position == 0
    client = publication._client
    publication.close()
    client.close()


def test_forgotten_all_at_once(driver: MediaDriver) -> None:
    things = open_all(driver)
    handles = [thing._handle for name, thing in things.items() if name != "driver"]
    # Not recorded: the record of a warning keeps what it is about alive.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del things
        gc.collect()
    assert [handle.description for handle in handles if not handle.closed] == []


def test_images_need_no_closing(client: Client) -> None:
    with (
        client.add_exclusive_publication("aeron:ipc", 3) as publication,
        client.add_subscription("aeron:ipc", 3) as subscription,
    ):
        wait_until(lambda: publication.is_connected)
        image: Image | None = subscription.images[0]
        assert image is not None
        image.close()
        assert image.closed
        # It is still there for its subscription: a new noun for it.
        assert subscription.images[0] is not image
        assert not subscription.images[0].closed
        image = None
        gc.collect()


def until_closed(call: Any, event: threading.Event, errors: list[BaseException]) -> None:
    try:
        for turn in itertools.count():
            call()
            if turn == 10:
                event.set()
    except BaseException as caught:
        errors.append(caught)
    finally:
        event.set()


def test_closing_while_others_poll_and_offer(driver: MediaDriver) -> None:
    """Whatever they are doing at that moment, they get an error and not a crash."""
    for _ in range(20):
        client = Client.connect(driver.aeron_dir)
        subscription = client.add_subscription("aeron:ipc", 9)
        publication = client.add_publication("aeron:ipc", 9)
        wait_until(lambda p=publication: p.is_connected)
        errors: list[BaseException] = []
        started = [threading.Event() for _ in range(3)]
        calls = [
            lambda s=subscription: s.poll_batch(),
            lambda p=publication: p.offer_nowait(bytes(100)),
            lambda c=client: c.counters.list(),
        ]
        threads = [
            threading.Thread(target=until_closed, args=(call, event, errors))
            for call, event in zip(calls, started, strict=True)
        ]
        for thread in threads:
            thread.start()
        for event in started:
            assert event.wait(60)
        client.close()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert len(errors) == 3
        assert all(isinstance(error, AeronError) for error in errors), errors


def test_closing_twice_at_once(driver: MediaDriver) -> None:
    for _ in range(20):
        client = Client.connect(driver.aeron_dir)
        publication = client.add_publication("aeron:ipc", 9)
        threads = [threading.Thread(target=client.close) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert client.closed
        assert publication.closed


def test_a_claim_outlives_its_publication(client: Client) -> None:
    with (
        client.add_subscription("aeron:ipc", 4) as subscription,
        client.add_exclusive_publication("aeron:ipc", 4) as publication,
    ):
        await_room(publication)
        claim = publication.try_claim(8)
        publication.close()
        with pytest.raises((AeronError, ValueError)):
            claim.commit()
        assert subscription.poll_payloads() == []


def test_a_batch_outlives_everything(driver: MediaDriver) -> None:
    with (
        Client.connect(driver.aeron_dir) as client,
        client.add_subscription("aeron:ipc", 4) as subscription,
        client.add_exclusive_publication("aeron:ipc", 4) as publication,
    ):
        send(publication, b"kept")
        batch = wait_until(subscription.poll_batch)
    data = batch.data
    del batch
    gc.collect()
    assert bytes(data) == b"kept"
