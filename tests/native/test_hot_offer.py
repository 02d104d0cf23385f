"""The offerer: every kind of buffer goes in whole, every refusal is an error or a result, a claim never harms."""

from __future__ import annotations

import array
import gc
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from aeron_py._hot import Claim, Offerer
from aeron_py.errors import BusyError, ClosedError, ForkedError, NotConnectedError, OfferResult, PublicationError
from tests.native.hot_rig import FRAGMENTED, Rig, receive, send, wait_until

both_kinds = pytest.mark.parametrize("exclusive", [False, True], ids=["concurrent", "exclusive"])


@both_kinds
def test_every_kind_of_buffer(rig: Rig, exclusive: bool) -> None:
    offerer, poller = rig.pair(exclusive)
    numbers = array.array("i", range(10))
    buffers: list[Any] = [
        b"bytes",
        b"",
        bytearray(b"bytearray"),
        bytearray(),
        memoryview(b"0123456789")[2:5],
        numbers,
        memoryview(numbers).cast("B").cast("i", (2, 5)),
        FRAGMENTED,
    ]
    for data in buffers:
        send(offerer, data)
        assert receive(poller, 1) == [bytes(data)]


@both_kinds
def test_parts_make_one_message(rig: Rig, exclusive: bool) -> None:
    offerer, poller = rig.pair(exclusive)
    many = [b"%d" % number for number in range(100)]
    for parts in (
        [b"one"],
        (b"one", bytearray(b"two"), memoryview(b"three")),
        [],
        many,
        [FRAGMENTED[:4000], FRAGMENTED],
    ):
        expected = b"".join(parts)
        if len(expected) > 8192:
            with pytest.raises(PublicationError, match="max_message_length"):
                offerer.offer_nowait(parts)
            continue
        send(offerer, parts, 5)
        (message,) = wait_until(poller.poll_messages, "the message")
        assert (message.payload, message.reserved_value) == (expected, 5)


def test_position_and_reserved_value(rig: Rig) -> None:
    offerer, poller = rig.pair()
    first = offerer.offer(b"x" * 32)
    assert offerer.offer(data=b"y", reserved_value=2**63 - 1) == first + 64
    assert offerer.offer(b"z", None) == first + 128
    assert offerer.offer(b"z", reserved_value=-(2**63)) == first + 192
    assert [message.reserved_value for message in poller.poll_messages()] == [0, 2**63 - 1, 0, -(2**63)]


def test_wrong_arguments(rig: Rig) -> None:
    offerer, _ = rig.pair()
    for wrong in ("text", 3, None, ["text"], [b"x", None], object(), {b"x"}):
        with pytest.raises(TypeError):
            offerer.offer(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            offerer.offer_nowait(wrong)  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        offerer.offer(memoryview(b"0123456789")[::2])
    with pytest.raises(OverflowError):
        offerer.offer(b"x", 2**63)
    with pytest.raises(TypeError):
        offerer.offer(b"x", "1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="data"):
        offerer.offer()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected"):
        offerer.offer(b"x", reserved=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="at most"):
        offerer.offer(b"x", 1, 2)  # type: ignore[call-arg]
    with pytest.raises(PublicationError, match="max_message_length") as caught:
        offerer.offer(bytes(9000))
    assert caught.value.operation == "offer"


def test_refusals(rig: Rig) -> None:
    lonely = rig.offerer(rig.stream())
    with pytest.raises(NotConnectedError):
        lonely.offer(b"x")
    assert lonely.offer_nowait(b"x") == OfferResult.NOT_CONNECTED
    assert lonely.offer_many([b"x", b"y"]) == (0, OfferResult.NOT_CONNECTED)
    with pytest.raises(NotConnectedError):
        lonely.offer_block(b"xy", array.array("q", [0, 1, 2]))
    with pytest.raises(NotConnectedError):
        lonely.try_claim(1)

    offerer, poller = rig.pair()
    sent = 0
    while (result := offerer.offer_nowait(b"%04d" % sent + bytes(1000))) > 0:
        sent += 1
    assert result == OfferResult.BACK_PRESSURED
    assert offerer.offer_many([b"x"]) == (0, OfferResult.BACK_PRESSURED)
    assert offerer.offer_block(b"x", array.array("q", [0, 1])) == 0
    assert [int(data[:4]) for data in receive(poller, sent)] == list(range(sent))


@both_kinds
def test_offer_many(rig: Rig, exclusive: bool) -> None:
    offerer, poller = rig.pair(exclusive)
    sent = [b"%d" % number * (number % 9) for number in range(3000)]
    got: list[bytes] = []
    done = 0
    while done < len(sent):
        count, result = offerer.offer_many(sent[done:])
        assert count == len(sent) - done or result == OfferResult.BACK_PRESSURED
        done += count
        got.extend(poller.poll_payloads(1000))
    got += receive(poller, len(sent) - len(got)) if len(got) < len(sent) else []
    assert got == sent
    count, position = offerer.offer_many(data for data in (b"a", bytearray(b"b")))  # type: ignore[arg-type]
    assert (count, position > 0) == (2, True)
    assert offerer.offer_many([]) == (0, 0)
    assert receive(poller, 2) == [b"a", b"b"]
    for wrong in (3, [b"x", 3]):
        with pytest.raises(TypeError):
            offerer.offer_many(wrong)  # type: ignore[arg-type]
    with pytest.raises(PublicationError):
        offerer.offer_many([bytes(9000)])
    assert receive(poller, 1) == [b"x"]


@both_kinds
def test_offer_block(rig: Rig, exclusive: bool) -> None:
    offerer, poller = rig.pair(exclusive)
    sent = [b"%d" % number * (number % 9) for number in range(3000)]
    data = b"".join(sent)
    offsets = array.array("q", [0])
    for message in sent:
        offsets.append(offsets[-1] + len(message))
    reserved = array.array("q", range(len(sent)))

    got = []
    done = 0
    while done < len(sent):
        done += offerer.offer_block(data, offsets[done:], reserved[done:])
        got.extend(poller.poll_messages(1000))
    wait_until(lambda: (got.extend(poller.poll_messages()), len(got) >= len(sent))[1], "all")
    assert [message.payload for message in got] == sent
    assert [message.reserved_value for message in got] == list(range(len(sent)))


def test_block_forwarded(rig: Rig) -> None:
    """What one poller received goes out again without an object a message."""
    first, poller = rig.pair()
    second, receiver = rig.pair()
    first.offer_many([b"%d" % number for number in range(50)])
    block = wait_until(poller.poll_block, "the block")
    assert second.offer_block(block.data, block.boundaries, block.positions) == 50
    messages = receiver.poll_messages()
    assert [message.payload for message in messages] == block.payloads()
    assert [message.reserved_value for message in messages] == block.positions.tolist()


def test_wrong_blocks(rig: Rig) -> None:
    offerer, poller = rig.pair()
    for offsets in ([0, 5], [-1, 2], [2, 1], [2**62, 2**62 + 1]):
        with pytest.raises(PublicationError, match="buffer of 4 bytes"):
            offerer.offer_block(b"1234", array.array("q", offsets))
    assert offerer.offer_block(b"1234", array.array("q", [0, 1, 9])) == 1
    assert receive(poller, 1) == [b"1"]
    assert offerer.offer_block(b"1234", array.array("q", [3])) == 0
    with pytest.raises(ValueError, match="one offset more"):
        offerer.offer_block(b"1234", array.array("q"))
    with pytest.raises(ValueError, match="reserved"):
        offerer.offer_block(b"1234", array.array("q", [0, 1]), array.array("q", [1, 2]))
    for wrong in (array.array("i", [0, 1]), b"12345678", array.array("d", [0, 1]), [0, 1]):
        with pytest.raises(TypeError):
            offerer.offer_block(b"1234", wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="aligned"):
        offerer.offer_block(b"1234", memoryview(bytearray(17))[1:].cast("q"))
    with pytest.raises(TypeError):
        offerer.offer_block("1234", array.array("q", [0, 1]))  # type: ignore[arg-type]


# Claims


@both_kinds
def test_claim(rig: Rig, exclusive: bool) -> None:
    offerer, poller = rig.pair(exclusive)
    claim = offerer.try_claim(5)
    assert bytes(claim.buffer) == bytes(5)
    assert len(claim) == 5
    claim.buffer[:] = b"12345"
    claim.reserved_value = -3
    assert poller.poll_payloads() == []
    assert claim.commit() == claim.position
    (message,) = wait_until(poller.poll_messages, "the message")
    assert (message.payload, message.reserved_value, message.position) == (b"12345", -3, claim.position)
    with pytest.raises(ClosedError, match="claim"):
        claim.commit()
    with pytest.raises(ClosedError, match="claim"):
        claim.buffer  # noqa: B018
    claim.abort()

    with offerer.try_claim(1) as claim:
        claim.buffer[0] = 65
    with pytest.raises(LookupError), offerer.try_claim(1) as claim:
        claim.buffer[0] = 66
        raise LookupError
    with offerer.try_claim(1) as claim:
        claim.abort()
    with offerer.try_claim(1) as claim:
        claim.buffer[0] = 67
        claim.commit()
    with offerer.try_claim(0):
        pass
    assert receive(poller, 3) == [b"A", b"C", b""]


def test_views_of_a_claim_that_is_over(rig: Rig) -> None:
    """They are released, or belong to memory that nobody reads any more: what was committed stays."""
    offerer, poller = rig.pair()
    claim = offerer.try_claim(4)
    view, part = claim.buffer, claim.buffer[1:3]
    view[:] = b"done"
    claim.commit()
    with pytest.raises(ValueError, match="released"):
        view[0] = 0
    part[:] = b"##"
    assert receive(poller, 1) == [b"done"]


def test_wrong_claims(rig: Rig) -> None:
    offerer, _ = rig.pair()
    for wrong in ("1", None, 1.5):
        with pytest.raises(TypeError):
            offerer.try_claim(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        offerer.try_claim(-1)
    with pytest.raises(PublicationError, match="max_payload_length"):
        offerer.try_claim(8000)
    with pytest.raises(OverflowError):
        offerer.try_claim(2**70)
    with pytest.raises(TypeError):
        Claim()


def test_forgotten_claim_is_aborted(rig: Rig) -> None:
    offerer, poller = rig.pair()
    with pytest.warns(ResourceWarning, match="neither committed nor aborted"):
        offerer.try_claim(4)
        gc.collect()
    send(offerer, b"after")
    assert receive(poller, 1) == [b"after"]


def test_claim_of_a_closed_publication(rig: Rig) -> None:
    offerer, poller = rig.pair()
    claim, other = offerer.try_claim(4), offerer.try_claim(4)
    view = claim.buffer
    offerer.disarm(ClosedError("closed"))
    view[:] = b"1234"
    with pytest.raises(ClosedError, match="claim"):
        claim.commit()
    with pytest.raises(ClosedError), claim:
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        claim.abort()
        del claim, other
        gc.collect()
    assert poller.poll_payloads() == []


# Guards


def test_disarmed(rig: Rig) -> None:
    offerer, _ = rig.pair()
    offerer.disarm(ClosedError("closed"))
    for call in (
        lambda: offerer.offer(b"x"),
        lambda: offerer.offer_nowait([b"x"]),
        lambda: offerer.offer_many([b"x"]),
        lambda: offerer.offer_block(b"x", array.array("q", [0, 1])),
        lambda: offerer.try_claim(1),
    ):
        with pytest.raises(ClosedError, match="is closed"):
            call()
    offerer.disarm(ForkedError("forked"))
    with pytest.raises(ForkedError, match="parent"):
        offerer.offer(b"x")


def test_disarmed_while_a_buffer_is_taken(rig: Rig) -> None:
    """Taking a buffer may run code that closes the publication: it is looked at afterwards."""
    offerer, _ = rig.pair()

    class Closing(list):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[Any]:
            offerer.disarm(ClosedError("closed"))
            return iter([b"x"])

    class Sequence:
        def __len__(self) -> int:
            return 1

        def __iter__(self) -> Iterator[bytes]:
            return iter(Closing())

    with pytest.raises(ClosedError):
        offerer.offer_many(Sequence())  # type: ignore[arg-type]


@both_kinds
def test_threads_offer_at_once(rig: Rig, exclusive: bool) -> None:
    """A concurrent publication takes all; an exclusive one is busy for the others during a block, and never torn."""
    offerer, poller = rig.pair(exclusive)
    blocks, messages = 40, 50
    errors: list[BaseException] = []
    busy = [0]

    def work(number: int) -> None:
        try:
            for block in range(blocks):
                data = bytes([number, block]) * messages
                offsets = array.array("q", range(0, 2 * messages + 1, 2))
                while len(offsets) > 1:
                    try:
                        offsets = offsets[offerer.offer_block(data, offsets) :]
                    except BusyError:
                        busy[0] += 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    got = receive(poller, 3 * blocks * messages, 1000)
    for thread in threads:
        thread.join(60)
    assert errors == []
    for number in range(3):
        mine = [data[1] for data in got if data[0] == number]
        assert mine == [block for block in range(blocks) for _ in range(messages)]


@both_kinds
def test_disarm_against_blocks_of_another_thread(rig: Rig, exclusive: bool) -> None:
    for _ in range(10):
        offerer, poller = rig.pair(exclusive)
        started = threading.Event()

        def work(offerer: Offerer = offerer, started: threading.Event = started) -> None:
            data, offsets = bytes(64 * 1000), array.array("q", range(0, 64 * 1001, 64))
            with pytest.raises(ClosedError):
                while True:
                    offerer.offer_block(data, offsets)
                    started.set()

        thread = threading.Thread(target=work)
        thread.start()
        assert started.wait(60)
        poller.poll_block(1000)
        offerer.disarm(ClosedError("closed"))
        thread.join(60)
        assert not thread.is_alive()


def test_wrong_addresses() -> None:
    with pytest.raises(ValueError, match="0"):
        Offerer(0, False, "nothing")
    with pytest.raises(TypeError):
        Offerer("1", False, "text")  # type: ignore[arg-type]
