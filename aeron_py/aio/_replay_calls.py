"""The archive's calls that begin and stop replays, with ``await``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from aeron_py._waiting import Duration
from aeron_py.aio._archive_calls import ArchiveCalls
from aeron_py.aio._opening import Opening
from aeron_py.aio.join import AsyncJoin
from aeron_py.aio.replay import AsyncReplay, AsyncReplaySubscription
from aeron_py.aio.replay_merge import AsyncReplayMerge
from aeron_py.archive import requests
from aeron_py.archive.replay import replay_params
from aeron_py.archive.replay_merge import REPLAY_DESTINATION, ReplayMerge
from aeron_py.archive.session import Session
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.aio.archive import AsyncArchive
    from aeron_py.aio.client import AsyncClient
    from aeron_py.aio.subscription import AsyncSubscription
    from aeron_py.counters import Counter


class ReplayCalls(ArchiveCalls):
    """The calls of :class:`AsyncArchive` that begin and stop replays."""

    client: AsyncClient
    _session: Session

    async def start_replay(
        self,
        recording_id: int,
        channel: str | ChannelUri,
        stream_id: int,
        *,
        position: int | None = None,
        length: int | None = None,
        bounding_counter: Counter | int | None = None,
        file_io_max_length: int | None = None,
        timeout: Duration | None = None,
    ) -> AsyncReplay:
        """As :meth:`Archive.start_replay`."""
        params = replay_params(position, length, bounding_counter, file_io_max_length)
        request = requests.replay(recording_id, channel, stream_id, params)
        session_id = await self._ask(request, timeout, requests.stop_replay)
        return AsyncReplay(cast("AsyncArchive", self), recording_id, channel, stream_id, session_id)

    def replay(
        self,
        recording_id: int,
        channel: str | ChannelUri,
        stream_id: int,
        *,
        position: int | None = None,
        length: int | None = None,
        bounding_counter: Counter | int | None = None,
        file_io_max_length: int | None = None,
        timeout: Duration | None = None,
        **options: Any,
    ) -> Opening[AsyncReplaySubscription]:
        """Start a replay and subscribe to it: ``async with`` or ``await`` it. ``async for`` ends with the replay.

        Args:
            recording_id, channel, stream_id, position, length, bounding_counter, file_io_max_length, timeout: as for
                :meth:`Archive.start_replay`.
            options: as for :meth:`Client.add_subscription`.
        """

        async def open_it() -> AsyncReplaySubscription:
            replay = await self.start_replay(
                recording_id,
                channel,
                stream_id,
                position=position,
                length=length,
                bounding_counter=bounding_counter,
                file_io_max_length=file_io_max_length,
                timeout=timeout,
            )
            try:
                return await replay.subscribe(timeout=timeout, **options)
            except BaseException:
                replay.stop_soon()
                raise

        return Opening(open_it, "replay")

    def join(
        self,
        recording_id: int,
        live_channel: str | ChannelUri,
        live_stream_id: int,
        *,
        position: int | None = None,
        replay_channel: str | ChannelUri = "aeron:ipc",
        replay_stream_id: int | None = None,
        timeout: Duration | None = None,
    ) -> Opening[AsyncJoin]:
        """Replay a recording, and go on with the live stream that it records: ``async with`` or ``await`` it.

        Args:
            recording_id: what to replay.
            live_channel: where its publisher publishes.
            live_stream_id: the stream there.
            position: where to begin, in bytes, on a frame; None for the start of the recording.
            replay_channel: where the archive replays to; one that reaches this client.
            replay_stream_id: the stream there; None for one that nobody else uses.
            timeout: seconds to wait for the archive to tell about the recording.
        """

        async def open_it() -> AsyncJoin:
            recording = await self.list_recording(recording_id, timeout=timeout)
            begin = recording.start_position if position is None else position
            live = ChannelUri.parse(str(live_channel)).with_(session_id=recording.session_id)
            near = recording.term_buffer_length // 4
            archive = cast("AsyncArchive", self)
            return AsyncJoin(
                archive, recording_id, begin, (live, live_stream_id), (replay_channel, replay_stream_id), near
            )

        return Opening(open_it, "join")

    def replay_merge(
        self,
        subscription: AsyncSubscription,
        recording_id: int,
        live_destination: str | ChannelUri,
        *,
        position: int | None = None,
        replay_destination: str | ChannelUri = REPLAY_DESTINATION,
        replay_channel: str | ChannelUri | None = None,
        progress_timeout: Duration = 5.0,
    ) -> AsyncReplayMerge:
        """As :meth:`Archive.replay_merge`; use it with ``async with``."""
        merge = ReplayMerge(
            self._session,
            self.client.sync,
            subscription,
            recording_id,
            live_destination,
            position=position,
            replay_destination=replay_destination,
            replay_channel=replay_channel,
            progress_timeout=progress_timeout,
        )
        return AsyncReplayMerge(merge, subscription)

    async def stop_replay(self, replay: AsyncReplay | int, *, timeout: Duration | None = None) -> None:
        """As :meth:`Archive.stop_replay`."""
        session_id = replay.replay_session_id if isinstance(replay, AsyncReplay) else replay
        await self._ask(requests.stop_replay(session_id), timeout)

    async def stop_all_replays(self, recording_id: int | None = None, *, timeout: Duration | None = None) -> None:
        """As :meth:`Archive.stop_all_replays`."""
        await self._ask(requests.stop_all_replays(recording_id), timeout)
