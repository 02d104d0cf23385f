"""Subscriptions and images: what comes out, and who is told."""

from __future__ import annotations

import itertools
import threading
import time
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from aeron_py import (
    AdminActionError,
    BackPressuredError,
    Batch,
    BusyError,
    ChannelUri,
    Client,
    ClosedError,
    Handler,
    IdleStrategy,
    Image,
    Message,
    NotConnectedError,
    PollAction,
    TimedOutError,
)
from tests.ports import free_port
from tests.streams import Pairs, next_stream, receive, send
from tests.waiting import wait_until


def test_poll(pair: Pairs) -> None:
    publication, subscription = pair()
    for number in range(5):
        send(publication, b"%d" % number)
    found: list[Message] = []
    wait_until(lambda: subscription.poll(found.append, 2) * 0 or len(found) == 5)
    assert [message.payload for message in found] == [b"0", b"1", b"2", b"3", b"4"]
    assert found[-1].position == publication.position
    assert subscription.poll(found.append) == 0
    assert subscription.poll_payloads() == []


def test_error_in_the_handler_loses_nothing(pair: Pairs) -> None:
    publication, subscription = pair()
    for number in range(4):
        send(publication, b"%d" % number)
    found: list[bytes] = []

    def handler(message: Message) -> None:
        if message.payload == b"1" and b"seen" not in found:
            found.append(b"seen")
            raise LookupError("mine")
        found.append(message.payload)

    with pytest.raises(LookupError):
        wait_until(lambda: subscription.poll(handler) * 0 or len(found) > 9)
    wait_until(lambda: subscription.poll(handler) * 0 or found[-1] == b"3")
    assert found == [b"0", b"seen", b"2", b"3"]


def test_batch(pair: Pairs) -> None:
    publication, subscription = pair()
    payloads = [bytes([65 + i]) * (i + 1) for i in range(5)]
    for i, payload in enumerate(payloads):
        send(publication, payload, i)
    batch = wait_until(lambda: subscription.poll_batch())
    while len(batch) < 5:
        pytest.fail("one poll gives what one publication had sent")
    assert isinstance(batch, Batch)
    assert len(batch) == 5
    assert batch.payloads() == payloads
    assert [message.payload for message in batch] == payloads
    assert list(batch.lengths) == [1, 2, 3, 4, 5]
    assert list(batch.boundaries) == [0, 1, 3, 6, 10, 15]
    assert list(batch.reserved_values) == [0, 1, 2, 3, 4]
    assert set(batch.session_ids) == {publication.session_id}
    assert batch.positions[-1] == publication.position
    assert batch.stream_id == subscription.stream_id
    assert batch[-1].payload == payloads[-1]
    part = batch[1:3]
    assert part.payloads() == payloads[1:3]
    assert [bytes(part.data[o : o + n]) for o, n in zip(part.offsets, part.lengths, strict=True)] == payloads[1:3]
    offsets = np.asarray(batch.offsets)
    assert offsets.dtype == np.int64
    del batch, part
    for _ in range(100):
        send(publication, b"z" * 50)
        receive(subscription, 1)
    assert offsets.tolist() == [0, 1, 3, 6, 10]
    empty = subscription.poll_batch()
    assert len(empty) == 0
    assert list(empty) == []
    assert bytes(empty.data) == b""
    with pytest.raises(IndexError):
        empty[0]


def test_messages_until_a_position(pair: Pairs) -> None:
    publication, subscription = pair()
    positions = [send(publication, b"m%d" % number) for number in range(6)]
    found = [message.payload for message in subscription.messages(until=positions[3], timeout=30)]
    assert found == [b"m0", b"m1", b"m2", b"m3"]
    # Already there: nothing more to wait for.
    assert list(subscription.messages(until=positions[3], timeout=30)) == []
    # Left in the middle: the rest is still there.
    assert next(iter(subscription.messages(timeout=30))).payload == b"m4"
    assert receive(subscription, 1)[0].payload == b"m5"


def test_messages_until_a_position_after_padding_whose_publisher_has_gone(pair: Pairs) -> None:
    publication, subscription = pair()
    unread = 0
    while True:
        try:
            publication.offer(bytes(1000))
            unread += 1
        except BackPressuredError:
            unread -= len(subscription.poll_payloads(8))
        except AdminActionError:
            break
    end = publication.position
    messages = subscription.messages(until=end, timeout=30)
    assert all(next(messages).position < end for _ in range(unread))
    wait_until(lambda: not subscription.poll_messages() and subscription.images[0].position == end)
    publication.close()
    wait_until(lambda: not subscription.images)
    assert next(messages, None) is None


@pytest.mark.parametrize("ends", [True, False])
def test_messages_until_a_position_of_a_publisher_that_came_late_and_went_unlooked_at(pair: Pairs, ends: bool) -> None:
    subscription = pair.subscription()

    def publish(count: int) -> None:
        # In the only turn without a message, so that nothing looks for its image before there is one.
        if count == 0 and not end:
            with pair.publication(subscription.stream_id) as publication:
                send(publication, b"last")
                publication.try_claim(100).abort()
                end.append(publication.position)

    end: list[int] = []
    meanwhile = cast(IdleStrategy, SimpleNamespace(idler=lambda: SimpleNamespace(idle=publish)))
    until = 64 + 160 if ends else 10_000
    messages = subscription.messages(until=until, timeout=30, idle_strategy=meanwhile)
    assert next(messages).payload == b"last"
    assert end == [64 + 160]
    wait_until(lambda: not subscription.poll_messages() and not subscription.is_connected)
    if ends:
        assert next(messages, None) is None
    else:
        with pytest.raises(NotConnectedError, match="before position"):
            next(messages)


def test_what_messages_read_ahead_is_not_lost(pair: Pairs) -> None:
    publication, subscription = pair()
    positions = [send(publication, b"%d" % number) for number in range(10)]
    for message in subscription.messages(timeout=30):
        if message.position == positions[1]:
            break
    assert list(subscription.messages(until=positions[1], timeout=30)) == []
    assert [message.payload for message in subscription.messages(until=positions[4], timeout=30)] == [b"2", b"3", b"4"]
    assert list(subscription.messages(until=positions[4], timeout=30)) == []
    found: list[Message] = []
    assert subscription.poll(found.append, 1) == 1
    assert [message.payload for message in found] == [b"5"]
    assert [message.payload for message in receive(subscription, 4)] == [b"6", b"7", b"8", b"9"]


def test_messages_give_up(pair: Pairs) -> None:
    publication, subscription = pair()
    with pytest.raises(TimedOutError, match=r"0\.1 s"):
        list(subscription.messages(timeout=0.1, idle_strategy=IdleStrategy.yielding()))
    publication.offer(b"x")
    publication.close()
    with pytest.raises(NotConnectedError, match="before position"):
        list(subscription.messages(until=10_000, timeout=60))
    subscription.close()
    with pytest.raises(ClosedError):
        list(subscription.messages())


def test_image_handlers_run_in_the_polling_thread(pair: Pairs) -> None:
    seen: list[tuple[str, Image, int]] = []
    subscription = pair.subscription(
        on_available_image=lambda image: seen.append(("came", image, threading.get_ident())),
        on_unavailable_image=lambda image: seen.append(("went", image, threading.get_ident())),
    )
    publication = pair.publication(subscription.stream_id)

    def until(count: int) -> None:
        wait_until(lambda: subscription.poll(print) * 0 or len(seen) == count)

    wait_until(lambda: publication.is_connected)
    assert seen == []
    until(1)
    what, image, thread = seen[0]
    assert (what, thread) == ("came", threading.get_ident())
    assert image.session_id == publication.session_id
    assert image.source_identity == "aeron:ipc"
    assert image.join_position == 0
    assert subscription.images == [image]
    assert subscription.image_by_session_id(publication.session_id) is image
    assert subscription.image_by_session_id(publication.session_id ^ 1) is None
    end = send(publication, b"last words")
    assert receive(subscription, 1)
    publication.close()
    until(2)
    assert seen[1][0] == "went"
    assert seen[1][1] is image
    assert image.closed
    assert image.position == end
    assert subscription.images == []
    with pytest.raises(ClosedError):
        image.poll(print)


def test_image_that_came_and_went_before_a_poll(pair: Pairs) -> None:
    seen: list[Image] = []
    subscription = pair.subscription(on_available_image=seen.append, on_unavailable_image=seen.append)
    publication = pair.publication(subscription.stream_id)
    wait_until(lambda: publication.is_connected)
    session = publication.session_id
    publication.close()
    wait_until(lambda: not subscription.is_connected)
    wait_until(lambda: subscription.poll(print) * 0 or len(seen) == 2)
    assert [image.session_id for image in seen] == [session, session]
    assert all(image.closed for image in seen)


def test_images_poll_alone(pair: Pairs) -> None:
    first, subscription = pair()
    second = pair.publication(subscription.stream_id)
    wait_until(lambda: len(subscription.images) == 2)
    send(first, b"first")
    send(second, b"second")
    image = subscription.image_by_session_id(second.session_id)
    assert image is not None
    assert wait_until(lambda: image.poll_payloads()) == [b"second"]
    assert image.poll_batch().payloads() == []
    assert receive(subscription, 1)[0].payload == b"first"
    assert image.position == second.position
    assert not image.is_end_of_stream
    assert image.active_transport_count >= 0


def test_raw_frames(pair: Pairs) -> None:
    publication, subscription = pair()
    (image,) = subscription.images
    for i in itertools.count():
        send(publication, bytes(900) + b"%4d" % i)
        frames = wait_until(lambda: image.block_poll(4096))
        assert bytes(frames[-4 - (-len(bytes(904)) - 32) % 32 :][:4]) == b"%4d" % i
        if publication.position > 2 * publication.term_buffer_length:
            break
    assert image.position == publication.position
    assert len(image.block_poll()) == 0


def test_two_threads_on_one_subscription(pair: Pairs) -> None:
    publication, subscription = pair()
    send(publication, b"x")
    inside, leave = threading.Event(), threading.Event()

    def handler(message: Message) -> None:
        inside.set()
        leave.wait(60)

    def poll_until_inside() -> None:
        wait_until(lambda: subscription.poll(handler))

    thread = threading.Thread(target=poll_until_inside)
    thread.start()
    try:
        assert inside.wait(60)
        with pytest.raises(BusyError):
            subscription.poll(print)
        with pytest.raises(BusyError):
            subscription.images[0].block_poll()
    finally:
        leave.set()
        thread.join()
    assert subscription.poll(print) == 0


def test_close_from_its_own_handler(pair: Pairs) -> None:
    publication, subscription = pair()
    send(publication, b"x")
    with pytest.raises(BusyError):
        wait_until(lambda: subscription.poll(lambda message: subscription.close()))
    subscription.close()


def test_handlers_that_are_pinned(client: Client) -> None:
    seen: list[Image] = []
    handler = Handler.leak(seen.append)
    subscription = client.add_subscription("aeron:ipc", stream := next_stream(), on_available_image=handler)
    with pytest.raises(BusyError, match="still held"):
        handler.release()
    with client.add_exclusive_publication("aeron:ipc", stream):
        wait_until(lambda: subscription.poll(print) * 0 or seen)
    subscription.close()
    handler.release()
    handler.release()
    with pytest.raises(ClosedError):
        client.add_subscription("aeron:ipc", stream, on_available_image=handler)


def test_waiting_leaves_the_interpreter_to_others(pair: Pairs) -> None:
    _, subscription = pair()
    turns = 0
    done = threading.Event()

    def work() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            time.sleep(0)

    thread = threading.Thread(target=work)
    thread.start()
    with pytest.raises(TimedOutError):
        next(subscription.messages(timeout=0.2))
    done.set()
    thread.join()
    assert turns > 0


def test_a_handler_decides(pair: Pairs) -> None:
    publication, subscription = pair()
    for number in range(6):
        send(publication, b"%d" % number)
    wait_until(lambda: subscription.images)
    image = subscription.images[0]
    found: list[bytes] = []
    answers = [None, PollAction.ABORT, PollAction.CONTINUE, PollAction.COMMIT, PollAction.BREAK, PollAction.CONTINUE]

    def handler(message: Message) -> PollAction | None:
        found.append(message.payload)
        if len(found) > 1:
            assert image.position < message.position  # it moves when the handler has answered, not before
        return answers[len(found) - 1]

    assert subscription.controlled_poll(handler) == 1
    assert found == [b"0", b"1"]
    assert subscription.controlled_poll(handler) == 3
    assert found == [b"0", b"1", b"1", b"2", b"3"]
    assert subscription.controlled_poll(handler, 1) == 1
    assert found[-1] == b"4"
    assert subscription.poll_payloads() == [b"5"]
    assert image.position == publication.position
    assert subscription.controlled_poll(handler) == 0


def test_a_handler_that_decides_badly(pair: Pairs) -> None:
    publication, subscription = pair()
    send(publication, b"one")
    wait_until(lambda: subscription.images)
    for bad in (True, 0, 5, "CONTINUE"):
        with pytest.raises(TypeError, match="PollAction"):
            subscription.controlled_poll(lambda message, bad=bad: bad)  # type: ignore[misc]
    with pytest.raises(LookupError):
        subscription.controlled_poll(lambda message: {}["missing"])
    with pytest.raises(BusyError):
        subscription.controlled_poll(lambda message: subscription.poll_payloads())
    with pytest.raises(TypeError, match="callable"):
        subscription.controlled_poll(None)  # type: ignore[arg-type]
    assert subscription.poll_payloads() == [b"one"]


def test_a_handler_decides_about_what_was_read_ahead(pair: Pairs) -> None:
    publication, subscription = pair()
    for number in range(3):
        send(publication, b"%d" % number)
    assert next(subscription.messages(timeout=30)).payload == b"0"
    seen: list[bytes] = []

    def handler(message: Message) -> PollAction:
        seen.append(message.payload)
        return PollAction.ABORT if len(seen) == 1 else PollAction.CONTINUE

    assert subscription.controlled_poll(handler) == 0
    assert subscription.controlled_poll(handler) == 2
    assert seen == [b"1", b"1", b"2"]


def test_a_handler_decides_about_whole_messages_of_two_publishers(pair: Pairs) -> None:
    first, subscription = pair()
    second = pair.publication(subscription.stream_id)
    wait_until(lambda: len(subscription.images) == 2)
    length = 3 * first.max_payload_length
    for publication in (first, second):
        for number in range(3):
            send(publication, b"%d" % number * length)
    found: dict[int, list[bytes]] = {first.session_id: [], second.session_id: []}
    refused: set[int] = set()

    def handler(message: Message) -> PollAction:
        if message.position not in refused:
            refused.add(message.position)
            return PollAction.ABORT
        found[message.session_id].append(message.payload)
        return PollAction.BREAK

    def done() -> bool:
        assert subscription.controlled_poll(handler) <= 1
        # Neither is left behind for long.
        assert abs(len(found[first.session_id]) - len(found[second.session_id])) <= 2
        return all(len(each) == 3 for each in found.values())

    wait_until(done)
    assert all(each == [b"%d" % number * length for number in range(3)] for each in found.values())


def test_an_image_is_read_up_to_a_position(pair: Pairs) -> None:
    publication, subscription = pair()
    positions = [send(publication, b"%d" % number) for number in range(4)]
    wait_until(lambda: subscription.images)
    image = subscription.images[0]
    found: list[Message] = []
    assert image.controlled_poll(found.append, limit_position=positions[1]) == 2
    assert image.controlled_poll(found.append, limit_position=positions[2] - 1) == 0
    assert image.position == positions[1]
    assert image.controlled_poll(found.append) == 2
    assert [message.position for message in found] == positions


def test_a_spy_and_a_session_and_a_tag(client: Client) -> None:
    stream, tagged_stream = next_stream(), next_stream()
    channel = f"aeron:udp?endpoint=localhost:{free_port()}"
    with (
        client.add_exclusive_publication(f"{channel}|tags=17|ssc=true", stream) as publication,
        client.add_subscription(ChannelUri.parse(channel).as_spy(), stream) as spy,
        client.add_subscription(f"{channel}|session-id={publication.session_id}", stream) as own,
        client.add_subscription(f"{channel}|session-id={publication.session_id ^ 1}", stream) as other,
    ):
        wait_until(lambda: spy.images and own.images)
        send(publication, b"seen")
        assert [receive(each, 1)[0].payload for each in (spy, own)] == [b"seen"] * 2
        assert not other.images
        assert publication.local_addresses
        assert own.local_addresses == [channel.partition("=")[2].replace("localhost", "127.0.0.1")]
        # The tag stands for the channel: no address is said again.
        with (
            client.add_subscription(channel, tagged_stream) as receiver,
            client.add_exclusive_publication("aeron:udp?tags=17", tagged_stream) as tagged,
        ):
            wait_until(lambda: receiver.images and tagged.is_connected)
            send(tagged, b"tagged")
            assert receive(receiver, 1)[0].payload == b"tagged"
            assert tagged.local_addresses == publication.local_addresses
