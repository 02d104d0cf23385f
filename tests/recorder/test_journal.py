"""The journal on a real archive: what the sampler writes, what is flushed, and what kill -9 leaves."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aeron_py import Archive, ArchivingMediaDriver, Client, Counter, ExclusivePublication
from aeron_py._ffi import lib
from aeron_py.archive.catalog import find_recording
from aeron_py.archive.reader import RecordingReader
from aeron_py.counters import CounterType
from aeron_py.errors import AeronError, ClosedError, NotConnectedError, SettingError
from aeron_py.recorder import JournalWriter, StreamInfo, TimeIndex, read_committed
from aeron_py.recorder import committed as committed_file
from aeron_py.recorder.entries import Entry, EntryKind, Image, decode, encode
from tests.processes import is_alive
from tests.recorder import recording
from tests.recorder.journals import JournalFiles, header_of
from tests.streams import next_stream, send
from tests.waiting import wait_until

GOLDEN = Path(__file__).parent / "golden"
TIMEOUT = 60.0
REC_POS = CounterType.ARCHIVE_RECORDING_POSITION


class Recorded:
    """A publication that the archive records, as a stream of the journal."""

    def __init__(self, client: Client, archive: Archive, topic: str) -> None:
        self.archive = archive
        self.publication: ExclusivePublication = archive.add_recorded_exclusive_publication(
            f"aeron:ipc?alias={topic}", next_stream()
        )
        self.info = StreamInfo(
            topic=topic,
            recording_id=archive.await_recorded(self.publication, timeout=TIMEOUT),
            channel=self.publication.channel,
            stream_id=self.publication.stream_id,
            session_id=self.publication.session_id,
            rule="all",
        )

    def send(self, size: int = 100) -> int:
        position = send(self.publication, b"x" * size)
        self.archive.await_recorded(self.publication, position, timeout=TIMEOUT)
        return position


@pytest.fixture
def writer(node: ArchivingMediaDriver, node_client: Client, archive: Archive) -> Iterator[JournalWriter]:
    with JournalWriter(
        node_client, archive, stream_id=next_stream(), archive_dir=node.archive_dir, timeout=TIMEOUT
    ) as made:
        yield made


@pytest.fixture
def recorded(node_client: Client, archive: Archive) -> Iterator[Any]:
    made: list[Recorded] = []

    def make(topic: str) -> Recorded:
        made.append(Recorded(node_client, archive, topic))
        return made[-1]

    yield make
    for each in made:
        each.publication.close()


def index_of(node: ArchivingMediaDriver, writer: JournalWriter, client: Client) -> TimeIndex:
    return TimeIndex.open(node.archive_dir, [writer.recording_id], counters=client.counters)


def entries_of(node: ArchivingMediaDriver, writer: JournalWriter, client: Client) -> list[Entry]:
    position = writer.position
    wait_until(lambda: (writer.recorded_position or 0) >= position)
    found, begin = [], 0
    with RecordingReader(node.archive_dir, writer.recording_id, limit=position) as reader:
        for message in reader.messages():
            entry = decode(message.payload, message.reserved_value, begin)
            assert entry is not None
            assert encode(entry) == message.payload
            assert int(lib.shim_journal_checksum(message.payload, len(message.payload))) == message.reserved_value
            found.append(entry)
            begin = message.position
    return found


def test_ticks_follow_the_recordings(
    node: ArchivingMediaDriver, node_client: Client, writer: JournalWriter, recorded: Any
) -> None:
    front, back = recorded("pubsub:camera/front"), recorded("pubsub:camera/back")
    assert [writer.open_stream(each.info) for each in (front, back)] == [0, 1]
    before = time.time_ns()
    ends: dict[int, list[int]] = {0: [], 1: []}
    for number in range(30):
        ends[number % 2].append((front, back)[number % 2].send(10 + 100 * number))
        wait_until(lambda: writer.positions[number % 2] == ends[number % 2][-1])  # noqa: B023
    with index_of(node, writer, node_client) as index:
        wait_until(lambda: index.image_at(time.time_ns()).positions[1][1] == ends[1][-1])
        ticks = list(index.ticks(0))
        for stream in (0, 1):
            assert [at for tick in ticks for which, at in tick.positions if which == stream] == ends[stream]
            assert index.image_at(time.time_ns()).positions[stream] == tuple(ends[stream][-2:])
        times = [tick.time_ns for tick in ticks]
        assert times == sorted(set(times))
        assert before <= times[0] <= times[-1] <= time.time_ns()
        assert [stream.topic for stream in index.streams] == ["pubsub:camera/front", "pubsub:camera/back"]
        assert index.streams[0].journal == writer.recording_id
        assert index.is_live
    statistics = writer.statistics
    assert statistics.ticks == len(ticks)
    assert statistics.open_streams == 2
    assert statistics.unattached == 0
    writer.check()


def test_every_entry_is_as_the_format_says(
    node: ArchivingMediaDriver, node_client: Client, writer: JournalWriter, recorded: Any
) -> None:
    stream = recorded("pubsub:a")
    index = writer.open_stream(stream.info)
    for _ in range(5):
        stream.send()
        wait_until(lambda: writer.positions[index] == stream.publication.position)
        writer.image()
    writer.append(EntryKind.NOTE, {"note": "hello", "number": 7})
    writer.append(EntryKind.VOLUME, {"name": "current"})
    writer.close_stream(index)
    entries = entries_of(node, writer, node_client)
    image = record = -1
    for entry in entries:
        assert (entry.image_position, entry.record_position) == (image, record)
        if entry.kind == EntryKind.IMAGE:
            image = entry.position
        elif entry.kind != EntryKind.TICK:
            record = entry.position
    assert entries[0].kind == EntryKind.IMAGE
    kinds = [entry.kind for entry in entries if entry.kind not in (EntryKind.TICK, EntryKind.IMAGE)]
    assert kinds == [EntryKind.OPENED, EntryKind.NOTE, EntryKind.VOLUME, EntryKind.CLOSED]
    with index_of(node, writer, node_client) as opened:
        assert [note.json() for note in opened.records(EntryKind.NOTE)] == [{"note": "hello", "number": 7}]
        assert opened.streams[0].stop_position == stream.publication.position


def test_a_stream_is_closed_where_its_recording_ended(
    node: ArchivingMediaDriver, node_client: Client, writer: JournalWriter, recorded: Any
) -> None:
    stream = recorded("pubsub:a")
    index = writer.open_stream(stream.info)
    seen = stream.send()
    wait_until(lambda: writer.positions[index] == seen)
    assert writer.close_stream(index, seen + 64) == seen + 64
    with pytest.raises(SettingError, match="no open stream"):
        writer.close_stream(index)
    assert writer.positions == {}
    with index_of(node, writer, node_client) as opened:
        wait_until(lambda: opened.streams[0].closed_ns)
        assert list(opened.ticks(0))[-1].positions == ((0, seen + 64),)
        assert opened.streams[0].stop_position == seen + 64
        assert opened.image_at(time.time_ns()).positions == {0: (seen, seen + 64)}


def test_a_counter_that_comes_later_and_is_another_then(node_client: Client, writer: JournalWriter) -> None:
    recording_id = 1_000_000
    info = StreamInfo(topic="pubsub:late", recording_id=recording_id, channel="aeron:ipc", stream_id=1, session_id=-5)
    index = writer.open_stream(info)
    assert writer.statistics.unattached == 1
    key = struct.pack("<qii", recording_id, -5, 0) + struct.pack("<q", 0)
    with node_client.add_counter(REC_POS, "rec-pos: test", key=key) as counter:
        counter.value = 96
        wait_until(lambda: writer.positions[index] == 96)
        counter.value = 64
    with node_client.add_counter(REC_POS, "rec-pos: test", key=key) as counter:
        counter.value = 128
        wait_until(lambda: writer.positions[index] == 128)


def test_it_tells_that_a_counter_came(node_client: Client, writer: JournalWriter) -> None:
    news = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    try:
        writer.notify(news, 0.001)
        assert select.select([news], [], [], TIMEOUT)[0], "it tells at once of what was there before"
        for _ in range(20):  # some of them in the slot of one that went
            wait_until(lambda: not _read(news) and not select.select([news], [], [], 0.05)[0])
            node_client.add_counter(1001, "it came").close()
            assert select.select([news], [], [], TIMEOUT)[0]
        writer.notify(-1, 0.001)
    finally:
        os.close(news)


def _read(eventfd: int) -> int:
    try:
        return os.eventfd_read(eventfd)
    except BlockingIOError:
        return 0


def counters(client: Client, first: int, count: int) -> list[Counter]:
    """Counters as the archive has them, all added at once."""
    pending = [
        client._start_add_counter(REC_POS, "rec-pos: test", key=struct.pack("<qiiq", first + i, i, 0, 0))
        for i in range(count)
    ]
    return [wait_until(each.poll, TIMEOUT) for each in pending]


def test_a_thousand_streams(
    node: ArchivingMediaDriver, node_client: Client, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    first, count = 2_000_000, 1000
    with JournalWriter(
        node_client,
        archive,
        stream_id=next_stream(),
        channel="aeron:ipc?alias=file:aeron-py/journal|term-length=64k",
        timeout=TIMEOUT,
    ) as writer:
        made = counters(node_client, first, count)
        begin = time.perf_counter()
        for i in range(count):
            writer.open_stream(
                StreamInfo(topic=f"pubsub:{i}", recording_id=first + i, channel="", stream_id=i, session_id=i)
            )
        opened = time.perf_counter() - begin
        wait_until(lambda: writer.statistics.unattached == 0)
        quiet, begin = writer.statistics, time.perf_counter()
        wait_until(lambda: writer.statistics.samples > quiet.samples + 300)
        share = (writer.statistics.cpu - quiet.cpu) / (time.perf_counter() - begin)
        for number in (1, 2, 3):
            for counter in made:
                counter.value = 32 * number
            wait_until(lambda: set(writer.positions.values()) == {32 * number})  # noqa: B023
        writer.image()
        with index_of(node, writer, node_client) as index:
            wait_until(lambda: index.image_at(time.time_ns()).positions == dict.fromkeys(range(count), (64, 96)))
            places = dict.fromkeys(range(count), 0)
            for tick in index.ticks(0):
                places.update(tick.positions)
            assert set(places.values()) == {96}
            assert len(index.streams) == count
        kinds = [entry.kind for entry in entries_of(node, writer, node_client) if entry.flags]
        assert EntryKind.IMAGE in kinds
        for counter in made:
            counter.close()
    with capsys.disabled():
        print(f"\n1,000 streams: opened in {opened:.2f} s; the sampler took {100 * share:.2f} % of a core when quiet")
    assert share < 0.3


def test_images_by_themselves(node: ArchivingMediaDriver, node_client: Client, archive: Archive) -> None:
    with JournalWriter(node_client, archive, stream_id=next_stream(), image_frequency=1000, timeout=TIMEOUT) as writer:
        for number in range(100):
            writer.append(EntryKind.NOTE, {"note": "x" * 100, "number": number})
        wait_until(lambda: writer.statistics.images > 1)
        assert writer.statistics.images < 30


def test_entries_of_several_threads(node: ArchivingMediaDriver, node_client: Client, writer: JournalWriter) -> None:
    def write(thread: int) -> None:
        for number in range(200):
            writer.append(EntryKind.NOTE, {"note": "n", "thread": thread, "number": number})

    threads = [threading.Thread(target=write, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    notes = [entry.json() for entry in entries_of(node, writer, node_client) if entry.kind == EntryKind.NOTE]
    for number in range(4):
        assert [note["number"] for note in notes if note["thread"] == number] == list(range(200))


def test_flush(node: ArchivingMediaDriver, node_client: Client, writer: JournalWriter, recorded: Any) -> None:
    one, two = recorded("pubsub:one"), recorded("pubsub:two")
    indexes = [writer.open_stream(each.info) for each in (one, two)]
    ends = [one.send(), two.send()]
    wait_until(lambda: [writer.positions[i] for i in indexes] == ends)
    committed = writer.flush()
    assert committed == read_committed(node.archive_dir)
    assert committed.journal == writer.recording_id
    assert 0 < committed.journal_position <= (writer.recorded_position or 0)
    assert committed.recordings == {one.info.recording_id: ends[0], two.info.recording_id: ends[1]}
    end = one.send()
    wait_until(lambda: writer.positions[indexes[0]] == end)
    writer.close_stream(indexes[0])
    assert writer.flush().recordings == {one.info.recording_id: end, two.info.recording_id: ends[1]}
    assert list(writer.flush().recordings) == [two.info.recording_id]
    assert not list(node.archive_dir.glob("*.new"))


def test_flush_after_one_that_was_killed(
    node: ArchivingMediaDriver,
    node_client: Client,
    archive: Archive,
    recorded: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What an earlier writer told and never flushed is forced to the disk before anything is said to be safe."""
    forced: list[str] = []
    sync = committed_file._sync
    monkeypatch.setattr(committed_file, "_sync", lambda path: (forced.append(path.name), sync(path)))
    told = recorded("pubsub:told")

    def write() -> JournalWriter:
        return JournalWriter(
            node_client, archive, stream_id=next_stream(), archive_dir=node.archive_dir, timeout=TIMEOUT
        )

    with write() as earlier:
        index = earlier.open_stream(told.info)
        end = told.send()
        wait_until(lambda: earlier.positions[index] == end)
        earlier.close_stream(index)
    with write() as later:
        later.flush()
        assert {f"{told.info.recording_id}-0.rec", f"{earlier.recording_id}-0.rec"} <= set(forced)
        forced.clear()
        later.append(EntryKind.NOTE, {"note": "x"})
        later.flush()
        assert [each for each in forced if each.endswith(".rec")] == [f"{later.recording_id}-0.rec"]


def test_bad_arguments(node: ArchivingMediaDriver, node_client: Client, archive: Archive) -> None:
    with JournalWriter(node_client, archive, stream_id=next_stream(), timeout=TIMEOUT) as writer:
        with pytest.raises(SettingError, match="archive_dir"):
            writer.flush()
        with pytest.raises(SettingError, match="by itself"):
            writer.append(EntryKind.TICK, {})
        with pytest.raises(SettingError, match="bytes"):
            writer.append(EntryKind.NOTE, {"note": "x" * (1 << 20)})
        with pytest.raises(SettingError):
            writer.open_stream(StreamInfo(topic="x", recording_id=-1, channel="aeron:ipc", stream_id=1, session_id=1))
    writer.close()
    with pytest.raises(ClosedError):
        writer.append(EntryKind.NOTE, {})
    with pytest.raises(ClosedError):
        writer.check()
    assert read_committed(Path(tempfile.gettempdir()) / "no such directory") is None


def test_closed_with_its_client(node: ArchivingMediaDriver) -> None:
    with Client.connect(node.aeron_dir) as client:
        archive = Archive.connect(client, node.archive_context(), timeout=TIMEOUT)
        writer = JournalWriter(client, archive, stream_id=next_stream(), timeout=TIMEOUT)
    with pytest.raises(ClosedError):
        writer.image()
    writer.close()


@pytest.mark.filterwarnings("ignore:an archive was killed:RuntimeWarning")
def test_the_archive_is_gone(tmp_path: Path) -> None:
    with (
        ArchivingMediaDriver.launch(tmp_path / "archive", timeout=90) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=TIMEOUT) as archive,
        JournalWriter(client, archive, stream_id=9, archive_dir=tmp_path / "archive", timeout=TIMEOUT) as writer,
    ):
        os.kill(node.archive_pid, 9)

        def noticed() -> bool:
            try:
                writer.check()
                writer.append(EntryKind.NOTE, {"note": "x"})
            except NotConnectedError:
                return True
            return False

        wait_until(noticed, TIMEOUT)
        with pytest.raises(AeronError):
            writer.flush()


# -- golden files: what version 1 is, for ever


def test_golden_entries() -> None:
    lines = (GOLDEN / "entries-v1.hex").read_text().split()
    expected = json.loads((GOLDEN / "entries-v1.json").read_text())
    for line, want in zip(lines, expected["entries"], strict=True):
        payload = bytes.fromhex(line)
        entry = decode(payload, want["crc32"])
        assert entry is not None
        assert decode(payload, want["crc32"] ^ 1) is None
        assert encode(entry) == payload
        assert header_of(payload) == {**want["header"], "version": 1}
        assert entry.body.hex() == want["body"]


def test_golden_journal(tmp_path: Path) -> None:
    expected = json.loads((GOLDEN / "entries-v1.json").read_text())
    journal = JournalFiles(tmp_path)
    for line in (GOLDEN / "entries-v1.hex").read_text().split():
        payload = bytes.fromhex(line)
        journal.files.append(payload, zlib.crc32(payload))
    journal.save()
    with TimeIndex.open(tmp_path) as index:
        assert [[tick.time_ns, [list(item) for item in tick.positions]] for tick in index.ticks(0)] == expected["ticks"]
        for at, positions in expected["images"]:
            assert index.image_at(at) == Image(at, {int(key): tuple(value) for key, value in positions.items()})
        assert [
            [stream.index, stream.topic, stream.opened_ns, stream.closed_ns, stream.stop_position]
            for stream in index.streams
        ] == expected["streams"]
        assert [record.json() for record in index.records(EntryKind.NOTE)] == expected["notes"]


# -- kill -9


@pytest.fixture
def aeron_dir() -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="aeron-py-test-", dir="/dev/shm"))
    yield base / "aeron"
    shutil.rmtree(base, ignore_errors=True)


def check_history(archive_dir: Path, committed: dict[str, Any]) -> tuple[int, int]:
    """All that was committed is there, and nothing torn; how many ticks, and the end."""
    with TimeIndex.open(archive_dir) as index:
        run = index._runs[-1]
        assert run.end >= committed["journal_position"]
        end_ns = index.end_ns
        assert end_ns is not None
        image = index.image_at(end_ns)
        streams = index.streams
        reached = {stream.recording_id: image.positions[stream.index][1] for stream in streams}
        assert len(streams) == recording.STREAMS
        for recording_id, position in committed["recordings"].items():
            assert reached[int(recording_id)] >= position
            with RecordingReader(archive_dir, find_recording(archive_dir, int(recording_id)), limit=position) as reader:
                messages = [payload for batch in reader.batches() for payload in batch.payloads()]
                assert reader.position == position
            assert all(set(message) <= set(b"x") for message in messages)
        places = {stream.index: stream.start_position for stream in streams}
        count, last = 0, 0
        for tick in index.ticks(0):
            assert tick.time_ns > last
            last = tick.time_ns
            count += 1
            for stream, position in tick.positions:
                assert position > places[stream]
                places[stream] = position
        assert places == {stream.index: reached[stream.recording_id] for stream in streams}
        return count, end_ns


@pytest.mark.filterwarnings("ignore:an archive was killed:RuntimeWarning")
@pytest.mark.parametrize("run", range(2))
def test_killed(run: int, tmp_path: Path, aeron_dir: Path) -> None:
    archive_dir, chance = tmp_path / "archive", random.Random(run)
    command = [sys.executable, "-m", "tests.recorder.recording", str(archive_dir), str(aeron_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        archive_pid = int(process.stdout.readline())
        lines = [process.stdout.readline() for _ in range(chance.randint(2, 12))]
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        lines += [line for line in process.stdout if line.endswith("\n")]
    wait_until(lambda: not is_alive(archive_pid), TIMEOUT)
    committed = read_committed(archive_dir)
    assert committed is not None
    told = json.loads(lines[-1])
    assert committed.journal_position >= told["journal_position"]
    before = check_history(archive_dir, told)
    with (
        ArchivingMediaDriver.launch(archive_dir, timeout=90) as node,
        Client.connect(node.aeron_dir) as client,
        Archive.connect(client, node.archive_context(), timeout=TIMEOUT) as archive,
    ):
        assert check_history(archive_dir, told) == before
        assert all(not found.is_active for found in archive.list_recordings())
        with JournalWriter(client, archive, stream_id=9, timeout=TIMEOUT) as writer:
            writer.append(EntryKind.NOTE, {"note": "again"})
            with TimeIndex.open(archive_dir, counters=client.counters) as index:
                wait_until(lambda: index.records(EntryKind.NOTE))
                assert all(stream.closed_ns is not None for stream in index.streams)
                assert index.is_live
