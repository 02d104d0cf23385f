"""The disk is full for a while: who publishes is not held up, nothing that was recorded is lost, and it goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from aeron_py import Client, ExclusivePublication, Subscription
from aeron_py._ffi import last_error, lib
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.verify import verify_archive
from aeron_py.recorder.committed import read_committed
from aeron_py.recorder.config import RecorderConfig
from aeron_py.recorder.entries import EntryKind, decode
from aeron_py.recorder.playback import RecorderClient
from aeron_py.recorder.service import Recorder, RecorderState
from aeron_py.recorder.timeindex import journal_recordings
from tests.recorder.histories import Listeners
from tests.recorder.recorders import TIMEOUT, Events, configured, history, payloads, recordings
from tests.streams import send
from tests.waiting import wait_until

TOPIC, STREAM_ID = "pubsub:a", 10
MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 12 MiB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)


@contextlib.contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Somebody else takes all that is left."""
    path = disk / "of somebody else"
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    yield
    path.unlink()


class Sender:
    """A publisher that has a subscriber of its own, too, which reads at once."""

    def __init__(self, publication: ExclusivePublication, subscription: Subscription) -> None:
        self.publication, self._subscription = publication, subscription
        self.sent: list[bytes] = []
        self.read = 0

    def send(self, messages: int) -> None:
        for _ in range(messages):
            message = struct.pack("<q", len(self.sent)) + bytes(len(self.sent) * 37 % 6000)
            send(self.publication, message)
            self.sent.append(message)
            self.read += len(self._subscription.poll_payloads())


def configuration(archive_dir: Path) -> RecorderConfig:
    config = configured(archive_dir, "flush_interval: 200ms")
    embedded = msgspec.structs.replace(
        config.embedded, archive={**config.embedded.archive, "low_storage_space_threshold": MIB}
    )
    return msgspec.structs.replace(config, play=True, embedded=embedded)


def test_the_disk_is_full_for_a_while(disk: Path) -> None:
    archive_dir, events = disk / "archive", Events()
    with Recorder(configuration(archive_dir), on_event=events.append) as recorder:
        recorder.wait_running(TIMEOUT)
        with (
            Client.connect(recorder.aeron_dir) as client,
            client.add_exclusive_publication(f"aeron:ipc?alias={TOPIC}", STREAM_ID) as publication,
            client.add_subscription("aeron:ipc", STREAM_ID) as subscription,
        ):
            publication.await_recorder(TIMEOUT)
            sender = Sender(publication, subscription)

            def told() -> bool:
                return history(archive_dir).get(TOPIC, [(0, 0, -1)])[-1][2] == publication.position

            sender.send(300)
            wait_until(told, TIMEOUT)
            before = len(sender.sent)
            keeper = recorder._keeper
            assert keeper is not None
            first = keeper._journal
            assert first is not None

            with filled(disk):
                wait_until(lambda: (sender.send(20), events.has(f"{TOPIC} ended")())[-1], TIMEOUT)
                wait_until(events.has("No space left on device"), TIMEOUT)
                wait_until(events.has("low storage threshold"), TIMEOUT)
                # The journal can't be written either.
                with contextlib.suppress(Exception):
                    while True:
                        first.append(EntryKind.NOTE, {"note": "test", "text": "x" * 1000})
                wait_until(lambda: recorder.state is RecorderState.WAITING, TIMEOUT)
                begin = publication.position
                sender.send(500)
                assert publication.position - begin > 20 * 64 * 1024, "far more than its log buffer takes"
                full = len(sender.sent)
                assert recorder.state is RecorderState.WAITING

            wait_until(lambda: recorder.state is RecorderState.RUNNING and bool(recorder.streams), TIMEOUT)
            publication.await_recorder(TIMEOUT)
            after = len(sender.sent)
            sender.send(100)
            wait_until(told, TIMEOUT)
            wait_until(lambda: (sender.send(0), sender.read == len(sender.sent))[-1], TIMEOUT)

            found = payloads(archive_dir, STREAM_ID)
            numbers = [struct.unpack_from("<q", each)[0] for each in found]
            assert found == [sender.sent[number] for number in numbers], "all whole"
            assert numbers == sorted(set(numbers)), "each once, in order"
            assert numbers[:before] == list(range(before)), "what was recorded before is there"
            assert numbers[-100:] == list(range(after, after + 100)), "it goes on"
            assert full - 500 not in numbers

            # And it can be played.
            with (
                RecorderClient(client, timeout=TIMEOUT) as asking,
                asking.open_session(speed="Unlimited") as session,
                Listeners({TOPIC: session.subscribe(TOPIC)}) as listeners,
            ):
                wait_until(lambda: session.topics[TOPIC].listening, TIMEOUT)
                session.state = "play"
                wait_until(lambda: len(listeners.poll()[TOPIC]) >= len(found), TIMEOUT)
                assert listeners.got[TOPIC] == found
    # The journals tell of all that was recorded, and nothing in them is torn.
    told_of = {(recording_id, end) for recording_id, _, end in history(archive_dir)[TOPIC]}
    assert {(each.recording_id, each.stop_position) for each in recordings(archive_dir, STREAM_ID)} <= told_of
    for journal in journal_recordings(archive_dir):
        with RecordingReader(archive_dir, journal) as reader:
            assert all(
                decode(bytes(message.payload), message.reserved_value)
                for batch in reader.batches()
                for message in batch
            )
    committed = read_committed(archive_dir)
    assert committed is not None
    assert committed.journal == journal_recordings(archive_dir)[-1].recording_id
    # What the archive wrote of a block that had no room lies after the end; nothing before it is lost.
    for verdict in verify_archive(archive_dir):
        assert verdict.ok, verdict
        assert all(each.from_position == verdict.stop_position for each in verdict.left_over)


def test_room_is_kept_for_mapped_files(disk: Path) -> None:
    path = disk / "mapped"
    with path.open("wb") as file:
        file.write(b"content")
        file.truncate(4 * MIB)
    assert path.stat().st_blocks * 512 < MIB
    with filled(disk):
        assert lib.shim_reserve(os.fsencode(path)) < 0
        assert "No space left" in str(last_error("reserve"))
    assert lib.shim_reserve(os.fsencode(path)) == 0
    assert path.stat().st_blocks * 512 == path.stat().st_size
    assert path.read_bytes() == b"content".ljust(4 * MIB, b"\0")
    assert lib.shim_reserve(os.fsencode(disk / "no such file")) == 0


def test_an_archive_that_stands_still_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one whose threads have ended, though its process stays."""
    monkeypatch.setattr("aeron_py.archive.mark.LIVENESS_TIMEOUT", 3.0)
    config = configured(tmp_path)
    driver = {**config.embedded.driver, "client_liveness_timeout": 3.0}
    config = msgspec.structs.replace(config, embedded=msgspec.structs.replace(config.embedded, driver=driver))
    events = Events()
    with Recorder(config, on_event=events.append) as recorder:
        recorder.wait_running(TIMEOUT)
        mark = ArchiveMark.read(tmp_path)
        assert mark is not None
        os.kill(mark.pid, signal.SIGSTOP)
        wait_until(events.has("waiting: "), TIMEOUT)
        recorder.wait_running(TIMEOUT)
        again = ArchiveMark.read(tmp_path)
        assert again is not None
        assert again.pid != mark.pid
