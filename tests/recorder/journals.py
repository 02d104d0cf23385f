"""Journals written by hand: archive directories with journal recordings, and a model of what they say."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec

from aeron_py.recorder.entries import CLOSED_BODY, HEADER, IMAGE_ITEM, MORE, TICK_ITEM, VERSION, EntryKind, StreamInfo
from aeron_py.recorder.journal import JOURNAL_CHANNEL
from tests.recorded_files import SEGMENT_LENGTH, TERM_LENGTH, RecordedFiles, write_catalog

SECOND = 1_000_000_000
NOON = 1_790_000_000 * SECOND


def stream(index: int, topic: str = "", *, start_position: int = 0) -> StreamInfo:
    """A stream to be opened."""
    return StreamInfo(
        index=index,
        topic=topic or f"pubsub:topic/{index % 7}",
        recording_id=1000 + index,
        channel=f"aeron:ipc?alias=pubsub:topic/{index % 7}",
        stream_id=10 + index,
        session_id=-index,
        start_position=start_position,
        rule="everything",
    )


class JournalFiles:
    """One journal as the sampler writes it."""

    def __init__(self, directory: Path, recording_id: int = 0, *, at: int = NOON, **settings: int) -> None:
        self.files = RecordedFiles(directory, recording_id, stream_id=9000, **settings)
        self.time = at
        self.image_position = -1
        self.record_position = -1
        self.open: dict[int, tuple[int, int]] = {}
        self.opened = 0

    def write(self, kind: int, body: bytes, count: int = 1, flags: int = 0) -> int:
        """One entry; where it begins."""
        header = HEADER.pack(kind, VERSION, flags, count, self.time, self.image_position, self.record_position)
        self.files.append(header + body, zlib.crc32(header + body))
        begin = self.files.starts[-1]
        if kind not in (EntryKind.TICK, EntryKind.IMAGE):
            self.record_position = begin
        return begin

    def open_stream(self, info: StreamInfo) -> int:
        body = {name: getattr(info, name) for name in info.__struct_fields__[:7]}
        self.write(EntryKind.OPENED, msgspec.json.encode({**body, "index": self.opened}))
        self.open[self.opened] = (info.start_position, info.start_position)
        self.opened += 1
        return self.opened - 1

    def tick(self, positions: dict[int, int], parts: int = 1) -> None:
        items = list(positions.items())
        most = -(-len(items) // parts)
        for at in range(0, len(items), most):
            part = items[at : at + most]
            flags = MORE if at + most < len(items) else 0
            self.write(EntryKind.TICK, b"".join(TICK_ITEM.pack(*item) for item in part), len(part), flags)
        for index, position in items:
            self.open[index] = (self.open[index][1], position)

    def close_stream(self, index: int) -> None:
        self.write(EntryKind.CLOSED, CLOSED_BODY.pack(index, 0, *self.open.pop(index)))

    def image(self) -> None:
        body = b"".join(IMAGE_ITEM.pack(index, *places) for index, places in self.open.items())
        self.image_position = self.write(EntryKind.IMAGE, body, len(self.open))

    def save(self, *, stopped: bool = True) -> Path:
        return save_all([self], stopped=stopped)


def save_all(journals: list[JournalFiles], *, stopped: bool = True) -> Path:
    """Write the segments and one catalog; ``stopped`` is said of the last journal, the others are."""
    directory = journals[0].files.directory
    for journal in journals:
        journal.files.save()
    last = len(journals) - 1
    write_catalog(
        directory,
        [
            journal.files.descriptor(stopped=stopped or i < last, channel=JOURNAL_CHANNEL)
            for i, journal in enumerate(journals)
        ],
    )
    return directory


class History:
    """Chains of journals by chance, with what each moment looked like."""

    def __init__(self, directory: Path, seed: int, *, runs: int = 3, entries: int = 3000, streams: int = 12) -> None:
        self.random = random.Random(seed)
        self.journals: list[JournalFiles] = []
        self.ticks: list[tuple[int, dict[int, int]]] = []
        self.moments: list[tuple[int, dict[int, tuple[int, int]]]] = []
        self.ends: dict[int, tuple[int, int]] = {}
        at = NOON
        for run in range(runs):
            journal = JournalFiles(directory, run, at=at, term_length=TERM_LENGTH, segment_length=SEGMENT_LENGTH)
            self.journals.append(journal)
            self.run(journal, run << 32, entries, streams)
            at = journal.time + self.random.randrange(1, 100 * SECOND)

    def run(self, journal: JournalFiles, base: int, entries: int, streams: int) -> None:
        journal.image()
        self.moment(journal, base)
        for number in range(entries):
            journal.time += self.random.randrange(1, 3_000_000)
            self.step(journal, base, number, streams)
            if self.random.random() < 0.003:
                journal.time += 1
                journal.image()
            self.moment(journal, base)
        for index, places in journal.open.items():
            self.ends[base + index] = places

    def step(self, journal: JournalFiles, base: int, number: int, streams: int) -> None:
        chance = self.random.random()
        if not journal.open or (chance < 0.01 and len(journal.open) < streams):
            journal.open_stream(stream(journal.opened, start_position=32 * self.random.randrange(5)))
        elif chance < 0.015:
            index = self.random.choice(list(journal.open))
            self.ends[base + index] = journal.open[index]
            journal.close_stream(index)
        elif chance < 0.02:
            journal.write(EntryKind.NOTE, msgspec.json.encode({"note": "test", "number": number}))
        else:
            moving = self.random.sample(list(journal.open), self.random.randint(1, len(journal.open)))
            positions = {index: journal.open[index][1] + 32 * self.random.randint(1, 100) for index in moving}
            journal.tick(positions, self.random.choice([1, 1, 1, 2]))
            self.ticks.append((journal.time, {base + index: position for index, position in positions.items()}))

    def moment(self, journal: JournalFiles, base: int) -> None:
        self.moments.append(
            (journal.time, {**self.ends, **{base + index: places for index, places in journal.open.items()}})
        )

    def at(self, time_ns: int) -> dict[int, tuple[int, int]]:
        """What the image of a time must say."""
        found: dict[int, tuple[int, int]] = {}
        for time, places in self.moments:
            if time > time_ns:
                break
            found = places
        return found

    def save(self, *, stopped: bool = True) -> Path:
        return save_all(self.journals, stopped=stopped)


def header_of(payload: bytes) -> dict[str, Any]:
    """The header of an entry, read without the package."""
    names = ("kind", "version", "flags", "items", "time_ns", "image_position", "record_position")
    return dict(zip(names, struct.unpack_from("<BBHIqqq", payload), strict=True))
