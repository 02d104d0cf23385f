"""Replications from tasks: waited for, given up, stopped, resumed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

import aeron_py as aeron
from tests.aio.test_archive import LONG, recorded, session

pytestmark = pytest.mark.timeout(170)


@pytest.fixture(scope="module")
def target(node: aeron.ArchivingMediaDriver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[aeron.ArchiveServer]:
    """Another archive on the same media driver."""
    with aeron.ArchiveServer.launch(tmp_path_factory.mktemp("target"), node.aeron_dir, timeout=LONG) as server:
        yield server


async def test_copied_and_followed(
    node: aeron.ArchivingMediaDriver, target: aeron.ArchiveServer, tmp_path: Path
) -> None:
    control = node.control_channel, node.archive_server.control_stream_id
    async with session(node) as (client, source), client.archive(target.archive_context(), timeout=LONG) as archive:
        _, recording_id, position = await recorded(client, source, 100)
        replication = await archive.replicate(recording_id, *control, stop_position=position // 2)
        copy_id = await replication.await_started(LONG)
        half = await replication.await_synced(LONG)
        assert position // 2 <= half < position
        async with archive.replicate(recording_id, *control, recording_id=copy_id) as rest:
            assert await rest.await_synced(LONG) == position == await rest.position()
            assert await rest.await_ended(LONG) == await rest.source_position(source)
        assert await archive.get_stop_position(copy_id) == position

        async with (
            source.record("aeron:ipc", 4999),
            client.add_exclusive_publication("aeron:ipc", 4999) as publication,
        ):
            live = await source.await_recorded(publication, await publication.send(b"one"), LONG)
            async with archive.replicate(live, *control) as following:
                live_copy = await following.await_started(LONG)
                with anyio.move_on_after(0.05) as scope:
                    await following.await_synced()
                assert scope.cancelled_caught
                with pytest.raises(aeron.TimedOutError, match="it goes on"):
                    await following.await_synced(0.01)
                assert await archive.stop_replication(following) is True
                with pytest.raises(aeron.ArchiveError, match="was stopped"):
                    await following.await_synced(LONG)
                await following.resume()
                end = await publication.send(b"two")
                await source.await_recorded(publication, end, LONG)
        with anyio.fail_after(LONG):
            while await archive.get_max_recorded_position(live_copy) < end:
                await following.resume()
                await anyio.sleep(0.01)

        with pytest.raises(aeron.UnknownRecordingError):
            await (await archive.replicate(1_000_000, *control)).await_started(LONG)
        assert await archive.stop_replication(1_000_000) is False
        assert archive.poll_errors() == []


async def test_what_is_told_of_it_is_the_present(node: aeron.ArchivingMediaDriver, target: aeron.ArchiveServer) -> None:
    control = node.control_channel, node.archive_server.control_stream_id
    async with session(node) as (client, source), client.archive(target.archive_context(), timeout=LONG) as archive:
        _, recording_id, position = await recorded(client, source, 100)
        replication = await archive.replicate(recording_id, *control, stop_position=position)
        with anyio.fail_after(LONG):
            while not (replication.is_synced or replication.has_ended):
                await anyio.sleep(0.01)
        assert replication.recording_id is not None
