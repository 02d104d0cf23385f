"""kill -9 of an archive and of a media driver while sessions play: they go on, and say so."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import msgspec
import pytest

from aeron_py import (
    ArchiveConnectionError,
    AsyncClient,
    Client,
    ExclusivePublication,
    Subscription,
    TimedOutError,
)
from aeron_py.archive.session import Session as ArchiveSession
from aeron_py.counters import CounterType
from aeron_py.recorder.config import load
from aeron_py.recorder.node import EmbeddedNode
from aeron_py.recorder.playback import AsyncRecorderClient, RecorderClient, RemoteSession
from aeron_py.recorder.playback.bounded import BoundedReplay
from aeron_py.recorder.playback.control import ControlServer
from aeron_py.recorder.playback.lanes import Lanes
from aeron_py.recorder.service import Recorder, RecorderState
from tests.faults.playing import NUMBER, TOPICS, Heard, kill_archive, record
from tests.recorder.recorders import TIMEOUT, Events, Process, configured
from tests.streams import send
from tests.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore:an archive was killed:RuntimeWarning")


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[tuple[Recorder, Events]]:
    """With a media driver and an archive of its own."""
    events = Events()
    config = msgspec.structs.replace(configured(tmp_path), play=True)
    with Recorder(config, on_event=events.append) as started:
        started.wait_running(TIMEOUT)
        yield started, events


@contextlib.contextmanager
def tailing(recorder: Recorder, topic: str) -> Iterator[tuple[ExclusivePublication, RemoteSession]]:
    """A publication that is recorded, and a session that tails its topic."""
    with (
        Client.connect(recorder.aeron_dir) as client,
        RecorderClient(client, timeout=TIMEOUT) as asking,
        client.add_exclusive_publication(f"aeron:ipc?alias={topic}", TOPICS[topic]) as publication,
    ):
        publication.await_recorder(TIMEOUT)
        wait_until(lambda: topic in {each.topic for each in recorder.streams}, TIMEOUT)
        with asking.open_session(state="tail") as session:
            wait_until(lambda: topic in session.topics, TIMEOUT)
            yield publication, session


@pytest.mark.parametrize(("speed", "apart"), [(1.0, 0.005), ("Unlimited", 0.0)])
def test_archive_killed_while_playing__the_session_goes_on(
    recorder: tuple[Recorder, Events], tmp_path: Path, speed: float | str, apart: float
) -> None:
    """Sees: nothing but a pause: clients of a playback session keep all they have.

    Kept: every message comes once, in order.
    Recovers: by itself: the recorder starts its archive again, sessions go on where they were.
    """
    started, events = recorder
    count = 400 if apart else 4000
    with Client.connect(started.aeron_dir) as client, RecorderClient(client, timeout=TIMEOUT) as asking:
        record(client, tmp_path, count, 400, apart)
        end = time.time_ns()
        with asking.open_session(speed=speed, topics=["pubsub:*", "log:*"]) as session:
            heard = Heard(session)
            wait_until(lambda: all(info.listening for info in session.topics.values()), TIMEOUT)
            session.state = "play"
            for turn in (1,) if apart else (1, 2):
                wait_until(lambda n=turn: heard.poll() > n * random.randint(count // 5, count // 3), TIMEOUT)  # type: ignore[misc]
                kill_archive(tmp_path)
                wait_until(lambda n=turn: (heard.poll(), events.times("waiting: ") >= n)[1], TIMEOUT)  # type: ignore[misc]
                wait_until(lambda n=turn: (heard.poll(), events.times("running") > n)[1], TIMEOUT)  # type: ignore[misc]
            wait_until(lambda: heard.poll() >= count, TIMEOUT, f"{[len(e) for e in heard.numbers.values()]}")
            wait_until(lambda: (heard.poll(), (session.controls.pos_ns or 0) > end)[1], TIMEOUT)
            assert heard.numbers == {topic: list(range(count)) for topic in TOPICS}
            heard.close()


def test_archive_killed_while_following__the_session_goes_on_with_what_is_recorded_then(
    recorder: tuple[Recorder, Events], tmp_path: Path
) -> None:
    """Sees: a playback session in `tail` that is silent until the archive records again.

    Kept: all that was recorded comes once, in order; what was published without an archive nobody has.
    Recovers: by itself: the recorder starts its archive again and records the publishers that go on.
    """
    started, events = recorder
    heard: list[int] = []
    with tailing(started, "pubsub:a") as (publication, session), session.subscribe("pubsub:a") as subscription:
        wait_until(lambda: session.topics["pubsub:a"].listening, TIMEOUT)

        def hear(number: int) -> bool:
            heard.extend(NUMBER.unpack(each)[0] for each in subscription.poll_payloads())
            return number in heard

        for turn in range(3):
            numbers = range(100 * turn, 100 * turn + 100)
            for number in numbers:
                send(publication, NUMBER.pack(number))
            wait_until(lambda n=numbers[-1]: hear(n), TIMEOUT, f"{heard[-3:]}")  # type: ignore[misc]
            kill_archive(tmp_path)
            wait_until(lambda n=turn: events.times("waiting: ") > n, TIMEOUT)  # type: ignore[misc]
            wait_until(lambda n=turn: events.times("running") > n + 1, TIMEOUT)  # type: ignore[misc]
            publication.await_recorder(TIMEOUT)
        assert session.state == "tail"
    assert heard == list(range(300))


def test_archive_killed_while_beginning_a_replay__nothing_comes_twice(
    recorder: tuple[Recorder, Events], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sees: a playback session that is silent until the archive is back.

    Kept: each message comes once, also when a replay published all it had, and the archive's answer that tells of it
    was never read.
    Recovers: by itself.
    """
    started, events = recorder
    heard: list[int] = []
    with tailing(started, "pubsub:a") as (publication, session):
        monkeypatch.setattr(BoundedReplay, "_answered", lambda self: None)
        with session.subscribe("pubsub:a") as subscription:

            def hear(number: int) -> bool:
                heard.extend(NUMBER.unpack(each)[0] for each in subscription.poll_payloads())
                return number in heard

            wait_until(lambda: session.topics["pubsub:a"].listening, TIMEOUT)
            for number in range(200):
                send(publication, NUMBER.pack(number))
            wait_until(lambda: hear(199), TIMEOUT)
            kill_archive(tmp_path)
            wait_until(events.has("waiting: "), TIMEOUT)
            monkeypatch.undo()
            wait_until(lambda: events.times("running") > 1, TIMEOUT)
            publication.await_recorder(TIMEOUT)
            send(publication, NUMBER.pack(200))
            wait_until(lambda: hear(200), TIMEOUT)
    assert heard == list(range(201))


def test_archive_killed_while_playback_connects_to_it__the_recorder_starts_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sees: a pause as long as it takes to start an archive, however long answers may take.

    Kept: each message comes once.
    Recovers: by itself.
    """
    context, poll, killed = EmbeddedNode.context, ArchiveSession.poll_connected, threading.Event()

    def killed_meanwhile(session: ArchiveSession) -> bool:
        if threading.current_thread().name == "aeron-py playback" and not killed.is_set():
            kill_archive(tmp_path)
            killed.set()
        return poll(session)

    monkeypatch.setattr(EmbeddedNode, "context", lambda node: replace(context(node), message_timeout=10 * TIMEOUT))
    monkeypatch.setattr(ArchiveSession, "poll_connected", killed_meanwhile)
    config = msgspec.structs.replace(configured(tmp_path), play=True)
    with Recorder(config) as started:
        started.wait_running(TIMEOUT)
        with Client.connect(started.aeron_dir) as client, RecorderClient(client, timeout=TIMEOUT) as asking:
            record(client, tmp_path, 100, 400)
            with asking.open_session(speed="Unlimited", topics=list(TOPICS)) as session:
                heard = Heard(session)
                wait_until(lambda: all(info.listening for info in session.topics.values()), TIMEOUT)
                session.state = "play"
                assert killed.wait(TIMEOUT)
                wait_until(lambda: heard.poll() >= 100, TIMEOUT)
                heard.close()
    assert heard.numbers == {topic: list(range(100)) for topic in TOPICS}


class SlowReader:
    """Of what a session at Unlimited plays of one topic, in as much room as there is between it and the archive.

    Args:
        client: on the recorder's media driver.
        subscription: of the topic.
    """

    def __init__(self, client: Client, subscription: Subscription) -> None:
        self._client, self._subscription = client, subscription
        self.numbers: list[int] = []

    def hear(self) -> int:
        """Read a little; up to which position of the replay."""
        self.numbers += [NUMBER.unpack_from(each)[0] for each in self._subscription.poll_payloads(10)]
        return max((each.position for each in self._subscription.images), default=0)

    def highest(self, type_id: CounterType) -> int:
        """What counters of the stream say at most."""
        stream = f" {self._subscription.stream_id} "
        return max(each.value for each in self._client.counters.list(type_id) if stream in each.label)

    def is_behind(self) -> bool:
        """Whether the archive can publish nothing more before something is read."""
        return self.highest(CounterType.PUBLISHER_POSITION) >= self.highest(CounterType.PUBLISHER_LIMIT)


@contextlib.contextmanager
def slowly_read(recorder: Recorder, archive_dir: Path, count: int) -> Iterator[SlowReader]:
    """So many messages, of which a little was read, and as much more as there is room for was published."""
    with Client.connect(recorder.aeron_dir) as client, RecorderClient(client, timeout=TIMEOUT) as asking:
        record(client, archive_dir, count, 400)
        with (
            asking.open_session(speed="Unlimited", topics=["pubsub:a"]) as session,
            session.subscribe("pubsub:a") as subscription,
        ):
            reader = SlowReader(client, subscription)
            wait_until(lambda: session.topics["pubsub:a"].listening, TIMEOUT)
            session.state = "play"
            wait_until(lambda: reader.hear() > 0, TIMEOUT)
            wait_until(reader.is_behind, TIMEOUT)
            yield reader


def test_archive_killed_while_a_reader_reads_on__nothing_comes_twice(
    recorder: tuple[Recorder, Events], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sees: nothing but a pause.

    Kept: each message comes once, also what is read, and cleared by the media driver, while the recorder looks at what
    the archive has published.
    Recovers: by itself.
    """
    started, events = recorder
    looking, read_up, look = threading.Event(), threading.Event(), Lanes._whole_end
    monkeypatch.setattr(
        Lanes, "_whole_end", lambda *arguments: (looking.set(), read_up.wait(TIMEOUT), look(*arguments))[2]
    )
    with slowly_read(started, tmp_path, 4000) as reader:
        kill_archive(tmp_path)
        assert looking.wait(TIMEOUT)
        end = reader.highest(CounterType.PUBLISHER_POSITION)
        wait_until(lambda: reader.hear() == end, TIMEOUT)
        wait_until(lambda: reader.highest(CounterType.PUBLISHER_LIMIT) > end, TIMEOUT, "what was read is cleared")
        assert 0 < len(reader.numbers) < 4000
        read_up.set()
        wait_until(lambda: (reader.hear(), reader.numbers[-1] == 3999)[1], TIMEOUT)
    assert reader.numbers == list(range(4000))
    assert events.times("waiting: ") > 0


def test_archive_killed_twice_while_a_reader_rests__all_comes_in_order(
    recorder: tuple[Recorder, Events], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sees: nothing but a pause.

    Kept: each message comes once, in order: what an archive published that is dead now before what comes next.
    Recovers: by itself.
    """
    started, events = recorder
    turns, work = list[Lanes](), Lanes.work
    monkeypatch.setattr(Lanes, "work", lambda lanes: (turns.append(lanes), work(lanes))[1])
    with slowly_read(started, tmp_path, 1000) as reader:
        for turn in (1, 2):
            kill_archive(tmp_path)
            wait_until(lambda n=turn: events.times("waiting: ") == n, TIMEOUT)  # type: ignore[misc]
            wait_until(lambda n=turn: events.times("running") > n, TIMEOUT)  # type: ignore[misc]
        turns.clear()
        wait_until(lambda: len(turns) > 50, TIMEOUT, "the session is worked on")
        assert len(reader.numbers) < 1000
        wait_until(lambda: (reader.hear(), reader.numbers[-1] == 999)[1], TIMEOUT)
    assert reader.numbers == list(range(1000))


def test_archive_killed_while_asking_a_recorder__the_call_waits(
    recorder: tuple[Recorder, Events], tmp_path: Path
) -> None:
    """Sees: a call that waits; ArchiveConnectionError when that takes longer than its `timeout`, with the reason.

    Kept: sessions and their settings.
    Recovers: by itself: the recorder starts its archive again.
    """
    started, events = recorder
    with (
        Client.connect(started.aeron_dir) as client,
        RecorderClient(client, timeout=TIMEOUT) as asking,
        RecorderClient(client, timeout=0.05) as hasty,
        asking.open_session() as session,
    ):
        kill_archive(tmp_path)
        wait_until(events.has("waiting: "), TIMEOUT)
        with pytest.raises(ArchiveConnectionError, match="waits for its archive"):
            while True:
                with contextlib.suppress(TimedOutError):  # an answer that came too late
                    hasty.sessions()
        assert session.speed == 1.0
        assert started.state is RecorderState.RUNNING
        assert [each.session for each in asking.sessions()] == [session.session_id]

        async def main() -> None:
            async with (
                AsyncClient.connect(started.aeron_dir) as client,
                AsyncRecorderClient.connect(client, timeout=TIMEOUT) as recorder,
            ):
                kill_archive(tmp_path)
                await anyio.to_thread.run_sync(wait_until, lambda: events.times("waiting: ") == 2, TIMEOUT)
                assert (await recorder.session(session.session_id).controls()).speed == 1.0

        anyio.run(main)


CALLS: dict[str, Callable[[RecorderClient, RemoteSession], object]] = {
    "controls": lambda asking, session: session.controls.speed == 1.0,
    "set": lambda asking, session: session.set(speed=2.0).speed == 2.0,
    "seek": lambda asking, session: session.set(pos="2020-01-01T00:00:00Z").state == "pause",
    "topics": lambda asking, session: session.topics == {},
    "open": lambda asking, session: asking.open_session().session_id != session.session_id,
}


@pytest.mark.parametrize("call", CALLS)
def test_archive_killed_while_a_recorder_answers__the_call_waits(
    recorder: tuple[Recorder, Events], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Sees: a call that waits, as it does when the archive was gone before.

    Kept: sessions and their settings; what was asked is done once.
    Recovers: by itself: the recorder starts its archive again.
    """
    started, _ = recorder
    name = "_open" if call == "open" else "_find"
    answer = getattr(ControlServer, name)

    def killed_meanwhile(server: ControlServer, *arguments: object) -> object:
        monkeypatch.undo()
        kill_archive(tmp_path)
        wait_until(lambda: server.is_lost, TIMEOUT)
        return answer(server, *arguments)

    with (
        Client.connect(started.aeron_dir) as client,
        RecorderClient(client, timeout=TIMEOUT) as asking,
        asking.open_session() as session,
    ):
        monkeypatch.setattr(ControlServer, name, killed_meanwhile)
        assert CALLS[call](asking, session)
        assert len(asking.sessions()) == 1 + (call == "open")


@pytest.mark.parametrize("speed", [2.0, "Unlimited"])
def test_driver_killed_while_playing__the_session_is_found_again(tmp_path: Path, speed: float | str) -> None:
    """Sees: the client is lost with the driver, and the archive with it; the recorder waits for both.

    Kept: the playback session, where it was; every message comes once, in order.
    Recovers: start driver and archive; connect anew, and find the session by its id.
    """
    archive_dir, aeron_dir = tmp_path / "archive", tmp_path / "aeron"
    up = ("up", "--archive-dir", str(archive_dir), "--aeron-dir", str(aeron_dir))
    config = load(f"{{archive_dir: {archive_dir}, aeron_dir: {aeron_dir}, poll_interval: 50ms, rules: [{{}}]}}")
    # Unlimited: much more than fits between the archive and a reader.
    events, count, length, apart = Events(), *((500, 100, 0.002) if speed == 2.0 else (4000, 3000, 0.0))
    with contextlib.ExitStack() as recording:
        with Process(*up) as node:
            recorder = recording.enter_context(Recorder(config, on_event=events.append))
            recorder.wait_running(TIMEOUT)
            with Client.connect(aeron_dir) as client, RecorderClient(client, timeout=TIMEOUT) as asking:
                record(client, archive_dir, count, length, apart)
                session = asking.open_session(speed=speed)
                places = {topic: (info.channel, info.stream_id) for topic, info in session.topics.items()}
                heard = Heard(session)
                wait_until(lambda: all(info.listening for info in session.topics.values()), TIMEOUT)
                session.state = "play"
                wait_until(lambda: heard.poll() > 50, TIMEOUT)
                node.kill()
        wait_until(events.has("waiting: "), TIMEOUT)
        with Process(*up), recording, contextlib.ExitStack() as stack:
            wait_until(events.has("opening again: 1 sessions"), TIMEOUT)
            client = stack.enter_context(Client.connect(aeron_dir))
            asking = stack.enter_context(RecorderClient(client, timeout=TIMEOUT))
            (found,) = asking.sessions()
            assert (found.session, found.controls.speed) == (session.session_id, speed)
            again = asking.session(found.session)
            assert places == {topic: (info.channel, info.stream_id) for topic, info in again.topics.items()}
            rest = Heard(again)
            ended = lambda: all(each[-1] == count - 1 for each in rest.numbers.values())  # noqa: E731
            wait_until(lambda: rest.poll() > 0 and ended(), TIMEOUT)
            for topic, numbers in rest.numbers.items():
                # In order and without a gap from where it goes on; which is where it was, or a little before.
                assert numbers == list(range(numbers[0], count))
                assert numbers[0] > 0, topic
            rest.close()
