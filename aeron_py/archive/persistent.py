"""A subscription that begins in a recording and goes on live, and falls back to the recording when it has to.

It does what Aeron's own persistent subscription does, whose C code waits inside a poll for a media driver that may be
dead. Here no step waits, and a driver that is gone is an error of the poll.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from aeron_py._closing import Closing
from aeron_py._hot import Message
from aeron_py.archive._persistent_steps import FROM_LIVE, FROM_START, PersistentSteps
from aeron_py.archive._persistent_told import Listener, PersistentSubscriptionState
from aeron_py.archive.context import ArchiveContext
from aeron_py.errors import AeronError, ClosedError
from aeron_py.handlers import PollAction, check_handler
from aeron_py.settings import as_int
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.client import Client
    from aeron_py.counters import Counter
    from aeron_py.image import Image
    from aeron_py.subscription import Subscription

__all__ = ["FROM_LIVE", "FROM_START", "PersistentSubscription", "PersistentSubscriptionState"]


class PersistentSubscription(PersistentSteps, Closing):
    """A recording from any position on, and then its live stream: nothing twice, nothing missed.

    Make one with :meth:`open`; for one thread at a time. When the live stream is lost it goes back to the recording by
    itself; while it is live the archive may come and go. What is only gone for a while is told to ``on_error`` and
    tried again; what can't be put right, such as a recording that ended before the live stream begins, is raised by
    each poll from then on. (``aeron_archive_persistent_subscription_t``)

    Attributes:
        recording_id: the recording.
        state: what it is doing.
        position: of the stream, after the last message received, or where the recording stopped when all was received;
            negative before the first.
        join_difference: how far the live stream began ahead of where the replay then was, in bytes; None if never.
        failure: why it failed; None if it has not.
        state_counter, join_difference_counter, live_left_counter, live_joined_counter: the same for others to see.
    """

    def __init__(
        self,
        client: Client,
        context: ArchiveContext,
        recording_id: int,
        live: tuple[ChannelUri, int],
        replay: tuple[ChannelUri, int],
        position: int,
        listener: Listener,
        counters: dict[str, Counter | None],
    ) -> None:
        super().__init__(client, context, recording_id, live, replay, position, listener)
        self._closed = False
        self._steps = self._run()
        try:
            self._have_counters(counters)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(
        cls,
        client: Client,
        context: ArchiveContext,
        recording_id: int,
        live_channel: str | ChannelUri,
        live_stream_id: int,
        *,
        position: int = FROM_START,
        replay_channel: str | ChannelUri = "aeron:ipc",
        replay_stream_id: int | None = None,
        on_live_joined: Callable[[], object] | None = None,
        on_live_left: Callable[[], object] | None = None,
        on_error: Callable[[AeronError], object] | None = None,
        state_counter: Counter | None = None,
        join_difference_counter: Counter | None = None,
        live_left_counter: Counter | None = None,
        live_joined_counter: Counter | None = None,
    ) -> PersistentSubscription:
        """Begin: the first polls connect to the archive (``aeron_archive_persistent_subscription_create``).

        Args:
            client: the Aeron client to use.
            context: how to reach the archive; it has a session of its own.
            recording_id: the recording of the live stream.
            live_channel: where the publisher publishes, ``aeron-spy:`` included; with ``tether=false`` it does not hold
                the publisher up, and comes back by way of the recording when it was too slow.
            live_stream_id: the stream there, which is the recording's.
            position: where to begin, in bytes, on a frame; or ``FROM_START`` or ``FROM_LIVE``.
            replay_channel: where the archive replays to; over UDP with an endpoint of this machine, port 0 for any.
            replay_stream_id: the stream there; None for one that nobody else uses.
            on_live_joined: called, in the thread that polls, when it becomes live.
            on_live_left: the same when it is live no more.
            on_error: the same with each error, also those after which it tries again.
            state_counter, join_difference_counter, live_left_counter, live_joined_counter: counters of yours to use in
                place of its own; they stay yours to close.

        Raises:
            SettingError: a bad argument.
        """
        begin = as_int(position, "position", FROM_LIVE, 2**63 - 1)
        stream = as_int(live_stream_id, "live_stream_id", -(2**31), 2**31 - 1)
        if replay_stream_id is None:
            replay_stream_id = random.randrange(1 << 30, 1 << 31)
        handlers = {"on_live_joined": on_live_joined, "on_live_left": on_live_left, "on_error": on_error}
        for name, handler in handlers.items():
            check_handler(handler, name)
        return cls(
            client,
            context,
            as_int(recording_id, "recording_id", 0, 2**63 - 1),
            (ChannelUri.parse(str(live_channel)).validate(), stream),
            (
                ChannelUri.parse(str(replay_channel)).validate(),
                as_int(replay_stream_id, "replay_stream_id", -(2**31), 2**31 - 1),
            ),
            begin,
            Listener(on_live_joined, on_live_left, on_error),
            {
                "state_counter": state_counter,
                "join_difference_counter": join_difference_counter,
                "live_left_counter": live_left_counter,
                "live_joined_counter": live_joined_counter,
            },
        )

    # -- what there is to see

    @property
    def is_live(self) -> bool:
        """Whether messages come from the live stream."""
        return self.state is PersistentSubscriptionState.LIVE

    @property
    def is_replaying(self) -> bool:
        """Whether messages come from the recording."""
        return self.state in (PersistentSubscriptionState.REPLAY, PersistentSubscriptionState.ATTEMPT_SWITCH)

    @property
    def has_failed(self) -> bool:
        """Whether it failed for good; ``failure`` says why."""
        return self.state is PersistentSubscriptionState.FAILED

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    # -- polls

    def poll(self, handler: Callable[[Message], object], limit: int = 10) -> int:
        """Go on with what is to be done, without waiting, and read messages: as :meth:`Subscription.poll`.

        Raises:
            ArchiveError, SettingError: it has failed for good.
            ClosedError: it is closed.
            DriverTimeoutError: the client has lost its driver.
        """
        self._work()
        count = 0

        def hand_on(message: Message) -> None:
            nonlocal count
            if message.position > self.position:
                self.position = message.position
                count += 1
                handler(message)

        source = self._source()
        if source is not None:
            source.poll(hand_on, limit)
        return count

    def poll_messages(self, limit: int = 256) -> list[Message]:
        """As :meth:`poll`, but returns the messages."""
        self._work()
        source = self._source()
        if source is None:
            return []
        found = [message for message in source.poll_messages(limit) if message.position > self.position]
        if found:
            self.position = found[-1].position
        return found

    def controlled_poll(self, handler: Callable[[Message], object], limit: int = 10) -> int:
        """As :meth:`poll`; ``handler`` says what becomes of each message: see :meth:`Subscription.controlled_poll`."""
        self._work()

        count = 0

        def decide(message: Message) -> object:
            nonlocal count
            if message.position <= self.position:
                return PollAction.CONTINUE
            action = handler(message)
            if action is not PollAction.ABORT and action != PollAction.ABORT:
                self.position = message.position
                count += 1
            return action

        source = self._source()
        if source is not None:
            source.controlled_poll(decide, limit)
        return count

    def _source(self) -> Subscription | Image | None:
        if self.is_live:
            return None if self._joined is None or self._joined.closed else self._joined
        return self._replay if self.is_replaying else None

    def _work(self) -> None:
        if self._closed:
            raise ClosedError(f"the subscription to recording {self.recording_id} is closed", operation="poll")
        if self.failure is not None:
            raise self.failure
        self._client._check("poll")
        try:
            next(self._steps)
        except AeronError as error:
            self._let_go()
            self.failure = error
            self._set(PersistentSubscriptionState.FAILED)
            self._report(error)
            self._tell_all()
            raise
        self._tell_all()

    # -- the end

    def _let_go(self) -> None:
        self._steps.close()
        self._drop_replay()
        self._drop_live()
        self._drop_session()

    def close(self) -> None:
        """End the replay, the subscriptions and the session. May be called twice."""
        if not self._closed:
            self._closed = True
            self._let_go()
            for counter in self._own_counters:
                counter.close()

    def __repr__(self) -> str:
        return f"<PersistentSubscription of recording {self.recording_id}, {self.state.name}, position {self.position}>"
