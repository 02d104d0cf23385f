"""Retention: what is too old or too much goes, and nothing that is not stored."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from aeron_py import Client, Publication
from aeron_py.archive.catalog import segment_files
from aeron_py.recorder.service import Recorder
from aeron_py.recorder.volumes import Volumes
from tests.recorder.recorders import TIMEOUT, Events, configured, recordings
from tests.streams import send
from tests.waiting import wait_until

SEGMENT = 64 * 1024


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
                return len([each for each in events if "ended" in each]) >= volumes

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
