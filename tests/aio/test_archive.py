"""The archive's calls from tasks: concurrent, cancellable, and with a session that stays usable."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

import aeron_py as aeron
from aeron_py.archive import requests
from aeron_py.archive.signals import RecordingSignal
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(170)

stream_ids = itertools.count(5000)
LONG = 60
LOCAL = aeron.SourceLocation.LOCAL


@asynccontextmanager
async def session(node: aeron.ArchivingMediaDriver) -> AsyncIterator[tuple[aeron.AsyncClient, aeron.AsyncArchive]]:
    async with (
        aeron.AsyncClient.connect(node.aeron_dir, driver_timeout=LONG) as client,
        client.archive(node.archive_context(), timeout=LONG) as archive,
    ):
        yield client, archive


async def recorded(client: aeron.AsyncClient, archive: aeron.AsyncArchive, count: int) -> tuple[int, int, int]:
    """Records ``count`` messages; returns the stream, the recording's id and its end."""
    stream_id = next(stream_ids)
    async with (
        archive.record("aeron:ipc", stream_id),
        client.add_exclusive_publication("aeron:ipc", stream_id) as publication,
    ):
        for number in range(count):
            position = await publication.send(b"%d" % number, wait_connected=True)
        recording_id = await archive.await_recorded(publication, position, timeout=LONG)
    return stream_id, recording_id, position


async def test_records_and_replays(node: aeron.ArchivingMediaDriver) -> None:
    async with session(node) as (client, archive):
        _, recording_id, end = await recorded(client, archive, 300)
        with anyio.fail_after(LONG):
            while await archive.get_stop_position(recording_id) != end:
                await anyio.sleep(0.01)

            async with archive.replay(recording_id, "aeron:ipc", next(stream_ids)) as subscription:
                payloads = [message.payload async for message in subscription]
        assert payloads == [b"%d" % number for number in range(300)]


async def test_replay_of_a_part_ends_where_it_was_told(node: aeron.ArchivingMediaDriver) -> None:
    async with session(node) as (client, archive):
        _, recording_id, _ = await recorded(client, archive, 50)
        with anyio.fail_after(LONG):
            replay = await archive.start_replay(recording_id, "aeron:ipc", next(stream_ids), position=0, length=640)
            async with replay, replay.subscribe() as subscription:
                assert [message.position async for message in subscription][-1] == 640


async def test_replay_is_left_early_and_stopped(node: aeron.ArchivingMediaDriver) -> None:
    async with session(node) as (client, archive):
        _, recording_id, _ = await recorded(client, archive, 50)
        with anyio.fail_after(LONG):
            for _ in range(5):
                async with archive.replay(recording_id, "aeron:ipc", next(stream_ids)) as subscription:
                    async for message in subscription:
                        assert message.payload == b"0"
                        break
        assert (await archive.list_recording(recording_id)).recording_id == recording_id


async def test_replay_that_ends_after_it_was_looked_at(
    node: aeron.ArchivingMediaDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with session(node) as (client, archive):
        stream_id = next(stream_ids)
        publication = await client.add_exclusive_publication("aeron:ipc", stream_id)
        async with archive.record("aeron:ipc", stream_id):
            with anyio.fail_after(LONG):
                position = await publication.send(b"0", wait_connected=True)
                recording_id = await archive.await_recorded(publication, position, timeout=LONG)
                async with archive.replay(recording_id, "aeron:ipc", next(stream_ids)) as subscription:
                    assert (await subscription.receive()).payload == b"0"
                    look = subscription._has_ended

                    def look_and_end() -> bool:
                        ended = look()
                        publication.close()
                        wait_until(lambda: not subscription.images)
                        return ended

                    monkeypatch.setattr(subscription, "_has_ended", look_and_end)
                    assert [message async for message in subscription] == []


async def test_signals_come_as_they_happen(node: aeron.ArchivingMediaDriver) -> None:
    async with session(node) as (client, archive):
        seen: list[RecordingSignal | int] = []
        ids: set[int] = set()

        async def listen() -> None:
            async for signal in archive.recording_signals():
                seen.append(signal.signal)
                ids.add(signal.recording_id)
                if signal.signal == RecordingSignal.STOP:
                    return

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                _, recording_id, _ = await recorded(client, archive, 3)
        assert seen[0] == RecordingSignal.START
        assert seen[-1] == RecordingSignal.STOP
        assert ids == {recording_id}


async def test_what_a_finished_replay_took_wakes_who_waits_for_it(node: aeron.ArchivingMediaDriver) -> None:
    async with session(node) as (client, archive):
        stream_id, signals = next(stream_ids), archive.recording_signals()
        with anyio.fail_after(LONG):
            async with (
                client.add_publication("aeron:ipc", stream_id),
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(anext, signals)
                await anyio.wait_all_tasks_blocked()
                # As a subscription does that is closed: another takes what the archive sent, and lets no task run.
                taker = archive._session
                taker.send_and_forget(requests.start_recording("aeron:ipc", stream_id, LOCAL, False))
                wait_until(lambda: taker.drain() or taker.signals, LONG)
            await archive.stop_recording("aeron:ipc", stream_id)


async def test_a_signal_that_is_taken_while_it_is_looked_for(
    node: aeron.ArchivingMediaDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with session(node) as (client, archive):
        stream_id, signals = next(stream_ids), archive.recording_signals()
        check = archive._check
        asked = []

        def ask_and_check(operation: str) -> None:
            # After it has looked for signals: the check takes one.
            if not asked:
                asked.append(requests.start_recording("aeron:ipc", stream_id, LOCAL, False))
                archive._session.send_and_forget(asked[0])
                wait_until(lambda: archive._session.drain() or archive._session.signals, LONG)
            check(operation)

        async with client.add_publication("aeron:ipc", stream_id):
            monkeypatch.setattr(archive, "_check", ask_and_check)
            with anyio.fail_after(LONG):
                assert (await anext(signals)).signal is RecordingSignal.START
            await archive.stop_recording("aeron:ipc", stream_id)


async def test_calls_at_once_get_their_own_answers(node: aeron.ArchivingMediaDriver) -> None:
    async with session(node) as (client, archive):
        made = [await recorded(client, archive, count) for count in (1, 2, 3)]
        answers: dict[int, int | None] = {}

        async def ask(number: int) -> None:
            stream_id, recording_id, end = made[number % len(made)]
            assert await archive.get_max_recorded_position(recording_id) == end
            found = await archive.list_recordings("aeron:ipc", stream_id)
            assert [descriptor.recording_id for descriptor in found] == [recording_id]
            answers[number] = recording_id

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(ask, number)
        assert len(answers) == 20


async def test_cancelled_calls_leave_the_session_usable(node: aeron.ArchivingMediaDriver) -> None:
    chance = random.Random(7)
    async with session(node) as (client, archive):
        _, recording_id, end = await recorded(client, archive, 3)

        async def ask() -> None:
            for _ in range(15):
                with anyio.move_on_after(chance.choice((0, 0.0002, 0.001, 0.01))):
                    await archive.list_recordings()
                with anyio.move_on_after(chance.choice((0, 0.0002, 0.001, 0.01))):
                    await archive.get_max_recorded_position(recording_id)
                with anyio.move_on_after(chance.choice((0, 0.001, 0.01))):
                    async with archive.replay(recording_id, "aeron:ipc", next(stream_ids)) as subscription:
                        await subscription.receive()

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(ask)
            assert await archive.get_max_recorded_position(recording_id) == end


async def test_what_was_cancelled_while_it_began_is_stopped(node: aeron.ArchivingMediaDriver) -> None:
    chance = random.Random(11)
    async with session(node) as (client, archive):
        _, recording_id, _ = await recorded(client, archive, 3)
        first = next(stream_ids)
        last = first
        with anyio.fail_after(LONG):
            for number in range(60):
                last = next(stream_ids)
                with anyio.move_on_after(chance.choice((0, 0.0003, 0.001, 0.003))):
                    match number % 3:
                        case 0:
                            async with archive.record("aeron:ipc", last):
                                pass
                        case 1:
                            async with archive.add_recorded_publication("aeron:ipc", last) as publication:
                                with anyio.CancelScope(shield=True):
                                    await archive.stop_recording_publication(publication, timeout=LONG)
                        case _:
                            await archive.start_replay(recording_id, "aeron:ipc", last)
            while [s for s in await archive.list_recording_subscriptions() if first <= s.stream_id <= last]:
                await anyio.sleep(0.01)

        # Also when the session ends before the answer is there.
        async with client.archive(node.archive_context(), timeout=LONG) as other:
            last = next(stream_ids)
            with anyio.move_on_after(0.001):
                async with other.record("aeron:ipc", last):
                    pass
        with anyio.fail_after(LONG):
            while [s for s in await archive.list_recording_subscriptions() if s.stream_id == last]:
                await anyio.sleep(0.01)


async def test_a_stop_that_was_cancelled_is_made_up_for_at_the_end_of_the_block(
    node: aeron.ArchivingMediaDriver,
) -> None:
    async with session(node) as (client, archive):
        stream_id, replayed = next(stream_ids), next(stream_ids)
        with anyio.fail_after(LONG):
            async with (
                archive.record("aeron:ipc", stream_id) as recording,
                client.add_exclusive_publication("aeron:ipc", stream_id) as publication,
            ):
                position = await publication.send(b"0", wait_connected=True)
                recording_id = await archive.await_recorded(publication, position, timeout=LONG)
                replay = await archive.start_replay(recording_id, "aeron:ipc", replayed)
                # Not by its own subscription, which would stop it.
                async with client.add_subscription(replay.subscription_channel, replayed) as subscription:
                    async with replay:
                        await subscription.receive()
                        with anyio.move_on_after(0):
                            await replay.stop()
                    while any(not image.is_end_of_stream for image in subscription.images):
                        await anyio.sleep(0.01)
                with anyio.move_on_after(0):
                    await recording.stop()
            while [s for s in await archive.list_recording_subscriptions() if s.stream_id == stream_id]:
                await anyio.sleep(0.01)


async def test_refusals_read_like_advice(node: aeron.ArchivingMediaDriver) -> None:
    async with session(node) as (client, archive):
        _, recording_id, _ = await recorded(client, archive, 1)
        with pytest.raises(aeron.UnknownRecordingError, match="ids near") as raised:
            await archive.get_start_position(recording_id + 1)
        assert str(recording_id) in str(raised.value)


async def test_close_from_another_task_wakes_who_waits(node: aeron.ArchivingMediaDriver) -> None:
    async with session(node) as (_, archive):

        async def listen() -> None:
            with pytest.raises(aeron.ClosedError):
                await anext(aiter(archive.recording_signals()))

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                tasks.start_soon(listen)
                await anyio.wait_all_tasks_blocked()
                await archive.aclose()
        with pytest.raises(aeron.ClosedError):
            await archive.list_recordings()


async def test_connect_gives_up_and_says_how_far_it_came(node: aeron.ArchivingMediaDriver) -> None:
    context = node.archive_context()
    lost = type(context)(control_request_channel="aeron:ipc", control_request_stream_id=987654)
    async with aeron.AsyncClient.connect(node.aeron_dir, driver_timeout=LONG) as client:
        with pytest.raises(aeron.TimedOutError, match="no archive listens there"):
            await client.archive(lost, timeout=2.0)
        with anyio.move_on_after(0.05) as scope:
            await client.archive(lost, timeout=LONG)
        assert scope.cancelled_caught
        async with client.archive(context, timeout=LONG) as archive:
            assert archive.is_connected
