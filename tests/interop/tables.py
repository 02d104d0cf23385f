"""Real tables, dealt to streams whose publishers do not use this package."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vega_datasets import local_data

from tests.interop.peer import Planned
from tests.interop.received import stamped

FIRST_STREAM = 2000
_CREATE = struct.Struct("<iiqqi")
_CHUNK = struct.Struct("<iiqqq")


@dataclass
class Published:
    """A stream, and what is published on it.

    Args:
        topic: its alias.
        stream_id: the stream.
        rows: what its publisher has: with a number and a stamp a message each, or one file.
        path: a file of these rows, one a line.
        is_file: whether Aeron's FileSender publishes the file as it is.
    """

    topic: str
    stream_id: int
    rows: Sequence[bytes]
    path: Path
    is_file: bool

    @property
    def channel(self) -> str:
        """Its publisher's."""
        return f"aeron:ipc?term-length=64k|alias={self.topic}"

    def planned(self, heard: bool = True) -> Planned:
        """For the publishers."""
        return Planned(self.stream_id, self.channel, self.path, heard)

    def check(self, payloads: Sequence[bytes]) -> None:
        """These are all messages of the stream: each once, in order, byte for byte."""
        if self.is_file:
            self._check_file(payloads)
            return
        found = [stamped(each) for each in payloads]
        assert [each.number for each in found] == list(range(len(self.rows))), self.topic
        assert [each.row for each in found] == list(self.rows), self.topic
        times = [each.sent_ns for each in found]
        assert times == sorted(times), self.topic

    def _check_file(self, payloads: Sequence[bytes]) -> None:
        content = self.path.read_bytes()
        version, kind, file_id, length, name_length = _CREATE.unpack_from(payloads[0])
        assert (version, kind, length) == (0, 1, len(content)), self.topic
        assert payloads[0][_CREATE.size :] == self.path.name.encode()[:name_length], self.topic
        at = 0
        for payload in payloads[1:]:
            assert _CHUNK.unpack_from(payload) == (0, 2, file_id, at, len(payload) - _CHUNK.size), self.topic
            assert payload[_CHUNK.size :] == content[at : at + len(payload) - _CHUNK.size], self.topic
            at += len(payload) - _CHUNK.size
        assert at == len(content), self.topic


def tables() -> dict[str, list[bytes]]:
    """The tables of ``vega-datasets`` that have a row a line, by name, without their headings."""
    found = {}
    for name in local_data.list_datasets():
        table = getattr(local_data, name.replace("-", "_"))
        lines = table.raw().splitlines()
        if table.filepath.endswith(".csv") and len(lines) > 100:
            found[name] = lines[1:]
    return found


def _dealt(count: int, rows: int) -> Iterator[tuple[str, list[bytes]]]:
    """Names and rows: each table goes to as many streams as its part of all rows."""
    every = tables()
    names = sorted(every, key=lambda name: len(every[name]))
    total = sum(len(each) for each in every.values())
    shares = {name: max(1, len(every[name]) * count // total) for name in names}
    shares[names[-1]] += count - sum(shares.values())
    for name in names:
        for part in range(shares[name]):
            mine = every[name][part :: shares[name]]
            mine = (mine * (rows // len(mine) + 1))[:rows] if rows else mine
            yield f"pubsub:tables/{name}/{part}", mine


def dealt(directory: Path, count: int, files: int, rows: int = 0) -> list[Published]:
    """Streams with the rows of all tables.

    Args:
        directory: for the files.
        count: how many streams.
        files: how many of them are published as files.
        rows: how many each of the others gets, going round; 0 for each row of the tables once.
    """
    found = []
    plain = list(_dealt(count - files, rows))
    whole = sorted(tables().items(), key=lambda each: len(each[1]))[:files]
    for number, (topic, mine) in enumerate([*plain, *((f"pubsub:files/{name}", all_of) for name, all_of in whole)]):
        stream_id = FIRST_STREAM + number
        path = directory / f"{stream_id}.rows"
        path.write_bytes(b"".join(row + b"\n" for row in mine))
        found.append(Published(topic, stream_id, mine, path, is_file=number >= len(plain)))
    return found
