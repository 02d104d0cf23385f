"""A recording from any position on, and then live: nothing twice, nothing missed.

The replay follows the recording as it grows. When it is near the end, the live stream is subscribed to as well; its
image begins at some position, and once the replay has got there the live stream takes over. So the publisher is never
held up by the past. (Aeron's own persistent subscription does the same, but its C code waits for the driver inside a
poll, for ever when the driver is gone: no task may be stopped like that.)
"""

from __future__ import annotations

import random
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from anyio.lowlevel import checkpoint

from aeron_py._hot import Message
from aeron_py.aio._wait import Turn
from aeron_py.errors import ArchiveError, ClosedError, NotConnectedError
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.aio.archive import AsyncArchive
    from aeron_py.aio.replay import AsyncReplaySubscription
    from aeron_py.aio.subscription import AsyncSubscription
    from aeron_py.image import Image

__all__ = ["AsyncJoin"]

# A recording may stop between the question where it ends and the request to replay it.
_ATTEMPTS = 3

# Seconds until it looks again whether the live stream has come while it waits for the replay.
_LOOK_AGAIN = 0.25
_GONE = 1  # for shim_watch_park


class AsyncJoin:
    """A replay that becomes live, for one task at a time. Made by ``AsyncArchive.join``.

    ``async for`` ends when the recording has ended and all of it was received. When the live stream is lost, for
    example because this task was too slow for it, the replay takes over again.

    Attributes:
        recording_id: what is replayed.
        position: of the stream, after the last message received; where the recording ended, when all was received.
    """

    def __init__(
        self,
        archive: AsyncArchive,
        recording_id: int,
        position: int,
        live: tuple[ChannelUri, int],
        replay: tuple[str | ChannelUri, int | None],
        near: int,
    ) -> None:
        self._archive = archive
        self._live_channel, self._live_stream_id = live
        self._replay_channel, stream_id = replay
        # Only its own session is subscribed to, but others must not hear the past on a stream of theirs.
        self._replay_stream_id = random.randrange(1 << 30, 1 << 31) if stream_id is None else stream_id
        self._near = near
        self._replay: AsyncReplaySubscription | None = None
        self._live: AsyncSubscription | None = None
        # The live stream's image that took over: one that comes after it may begin further on.
        self._joined: Image | None = None
        self._closed = False
        self._turn = Turn(f"the join of recording {recording_id}")
        self.recording_id = recording_id
        self.position = position

    @property
    def is_live(self) -> bool:
        """Whether messages come from the live stream by now."""
        return self._joined is not None

    async def receive(self) -> Message:
        """The next message. Cancelled, it has taken none.

        Raises:
            NotConnectedError: the recording has ended, and all of it was received.
            BusyError: another task receives.
            ClosedError: it is closed, or was meanwhile.
            ArchiveError: the archive refuses to replay.
        """
        with self._turn.take("receive"):
            await checkpoint()
            while True:
                if self._closed:
                    self._stop()  # what has come since
                    raise ClosedError(f"the join of recording {self.recording_id} is closed", operation="receive")
                message = self._poll()
                if message is not None:
                    return message
                await self._go_on()

    def _poll(self) -> Message | None:
        """A message that is new, and from then on the next source if it is time for it."""
        if self._joined is not None:
            while not self._joined.closed and (found := self._joined.poll_messages(1)):
                if found[0].position > self.position:
                    self.position = found[0].position
                    return found[0]
            return None
        if self._replay is None or not (found := self._replay.poll_messages(1)):
            return None
        self.position = found[0].position
        self._switch()
        return found[0]

    def _switch(self) -> None:
        """Leave the replay when the live stream begins at or before the position that was reached."""
        if self._live is not None and self._replay is not None:
            images = self._live.images
            if images and images[0].join_position <= self.position:
                self._joined = images[0]
                self._replay.close()
                self._replay = None

    async def _go_on(self) -> None:
        """There is nothing to read: do what comes next."""
        if self._joined is not None:
            assert self._live is not None
            if self._joined.closed:
                self._stop()
                await checkpoint()
            else:
                await self._live._park(_GONE)
        elif self._replay is None:
            await self._start_replay()
        elif self._replay._has_ended():
            await self._leave_replay()
        else:
            if self._live is None and await self._is_near():
                self._live = await self._archive.client.add_subscription(self._live_channel, self._live_stream_id)
                with anyio.move_on_after(_LOOK_AGAIN):
                    await self._live._park()
            self._switch()
            if self._replay is not None:
                # An image that nobody reads holds its publisher up, and then the replay has nothing to wake for.
                unseen = self._live is not None and not self._live.images
                with anyio.move_on_after(_LOOK_AGAIN if unseen else None):
                    await self._replay._await_more()

    async def _is_near(self) -> bool:
        recorded = await self._archive.get_recording_position(self.recording_id)
        return recorded is not None and recorded - self.position <= self._near

    async def _leave_replay(self) -> None:
        end = await self._archive.get_stop_position(self.recording_id)
        if self._replay is not None and end is not None and self._replay._reached(end):
            # After the last message may be padding, or a part of one whose publisher was killed.
            self.position = max(self.position, end)
        self._stop()

    async def _start_replay(self) -> None:
        for left in reversed(range(_ATTEMPTS)):
            end = await self._archive.get_stop_position(self.recording_id)
            if end is not None and end <= self.position:
                raise NotConnectedError(
                    f"recording {self.recording_id} has ended at {end}, and all of it was received", operation="receive"
                )
            try:
                self._replay = await self._archive.replay(
                    self.recording_id,
                    self._replay_channel,
                    self._replay_stream_id,
                    position=self.position,
                )
                return
            except ArchiveError:
                if not left:
                    raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.receive()
        except NotConnectedError:
            raise StopAsyncIteration from None

    def _stop(self) -> None:
        for subscription in (self._replay, self._live):
            if subscription is not None:
                subscription.close()
        self._replay = self._live = self._joined = None

    def close(self) -> None:
        """Stop the replay and close the subscriptions. May be called twice."""
        self._closed = True
        self._stop()

    async def aclose(self) -> None:
        """As :meth:`close`; a task that receives gets a :class:`ClosedError`."""
        self.close()
        await checkpoint()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
