"""Replications whose waiting does not block the event loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack, cast

import anyio

from aeron_py._waiting import Duration, seconds
from aeron_py.aio._opening import Opening
from aeron_py.archive import requests
from aeron_py.archive.replication import ReplicateParams, ReplicationProgress, begin_replication
from aeron_py.errors import AeronError
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.aio.archive import AsyncArchive

__all__ = ["AsyncReplication"]


class AsyncReplication(ReplicationProgress["AsyncArchive"]):
    """A copy under way, from another archive into this one. Made by :meth:`AsyncArchive.replicate`.

    As :class:`Replication`, with ``await``: all that waits there, and each call to the archive.

    Attributes:
        archive: the session with the archive that receives the copy.
        source_recording_id: the recording that is copied.
        stop_position: where the copy ends, None for all there is.
    """

    async def position(self, *, timeout: Duration | None = None) -> int | None:
        """As :meth:`Replication.position`."""
        self.archive._drain()
        recording_id = self.recording_id
        if recording_id is None:
            await anyio.lowlevel.checkpoint()
            return None
        return await self.archive._ask(requests.get_max_recorded_position(recording_id), timeout)

    async def source_position(self, source: AsyncArchive, *, timeout: Duration | None = None) -> int:
        """As :meth:`Replication.source_position`."""
        return await source.get_max_recorded_position(self.source_recording_id, timeout=timeout)

    async def await_started(self, timeout: Duration | None = None) -> int:
        """As :meth:`Replication.await_started`."""
        await self._wait(lambda: self.recording_id is not None or self.has_ended, timeout, "await_started")
        self._raise_if_failed("await_started")
        assert self.recording_id is not None
        return self.recording_id

    async def await_synced(self, timeout: Duration | None = None) -> int:
        """As :meth:`Replication.await_synced`."""
        operation = "await_synced"
        deadline = None if timeout is None else anyio.current_time() + seconds(timeout, "timeout")
        if self._followed.error is not None:
            await self.resume()
        while True:
            left = None if deadline is None else max(0.0, deadline - anyio.current_time())
            await self._wait(lambda: self.is_synced or self._is_written, left, operation)
            self._raise_if_failed(operation)
            position = await self.position()
            assert position is not None
            if self.is_synced or self._reached(position):
                return position
            if self._was_stopped:
                raise self._stopped_error(operation)
            await self.resume()

    async def await_ended(self, timeout: Duration | None = None) -> int | None:
        """As :meth:`Replication.await_ended`."""
        await self._wait(lambda: self._is_written, timeout, "await_ended")
        self._raise_if_failed("await_ended")
        return await self.position()

    async def resume(self, archive: AsyncArchive | None = None, *, timeout: Duration | None = None) -> None:
        """As :meth:`Replication.resume`."""
        recording_id = self.recording_id
        if archive is not None:
            self.archive = archive
        elif not self.has_ended:
            await anyio.lowlevel.checkpoint()
            return
        self._followed = await self.archive._ask(self._begin(recording_id), timeout, requests.stop_replication)
        self._was_stopped = False

    async def stop(self, *, timeout: Duration | None = None) -> bool:
        """As :meth:`Replication.stop`."""
        self._was_stopped = True
        return await self.archive._ask(requests.stop_replication(self.replication_id), timeout)

    async def _wait(self, done: Callable[[], bool], timeout: Duration | None, operation: str) -> None:
        limit = None if timeout is None else seconds(timeout, "timeout")
        await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(limit):
            while True:
                seen = self.archive._arrival.count
                self.archive._check(operation)
                if done():
                    return
                await self.archive._arrival.wait(seen)
        raise self._late(operation, limit or 0.0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.has_ended and not self.archive.closed:
            self.archive._session.send_and_forget(requests.stop_replication(self.replication_id))
        with contextlib.suppress(AeronError):
            await anyio.lowlevel.checkpoint()


class ReplicationCalls:
    """The calls of :class:`AsyncArchive` that begin and stop replications."""

    def replicate(
        self,
        source_recording_id: int,
        source_control_channel: str | ChannelUri,
        source_control_stream_id: int,
        *,
        recording_id: int | None = None,
        stop_position: int | None = None,
        timeout: Duration | None = None,
        **params: Unpack[ReplicateParams],
    ) -> Opening[AsyncReplication]:
        """Copy a recording of another archive into this one: ``await`` it, or ``async with``, which stops it again.

        Args:
            source_recording_id, source_control_channel, source_control_stream_id: as for :meth:`Archive.replicate`.
            recording_id, stop_position, timeout, params: the same.
        """

        async def start() -> AsyncReplication:
            source = source_recording_id, source_control_channel, source_control_stream_id
            begin = begin_replication(*source, stop_position=stop_position, **params)
            return AsyncReplication(
                cast("AsyncArchive", self),
                begin,
                await cast("AsyncArchive", self)._ask(begin(recording_id), timeout, requests.stop_replication),
                source_recording_id=source_recording_id,
                recording_id=recording_id,
                stop_position=stop_position,
            )

        return Opening(start, "replicate")

    async def stop_replication(self, replication: AsyncReplication | int, *, timeout: Duration | None = None) -> bool:
        """As :meth:`Archive.stop_replication`."""
        if isinstance(replication, AsyncReplication):
            return await replication.stop(timeout=timeout)
        return await cast("AsyncArchive", self)._ask(requests.stop_replication(replication), timeout)
