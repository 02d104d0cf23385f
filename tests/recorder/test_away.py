"""Volumes that are only where they were stored: played by the commands of the configuration, every message."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trio

from aeron_py import AsyncClient, Client, ExclusivePublication, Recovery, SettingError
from aeron_py.archive.catalog import segment_bases
from aeron_py.recorder.away import VolumeAwayError
from aeron_py.recorder.config import ArchiveCommands, RetentionConfig
from aeron_py.recorder.hooks import HookError
from aeron_py.recorder.playback import AsyncRecorderClient, RecorderClient, Session
from aeron_py.recorder.playback.client import RemoteSession
from aeron_py.recorder.playback.goals import Goals
from aeron_py.recorder.playback.topics import Value
from aeron_py.recorder.service import Recorder
from aeron_py.recorder.volumes import Volumes
from aeron_py.recorder.when import format_time
from tests.recorded_files import segment_files
from tests.recorder.histories import Listeners, stamp_of
from tests.recorder.recorders import TIMEOUT, Events, configured, recordings
from tests.streams import send
from tests.waiting import wait_until

GOES_ON, RESTARTS, EARLY = "pubsub:goes/on", "pubsub:restarts", "log:early"
STREAMS = {GOES_ON: 10, RESTARTS: 11, EARLY: 12}
PUT = 'set -e; mkdir -p "$0/$1"; tar -cf - -T "$AERON_PY_VOLUME_FILES" | tar -xf - -C "$0/$1"'
# Goes wrong or waits as a test likes.
GET = (
    'set -e; test ! -e "$0.broken" || { echo no tape >&2; exit 3; }; while test -e "$0.hangs"; do sleep 0.02; done; '
    'tar -cf - -C "$0/$1" -T "$AERON_PY_VOLUME_FILES" | tar -xf -'
)
HOUR = 3600 * 10**9


class Kept:
    """A recorder that keeps only the open volume, what was published, and in which volume."""

    def __init__(self, directory: Path) -> None:
        self.archive_dir, self.backup = directory / "archive", directory / "backup"
        self.broken, self.hangs = directory / "backup.broken", directory / "backup.hangs"
        self.backup.mkdir()
        backup = str(self.backup)
        self.config = msgspec.structs.replace(
            configured(self.archive_dir),
            play=True,
            rotate_interval=86400.0,
            retention=RetentionConfig(max_bytes=1),
            archive_cmds=ArchiveCommands(
                list=("ls", backup), put=("sh", "-c", PUT, backup), get=("sh", "-c", GET, backup), timeout=TIMEOUT
            ),
        )
        self.events = Events()
        self.sent: dict[str, list[bytes]] = {}
        self.begins: list[int] = []
        self.ends: list[int] = []
        """Moments after each volume began and before it ended: the last one is open."""
        self._random = random.Random(7)
        self._numbers = itertools.count()

    def send(self, publication: ExclusivePublication, topic: str) -> None:
        head = struct.pack("<qi", time.time_ns(), next(self._numbers))
        message = head + self._random.randbytes(self._random.choice([0, 100, 1000, 5000]))
        send(publication, message)
        self.sent.setdefault(topic, []).append(message)

    def after(self, moment: int) -> dict[str, list[bytes]]:
        return {topic: [each for each in sent if stamp_of(each) > moment] for topic, sent in self.sent.items()}

    @property
    def volumes(self) -> Volumes:
        return Volumes(self.archive_dir, self.config.archive_cmds)

    def take_away(self, recorder: Recorder) -> None:
        """As when nobody has used volumes for long."""
        keeper = recorder._keeper
        assert keeper is not None

        def gone() -> bool:
            keeper._retention.apply(time.time_ns() + 2 * HOUR)
            return not self.volumes.local()

        wait_until(gone, TIMEOUT, "all volumes are away")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def recorder(kept: Kept) -> Iterator[Recorder]:
    """Four volumes. One publisher goes on all the time, one topic has a new one in each, one is in the first."""
    with Recorder(kept.config, on_event=kept.events.append) as recorder:
        recorder.wait_running(TIMEOUT)
        keeper = recorder._keeper
        assert keeper is not None
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(Client.connect(recorder.aeron_dir))

            def publisher(topic: str) -> ExclusivePublication:
                made = client.add_exclusive_publication(f"aeron:ipc?alias={topic}|mtu=1408", STREAMS[topic])
                made.await_recorder(TIMEOUT)
                return made

            goes_on, early = publisher(GOES_ON), publisher(EARLY)
            for number in range(5):
                kept.begins.append(time.time_ns())
                restarts = publisher(RESTARTS)
                for _ in range(100):
                    kept.send(goes_on, GOES_ON)
                    kept.send(restarts, RESTARTS)
                    if number == 0:
                        kept.send(early, EARLY)
                restarts.close()
                if number == 0:
                    early.close()
                wait_until(lambda: len(recorder.streams) == 1, TIMEOUT)
                kept.ends.append(time.time_ns())
                if number < 4:
                    keeper.rotate()
            wait_until(lambda: [each.stored for each in kept.volumes.known()] == [True] * 4, TIMEOUT)
            yield recorder
            goes_on.close()


@pytest.fixture
def player(kept: Kept, recorder: Recorder) -> Iterator[RecorderClient]:
    """Of a client of its own, when all volumes are away."""
    kept.take_away(recorder)
    with Client.connect(recorder.aeron_dir) as client, RecorderClient(client, timeout=TIMEOUT) as made:
        yield made
    for each in (kept.broken, kept.hangs):
        each.unlink(missing_ok=True)


@contextlib.contextmanager
def playing(session: RemoteSession) -> Iterator[Listeners]:
    with session, Listeners({topic: session.subscribe(topic) for topic in session.topics}) as listeners:
        wait_until(lambda: all(info.listening for info in session.topics.values()), TIMEOUT, "listening")
        session.state = "play"
        yield listeners


def test_what_is_stored_is_not_here(kept: Kept, player: RecorderClient) -> None:
    segments = segment_bases(kept.archive_dir)
    with_files = [each.recording_id in segments for each in recordings(kept.archive_dir, STREAMS[RESTARTS])]
    assert with_files == [False, False, False, False, True]
    assert [each.recording_id in segments for each in recordings(kept.archive_dir, STREAMS[EARLY])] == [False]
    (goes_on,) = recordings(kept.archive_dir, STREAMS[GOES_ON])
    assert min(segments[goes_on.recording_id]) > 0
    # Who asks for no time gets what is here; every topic is known all the same.
    session = player.open_session(speed="Unlimited")
    assert set(session.topics) == set(STREAMS)
    with playing(session) as listeners:
        listeners.await_all(kept.after(kept.begins[4]))
    assert [each.away for each in kept.volumes.known()] == [True] * 4


@pytest.mark.parametrize("speed", ["Unlimited", 2.0])
def test_all_of_it_comes_back(kept: Kept, player: RecorderClient, speed: float | str) -> None:
    session = player.open_session(start=format_time(kept.begins[0]), speed=speed)
    assert set(session.topics) == set(STREAMS)
    assert session.values() == dict.fromkeys(STREAMS)
    with playing(session) as listeners:
        listeners.await_all(kept.sent)
        assert session.controls.waiting is None


def test_what_is_away_is_waited_for_though_all_before_it_was_played_just_now(
    kept: Kept, player: RecorderClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends at any moment, also between two looks: here each look sees what the one before should have seen."""
    look = Goals.reached.fget
    assert look is not None
    seen: dict[Goals, bool] = {}

    def late(goals: Goals) -> bool:
        before = seen.get(goals, False)
        seen[goals] = look(goals)
        return before

    monkeypatch.setattr(Goals, "reached", property(late))
    with playing(player.open_session(start=format_time(kept.begins[0]), speed="Unlimited")) as listeners:
        listeners.await_all(kept.sent)


def test_in_any_order(kept: Kept, player: RecorderClient) -> None:
    for volume in (2, 0, 3):
        begin, end = kept.begins[volume], kept.ends[volume]
        session = player.open_session(start=format_time(begin), end=format_time(end), speed="Unlimited")
        expected = {
            topic: [each for each in sent if stamp_of(each) <= end] for topic, sent in kept.after(begin).items()
        }
        with playing(session) as listeners:
            listeners.await_all(expected)
            session.wait_ended(TIMEOUT)
    assert [each.away for each in kept.volumes.known()] == [False, True, False, False]
    # And over what is here and what is not.
    with playing(player.open_session(start=format_time(kept.begins[0]), speed="Unlimited")) as listeners:
        listeners.await_all(kept.sent)


def test_values_when_it_is_here(kept: Kept, player: RecorderClient) -> None:
    with player.open_session(pos=format_time(kept.begins[2])) as session:
        wait_until(lambda: session.controls.waiting is None, TIMEOUT, "fetched")
        assert [each.away for each in kept.volumes.known()] == [True, True, False, True]
        session.pos = kept.ends[1]
        wait_until(lambda: session.controls.waiting is None, TIMEOUT, "fetched")
        session.pos = kept.ends[2]
        expected = {t: [m for m in sent if stamp_of(m) <= kept.ends[2]][-1] for t, sent in kept.sent.items()}
        found = {topic: value and value.payload for topic, value in session.values([GOES_ON, RESTARTS]).items()}
        assert found == {topic: expected[topic] for topic in (GOES_ON, RESTARTS)}
        # Back by batches, into what is not here.
        session.pos = kept.begins[1]
        wait_until(lambda: session.step(-1).pos_ns < kept.begins[1], TIMEOUT, "one batch back")  # type: ignore[operator]
        wait_until(lambda: not kept.volumes.known()[0].away, TIMEOUT, "fetched")


def test_values_that_are_only_where_they_were_stored(kept: Kept, player: RecorderClient) -> None:
    with player.open_session() as session:
        wait_until(lambda: session.pos is not None, TIMEOUT)
        assert [each.away for each in kept.volumes.known()] == [True] * 4
        early = session.value(EARLY)
        assert early is not None
        assert early.payload == kept.sent[EARLY][-1]
        # Of the volumes after it is known that they have nothing of the topic.
        assert [each.away for each in kept.volumes.known()] == [False, True, True, True]
        # At a moment within what is away, all of them.
        session.pos = kept.ends[1]
        found = {topic: value and value.payload for topic, value in session.values().items()}
        assert found == {t: [m for m in sent if stamp_of(m) <= kept.ends[1]][-1] for t, sent in kept.sent.items()}
        assert [each.away for each in kept.volumes.known()] == [False, False, True, True]


def test_values_with_await(kept: Kept, recorder: Recorder, player: RecorderClient) -> None:
    del player

    async def early() -> Value | None:
        async with (
            AsyncClient.connect(recorder.aeron_dir) as client,
            AsyncRecorderClient.connect(client, timeout=TIMEOUT) as asking,
            asking.open_session() as session,
        ):
            return (await session.values([EARLY]))[EARLY]

    found = trio.run(early)
    assert found is not None
    assert found.payload == kept.sent[EARLY][-1]


def test_values_that_can_not_be_fetched(kept: Kept, recorder: Recorder, player: RecorderClient) -> None:
    kept.broken.touch()
    name = kept.volumes.known()[0].name
    with Client.connect(recorder.aeron_dir) as client, RecorderClient(client, timeout=8.0) as asking:
        with asking.open_session() as session, pytest.raises(VolumeAwayError, match=f"{name}.*no tape") as raised:
            session.values([EARLY])
        assert raised.value.recovery is Recovery.RETRY
        # Nor does it hold up what needs nothing that is away.
        with asking.open_session(pos=format_time(kept.ends[4])) as session:
            wait_until(lambda: session.value(RESTARTS) is not None, TIMEOUT)
        node = recorder._node
        with (
            node.connect_archive(client) as archive,
            Session(client, archive, kept.archive_dir) as here,
            pytest.raises(SettingError, match=f"{EARLY} .*{name}.*archive_cmds.get"),
        ):
            here.value(EARLY)
    assert kept.volumes.known()[0].away


def test_a_get_that_fails_is_told_and_stops_nobody_else(
    kept: Kept, player: RecorderClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is tried again after twice as long each time: not here, where a slow machine could make that too long.
    monkeypatch.setattr("aeron_py.recorder.away._LONGEST_PAUSE", 2.0)
    kept.broken.touch()
    session = player.open_session(start=format_time(kept.begins[1]), speed="Unlimited")
    with playing(session) as listeners:
        wait_until(lambda: "ended with status 3: no tape" in (session.controls.waiting or ""), TIMEOUT)
        assert kept.volumes.known()[1].name in (session.controls.waiting or "")
        with playing(player.open_session(start=format_time(kept.begins[4]), speed="Unlimited")) as others:
            others.await_all(kept.after(kept.begins[4]))
        listeners.await_all({})
        kept.broken.unlink()
        listeners.await_all(kept.after(kept.begins[1]))
    assert list(kept.volumes.folder.glob("*.get")) == []


def test_a_get_that_takes_long_stops_nobody_else(kept: Kept, player: RecorderClient) -> None:
    kept.hangs.touch()
    session = player.open_session(start=format_time(kept.begins[3]), speed="Unlimited")
    with playing(session) as listeners:
        wait_until(lambda: "is being fetched" in (session.controls.waiting or ""), TIMEOUT)
        with playing(player.open_session(start=format_time(kept.begins[4]), speed="Unlimited")) as others:
            others.await_all(kept.after(kept.begins[4]))
        # Elsewhere it does not wait.
        session.state = "pause"
        session.pos = kept.begins[4]
        assert session.controls.waiting is None
        session.pos = kept.begins[3]
        session.state = "play"
        listeners.await_all({})
        kept.hangs.unlink()
        listeners.await_all(kept.after(kept.begins[3]))


def test_what_was_fetched_stays_while_it_is_used(kept: Kept, recorder: Recorder, player: RecorderClient) -> None:
    keeper = recorder._keeper
    assert keeper is not None
    with player.open_session(pos=format_time(kept.begins[2])) as session:
        wait_until(lambda: session.controls.waiting is None, TIMEOUT, "fetched")
        # There is too much, and it is old, but it was used just now.
        assert keeper._retention.apply() == 0
        assert not kept.volumes.known()[2].away
    # Replays are not stopped either, whatever the time: the archive reads the file.
    with playing(player.open_session(start=format_time(kept.begins[2]), speed=0.02)) as listeners:
        wait_until(lambda: listeners.poll()[GOES_ON], TIMEOUT)
        assert keeper._retention.apply(time.time_ns() + 2 * HOUR) == 0
        wait_until(kept.events.has("stays for now: it is being played"), TIMEOUT)
    kept.take_away(recorder)


def test_a_volume_known_by_its_name_only(kept: Kept, player: RecorderClient) -> None:
    name = kept.volumes.known()[1].name
    for suffix in ("json", "files", "streams"):
        (kept.volumes.folder / f"{name}.{suffix}").unlink()
    # Nothing is known of which files it has, so all that is stored of it has to come.
    Volumes(kept.archive_dir, ArchiveCommands(get=("sh", "-c", f'cp -r "{kept.backup}/$0/." .'))).fetch(name)
    assert [each.away for each in kept.volumes.known()] == [True, False, True, True]


def test_a_volume_of_another_archive(kept: Kept, recorder: Recorder, tmp_path: Path) -> None:
    del recorder
    name = kept.volumes.known()[0].name
    with Recorder(configured(tmp_path / "other")) as other:
        other.wait_running(TIMEOUT)
    elsewhere = Volumes(tmp_path / "other", ArchiveCommands(get=("sh", "-c", f'cp -r "{kept.backup}/$0/." .')))
    with pytest.raises(HookError, match=r"its recording \d+ is not one of this archive"):
        elsewhere.fetch(name)
    with pytest.raises(HookError, match="it brought no volume"):
        Volumes(tmp_path / "other", ArchiveCommands(get=("true",))).fetch("2026-01-01T00:00:00Z")
    assert elsewhere.known() == []


def test_a_get_never_replaces_what_was_recorded_here(kept: Kept, player: RecorderClient) -> None:
    (goes_on,) = recordings(kept.archive_dir, STREAMS[GOES_ON])
    shared = min(segment_files(kept.archive_dir, goes_on.recording_id).values())
    before = shared.stat().st_ino
    volume = kept.volumes.known()[3]
    assert (kept.backup / volume.name / shared.name).exists()
    kept.volumes.fetch(volume.name)
    assert shared.stat().st_ino == before
    assert shared.name not in kept.volumes.known()[3].fetched
    # One that brings not all is no success, and nothing of it is taken over.
    other = kept.volumes.known()[2]
    few = Volumes(kept.archive_dir, ArchiveCommands(get=("true",)))
    with pytest.raises(HookError, match="it did not bring"):
        few.fetch(other.name)
    assert kept.volumes.known()[2].away


def test_an_archive_starts_without_what_is_away(kept: Kept, player: RecorderClient, tmp_path: Path) -> None:
    del player
    copied = tmp_path / "copied"
    shutil.copytree(kept.archive_dir, copied, ignore=shutil.ignore_patterns("archive-mark.dat", "*.lock"))
    config = msgspec.structs.replace(kept.config, archive_dir=str(copied), record=False)
    with Recorder(config) as recorder:
        recorder.wait_running(TIMEOUT)
        with Client.connect(recorder.aeron_dir) as client, RecorderClient(client, timeout=TIMEOUT) as player:
            session = player.open_session(start=format_time(kept.begins[0]), speed="Unlimited")
            with playing(session) as listeners:
                listeners.await_all(kept.sent)


def test_what_a_killed_process_left_goes(kept: Kept, recorder: Recorder, player: RecorderClient) -> None:
    del player
    keeper = recorder._keeper
    assert keeper is not None
    left = kept.volumes.folder / "a.get"
    (left / "deep").mkdir(parents=True)
    volume = kept.volumes.known()[0]
    journal = kept.archive_dir / f"{volume.journals[0]}-0.rec"
    journal.write_bytes(bytes(100))
    keeper._retention._looked_for_leftovers = False
    keeper._retention.apply()
    assert not journal.exists()
    assert left.exists(), "it may be at work"
    os.utime(left, (0, 0))
    keeper._retention._looked_for_leftovers = False
    keeper._retention.apply()
    assert not left.exists()
