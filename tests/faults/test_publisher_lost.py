"""A publisher's process is killed or stopped: its recording ends where it did, and can be gone on with."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from aeron_py import AsyncClient, ChannelUri
from tests.archive.streams import stop_position
from tests.faults.peers import GIVEN_UP, Peer
from tests.faults.place import Place
from tests.faults.recording import BATCH, CHANNEL, TIMEOUT, message, offer
from tests.processes import standing_still


@pytest.fixture
def publisher(shared_place: Place) -> Iterator[Peer]:
    stream_id = shared_place.next_stream()
    with Peer("publish", shared_place.aeron_dir, shared_place.archive_dir, stream_id) as peer:
        yield peer


def replayed(place: Place, recording_id: int, position: int) -> list[bytes]:
    with place.archive.replay(recording_id, CHANNEL, place.next_stream(), length=position) as subscription:
        return [each.payload for each in subscription.messages(until=position, timeout=TIMEOUT)]


def test_publisher_killed_while_recording__recording_stops(shared_place: Place, publisher: Peer) -> None:
    """Sees: the recording stops once the driver has given the publisher up (`get_stop_position`).

    Kept: every message that was confirmed, and those on the way to the archive.
    Recovers: a new publisher goes on with the same recording: `extend_recording`, from its stop position.
    """
    archive, client = shared_place.archive, shared_place.client
    for _ in range(3):
        publisher.told("confirmed")
    publisher.kill()
    recording_id, count, position = map(int, publisher.last("confirmed"))
    end = stop_position(archive, recording_id)
    assert end >= position
    assert replayed(shared_place, recording_id, position) == [message(number) for number in range(count)]

    there = len(replayed(shared_place, recording_id, end))
    recording = archive.list_recording(recording_id)
    channel = ChannelUri.parse(CHANNEL).with_initial_position(
        end, recording.initial_term_id, recording.term_buffer_length
    )
    archive.extend_recording(recording_id, CHANNEL, recording.stream_id)
    with client.add_exclusive_publication(channel, recording.stream_id) as publication:
        for number in range(there, there + BATCH):
            position = offer(publication, number)
        assert archive.await_recorded(publication, position, timeout=TIMEOUT) == recording_id
    assert replayed(shared_place, recording_id, position) == [message(number) for number in range(there + BATCH)]


def test_publisher_stands_still_while_recording__it_is_told_when_it_goes_on(
    shared_place: Place, publisher: Peer
) -> None:
    """Sees: it itself, once it goes on: ClientTimeoutError or ConductorServiceTimeoutError (RECONNECT). Others:
        the recording stops.

    Kept: every message that was confirmed.
    Recovers: connect anew, with a new client; go on with the recording as after a kill.
    """
    recording_id, count, position = map(int, publisher.told("confirmed"))
    with standing_still(publisher.pid):
        assert stop_position(shared_place.archive, recording_id) >= position
    assert publisher.told("error") in GIVEN_UP
    assert replayed(shared_place, recording_id, position) == [message(number) for number in range(count)]


def test_publisher_killed_while_replaying__replay_has_all_there_is(shared_place: Place, publisher: Peer) -> None:
    """Sees: a replay that follows the recording ends where the recording stops.

    Kept: every message that was confirmed.
    Recovers: nothing to do; a new publisher is a new recording.
    """
    recording_id, _, _ = map(int, publisher.told("confirmed"))
    received: list[bytes] = []

    async def follow() -> None:
        async with (
            AsyncClient.connect(shared_place.aeron_dir) as client,
            client.archive(shared_place.server.archive_context()) as archive,
            archive.replay(recording_id, CHANNEL, shared_place.next_stream()) as subscription,
        ):
            with anyio.fail_after(TIMEOUT):
                async for each in subscription:
                    received.append(each.payload)
                    if len(received) == BATCH:
                        publisher.kill()

    anyio.run(follow, backend="trio")
    _, count, _ = map(int, publisher.last("confirmed"))
    assert len(received) >= count
    assert received == [message(number) for number in range(len(received))]


def test_publisher_killed_while_joining__join_ends_with_all_there_is(shared_place: Place, publisher: Peer) -> None:
    """Sees: `join` ends where the recording stops, whether it was live by then or not.

    Kept: every message that was confirmed.
    Recovers: nothing to do; a new publisher is a new recording.
    """
    recording_id, _, _ = map(int, publisher.told("confirmed"))
    stream_id = shared_place.archive.list_recording(recording_id).stream_id
    received: list[bytes] = []

    async def follow() -> None:
        async with (
            AsyncClient.connect(shared_place.aeron_dir) as client,
            client.archive(shared_place.server.archive_context()) as archive,
            archive.join(recording_id, CHANNEL, stream_id) as joined,
        ):
            with anyio.fail_after(TIMEOUT):
                async for each in joined:
                    received.append(each.payload)
                    if joined.is_live:
                        publisher.kill()

    anyio.run(follow, backend="trio")
    _, count, _ = map(int, publisher.last("confirmed"))
    assert len(received) >= count
    assert received == [message(number) for number in range(len(received))]
