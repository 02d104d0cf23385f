"""Messages of several frames come out whole, or not at all, whatever the network made of them."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from aeron_py._aeron import ffi, lib
from aeron_py._hot import Message, Poller
from tests.native.hot_rig import FRAGMENTED, Rig, collect, receive, send, wait_until


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
