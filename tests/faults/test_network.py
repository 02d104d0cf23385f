"""Packets that get lost on the way, or come twice and late because of it: what arrives is all of it, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aeron_py import (
    AdminActionError,
    Archive,
    ArchiveServer,
    BackPressuredError,
    Client,
    CncFile,
    SourceLocation,
)
from aeron_py.archive.reader import RecordingReader
from tests.driver_process import DriverProcess
from tests.faults.place import ARCHIVE
from tests.faults.recording import TIMEOUT, message, offer
from tests.network.relay import Relay
from tests.ports import free_port
from tests.waiting import wait_until

COUNT = 300
LOSSY = {
    "AERON_UDP_CHANNEL_INCOMING_INTERCEPTORS": "loss",
    # One in ten of everything: data, padding, NAK and status messages (their types are bits 0 to 3).
    "AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_LOSS_ARGS": "rate=0.1|seed=7|recv-msg-mask=0xf",
}
PATIENT: dict[str, Any] = {
    "image_liveness_timeout": TIMEOUT,
    "client_liveness_timeout": TIMEOUT,
    "publication_connection_timeout": TIMEOUT,
    "publication_unblock_timeout": 2 * TIMEOUT,
}


@pytest.fixture
def lossy(tmp_path: Path) -> Iterator[DriverProcess]:
    with DriverProcess(tmp_path / "aeron", LOSSY, **PATIENT) as driver:
        yield driver


def counted(client: Client, label: str) -> int:
    """The value of one of the driver's own counters."""
    return next(counter.value for counter in client.counters if counter.label.startswith(label))


def lost(client: Client) -> int:
    """How often the receiver had to ask for something again."""
    return counted(client, "NAKs sent")


@dataclass(frozen=True)
class Ends:
    """A publisher and a subscriber, each with a media driver of its own."""

    publisher: Client
    subscriber: Client

    def received(self, relay: Relay) -> list[bytes]:
        """What arrives of :data:`COUNT` messages."""
        with (
            self.subscriber.add_subscription(relay.subscribe, 1) as subscription,
            self.publisher.add_exclusive_publication(relay.publish, 1) as publication,
        ):
            wait_until(lambda: publication.is_connected, TIMEOUT)
            received: list[bytes] = []

            def offered(number: int) -> int | None:
                received.extend(subscription.poll_payloads())
                try:
                    return publication.offer(message(number))
                except (BackPressuredError, AdminActionError):
                    return None

            for number in range(COUNT):
                position = wait_until(lambda number=number: offered(number), TIMEOUT)  # type: ignore[misc]
            received += [each.payload for each in subscription.messages(until=position, timeout=TIMEOUT)]
            assert subscription.poll_payloads() == []
            return received


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    with (
        DriverProcess(tmp_path / "publisher", **PATIENT) as a,
        DriverProcess(tmp_path / "subscriber", **PATIENT) as b,
        Client.connect(a.aeron_dir, driver_timeout=TIMEOUT) as publisher,
        Client.connect(b.aeron_dir, driver_timeout=TIMEOUT) as subscriber,
    ):
        yield Ends(publisher, subscriber)


def test_packets_lost_while_publishing__all_arrive_in_order(lossy: DriverProcess) -> None:
    """Sees: nothing but the delay; the counter of NAKs and the loss report tell of it.

    Kept: every message, in order, once.
    Recovers: by itself: what is missing is asked for again.
    """
    channel = f"aeron:udp?endpoint=127.0.0.1:{free_port()}"
    with (
        Client.connect(lossy.aeron_dir) as client,
        client.add_subscription(channel, 1) as subscription,
        client.add_exclusive_publication(channel, 1) as publication,
    ):
        wait_until(lambda: publication.is_connected)
        received: list[bytes] = []
        for number in range(COUNT):
            position = offer(publication, number)
            received += subscription.poll_payloads()
        received += [each.payload for each in subscription.messages(until=position, timeout=TIMEOUT)]
        assert received == [message(number) for number in range(COUNT)]
        assert lost(client)


def test_packets_lost_while_recording_and_replaying__all_is_recorded(lossy: DriverProcess, tmp_path: Path) -> None:
    """Sees: nothing but the delay, also of the archive's answers where they come over UDP.

    Kept: every message is recorded and replayed, in order, once.
    Recovers: by itself.
    """
    publishing, replaying = (f"aeron:udp?endpoint=127.0.0.1:{free_port()}" for _ in range(2))
    with (
        ArchiveServer.launch(tmp_path / "archive", lossy.aeron_dir, **ARCHIVE) as server,
        Client.connect(lossy.aeron_dir) as client,
        Archive.connect(client, server.archive_context(local=False), timeout=TIMEOUT) as archive,
        client.add_exclusive_publication(publishing, 1) as publication,
    ):
        archive.start_recording(publishing, 1, source_location=SourceLocation.REMOTE, timeout=TIMEOUT)
        archive.await_recorded(publication, timeout=TIMEOUT)
        for number in range(COUNT):
            position = offer(publication, number)
        recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
        with archive.replay(recording_id, replaying, 2, length=position, timeout=TIMEOUT) as subscription:
            replayed = [each.payload for each in subscription.messages(until=position, timeout=TIMEOUT)]
        assert replayed == [message(number) for number in range(COUNT)]
        assert lost(client)


def test_packets_lost_between_drivers__all_arrive_in_order(ends: Ends) -> None:
    """Sees: nothing but the delay. At the subscriber's driver the counter of NAKs and the loss report, at the
        publisher's the counter of retransmits tell of it.

    Kept: every message, in order, once.
    Recovers: by itself, also where a setup, a status message or a NAK is lost: each comes again.
    """
    with Relay(loss=0.1) as relay:
        assert ends.received(relay) == [message(number) for number in range(COUNT)]
    assert relay.there.lost
    assert relay.back.lost
    assert lost(ends.subscriber)
    assert counted(ends.publisher, "Retransmits sent")
    with CncFile(ends.subscriber.aeron_dir) as there, CncFile(ends.publisher.aeron_dir) as here:
        assert [(each.stream_id, each.source) for each in there.losses()] == [(1, relay.source)]
        assert here.losses() == []


def test_packets_doubled_between_drivers__each_message_arrives_once(ends: Ends) -> None:
    """Sees: nothing; the loss report stays empty.

    Kept: every message, in order, once.
    Recovers: nothing to do: the subscriber's driver lets the second go.
    """
    with Relay(twice=0.5) as relay:
        assert ends.received(relay) == [message(number) for number in range(COUNT)]
    assert relay.there.doubled
    assert relay.back.doubled
    assert counted(ends.subscriber, "Bytes received") > counted(ends.publisher, "Bytes sent")
    with CncFile(ends.subscriber.aeron_dir) as cnc:
        assert cnc.losses() == []


def test_packets_reordered_between_drivers__all_arrive_in_order(ends: Ends) -> None:
    """Sees: nothing but the delay. What is overtaken counts as lost until it comes: NAKs and the loss report tell of
        it, although nothing was.

    Kept: every message, in order, once.
    Recovers: by itself; what was asked for again for nothing comes twice, and is let go.
    """
    with Relay(delay=0.002, jitter=0.002) as relay:
        assert ends.received(relay) == [message(number) for number in range(COUNT)]
    assert relay.there.overtaken
    assert relay.there.lost == relay.back.lost == 0
    assert lost(ends.subscriber)
    with CncFile(ends.subscriber.aeron_dir) as cnc:
        assert cnc.losses()


def test_packets_lost_doubled_and_reordered_while_recording_from_afar__recording_is_exact(
    ends: Ends, tmp_path: Path
) -> None:
    """Sees: nothing but the delay.

    Kept: every message is in the recording, in order, once, as it is in a replay of it.
    Recovers: by itself.
    """
    directory, aeron_dir = tmp_path / "archive", ends.subscriber.aeron_dir
    with (
        Relay(loss=0.1, twice=0.1, delay=0.002, jitter=0.002) as relay,
        ArchiveServer.launch(directory, aeron_dir, **ARCHIVE) as server,
        Archive.connect(ends.subscriber, server.archive_context(), timeout=TIMEOUT) as archive,
    ):
        archive.start_recording(relay.subscribe, 1, source_location=SourceLocation.REMOTE, timeout=TIMEOUT)
        with ends.publisher.add_exclusive_publication(relay.publish, 1) as publication:
            for number in range(COUNT):
                position = offer(publication, number)
            recording_id = wait_until(lambda: archive.list_recordings(stream_id=1), TIMEOUT)[-1].recording_id
            wait_until(lambda: archive.get_max_recorded_position(recording_id) == position, TIMEOUT)
        archive.stop_recording(relay.subscribe, 1)
        wait_until(lambda: archive.get_stop_position(recording_id) == position, TIMEOUT)
        with archive.replay(recording_id, "aeron:ipc", 2, length=position, timeout=TIMEOUT) as subscription:
            replayed = [each.payload for each in subscription.messages(until=position, timeout=TIMEOUT)]
        with RecordingReader(directory, archive.list_recording(recording_id)) as reader:
            read = [bytes(payload) for payload in reader]
    assert read == replayed == [message(number) for number in range(COUNT)]
    assert relay.there.lost
    assert relay.there.doubled
    assert relay.there.overtaken
    assert lost(ends.subscriber)
