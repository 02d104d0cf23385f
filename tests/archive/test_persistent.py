"""Subscriptions that begin in a recording and go on live."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aeron_py import (
    FROM_LIVE,
    FROM_START,
    Archive,
    ArchiveError,
    ArchiveServer,
    ArchivingMediaDriver,
    ChannelUri,
    Client,
    ClosedError,
    DriverError,
    ExclusivePublication,
    InvalidPositionError,
    MediaDriver,
    Message,
    PersistentSubscription,
    PersistentSubscriptionState,
    PollAction,
    RecordingDescriptor,
    SettingError,
    UnknownRecordingError,
)
from aeron_py.counters import CounterType
from tests.archive.following import SIZE, Follower, Publisher
from tests.archive.streams import CHANNEL, TIMEOUT, messages, new_stream_id, offer, record, stop_position
from tests.nodes import START_TIMEOUT
from tests.ports import free_port
from tests.waiting import wait_until

NO_TIMEOUTS = dict.fromkeys(
    ("untethered_window_limit_timeout", "untethered_linger_timeout", "untethered_resting_timeout")
)
FRAME = SIZE + 32


Follow = Callable[..., Follower]


@pytest.fixture
def publisher(node_client: Client, archive: Archive) -> Iterator[Publisher]:
    made = Publisher(node_client, archive)
    yield made
    made.publication.close()


@pytest.fixture
def follow(node: ArchivingMediaDriver, node_client: Client) -> Iterator[Follow]:
    with contextlib.ExitStack() as closing:

        def follow(recording_id: int, stream_id: int, channel: object = CHANNEL, **options: object) -> Follower:
            follower = Follower(
                lambda **listener: PersistentSubscription.open(
                    node_client,
                    node.archive_context(),
                    recording_id,
                    str(channel),
                    stream_id,
                    **{**listener, **options},
                )
            )
            closing.enter_context(follower.subscription)
            return follower

        yield follow


def test_the_past_then_live(publisher: Publisher, follow: Follow, node_client: Client) -> None:
    publisher.publish(50)
    follower = follow(publisher.recording_id, publisher.stream_id)
    subscription = follower.subscription
    assert subscription.position == FROM_START
    follower.until_live()
    assert follower.told == ["joined"]
    publisher.publish(50)
    follower.until(lambda: len(follower.received) >= 100)
    assert follower.received == publisher.published
    assert subscription.position == publisher.publication.position
    assert subscription.join_difference is not None
    assert not subscription.has_failed
    assert follower.errors == []
    types = [each for each in CounterType if each.name.startswith("PERSISTENT_SUBSCRIPTION")]
    counters = {each.type_id: each for each in node_client.counters.list() if each.type_id in types}
    assert [counters[each].value for each in types] == [16, subscription.join_difference, 0, 1]
    label = counters[CounterType.PERSISTENT_SUBSCRIPTION_STATE].label
    assert f"Persistent Subscription State: {subscription._replay_stream_id} aeron:ipc" in label


def test_counters_of_the_caller(publisher: Publisher, follow: Follow, node_client: Client) -> None:
    publisher.publish(3)
    names = ("state_counter", "join_difference_counter", "live_left_counter", "live_joined_counter")
    with contextlib.ExitStack() as closing:
        counters = {name: closing.enter_context(node_client.add_counter(1200)) for name in names}
        follower = follow(publisher.recording_id, publisher.stream_id, **counters)
        follower.until_live()
        assert counters["state_counter"].value == PersistentSubscriptionState.LIVE
        assert counters["live_joined_counter"].value == 1
        follower.subscription.close()
        assert not counters["state_counter"].is_closed


def test_while_the_publisher_goes_on(publisher: Publisher, follow: Follow) -> None:
    publisher.publish(300)
    follower = follow(publisher.recording_id, publisher.stream_id)

    def live_while_publishing() -> bool:
        if len(publisher.published) < 2000:
            publisher.publish(3, recorded=False)
        return follower.subscription.is_live

    follower.until(live_while_publishing)
    publisher.publish(10)
    follower.until(lambda: len(follower.received) >= len(publisher.published))
    assert follower.received == publisher.published


def test_from_the_middle(publisher: Publisher, follow: Follow) -> None:
    publisher.publish(40)
    follower = follow(publisher.recording_id, publisher.stream_id, position=10 * FRAME)
    follower.until_live()
    follower.until(lambda: len(follower.received) >= 30)
    assert follower.received == publisher.published[10:]


def test_live_from_the_beginning(publisher: Publisher, follow: Follow) -> None:
    publisher.publish(20)
    follower = follow(publisher.recording_id, publisher.stream_id, position=FROM_LIVE)
    follower.until_live()
    assert follower.received == []
    publisher.publish(20)
    follower.until(lambda: len(follower.received) >= 20)
    assert follower.received == publisher.published[20:]


def test_nothing_to_replay_yet(publisher: Publisher, follow: Follow) -> None:
    follower = follow(publisher.recording_id, publisher.stream_id)
    follower.until_live()
    publisher.publish(5)
    follower.until(lambda: len(follower.received) == 5)
    assert follower.received == publisher.published


def test_whole_messages(publisher: Publisher, follow: Follow) -> None:
    long = [bytes([number]) * 5000 for number in range(12)]
    for message in long[:6]:
        offer(publisher.publication, message)
    publisher.publish(0)
    follower = follow(publisher.recording_id, publisher.stream_id)
    follower.until_live()
    for message in long[6:]:
        offer(publisher.publication, message)
        follower.poll()
    follower.until(lambda: len(follower.received) == 12)
    assert follower.received == long


@pytest.mark.parametrize("replay", ["aeron:udp?endpoint=localhost:0", "aeron:udp?endpoint=127.0.0.1:{port}"])
def test_replayed_over_udp(publisher: Publisher, follow: Follow, replay: str) -> None:
    publisher.publish(30)
    channel = replay.format(port=free_port())
    follower = follow(
        publisher.recording_id, publisher.stream_id, replay_channel=channel, replay_stream_id=new_stream_id()
    )
    follower.until_live()
    publisher.publish(5)
    follower.until(lambda: len(follower.received) == 35)
    assert follower.received == publisher.published


def test_a_spy_that_is_left_behind_comes_back(node_client: Client, archive: Archive, follow: Follow) -> None:
    channel = f"aeron:udp?endpoint=localhost:{free_port()}|term-length=64k|ssc=true"
    channel += "|untethered-window-limit-timeout=100ms|untethered-linger-timeout=50ms|untethered-resting-timeout=100ms"
    publisher = Publisher(node_client, archive, channel)
    publisher.publish(20)
    spy = ChannelUri.parse(channel).with_(ssc=None, tether=False, **NO_TIMEOUTS).as_spy()
    follower = follow(publisher.recording_id, publisher.stream_id, spy)
    follower.until_live()
    # More than a term without a poll: it holds nobody up, and is given up by the driver.
    publisher.publish(1200)
    follower.until(lambda: len(follower.received) >= len(publisher.published))
    assert follower.received == publisher.published
    follower.until_live()
    publisher.publish(5)
    follower.until(lambda: len(follower.received) >= len(publisher.published))
    assert follower.received == publisher.published
    publisher.publication.close()


def test_live_is_lost_and_found(publisher: Publisher, follow: Follow, node_client: Client) -> None:
    publisher.publish(20)
    follower = follow(publisher.recording_id, publisher.stream_id)
    follower.until_live()
    for round_ in range(1, 3):
        # What the driver does to a subscriber that is too slow: the image goes.
        assert follower.subscription._live is not None
        follower.subscription._live.close()
        follower.subscription._live = node_client.add_subscription(CHANNEL, new_stream_id())
        follower.until(lambda r=round_: follower.told.count("left") == r)  # type: ignore[misc]
        publisher.publish(10)
        follower.until_live()
        assert follower.told == ["joined", "left"] * round_ + ["joined"]
        assert follower.subscription.live_left_counter.value == round_
    follower.until(lambda: len(follower.received) == 40)
    assert follower.received == publisher.published


def test_messages_decided_on(publisher: Publisher, follow: Follow) -> None:
    publisher.publish(10)
    subscription = follow(publisher.recording_id, publisher.stream_id).subscription
    refused: set[int] = set()
    received: list[bytes] = []

    def decide(message: Message) -> PollAction:
        if message.position not in refused:
            refused.add(message.position)
            return PollAction.ABORT
        received.append(message.payload)
        return PollAction.COMMIT

    wait_until(lambda: subscription.controlled_poll(decide) * 0 or subscription.is_live, TIMEOUT)
    publisher.publish(10)
    wait_until(lambda: subscription.controlled_poll(decide) * 0 or len(received) == 20, TIMEOUT)
    assert received == publisher.published


def test_an_error_of_a_handler_loses_nothing(publisher: Publisher, follow: Follow, node_client: Client) -> None:
    publisher.publish(5)
    subscription = follow(publisher.recording_id, publisher.stream_id).subscription
    received: list[bytes] = []

    def handler(message: Message) -> None:
        received.append(message.payload)
        if len(received) == 2:
            raise LookupError("mine")

    with pytest.raises(LookupError):
        wait_until(lambda: subscription.poll(handler) and False, TIMEOUT)
    wait_until(lambda: subscription.poll(handler) * 0 or len(received) == 5, TIMEOUT)
    assert received == publisher.published


def test_an_error_of_a_listener_comes_out_of_the_poll(publisher: Publisher, follow: Follow) -> None:
    def mine() -> None:
        raise LookupError("mine")

    follower = follow(publisher.recording_id, publisher.stream_id, on_live_joined=mine)
    with pytest.raises(LookupError):
        follower.until_live()
    publisher.publish(3)
    follower.until(lambda: follower.received == publisher.published)


# -- recordings that have stopped


@pytest.fixture
def stopped(node_client: Client, archive: Archive) -> RecordingDescriptor:
    return record(node_client, archive, new_stream_id(), count=20, length=SIZE)


def resumed(client: Client, recording: RecordingDescriptor, position: int) -> ExclusivePublication:
    """A publication that goes on with the recording's stream at a position."""
    channel = ChannelUri.parse(CHANNEL).with_initial_position(
        position, recording.initial_term_id, recording.term_buffer_length
    )
    return client.add_exclusive_publication(channel.with_(mtu=recording.mtu_length), recording.stream_id)


def test_from_the_end_of_a_stopped_recording(stopped: RecordingDescriptor, follow: Follow, node_client: Client) -> None:
    follower = follow(stopped.recording_id, stopped.stream_id)
    follower.until(lambda: follower.subscription.state is PersistentSubscriptionState.AWAIT_LIVE)
    assert follower.received == messages(20, SIZE)
    assert not follower.subscription.is_live
    with resumed(node_client, stopped, stopped.stop_position) as publication:
        follower.until_live()
        offer(publication, b"live")
        follower.until(lambda: follower.received[-1] == b"live")
    # Live again, and ahead of all that was recorded.
    follower.until_failed(InvalidPositionError, "beyond")


def test_from_the_end_of_a_recording_that_ends_with_what_is_no_message(
    publisher: Publisher, follow: Follow, node_client: Client, archive: Archive
) -> None:
    publisher.publish(5)
    last = publisher.publication.position
    # As a publisher that is killed in the midst of a message leaves it.
    publisher.publication.try_claim(100).abort()
    archive.await_recorded(publisher.publication, timeout=TIMEOUT)
    publisher.publication.close()
    stop = stop_position(archive, publisher.recording_id)
    assert stop > last
    follower = follow(publisher.recording_id, publisher.stream_id)
    subscription = follower.subscription
    follower.until(lambda: subscription.state is PersistentSubscriptionState.AWAIT_LIVE)
    assert follower.received == publisher.published
    assert subscription.position == stop
    with resumed(node_client, archive.list_recording(publisher.recording_id), stop) as publication:
        follower.until_live()
        offer(publication, b"live")
        follower.until(lambda: follower.received[-1] == b"live")
    assert not follower.errors


def test_nobody_polls_until_the_archive_has_given_up(publisher: Publisher, follow: Follow) -> None:
    publisher.publish(5)
    follower = follow(publisher.recording_id, publisher.stream_id)
    subscription = follower.subscription
    follower.until(lambda: subscription.state is PersistentSubscriptionState.AWAIT_REPLAY_RESPONSE)
    session = subscription._session
    assert session is not None
    wait_until(lambda: (session.drain(), session.late_errors)[1], TIMEOUT)
    follower.until_live()
    assert follower.received == publisher.published
    assert "no connection" in str(follower.errors[-1])


def test_live_is_ahead_of_a_stopped_recording(
    stopped: RecordingDescriptor, follow: Follow, node_client: Client
) -> None:
    with resumed(node_client, stopped, stopped.stop_position + 4096) as publication:
        assert publication.position == stopped.stop_position + 4096
        follower = follow(stopped.recording_id, stopped.stream_id, position=stopped.stop_position)
        follower.until_failed(ArchiveError, "what is in between is lost")


def test_a_recording_that_is_extended_meanwhile(
    stopped: RecordingDescriptor, follow: Follow, node_client: Client, archive: Archive
) -> None:
    follower = follow(stopped.recording_id, stopped.stream_id)
    follower.until(lambda: follower.subscription.state is PersistentSubscriptionState.AWAIT_LIVE)
    subscription_id = archive.extend_recording(stopped.recording_id, CHANNEL, stopped.stream_id)
    with resumed(node_client, stopped, stopped.stop_position) as publication:
        for message in messages(100, SIZE):
            offer(publication, message)
            follower.poll()
        follower.until_live()
        follower.until(lambda: len(follower.received) >= 120)
    assert follower.received == messages(20, SIZE) + messages(100, SIZE)
    archive.stop_recording_subscription(subscription_id)


def test_live_of_a_stopped_recording(stopped: RecordingDescriptor, follow: Follow, node_client: Client) -> None:
    follower = follow(stopped.recording_id, stopped.stream_id, position=FROM_LIVE)
    with resumed(node_client, stopped, stopped.stop_position + 320) as publication:
        follower.until_live()
        offer(publication, b"live")
        follower.until(lambda: follower.received == [b"live"])
    follower.until_failed(InvalidPositionError, "beyond")


def test_the_recording_was_purged_while_live(publisher: Publisher, follow: Follow, archive: Archive) -> None:
    publisher.publish(5)
    follower = follow(publisher.recording_id, publisher.stream_id)
    follower.until_live()
    follower.until(lambda: len(follower.received) == 5)
    archive.stop_recording_publication(publisher.publication)
    stop_position(archive, publisher.recording_id)
    archive.purge_recording(publisher.recording_id)
    publisher.publication.close()
    follower.until_failed(UnknownRecordingError, "recording")


def test_refused(stopped: RecordingDescriptor, publisher: Publisher, follow: Follow) -> None:
    follow(10_000, 1).until_failed(UnknownRecordingError, "10000")
    follow(stopped.recording_id, stopped.stream_id + 1).until_failed(SettingError, "not of the live stream")
    beyond = stopped.stop_position + 32
    follow(stopped.recording_id, stopped.stream_id, position=beyond).until_failed(InvalidPositionError, "beyond")
    publisher.publish(3)
    follow(publisher.recording_id, publisher.stream_id, position=FRAME + 32).until_failed(ArchiveError, "(?i)position")
    follow(publisher.recording_id, publisher.stream_id, position=1 << 30).until_failed(ArchiveError, "(?i)position")
    follow(stopped.recording_id, stopped.stream_id, "aeron:udp?endpoint=no.such.host.invalid:1").until_failed(
        DriverError, "no.such.host.invalid"
    )


def test_before_the_beginning(publisher: Publisher, follow: Follow, archive: Archive) -> None:
    publisher.publish(600)
    recording = archive.list_recording(publisher.recording_id)
    archive.detach_segments(publisher.recording_id, recording.segment_file_base_position(100 * 1024))
    follow(publisher.recording_id, publisher.stream_id, position=0).until_failed(InvalidPositionError, "begins")


def test_bad_arguments(node: ArchivingMediaDriver, node_client: Client) -> None:
    context = node.archive_context()
    for bad in (
        {"position": -3},
        {"live_stream_id": 1 << 31},
        {"recording_id": -1},
        {"replay_stream_id": "7"},
        {"live_channel": "aeron:udp?endpont=x:1"},
        {"live_channel": "aeron:udp"},
        {"replay_channel": "aeron:tcp"},
        {"on_error": 5},
    ):
        arguments: dict[str, object] = {"recording_id": 1, "live_channel": CHANNEL, "live_stream_id": 1, **bad}
        with pytest.raises(SettingError):
            PersistentSubscription.open(node_client, context, **arguments)  # type: ignore[arg-type]


def test_closed_in_each_state(publisher: Publisher, stopped: RecordingDescriptor, follow: Follow) -> None:
    publisher.publish(100)
    for state in PersistentSubscriptionState:
        if state is PersistentSubscriptionState.FAILED:
            continue
        waits = state is PersistentSubscriptionState.AWAIT_LIVE
        recording_id = stopped.recording_id if waits else publisher.recording_id
        follower = follow(recording_id, stopped.stream_id if waits else publisher.stream_id)
        subscription = follower.subscription

        def there() -> bool:
            subscription.poll_messages(1)  # noqa: B023
            return subscription.state is state or subscription.is_live  # noqa: B023

        wait_until(there, TIMEOUT)
        subscription.close()
        subscription.close()
        with pytest.raises(ClosedError):
            subscription.poll_messages()


def test_the_publisher_is_started_again_while_live(
    publisher: Publisher, follow: Follow, node_client: Client, archive: Archive
) -> None:
    publisher.publish(20)
    follower = follow(publisher.recording_id, publisher.stream_id)
    follower.until_live()
    archive.stop_recording_publication(publisher.publication)
    publisher.publication.close()
    stop_position(archive, publisher.recording_id)
    recording = archive.list_recording(publisher.recording_id)
    # Another one there, whose stream is not the recorded one.
    with node_client.add_exclusive_publication(CHANNEL, publisher.stream_id) as other:
        follower.until(lambda: follower.told == ["joined", "left"])
        assert follower.subscription.state is not PersistentSubscriptionState.LIVE
        other.offer_nowait(b"of another stream")
    # An archive that extends takes any stream of the place. The driver has heard of the close when it answers what came
    # after it.
    node_client.add_counter(1001, "after the close").close()
    subscription_id = archive.extend_recording(publisher.recording_id, CHANNEL, publisher.stream_id)
    with resumed(node_client, recording, recording.stop_position) as publication:
        for message in messages(30, SIZE):
            offer(publication, message)
            follower.poll()
        follower.until_live()
        follower.until(lambda: len(follower.received) >= 50)
    assert follower.received == publisher.published + messages(30, SIZE)
    archive.stop_recording_subscription(subscription_id)


def test_nobody_publishes(node: ArchivingMediaDriver, node_client: Client, stopped: RecordingDescriptor) -> None:
    context = dataclasses.replace(node.archive_context(), message_timeout=2.0)
    follower = Follower(
        lambda **listener: PersistentSubscription.open(
            node_client, context, stopped.recording_id, CHANNEL, stopped.stream_id, position=FROM_LIVE, **listener
        )
    )
    with follower.subscription:
        follower.until(lambda: any("nobody publishes what goes on" in str(error) for error in follower.errors))
        assert not follower.subscription.has_failed


class Server:
    """An archive server that can be stopped, and started again at the same address."""

    def __init__(self, driver: MediaDriver, directory: Path) -> None:
        self._driver, self._directory, self._port = driver, directory, free_port()
        self._server = self._launch()
        self.context = dataclasses.replace(self._server.archive_context(), message_timeout=5.0)

    def _launch(self) -> ArchiveServer:
        return ArchiveServer.launch(
            self._directory,
            self._driver.aeron_dir,
            timeout=START_TIMEOUT,
            control_channel=f"aeron:udp?endpoint=localhost:{self._port}",
            local_control_stream_id=777_777,
            segment_file_length=64 * 1024,
        )

    def start(self) -> None:
        """Again."""
        self._server = self._launch()

    def stop(self) -> None:
        """Close it."""
        self._server.close()


@pytest.fixture
def server(driver: MediaDriver, tmp_path: Path) -> Iterator[Server]:
    made = Server(driver, tmp_path / "archive")
    yield made
    made.stop()


def following(client: Client, server: Server, publisher: Publisher) -> Follower:
    """A follower by way of that server."""
    return Follower(
        lambda **listener: PersistentSubscription.open(
            client, server.context, publisher.recording_id, CHANNEL, publisher.stream_id, **listener
        )
    )


def test_the_archive_comes_and_goes(client: Client, server: Server) -> None:
    with Archive.connect(client, server.context, timeout=START_TIMEOUT) as archive:
        publisher = Publisher(client, archive)
        publisher.publish(700)
    follower = following(client, server, publisher)
    with follower.subscription, publisher.publication:
        follower.until(lambda: len(follower.received) > 100)
        assert follower.subscription.is_replaying
        server.stop()
        follower.until(lambda: follower.errors)
        assert not follower.subscription.has_failed
        server.start()
        follower.until(lambda: len(follower.received) == 700)
        assert follower.received == publisher.published


def test_live_goes_on_without_the_archive(client: Client, server: Server) -> None:
    with Archive.connect(client, server.context, timeout=START_TIMEOUT) as archive:
        publisher = Publisher(client, archive)
        publisher.publish(10)
    server.stop()
    follower = following(client, server, publisher)
    with follower.subscription, publisher.publication:
        follower.until(lambda: follower.errors)
        assert follower.subscription.state is PersistentSubscriptionState.AWAIT_ARCHIVE_CONNECTION
        server.start()
        follower.until_live()
        server.stop()
        publisher.publish(10, recorded=False)
        follower.until(lambda: len(follower.received) == 20)
        assert follower.received == publisher.published
        assert follower.subscription.is_live
        assert follower.told == ["joined"]
