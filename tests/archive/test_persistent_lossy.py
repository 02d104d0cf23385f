"""Persistent subscriptions over links that lose packets, or break."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aeron_py import Archive, ArchiveServer, ChannelUri, Client, PersistentSubscription
from tests.archive.following import Follower, Publisher
from tests.archive.streams import TIMEOUT, new_stream_id
from tests.driver_process import DriverProcess
from tests.network.relay import Relay
from tests.nodes import START_TIMEOUT
from tests.ports import free_port

COUNT = 400
AHEAD = 20
"""Messages that are published before the follower has those before: fewer than fit in a window, so that it comes up."""
Start = Callable[..., tuple[Client, Archive]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A media driver of these settings, with an archive and clients on it."""
    with contextlib.ExitStack() as closing:

        def start(environment: dict[str, str], **settings: Any) -> tuple[Client, Archive]:
            driver = closing.enter_context(DriverProcess(tmp_path / "aeron", environment, **settings))
            server = closing.enter_context(
                ArchiveServer.launch(
                    tmp_path / "archive", driver.aeron_dir, timeout=START_TIMEOUT, segment_file_length=1 << 20
                )
            )
            client = closing.enter_context(Client.connect(driver.aeron_dir, driver_timeout=TIMEOUT))
            return client, closing.enter_context(Archive.connect(client, server.archive_context(), timeout=TIMEOUT))

        yield start


def udp() -> str:
    return f"aeron:udp?endpoint=127.0.0.1:{free_port()}"


def follow(client: Client, archive: Archive, publisher: Publisher, live: str, replay: str, **options: Any) -> Follower:
    return Follower(
        lambda **listener: PersistentSubscription.open(
            client,
            archive.context,
            publisher.recording_id,
            live,
            publisher.stream_id,
            replay_channel=replay,
            replay_stream_id=new_stream_id(),
            **listener,
            **options,
        )
    )


@pytest.mark.parametrize("rate", [0.1, 0.4], ids=["some", "much"])
@pytest.mark.parametrize("lossy", ["replay", "live", "both"])
def test_all_comes_in_order_over_links_that_lose_packets(start: Start, lossy: str, rate: float) -> None:
    # Of everything: data, padding, NAK and status messages (their types are bits 0 to 3).
    loss = {
        "AERON_UDP_CHANNEL_INCOMING_INTERCEPTORS": "loss",
        "AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_LOSS_ARGS": f"rate={rate}|seed=7|recv-msg-mask=0xf",
    }
    client, archive = start(loss, image_liveness_timeout=2.0, publication_connection_timeout=TIMEOUT)
    live = "aeron:ipc" if lossy == "replay" else udp()
    replay = "aeron:ipc" if lossy == "live" else udp()
    # The archive reads at the publisher, which goes on before anybody else hears it.
    publisher = Publisher(client, archive, str(ChannelUri.parse(live).with_(term_length=1 << 16, ssc=True)))
    publisher.publish(COUNT)
    follower = follow(client, archive, publisher, live, replay)
    with follower.subscription, publisher.publication:
        while not follower.subscription.is_live:  # the switch to live is made under way
            if len(publisher.published) < len(follower.received) + AHEAD:
                publisher.try_publish()
            follower.poll()
        end = len(publisher.published) + COUNT
        while len(publisher.published) < end:
            publisher.try_publish()
            follower.poll()
        follower.until(lambda: len(follower.received) >= end)
        assert follower.received == publisher.published
        follower.until_live()
    naks = next(each.value for each in client.counters if each.label.startswith("NAKs sent"))
    assert naks or "left" in follower.told


def test_the_live_link_breaks_and_mends_again_and_again(start: Start) -> None:
    client, archive = start({}, image_liveness_timeout=0.5, untethered_resting_timeout=1.0)
    with Relay() as relay:
        # The archive reads at the publisher, which goes on although nobody else hears it.
        publisher = Publisher(client, archive, f"{relay.publish}|ssc=true")
        publisher.publish(50)
        follower = follow(client, archive, publisher, relay.subscribe, "aeron:ipc")
        with follower.subscription, publisher.publication:
            follower.until_live()
            for turn in range(1, 4):
                relay.there.loss = relay.back.loss = 1.0
                publisher.publish(50)
                follower.until(lambda n=turn: follower.told.count("left") == n)  # type: ignore[misc]
                publisher.publish(50)
                follower.until(lambda: len(follower.received) >= len(publisher.published))
                relay.there.loss = relay.back.loss = 0.0
                follower.until_live()
                publisher.publish(50)
                follower.until(lambda: len(follower.received) >= len(publisher.published))
                assert follower.told == ["joined", "left"] * turn + ["joined"]
            assert follower.received == publisher.published
