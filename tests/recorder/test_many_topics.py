"""A session of three hundred topics, and a recorder that reaches its archive by explicit channels."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from aeron_py import ArchivingMediaDriver, Client
from aeron_py.idle import IdleStrategy
from aeron_py.recorder.config import load
from aeron_py.recorder.playback import RecorderClient
from aeron_py.recorder.service import Recorder
from tests.recorder.recorders import TIMEOUT, configured, history
from tests.streams import receive, send
from tests.waiting import wait_until


def test_three_hundred_topics(tmp_path: Path) -> None:
    topics = {f"pubsub:many/{number}": 1000 + number for number in range(300)}
    messages = [b"first", b"second", b"third"]
    config = msgspec.structs.replace(configured(tmp_path), play=True)
    with Recorder(config) as recorder:
        recorder.wait_running(TIMEOUT)
        with (
            Client.connect(recorder.aeron_dir, idle_strategy=IdleStrategy.backoff(max_park=0.001)) as client,
            contextlib.ExitStack() as stack,
        ):
            pending = [
                client._start_add_exclusive_publication(f"aeron:ipc?alias={topic}", stream_id)
                for topic, stream_id in topics.items()
            ]
            publications = [stack.enter_context(wait_until(each.poll, TIMEOUT)) for each in pending]
            wait_until(lambda: len(recorder.streams) == len(topics), TIMEOUT, "recorded")
            for message in messages:
                for publication in publications:
                    end = send(publication, message)
            ends = dict.fromkeys(topics, end)
            wait_until(lambda: {t: s[-1][2] for t, s in history(tmp_path).items()} == ends, TIMEOUT, "the journal")
            asking = stack.enter_context(RecorderClient(client, timeout=TIMEOUT))
            for speed in ("Unlimited", 2):
                with asking.open_session(speed=speed) as session, contextlib.ExitStack() as listening:
                    places = session.topics
                    assert places.keys() == topics.keys()
                    adding = [client._start_add_subscription(each.channel, each.stream_id) for each in places.values()]
                    subscriptions = [listening.enter_context(wait_until(each.poll, TIMEOUT)) for each in adding]
                    wait_until(lambda s=session: all(i.listening for i in s.topics.values()), TIMEOUT)  # type: ignore[misc]
                    session.state = "play"
                    for subscription in subscriptions:
                        assert [each.payload for each in receive(subscription, len(messages))] == messages


def test_an_archive_reached_by_its_control_channel(tmp_path: Path) -> None:
    """Nothing of it but its files is known: it could be in another container."""
    archive_dir = tmp_path / "archive"
    with ArchivingMediaDriver.launch(archive_dir, timeout=TIMEOUT, segment_file_length=64 * 1024) as node:
        config = load(f"""
archive_dir: {archive_dir}
aeron_dir: {node.aeron_dir}
rules: [{{}}]
archive:
  control_channel: "{node.archive_server.control_channel}"
  control_stream_id: {node.archive_server.control_stream_id}
  response_channel: "aeron:udp?endpoint=127.0.0.1:0"
""")
        with Recorder(config) as recorder:
            recorder.wait_running(TIMEOUT)
            with (
                Client.connect(node.aeron_dir) as client,
                client.add_exclusive_publication("aeron:ipc?alias=pubsub:a", 10) as publication,
                RecorderClient(client, timeout=TIMEOUT) as asking,
            ):
                publication.await_recorder(TIMEOUT)
                end = send(publication, b"over the network")
                wait_until(lambda: history(archive_dir).get("pubsub:a", [(0, 0, 0)])[-1][2] == end, TIMEOUT)
                with asking.open_session(speed="Unlimited") as session, session.subscribe("pubsub:a") as played:
                    session.state = "play"
                    assert [each.payload for each in receive(played, 1)] == [b"over the network"]
                assert {each.topic for each in recorder.streams} == {"pubsub:a"}
