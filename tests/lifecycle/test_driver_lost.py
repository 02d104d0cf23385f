"""The driver is killed: every handle says so, nothing crashes, all of it can be closed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aeron_py import (
    AeronError,
    BackPressuredError,
    Client,
    ClosedError,
    DriverTimeoutError,
    Handler,
    MediaDriver,
    NotConnectedError,
    Recovery,
    driver_info,
)
from tests.driver_process import DriverProcess
from tests.streams import await_room
from tests.waiting import wait_until

# Short, for the tests: the client gives up when the driver has been silent for so long.
TIMEOUT = 5.0


@pytest.fixture
def other(tmp_path: Path) -> Iterator[DriverProcess]:
    with DriverProcess(tmp_path / "aeron") as process:
        yield process


def raises_lost(call: Any) -> bool:
    try:
        call()
    except DriverTimeoutError:
        return True
    except (NotConnectedError, BackPressuredError):
        return False
    return False


def test_every_handle_says_so(other: DriverProcess) -> None:
    errors: list[AeronError] = []
    with Client.connect(other.aeron_dir, driver_timeout=TIMEOUT, error_handler=errors.append) as client:
        plain = client.add_subscription("aeron:ipc", 1)
        listening = client.add_subscription("aeron:ipc", 1, on_available_image=lambda image: None)
        exclusive = client.add_exclusive_publication("aeron:ipc", 1)
        shared = client.add_publication("aeron:ipc", 2)
        counter = client.add_counter(1001, "mine")
        wait_until(lambda: plain.images and listening.images)
        await_room(exclusive)
        image = plain.images[0]
        claim = exclusive.try_claim(4)
        other.kill()
        info = driver_info(other.aeron_dir, timeout=0)
        assert info is not None
        assert info.pid == other.pid

        calls = {
            "poll": lambda: plain.poll(print),
            "poll of one that listens": lambda: listening.poll(print),
            "batch": lambda: plain.poll_batch(),
            "offer": lambda: exclusive.offer(b"x"),
            "shared offer": lambda: shared.offer(b"x"),
            "claim": lambda: exclusive.try_claim(1),
            "position": lambda: exclusive.position,
            "image": lambda: image.poll(print),
            "images": lambda: plain.images,
            "counter": lambda: counter.add(1),
            "add": lambda: client.add_publication("aeron:ipc", 3),
            "destination": lambda: plain.add_destination("aeron:udp?endpoint=localhost:9"),
        }
        for name, call in calls.items():
            wait_until(lambda call=call: raises_lost(call), timeout=60, message=f"{name} says that the driver is lost")
        for name, call in calls.items():
            with pytest.raises(DriverTimeoutError) as caught:
                call()
            assert other.aeron_dir in str(caught.value), name
            assert caught.value.recovery is Recovery.RECONNECT
        assert client.is_closed
        assert plain.is_closed
        assert exclusive.is_closed
        assert not exclusive.is_connected
        assert [type(error) for error in errors] == [DriverTimeoutError]
        assert other.aeron_dir in str(errors[0])
        del claim
        for thing in (image, shared, counter, plain, listening, exclusive):
            thing.close()
            assert thing.closed
        with pytest.raises(ClosedError):
            exclusive.offer(b"x")


def test_offer_alone_learns_the_reason(other: DriverProcess) -> None:
    with (
        Client.connect(other.aeron_dir, driver_timeout=TIMEOUT, error_handler=lambda error: None) as client,
        client.add_publication("aeron:ipc", 1) as publication,
    ):
        other.kill()

        def lost() -> bool:
            try:
                publication.offer(b"x")
            except NotConnectedError:
                return False
            except DriverTimeoutError:
                return True
            return False

        wait_until(lost, timeout=60)


def test_a_wait_ends(other: DriverProcess) -> None:
    handler = Handler.leak(lambda error: None)
    with (
        Client.connect(other.aeron_dir, driver_timeout=TIMEOUT, error_handler=handler) as client,
        client.add_subscription("aeron:ipc", 1) as subscription,
    ):
        other.kill()
        with pytest.raises(DriverTimeoutError):
            list(subscription.messages(timeout=60))
    handler.release()


def test_a_pending_add_ends(other: DriverProcess) -> None:
    with Client.connect(other.aeron_dir, driver_timeout=TIMEOUT, error_handler=lambda error: None) as client:
        other.kill()
        begin = time.monotonic()
        with pytest.raises(AeronError) as caught:
            client.add_subscription("aeron:ipc", 1, on_available_image=print, timeout=60)
        assert time.monotonic() - begin < 50
        assert other.aeron_dir in str(caught.value)


def test_the_same_directory_again(other: DriverProcess) -> None:
    other.kill()
    with pytest.raises(DriverTimeoutError, match="is dead"):
        # Its last sign of life is fresh for as long.
        wait_until(lambda: Client.connect(other.aeron_dir, driver_timeout=0.2).close(), timeout=30)
    wait_until(lambda: not (driver_info(other.aeron_dir, timeout=2.0) or pytest.fail("gone")).alive, timeout=30)
    with (
        MediaDriver.launch(other.aeron_dir, driver_timeout=1.0) as driver,
        Client.connect(driver.aeron_dir) as client,
        client.add_counter(1001, "alive") as counter,
    ):
        counter.add(1)


def test_driver_of_this_process_closed_first() -> None:
    driver = MediaDriver.launch()
    with (
        Client.connect(driver.aeron_dir, error_handler=lambda error: None) as client,
        client.add_exclusive_publication("aeron:ipc", 1) as publication,
    ):
        driver.close()
        wait_until(lambda: raises_lost(lambda: publication.offer(b"x")), timeout=60)
