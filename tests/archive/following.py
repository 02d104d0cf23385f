"""A recorded publisher, and a persistent subscription that follows it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aeron_py import AeronError, Archive, Client, ExclusivePublication, PersistentSubscription
from tests.archive.streams import CHANNEL, TIMEOUT, messages, new_stream_id, offer
from tests.waiting import wait_until

__all__ = ["SIZE", "Follower", "Publisher"]

SIZE = 256


class Publisher:
    """A stream that is recorded."""

    def __init__(self, client: Client, archive: Archive, channel: str = CHANNEL, stream_id: int | None = None) -> None:
        self.archive, self.channel = archive, channel
        self.stream_id = new_stream_id() if stream_id is None else stream_id
        self.published: list[bytes] = []
        self.publication: ExclusivePublication = archive.add_recorded_exclusive_publication(channel, self.stream_id)
        self.recording_id = archive.await_recorded(self.publication, timeout=TIMEOUT)
        self._more = iter(messages(100_000, SIZE))
        self._next = next(self._more)

    def publish(self, count: int, *, recorded: bool = True) -> None:
        """So many more messages."""
        for _ in range(count):
            offer(self.publication, self._next)
            self._published()
        if recorded:
            self.archive.await_recorded(self.publication, timeout=TIMEOUT)

    def try_publish(self) -> None:
        """One more, if there is room."""
        if self.publication.offer_nowait(self._next) > 0:
            self._published()

    def _published(self) -> None:
        self.published.append(self._next)
        self._next = next(self._more)


class Follower:
    """A persistent subscription, and what came of it."""

    def __init__(self, open_it: Callable[..., PersistentSubscription]) -> None:
        self.received: list[bytes] = []
        self.told: list[str] = []
        self.errors: list[AeronError] = []
        self.subscription = open_it(
            on_live_joined=lambda: self.told.append("joined"),
            on_live_left=lambda: self.told.append("left"),
            on_error=self.errors.append,
        )

    def poll(self) -> None:
        """Once."""
        self.received += [message.payload for message in self.subscription.poll_messages()]

    def until(self, condition: Callable[[], object]) -> None:
        """Poll until it is true."""
        wait_until(lambda: (self.poll(), condition())[1], TIMEOUT)

    def until_live(self) -> None:
        """Poll until it is live."""
        self.until(lambda: self.subscription.is_live)

    def until_failed(self, kind: type[AeronError], words: str) -> None:
        """Poll until it fails, for good."""
        for _ in range(2):
            with pytest.raises(kind, match=words):
                self.until(lambda: False)
        assert self.subscription.has_failed
        assert isinstance(self.subscription.failure, kind)
        assert self.errors[-1] is self.subscription.failure
