"""A journal of 24 hours: how long it takes to open it, and to find where every stream stood at a time.

``python bench/journal.py`` measures this alone.
"""

from __future__ import annotations

import json
import random
import statistics
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import numpy
from common import Row, Settings

# Behind all else: the package is the one that is installed.
sys.path.append(str(Path(__file__).resolve().parent.parent))
from tests.recorded_files import RecordedFiles, write_catalog

SECOND = 1_000_000_000
BEGIN = 1_790_000_000 * SECOND
HOURS = 24
STREAMS, GROUPS = 48, 16
"""How many, and how many sets of them that move together, in turn."""
TERMS = 1000
TERM, SEGMENT = 1 << 20, 1 << 27
SLOT, IMAGE_SLOTS = 128, 8
"""Bytes of a tick of three streams, with its frame; ticks that take the place of an image."""
IMAGES = 4
"""In a term, so that there is one each 256 KiB, as a recorder writes them."""
TICKS = TERM // SLOT - IMAGES * IMAGE_SLOTS
"""In a term."""
INTERVAL = HOURS * 3600 * SECOND // (TICKS * (TERMS - 1))
MESSAGE = 1056
SEEKS = 200
OPENED, TICK, IMAGE = 1, 3, 4

_TABLE = numpy.array([zlib.crc32(bytes([0xFF ^ i])) ^ 0xFF000000 for i in range(256)], "<u4")
"""Of the CRC-32, byte by byte."""

_TICK = numpy.dtype(
    [
        *[("length", "<i4"), ("version", "u1"), ("flags", "u1"), ("type", "<u2"), ("offset", "<i4")],
        *[("session", "<i4"), ("stream", "<i4"), ("term", "<i4"), ("checksum", "<i8")],
        *[("kind", "u1"), ("format", "u1"), ("more", "<u2"), ("count", "<u4"), ("time", "<i8")],
        *[("image", "<i8"), ("record", "<i8")],
        *[("items", numpy.dtype([("index", "<u4"), ("position", "<i8")]), 3), ("rest", "V28")],
    ]
)
"""A tick of three streams in its frame, as it lies on the disk."""


def checksums(rows: Any) -> Any:
    """The CRC-32 of each row of bytes."""
    crc = numpy.full(len(rows), 0xFFFFFFFF, "<u4")
    for column in range(rows.shape[1]):
        crc = _TABLE[(crc ^ rows[:, column]) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def moves(ticks: int, stream: int) -> int:
    """How often a stream has moved after so many ticks."""
    return (ticks - stream // (STREAMS // GROUPS) + GROUPS - 1) // GROUPS


def positions(ticks: int) -> dict[int, tuple[int, int]]:
    """Where every stream stands after so many ticks, and stood before it moved last."""
    found = {stream: moves(ticks, stream) * MESSAGE for stream in range(STREAMS)}
    return {stream: (max(0, position - MESSAGE), position) for stream, position in found.items()}


def write(directory: Path) -> None:
    """Write it: each term is made at once, since one entry after the other would take minutes."""
    from aeron_py.recorder.journal import JOURNAL_CHANNEL

    files = RecordedFiles(directory, 0, stream_id=9000, term_length=TERM, segment_length=SEGMENT)
    for index in range(STREAMS):
        body = {"index": index, "topic": f"pubsub:bench/{index}", "recording_id": 1 + index}
        body |= {"channel": "aeron:ipc", "stream_id": 10 + index, "session_id": index, "start_position": 0}
        record = files.starts[-1] if files.starts else -1
        payload = struct.pack("<BBHIqqq", OPENED, 1, 0, 1, BEGIN, -1, record) + json.dumps(body).encode()
        files.append(payload, zlib.crc32(payload))
    record = files.starts[-1]
    files.pad(TERM - files.position)
    directory.mkdir(parents=True)
    data = bytearray(bytes(files._segments[0])[:TERM])
    out, base = (directory / "0-0.rec").open("wb"), 0
    with out:
        out.write(data)
    for term in range(1, TERMS):
        if (position := term * TERM) % SEGMENT == 0:
            base = position
        with (directory / f"0-{base}.rec").open("ab") as out:
            out.write(one_term(term, record))
    with (directory / f"0-{base}.rec").open("r+b") as out:
        out.truncate(SEGMENT)
    files.position = TERMS * TERM
    write_catalog(directory, [files.descriptor(channel=JOURNAL_CHANNEL)])


def one_term(term: int, record: int) -> bytes:
    """Images, and ticks between them."""
    part, found, first = TICKS // IMAGES, bytearray(), (term - 1) * TICKS
    for _ in range(IMAGES):
        image = term * TERM + len(found)
        body = b"".join(struct.pack("<Iqq", stream, *at) for stream, at in positions(first).items())
        payload = struct.pack("<BBHIqqq", IMAGE, 1, 0, STREAMS, time_of(first), image_before(image), record) + body
        found += struct.pack(
            "<iBBHiiiiq", 32 + len(payload), 0, 0xC0, 1, len(found), -77, 9000, 7 + term, zlib.crc32(payload)
        )
        found += payload
        found += ticks(part, first, image, len(found), term, record).tobytes()
        first += part
    return bytes(found)


def image_before(image: int) -> int:
    """Where the image before one begins."""
    return -1 if image == TERM else image - TERM // IMAGES


def ticks(count: int, first: int, image: int, offset: int, term: int, record: int) -> Any:
    """Ticks from one on."""
    found = numpy.zeros(count, _TICK)
    number = numpy.arange(first, first + count)
    found["length"], found["flags"], found["type"] = 32 + 32 + 36, 0xC0, 1
    found["offset"] = offset + SLOT * numpy.arange(count)
    found["session"], found["stream"], found["term"] = -77, 9000, 7 + term
    found["kind"], found["format"], found["count"] = TICK, 1, 3
    found["time"] = BEGIN + (number + 1) * INTERVAL
    found["image"], found["record"] = image, record
    each = STREAMS // GROUPS
    for item in range(each):
        found["items"]["index"][:, item] = number % GROUPS * each + item
        found["items"]["position"][:, item] = (number // GROUPS + 1) * MESSAGE
    found["checksum"] = checksums(found.view("u1").reshape(count, SLOT)[:, 32:100])
    return found


def time_of(ticks: int) -> int:
    """When so many ticks are over."""
    return BEGIN + ticks * INTERVAL


def run(settings: Settings) -> list[Row]:
    from aeron_py.recorder import TimeIndex

    chance, opened, seeks = random.Random(24), list[float](), list[float]()
    total = (TERMS - 1) * TICKS
    parent = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="bench-journal-", dir=parent) as temporary:
        directory = Path(temporary) / "archive"
        write(directory)
        for _ in range(settings.rounds):
            start = time.perf_counter()
            with TimeIndex.open(directory) as index:
                ends, known = (index.begin_ns, index.end_ns), len(index.streams)
                opened.append((time.perf_counter() - start) * 1e3)
            if (ends, known) != ((BEGIN, time_of(total)), STREAMS):
                raise RuntimeError(f"the journal is not the one that was written: {ends}, {known} streams")
        with TimeIndex.open(directory) as index:
            for _ in range(SEEKS):
                moment = chance.randrange(time_of(0), time_of(total))
                start = time.perf_counter()
                image = index.image_at(moment)
                seeks.append((time.perf_counter() - start) * 1e3)
                if image.positions != positions((moment - BEGIN) // INTERVAL):
                    raise RuntimeError(f"seek to {moment} found something else than was written")
    seeks.sort()
    size = f"{HOURS} h, {total / 1e6:.1f} M ticks"
    return [
        _row(f"journal of {size}: opened", statistics.median(opened), None),
        _row("journal of 24 h: seek, p50", statistics.median(seeks), None),
        _row("journal of 24 h: seek, p99", seeks[SEEKS * 99 // 100 - 1], 50.0, headline=True),
        _row("journal of 24 h: seek, longest of 200", seeks[-1], 50.0),
    ]


def _row(what: str, ours: float, bound: float | None, *, headline: bool = False) -> Row:
    return Row("Recorder", what, "files", 0, "ms", ours, "", None, True, bound=bound, headline=headline)


if __name__ == "__main__":
    begin = time.monotonic()
    for row in run(Settings()):
        told = "" if row.bound is None else f" (goal {row.bound:g}: {'met' if row.met else 'not met'})"
        print(f"{row.what}: {row.ours:.2f} {row.unit}{told}")
    print(f"{time.monotonic() - begin:.0f} s in all", file=sys.stderr)
