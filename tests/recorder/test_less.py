"""Sessions of which the archive has less than the journal tells, or whose recordings end with what is no message."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from aeron_py import Archive, ArchivingMediaDriver, Client, ExclusivePublication
from aeron_py.archive.reader import RecordingReader
from aeron_py.recorder.playback import Session
from aeron_py.recorder.timeindex import TimeIndex
from tests.recorder.histories import CAMERA, RADAR, TIMEOUT, Listeners, Recording
from tests.waiting import wait_until

_stream_ids = itertools.count(20_000, 100)
BEGIN = 0x80


@pytest.fixture
def recording(node: ArchivingMediaDriver, module_client: Client, module_archive: Archive) -> Iterator[Recording]:
    """Two topics, of which the camera's messages are in fragments."""
    made = Recording(module_client, module_archive, node.archive_dir, next(_stream_ids))
    made.add(CAMERA)
    made.add(RADAR)
    yield made
    made.close()


@pytest.fixture
def index(node: ArchivingMediaDriver, module_client: Client, recording: Recording) -> Iterator[TimeIndex]:
    journal = [recording.writer.recording_id]
    with TimeIndex.open(node.archive_dir, journal, counters=module_client.counters) as opened:
        yield opened


@pytest.fixture
def opened(
    node: ArchivingMediaDriver, module_client: Client, module_archive: Archive, index: TimeIndex
) -> Callable[..., Session]:
    """Opens a session on what was recorded; its options are those of :class:`Session`."""
    return partial(Session, module_client, module_archive, node.archive_dir, index=index)


def listen(session: Session) -> Listeners:
    listeners = Listeners({topic: session.subscribe(topic) for topic in session.topics})
    wait_until(lambda: all(info.listening for info in session.topics.values()), TIMEOUT, "listening")
    return listeners


def ended(session: Session, listeners: Listeners) -> bool:
    listeners.poll()
    return session.controls.drained


def half(publication: ExclusivePublication, aeron_dir: str) -> None:
    """The first fragment of a message, and no more: as a publisher leaves it that is killed."""
    claim = publication.try_claim(publication.max_payload_length)
    term, begin = publication.term_buffer_length, claim.position - (publication.max_payload_length + 32 + 31 & -32)
    path = Path(aeron_dir) / "publications" / f"{publication.registration_id}.logbuffer"
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as log:
        log[begin // term % 3 * term + begin % term + 5] = BEGIN
    claim.commit()


@pytest.mark.parametrize("speed", [1.0, "Unlimited"])
@pytest.mark.parametrize("end", ["padding", "half"])
def test_ends_that_are_no_message(
    node: ArchivingMediaDriver,
    recording: Recording,
    index: TimeIndex,
    speed: float | str,
    end: str,
    opened: Callable[..., Session],
) -> None:
    for _ in range(2):
        for _ in range(3):
            recording.batch(CAMERA, RADAR, length=3000)
        publication, _, stream = recording.open[CAMERA]
        if end == "half":
            half(publication, node.aeron_dir)
        publication.try_claim(100).abort()
        wait_until(lambda p=publication, s=stream: recording.writer.positions[s] == p.position, TIMEOUT)
        recording.remove(CAMERA)
        recording.add(CAMERA)
    recording.close()
    with (
        opened(speed=speed) as session,
        listen(session) as listeners,
    ):
        session.end = index.end_ns
        session.state = "play"
        wait_until(lambda: ended(session, listeners), TIMEOUT)
        listeners.await_all(recording.sent)
        value = session.value(CAMERA)
        assert value is not None
        assert value.payload == recording.sent[CAMERA][-1]
        listeners.forget()
        while session.step(-128):
            pass
        while session.step(1):
            pass
        listeners.await_all(recording.sent)


@pytest.mark.parametrize("speed", [1.0, "Unlimited"])
def test_recording_has_less_than_the_journal_tells(
    node: ArchivingMediaDriver,
    module_archive: Archive,
    recording: Recording,
    speed: float | str,
    opened: Callable[..., Session],
) -> None:
    """As after a power cut: what there is comes once, and the session ends."""
    _, recording_id, _ = recording.open[CAMERA]
    for _ in range(6):
        recording.batch(CAMERA, RADAR, length=3000)
    recording.close()
    with RecordingReader(node.archive_dir, module_archive.list_recording(recording_id)) as reader:
        ends = [int(position) for batch in reader.batches() for position in batch.positions]
    module_archive.truncate_recording(recording_id, ends[3])
    there = {CAMERA: recording.sent[CAMERA][:4], RADAR: recording.sent[RADAR]}
    with (
        opened(speed=speed) as session,
        listen(session) as listeners,
    ):
        session.state = "play"
        wait_until(lambda: ended(session, listeners), TIMEOUT)
        listeners.await_all(there)
        for topic, value in session.values().items():
            assert value is not None
            assert value.payload == there[topic][-1]


@pytest.mark.parametrize("speed", [1000, "Unlimited"])
def test_what_was_played_was_purged_meanwhile(
    module_archive: Archive,
    recording: Recording,
    index: TimeIndex,
    speed: float | str,
    opened: Callable[..., Session],
) -> None:
    """The session goes back to the beginning: it plays what is left; and all, when it has come back, as volumes do."""
    publication, recording_id, _ = recording.open[CAMERA]
    for _ in range(50):
        recording.batch(CAMERA, length=3000)
    recording.batch(RADAR)
    with opened(speed="Unlimited") as session:
        session.end = index.end_ns
        with listen(session) as listeners:
            session.state = "play"
            wait_until(lambda: ended(session, listeners), TIMEOUT)
            listeners.await_all(recording.sent)
        info = module_archive.list_recording(recording_id)
        base = info.segment_file_base_position(publication.position)
        assert base > 0
        wait_until(lambda: not any(each.listening for each in session.topics.values()), TIMEOUT)
        wait_until(lambda: not any(each.leaving for each in session.topics.values()), TIMEOUT)
        module_archive.detach_segments(recording_id, base)
        session.pos = recording.times[0] - 1
        session.speed = speed
        with listen(session) as listeners:
            session.state = "play"
            wait_until(lambda: ended(session, listeners), TIMEOUT)
            got = listeners.poll()
            assert 0 < len(got[CAMERA]) < 50
            assert got[CAMERA] == recording.sent[CAMERA][-len(got[CAMERA]) :]
            listeners.forget()
            module_archive.attach_segments(recording_id)
            session.pos = index.begin_ns or 0
            session.state = "play"
            wait_until(lambda: ended(session, listeners), TIMEOUT)
            listeners.await_all(recording.sent)


def test_a_file_that_can_not_be_read_stops_no_other_topic(
    node: ArchivingMediaDriver,
    recording: Recording,
    opened: Callable[..., Session],
) -> None:
    _, recording_id, _ = recording.open[CAMERA]
    for _ in range(6):
        recording.batch(CAMERA, RADAR, length=3000)
    recording.close()
    file = node.archive_dir / f"{recording_id}-0.rec"
    aside = file.with_suffix(".aside")
    with opened(pos=recording.times[2]) as session:
        file.rename(aside)
        file.mkdir()
        try:
            listeners = listen(session)
            session.state = "play"
            wait_until(lambda: len(listeners.poll()[RADAR]) == 3, TIMEOUT)
        finally:
            file.rmdir()
            aside.rename(file)
        with listeners:
            listeners.await_all({topic: sent[3:] for topic, sent in recording.sent.items()})
