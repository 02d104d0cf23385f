"""The poller keeps its memory safe: from its own handlers, other threads, forks, and what was closed meanwhile."""

from __future__ import annotations

import gc
import os
import threading
import tracemalloc
import warnings
import weakref

import pytest

from aeron_py._aeron import ffi
from aeron_py._hot import Message, Poller
from aeron_py.errors import BusyError, ClosedError, ForkedError
from tests.native.hot_rig import Rig, receive, send


def test_poll_from_a_handler_is_busy(rig: Rig) -> None:
    offerer, poller = rig.pair()
    send(offerer, b"1")
    seen = []

    def handler(message: Message) -> None:
        seen.append(poller.busy_here())
        poller.poll(handler)

    with pytest.raises(BusyError, match="poll"):
        poller.poll(handler)
    assert seen == [True]
    assert not poller.busy_here()
    assert poller.poll(handler) == 0


def test_second_thread_is_busy(rig: Rig) -> None:
    offerer, poller = rig.pair()
    send(offerer, b"1")
    inside, go_on = threading.Event(), threading.Event()

    def handler(message: Message) -> None:
        inside.set()
        go_on.wait(60)

    thread = threading.Thread(target=poller.poll, args=(handler,))
    thread.start()
    assert inside.wait(60)
    try:
        for call in (poller.poll_payloads, poller.poll_messages, poller.poll_block):
            with pytest.raises(BusyError, match="another thread"):
                call()
        assert not poller.busy_here()
    finally:
        go_on.set()
        thread.join(60)
    assert poller.poll_payloads() == []


def test_blocks_are_of_images_alone(rig: Rig) -> None:
    _, poller = rig.pair()
    with pytest.raises(TypeError, match="image"):
        poller.block_poll(4096)


def test_disarmed(rig: Rig) -> None:
    offerer, poller = rig.pair()
    send(offerer, b"1")
    poller.disarm(ClosedError("closed"))
    poller.disarm(ClosedError("closed"))
    with pytest.raises(ClosedError, match=r"poll: subscription \d+ is closed"):
        poller.poll(print)
    with pytest.raises(ClosedError, match="poll_block"):
        poller.poll_block()
    poller.disarm(ForkedError("forked"))
    with pytest.raises(ForkedError, match="parent"):
        poller.poll_payloads()


def test_disarmed_by_a_handler(rig: Rig) -> None:
    offerer, poller = rig.pair()
    for _ in range(3):
        send(offerer, b"1")
    got: list[Message] = []

    def handler(message: Message) -> None:
        poller.disarm(ClosedError("closed"))
        got.append(message)

    assert poller.poll(handler) == 3
    assert len(got) == 3
    with pytest.raises(ClosedError):
        poller.poll(handler)


def test_disarm_against_polls_of_another_thread(rig: Rig) -> None:
    """Polls that gave up the interpreter's lock are over when disarm returns."""
    for _ in range(20):
        offerer, poller = rig.pair()
        started = threading.Event()

        def work(poller: Poller = poller, started: threading.Event = started) -> None:
            with pytest.raises(ClosedError):
                while True:
                    poller.poll_block(100_000)
                    started.set()

        thread = threading.Thread(target=work)
        thread.start()
        assert started.wait(60)
        offerer.offer_many([b"x" * 100] * 100)
        poller.disarm(ClosedError("closed"))
        thread.join(60)
        assert not thread.is_alive()


def test_after_fork(rig: Rig) -> None:
    """In the child nothing waits for threads that are not there, and nothing is touched."""
    offerer, poller = rig.pair()
    send(offerer, b"1")

    def handler(message: Message) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: that is what is tested
            pid = os.fork()
        if pid == 0:
            status = 1
            try:
                poller.disarm(ForkedError("forked"))
                offerer.disarm(ForkedError("forked"))
                try:
                    poller.poll_payloads()
                except ForkedError:
                    status = 0
            finally:
                os._exit(status)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    statuses: list[int] = []
    assert poller.poll(handler) == 1
    assert statuses == [0]
    send(offerer, b"2")
    assert receive(poller, 1) == [b"2"]


def test_events_are_delivered_before_the_poll(rig: Rig) -> None:
    offerer, poller = rig.pair()
    pending = ffi.new("int32_t *", 0)
    calls = []

    def callback() -> None:
        calls.append(poller.busy_here())
        pending[0] = 0
        if len(calls) == 2:
            raise LookupError("from the callback")

    poller.watch_events(int(ffi.cast("intptr_t", pending)), callback)
    send(offerer, b"1")
    assert poller.poll_payloads() == [b"1"]
    assert calls == []
    pending[0] = 1
    send(offerer, b"2")
    assert poller.poll_payloads() == [b"2"]
    assert calls == [False]
    pending[0] = 1
    send(offerer, b"3")
    with pytest.raises(LookupError, match="callback"):
        poller.poll_payloads()
    assert poller.poll_payloads() == [b"3"]
    pending[0] = 1
    poller.watch_events(int(ffi.cast("intptr_t", pending)), lambda: poller.disarm(ClosedError("closed")))
    with pytest.raises(ClosedError):
        poller.poll_payloads()


def test_cycle_through_the_callback_is_collected(rig: Rig) -> None:
    class Holder:
        def __init__(self, poller: Poller) -> None:
            self.poller = poller

        def callback(self) -> None: ...

    stream = rig.stream()
    holder = Holder(rig.poller(stream))
    pending = ffi.new("int32_t *", 0)
    holder.poller.watch_events(int(ffi.cast("intptr_t", pending)), holder.callback)
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None


def test_wrong_addresses() -> None:
    with pytest.raises(ValueError, match="0"):
        Poller(0, False, "nothing")
    with pytest.raises(TypeError):
        Poller("1", False, "text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Poller(1, False, 3)  # type: ignore[arg-type]


def test_memory_stays_flat(rig: Rig) -> None:
    """Neither messages nor payloads nor blocks are kept: the same objects come and go."""
    offerer, poller = rig.pair()

    def turn() -> None:
        for poll in (
            lambda: poller.poll(lambda message: None, 7),
            lambda: len(poller.poll_payloads(7)),
            lambda: len(poller.poll_messages(7)),
            lambda: len(poller.poll_block(7).messages()),
        ):
            for _ in range(4):
                send(offerer, b"x" * 100)
                send(offerer, b"y" * 2000)
            got = 0
            while got < 8:
                got += poll()

    for _ in range(20):
        turn()
    gc.collect()
    tracemalloc.start()
    try:
        turn()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            turn()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()
