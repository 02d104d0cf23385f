"""``aeron-py verify`` on the files of a real archive: sound, damaged, while it runs and when it does not."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import aeron_py as aeron
from aeron_py.archive.verify import verify_archive
from tests.archive.streams import CHANNEL, new_stream_id, offer, record, stop_position
from tests.cli.inside import run_inside
from tests.cli.test_commands import TIMEOUT, run_unread
from tests.nodes import START_TIMEOUT
from tests.waiting import wait_until

SEGMENT = 64 * 1024
FRAME = 1024 + 32


def archived(directory: Path, **settings: Any) -> aeron.ArchivingMediaDriver:
    return aeron.ArchivingMediaDriver.launch(
        directory,
        driver={"term_buffer_length": SEGMENT, "ipc_term_buffer_length": SEGMENT},
        timeout=START_TIMEOUT,
        segment_file_length=SEGMENT,
        **settings,
    )


def verified(directory: Path, *arguments: str, status: int) -> list[dict[str, Any]]:
    done = run_inside("verify", "--archive-dir", str(directory), "--json", *arguments)
    assert done.returncode == status, done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def damage(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_a_real_archive_damaged_in_every_way(tmp_path: Path) -> None:
    with (
        archived(tmp_path) as node,
        aeron.Client.connect(node.aeron_dir) as client,
        aeron.Archive.connect(client, node.archive_context(), timeout=START_TIMEOUT) as archive,
    ):
        recordings = [record(client, archive, new_stream_id(), 300, 1024) for _ in range(4)]
        with archive.add_recorded_exclusive_publication(CHANNEL, new_stream_id()) as publication:
            archive.await_recorded(publication, timeout=TIMEOUT)
            position = 0
            for _ in range(100):
                position = offer(publication, b"x" * 1024)
            active = archive.await_recorded(publication, position, timeout=TIMEOUT)
            told = verified(tmp_path, status=0)
            assert [each["ok"] for each in told] == [True] * 5
            assert [each["messages"] for each in told] == [300] * 4 + [100]
            assert (told[active]["state"], told[active]["stop_position"]) == ("recording", position)

    damage(tmp_path / f"0-{SEGMENT}.rec", 10 * FRAME, bytes(4))
    (tmp_path / f"1-{SEGMENT}.rec").unlink()
    os.truncate(tmp_path / f"2-{2 * SEGMENT}.rec", 5 * FRAME)
    told = verified(tmp_path, status=3)
    lost = [[(each["from_position"], each["to_position"]) for each in one["lost"]] for one in told]
    assert lost == [
        [(SEGMENT + 10 * FRAME, SEGMENT + 11 * FRAME)],
        [(SEGMENT, 2 * SEGMENT)],
        [(2 * SEGMENT + 5 * FRAME, 3 * SEGMENT)],
        [],
        [],
    ]
    done = run_inside("verify", "--archive-dir", str(tmp_path), "0", "3")
    assert done.returncode == 3
    assert f"recording 0: lost {SEGMENT + 10 * FRAME} to {SEGMENT + 11 * FRAME}: nothing was written" in done.stdout
    for arguments in ([], ["--json"]):
        unread = run_unread("verify", "--archive-dir", str(tmp_path), *arguments)
        assert (unread.returncode, unread.stderr) == (3, b""), "nobody reads it, and the status tells it all the same"
    assert recordings[3].length is not None
    assert verified(tmp_path, "3", status=0)[0]["stop_position"] == recordings[3].stop_position
    assert run_inside("verify", "--archive-dir", str(tmp_path), "99").returncode == 1
    assert run_inside("verify", "--archive-dir", str(tmp_path), "--all", "1").returncode == 2


@pytest.mark.parametrize("checksum", ["crc32", "crc32c"])
def test_checksums_and_an_extended_recording(checksum: str, tmp_path: Path) -> None:
    stream_id = new_stream_id()
    with (
        archived(tmp_path, record_checksum=checksum) as node,
        aeron.Client.connect(node.aeron_dir) as client,
        aeron.Archive.connect(client, node.archive_context(), timeout=START_TIMEOUT) as archive,
    ):
        first = record(client, archive, stream_id, 100, 1000)
        channel = aeron.ChannelUri.parse(CHANNEL).with_initial_position(
            first.stop_position, first.initial_term_id, first.term_buffer_length
        )
        with client.add_exclusive_publication(channel, stream_id) as publication:
            archive.extend_recording(first.recording_id, channel, stream_id)
            archive.await_recorded(publication, offer(publication, b"y" * 1000), timeout=TIMEOUT)
    (told,) = verified(tmp_path, status=0)
    assert (told["messages"], told["checksums"]) == (101, [{"crc32": "CRC-32", "crc32c": "CRC-32C"}[checksum]])
    damage(tmp_path / "0-0.rec", 5 * 1056 + 500, b"?")
    (told,) = verified(tmp_path, status=3)
    (lost,) = told["lost"]
    assert (lost["from_position"], lost["to_position"]) == (5 * 1056, 6 * 1056)
    assert "checksum" in lost["reason"]

    # The catalog has a checksum, too: of the last of what it says of a recording.
    catalog = tmp_path / "archive.catalog"
    data = catalog.read_bytes()
    damage(catalog, data.index(b"aeron:ipc"), b"AERON")
    (told,) = verified(tmp_path, status=3)
    assert "checksum" in told["catalog"][0]


def test_a_killed_archive(tmp_path: Path) -> None:
    with (
        archived(tmp_path) as node,
        aeron.Client.connect(node.aeron_dir) as client,
        aeron.Archive.connect(client, node.archive_context(), timeout=START_TIMEOUT) as archive,
        archive.add_recorded_exclusive_publication(CHANNEL, new_stream_id()) as publication,
    ):
        archive.await_recorded(publication, timeout=TIMEOUT)
        position = 0
        for _ in range(100):
            position = offer(publication, b"x" * 1024)
        archive.await_recorded(publication, position, timeout=TIMEOUT)
        os.kill(node.archive_pid, signal.SIGKILL)
        wait_until(lambda: not node.archive_server.is_running)
    (told,) = verified(tmp_path, status=0)
    assert (told["state"], told["messages"], told["stop_position"]) == ("unfinished", 100, position)


def test_a_recording_that_is_purged_before_its_turn(
    node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive
) -> None:
    first = record(node_client, archive, new_stream_id())
    with archive.add_recorded_exclusive_publication(CHANNEL, new_stream_id()) as publication:
        archive.await_recorded(publication, timeout=TIMEOUT)
        position = offer(publication, b"x" * 64)
        purged = archive.await_recorded(publication, position, timeout=TIMEOUT)
        verdicts = verify_archive(node.archive_dir, [first.recording_id, purged, first.recording_id])
        assert next(verdicts).ok
    stop_position(archive, purged)
    archive.purge_recording(purged)
    gone, again = verdicts
    assert (gone.recording_id, gone.messages, gone.ok) == (purged, 0, True)
    assert (again.messages, again.ok) == (20, True)
