"""A replay that is merged into the live stream, for one task at a time."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from anyio.lowlevel import checkpoint

from aeron_py._destinations import start_destination
from aeron_py._hot import Message
from aeron_py.aio._wait import Turn, finish
from aeron_py.archive.replay_merge import ReplayMerge, ReplayMergeState
from aeron_py.errors import AeronError, ClosedError

if TYPE_CHECKING:
    from aeron_py.aio.subscription import AsyncSubscription

__all__ = ["AsyncReplayMerge"]

# Answers of archive and driver come without waking the task that reads.
_LOOK_EVERY = 0.002
# Nothing wakes a task when its image ends.
_LONGEST_PARK = 0.5


class AsyncReplayMerge:
    """As :class:`ReplayMerge`, with ``await``. Made by ``AsyncArchive.replay_merge``.

    ``async for message in merge`` goes on with the live stream when it is merged.

    Attributes:
        subscription: what receives both.
    """

    def __init__(self, merge: ReplayMerge, subscription: AsyncSubscription) -> None:
        self._merge = merge
        self._turn = Turn(f"the merge of recording {merge.recording_id}")
        self.subscription = subscription

    @property
    def state(self) -> ReplayMergeState:
        """How far it is."""
        return self._merge.state

    @property
    def is_merged(self) -> bool:
        """Whether the messages come from the live stream alone."""
        return self._merge.is_merged

    @property
    def is_live_added(self) -> bool:
        """Whether the live stream is received, too."""
        return self._merge.is_live_added

    @property
    def failure(self) -> AeronError | None:
        """Why it failed."""
        return self._merge.failure

    @property
    def position(self) -> int | None:
        """How far it was read; None before it has begun."""
        return self._merge.position

    async def receive(self) -> Message:
        """The next message. Cancelled, it has taken none.

        Raises:
            TimedOutError: no progress for ``progress_timeout``.
            ArchiveError: the archive refuses, or its session is lost.
            BusyError: another task receives.
            ClosedError: it is closed, or was meanwhile.
        """
        with self._turn.take("receive"):
            await checkpoint()
            while not (found := self._merge.poll_messages(1)):
                if not self._merge.is_merged:
                    await anyio.sleep(_LOOK_EVERY)
                elif self._merge.image is not None and self._merge.image.closed:
                    raise ClosedError("the live stream has ended", operation="receive")
                else:
                    with anyio.move_on_after(_LONGEST_PARK):
                        await self.subscription._park()
            return found[0]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        return await self.receive()

    async def aclose(self) -> None:
        """Stop the replay, unless it is merged. The subscription goes on. May be called twice."""
        if not self._merge._give_up():
            await checkpoint()
            return
        with contextlib.suppress(AeronError), anyio.CancelScope(shield=True):
            merge, subscription = self._merge, self.subscription
            await finish(
                subscription._watch,
                lambda: start_destination(
                    merge._client, subscription._handle, "subscription", "remove", merge._replay_destination
                ),
                None,
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
