"""Publications whose ``send`` waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import cancel_shielded_checkpoint, checkpoint, checkpoint_if_cancelled

from aeron_py._destinations import start_destination
from aeron_py._ffi import lib
from aeron_py._waiting import Duration, seconds
from aeron_py.aio._readable import in_trio
from aeron_py.aio._wait import AsyncOwner, finish
from aeron_py.errors import OfferResult, TimedOutError
from aeron_py.publication import ExclusivePublication, Publication
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["AsyncExclusivePublication", "AsyncPublication"]

_ROOM, _SUBSCRIBER_AND_ROOM, _SUBSCRIBER = 0, 1, 2
_LOOK_EVERY = 0.005


class AsyncPublication(AsyncOwner, Publication):
    """A :class:`Publication` that can wait; any number of tasks may send on it.

    Made by ``AsyncClient.add_publication``. All that a :class:`Publication` does without waiting is there, too:
    ``offer``, ``offer_nowait``, ``offer_many``, ``offer_block``, ``try_claim``.
    """

    _watch_kind = lib.SHIM_WATCH_PUBLICATION
    _sent = False
    """Whether the event loop of asyncio has made no turn since the last message."""

    async def send(  # type: ignore[override]
        self, data: Buffer | Sequence[Buffer], reserved_value: int | None = None, *, wait_connected: bool = False
    ) -> int:
        """Publish one message, as soon as there is room for it.

        Cancelled, it has not been published.

        Args:
            data: any object with the buffer protocol; or a list or tuple of such, whose bytes become one message.
            reserved_value: 64 bits for the receiver, beside the message.
            wait_connected: wait for a subscriber, too, when there is none.

        Returns:
            The stream's position after the message.

        Raises:
            NotConnectedError: nobody subscribes, and ``wait_connected`` is false.
            MaxPositionExceededError, PublicationError: it can't be.
            ClosedError: it is closed, or was meanwhile.
            AeronError: the driver was lost.
        """
        await (checkpoint() if self._sent else checkpoint_if_cancelled())
        result = self.offer_nowait(data, reserved_value)
        if result >= 0:
            await self._let_others()
        while result < 0:
            await self._wait_for_room(result, wait_connected, "send")
            result = self.offer_nowait(data, reserved_value)
        return result

    async def _let_others(self) -> None:
        """Give other tasks their turn, once the message is out, so that it does not wait for them.

        In asyncio, where a task may be cancelled at any await, also at a shielded one, they get it before the next send
        at the latest: nothing may come between a message that was published and its position.
        """
        if in_trio():
            await cancel_shielded_checkpoint()
        elif not self._sent:
            self._sent = True
            asyncio.get_running_loop().call_soon(self._on_turn)

    def _on_turn(self) -> None:
        self._sent = False

    async def send_many(self, buffers: Sequence[Buffer], *, wait_connected: bool = False) -> int:
        """Publish each of the messages, in order, as there is room.

        Cancelled, it has published a part of them: use :meth:`send` to know which.

        Args:
            buffers: one object with the buffer protocol for each message.
            wait_connected: as :meth:`send`.

        Returns:
            The stream's position after the last, or its position when there is none.

        Raises:
            As :meth:`send`.
        """
        await checkpoint()
        left = buffers
        while left:
            count, result = self.offer_many(left)
            left = left[count:]
            if result < 0:
                await self._wait_for_room(result, wait_connected, "send_many")
            elif left:
                await checkpoint()
        return self.position

    async def wait_connected(self) -> None:
        """Until somebody subscribes.

        Raises:
            ClosedError: it is closed, or was meanwhile.
            AeronError: the driver was lost.
        """
        await checkpoint()
        while not self.is_connected:
            if self.is_closed:
                raise self._refusal(OfferResult.CLOSED, "wait_connected")
            await self._park(_SUBSCRIBER)

    async def await_recorder(self, timeout: Duration | None = None) -> int:  # type: ignore[override]
        """As :meth:`Publication.await_recorder`."""
        limit = self._client.driver_timeout if timeout is None else seconds(timeout, "timeout")
        await checkpoint()
        with anyio.move_on_after(limit):
            # Nothing tells that a recording begins: look for its counter.
            while (recording_id := self._recording_id()) is None:
                await anyio.sleep(_LOOK_EVERY)
            return recording_id
        raise TimedOutError(self._not_recorded(limit), operation="await_recorder")

    async def _wait_for_room(self, result: int, wait_connected: bool, operation: str) -> None:
        if not self._may_wait(result, wait_connected):
            raise self._refusal(result, operation)
        if result == OfferResult.ADMIN_ACTION:
            await checkpoint()
        else:
            await self._park(_SUBSCRIBER_AND_ROOM if result == OfferResult.NOT_CONNECTED else _ROOM)

    async def add_destination(  # type: ignore[override]
        self, channel: str | ChannelUri, *, timeout: Duration | None = None
    ) -> None:
        """As :meth:`Publication.add_destination`."""
        await finish(
            self._watch, lambda: start_destination(self._client, self._handle, self._kind, "add", channel), timeout
        )

    async def remove_destination(  # type: ignore[override]
        self, channel: str | ChannelUri, *, timeout: Duration | None = None
    ) -> None:
        """As :meth:`Publication.remove_destination`."""
        await finish(
            self._watch, lambda: start_destination(self._client, self._handle, self._kind, "remove", channel), timeout
        )


class AsyncExclusivePublication(AsyncPublication, ExclusivePublication):
    """An :class:`ExclusivePublication` that can wait. Made by ``AsyncClient.add_exclusive_publication``."""

    _watch_kind = lib.SHIM_WATCH_EXCLUSIVE_PUBLICATION
