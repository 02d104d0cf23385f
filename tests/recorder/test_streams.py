"""Every kind of stream is recorded: whole, once, and under its publisher's name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from aeron_py import Client, DriverError, ExclusivePublication, MediaDriver, SettingError
from aeron_py.archive.catalog import read_catalog
from aeron_py.counters import CounterType
from aeron_py.recorder.config import load
from aeron_py.recorder.service import Recorder
from tests.ports import free_port
from tests.recorder.recorders import TIMEOUT, Events, configured, history, payloads, recordings
from tests.streams import next_stream, send
from tests.waiting import wait_until

KINDS = {
    "unicast": ("aeron:udp?endpoint=localhost:{port}", "aeron:udp?endpoint=localhost:{port}"),
    "multicast": ("aeron:udp?endpoint=224.0.1.17:{port}|interface=localhost",) * 2,
    "dynamic": (
        "aeron:udp?control=localhost:{control}|control-mode=dynamic",
        "aeron:udp?control=localhost:{control}|control-mode=dynamic|endpoint=localhost:{port}",
    ),
    "manual": ("aeron:udp?control-mode=manual", "aeron:udp?endpoint=localhost:{port}"),
}
"""How others publish it, and how it is listed in the configuration."""


class Far(NamedTuple):
    """A stream that is listed in the configuration."""

    published: str
    listed: str
    stream_id: int


class Place(NamedTuple):
    """A recorder that runs, and clients: of its own media driver, and of another one, as on another machine."""

    recorder: Recorder
    archive_dir: Path
    near: Client
    elsewhere: Client
    far: dict[str, Far]
    said: Events


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    archive_dir, said = tmp_path_factory.mktemp("archive"), Events()
    far = {}
    for kind, (published, listed) in KINDS.items():
        ports = {"port": free_port(), "control": free_port()}
        far[kind] = Far(published.format(**ports), listed.format(**ports), next_stream())
    channels = "".join(
        f'\n  - {{channel: "{each.listed}", stream_id: {each.stream_id}, topic: "pubsub:far/{kind}"}}'
        for kind, each in far.items()
    )
    with (
        Recorder(configured(archive_dir, f"channels:{channels}\n"), on_event=said.append) as recorder,
        MediaDriver.launch(term_buffer_length=1 << 16, timer_interval=0.1) as other,
    ):
        recorder.wait_running(TIMEOUT)
        with Client.connect(recorder.aeron_dir) as near, Client.connect(other.aeron_dir) as elsewhere:
            yield Place(recorder, archive_dir, near, elsewhere, far, said)


def topics(place: Place) -> list[str]:
    return sorted(each.topic for each in place.recorder.streams)


def told(place: Place, topic: str) -> Callable[[], bool]:
    """Whether the journal has a topic, from one publisher."""
    return lambda: len(history(place.archive_dir).get(topic, ())) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_comes_over_the_network(place: Place, kind: str) -> None:
    far, messages = place.far[kind], [b"%d" % i for i in range(10)]
    with place.elsewhere.add_exclusive_publication(far.published, far.stream_id) as publication:
        if kind == "manual":
            publication.add_destination(far.listed)
        wait_until(lambda: publication.is_connected, TIMEOUT)
        for message in messages:
            send(publication, message)
        end = publication.position
        wait_until(lambda: f"pubsub:far/{kind}" in topics(place), TIMEOUT)
        topic = f"pubsub:far/{kind}"
        wait_until(lambda: [each[2] for each in history(place.archive_dir).get(topic, ())] == [end], TIMEOUT)
    assert payloads(place.archive_dir, far.stream_id) == messages
    (recording,) = recordings(place.archive_dir, far.stream_id)
    assert recording.start_position == 0


@pytest.mark.parametrize(
    "channel",
    [
        "aeron:udp?endpoint=localhost:{port}|ssc=true",
        "aeron:udp?endpoint=224.0.1.19:{port}|interface=localhost|ssc=true",
        "aeron:udp?control=localhost:{port}|control-mode=dynamic|ssc=true",
        "aeron:udp?control-mode=manual|ssc=true",
        "aeron:ipc",
    ],
)
def test_a_publication_of_its_own_driver_that_nobody_else_hears(place: Place, channel: str) -> None:
    stream_id = next_stream()
    topic = f"pubsub:near/{stream_id}"
    whole = f"{channel.format(port=free_port())}{'|' if '?' in channel else '?'}alias={topic}"
    if "manual" in channel:
        whole += f"|tags={stream_id},{stream_id}"
    with place.near.add_exclusive_publication(whole, stream_id) as publication:
        recording_id = publication.await_recorder(TIMEOUT)
        wait_until(lambda: publication.is_connected, TIMEOUT)
        end = send(publication, b"heard")
        wait_until(lambda: [each[::2] for each in history(place.archive_dir).get(topic, ())] == [(recording_id, end)])
    assert payloads(place.archive_dir, stream_id) == [b"heard"]


@pytest.mark.parametrize("purged", [False, True])
def test_a_publisher_comes_back_with_the_session_of_its_choice(place: Place, purged: bool) -> None:
    stream_id = next_stream()
    topic = f"pubsub:back/{stream_id}"

    def publisher() -> ExclusivePublication | None:
        # The driver keeps the one before for a moment.
        with contextlib.suppress(DriverError):
            channel = f"aeron:ipc?alias={topic}|session-id={stream_id}"
            return place.near.add_exclusive_publication(channel, stream_id)
        return None

    expected: list[tuple[int, int, int]] = []
    for messages in (10, 5):
        with wait_until(publisher, TIMEOUT) as publication:
            recording_id = publication.await_recorder(TIMEOUT)
            wait_until(lambda p=publication: p.is_connected, TIMEOUT)  # type: ignore[misc]
            for _ in range(messages):
                end = send(publication, b"once")
            expected.append((recording_id, 0, end))
            wait_until(lambda: history(place.archive_dir).get(topic) == expected, TIMEOUT)
        wait_until(lambda: topic not in topics(place), TIMEOUT)
        if purged:
            keeper = place.recorder._keeper
            assert keeper is not None
            keeper._archive.purge_recording(recording_id)


def test_publishers_that_came_and_went_unseen_are_told_in_their_order(place: Place) -> None:
    """While the recorder is held up, as when it ends a volume; the last of them is still there."""
    stream_id = next_stream()
    topic = f"pubsub:short/{stream_id}"

    def publish(message: bytes) -> ExclusivePublication:
        publication = place.near.add_exclusive_publication(f"aeron:ipc?alias={topic}", stream_id)
        recording_id = publication.await_recorder(TIMEOUT)
        wait_until(lambda: publication.is_connected, TIMEOUT)
        expected.append((recording_id, 0, send(publication, message)))
        return publication

    expected: list[tuple[int, int, int]] = []
    with publish(b"known from now on"):
        wait_until(lambda: topic in topics(place), TIMEOUT)
    wait_until(lambda: history(place.archive_dir).get(topic) == expected, TIMEOUT)
    wait_until(lambda: topic not in topics(place), TIMEOUT)
    recording = place.recorder._recording
    assert recording is not None
    with recording.lock:
        for message in (b"1", b"2"):
            publish(message).close()
            wait_until(lambda: not any(each.is_active for each in recordings(place.archive_dir, stream_id)), TIMEOUT)
        last = publish(b"3")
    with last:
        wait_until(lambda: len(history(place.archive_dir)[topic]) == 4, TIMEOUT)
        assert [each[0] for each in history(place.archive_dir)[topic]] == [each[0] for each in expected]
        wait_until(lambda: history(place.archive_dir)[topic] == expected, TIMEOUT)


def test_two_topics_on_one_stream_are_told_apart(place: Place) -> None:
    stream_id = next_stream()
    with contextlib.ExitStack() as stack:
        for name in ("left", "right"):
            channel = f"aeron:ipc?alias=pubsub:shared/{name}"
            publication = stack.enter_context(place.near.add_exclusive_publication(channel, stream_id))
            publication.await_recorder(TIMEOUT)
            wait_until(lambda p=publication: p.is_connected, TIMEOUT)  # type: ignore[misc]
            send(publication, name.encode())
            wait_until(told(place, f"pubsub:shared/{name}"), TIMEOUT)
    ids = {name: history(place.archive_dir)[f"pubsub:shared/{name}"][0][0] for name in ("left", "right")}
    found = {each.recording_id: each for each in recordings(place.archive_dir, stream_id)}
    assert set(found) == set(ids.values())
    assert {name: found[each].original_channel.rpartition("/")[2] for name, each in ids.items()} == {
        "left": "left",
        "right": "right",
    }


@pytest.mark.parametrize("streams", [1, 2])
def test_two_publishers_of_one_topic_are_both_recorded(place: Place, streams: int) -> None:
    stream_ids = [next_stream() for _ in range(streams)] * (3 - streams)
    topic = f"pubsub:twins/{streams}"
    with contextlib.ExitStack() as stack:
        twins: list[ExclusivePublication] = [
            stack.enter_context(place.near.add_exclusive_publication(f"aeron:ipc?alias={topic}", each))
            for each in stream_ids
        ]
        for number, publication in enumerate(twins):
            publication.await_recorder(TIMEOUT)
            wait_until(lambda p=publication: p.is_connected, TIMEOUT)  # type: ignore[misc]
            send(publication, b"%d" % number)
        ends = sorted(publication.position for publication in twins)
        wait_until(lambda: sorted(each[2] for each in history(place.archive_dir).get(topic, ())) == ends, TIMEOUT)
    found = [each for stream_id in set(stream_ids) for each in recordings(place.archive_dir, stream_id)]
    assert {each.session_id for each in found} == {each.session_id for each in twins}
    assert len(found) == 2
    assert sorted(message for each in set(stream_ids) for message in payloads(place.archive_dir, each)) == [b"0", b"1"]


LABELS = [
    "pub-pos (exclusive): 5 6 {stream} ",
    "pub-pos (exclusive): 5 6 {stream} aeron",
    "pub-pos (exclusive): 5 6 {stream} aeron:nothing?alias=pubsub:bad/media",
    "pub-pos (exclusive): 5 6 {stream} aeron:udp?|||==|alias=pubsub:bad/parts|endpoint",
    "pub-pos (exclusive): 5 6 {stream} aeron:ipc?alias=pubsub:bad/\udcff\udcfe\udc80",
    "pub-pos (exclusive): 99999999999999999999 6 {stream} aeron:ipc?alias=pubsub:bad/number",
    "pub-pos (exclusive): 5 6 9999999999999 aeron:ipc?alias=pubsub:bad/stream",
    "pub-pos (concurrent): 5 6 {stream} aeron:ipc?alias=pubsub:bad/" + "x" * 300,
    "pub-pos (concurrent): 5 6 {stream} aeron:ipc?alias=:|" + "y=%s" * 40,
]


def test_whatever_a_stranger_writes_the_next_one_is_recorded(place: Place) -> None:
    with contextlib.ExitStack() as stack:
        for label in LABELS:
            bad = label.format(stream=next_stream())[:380]
            stack.enter_context(place.near.add_counter(CounterType.PUBLISHER_POSITION, label=bad))
        stream_id = next_stream()
        good = stack.enter_context(place.near.add_publication("aeron:ipc?alias=pubsub:good", stream_id))
        good.await_recorder(TIMEOUT)
        wait_until(lambda: "pubsub:good" in topics(place), TIMEOUT)
        # A publication that no archive finds is asked for again, each time later, and told of once.
        wait_until(place.said.has("pubsub:bad/media can't be recorded"), TIMEOUT)
        for text in ("pubsub:bad/media can't be recorded", "left out 'pub-pos (exclusive): 5 6"):
            assert place.said.times(text) <= 1
    wait_until(lambda: place.recorder.problem is None, TIMEOUT)


def test_a_channel_whose_destinations_nobody_can_add_is_refused() -> None:
    with pytest.raises(SettingError, match="control-mode=manual: nobody can add a destination"):
        load("{archive_dir: x, rules: [{}], channels: [{channel: 'aeron:udp?control-mode=manual', stream_id: 1}]}")


def test_what_many_globs_name_is_recorded_once(tmp_path: Path) -> None:
    config = load(
        f"{{archive_dir: {tmp_path}, play: false, poll_interval: 50ms, rules: ["
        "{topic: 'camera/front'}, {topic: 'camera/*'}, {topic: '**'}, {topic: 'camera/**', policy: drop_all}]}"
    )
    with Recorder(config) as recorder:
        recorder.wait_running(TIMEOUT)
        with Client.connect(recorder.aeron_dir) as client:
            _publish_twice(client, recorder)
    assert payloads(tmp_path, 10) == [b"first run"]

    # Known by now: the archive listens before the publisher comes, so that nothing is missed, from the first byte on.
    with Recorder(config) as recorder:
        recorder.wait_running(TIMEOUT)
        with (
            Client.connect(recorder.aeron_dir) as client,
            client.add_exclusive_publication("aeron:ipc?alias=pubsub:camera/front", 10) as publication,
        ):
            wait_until(lambda: publication.is_connected, TIMEOUT)
            end = send(publication, b"second run")
            wait_until(
                lambda: [each[1:] for each in history(tmp_path).get("pubsub:camera/front", ())][1:] == [(0, end)],
                TIMEOUT,
            )
    assert payloads(tmp_path, 10) == [b"first run", b"second run"]
    assert [each.start_position for each in read_catalog(tmp_path) if each.stream_id == 10] == [0, 0]


def _publish_twice(client: Client, recorder: Recorder) -> None:
    channel = "aeron:ipc?alias=pubsub:camera/front"
    with client.add_publication(channel, 10) as publication, client.add_publication(channel, 10) as again:
        assert again.session_id == publication.session_id
        publication.await_recorder(TIMEOUT)
        wait_until(lambda: publication.is_connected, TIMEOUT)
        send(publication, b"first run")
        wait_until(lambda: [each.topic for each in recorder.streams] == ["pubsub:camera/front"], TIMEOUT)
