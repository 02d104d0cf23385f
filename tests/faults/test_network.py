"""Packets that get lost on the way, or come twice and late because of it: what arrives is all of it, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py import Archive, ArchiveServer, Client, SourceLocation
from tests.driver_process import DriverProcess
from tests.faults.place import ARCHIVE
from tests.faults.recording import TIMEOUT, message, offer
from tests.ports import free_port
from tests.waiting import wait_until

COUNT = 300
LOSSY = {
    "AERON_UDP_CHANNEL_INCOMING_INTERCEPTORS": "loss",
    # One in ten of everything: data, padding, NAK and status messages (their types are bits 0 to 3).
    "AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_LOSS_ARGS": "rate=0.1|seed=7|recv-msg-mask=0xf",
}


@pytest.fixture
def lossy(tmp_path: Path) -> Iterator[DriverProcess]:
    patient = {"image_liveness_timeout": TIMEOUT, "client_liveness_timeout": TIMEOUT}
    with DriverProcess(tmp_path / "aeron", LOSSY, **patient, publication_unblock_timeout=2 * TIMEOUT) as driver:
        yield driver


def lost(client: Client) -> int:
    """How often the receiver had to ask for something again."""
    return next(counter.value for counter in client.counters if counter.label.startswith("NAKs sent"))


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
