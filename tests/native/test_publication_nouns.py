"""Publications: what goes in, what is refused."""

from __future__ import annotations

import array
import time
from typing import Any

import numpy as np
import pytest

from aeron_py import (
    AeronError,
    BackPressuredError,
    Client,
    ClosedError,
    DriverError,
    ExclusivePublication,
    MediaDriver,
    NotConnectedError,
    OfferResult,
    PublicationError,
    SettingError,
)
from tests.ports import free_port
from tests.streams import Pairs, next_stream, receive, send
from tests.waiting import wait_until


@pytest.mark.parametrize("exclusive", [False, True])
def test_properties(pair: Pairs, exclusive: bool) -> None:
    publication, subscription = pair(exclusive=exclusive)
    assert publication.channel == "aeron:ipc"
    assert publication.stream_id == subscription.stream_id
    assert publication.session_id == publication.constants.session_id
    assert publication.registration_id >= publication.original_registration_id
    assert publication.term_buffer_length == 64 * 1024
    assert publication.max_message_length >= publication.max_payload_length
    assert publication.position == 0
    assert publication.position_limit > 0
    assert publication.channel_status == 1
    assert not publication.is_closed
    position = publication.offer(b"x")
    assert publication.position == position == 64
    assert "aeron:ipc" in repr(publication)
    publication.close()
    assert publication.is_closed
    assert not publication.is_connected
    for use in ("position", "position_limit"):
        with pytest.raises(ClosedError):
            getattr(publication, use)
    with pytest.raises(ClosedError):
        publication.offer(b"x")
    assert publication.session_id


@pytest.mark.parametrize(
    "data",
    [
        b"bytes",
        bytearray(b"bytearray"),
        memoryview(b"memoryview")[2:],
        array.array("i", [1, 2, 3]),
        np.arange(10, dtype=np.float64),
        b"",
        [b"several", bytearray(b" "), memoryview(b"parts")],
        (b"one",),
        bytes(range(256)) * 30,
    ],
    ids=lambda data: type(data).__name__,
)
@pytest.mark.parametrize("exclusive", [False, True])
def test_any_buffer(pair: Pairs, data: Any, exclusive: bool) -> None:
    publication, subscription = pair(exclusive=exclusive)
    send(publication, data, -(2**63))
    (message,) = receive(subscription, 1)
    assert message.payload == (b"".join(data) if isinstance(data, list | tuple) else bytes(data))
    # A message of several fragments has it, too.
    assert message.reserved_value == -(2**63)
    assert message.session_id == publication.session_id


@pytest.mark.parametrize("data", [None, "text", 5, object(), [b"x", "y"], {}])
def test_not_a_buffer(pair: Pairs, data: Any) -> None:
    publication, _ = pair()
    with pytest.raises((TypeError, AeronError)):
        publication.offer(data)
    assert publication.position == 0


def test_refusals(client: Client, pair: Pairs) -> None:
    with client.add_exclusive_publication("aeron:ipc", next_stream()) as alone:
        with pytest.raises(NotConnectedError) as caught:
            alone.offer(b"x")
        assert caught.value.code == OfferResult.NOT_CONNECTED
        assert alone.offer_nowait(b"x") == OfferResult.NOT_CONNECTED

    publication, subscription = pair()
    with pytest.raises(PublicationError, match="length"):
        publication.offer(bytes(publication.max_message_length + 1))
    with pytest.raises(BackPressuredError):
        for _ in range(10_000):
            if publication.offer_nowait(bytes(1000)) == OfferResult.BACK_PRESSURED:
                publication.offer(bytes(1000))
    assert subscription.poll_messages(1)


def test_many_at_once(pair: Pairs) -> None:
    publication, subscription = pair()
    count, result = publication.offer_many([b"a", b"bb", b"ccc"])
    assert (count, result) == (3, publication.position)
    assert [message.payload for message in receive(subscription, 3)] == [b"a", b"bb", b"ccc"]
    offsets = np.array([0, 1, 3, 6], dtype=np.int64)
    assert publication.offer_block(b"abbccc", offsets) == 3
    assert [message.payload for message in receive(subscription, 3)] == [b"a", b"bb", b"ccc"]


def test_claims(pair: Pairs) -> None:
    publication, subscription = pair()
    with publication.try_claim(4) as claim:
        claim.buffer[:] = b"abcd"
        claim.reserved_value = 9
    with pytest.raises(LookupError), publication.try_claim(4) as dropped:
        dropped.buffer[:] = b"nope"
        raise LookupError
    claim = publication.try_claim(1)
    claim.buffer[0] = 7
    claim.commit()
    messages = receive(subscription, 2)
    assert [message.payload for message in messages] == [b"abcd", b"\x07"]
    assert messages[0].reserved_value == 9


def test_destinations(client: Client) -> None:
    stream = next_stream()
    with (
        client.add_subscription("aeron:udp?endpoint=localhost:0", stream) as subscription,
        client.add_exclusive_publication("aeron:udp?control-mode=manual", stream) as publication,
    ):
        wait_until(lambda: ":0" not in subscription.resolved_channel)
        publication.add_destination(subscription.resolved_channel)
        wait_until(lambda: publication.is_connected)
        send(publication, b"over UDP")
        assert receive(subscription, 1)[0].payload == b"over UDP"
        publication.remove_destination(subscription.resolved_channel)


@pytest.mark.parametrize("exclusive", [False, True])
def test_stamps(pair: Pairs, exclusive: bool) -> None:
    publication, subscription = pair(exclusive=exclusive)
    assert publication.stamps is False
    send(publication, b"without")
    publication.stamps = True
    begin = time.time_ns()
    send(publication, b"whole")
    send(publication, [b"in ", b"parts"])
    send(publication, bytes(5000))
    assert publication.offer_many([b"many"])[0] == 1
    assert publication.offer_block(b"block", array.array("q", [0, 2, 5])) == 2
    with publication.try_claim(3) as claim:
        claim.buffer[:] = b"abc"
    end = time.time_ns()
    assert publication.offer(b"its own", 7) > 0
    assert publication.offer_block(b"its own", array.array("q", [0, 7]), array.array("q", [8])) == 1
    with publication.try_claim(1) as claim:
        claim.reserved_value = 9
    publication.stamps = False
    send(publication, b"without")
    messages = subscription.poll_messages(100)
    stamps = [message.reserved_value for message in messages]
    assert len(stamps) == 12
    assert [begin, *stamps[1:8], end] == sorted([begin, *stamps[1:8], end])
    assert stamps[8:11] == [7, 8, 9]
    assert stamps[0] == stamps[11] == 0


def test_a_subscription_with_destinations(client: Client) -> None:
    first, second = free_port(), free_port()
    with (
        client.add_subscription("aeron:udp?control-mode=manual", 32) as subscription,
        client.add_exclusive_publication(f"aeron:udp?endpoint=localhost:{first}", 32) as one,
        client.add_exclusive_publication(f"aeron:udp?endpoint=localhost:{second}", 32) as two,
    ):
        for port in (first, second):
            subscription.add_destination(f"aeron:udp?endpoint=localhost:{port}")
        wait_until(lambda: one.is_connected and two.is_connected and len(subscription.images) == 2)
        assert len(subscription.local_addresses) == 2
        subscription.remove_destination(f"aeron:udp?endpoint=localhost:{first}")
        wait_until(lambda: len(subscription.local_addresses) == 1)
        send(two, b"still here")
        assert receive(subscription, 1)[0].payload == b"still here"


def test_padding(pair: Pairs) -> None:
    publication, subscription = pair()
    assert isinstance(publication, ExclusivePublication)
    send(publication, b"before")
    position = publication.append_padding(1000)
    assert position == publication.position
    assert position % 32 == 0
    after = send(publication, b"after")
    assert [(each.payload, each.position) for each in receive(subscription, 2)][1] == (b"after", after)
    with pytest.raises(PublicationError):
        publication.append_padding(publication.max_message_length + 1)
    with pytest.raises(ValueError, match="negative"):
        publication.append_padding(-1)


def test_revoked(client: Client, pair: Pairs) -> None:
    publication, subscription = pair()
    assert isinstance(publication, ExclusivePublication)
    send(publication, b"never read")
    wait_until(lambda: subscription.images)
    image = subscription.images[0]
    publication.revoke()
    assert publication.is_closed
    publication.revoke()
    wait_until(lambda: not subscription.images)
    assert image.is_publication_revoked
    assert subscription.poll_payloads() == []


def test_session_ids_of_the_drivers_choice(client: Client) -> None:
    session_id = client.next_session_id(33)
    assert client.next_session_id(33) != session_id
    with client.add_exclusive_publication(f"aeron:ipc?session-id={session_id}", 33) as publication:
        assert publication.session_id == session_id
    with pytest.raises(SettingError):
        client.next_session_id(1 << 40)


def test_a_counter_that_outlives_its_client(driver: MediaDriver, client: Client) -> None:
    with Client.connect(driver.aeron_dir) as first:
        counter = first.add_static_counter(1234, "for ever", registration_id=-5, key=b"key")
        counter.value = 42
        assert counter.registration_id == -5
        counter_id = counter.counter_id
    with client.add_static_counter(1234, "again", registration_id=-5) as again:
        assert again.counter_id == counter_id
        assert again.value == 42
    found = client.counters.find(1234, -5)
    assert found is not None
    assert (found.label, found.key[:3], found.value) == ("for ever", b"key", 42)
    with client.add_counter(1235) as ordinary, pytest.raises(DriverError):
        client.add_static_counter(1235, registration_id=ordinary.registration_id)
