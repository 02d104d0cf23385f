"""A replay that becomes live: nothing twice, nothing missed, and the replay again when live is lost."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import NamedTuple

import anyio
import pytest

import aeron_py as aeron
from tests.ports import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(170)

stream_ids = itertools.count(7000)
LONG = 60


async def until_live(joined: aeron.AsyncJoin, publication: aeron.AsyncPublication, first: int) -> list[bytes]:
    """Publishes, and receives until nothing is left to replay, until the messages come live; what came."""
    received: list[bytes] = []
    for number in itertools.count(first):
        await publication.send(b"%d" % number, wait_connected=True)
        with anyio.move_on_after(0.05):
            while True:
                received.append((await joined.receive()).payload)
        if joined.is_live and len(received) > 5:
            return received
    raise AssertionError


class Recorded(NamedTuple):
    """A stream that is recorded, with one message that the archive has."""

    client: aeron.AsyncClient
    archive: aeron.AsyncArchive
    publication: aeron.AsyncPublication
    recording_id: int
    position: int


@contextlib.asynccontextmanager
async def recorded(
    node: aeron.ArchivingMediaDriver, stream_id: int, first: bytes, channel: str = "aeron:ipc", more: str = ""
) -> AsyncIterator[Recorded]:
    """Record a channel, and publish there; ``more`` is the publication's alone. The block has :data:`LONG` seconds."""
    async with (
        aeron.AsyncClient.connect(node.aeron_dir, driver_timeout=LONG) as client,
        client.archive(node.archive_context(), timeout=LONG) as archive,
        archive.record(channel, stream_id),
        client.add_exclusive_publication(channel + more, stream_id) as publication,
    ):
        with anyio.fail_after(LONG):
            position = await publication.send(first, wait_connected=True)
            recording_id = await archive.await_recorded(publication, position, timeout=LONG)
            yield Recorded(client, archive, publication, recording_id, position)


async def test_past_and_present_in_one(node: aeron.ArchivingMediaDriver) -> None:
    stream_id = next(stream_ids)
    async with (
        aeron.AsyncClient.connect(node.aeron_dir, driver_timeout=LONG) as client,
        client.archive(node.archive_context(), timeout=LONG) as archive,
        archive.record("aeron:ipc", stream_id),
    ):
        publication = await client.add_exclusive_publication("aeron:ipc", stream_id)
        with anyio.fail_after(LONG):
            for number in range(2000):
                position = await publication.send(b"%d" % number + bytes(100), wait_connected=True)
            recording_id = await archive.await_recorded(publication, position, timeout=LONG)
            async with archive.join(recording_id, "aeron:ipc", stream_id) as joined:
                received = [(await joined.receive()).payload[:-100] for _ in range(2000)]
                assert received == [b"%d" % number for number in range(2000)]
                live = await until_live(joined, publication, 2000)
                assert live == [b"%d" % number for number in range(2000, 2000 + len(live))]

                # The publisher goes, with messages that were not received yet, and so the recording ends.
                for number in range(50):
                    await publication.send(b"last %d" % number)
                await publication.aclose()
                assert [message.payload async for message in joined] == [b"last %d" % n for n in range(50)]
                assert not joined.is_live
                with pytest.raises(aeron.NotConnectedError, match="has ended"):
                    await joined.receive()


async def test_while_the_publisher_goes_on(node: aeron.ArchivingMediaDriver) -> None:
    stream_id, count = next(stream_ids), 20_000
    async with (
        aeron.AsyncClient.connect(node.aeron_dir, driver_timeout=LONG) as client,
        client.archive(node.archive_context(), timeout=LONG) as archive,
        archive.record("aeron:ipc", stream_id),
    ):
        publication = await client.add_exclusive_publication("aeron:ipc", stream_id)
        await publication.wait_connected()
        recording_id = await archive.await_recorded(publication, timeout=LONG)

        async def publish() -> None:
            async with publication:
                for first in range(0, count, 100):
                    await publication.send_many([b"%d" % number for number in range(first, first + 100)])

        with anyio.fail_after(LONG * 2):
            async with anyio.create_task_group() as tasks, archive.join(recording_id, "aeron:ipc", stream_id) as joined:
                tasks.start_soon(publish)
                received = [int(message.payload) async for message in joined]
        assert received == list(range(count))


async def test_ends_with_what_is_no_message(node: aeron.ArchivingMediaDriver) -> None:
    stream_id = next(stream_ids)
    async with recorded(node, stream_id, b"last") as (_, archive, publication, recording_id, last):
        # As a publisher that is killed in the midst of a message leaves it.
        publication.try_claim(100).abort()
        await archive.await_recorded(publication, publication.position, timeout=LONG)
        await publication.aclose()
        async with archive.join(recording_id, "aeron:ipc", stream_id) as joined:
            assert [message.position async for message in joined] == [last]
            assert joined.position == await archive.get_stop_position(recording_id) > last
            with pytest.raises(aeron.NotConnectedError, match="has ended"):
                await joined.receive()


async def test_cancelled_and_closed(node: aeron.ArchivingMediaDriver) -> None:
    stream_id = next(stream_ids)
    async with recorded(node, stream_id, b"0") as (_, archive, publication, recording_id, _):
        joined = await archive.join(recording_id, "aeron:ipc", stream_id)
        received: list[bytes] = []
        number = 1
        while not (joined.is_live and len(received) > 20):
            await publication.send(b"%d" % number)
            number += 1
            with anyio.move_on_after(number % 7 * 0.001):
                while True:
                    received.append((await joined.receive()).payload)
        assert received == [b"%d" % each for each in range(len(received))]

        async def wait() -> None:
            with pytest.raises(aeron.ClosedError):
                while True:
                    await joined.receive()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await joined.aclose()


async def test_live_that_comes_late_is_seen_while_nothing_is_replayed(node: aeron.ArchivingMediaDriver) -> None:
    live = next(stream_ids)
    async with (
        recorded(node, next(stream_ids), b"past") as (client, archive, publication, recording_id, position),
        archive.join(recording_id, "aeron:ipc", live) as joined,
    ):
        assert (await joined.receive()).payload == b"past"

        async def send() -> None:
            # It waits until nothing is left to replay, and stays there: the live stream brings what is next.
            await anyio.wait_all_tasks_blocked()
            info = await archive.list_recording(recording_id)
            channel = aeron.ChannelUri.ipc(session_id=publication.session_id).with_initial_position(
                position, info.initial_term_id, info.term_buffer_length
            )
            async with client.add_exclusive_publication(channel, live) as late:
                await late.send(b"present", wait_connected=True)
                await received.wait()

        received = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            assert (await joined.receive()).payload == b"present"
            assert joined.is_live
            received.set()


async def test_live_that_was_lost_and_is_back_before_it_was_looked_at(node: aeron.ArchivingMediaDriver) -> None:
    stream_id, count = next(stream_ids), 1000
    channel = f"aeron:udp?endpoint=localhost:{free_port()}|term-length=64k|ssc=true"
    untethered = (
        "|untethered-window-limit-timeout=100ms|untethered-linger-timeout=50ms|untethered-resting-timeout=100ms"
    )
    async with recorded(node, stream_id, b"first", channel, untethered) as (_, archive, publication, recording_id, _):
        spy = f"aeron-spy:{channel}|tether=false".replace("|ssc=true", "")
        async with archive.join(recording_id, spy, stream_id) as joined:
            await until_live(joined, publication, 0)
            assert joined._live is not None
            before = joined._live.images[0]
            # More than a term that nobody receives, so that the driver gives it up, and then takes it up again.
            for number in range(count):
                await publication.send(b"%d" % number + bytes(100))
            while not (before.closed and joined._live.is_connected):
                await anyio.sleep(0.005)
            await publication.send(b"back")
            for number in range(count):
                assert (await joined.receive()).payload[:-100] == b"%d" % number
            assert (await joined.receive()).payload == b"back"


async def test_closed_while_it_begins(node: aeron.ArchivingMediaDriver) -> None:
    stream_id = next(stream_ids)
    async with recorded(node, stream_id, b"0") as (_, archive, _, recording_id, _):
        for turns in range(40):
            joined = await archive.join(recording_id, "aeron:ipc", stream_id)

            async def receive() -> None:
                with pytest.raises(aeron.ClosedError):
                    while True:
                        await joined.receive()  # noqa: B023

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(receive)
                for _ in range(turns):
                    await anyio.sleep(0.0002)
                await joined.aclose()
            assert joined._replay is None
            assert joined._live is None


async def test_live_that_is_lost_after_it_was_looked_at(
    node: aeron.ArchivingMediaDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = next(stream_ids)
    async with (
        recorded(node, stream_id, b"first") as (_, archive, publication, recording_id, _),
        archive.join(recording_id, "aeron:ipc", stream_id) as joined,
    ):
        await until_live(joined, publication, 0)
        live = joined._live
        assert live is not None
        park = live._park

        async def lose_and_park(wanted: int = 0) -> None:
            publication.close()
            wait_until(lambda: not live.images)
            await park(wanted)

        monkeypatch.setattr(live, "_park", lose_and_park)
        assert [message async for message in joined] == []
