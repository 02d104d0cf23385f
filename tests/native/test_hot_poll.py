"""The poller: what goes in comes out, whole, once, in order; whatever handlers, threads and sessions do."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from aeron_py._aeron import ffi, lib
from aeron_py._hot import Block, Message, Poller, block_from_address
from aeron_py.errors import BusyError, ClosedError
from tests.native.hot_rig import FRAGMENTED, Rig, check, collect, receive, send, wait_until


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
