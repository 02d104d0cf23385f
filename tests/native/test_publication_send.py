"""``send``: an offer that waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from aeron_py import Client, ClosedError, NotConnectedError, OfferResult, PublicationError, TimedOutError
from tests.streams import Pairs, next_stream
from tests.waiting import wait_until

LONG = 60


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[Exception]]:
    """Runs it in a thread; what it raised is in the list when the thread has ended."""
    raised: list[Exception] = []

    def run() -> None:
        try:
            call()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


@pytest.mark.parametrize("exclusive", [False, True])
def test_waits_for_room(pair: Pairs, exclusive: bool) -> None:
    publication, subscription = pair(exclusive=exclusive)
    count = 300  # of 1,032 bytes each: several times the window of 32 KiB
    thread, raised = in_thread(
        lambda: [publication.send([b"%d " % n, bytes(1000)], n, timeout=LONG) for n in range(count)]
    )
    received = []
    for message in subscription.messages(timeout=LONG):
        received.append((int(message.payload.split(b" ")[0]), message.reserved_value))
        if len(received) == count:
            break
    thread.join(LONG)
    assert not raised
    assert received == [(number, number) for number in range(count)]


def test_gives_up_in_time(pair: Pairs) -> None:
    publication, _ = pair()
    while publication.offer_nowait(bytes(1000)) != OfferResult.BACK_PRESSURED:
        pass
    position = publication.position
    with pytest.raises(TimedOutError, match=r"the subscribers made no room on .* within 0.01 s"):
        publication.send(bytes(1000), timeout=0.01)
    assert publication.position == position


def test_waits_for_a_subscriber_if_told(client: Client) -> None:
    stream_id = next_stream()
    with client.add_publication("aeron:ipc", stream_id) as publication:
        with pytest.raises(NotConnectedError):
            publication.send(b"x")
        with pytest.raises(TimedOutError, match=r"nobody subscribed to .* within 0 s"):
            publication.send(b"x", wait_connected=True, timeout=0)
        thread, raised = in_thread(lambda: publication.send(b"y", wait_connected=True, timeout=LONG))
        with client.add_subscription("aeron:ipc", stream_id) as subscription:
            assert next(iter(subscription.messages(timeout=LONG))).payload == b"y"
            thread.join(LONG)
            assert not raised
            with pytest.raises(PublicationError):
                publication.send(bytes(publication.max_message_length + 1), timeout=LONG)


def test_closed_meanwhile(client: Client) -> None:
    publication = client.add_publication("aeron:ipc", next_stream())
    thread, raised = in_thread(lambda: publication.send(b"x", wait_connected=True))
    publication.close()
    thread.join(LONG)
    wait_until(lambda: raised)
    assert isinstance(raised[0], ClosedError)
    with pytest.raises(ClosedError):
        publication.send(b"x")
