"""The queue between C's threads and ours."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from aeron_py._ffi import check, ffi, lib, text

LIMIT = 1 << 18


@pytest.fixture
def events() -> Iterator[Any]:
    out = ffi.new("shim_events_t **")
    check(lib.shim_events_create(out), "events")
    yield out[0]
    lib.shim_events_delete(out[0])


def push(events: Any, number: int, data: bytes = b"") -> int:
    held = ffi.new("uint8_t[]", data or b"\0")
    event = ffi.new("shim_event_t *", {"type": 1, "id": number, "data": held, "length": len(data)})
    return int(lib.shim_events_push(events, event))


def take(events: Any) -> tuple[int, str] | None:
    event = ffi.new("shim_event_t *")
    if not lib.shim_events_take(events, event):
        return None
    return event.id, text(event.data, event.length)


def readable(events: Any) -> bool:
    return bool(select.select([lib.shim_events_fd(events)], [], [], 0)[0])


def test_first_in_first_out(events: Any) -> None:
    assert take(events) is None
    for number in range(100):
        assert push(events, number, b"data %d" % number) == 0
    assert [take(events) for _ in range(100)] == [(number, f"data {number}") for number in range(100)]
    assert take(events) is None


def test_what_says_that_there_is_something(events: Any) -> None:
    pending = lib.shim_events_pending(events)
    for _ in range(3):
        assert (pending[0], readable(events), lib.shim_events_wait(events, 0)) == (0, False, 0)
        push(events, 1)
        push(events, 2)
        assert (pending[0], readable(events), lib.shim_events_wait(events, 0)) == (1, True, 1)
        take(events)
        assert (pending[0], readable(events)) == (1, True)
        take(events)


def test_waiting_ends_with_an_event(events: Any) -> None:
    begun = threading.Event()
    results: list[int] = []

    def wait() -> None:
        begun.set()
        results.append(lib.shim_events_wait(events, 60 * 10**9))

    thread = threading.Thread(target=wait)
    thread.start()
    assert begun.wait(60)
    push(events, 1)
    thread.join(60)
    assert results == [1]


def test_what_does_not_fit_is_counted(events: Any) -> None:
    for number in range(LIMIT):
        push(events, number)
    assert push(events, LIMIT) == -1
    assert push(events, LIMIT + 1) == -1
    assert lib.shim_events_dropped(events) == 2
    assert lib.shim_events_dropped(events) == 0
    assert take(events) == (0, "")
    assert push(events, 7) == 0


def test_many_threads(events: Any) -> None:
    def work(base: int) -> None:
        for number in range(1000):
            push(events, base + number, b"x" * (number % 50))

    threads = [threading.Thread(target=work, args=(base,)) for base in range(0, 8000, 1000)]
    for thread in threads:
        thread.start()
    found: list[int] = []
    while len(found) < 8000:
        if (event := take(events)) is not None:
            found.append(event[0])
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(8000))
    # In order for each thread.
    for base in range(0, 8000, 1000):
        mine = [number for number in found if base <= number < base + 1000]
        assert mine == sorted(mine)
