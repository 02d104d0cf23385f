"""A replay that becomes live within one image."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import aeron_py as aeron
from aeron_py import (
    AeronError,
    Archive,
    ArchiveConnectionError,
    ArchivingMediaDriver,
    Client,
    ClosedError,
    ExclusivePublication,
    ReplayMergeState,
    SettingError,
    Subscription,
    TimedOutError,
    UnknownRecordingError,
)
from tests.archive.streams import TIMEOUT, messages, new_stream_id, offer
from tests.ports import free_port
from tests.waiting import wait_until

MANUAL = "aeron:udp?control-mode=manual"


class Live:
    """A publisher over UDP whose stream is recorded."""

    def __init__(self, client: Client, archive: Archive) -> None:
        self.stream_id = new_stream_id()
        self.control = f"localhost:{free_port()}"
        self.published: list[bytes] = []
        self._more = iter(messages(100_000, 256))
        channel = f"aeron:udp?control={self.control}|control-mode=dynamic|ssc=true|term-length=64k"
        self.publication: ExclusivePublication = archive.add_recorded_exclusive_publication(channel, self.stream_id)
        self.recording_id = archive.await_recorded(self.publication, timeout=TIMEOUT)

    @property
    def destination(self) -> str:
        """Where a subscriber receives it."""
        return f"aeron:udp?endpoint=localhost:0|control={self.control}"

    def publish(self, count: int) -> None:
        """So many more messages."""
        for _ in range(count):
            message = next(self._more)
            offer(self.publication, message)
            self.published.append(message)


@pytest.fixture
def live(node_client: Client, archive: Archive) -> Iterator[Live]:
    stream = Live(node_client, archive)
    stream.publish(300)
    archive.await_recorded(stream.publication, timeout=TIMEOUT)
    with stream.publication:
        yield stream


@pytest.fixture
def subscription(node_client: Client, live: Live) -> Iterator[Subscription]:
    with node_client.add_subscription(MANUAL, live.stream_id) as added:
        yield added


def test_past_and_present_in_one_image(archive: Archive, live: Live, subscription: Subscription) -> None:
    received: list[bytes] = []
    with archive.replay_merge(subscription, live.recording_id, live.destination, progress_timeout=TIMEOUT) as merge:
        assert merge.state is ReplayMergeState.RESOLVE_REPLAY_PORT
        assert merge.position is None

        def merged() -> bool:
            merge.poll(lambda message: received.append(message.payload))
            if merge.state >= ReplayMergeState.CATCHUP and len(live.published) < 1000:
                live.publish(5)
            return merge.is_merged

        wait_until(merged, TIMEOUT)
        assert merge.is_live_added
        assert not merge.has_failed
    live.publish(20)
    wait_until(lambda: received.extend(subscription.poll_payloads()) or len(received) >= len(live.published))
    assert received == live.published
    assert len(subscription.images) == 1
    assert subscription.images[0].active_transport_count == 1


def test_from_the_middle_under_control(archive: Archive, live: Live, subscription: Subscription) -> None:
    recording = archive.list_recording(live.recording_id)
    frame = (256 + 32) * 100
    received: list[bytes] = []
    with archive.replay_merge(
        subscription,
        live.recording_id,
        live.destination,
        position=recording.start_position + frame,
        replay_destination=f"aeron:udp?endpoint=localhost:{free_port()}",
        replay_channel=f"aeron:udp?session-id={recording.session_id}|mtu=1408",
        progress_timeout=TIMEOUT,
    ) as merge:
        wait_until(
            lambda: merge.controlled_poll(lambda message: received.append(message.payload)) * 0 or merge.is_merged,
            TIMEOUT,
        )
        assert merge.position == live.publication.position
    assert received == live.published[100:]


def test_a_merge_that_stalls_says_so(archive: Archive, live: Live, subscription: Subscription) -> None:
    # Nothing publishes there, so the live stream is never heard.
    nobody = f"aeron:udp?endpoint=localhost:0|control=localhost:{free_port()}"
    with archive.replay_merge(subscription, live.recording_id, nobody, progress_timeout=3.0) as merge:
        with pytest.raises(TimedOutError, match=r"no progress in 3 s, at ATTEMPT_LIVE_JOIN, position \d+"):
            wait_until(lambda: merge.poll_messages() and False, TIMEOUT)
        assert merge.has_failed
        with pytest.raises(TimedOutError):
            merge.do_work()
    with pytest.raises(ClosedError):
        merge.do_work()
    merge.close()
    assert not subscription.is_closed
    wait_until(lambda: not subscription.images, TIMEOUT)


def test_refused(archive: Archive, live: Live, subscription: Subscription, node_client: Client) -> None:
    with (
        archive.replay_merge(subscription, 10_000, live.destination) as merge,
        pytest.raises(UnknownRecordingError, match="10000"),
    ):
        wait_until(lambda: merge.do_work() is None, TIMEOUT)
    assert isinstance(merge.failure, UnknownRecordingError)
    for bad in ("aeron:ipc", "aeron:udp?endpoint=localhost:0|ttl=x"):
        with pytest.raises(SettingError):
            archive.replay_merge(subscription, live.recording_id, bad)
    with pytest.raises(SettingError, match="endpoint"):
        archive.replay_merge(subscription, live.recording_id, live.destination, replay_destination="aeron:udp?tags=1")
    with (
        node_client.add_subscription("aeron:udp?endpoint=localhost:0", live.stream_id) as ordinary,
        pytest.raises(SettingError, match="control-mode=manual"),
    ):
        archive.replay_merge(ordinary, live.recording_id, live.destination)


def test_closed_before_it_is_merged(archive: Archive, live: Live, subscription: Subscription) -> None:
    for steps in (0, 1, 30):
        merge = archive.replay_merge(subscription, live.recording_id, live.destination, progress_timeout=TIMEOUT)
        for _ in range(steps):
            merge.do_work()
        merge.close()
        assert merge.state is ReplayMergeState.CLOSED
    with archive.replay_merge(subscription, live.recording_id, live.destination, progress_timeout=TIMEOUT) as merge:
        wait_until(lambda: merge.image is not None or merge.do_work() is None, TIMEOUT)
    assert subscription.channel == MANUAL


def test_two_merges_of_one_session(archive: Archive, node_client: Client) -> None:
    with node_client.add_subscription(MANUAL, 1) as unused:
        assert not unused.images
    streams = [Live(node_client, archive) for _ in range(2)]
    subscriptions = [node_client.add_subscription(MANUAL, stream.stream_id) for stream in streams]
    for stream in streams:
        stream.publish(200)
    merges = [
        archive.replay_merge(subscription, stream.recording_id, stream.destination, progress_timeout=TIMEOUT)
        for subscription, stream in zip(subscriptions, streams, strict=True)
    ]
    received: list[list[bytes]] = [[], []]

    def both_merged() -> bool:
        for merge, into in zip(merges, received, strict=True):
            into += [message.payload for message in merge.poll_messages()]
        return all(merge.is_merged for merge in merges)

    wait_until(both_merged, TIMEOUT)
    assert received == [stream.published for stream in streams]
    for each in (*merges, *subscriptions, *(stream.publication for stream in streams)):
        each.close()


def test_the_session_is_closed_meanwhile(node: ArchivingMediaDriver, node_client: Client, live: Live) -> None:
    with (
        Archive.connect(node_client, node.archive_context(), timeout=TIMEOUT) as session,
        node_client.add_subscription(MANUAL, live.stream_id) as subscription,
        session.replay_merge(subscription, live.recording_id, live.destination, progress_timeout=TIMEOUT) as merge,
    ):
        merge.do_work()
        session.close()
        with pytest.raises(AeronError) as error:
            wait_until(lambda: merge.do_work() is None, TIMEOUT)
        assert isinstance(error.value, ClosedError | ArchiveConnectionError)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_with_await(node: ArchivingMediaDriver, live: Live, backend: str) -> None:
    import anyio

    received: list[bytes] = []

    async def main() -> None:
        async with (
            aeron.AsyncClient.connect(node.aeron_dir) as client,
            client.archive(node.archive_context(), timeout=TIMEOUT) as archive,
            client.add_subscription(MANUAL, live.stream_id) as subscription,
            archive.replay_merge(subscription, live.recording_id, live.destination, progress_timeout=TIMEOUT) as merge,
        ):
            with anyio.fail_after(TIMEOUT):
                async for message in merge:
                    received.append(message.payload)
                    if len(received) % 50 == 0 and len(live.published) < 400:
                        live.publish(10)
                    if merge.is_merged and len(live.published) < 500:
                        live.publish(10)
                    if merge.is_merged and len(received) == len(live.published):
                        break
                    if not merge.is_merged and len(received) == len(live.published):
                        live.publish(1)
            assert merge.is_live_added
            assert merge.failure is None

    anyio.run(main, backend=backend)
    assert received == live.published
