"""The client: connecting, adding, counters, errors."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from aeron_py import (
    AeronError,
    BufferFullError,
    Client,
    ClosedError,
    CountersReader,
    DriverTimeoutError,
    IdleStrategy,
    MediaDriver,
    SettingError,
    TimedOutError,
)
from aeron_py._ffi import ffi, lib
from aeron_py.counters import CounterType
from tests.sources import aeron_sources
from tests.streams import next_stream
from tests.waiting import wait_until

PUB_POS = CounterType.PUBLISHER_POSITION


def test_connect(driver: MediaDriver) -> None:
    with Client.connect(driver.aeron_dir, client_name="me", idle_strategy=IdleStrategy.sleep(0.001)) as client:
        assert not client.is_closed
        assert client.aeron_dir == driver.aeron_dir
        first = client.next_correlation_id()
        assert client.next_correlation_id() == first + 1
    assert client.is_closed
    with pytest.raises(ClosedError):
        client.next_correlation_id()


def test_no_driver(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    begin = time.monotonic()
    with pytest.raises(DriverTimeoutError) as caught:
        Client.connect(nowhere, driver_timeout=0.3)
    assert time.monotonic() - begin >= 0.3
    assert str(nowhere) in str(caught.value)
    assert "0.3 s" in str(caught.value)


def test_driver_that_left_its_files(tmp_path: Path) -> None:
    MediaDriver.launch(tmp_path / "aeron", dir_delete_on_shutdown=False).close()
    with pytest.raises(DriverTimeoutError, match="dead"):
        Client.connect(tmp_path / "aeron", driver_timeout=0.3)


@pytest.mark.parametrize(
    "bad",
    [
        {"client_name": "x" * 101},
        {"client_name": "a\0b"},
        {"client_name": 5},
        {"driver_timeout": -1},
        {"driver_timeout": "soon"},
        {"idle_strategy": "spin"},
        {"error_handler": "print"},
        {"on_available_counter": 3},
        {"pre_touch_mapped_memory": 1},
        {"aeron_dir": ""},
        {"aeron_dir": 5},
        {"aeron_dir": "x" * 1000},
        {"aeron_dir": b"/dev/shm/bytes"},
    ],
)
def test_bad_arguments(driver: MediaDriver, bad: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        Client.connect(**{"aeron_dir": driver.aeron_dir, **bad})


def test_driver_refuses(client: Client) -> None:
    stream = next_stream()
    with client.add_publication("aeron:ipc?term-length=64k", stream), pytest.raises(AeronError) as caught:
        client.add_publication("aeron:ipc?term-length=128k", stream)
    assert caught.value.operation == "add_publication"
    assert "term" in str(caught.value)


def test_refused_subscription_leaves_the_client_usable(client: Client) -> None:
    with pytest.raises(AeronError):
        client.add_subscription("aeron:udp?endpoint=no.such.host.invalid:9", 1, on_available_image=print)
    with client.add_subscription("aeron:ipc", next_stream()) as subscription:
        assert not subscription.is_connected


def test_a_started_add_can_be_cancelled(client: Client) -> None:
    stream = next_stream()
    for _ in range(20):
        client._start_add_publication("aeron:ipc", stream).cancel()
        client._start_add_subscription("aeron:ipc", stream, on_available_image=print).cancel()
        client._start_add_counter(1001, "mine").cancel()
    del _
    # What was cancelled leaves the driver, too.
    wait_until(lambda: not [c for c in client.counters.list(PUB_POS) if f" {stream} " in c.label])
    wait_until(lambda: not client.counters.list(1001))


def test_an_add_that_takes_too_long(client: Client) -> None:
    with pytest.raises(TimedOutError, match=client.aeron_dir):
        client.add_publication("aeron:ipc", next_stream(), timeout=0)
    client.add_publication("aeron:ipc", next_stream()).close()


def test_types_of_counters_are_those_of_the_header() -> None:
    text = (aeron_sources() / "aeron-client" / "src" / "main" / "c" / "aeron_counters.h").read_text()
    found = dict(re.findall(r"#define AERON_(?:COUNTER_)?(\w+)_TYPE_ID +\((\d+)\)", text))
    # From 50 on come those of transports that are not in the C driver, from 200 on those of the cluster and above.
    ours = {name: int(number) for name, number in found.items() if int(number) < 50 or 100 <= int(number) < 200}
    assert {each.name: each.value for each in CounterType} == ours


def test_counters(client: Client, driver: MediaDriver) -> None:
    with client.add_counter(1234, "a label", key=b"\x01\x02", value=-5) as counter:
        assert counter.value == -5
        assert counter.add(7) == -5
        assert counter.compare_and_set(2, 9)
        assert not counter.compare_and_set(2, 10)
        counter.value = 2**62
        found = client.counters.find(1234, counter.registration_id)
        assert found is not None
        assert found.value == 2**62
        assert found.label == "a label"
        assert found.key[:3] == b"\x01\x02\x00"
        assert found.counter_id == counter.counter_id
        assert client.counters.value(counter.counter_id, counter.registration_id) == 2**62
        assert client.counters.value(counter.counter_id, counter.registration_id + 1) is None
        assert client.counters.read(counter.counter_id) == found
        with CountersReader.open(driver.aeron_dir) as counters:
            assert counters.find(1234, counter.registration_id) == found
            assert len(counters.list()) == len(list(client.counters))
        with pytest.raises(SettingError):
            counter.value = 2**63
    wait_until(lambda: client.counters.find(1234, counter.registration_id) is None)
    with pytest.raises(ClosedError):
        counter.add(1)
    assert client.counters.read(10**6) is None
    assert client.counters.read(-1) is None


def test_counter_without_label_and_key(client: Client) -> None:
    with client.add_counter(1001) as counter:
        found = client.counters.find(1001, counter.registration_id)
        assert found is not None
        assert found.label == ""


def test_no_counters_where_no_driver_was(tmp_path: Path) -> None:
    with pytest.raises(DriverTimeoutError, match=str(tmp_path)):
        CountersReader.open(tmp_path)


def test_counter_events(driver: MediaDriver) -> None:
    came: list[tuple[int, int]] = []
    went: list[tuple[int, int]] = []
    with Client.connect(
        driver.aeron_dir,
        on_available_counter=lambda *ids: came.append(ids),
        on_unavailable_counter=lambda *ids: went.append(ids),
    ) as client:
        counter = client.add_counter(1001, "mine")
        ids = (counter.registration_id, counter.counter_id)
        counter.close()

        def told() -> bool:
            client._drain()
            return ids in came and ids in went

        wait_until(told)


def test_error_in_a_handler_comes_out_of_the_call(driver: MediaDriver) -> None:
    def handler(registration_id: int, counter_id: int) -> None:
        raise LookupError(f"{registration_id} {counter_id}")

    client = Client.connect(driver.aeron_dir, on_available_counter=handler)
    with client, pytest.raises(LookupError):
        for _ in range(1000):
            client.add_counter(1001, "mine").close()


def test_dropped_events_are_reported(driver: MediaDriver) -> None:
    errors: list[AeronError] = []
    with Client.connect(driver.aeron_dir, error_handler=errors.append) as client:
        event = ffi.new("shim_event_t *", {"type": lib.SHIM_EVENT_NEW_PUBLICATION})
        while lib.shim_events_push(client._events, event) == 0:
            pass
        with client.add_counter(1001, "any call takes them"):
            assert ["dropped" in str(error) for error in errors] == [True]


def test_errors_are_logged_when_nobody_handles_them(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    held = ffi.new("uint8_t[]", b"a made up error")
    event = ffi.new("shim_event_t *", {"type": lib.SHIM_EVENT_CLIENT_ERROR, "code": 11, "data": held, "length": 15})
    lib.shim_events_push(client._events, event)
    with client.add_counter(1001, "any call takes them"):
        assert "a made up error" in caplog.text


def test_many_threads_add(client: Client) -> None:
    added: list[int] = []

    def work() -> None:
        for _ in range(10):
            stream = next_stream()
            with client.add_publication("aeron:ipc", stream), client.add_subscription("aeron:ipc", stream):
                added.append(stream)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(added) == 40


def test_a_rejected_image_is_told_to_the_publisher(driver: MediaDriver) -> None:
    errors: list[AeronError] = []
    with (
        Client.connect(driver.aeron_dir, error_handler=errors.append) as client,
        client.add_subscription("aeron:udp?endpoint=localhost:0", 5) as subscription,
    ):
        wait_until(lambda: ":0" not in subscription.resolved_channel)
        with client.add_exclusive_publication(subscription.resolved_channel, 5) as publication:
            wait_until(lambda: subscription.images)
            subscription.images[0].reject("not today")

            def told() -> bool:
                client._drain()
                return any("not today" in str(error) for error in errors)

            wait_until(told)
            assert str(publication.session_id) in str(errors[0])


def test_more_at_once_than_the_conductor_takes(client: Client) -> None:
    """Its queue is full for a moment: whoever adds waits for that."""
    pending = []
    with pytest.raises(BufferFullError):
        for _ in range(100_000):
            pending.append(client._start_add_publication("aeron:ipc", 1))
    with client.add_publication("aeron:ipc", 2) as publication:
        assert not publication.is_closed
    for each in pending:
        each.cancel()
