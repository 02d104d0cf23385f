"""Seeking: at any time the value of each topic is what a full scan of all that was recorded says."""

from __future__ import annotations

import contextlib
import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from aeron_py import Client, ExclusivePublication
from aeron_py.archive.catalog import read_catalog
from aeron_py.archive.reader import RecordingReader
from aeron_py.recorder.entries import EntryKind
from aeron_py.recorder.playback import RecorderClient
from aeron_py.recorder.service import Recorder
from aeron_py.recorder.timeindex import TimeIndex, journal_recordings
from tests.recorder.histories import CAMERA, LOG, RADAR, TIMEOUT
from tests.recorder.journals import header_of
from tests.recorder.recorders import configured
from tests.streams import send
from tests.waiting import wait_until

ONCE, NEVER = "pubsub:told/once", "pubsub:told/never"
STREAMS = {CAMERA: (10, "1m", 100_000), RADAR: (11, "64k", 3000), LOG: (12, "64k", 8000), ONCE: (13, "64k", 100)}
"""Stream id, term length and the longest message of each topic."""
SEEKS = 200
_TICK_ITEM = struct.Struct("<Iq")


class Publishers:
    """Publishes at random: messages of any size, of publishers that come and go."""

    def __init__(self, recorder: Recorder, client: Client, random: random.Random) -> None:
        self._recorder, self._client, self._random = recorder, client, random
        self._open: dict[str, ExclusivePublication] = {}

    def add(self, *topics: str) -> None:
        for topic in topics:
            stream_id, term, _ = STREAMS.get(topic, (14, "64k", 0))
            channel = f"aeron:ipc?alias={topic}|term-length={term}"
            self._open[topic] = self._client.add_exclusive_publication(channel, stream_id)
            self._open[topic].await_recorder(TIMEOUT)
        self._settle()

    def restart(self, topic: str) -> None:
        self._open.pop(topic).close()
        self.add(topic)

    def _settle(self) -> None:
        told = {topic: publication.session_id for topic, publication in self._open.items()}
        wait_until(lambda: {each.topic: each.session_id for each in self._recorder.streams} == told, TIMEOUT)

    def burst(self, *topics: str) -> None:
        """Some messages, and the end of a tick at least."""
        keeper = self._recorder._keeper
        assert keeper is not None
        journal = keeper._journal
        assert journal is not None
        ticks = journal.statistics.ticks
        for topic in self._random.choices(topics, k=self._random.randint(1, 4)):
            # As often short as long.
            length = round(STREAMS[topic][2] ** self._random.uniform(0.2, 1))
            send(self._open[topic], self._random.randbytes(length))
        wait_until(lambda: journal.statistics.ticks > ticks, TIMEOUT)

    def rotate(self) -> None:
        keeper = self._recorder._keeper
        assert keeper is not None
        keeper.rotate()

    def drain(self) -> None:
        """All that was published is in the journal."""
        ends = {publication.session_id: publication.position for publication in self._open.values()}
        keeper = self._recorder._keeper
        assert keeper is not None
        journal = keeper._journal
        assert journal is not None

        def told() -> bool:
            positions = journal.positions
            return all(positions.get(each.index) == ends[each.session_id] for each in journal.streams)

        wait_until(told, TIMEOUT)

    def close(self) -> None:
        for each in self._open.values():
            each.close()


@dataclass
class Told:
    """What one journal says of one stream."""

    index: int
    topic: str
    recording_id: int
    start: int
    opened_ns: int
    ticks: list[tuple[int, int]] = field(default_factory=list)

    def position(self, time_ns: int) -> int:
        return max((position for time, position in self.ticks if time <= time_ns), default=self.start)


class Came(NamedTuple):
    """A message, and when it came."""

    time_ns: int
    opened_ns: int
    position: int
    recording_id: int
    payload: bytes


class FullScan:
    """Every entry of every journal, every message of every recording."""

    def __init__(self, archive_dir: Path) -> None:
        self.streams = [
            each for run, _ in enumerate(journal_recordings(archive_dir)) for each in journal(archive_dir, run)
        ]
        self.times = sorted({time for each in self.streams for time, _ in each.ticks})
        self.marks = [each.opened_ns for each in self.streams]
        self.messages: dict[str, list[Came]] = {each.topic: [] for each in self.streams}
        for recording in read_catalog(archive_dir):
            of_it = [each for each in self.streams if each.recording_id == recording.recording_id]
            ticks = sorted(tick for each in of_it for tick in each.ticks)
            if not ticks:
                continue
            with RecordingReader(archive_dir, recording, scan=recording.is_active) as reader:
                for batch in reader.batches():
                    for message in batch:
                        time = next(time for time, position in ticks if position >= message.position)
                        came = Came(
                            time, of_it[0].opened_ns, message.position, recording.recording_id, bytes(message.payload)
                        )
                        self.messages[of_it[0].topic].append(came)

    def values(self, time_ns: int) -> dict[str, tuple[int, int, bytes] | None]:
        """Recording, position and payload of the latest message of each topic."""
        latest = {
            topic: max((each for each in came if each.time_ns <= time_ns), default=None)
            for topic, came in self.messages.items()
        }
        return {
            topic: None if came is None else (came.recording_id, came.position, came.payload)
            for topic, came in latest.items()
        }

    def positions(self, time_ns: int) -> dict[int, int]:
        return {each.index: each.position(time_ns) for each in self.streams if each.opened_ns <= time_ns}


def journal(archive_dir: Path, run: int) -> list[Told]:
    recording = journal_recordings(archive_dir)[run]
    streams: list[Told] = []
    with RecordingReader(archive_dir, recording, scan=recording.is_active) as reader:
        for payload in reader:
            header, body = header_of(payload), payload[32:]
            if header["kind"] == EntryKind.OPENED:
                info = json.loads(body)
                streams.append(
                    Told(
                        index=(run << 32) + info["index"],
                        topic=info["topic"],
                        recording_id=info["recording_id"],
                        start=info.get("start_position", 0),
                        opened_ns=header["time_ns"],
                    )
                )
            elif header["kind"] == EntryKind.TICK:
                for number in range(header["items"]):
                    index, position = _TICK_ITEM.unpack_from(body, number * _TICK_ITEM.size)
                    streams[index].ticks.append((header["time_ns"], position))
    return streams


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """Two recorders one after the other, five journals, chains of recordings; the last goes on."""
    archive_dir, chance = tmp_path_factory.mktemp("archive"), random.Random(5)
    # Images are rare enough that a seek reads ticks, and frequent enough that there are some.
    config = msgspec.structs.replace(configured(archive_dir), play=True, image_frequency=4096)
    with contextlib.ExitStack() as stack:
        for run in (1, 2):
            stack.close()
            recorder = stack.enter_context(Recorder(config))
            recorder.wait_running(TIMEOUT)
            client = stack.enter_context(Client.connect(recorder.aeron_dir))
            publishers = stack.enter_context(contextlib.closing(Publishers(recorder, client, chance)))
            publish(publishers, run)
        yield recorder


def publish(publishers: Publishers, run: int) -> None:
    publishers.add(CAMERA, RADAR, NEVER)
    if run == 1:
        publishers.add(ONCE)
        publishers.burst(ONCE)
    for number in range(60):
        if number == 20:
            publishers.restart(RADAR)
        if number == 30:
            publishers.rotate()
        if number == 40:
            publishers.restart(CAMERA)
            if run == 2:
                publishers.rotate()
                publishers.add(LOG)
        publishers.burst(CAMERA, RADAR, *([LOG] if run == 2 and number >= 40 else []))
    publishers.drain()


@pytest.fixture(scope="module")
def scan(recorder: Recorder) -> FullScan:
    return FullScan(Path(recorder.config.archive_dir))


@pytest.fixture(scope="module")
def times(scan: FullScan) -> list[int]:
    """At random within and without, and at moments when something happened."""
    chance = random.Random(6)
    begin, end = scan.times[0], scan.times[-1]
    beyond = (end - begin) // 10
    found = [chance.randint(begin - beyond, end + beyond) for _ in range(SEEKS // 2)]
    found += [chance.choice(scan.times) + chance.choice((-1, 0, 1)) for _ in range(SEEKS // 4)]
    found += [chance.choice(scan.marks) + chance.choice((-1, 0, 1)) for _ in range(SEEKS - len(found))]
    return found


def test_the_history_has_all_kinds(recorder: Recorder, scan: FullScan) -> None:
    """What the others rely on."""
    told = [(each.topic, each.recording_id) for each in scan.streams]
    assert len(journal_recordings(recorder.config.archive_dir)) == 5
    assert len(set(told)) < len(told), "no recording goes on from one journal to the next"
    assert len({recording_id for topic, recording_id in told if topic == CAMERA}) == 4
    assert max(len(each.payload) for each in scan.messages[CAMERA]) > 50_000
    assert len(scan.messages[ONCE]) > 0
    assert scan.messages[NEVER] == []
    assert scan.messages[LOG][0].time_ns > scan.messages[CAMERA][-20].time_ns
    assert len(scan.times) > 100


def test_values_at_200_times(recorder: Recorder, scan: FullScan, times: list[int]) -> None:
    differing = {}
    with (
        Client.connect(recorder.aeron_dir) as client,
        RecorderClient(client, timeout=TIMEOUT) as asking,
        asking.open_session() as session,
    ):
        for time in times:
            session.pos = time
            found = {
                topic: None if value is None else (value.recording_id, value.position, value.payload)
                for topic, value in session.values().items()
            }
            if found != (expected := scan.values(time)):
                differing[time] = [topic for topic in expected if found.get(topic) != expected[topic]]
    assert not differing, f"{len(differing)} of {len(times)}"
    assert any(value is None for time in times for value in scan.values(time).values())


def test_images_at_200_times(recorder: Recorder, scan: FullScan, times: list[int]) -> None:
    with TimeIndex.open(recorder.config.archive_dir) as index:
        streams = {each.index: each for each in index.streams}
        assert {index: each.topic for index, each in streams.items()} == {
            each.index: each.topic for each in scan.streams
        }
        for time in times:
            positions = index.image_at(time).positions
            assert {each: position for each, (_, position) in positions.items()} == scan.positions(time)
            assert all(streams[each].start_position <= before <= at for each, (before, at) in positions.items())
