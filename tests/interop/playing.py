"""Records tables with a recorder, plays them to the receiver in C, and says how exactly they came."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from aeron_py.archive.catalog import find_recording
from aeron_py.archive.reader import RecordingReader
from aeron_py.recorder.playback.client import RecorderClient, RemoteSession
from aeron_py.recorder.timeindex import TimeIndex
from tests.interop.java import java
from tests.interop.peer import Planned, Program, plan_file, publisher, receiver
from tests.interop.received import Arrival, Received, stamped
from tests.interop.tables import Published
from tests.waiting import wait_until

TIMEOUT = 120.0

CONFIG = """
archive_dir: {archive_dir}
poll_interval: 50ms
rules:
  - {{topic: "debug/**", policy: drop_all}}
  - {{protocol: pubsub, topic: ["tables/**", "files/*"]}}
embedded:
  driver: {{term_buffer_length: 64KiB, ipc_term_buffer_length: 64KiB, timer_interval: 100ms}}
  archive: {{segment_file_length: 1MiB}}
"""

UNWANTED = ("pubsub:debug/tables/x", "log:tables/x")
"""Topics that these rules drop, and that none of them names."""


@contextlib.contextmanager
def publishers(
    aeron_dir: str,
    streams: Sequence[Published],
    directory: Path,
    *,
    batches: int,
    pause: float,
    pyaeron: Path | None = None,
) -> Iterator[list[Program]]:
    """Programs that publish: one in C, one with pyaeron, and Aeron's FileSender for each file.

    Args:
        aeron_dir: of the media driver.
        streams: what to publish.
        directory: for their files.
        batches: over how many the rows are spread.
        pause: seconds between two of them, on average.
        pyaeron: an interpreter that has it: publishes half of the rows; None for all from C.

    Yields:
        Those that begin when they are told to, ready for it.
    """
    rows = [each for each in streams if not each.is_file]
    planned = [each.planned() for each in (rows[::2] if pyaeron else rows)]
    for number, topic in enumerate(UNWANTED):
        channel = f"aeron:ipc?term-length=64k|alias={topic}"
        planned.append(Planned(1900 + number, channel, rows[0].path, heard=False))
    with contextlib.ExitStack() as stack:
        programs = [publisher(aeron_dir, planned, directory, "publisher", batches=batches, pause=pause)]
        if pyaeron is not None:
            plan = plan_file([each.planned() for each in rows[1::2]], directory / "pyaeron.plan")
            script = Path(__file__).with_name("pyaeron_peer.py")
            command = [pyaeron, script, aeron_dir, plan, str(batches), str(int(pause * 1e6))]
            programs.append(Program(command, directory / "pyaeron.log"))
        for each in programs:
            stack.enter_context(each).wait_for("ready")
        # They send at once, so last: else all would wait for the others once more when it is played.
        senders = [
            stack.enter_context(
                java(
                    "io.aeron.samples.FileSender",
                    directory / f"{each.stream_id}.log",
                    {
                        "aeron.dir": aeron_dir,
                        "aeron.sample.channel": each.channel,
                        "aeron.sample.streamId": str(each.stream_id),
                    },
                    str(each.path),
                )
            )
            for each in streams
            if each.is_file
        ]
        yield programs
        for sender in senders:
            sender.join()


class Batch(NamedTuple):
    """One tick of the recorder.

    Attributes:
        time_ns: its time.
        counts: how many messages came in it, by topic.
    """

    time_ns: int
    counts: dict[str, int]


def recorded_batches(archive_dir: Path) -> list[Batch]:
    """What the journal says came together; those in which no message ended are left out."""
    found = []
    with TimeIndex.open(archive_dir) as index:
        streams = {each.index: each for each in index.streams}
        ends: dict[int, list[int]] = {}
        for each in streams.values():
            with RecordingReader(archive_dir, find_recording(archive_dir, each.recording_id)) as reader:
                ends[each.index] = [position for batch in reader.batches() for position in batch.positions]
        for tick in index.ticks(0):
            counts: dict[str, int] = {}
            for number, position in tick.positions:
                waiting = ends[number]
                until = next((at for at, end in enumerate(waiting) if end > position), len(waiting))
                if until:
                    counts[streams[number].topic] = until
                    del waiting[:until]
            if counts:
                found.append(Batch(tick.time_ns, counts))
        assert not any(ends.values()), "messages that no tick tells of"
    return found


def publish(programs: Sequence[Program]) -> None:
    """Let all begin at once, until all have sent what they have."""
    for each in programs:
        each.go()
    for each in programs:
        each.wait_for("sent")


def recorded(archive_dir: Path, streams: Sequence[Published]) -> bool:
    """Whether all of these have ended, and the journal says so."""
    with TimeIndex.open(archive_dir) as index:
        return {each.topic for each in streams} <= {each.topic for each in index.streams if each.closed_ns is not None}


class Listener:
    """The receiver in C on all topics of a session. Ends with the block.

    Args:
        aeron_dir: of the media driver.
        session: what it listens to.
        directory: for its files.
        name: of its files.
    """

    def __init__(self, aeron_dir: str, session: RemoteSession, directory: Path, name: str) -> None:
        self._session = session
        topics = session.topics
        self._topics = {info.stream_id: topic for topic, info in topics.items()}
        assert len(self._topics) == len(topics), "two topics on one stream id"
        planned = [Planned(info.stream_id, info.channel) for info in topics.values()]
        self._program, path = receiver(aeron_dir, planned, directory, name)
        self._received = Received(path)

    def __enter__(self) -> Listener:
        self._program.wait_for("ready")
        wait_until(lambda: all(info.listening for info in self._session.topics.values()), TIMEOUT, "listening")
        return self

    def __exit__(self, *_: object) -> None:
        self._program.close()
        self._received.count()

    def await_count(self, count: int) -> None:
        """Until so many messages came."""
        wait_until(lambda: self._received.count() >= count, TIMEOUT, f"{count} messages")

    @property
    def arrivals(self) -> dict[str, list[Arrival]]:
        """What came, by topic."""
        self._received.count()
        found: dict[str, list[Arrival]] = {topic: [] for topic in self._topics.values()}
        for each in self._received.arrivals:
            found[self._topics[each.stream_id]].append(each)
        return found

    def payloads(self, topic: str) -> list[bytes]:
        """What came of a topic."""
        return [each.payload for each in self.arrivals[topic]]


@dataclass
class Played:
    """How a playback came.

    Args:
        speed: that was asked for.
        messages: how many came.
        seconds: from the first to the last.
        errors_ms: of each stamped message, sorted: how far the time from its sending to its arrival is from the median
            of all, at the speed of 1.
        paced_ms: of each message, sorted: the same, from when the recorder saw it to its arrival.
        spread_ms: of each batch, sorted: from its first message to its last.
        mixed: share of the batches of which a message came after one of a later batch.
    """

    speed: float | str
    messages: int
    seconds: float
    errors_ms: list[float]
    paced_ms: list[float]
    spread_ms: list[float]
    mixed: float

    def __str__(self) -> str:
        text = f"speed {self.speed}: {self.messages} messages in {self.seconds:.2f} s"
        for name, values in (("time error", self.errors_ms), ("of it playback", self.paced_ms)):
            if values:
                parts = ", ".join(f"p{part:g} {percentile(values, part):.3f}" for part in (50, 90, 99, 99.9, 100))
                text += f"; {name} (ms) {parts}"
        spread = ", ".join(f"p{part:g} {percentile(self.spread_ms, part):.3f}" for part in (50, 99, 100))
        return f"{text}; a batch comes within (ms) {spread}; {self.mixed:.2%} of the batches mixed with later ones"


def percentile(ordered: Sequence[float], part: float) -> float:
    """What so many of 100 do not pass."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part / 100))]


def _from_median_ms(times: list[int]) -> list[float]:
    middle = statistics.median(times)
    return sorted(abs(each - middle) / 1e6 for each in times)


def measured(
    speed: float | str, arrivals: Mapping[str, Sequence[Arrival]], batches: Sequence[Batch], files: set[str]
) -> Played:
    """The figures of a playback.

    Args:
        speed: that was asked for.
        arrivals: what came, by topic.
        batches: what was recorded.
        files: topics without stamps.
    """
    every = sorted(each.at_ns for messages in arrivals.values() for each in messages)
    late = [
        each.at_ns - stamped(each.payload).sent_ns
        for topic, messages in arrivals.items()
        if topic not in files
        for each in messages
    ]
    used = dict.fromkeys(arrivals, 0)
    ranges, after_tick = [], []
    for batch in batches:
        times = []
        for topic, count in batch.counts.items():
            times += [each.at_ns for each in arrivals[topic][used[topic] : used[topic] + count]]
            used[topic] += count
        ranges.append((min(times), max(times)))
        after_tick += [each - batch.time_ns for each in times]
    mixed, earliest = 0, every[-1]
    for first, last in reversed(ranges):
        mixed += last > earliest
        earliest = min(earliest, first)
    spread = sorted((last - first) / 1e6 for first, last in ranges)
    errors, paced = (_from_median_ms(late), _from_median_ms(after_tick)) if speed == 1 else ([], [])
    return Played(speed, len(every), (every[-1] - every[0]) / 1e9, errors, paced, spread, mixed / len(ranges))


def play(
    asking: RecorderClient,
    aeron_dir: str,
    streams: Sequence[Published],
    batches: Sequence[Batch],
    directory: Path,
    speed: float | str,
) -> Played:
    """Play everything once and check what came: each message once, in order, byte for byte."""
    count = sum(sum(batch.counts.values()) for batch in batches)
    # With an end, since the recorder goes on: who follows it is as late as it began.
    with asking.open_session(speed=speed, end=batches[-1].time_ns) as session:
        assert sorted(session.topics) == sorted(each.topic for each in streams)
        published = {info.published_stream_id for info in session.topics.values()}
        assert not published & {info.stream_id for info in session.topics.values()}
        with Listener(aeron_dir, session, directory, f"speed-{speed}") as listener:
            session.state = "play"
            listener.await_count(count)
            session.wait_ended(TIMEOUT)
    for stream in streams:
        stream.check(listener.payloads(stream.topic))
    return measured(speed, listener.arrivals, batches, {each.topic for each in streams if each.is_file})


def step(
    asking: RecorderClient, aeron_dir: str, batches: Sequence[Batch], directory: Path, first: int, count: int
) -> None:
    """Play batches one by one: with each come exactly the messages that came in it."""
    with (
        asking.open_session(start=batches[first].time_ns, state="pause") as session,
        Listener(aeron_dir, session, directory, "steps") as listener,
    ):
        expected = dict.fromkeys(session.topics, 0)
        for batch in batches[first : first + count]:
            while (session.step().pos_ns or 0) < batch.time_ns:
                pass  # one in which no message ended brings none
            for topic, more in batch.counts.items():
                expected[topic] += more
            listener.await_count(sum(expected.values()))
            found = {topic: len(messages) for topic, messages in listener.arrivals.items()}
            assert found == expected
