"""Recorders, nodes in processes of their own, and what was recorded, for the tests of the service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aeron_py import Publication
from aeron_py.archive.catalog import read_catalog
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.recorder.config import RecorderConfig, load
from aeron_py.recorder.service import Recorder
from aeron_py.recorder.timeindex import TimeIndex
from tests.processes import with_argument
from tests.waiting import wait_until

TIMEOUT = 90.0

CONFIG = """
archive_dir: {archive_dir}
play: false
poll_interval: 50ms
rules:
  - {{topic: "unwanted/**", policy: drop_all}}
  - {{topic: "**"}}
embedded:
  driver: {{term_buffer_length: 64KiB, ipc_term_buffer_length: 64KiB}}
  archive: {{segment_file_length: 64KiB}}
journal: {{term_length: 64KiB}}
"""


def configured(archive_dir: Path, more: str = "") -> RecorderConfig:
    """A configuration that records all but ``unwanted/**``."""
    return load(CONFIG.format(archive_dir=archive_dir) + more)


class Process:
    """``aeron-py`` with some arguments; its first line of output is JSON. It is killed with the block."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", "from aeron_py.cli.app import main; main()", *self._arguments, "--json"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline()
        assert line, f"{self._arguments} ended with {self._process.wait(TIMEOUT)}: {self._process.stderr.read()}"
        self.told: dict[str, Any] = json.loads(line)
        return self

    def kill(self) -> None:
        """As ``kill -9``; an archive that it had started ends with it, a moment later."""
        self._process.kill()
        self._process.wait(TIMEOUT)
        if self._arguments[0] == "up":
            wait_until(lambda: not with_argument(self.told["archive_dir"]), TIMEOUT)

    def terminate(self) -> int:
        """Told to stop; the exit status."""
        self._process.terminate()
        return self._process.wait(TIMEOUT)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.stdout.close()
        self._process.stderr.close()


def recordings(archive_dir: Path, stream_id: int) -> list[RecordingDescriptor]:
    """What the catalog has of a stream."""
    return [each for each in read_catalog(archive_dir) if each.stream_id == stream_id]


def payloads(archive_dir: Path, stream_id: int) -> list[bytes]:
    """All messages recorded of a stream, of all its recordings."""
    found: list[bytes] = []
    for recording in recordings(archive_dir, stream_id):
        with RecordingReader(archive_dir, recording, scan=recording.is_active) as reader:
            for batch in reader.batches():
                found += batch.payloads()
    return found


def history(archive_dir: Path) -> dict[str, list[tuple[int, int, int]]]:
    """By topic: recording id, and from where to where the journals tell of it."""
    with TimeIndex.open(archive_dir) as index:
        end = index.end_ns
        positions = {} if end is None else index.image_at(end).positions
        return {
            topic: [
                (each.recording_id, each.start_position, positions.get(each.index, (0, each.start_position))[1])
                for each in streams
            ]
            for topic, streams in index.topics.items()
        }


def told_payloads(archive_dir: Path, topic: str) -> list[bytes]:
    """The messages of a topic that the journals tell of: what an archive recorded twice is told once."""
    found: list[bytes] = []
    catalog = {each.recording_id: each for each in read_catalog(archive_dir)}
    for recording_id, begin, end in history(archive_dir).get(topic, ()):
        if begin < end:
            with RecordingReader(archive_dir, catalog[recording_id], position=begin, limit=end) as reader:
                for batch in reader.batches():
                    found += batch.payloads()
    return found


def told(recorder: Recorder, publication: Publication) -> bool:
    """Whether the journal tells of all that was published."""
    keeper = recorder._keeper
    assert keeper is not None
    journal = keeper._journal
    assert journal is not None
    index = next((each.index for each in journal.streams if each.session_id == publication.session_id), -1)
    return journal.positions.get(index) == publication.position


class Events(list[str]):
    """What a recorder says."""

    def has(self, text: str) -> Callable[[], bool]:
        """Whether it has said something with this text."""
        return lambda: self.times(text) > 0

    def times(self, text: str) -> int:
        """How often it has said something with this text."""
        return sum(text in each for each in list(self))
