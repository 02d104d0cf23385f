"""The clock was set back by hours before a recorder started: all is found and played, in the order of recording."""

from __future__ import annotations

import contextlib
import itertools
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from aeron_py import Archive, ArchivingMediaDriver, Client
from aeron_py.recorder.journal import JOURNAL_CHANNEL
from aeron_py.recorder.keeper import Keeper
from aeron_py.recorder.playback import RecorderClient, Session
from aeron_py.recorder.service import Recorder
from aeron_py.recorder.timeindex import TimeIndex
from aeron_py.recorder.volumes import Volumes
from aeron_py.recorder.when import format_time
from tests.recorded_files import write_catalog
from tests.recorder.journals import NOON, SECOND, JournalFiles, save_all, stream
from tests.recorder.recorders import TIMEOUT, configured, recordings
from tests.recorder.test_volumes import told
from tests.streams import send
from tests.waiting import wait_until

HOUR = 3600 * SECOND
TOPIC = "pubsub:a"


def journal(directory: Path, recording_id: int, times: list[int]) -> JournalFiles:
    """One with a stream that moved at those times."""
    made = JournalFiles(directory, recording_id, at=times[0] - 2)
    made.image()
    made.time += 1
    made.open_stream(stream(recording_id, TOPIC))
    for number, at in enumerate(times, 1):
        made.time = at
        made.tick({0: 64 * number})
    return made


def seconds(begin: int, count: int) -> list[int]:
    return [begin + number * SECOND for number in range(count)]


def positions(index: TimeIndex, from_ns: int, to_ns: int | None = None) -> list[tuple[int, int]]:
    """Of the ticks: which journal, and the position."""
    return [(each >> 32, at) for tick in index.ticks(from_ns, to_ns) for each, at in tick.positions]


def test_times_never_go_back(tmp_path: Path) -> None:
    first, second = seconds(NOON, 10), seconds(NOON - 2 * HOUR, 20)
    third = seconds(NOON - 2 * HOUR + 30 * SECOND, 5)
    directory = save_all([journal(tmp_path, each, times) for each, times in enumerate((first, second, third))])
    with TimeIndex.open(directory, in_order=True) as index:
        ticks = list(index.ticks(0))
        times = [tick.time_ns for tick in ticks]
        assert times == sorted(set(times))
        assert [index.clock_ns(each) for each in times] == first + second + third
        apart = [[b - a for a, b in itertools.pairwise(each)] for each in (times[10:], second + third)]
        assert apart[0] == apart[1]
        every = positions(index, 0)
        assert every == [(each, 64 * n) for each, count in enumerate((10, 20, 5)) for n in range(1, count + 1)]
        # Wherever it begins or ends, the image and the ticks are the whole.
        assert index.begin_ns == NOON - 2
        for at in (times[3], times[9], times[9] + 1, times[15], times[30], times[-1]):
            image = {each >> 32: place for each, (_, place) in index.image_at(at).positions.items()}
            before = dict(positions(index, 0, at + 1))
            assert {each: image[each] for each in before} == before
            assert positions(index, 0, at + 1) + positions(index, at + 1) == every
            assert [tick.time_ns for tick in index.ticks_before(at, 7)] == [t for t in times if t < at][-7:]
        assert index.image_at(index.end_ns or 0) == index.latest()
        opened = [each.opened_ns for each in index.topics[TOPIC]]
        assert opened == sorted(opened)
        # What the clock said, where it said so first and last; and what it never said.
        assert index.first_ns(NOON + 3 * SECOND) == index.last_ns(NOON + 3 * SECOND) == times[3]
        assert index.first_ns(second[4]) == index.last_ns(second[4]) == times[14]
        assert index.first_ns(NOON - HOUR) == NOON - HOUR
        assert index.last_ns(NOON - HOUR) > times[-1]


def test_a_time_that_was_twice(tmp_path: Path) -> None:
    first, second = seconds(NOON, 4 * 3600), seconds(NOON - 2 * HOUR + SECOND // 2, 4 * 3600)
    directory = save_all([journal(tmp_path, each, times[::60]) for each, times in enumerate((first, second))])
    with TimeIndex.open(directory, in_order=True) as index:
        twice = NOON + HOUR
        assert index.first_ns(twice) == twice
        last = index.last_ns(twice)
        assert last > NOON + 4 * HOUR
        assert index.clock_ns(last) == twice
        # From one of them, the one beside it.
        assert index.near_ns(twice + SECOND, twice) == twice + SECOND
        assert index.near_ns(twice + SECOND, last) == last + SECOND
    with TimeIndex.open(directory) as index:
        assert [index.clock_ns(twice), index.first_ns(twice), index.last_ns(twice)] == [twice] * 3


def test_a_clock_that_is_set_right_at_last(tmp_path: Path) -> None:
    """A machine without a battery: it begins in 1970, until it hears what time it is."""
    first, second = seconds(NOON, 10), [*seconds(7 * SECOND, 5), *seconds(NOON + HOUR, 5)]
    third = seconds(NOON + 2 * HOUR, 5)
    directory = save_all([journal(tmp_path, each, times) for each, times in enumerate((first, second, third))])
    with TimeIndex.open(directory, in_order=True) as index:
        times = [tick.time_ns for tick in index.ticks(0)]
        assert times == sorted(set(times))
        assert times[:10] == first
        assert times[10] - times[9] < SECOND
        assert times[15:] == second[5:] + third, "it is no later than the clock from then on"
        assert [index.clock_ns(each) for each in times] == first + second + third
        assert index.end_ns == third[-1]


def test_what_is_away_has_its_time_all_the_same(tmp_path: Path) -> None:
    """By the catalog, until its files are here again; then nothing else changes."""
    first, second = seconds(NOON, 10), seconds(NOON - 2 * HOUR, 20)
    journals = [journal(tmp_path, each, times) for each, times in enumerate((first, second))]
    for made in journals:
        made.files.save()
    descriptors = [bytearray(each.files.descriptor(channel=JOURNAL_CHANNEL)) for each in journals]
    for each, times in zip(descriptors, (first, second), strict=True):
        struct.pack_into("<qq", each, 24, times[0] // 10**6 - 1, times[-1] // 10**6 + 1)  # its timestamps
    write_catalog(tmp_path, [bytes(each) for each in descriptors])
    file, away = tmp_path / "0-0.rec", tmp_path / "away"
    file.rename(away)
    with TimeIndex.open(tmp_path, in_order=True) as index:
        assert {each for each, _ in positions(index, 0)} == {1}
        told = index.first_ns(second[3])
        assert index.first_ns(first[3]) == index.of_journal(first[3], 0) == first[3] < told
        assert (index.clock_ns(first[3]), index.clock_ns(told)) == (first[3], second[3])
        away.rename(file)
        index.look_for_files()
        assert index.first_ns(second[3]) == told
        assert [each for each, _ in positions(index, 0)] == sorted([0] * 10 + [1] * 20)
        times = [tick.time_ns for tick in index.ticks(0)]
        assert times == sorted(set(times))


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, list[bytes], int]]:
    """By two recorders: as if the clock had been five hours ahead until the first one ended. When it was."""
    sent = [b"ahead %d" % number for number in range(20)] + [b"right %d" % number for number in range(20)]
    ahead = time.time_ns() + 5 * HOUR
    config = msgspec.structs.replace(configured(tmp_path), rotate_interval=86400.0)
    begin = Keeper._new_journal
    for part in (sent[:20], sent[20:]):
        with monkeypatch.context() as patched:
            if part == sent[:20]:
                patched.setattr(Keeper, "_new_journal", lambda keeper, after_ns: begin(keeper, ahead))
            with Recorder(config) as recorder, contextlib.ExitStack() as stack:
                recorder.wait_running(TIMEOUT)
                client = stack.enter_context(Client.connect(recorder.aeron_dir))
                publication = stack.enter_context(client.add_exclusive_publication(f"aeron:ipc?alias={TOPIC}", 10))
                publication.await_recorder(TIMEOUT)
                wait_until(lambda: publication.is_connected, TIMEOUT)  # noqa: B023
                for message in part:
                    send(publication, message)
                    wait_until(lambda: told(recorder, publication), TIMEOUT)  # noqa: B023
                if part == sent[20:]:
                    keeper = recorder._keeper
                    assert keeper is not None
                    keeper.rotate()
    yield tmp_path, sent, ahead


def test_a_volume_has_all_of_it(recorded: tuple[Path, list[bytes], int]) -> None:
    directory, _, _ = recorded
    (volume,) = Volumes(directory).known()
    ended = {each.recording_id: (0, each.stop_position) for each in recordings(directory, 10)}
    assert len(ended) == 2
    assert volume.recordings.keys() == ended.keys()


def played(session: Session, count: int) -> list[bytes]:
    with session.subscribe(TOPIC) as subscription:
        wait_until(lambda: session.listening, TIMEOUT)
        session.state = "play"
        messages = subscription.messages(timeout=TIMEOUT)
        found = [next(messages).payload for _ in range(count)]
        session.wait_ended(TIMEOUT)
        return found + subscription.poll_payloads()


@pytest.mark.parametrize("speed", ["Unlimited", 20.0])
def test_sessions_play_all_in_the_order_of_recording(
    recorded: tuple[Path, list[bytes], int], speed: float | str
) -> None:
    directory, sent, ahead = recorded
    with TimeIndex.open(directory) as index:
        first, second = index.topics[TOPIC][:2]
    with (
        ArchivingMediaDriver.launch(directory, timeout=TIMEOUT) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=TIMEOUT) as archive,
    ):
        for start, end, expected in (
            (None, None, sent),
            (first.opened_ns, None, sent),
            (ahead - 1, None, sent),
            # The clock said so after all that it was ahead for.
            (second.opened_ns, None, sent[20:]),
            # A time that it never said, between the two: what was said to be later.
            (ahead - HOUR, None, sent),
            (None, ahead + 60 * SECOND, sent),
        ):
            with Session(client, archive, directory, start=start, end=end, speed=speed) as session:
                assert played(session, len(expected)) == expected, (start, end)
        with Session(client, archive, directory, speed=speed, pos=second.opened_ns) as session:
            assert session.pos == format_time(second.opened_ns)
            assert session.start == "Unbounded"
            value = session.value(TOPIC)
            assert value is not None
            assert value.payload == sent[19]
            session.pos = first.opened_ns
            assert session.pos == format_time(first.opened_ns)
            assert played(session, len(sent)) == sent


def test_tail_after_it(recorded: tuple[Path, list[bytes], int]) -> None:
    directory, sent, _ = recorded
    config = msgspec.structs.replace(configured(directory), play=True)
    with (
        Recorder(config) as recorder,
        Client.connect(recorder.aeron_dir) as client,
    ):
        recorder.wait_running(TIMEOUT)
        with (
            RecorderClient(client, timeout=TIMEOUT) as asking,
            client.add_exclusive_publication(f"aeron:ipc?alias={TOPIC}", 10) as publication,
            asking.open_session(speed="Unlimited") as session,
        ):
            publication.await_recorder(TIMEOUT)
            with session.subscribe(TOPIC) as subscription:
                wait_until(lambda: session.topics[TOPIC].listening, TIMEOUT)
                session.state = "play"
                messages = subscription.messages(timeout=TIMEOUT)
                assert [next(messages).payload for _ in sent] == sent
                wait_until(lambda: session.state == "tail", TIMEOUT)
                send(publication, b"live")
                assert next(messages).payload == b"live"
                pos = session.controls.pos_ns
                assert pos is not None
                assert abs(time.time_ns() - pos) < 60 * SECOND
