"""The poller: what goes in comes out, whole, once, in order; whatever handlers, threads and sessions do."""

from __future__ import annotations

import gc
import os
import struct
import threading
import tracemalloc
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from aeron_py._aeron import ffi, lib
from aeron_py._hot import Block, Message, Poller, block_from_address
from aeron_py.errors import BusyError, ClosedError, ForkedError
from tests.native.hot_rig import Rig, check, receive, send, wait_until

FRAGMENTED = bytes(range(256)) * 30  # more than five frames of the default MTU, less than the longest message


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


def collect(poller: Poller, count: int, limit: int = 10) -> list[Message]:
    messages: list[Message] = []
    wait_until(lambda: poller.poll(messages.append, limit) * 0 or len(messages) >= count, f"{count} messages")
    return messages


def test_message_fields(rig: Rig) -> None:
    offerer, poller = rig.pair()
    position = send(offerer, b"payload", -7)
    (message,) = collect(poller, 1)
    assert message.payload == b"payload"
    assert message.position == position
    assert message.reserved_value == -7
    assert message.stream_id == rig.next_stream
    assert len(message) == 7
    assert bytes(memoryview(message)) == b"payload"
    assert repr(message).startswith("Message(b'payload', position=")
    same = Message(b"payload", position, message.session_id, message.stream_id, -7)
    assert message == same
    assert message != Message(b"payload")
    assert message != "payload"
    with pytest.raises(TypeError):
        hash(message)
    with pytest.raises(AttributeError):
        message.payload = b""  # type: ignore[misc]
    with pytest.raises(TypeError):
        Message("text")  # type: ignore[arg-type]


def test_nothing_there(rig: Rig) -> None:
    _, poller = rig.pair()
    assert poller.poll(lambda message: None) == 0
    assert poller.poll_payloads() == []
    assert poller.poll_messages() == []
    block = poller.poll_block()
    assert len(block) == block.count == 0
    assert block.payloads() == block.messages() == block.offsets.tolist() == []
    assert block.boundaries.tolist() == [0]
    assert bytes(block.data) == b""
    assert poller.poll_block() is block


@pytest.mark.parametrize("limit", [1, 3, 10, 1024, 5000])
@pytest.mark.parametrize("how", ["poll", "poll_payloads", "poll_messages", "poll_block", "take"])
def test_all_in_order(rig: Rig, how: str, limit: int) -> None:
    offerer, poller = rig.pair()
    sent = [b"%d" % number * (number % 40) for number in range(400)]
    sent[100] = sent[200] = sent[399] = FRAGMENTED
    got: list[bytes] = []

    def poll() -> None:
        if how == "poll":
            assert poller.poll(lambda message: got.append(message.payload), limit) <= limit
        elif how == "poll_payloads":
            got.extend(poller.poll_payloads(limit))
        elif how == "poll_messages":
            got.extend(message.payload for message in poller.poll_messages(limit))
        elif how == "take":
            if (message := poller.take(limit)) is not None:
                got.append(message.payload)
        else:
            got.extend(poller.poll_block(limit).payloads())

    for data in sent:
        while offerer.offer_nowait(data) < 0:
            poll()
    wait_until(lambda: (poll(), len(got) >= len(sent))[1], "all of them")
    assert got == sent
    assert poller.partials == 0


def test_limits(rig: Rig) -> None:
    offerer, poller = rig.pair()
    for number in range(5):
        send(offerer, b"%d" % number)
    assert poller.poll_payloads(2) == [b"0", b"1"]
    assert poller.poll_payloads(limit=2) == [b"2", b"3"]
    for bad in (0, -1):
        with pytest.raises(ValueError, match="limit"):
            poller.poll_payloads(bad)
        with pytest.raises(ValueError, match="limit"):
            poller.poll(print, limit=bad)
    for wrong in ("1", 1.5, None):
        with pytest.raises(TypeError):
            poller.poll_payloads(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="handler"):
        poller.poll(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="handler"):
        poller.poll()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected"):
        poller.poll_block(size=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="twice"):
        poller.poll_block(3, limit=3)  # type: ignore[misc]
    with pytest.raises(TypeError, match="at most"):
        poller.poll_block(3, 4)  # type: ignore[call-arg]
    assert receive(poller, 1) == [b"4"]


def test_handler_exception_loses_nothing(rig: Rig) -> None:
    offerer, poller = rig.pair()
    for number in range(6):
        send(offerer, b"%d" % number)
    got = []

    def handler(message: Message) -> None:
        got.append(message.payload)
        if message.payload == b"1":
            raise LookupError("one")

    with pytest.raises(LookupError, match="one"):
        poller.poll(handler, 6)
    assert got == [b"0", b"1"]
    assert poller.pending == 4
    assert poller.poll(handler, 1) == 1
    assert poller.poll_payloads(1) == [b"3"]
    assert [message.payload for message in poller.poll_messages(1)] == [b"4"]
    block = poller.poll_block(10)
    assert block.payloads() == [b"5"]
    assert block.message(0).position == block.positions[0] > 0
    assert got == [b"0", b"1", b"2"]
    assert poller.pending == 0


def test_take_keeps_what_it_polled_ahead(rig: Rig) -> None:
    offerer, poller = rig.pair()
    for number in range(5):
        send(offerer, b"%d" % number)
    first = wait_until(poller.take, "a message")
    assert (first.payload, poller.pending) == (b"0", 4)
    ahead = poller.next_position
    second = poller.take(1)
    assert second is not None
    assert (second.payload, second.position) == (b"1", ahead)
    assert poller.poll_payloads(1) == [b"2"]
    assert [message.payload for message in collect(poller, 2)] == [b"3", b"4"]
    assert poller.take() is None
    assert poller.next_position == -1


def test_handler_may_keep_messages(rig: Rig) -> None:
    """A message is used again for the next one only when the handler has let it go."""
    offerer, poller = rig.pair()
    kept: list[Message] = []
    for number in range(6):
        send(offerer, b"%d" % number)
    assert poller.poll(lambda message: kept.append(message) if message.payload in b"024" else None, 6) == 6
    assert [message.payload for message in kept] == [b"0", b"2", b"4"]
    assert len({message.position for message in kept}) == 3


def test_fragments_of_interleaved_sessions(rig: Rig) -> None:
    stream = rig.stream()
    poller = rig.poller(stream)
    offerers = [rig.offerer(stream, exclusive=True) for _ in range(4)]
    for offerer in offerers:
        wait_until(lambda offerer=offerer: offerer.offer_nowait(b"probe") > 0, "a connection")
    receive(poller, 4)

    rounds = 20
    expected = {number: [bytes([number, turn]) + FRAGMENTED for turn in range(rounds)] for number in range(4)}
    got: list[Message] = []
    for turn in range(rounds):
        for number, offerer in enumerate(offerers):
            while offerer.offer_nowait(expected[number][turn]) < 0:
                poller.poll(got.append, 1)
            poller.poll(got.append, 1)
    wait_until(lambda: poller.poll(got.append, 3) * 0 or len(got) >= 4 * rounds, "all messages")
    for number in range(4):
        mine = [message for message in got if message.payload[0] == number]
        assert [message.payload for message in mine] == expected[number]
        assert len({message.session_id for message in mine}) == 1
        positions = [message.position for message in mine]
        assert positions == sorted(set(positions))
    assert poller.partials == 0


def test_fragment_limit_one_still_brings_a_whole_message(rig: Rig) -> None:
    offerer, poller = rig.pair()
    position = send(offerer, FRAGMENTED, 11)
    (message,) = wait_until(lambda: poller.poll_messages(1), "the message")
    assert (message.payload, message.position, message.reserved_value) == (FRAGMENTED, position, 11)


def test_unassembled(rig: Rig) -> None:
    offerer, poller = rig.pair(assemble=False)
    position = send(offerer, FRAGMENTED)
    fragments = receive(poller, 6)
    assert len(fragments) > 5
    assert b"".join(fragments) == FRAGMENTED
    send(offerer, b"end")
    (end,) = collect(poller, 1)
    assert end.position == position + 64


def test_joined_in_the_middle_of_a_message(rig: Rig) -> None:
    """A late subscriber sees the end of a message whose beginning it has missed: that is no message."""
    stream = rig.stream()
    first = rig.poller(stream, assemble=False)
    offerer = rig.offerer(stream, exclusive=True)
    wait_until(lambda: offerer.offer_nowait(b"probe") > 0, "a connection")
    receive(first, 1)
    send(offerer, FRAGMENTED)
    assert len(receive(first, 1, limit=1)) == 1
    late = rig.poller(stream)
    wait_until(lambda: send(offerer, b"whole") and late.poll_payloads(1)[:1] == [b"whole"], "a whole message")
    assert late.partials == 0


class Frames:
    """A stream whose every frame the test writes: what a network with losses may bring."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, int, int, bytes]] = []

        @ffi.callback("int(void *, aeron_controlled_fragment_handler_t, void *, size_t)")  # type: ignore[untyped-decorator]
        def poll(handle: Any, handler: Any, clientd: Any, limit: int) -> int:
            for count in range(limit):
                if not self.frames:
                    return count
                session_id, term_offset, flags, payload = self.frames.pop(0)
                frame = struct.pack(
                    "<iBBHiiiiq", 32 + len(payload), 0, flags, 1, term_offset, session_id, 9, 3, session_id * 10
                )
                memory = ffi.new("uint8_t[]", frame + payload)
                # aeron_header_t: frame, initial term id, shift of a position, length of the fragments, context
                header = ffi.new("int64_t[5]", [int(ffi.cast("intptr_t", memory)), 1, 16, -1, 0])
                action = handler(clientd, memory + 32, len(payload), ffi.cast("aeron_header_t *", header))
                assert action == lib.AERON_ACTION_CONTINUE
            return limit

        self.keep = poll
        self.poller = Poller(1, False, "frames", function=int(ffi.cast("intptr_t", poll)))

    def feed(self, *frames: tuple[int, int, int, bytes]) -> list[Message]:
        self.frames.extend(frames)
        return self.poller.poll_block(100).messages()  # cffi gives up the lock around the handler: no objects in it


BEGIN, MIDDLE, END = 0x80, 0, 0x40


def test_fragments_of_two_sessions_over_several_polls() -> None:
    stream = Frames()
    assert stream.feed((1, 0, BEGIN, b"a" * 32), (2, 0, BEGIN, b"A" * 32)) == []
    assert stream.feed((2, 64, MIDDLE, b"B" * 32), (3, 0, BEGIN | END, b"whole"))[0].payload == b"whole"
    assert stream.poller.partials == 2
    assert stream.feed((1, 64, END, b"b"), (2, 128, END, b"C")) == [
        Message(b"a" * 32 + b"b", 2 * 65536 + 128, 1, 9, 10),
        Message(b"A" * 32 + b"B" * 32 + b"C", 2 * 65536 + 192, 2, 9, 20),
    ]
    assert stream.poller.partials == 0


def test_gap_in_a_message() -> None:
    stream = Frames()
    assert stream.feed((1, 0, BEGIN, b"a" * 32), (1, 128, MIDDLE, b"c" * 32), (1, 192, END, b"d")) == []
    assert stream.poller.partials == 0
    assert [message.payload for message in stream.feed((1, 256, BEGIN, b"e" * 32), (1, 320, END, b"f"))] == [
        b"e" * 32 + b"f"
    ]


def test_begin_after_an_unfinished_message() -> None:
    stream = Frames()
    messages = stream.feed((1, 0, BEGIN, b"a" * 32), (1, 128, BEGIN, b"b" * 32), (1, 192, END, b"c"))
    assert [message.payload for message in messages] == [b"b" * 32 + b"c"]


def test_forgotten_session() -> None:
    stream = Frames()
    assert stream.feed((1, 0, BEGIN, b"a" * 32), (2, 0, BEGIN, b"b" * 32)) == []
    stream.poller.forget(1)
    stream.poller.forget(77)
    with pytest.raises(TypeError):
        stream.poller.forget("session")  # type: ignore[arg-type]
    assert [message.session_id for message in stream.feed((1, 64, END, b"a"), (2, 64, END, b"b"))] == [2]


def test_image_poller(rig: Rig) -> None:
    stream = rig.stream()
    subscription = rig.subscription(stream)
    offerer = rig.offerer(stream)
    wait_until(lambda: offerer.offer_nowait(b"first") > 0, "a connection")
    image = wait_until(
        lambda: (
            lib.aeron_subscription_image_count(subscription) and lib.aeron_subscription_image_at_index(subscription, 0)
        ),
        "the image",
    )
    whole = Poller(int(ffi.cast("intptr_t", subscription)), False, "subscription")
    poller = Poller(int(ffi.cast("intptr_t", image)), True, "image", guard=whole)
    assert receive(poller, 1) == [b"first"]
    send(offerer, FRAGMENTED)
    assert receive(poller, 1) == [FRAGMENTED]
    send(offerer, b"guarded")

    def handler(message: Message) -> None:
        assert (poller.busy_here(), whole.busy_here()) == (True, True)
        whole.poll_payloads()

    with pytest.raises(BusyError, match="subscription"):
        poller.poll(handler)
    send(offerer, b"both ways")
    with pytest.raises(BusyError, match="image"):
        whole.poll(lambda message: poller.poll_payloads())
    with pytest.raises(TypeError, match="guard"):
        Poller(1, True, "image", guard=offerer)  # type: ignore[arg-type]
    poller.disarm(ClosedError("closed"))
    check(lib.aeron_image_release(image))


# Blocks


def test_block_columns(rig: Rig) -> None:
    offerer, poller = rig.pair()
    sent = [b"a" * number for number in (5, 0, 3)]
    positions = [send(offerer, data, number) for number, data in enumerate(sent)]
    block = poller.poll_block(3)
    assert len(block) == block.count == 3
    assert bytes(block.data) == bytes(block) == b"".join(sent)
    assert block.offsets.tolist() == [0, 5, 5]
    assert block.boundaries.tolist() == [0, 5, 5, 8]
    assert block.lengths.tolist() == [5, 0, 3]
    assert block.positions.tolist() == positions
    assert block.reserved_values.tolist() == [0, 1, 2]
    assert len(set(block.session_ids.tolist())) == 1
    assert [view.format for view in (block.offsets, block.lengths, block.data)] == ["q", "i", "B"]
    assert all(view.readonly for view in (block.offsets, block.lengths, block.data))
    assert block.payloads() == sent
    assert block.payload(-1) == b"aaa"
    assert block.messages() == [block.message(number) for number in range(3)]
    assert block.stream_id == block.message(1).stream_id == rig.next_stream
    assert repr(block) == "<Block of 3 messages, 8 bytes>"
    for index in (3, -4):
        with pytest.raises(IndexError):
            block.message(index)
    with pytest.raises(TypeError):
        block.payload("0")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Block()


def test_block_is_not_reused_while_anything_holds_it(rig: Rig) -> None:
    offerer, poller = rig.pair()
    held: list[Any] = []
    for number in range(8):
        send(offerer, b"%d" % number * 10)
        block = poller.poll_block()
        held.append([block, block.data, block.offsets[0:1], memoryview(block.positions)][number % 4])
        del block
    assert [bytes(view) for view in held[1::4]] == [b"1" * 10, b"5" * 10]
    assert [block.payloads() for block in held[0::4]] == [[b"0" * 10], [b"4" * 10]]
    assert [view.tolist() for view in held[2::4]] == [[0], [0]]
    assert held[3][0] < held[7][0]


def test_block_is_reused_when_nobody_holds_it(rig: Rig) -> None:
    offerer, poller = rig.pair()
    seen = set()
    for number in range(20):
        send(offerer, b"%d" % number)
        block = poller.poll_block()
        seen.add(id(block))
        assert block.payloads() == [b"%d" % number]
    assert len(seen) == 2


def test_view_outlives_poller_and_block(rig: Rig) -> None:
    offerer, poller = rig.pair()
    send(offerer, b"kept")
    view = poller.poll_block().data
    poller.disarm(ClosedError("closed"))
    del poller
    gc.collect()
    assert bytes(view) == b"kept"


def test_block_made_in_c() -> None:
    pointer = ffi.new("shim_block_t **")
    check(lib.shim_block_create(pointer, 0, 0))
    for number in range(1000):
        check(lib.shim_block_append(pointer[0], b"%04d" % number, 4, number * 64, -number, 7))
    block = block_from_address(int(ffi.cast("intptr_t", pointer[0])))
    assert block.payloads() == [b"%04d" % number for number in range(1000)]
    assert block.positions[999] == 999 * 64
    assert block.reserved_values[999] == -999
    assert block.session_ids[0] == 7
    for wrong in (0, "0"):
        with pytest.raises((ValueError, TypeError)):
            block_from_address(wrong)  # type: ignore[arg-type]


# Guards


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
