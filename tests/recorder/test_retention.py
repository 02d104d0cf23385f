"""Retention: what is too old or too much goes, and nothing that is not stored."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from aeron_py import Client, ExclusivePublication, Publication
from aeron_py.recorder.config import ArchiveCommands, RecorderConfig
from aeron_py.recorder.playback import RecorderClient
from aeron_py.recorder.retention import Retention
from aeron_py.recorder.service import Recorder
from aeron_py.recorder.timeindex import TimeIndex, journal_recordings
from aeron_py.recorder.volumes import Volumes
from tests.recorded_files import segment_files
from tests.recorder.recorders import TIMEOUT, Events, configured, recordings, told
from tests.streams import receive, send
from tests.waiting import wait_until

SEGMENT = 64 * 1024
SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def fill(publication: Publication, segments: int) -> None:
    """Publish more than so many segment files hold."""
    wait_until(lambda: publication.is_connected, TIMEOUT)
    for _ in range(64 * segments + 8):
        send(publication, bytes(1000))


def bases(archive_dir: Path, stream_id: int) -> list[int]:
    return [
        base for each in recordings(archive_dir, stream_id) for base in segment_files(archive_dir, each.recording_id)
    ]


def test_a_rule_keeps_the_newest_of_each_topic(tmp_path: Path) -> None:
    config = configured(tmp_path)
    rules = (msgspec.structs.replace(config.rules[1], topic="small", max_bytes=2 * SEGMENT), config.rules[1])
    with Recorder(msgspec.structs.replace(config, rules=rules)) as recorder:
        recorder.wait_running(TIMEOUT)
        with Client.connect(recorder.aeron_dir) as client:
            small, large = (
                client.add_exclusive_publication(f"aeron:ipc?alias=pubsub:{topic}", stream_id)
                for topic, stream_id in (("small", 10), ("large", 11))
            )
            for publication in (small, large):
                publication.await_recorder(TIMEOUT)
                fill(publication, 6)
            keeper = recorder._keeper
            assert keeper is not None

            def purged() -> bool:
                keeper._retention.apply()
                return bases(tmp_path, 10)[0] > 0

            wait_until(purged, TIMEOUT)
            kept = small.position - recordings(tmp_path, 10)[0].start_position
            assert 2 * SEGMENT <= kept <= 4 * SEGMENT
            assert bases(tmp_path, 11)[0] == 0
            # Old recordings of a topic go as a whole.
            small.close()
            wait_until(lambda: len(recorder.streams) == 1, TIMEOUT)
            with client.add_exclusive_publication("aeron:ipc?alias=pubsub:small", 10) as again:
                again.await_recorder(TIMEOUT)
                fill(again, 6)

                def gone() -> bool:
                    keeper._retention.apply()
                    return [each.session_id for each in recordings(tmp_path, 10)] == [again.session_id]

                wait_until(gone, TIMEOUT)
            large.close()


def test_volumes_go_when_they_are_stored_and_not_before(tmp_path: Path) -> None:
    archive_dir, events = tmp_path / "archive", Events()
    # Stores only when it is allowed to.
    put = [sys.executable, "-c", "import os, sys; sys.exit(not os.path.exists(sys.argv[1]))", str(tmp_path / "allowed")]
    more = (
        "rotate_interval: 1s\nretention: {max_bytes: 1}\n"
        f"archive_cmds: {{put: {msgspec.json.encode(put).decode()}}}\n"
    )
    with Recorder(configured(archive_dir, more), on_event=events.append) as recorder:
        recorder.wait_running(TIMEOUT)
        with (
            Client.connect(recorder.aeron_dir) as client,
            client.add_exclusive_publication("aeron:ipc?alias=pubsub:a", 10) as publication,
        ):
            publication.await_recorder(TIMEOUT)

            def rotated(volumes: int) -> bool:
                send(publication, bytes(1000))
                return events.times("ended") >= volumes

            fill(publication, 3)
            wait_until(lambda: rotated(2), TIMEOUT)
            wait_until(events.has("ended with status 1"), TIMEOUT)
            keeper = recorder._keeper
            assert keeper is not None
            assert keeper._retention.apply() == 0
            assert bases(archive_dir, 10)[0] == 0
            before = Volumes(archive_dir).local()[0].name

            (tmp_path / "allowed").touch()
            wait_until(events.has(f"volume {before} is over its limit: deleted"), TIMEOUT)
            assert bases(archive_dir, 10)[0] > 0
            wait_until(lambda: rotated(4), TIMEOUT)
        # The open volume stays.
        assert recorder.journal_id is not None
    assert recordings(archive_dir, 10)


def with_rule(config: RecorderConfig, **limits: Any) -> RecorderConfig:
    """The same, with limits for the topic ``small``."""
    rules = (msgspec.structs.replace(config.rules[1], topic="small", **limits), config.rules[1])
    return msgspec.structs.replace(config, rules=rules)


def retention(recorder: Recorder) -> Retention:
    keeper = recorder._keeper
    assert keeper is not None
    return keeper._retention


def test_a_rule_keeps_what_is_young(tmp_path: Path) -> None:
    with Recorder(with_rule(configured(tmp_path), max_age=3600.0)) as recorder:
        recorder.wait_running(TIMEOUT)
        with Client.connect(recorder.aeron_dir) as client:

            def publisher(topic: str, stream_id: int) -> ExclusivePublication:
                added = client.add_exclusive_publication(f"aeron:ipc?alias=pubsub:{topic}", stream_id)
                added.await_recorder(TIMEOUT)
                fill(added, 3)
                wait_until(lambda: told(recorder, added), TIMEOUT)
                return added

            publisher("small", 10).close()
            large = publisher("large", 11)
            wait_until(lambda: len(recorder.streams) == 1, TIMEOUT)
            small = publisher("small", 10)
            now = time.time_ns()
            assert retention(recorder).apply(now + 3000 * SECOND) == 0
            assert len(recordings(tmp_path, 10)) == 2
            # All of it is old: the recording that has ended goes whole, of the one that goes on the last file stays.
            assert retention(recorder).apply(now + 4000 * SECOND) > 0
            (left,) = recordings(tmp_path, 10)
            assert left.session_id == small.session_id
            # The archive deletes files one after the other.
            wait_until(lambda: len(bases(tmp_path, 10)) == 1, TIMEOUT)
            assert bases(tmp_path, 10)[0] <= small.position < bases(tmp_path, 10)[0] + SEGMENT
            assert bases(tmp_path, 11)[0] == 0
            # It goes on, and is told of.
            send(small, b"more")
            wait_until(lambda: told(recorder, small), TIMEOUT)
            small.close()
            large.close()


def test_volumes_go_by_their_age(tmp_path: Path) -> None:
    config = configured(tmp_path, "rotate_interval: 1h\nretention: {max_age: 2h}\n")
    with Recorder(config) as recorder:
        recorder.wait_running(TIMEOUT)
        keeper = recorder._keeper
        assert keeper is not None
        with Client.connect(recorder.aeron_dir) as client:
            first, on = (
                client.add_exclusive_publication(f"aeron:ipc?alias=pubsub:{topic}", stream_id)
                for topic, stream_id in (("first", 10), ("on", 11))
            )
            for publication in (first, on):
                publication.await_recorder(TIMEOUT)
                fill(publication, 3)
                wait_until(lambda p=publication: told(recorder, p), TIMEOUT)  # type: ignore[misc]
            first.close()
            wait_until(lambda: len(recorder.streams) == 1, TIMEOUT)
            journal = recorder.journal_id
            keeper.rotate()
            fill(on, 3)
            wait_until(lambda: told(recorder, on), TIMEOUT)
            now = time.time_ns()
            assert retention(recorder).apply(now + HOUR) == 0
            assert retention(recorder).apply(now + 3 * HOUR) > 0
            # The volume, the recording and the journal that are only its own, and what of another one is.
            assert Volumes(tmp_path).known() == []
            assert recordings(tmp_path, 10) == []
            assert journal not in {each.recording_id for each in journal_recordings(tmp_path)}
            wait_until(lambda: bases(tmp_path, 11)[0] > 0, TIMEOUT)
            with TimeIndex.open(tmp_path) as index:
                assert set(index.topics) == {"pubsub:on"}
            # The open one stays, however old.
            assert retention(recorder).apply(now + 1000 * HOUR) == 0
            on.close()


def test_the_limit_of_a_rule_waits_for_what_is_to_be_stored(tmp_path: Path) -> None:
    archive_dir, allowed = tmp_path / "archive", tmp_path / "allowed"
    put = ("sh", "-c", 'test -e "$0"', str(allowed))
    config = with_rule(configured(archive_dir, "rotate_interval: 1h\n"), max_bytes=1)
    config = msgspec.structs.replace(config, archive_cmds=ArchiveCommands(put=put))
    events = Events()
    with Recorder(config, on_event=events.append) as recorder:
        recorder.wait_running(TIMEOUT)
        keeper = recorder._keeper
        assert keeper is not None
        with (
            Client.connect(recorder.aeron_dir) as client,
            client.add_exclusive_publication("aeron:ipc?alias=pubsub:small", 10) as small,
        ):
            small.await_recorder(TIMEOUT)
            fill(small, 3)
            wait_until(lambda: told(recorder, small), TIMEOUT)
            assert retention(recorder).apply() == 0
            keeper.rotate()
            stored = small.position
            fill(small, 3)
            wait_until(lambda: told(recorder, small), TIMEOUT)
            wait_until(events.has("ended with status 1"), TIMEOUT)
            assert retention(recorder).apply() == 0
            assert bases(archive_dir, 10)[0] == 0
            allowed.touch()
            wait_until(events.has("is stored"), TIMEOUT)
            # As far as it is stored, and no further.
            end = stored // SEGMENT * SEGMENT

            def gone() -> bool:
                retention(recorder).apply()
                return bases(archive_dir, 10)[0] == end

            wait_until(gone, TIMEOUT)
            assert retention(recorder).apply() == 0
            assert bases(archive_dir, 10)[0] == end


def test_a_session_that_goes_on_and_on_forgets_what_is_gone(tmp_path: Path) -> None:
    config = configured(tmp_path, "rotate_interval: 1s\nretention: {max_age: 2s}\n")
    with Recorder(msgspec.structs.replace(config, play=True)) as recorder:
        recorder.wait_running(TIMEOUT)
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(Client.connect(recorder.aeron_dir))
            asking = stack.enter_context(RecorderClient(client, timeout=TIMEOUT))
            session = stack.enter_context(asking.open_session(state="tail"))
            played = None
            for number in range(6):
                with client.add_exclusive_publication("aeron:ipc?alias=pubsub:a|term-length=64k", 10) as publication:
                    publication.await_recorder(TIMEOUT)
                    wait_until(lambda: "pubsub:a" in session.topics, TIMEOUT)
                    if played is None:
                        played = stack.enter_context(session.subscribe("pubsub:a"))
                        wait_until(lambda: session.topics["pubsub:a"].listening, TIMEOUT)
                    send(publication, b"%d" % number)
                    # Each recording comes whole, also one that has the place of one that is gone.
                    assert [each.payload for each in receive(played, 1)] == [b"%d" % number]
                if number % 2:
                    wait_until(lambda: session.topics["pubsub:a"].recordings == 0, TIMEOUT, "nothing left of them")
