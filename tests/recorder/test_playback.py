"""Sessions of playback on a real driver and archive: what comes out, when, and how it is steered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aeron_py import AeronError, Archive, ArchivingMediaDriver, Client, ClosedError, SettingError
from aeron_py.recorder import StreamInfo
from aeron_py.recorder.playback import Pacer, Remap, Session
from aeron_py.recorder.timeindex import TimeIndex
from aeron_py.recorder.when import format_time
from tests.living import nothing_lives_on
from tests.ports import free_port
from tests.recorder.histories import CAMERA, LOG, RADAR, TIMEOUT, Listeners, Recording, stamp_of
from tests.waiting import wait_until

SECOND = 1_000_000_000
Open = Callable[..., Session]


@pytest.fixture(scope="module")
def recorded(node: ArchivingMediaDriver, module_client: Client, module_archive: Archive) -> Recording:
    """Sixty batches: on the camera from two publishers one after the other, the log from the middle on."""
    recording = Recording(module_client, module_archive, node.archive_dir, 9000)
    recording.add(CAMERA)
    recording.add(RADAR)
    for number in range(60):
        if number == 20:
            recording.remove(CAMERA)
            recording.add(CAMERA)
        if number == 30:
            recording.add(LOG)
        topics = [CAMERA, RADAR] if number % 2 == 0 else [CAMERA]
        recording.batch(*topics, *([LOG] if number >= 30 else []), length=3000 if number % 7 == 0 else 100)
    recording.close()
    return recording


@pytest.fixture(scope="module")
def index(node: ArchivingMediaDriver, recorded: Recording) -> Iterator[TimeIndex]:
    found = [recorded.writer.recording_id]
    with TimeIndex.open(node.archive_dir, found) as opened:
        yield opened


@pytest.fixture(scope="module")
def pacer(module_client: Client, module_archive: Archive) -> Iterator[Pacer]:
    with Pacer(module_client, module_archive) as made:
        yield made


@pytest.fixture
def session(
    node: ArchivingMediaDriver, module_client: Client, module_archive: Archive, index: TimeIndex, pacer: Pacer
) -> Iterator[Open]:
    """Opens sessions on the history; they are closed at the end of the test."""
    opened: list[Session] = []

    def open_session(**options: Any) -> Session:
        made = Session(module_client, module_archive, node.archive_dir, index=index, pacer=pacer, **options)
        opened.append(made)
        return made

    yield open_session
    for each in opened:
        each.close()


def listen(session: Session) -> Listeners:
    listeners = Listeners({topic: session.subscribe(topic) for topic in session.topics})
    wait_until(lambda: all(info.listening for info in session.topics.values()), TIMEOUT, "listening")
    return listeners


def until(recorded: Recording, moment: int) -> dict[str, list[bytes]]:
    return {topic: [each for each in sent if stamp_of(each) <= moment] for topic, sent in recorded.sent.items()}


def after(recorded: Recording, moment: int) -> dict[str, list[bytes]]:
    return {topic: [each for each in sent if stamp_of(each) > moment] for topic, sent in recorded.sent.items()}


@pytest.mark.parametrize("speed", [1.0, 10, "Unlimited"])
def test_everything_comes_once_and_in_order(session: Open, recorded: Recording, speed: float | str) -> None:
    played = session(speed=speed)
    assert played.state == "pause"
    with listen(played) as listeners:
        played.state = "play"
        listeners.await_all(recorded.sent)
        wait_until(lambda: played.ended, TIMEOUT)
        played.wait_ended(TIMEOUT)
        assert played.state == "tail"
        listeners.await_all(recorded.sent)


def test_who_has_heard_all_may_go_at_once(session: Open, recorded: Recording) -> None:
    """At `Unlimited` a session comes to its end also when that is seen after its last listener has gone."""
    played = session(speed="Unlimited", topics=[RADAR])
    lane = played._player.lanes.by_topic[RADAR]
    with listen(played) as listeners:
        played.state = "play"
        wait_until(lambda: listeners.poll()[RADAR], TIMEOUT)
        with played._player.lock:
            listeners.await_all({RADAR: recorded.sent[RADAR]})
            listeners.close()
            wait_until(lambda: not lane.listening, TIMEOUT)
    played.wait_ended(TIMEOUT)


def test_a_session_in_which_something_is_wrong_stops_no_other(
    session: Open, recorded: Recording, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, played = session(), session(speed="Unlimited")
    monkeypatch.setattr(broken._player, "work", lambda: 1 / 0)
    with listen(played) as listeners:
        played.state = "play"
        listeners.await_all(recorded.sent)
    assert [each.getMessage() for each in caplog.records] == ["playback: division by zero"]
    assert "ZeroDivisionError" in caplog.text


def test_what_is_known_from_the_beginning(session: Open, recorded: Recording) -> None:
    played = session(start=recorded.times[0] - SECOND)
    assert sorted(played.topics) == sorted([CAMERA, RADAR, LOG])
    assert played.values() == {CAMERA: None, RADAR: None, LOG: None}
    assert played.topics[CAMERA].recordings == 2
    for at in (recorded.times[n] for n in (0, 19, 20, 29, 30, 59)):
        played.pos = format_time(at)
        expected = {topic: sent[-1] if sent else None for topic, sent in until(recorded, at).items()}
        found = {topic: None if value is None else value.payload for topic, value in played.values().items()}
        assert found == expected
        assert played.pos == format_time(at)
    assert len({info.stream_id for info in played.topics.values()}) == 3


def test_seek_then_play(session: Open, recorded: Recording) -> None:
    played = session(speed="Unlimited")
    with listen(played) as listeners:
        for at in (recorded.times[n] for n in (40, 10, 25)):
            played.pos = at
            listeners.forget()
            played.state = "play"
            listeners.await_all(after(recorded, at))
            played.state = "pause"


def test_seek_while_it_plays(session: Open, recorded: Recording) -> None:
    played = session(speed=0.5)
    with listen(played) as listeners:
        played.state = "play"
        wait_until(lambda: len(listeners.poll()[RADAR]) >= 1, TIMEOUT)
        played.pos = recorded.times[50]
        played.speed = 5
        expected = after(recorded, recorded.times[50])
        wait_until(lambda: all(listeners.poll()[t][-len(w) :] == w for t, w in expected.items()), TIMEOUT)
        assert played.state in ("play", "tail")


def test_start_and_end(session: Open, recorded: Recording) -> None:
    begin, end = recorded.times[14], recorded.times[34]
    expected = {topic: [m for m in sent if begin < stamp_of(m) <= end] for topic, sent in recorded.sent.items()}
    for speed in (4, "Unlimited"):
        played = session(start=format_time(begin), end=end, speed=speed)
        assert (played.start, played.end) == (format_time(begin), format_time(end))
        with listen(played) as listeners:
            played.state = "play"
            listeners.await_all(expected)
            wait_until(lambda p=played: p.ended, TIMEOUT)  # type: ignore[misc]
            assert played.state == "pause"
            assert played.pos == format_time(end)
            played.wait_ended(TIMEOUT)
            # And on to the rest.
            played.end = "Unbounded"
            played.state = "play"
            listeners.await_all(after(recorded, begin))


def test_step_by_batches(session: Open, recorded: Recording, index: TimeIndex) -> None:
    ticks = [tick.time_ns for tick in index.ticks(0)]
    played = session()
    with listen(played) as listeners:
        for _ in range(3):
            assert played.step() == 1
        assert played.pos_ns == ticks[2]
        played.pos = "+40"
        assert played.pos_ns == ticks[42]
        listeners.await_all(until(recorded, ticks[42]))
        played.pos = -10
        assert played.pos_ns == ticks[32]
        assert played.state == "pause"
    with listen(played) as listeners:
        played.pos = +1
        assert played.pos_ns == ticks[33]
        between = {t: [m for m in s if ticks[32] < stamp_of(m) <= ticks[33]] for t, s in recorded.sent.items()}
        listeners.await_all(between)
        played.pos = -128
        played.pos = -128
        assert played.pos_ns is not None
        assert played.pos_ns < ticks[0]
        for _ in range(4):
            played.pos = 128
        assert played.pos_ns == ticks[-1]


def test_steps_of_some_topics(session: Open, recorded: Recording, index: TimeIndex) -> None:
    radar = {stream.index for stream in index.streams if stream.topic == RADAR}
    ticks = [tick.time_ns for tick in index.ticks(0) if radar & {moved for moved, _ in tick.positions}]
    played = session(topics=["pubsub:r*"])
    assert list(played.topics) == [RADAR]
    played.pos = "+7"
    assert played.pos_ns == ticks[6]
    played.pos = "-3"
    assert played.pos_ns == ticks[3]


def test_pause_and_speed(session: Open, recorded: Recording) -> None:
    played = session(speed=0.25)
    with listen(played) as listeners:
        played.state = "play"
        wait_until(lambda: len(listeners.poll()[CAMERA]) >= 3, TIMEOUT)
        played.state = "pause"
        stood = played.pos
        wait_until(lambda: played._player.consumed or not listeners.poll(), TIMEOUT)
        assert played.pos == stood
        assert stood is not None
        played.speed = "Unlimited"
        assert played.speed == "Unlimited"
        played.state = "play"
        listeners.await_all(recorded.sent)


def test_loop(session: Open, recorded: Recording) -> None:
    played = session(start=recorded.times[44], end=recorded.times[48], loop=True, speed=20)
    once = {
        t: [m for m in s if recorded.times[44] < stamp_of(m) <= recorded.times[48]] for t, s in recorded.sent.items()
    }
    with listen(played) as listeners:
        played.state = "play"
        wait_until(lambda: len(listeners.poll()[CAMERA]) >= 3 * len(once[CAMERA]), TIMEOUT)
        assert listeners.got[CAMERA][: 3 * len(once[CAMERA])] == 3 * once[CAMERA]
        played.loop = False


def test_remap_and_filter(session: Open, module_client: Client, recorded: Recording) -> None:
    played = session(
        topics=["**/front", "log:*"],
        remap=[Remap(topic="log:**", stream_id=77_001), Remap(topic="pubsub:**", offset=70_000)],
        speed="Unlimited",
    )
    topics = played.topics
    assert sorted(topics) == [LOG, CAMERA]
    assert topics[LOG].stream_id == 77_001
    assert topics[CAMERA].stream_id == topics[CAMERA].published_stream_id + 70_000
    subscriptions = {
        topic: module_client.add_subscription("aeron:ipc", info.stream_id) for topic, info in topics.items()
    }
    with Listeners(subscriptions) as listeners:
        wait_until(lambda: all(info.listening for info in played.topics.values()), TIMEOUT)
        played.state = "play"
        listeners.await_all({topic: recorded.sent[topic] for topic in topics})


def test_onto_udp(session: Open, module_client: Client, recorded: Recording) -> None:
    """The session's channel, and others that a remap names, with an offset too."""
    endpoint, other = (f"aeron:udp?endpoint=127.0.0.1:{free_port()}" for _ in range(2))
    played = session(channel=endpoint, remap=[Remap(topic="log:**", channel=other, offset=50_000)], speed="Unlimited")
    topics = played.topics
    assert topics[LOG].stream_id == topics[LOG].published_stream_id + 50_000
    assert {topic: info.channel for topic, info in topics.items()} == {CAMERA: endpoint, RADAR: endpoint, LOG: other}
    subscriptions = {
        topic: module_client.add_subscription(info.channel, info.stream_id) for topic, info in topics.items()
    }
    with Listeners(subscriptions) as listeners:
        wait_until(lambda: all(info.listening for info in played.topics.values()), TIMEOUT)
        played.state = "play"
        listeners.await_all(recorded.sent)


def test_who_comes_late_gets_what_is_left(session: Open, recorded: Recording) -> None:
    played = session(topics=[RADAR], speed=1)
    played.pos = recorded.times[30]
    with listen(played) as listeners:
        listeners.await_all({})
    wait_until(lambda: not played.listening, TIMEOUT)
    played.pos = recorded.times[40]
    with listen(played) as listeners:
        played.state = "play"
        listeners.await_all({RADAR: after(recorded, recorded.times[40])[RADAR]})


def test_who_comes_after_another_gets_nothing_of_what_that_was_given(session: Open, recorded: Recording) -> None:
    played = session(topics=[CAMERA])
    for _ in range(2):
        before = played.pos_ns
        assert before is not None
        with listen(played):
            played.pos = "+8"
            # All is published, and none of it is read.
            wait_until(lambda: played._player.lanes.by_topic[CAMERA].played, TIMEOUT)
        pos = played.pos_ns
        assert pos is not None
        assert pos > before
        with listen(played) as listeners:
            played.pos = "+1"
            end = played.pos_ns or 0
            listeners.await_all({CAMERA: [m for m in recorded.sent[CAMERA] if pos < stamp_of(m) <= end]})


def test_two_at_once(session: Open, recorded: Recording) -> None:
    first, second = session(speed="Unlimited"), session(speed=3, start=recorded.times[20])
    with listen(first) as one, listen(second) as other:
        second.state = "play"
        first.state = "play"
        one.await_all(recorded.sent)
        other.await_all(after(recorded, recorded.times[20]))


def test_live(node: ArchivingMediaDriver, module_client: Client, module_archive: Archive, pacer: Pacer) -> None:
    """From history into what is being recorded: no gap, nothing twice; topics and publishers that come meanwhile."""
    live = Recording(module_client, module_archive, node.archive_dir, 9500)
    try:
        live.add(CAMERA)
        for _ in range(10):
            live.batch(CAMERA, length=100)
        with (
            TimeIndex.open(node.archive_dir, [live.writer.recording_id], counters=module_client.counters) as index,
            Session(module_client, module_archive, node.archive_dir, index=index, pacer=pacer, speed=50) as played,
            listen(played) as listeners,
        ):
            played.state = "play"
            while played.state != "tail":
                live.batch(CAMERA, length=2000)
                listeners.poll()
            assert not played.ended
            for _ in range(5):
                live.batch(CAMERA)
            listeners.await_all(live.sent)
            live.remove(CAMERA)
            live.add(CAMERA)
            live.add(RADAR)
            wait_until(lambda: RADAR in played.topics, TIMEOUT)
            with listen(played) as radar:
                for _ in range(5):
                    live.batch(CAMERA, RADAR)
                wait_until(lambda: radar.poll()[RADAR] == live.sent[RADAR], TIMEOUT)
                listeners.await_all({CAMERA: live.sent[CAMERA]})
            # Back into the past, and to what comes again.
            assert played.pos_ns is not None
            assert time.time_ns() - played.pos_ns < 30 * SECOND
            played.state = "pause"
            live.batch(CAMERA)
            played.pos = live.times[3]
            played.speed = "Unlimited"
            with listen(played) as again:
                played.state = "play"
                # A subscriber that does not read holds up the others of its stream.
                wait_until(lambda: (listeners.poll(), again.poll(), played.state == "tail")[-1], TIMEOUT)
                live.batch(CAMERA)
                wait_until(lambda: len(again.poll()[CAMERA]) >= len(after(live, live.times[3])[CAMERA]), TIMEOUT)
                assert again.got[CAMERA] == after(live, live.times[3])[CAMERA]
    finally:
        live.close()


@pytest.mark.parametrize(("speed", "stream_id"), [(2, 9800), (10, 9820), ("Unlimited", 9840)])
def test_from_history_into_live_under_load(
    node: ArchivingMediaDriver,
    module_client: Client,
    module_archive: Archive,
    pacer: Pacer,
    speed: float | str,
    stream_id: int,
) -> None:
    """However fast it comes up with a publisher that never stops: no gap, nothing twice."""
    live = Recording(module_client, module_archive, node.archive_dir, stream_id)
    try:
        live.add(CAMERA)
        live.add(RADAR)
        for _ in range(20):
            live.batch(CAMERA, RADAR, length=500)
        with (
            TimeIndex.open(node.archive_dir, [live.writer.recording_id], counters=module_client.counters) as index,
            Session(module_client, module_archive, node.archive_dir, index=index, pacer=pacer, speed=speed) as played,
            listen(played) as listeners,
        ):
            began = len(live.times)
            played.state = "play"
            while played.state != "tail" or len(live.times) < began + 50:
                live.batch(CAMERA, RADAR, length=1500)
                listeners.poll()
                assert len(live.times) < 20_000
            for _ in range(20):
                live.batch(CAMERA, RADAR)
                listeners.poll()
            listeners.await_all(live.sent)
    finally:
        live.close()


def test_what_can_not_be(session: Open, recorded: Recording) -> None:
    played = session(end=recorded.times[30])
    for name, value in [
        ("state", "stop"),
        ("speed", 0),
        ("speed", "fast"),
        ("pos", "Unbounded"),
        ("pos", "+129"),
        ("pos", "-129"),
        ("start", "yesterday"),
        ("start", recorded.times[31]),
        ("end", "soon"),
    ]:
        with pytest.raises(SettingError):
            setattr(played, name, value)
    with pytest.raises(SettingError, match="camera/front"):
        played.subscribe("pubsub:camera")
    for text in ("x", "=7", "x=", "x=a#b", "x=y"):
        with pytest.raises(SettingError):
            Remap.parse(text)
    assert Remap.parse("log:*=+1000") == Remap(topic="log:*", offset=1000)
    assert Remap.parse("a=aeron:udp?endpoint=h:1#7") == Remap(topic="a", channel="aeron:udp?endpoint=h:1", stream_id=7)
    assert Remap.parse("a=aeron:ipc") == Remap(topic="a", channel="aeron:ipc")


def test_a_recording_of_which_two_journals_tell(
    node: ArchivingMediaDriver, module_client: Client, module_archive: Archive, pacer: Pacer
) -> None:
    """A recorder that was started anew while the archive went on."""
    first = Recording(module_client, module_archive, node.archive_dir, 9700)
    first.add(CAMERA)
    for _ in range(5):
        first.batch(CAMERA, length=50)
    publication, recording_id, _ = first.open[CAMERA]
    first.writer.close()
    left_off = publication.position
    second = Recording(module_client, module_archive, node.archive_dir, 9720)
    second.sent, second.times = first.sent, first.times
    index_there = second.writer.open_stream(
        StreamInfo(
            topic=CAMERA,
            recording_id=recording_id,
            channel=publication.channel,
            stream_id=publication.stream_id,
            session_id=publication.session_id,
            start_position=left_off,
        )
    )
    second.open[CAMERA] = publication, recording_id, index_there
    for _ in range(5):
        second.batch(CAMERA, length=50)
    second.close()
    journals = [first.writer.recording_id, second.writer.recording_id]
    with TimeIndex.open(node.archive_dir, journals) as index:
        for speed, seek in ((10, 0), ("Unlimited", 0), ("Unlimited", 3), (10, 7)):
            with (
                Session(
                    module_client, module_archive, node.archive_dir, index=index, pacer=pacer, speed=speed
                ) as played,
                listen(played) as listeners,
            ):
                assert played.topics[CAMERA].recordings == 1
                if seek:
                    played.pos = first.times[seek]
                played.state = "play"
                listeners.await_all(after(first, first.times[seek]) if seek else first.sent)


def test_replays_that_were_given_up_are_no_errors_at_the_end(
    node: ArchivingMediaDriver,
    module_client: Client,
    module_archive: Archive,
    index: TimeIndex,
    recorded: Recording,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Pacer(module_client, module_archive) as pacer:

        def error_came_late() -> bool:
            # The listener goes while the archive looks for it.
            with Session(module_client, module_archive, node.archive_dir, index=index, pacer=pacer) as session:
                subscription = module_client.add_subscription("aeron:ipc", session.topics[CAMERA].stream_id)
                wait_until(lambda: any(part.under_way for part in session._player.lanes.parts), TIMEOUT)
                subscription.close()
            if not pacer.has_archive:
                return False
            pacer.archive._session.drain()
            return bool(pacer.archive._session.late_errors)

        wait_until(error_came_late, TIMEOUT)
    assert "came late" not in caplog.text


def test_its_client_is_closed_first(node: ArchivingMediaDriver, index: TimeIndex, recorded: Recording) -> None:
    for _ in range(3):
        with Client.connect(node.aeron_dir, driver_timeout=TIMEOUT) as client:
            archive = Archive.connect(client, node.archive_context(), timeout=TIMEOUT)
            played = Session(client, archive, node.archive_dir, index=index, speed=0.1)
            listeners = listen(played)
            played.state = "play"
            wait_until(lambda found=listeners: found.poll()[CAMERA], TIMEOUT)  # type: ignore[misc]
        with pytest.raises(AeronError):
            _ = played.controls
        listeners.close()
        played.close()
        played.close()
        archive.close()
        with pytest.raises(ClosedError):
            played.state = "play"


def test_a_closed_session_does_not_wait_for_the_garbage_collector(
    node: ArchivingMediaDriver, module_client: Client, module_archive: Archive, index: TimeIndex, pacer: Pacer
) -> None:
    def once() -> None:
        with (
            Session(module_client, module_archive, node.archive_dir, index=index, pacer=pacer) as session,
            session.subscribe(CAMERA) as subscription,
        ):
            session.state = "play"
            wait_until(subscription.poll_payloads, TIMEOUT, "messages")
            assert session.value(CAMERA) is not None

    once()
    with nothing_lives_on():
        once()
        # What was asked of the archive at the end is forgotten when its answer is there.
        wait_until(lambda: not (pacer.archive.poll_errors() or pacer.archive._session._calls), TIMEOUT, "answers")
