"""Recordings under way and replays, with ``await``."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
from anyio.lowlevel import checkpoint

from aeron_py._hot import Message
from aeron_py.aio._opening import Opening
from aeron_py.aio.subscription import AsyncSubscription
from aeron_py.archive import requests
from aeron_py.archive.replay import signed_32_bits
from aeron_py.errors import AeronError
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.aio.archive import AsyncArchive

__all__ = ["AsyncRecording", "AsyncReplay", "AsyncReplaySubscription"]

_LOOK_AGAIN = 0.25
_ENDED = 2  # for shim_watch_park


class AsyncRecording:
    """What an archive records, until the ``async with`` block ends. Made by ``AsyncArchive.record``.

    Attributes:
        subscription_id: the archive's number for what it listens to.
        channel: which.
        stream_id: which.
    """

    def __init__(self, archive: AsyncArchive, subscription_id: int, channel: str, stream_id: int) -> None:
        self._archive = archive
        self._stopped = False
        self.subscription_id = subscription_id
        self.channel = channel
        self.stream_id = stream_id

    async def stop(self) -> bool:
        """Stop it; returns whether the archive still listened."""
        stopped = await self._archive.try_stop_recording_subscription(self.subscription_id)
        self._stopped = True
        return stopped

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stopped or self._archive.closed:
            await checkpoint()
            return
        try:
            await self.stop()
        except AeronError:
            if kind is None:
                raise
        except anyio.get_cancelled_exc_class():
            request = requests.stop_recording_subscription(self.subscription_id, tolerate=True)
            self._archive._session.send_and_forget(request)
            raise


class AsyncReplaySubscription(AsyncSubscription):
    """A subscription to one replay: ``async for`` ends with it. Closing it stops the replay.

    When the replay has ended because the archive is gone, ``async for`` raises an ArchiveConnectionError.
    """

    def _stop_when_closed(self, archive: AsyncArchive, recording_id: int, replay_session_id: int) -> Self:
        handle, stop = self._handle, requests.stop_replay(replay_session_id)
        release, session = handle._release, archive._session
        self._archive, self._recording_id = archive, recording_id

        def stop_and_release(pointer: Any) -> None:
            session.send_and_forget(stop)
            release(pointer)

        handle._release = stop_and_release
        return self

    async def __anext__(self) -> Message:
        with self._turn.take("receive"):
            await checkpoint()
            while not (found := self._poller.poll_messages(1)):
                if self._has_ended():
                    # Whether the archive ended it or has itself ended: it says late errors, too.
                    if not self._archive.closed:
                        await self._archive._ask(requests.answer(self._recording_id, "replay"))
                    raise StopAsyncIteration
                await self._await_more()
            return found[0]

    async def _await_more(self) -> None:
        """Until there is something to read, or it has ended, which may be since the caller looked."""
        await self._park(_ENDED if self._image_seen else 0)

    async def _park(self, wanted: int = 0) -> None:
        if self._image_seen:
            await super()._park(wanted)
            return
        # When the archive gives up before the first message came, it tells the session alone.
        with anyio.move_on_after(_LOOK_AGAIN):
            await super()._park(wanted)
        if not self._archive.closed:
            self._archive._session.check("replay")

    def _has_ended(self) -> bool:
        images = self.images
        self._image_seen = self._image_seen or bool(images)
        return self._image_seen and all(image.is_end_of_stream for image in images)


class AsyncReplay:
    """A replay that the archive has accepted. Made by ``AsyncArchive.start_replay``.

    It goes on until it has reached its end, its subscriber has gone, or :meth:`stop`; ``async with`` stops it at the
    end of the block. Forgetting it does no harm.

    Attributes:
        recording_id: what is replayed.
        channel: where to, as given.
        stream_id: where to.
        replay_session_id: the archive's number for it.
        session_id: of the images that its subscribers get: the lower 32 bits of ``replay_session_id``.
    """

    def __init__(
        self,
        archive: AsyncArchive,
        recording_id: int,
        channel: str | ChannelUri,
        stream_id: int,
        replay_session_id: int,
    ) -> None:
        self._archive = archive
        self._stopped = False
        self.recording_id = recording_id
        self.channel = str(channel)
        self.stream_id = stream_id
        self.replay_session_id = replay_session_id
        self.session_id = signed_32_bits(replay_session_id)

    @property
    def subscription_channel(self) -> str:
        """The channel for its subscribers: the replay's, with its session id, so that nothing else is heard there."""
        return str(ChannelUri.parse(self.channel).with_(session_id=self.session_id))

    def subscribe(self, **options: Any) -> Opening[AsyncReplaySubscription]:
        """Subscribe to this replay and to nothing else: ``await`` it, or ``async with``.

        Args:
            options: as for :meth:`Client.add_subscription`.
        """

        async def subscribe() -> AsyncReplaySubscription:
            client = self._archive.client
            subscription = await client._add_subscription(
                AsyncReplaySubscription, self.subscription_channel, self.stream_id, **options
            )
            return subscription._stop_when_closed(self._archive, self.recording_id, self.replay_session_id)

        return Opening(subscribe, "subscribe")

    async def stop(self) -> None:
        """Stop it (``aeron_archive_stop_replay``). Harmless when it has ended, and the second time."""
        if self._stopped:
            await checkpoint()
            return
        await self._archive.stop_replay(self.replay_session_id)
        self._stopped = True

    def stop_soon(self) -> None:
        """Ask the archive to stop it, without waiting for an answer."""
        if not self._stopped and not self._archive.closed:
            self._stopped = True
            self._archive._session.send_and_forget(requests.stop_replay(self.replay_session_id))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_soon()
        await checkpoint()

    def __repr__(self) -> str:
        return f"<AsyncReplay of {self.recording_id} on {self.channel} {self.stream_id}, session {self.session_id}>"
