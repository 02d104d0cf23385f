"""A publication and a subscription that see each other."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

from aeron_py import (
    AdminActionError,
    BackPressuredError,
    Client,
    ExclusivePublication,
    Message,
    Publication,
    Subscription,
)
from tests.waiting import wait_until

IPC = "aeron:ipc"

_streams = itertools.count(1001)


def next_stream() -> int:
    """A stream id that no other test of this process has."""
    return next(_streams)


class Pairs:
    """Makes publications and subscriptions that see each other, and closes them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.closing = contextlib.ExitStack()

    def __call__(
        self, channel: str = IPC, *, exclusive: bool = True, **subscription: Any
    ) -> tuple[Publication | ExclusivePublication, Subscription]:
        """Both ends of a new stream, connected."""
        receiver = self.subscription(channel, **subscription)
        sender = self.publication(receiver.stream_id, channel, exclusive=exclusive)
        await_room(sender)
        wait_until(lambda: receiver.is_connected, message="connected")
        return sender, receiver

    def subscription(self, channel: str = IPC, **arguments: Any) -> Subscription:
        """One on a new stream."""
        return self.closing.enter_context(self.client.add_subscription(channel, next_stream(), **arguments))

    def publication(
        self, stream_id: int, channel: str = IPC, *, exclusive: bool = True
    ) -> Publication | ExclusivePublication:
        """One more on a stream."""
        add = self.client.add_exclusive_publication if exclusive else self.client.add_publication
        return self.closing.enter_context(add(channel, stream_id))


def await_room(publication: Publication) -> None:
    """Until a message can go in: its publication is connected a moment before the driver gives it a window."""
    wait_until(lambda: publication.is_connected and publication.position_limit > 0, message="connected")


def send(publication: Publication, data: Any, reserved_value: int | None = None) -> int:
    """Offer until it is taken."""

    def offered() -> int | None:
        try:
            return publication.offer(data, reserved_value)
        except (BackPressuredError, AdminActionError):
            return None

    position = wait_until(offered, message="room for a message")
    assert position is not None
    return position


def receive(subscription: Subscription, count: int) -> list[Message]:
    """So many messages."""
    found: list[Message] = []

    def enough() -> bool:
        found.extend(subscription.poll_messages(count - len(found)))
        return len(found) >= count

    wait_until(enough, message=f"{count} messages")
    return found
