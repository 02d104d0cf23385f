"""What is forced to the disk, and when: after so many bytes, or after some time; the data before what is said of it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aeron_py import Client, ExclusivePublication
from aeron_py.archive.catalog import CATALOG_FILE_NAME, find_recording
from aeron_py.archive.reader import RecordingReader
from aeron_py.recorder.committed import COMMITTED_FILE_NAME, read_committed
from aeron_py.recorder.service import Recorder
from tests.recorder.recorders import TIMEOUT, configured, recordings, told
from tests.streams import send
from tests.waiting import wait_until

KIB = 1024
Open = Callable[[str], contextlib.AbstractContextManager[tuple[Recorder, Client]]]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """A recorder that flushes as told."""

    @contextlib.contextmanager
    def start(more: str) -> Iterator[tuple[Recorder, Client]]:
        with Recorder(configured(tmp_path, more)) as recorder:
            recorder.wait_running(TIMEOUT)
            with Client.connect(recorder.aeron_dir) as client:
                yield recorder, client

    return start


def publication(client: Client, stream_id: int) -> ExclusivePublication:
    added = client.add_exclusive_publication(f"aeron:ipc?alias=pubsub:{stream_id}", stream_id)
    added.await_recorder(TIMEOUT)
    return added


def publish(publication: ExclusivePublication, length: int) -> int:
    position = publication.position
    end = position + length
    while position < end:
        position = send(publication, bytes(1000))
    return position


def committed(archive_dir: Path, stream_id: int) -> int:
    """Up to where the only recording of a stream is safe; each position that is told ends a frame that is there."""
    found = read_committed(archive_dir)
    if found is None:
        return -1
    for recording_id, position in (*found.recordings.items(), (found.journal, found.journal_position)):
        recording = find_recording(archive_dir, recording_id)
        with RecordingReader(archive_dir, recording, limit=position) as reader:
            last = 0
            for batch in reader.batches():
                last = int(batch.positions[-1])
            # Nothing but whole frames: padding may follow the last message.
            assert reader.position == position
            assert last <= position
    (recording,) = recordings(archive_dir, stream_id)
    return found.recordings.get(recording.recording_id, -1)


def test_by_bytes(opened: Open, tmp_path: Path) -> None:
    with opened("flush_frequency: 200KiB\nflush_interval: 0s") as (recorder, client):
        large = publication(client, 10)
        publish(large, 100 * KIB)
        wait_until(lambda: told(recorder, large), TIMEOUT)
        assert read_committed(tmp_path) is None
        end = publish(large, 150 * KIB)
        wait_until(lambda: committed(tmp_path, 10) >= 200 * KIB, TIMEOUT)
        wait_until(lambda: told(recorder, large), TIMEOUT)
        publish(large, 150 * KIB)
        # One that has ended does not count against those that go on.
        large.close()
        wait_until(lambda: not recorder.streams, TIMEOUT)
        keeper = recorder._keeper
        assert keeper is not None
        assert keeper._journal is not None
        small = publication(client, 11)
        publish(small, 210 * KIB)
        wait_until(lambda: committed(tmp_path, 11) > 0, TIMEOUT)
        assert committed(tmp_path, 10) == -1 or committed(tmp_path, 10) > end
        assert keeper._journal.unflushed < 210 * KIB
        small.close()


def test_by_time(opened: Open, tmp_path: Path) -> None:
    with opened("flush_frequency: 0\nflush_interval: 300ms") as (_, client), publication(client, 10) as small:
        for _ in range(3):
            end = send(small, bytes(100))
            wait_until(lambda e=end: committed(tmp_path, 10) == e, TIMEOUT)  # type: ignore[misc]


def test_never(opened: Open, tmp_path: Path) -> None:
    with opened("flush_frequency: 0\nflush_interval: 0s") as (recorder, client), publication(client, 10) as large:
        publish(large, 1000 * KIB)
        wait_until(lambda: told(recorder, large), TIMEOUT)
        assert read_committed(tmp_path) is None
    # At an orderly end all is safe.
    assert committed(tmp_path, 10) == recordings(tmp_path, 10)[0].stop_position


def test_the_data_first(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system calls, in their order: all data, then what is said of it."""
    calls: list[tuple[str, str]] = []
    here = threading.get_ident()

    def watch(name: str, what: Callable[..., str]) -> None:
        real = getattr(os, name)

        def watched(*arguments: Any) -> Any:
            if threading.get_ident() == here:
                calls.append((name, what(*arguments)))
            return real(*arguments)

        monkeypatch.setattr(os, name, watched)

    for sync in ("fdatasync", "fsync"):
        watch(sync, lambda fd: Path(f"/proc/self/fd/{fd}").readlink().name)
    watch("replace", lambda source, target: Path(target).name)
    with opened("flush_frequency: 0\nflush_interval: 0s") as (recorder, client), publication(client, 10) as large:
        publish(large, 150 * KIB)
        wait_until(lambda: told(recorder, large), TIMEOUT)
        keeper = recorder._keeper
        assert keeper is not None
        journal = keeper._journal
        assert journal is not None
        journal.flush()
        (recording,) = recordings(tmp_path, 10)
        segments = [f"{recording.recording_id}-{base * 64 * KIB}.rec" for base in range(3)]
        of_journal = f"{journal.recording_id}-0.rec"
        then = [
            ("fdatasync", CATALOG_FILE_NAME),
            ("fsync", tmp_path.name),
            ("fdatasync", f"{COMMITTED_FILE_NAME}.new"),
            ("replace", COMMITTED_FILE_NAME),
            ("fsync", tmp_path.name),
        ]
        assert calls[-len(then) :] == then
        assert sorted(calls[: -len(then)]) == sorted(("fdatasync", name) for name in (*segments, of_journal))
        # After that only what moved.
        publish(large, 1)
        wait_until(lambda: told(recorder, large), TIMEOUT)
        calls.clear()
        journal.flush()
        assert sorted(calls[: -len(then)]) == sorted(("fdatasync", name) for name in (segments[-1], of_journal))
