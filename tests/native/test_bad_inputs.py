"""Two hundred bad inputs: each a clear Python exception, none a crash, and the client works on."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from aeron_py import AeronError, Client, ExclusivePublication, MediaDriver, SettingError, Subscription
from tests.streams import Pairs, receive, send

CLEAR = (AeronError, TypeError, ValueError, IndexError, BufferError, OverflowError)

NOT_NUMBERS = ["1", None, 1.5, [], object(), b"1", True]
CHANNELS = [
    "aeron:ipc?term-length=64k|mtu=1408",
    "aeron:udp?endpoint=127.0.0.1:20121|term-length=64k",
    "aeron:udp?control=127.0.0.1:20122|control-mode=dynamic",
    "aeron-spy:aeron:udp?endpoint=127.0.0.1:20123",
]


class Bench:
    """What the bad input is given to."""

    def __init__(self, client: Client, publication: ExclusivePublication, subscription: Subscription) -> None:
        self.client = client
        self.publication = publication
        self.subscription = subscription


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with MediaDriver.launch(ipc_term_buffer_length=64 * 1024) as driver, Client.connect(driver.aeron_dir) as client:
        pairs = Pairs(client)
        with pairs.closing:
            publication, subscription = pairs()
            assert isinstance(publication, ExclusivePublication)
            yield Bench(client, publication, subscription)


def channel_of(chance: random.Random) -> str:
    """A channel with something wrong in it."""
    channel = chance.choice(CHANNELS)
    match chance.randrange(8):
        case 0:
            return channel.replace("aeron", chance.choice(["areon", "AERON", "", "http"]), 1)
        case 1:
            return channel.replace("?", chance.choice(["", "??", "&"]), 1)
        case 2:
            return channel + "|" + "".join(chance.choices(string.ascii_lowercase, k=9)) + "=1"
        case 3:
            return channel.partition("?")[0] + "?term-length=" + chance.choice(["63k", "-1", "3g", "x", "100", "4096g"])
        case 4:
            return channel + "\0" + "hidden"
        case 5:
            return "".join(chance.choices(string.printable, k=chance.randrange(60)))
        case 6:
            return channel + "|mtu=" + chance.choice(["0", "31", "1g", "many"])
        case _:
            return channel + "|alias=" + "ä" * chance.randrange(1, 5000)


def number_of(chance: random.Random, limit: int) -> Any:
    """No number of that many bits."""
    if chance.random() < 0.5:
        return chance.choice(NOT_NUMBERS)
    return chance.choice([-1, 1]) * (2**limit + chance.randrange(2**limit))


def offsets_of(chance: random.Random) -> Any:
    """Offsets that don't lie in ten bytes, or are none."""
    return chance.choice(
        [
            np.array([0, 11], dtype=np.int64),
            np.array([-1, 5], dtype=np.int64),
            np.array([5, 3], dtype=np.int64),
            np.array([0, 2**62], dtype=np.int64),
            np.array([], dtype=np.int64),
            np.array([0, 1], dtype=np.int32),
            np.array([0.0, 1.0]),
            np.arange(20, dtype=np.int64)[::-2],
            b"123",
            [0, 1],
            None,
        ]
    )


CASES: dict[str, Callable[[Bench, random.Random], Any]] = {
    "publication channel": lambda bench, chance: bench.client.add_publication(channel_of(chance), 1),
    "exclusive channel": lambda bench, chance: bench.client.add_exclusive_publication(channel_of(chance), 1),
    "subscription channel": lambda bench, chance: bench.client.add_subscription(channel_of(chance), 1),
    "channel type": lambda bench, chance: bench.client.add_publication(chance.choice([None, 5, b"aeron:ipc", []]), 1),
    "publication stream": lambda bench, chance: bench.client.add_publication("aeron:ipc", number_of(chance, 31)),
    "subscription stream": lambda bench, chance: bench.client.add_subscription("aeron:ipc", number_of(chance, 31)),
    "destination": lambda bench, chance: bench.subscription.add_destination(channel_of(chance)),
    "image handler": lambda bench, chance: bench.client.add_subscription(
        "aeron:ipc", 1, on_available_image=chance.choice([1, "print", []])
    ),
    "timeout": lambda bench, chance: bench.client.add_publication(
        "aeron:ipc", 1, timeout=chance.choice([-1, "1", float("nan"), True, []])
    ),
    "counter type": lambda bench, chance: bench.client.add_counter(number_of(chance, 31), "x"),
    "counter label": lambda bench, chance: bench.client.add_counter(
        1001, chance.choice(["x" * chance.randrange(381, 9999), "a\0b", 5, b"label"])
    ),
    "counter key": lambda bench, chance: bench.client.add_counter(
        1001, "x", key=chance.choice([bytes(chance.randrange(113, 9999)), "key", 5])
    ),
    "counter value": lambda bench, chance: bench.client.add_counter(1001, "x", value=number_of(chance, 63)),
    "counter id": lambda bench, chance: bench.client.counters.read(number_of(chance, 31)),
    "counters of type": lambda bench, chance: bench.client.counters.list(chance.choice([-5, 2**40, "12", 1.0])),
    "offer type": lambda bench, chance: bench.publication.offer(
        chance.choice([None, "text", 5, [b"x", None], {}, object(), [1], np.arange(10)[::2]])
    ),
    "offer size": lambda bench, chance: bench.publication.offer(
        bytes(bench.publication.max_message_length + chance.randrange(1, 99_999))
    ),
    "offer reserved": lambda bench, chance: bench.publication.offer(
        b"x", chance.choice(["1", 1.5, [], 2**64 + chance.randrange(2**64), -(2**63) - 1])
    ),
    "offer many": lambda bench, chance: bench.publication.offer_many(chance.choice([5, None, [None], ["text"], [5]])),
    "offer block": lambda bench, chance: bench.publication.offer_block(bytes(10), offsets_of(chance)),
    "claim": lambda bench, chance: bench.publication.try_claim(
        chance.choice([-1, 2**40, 2**70, -(2**70), bench.publication.max_payload_length + 1, "5", None, 1.5])
    ),
    "poll handler": lambda bench, chance: poll_with(bench, chance.choice([None, 5, "print", []])),
    "poll limit": lambda bench, chance: bench.subscription.poll(print, chance.choice([0, -1, 2**70, "5", 1.5])),
    "batch limit": lambda bench, chance: bench.subscription.poll_batch(chance.choice([0, -1, -(2**70), "5"])),
    "payloads limit": lambda bench, chance: bench.subscription.poll_payloads(chance.choice([0, -9, 2**80, None])),
    "block limit": lambda bench, chance: bench.subscription.images[0].block_poll(number_of(chance, 31)),
    "session": lambda bench, chance: bench.subscription.image_by_session_id(number_of(chance, 31)),
    "until": lambda bench, chance: bench.subscription.messages(until=chance.choice([-1, "5", 2**63, 1.5])),
    "connect": lambda bench, chance: Client.connect(chance.choice([5, "", "a\0b", "x" * 5000, b"bytes", []])),
    "driver": lambda bench, chance: MediaDriver.launch(
        **{"".join(chance.choices(string.ascii_lowercase, k=8)): chance.randrange(9)}  # type: ignore[arg-type]
    ),
}


def poll_with(bench: Bench, handler: Any) -> None:
    send(bench.publication, b"for a bad handler")
    try:
        for _ in range(100_000):
            bench.subscription.poll(handler)
    finally:
        receive(bench.subscription, 1)


@pytest.mark.parametrize("seed", range(210))
def test_bad_input(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    name = list(CASES)[seed % len(CASES)]
    with pytest.raises(CLEAR) as caught:
        CASES[name](bench, chance)
    assert str(caught.value), name
    # Nothing of it went in, and all goes on.
    position = send(bench.publication, b"still here")
    (message,) = receive(bench.subscription, 1)
    assert message.payload == b"still here"
    assert message.position == position
    assert not bench.client.is_closed


def test_a_setting_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="stream_id"):
        raise SettingError("stream_id must be a whole number")
