"""``aeron-py replicate``: what it copies, what it says, and that it goes on when an archive was away."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aeron_py as aeron
from aeron_py.archive.catalog import read_catalog
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.replicator import Replicator, Wanted
from tests.archive.streams import CHANNEL, messages, offer, record
from tests.cli.test_commands import TIMEOUT, command, ready, run, up
from tests.ports import free_port
from tests.waiting import wait_until

COUNT = 3000
SEGMENT = 64 * 1024


@contextlib.contextmanager
def connected(told: dict[str, Any]) -> Iterator[tuple[aeron.Client, aeron.Archive]]:
    context = aeron.ArchiveContext(
        control_request_channel=told["local_control_channel"],
        control_request_stream_id=told["local_control_stream_id"],
    )
    with (
        aeron.Client.connect(told["aeron_dir"]) as client,
        aeron.Archive.connect(client, context, timeout=TIMEOUT) as archive,
    ):
        yield client, archive


def payloads(archive_dir: Path, stream_id: int) -> list[bytes]:
    (recording,) = (each for each in read_catalog(archive_dir) if each.stream_id == stream_id)
    with aeron.RecordingReader(archive_dir, recording) as reader:
        return [bytes(payload) for payload in reader]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("target") / "archive"
    with up("--archive-dir", str(directory), "--json") as process:
        ready(process)
        yield directory


def test_what_is_there_is_not_copied_again(target: Path, tmp_path: Path) -> None:
    with up("--archive-dir", str(tmp_path), "--json") as process:
        told = ready(process)
        with connected(told) as (client, archive):
            recordings = [record(client, archive, stream_id, COUNT) for stream_id in (21, 22, 23)]
        into = ("--archive-dir", str(target))
        done = run("replicate", told["control_channel"], *into, "--stream-id", "22", "--json")
        assert done.returncode == 0, done.stderr
        (copy,) = json.loads(done.stdout)
        assert (copy["source_recording_id"], copy["position"], copy["done"]) == (1, recordings[1].stop_position, True)
        done = run("replicate", told["control_channel"], *into)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("done") == 3
        assert run("replicate", told["control_channel"], *into, "--json").returncode == 0
        unknown = run("replicate", told["control_channel"], "77", *into)
        assert unknown.returncode == 1
        assert "unknown recording" in unknown.stderr
    for stream_id in (21, 22, 23):
        assert payloads(target, stream_id) == messages(COUNT)


@contextlib.contextmanager
def source_of_small_segments(archive_dir: Path) -> Iterator[tuple[aeron.ArchivingMediaDriver, aeron.Archive]]:
    """An archive with segments of one term, and a session with it."""
    with (
        aeron.ArchivingMediaDriver.launch(archive_dir, timeout=TIMEOUT, segment_file_length=SEGMENT) as source,
        aeron.Client.connect(source.aeron_dir) as client,
        aeron.Archive.connect(client, source.archive_context(), timeout=TIMEOUT) as archive,
    ):
        yield source, archive


def test_what_was_purged_is_not_copied_again(target: Path, tmp_path: Path) -> None:
    with source_of_small_segments(tmp_path) as (source, archive):
        copying = ("replicate", source.control_channel, "--archive-dir", str(target), "--stream-id", "41", "--json")

        def copied() -> dict[str, Any]:
            done = run(*copying)
            assert done.returncode == 0, done.stderr
            (copy,) = json.loads(done.stdout)
            assert copy["done"]
            return dict(copy)

        with archive.add_recorded_exclusive_publication(CHANNEL, 41) as publication:
            archive.await_recorded(publication, timeout=TIMEOUT)
            copies = []
            for part in range(3):
                for message in messages(COUNT):
                    position = offer(publication, message)
                recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
                copies.append(copied())
                assert copies[-1]["position"] == position
                archive.purge_segments(recording_id, (part + 1) * SEGMENT)
    (copy,) = (each for each in read_catalog(target) if each.stream_id == 41)
    assert {each["recording_id"] for each in copies} == {copy.recording_id}
    assert (copy.start_position, copy.stop_position) == (0, position)
    assert payloads(target, 41) == messages(COUNT) * 3


def test_a_copy_with_a_gap_is_another_one(target: Path, tmp_path: Path) -> None:
    with source_of_small_segments(tmp_path) as (source, archive):
        copying = ("replicate", source.control_channel, "--archive-dir", str(target), "--stream-id", "42", "--json")
        with archive.add_recorded_exclusive_publication(CHANNEL, 42) as publication:
            archive.await_recorded(publication, timeout=TIMEOUT)
            recording_id = archive.await_recorded(publication, offer(publication, bytes(64)), timeout=TIMEOUT)
            (first,) = json.loads(run(*copying).stdout)
            for message in messages(COUNT):
                position = offer(publication, message)
            archive.await_recorded(publication, position, timeout=TIMEOUT)
            archive.purge_segments(recording_id, SEGMENT)
            (second,) = json.loads(run(*copying).stdout)
    assert (first["start_position"], first["done"]) == (0, True)
    assert second["recording_id"] != first["recording_id"]
    assert (second["start_position"], second["position"], second["done"]) == (SEGMENT, position, True)


def test_of_a_source_that_lacks_a_segment_the_rest_is_told_and_others_are_copied(target: Path, tmp_path: Path) -> None:
    with source_of_small_segments(tmp_path) as (source, archive):
        for stream_id in (43, 44):
            with archive.add_recorded_exclusive_publication(CHANNEL, stream_id) as publication:
                archive.await_recorded(publication, timeout=TIMEOUT)
                for message in messages(COUNT):
                    position = offer(publication, message)
                recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
            wait_until(lambda id=recording_id: archive.get_stop_position(id) is not None, TIMEOUT)  # type: ignore[misc]
        (tmp_path / f"0-{2 * SEGMENT}.rec").unlink()
        copying = ("replicate", source.control_channel, "--archive-dir", str(target))
        done = run(*copying, "--json")
        assert run(*copying, "1").returncode == 0
    assert done.returncode == 3, done.stderr
    assert "the rest of recording 0 can't be copied: ERROR - recording segment file not created" in done.stderr
    lacking, whole = json.loads(done.stdout)
    assert (lacking["done"], lacking["position"]) == (False, 2 * SEGMENT)
    assert f"0-{2 * SEGMENT}.rec" in lacking["problem"]
    assert (whole["done"], whole["problem"]) == (True, None)
    assert payloads(target, 44) == messages(COUNT)


def wanted_of(source: aeron.ArchiveServer) -> Wanted:
    return Wanted(
        source_channel=source.control_channel,
        source_stream_id=source.control_stream_id,
        recording_ids=(),
        channel=None,
        stream_id=None,
        aeron_dir=None,
        response_channel=None,
        follow=False,
        live=None,
        credentials=b"",
        source_credentials=b"",
        timeout=TIMEOUT,
    )


def mark_of(archive_dir: Path) -> ArchiveMark:
    mark = ArchiveMark.read(archive_dir)
    assert mark is not None
    return mark


def wait(timeout: float) -> bool:
    time.sleep(min(timeout, 0.1))
    return False


def test_what_was_deleted_since_it_was_listed(target: Path, tmp_path: Path) -> None:
    with (
        aeron.ArchivingMediaDriver.launch(tmp_path, timeout=TIMEOUT) as source,
        aeron.Client.connect(source.aeron_dir) as client,
        aeron.Archive.connect(client, source.archive_context(), timeout=TIMEOUT) as archive,
    ):
        gone, kept = (record(client, archive, stream_id, COUNT).recording_id for stream_id in (61, 62))

        class Deleting(Replicator):
            def _chosen(self, source: Any) -> Any:
                found = super()._chosen(source)
                archive.purge_recording(gone)
                return found

        replicator = Deleting(wanted_of(source.archive_server), lambda: mark_of(target), wait, print)
        replicator.run(lambda done, total: None)
        assert replicator.is_done
        assert list(replicator.copies) == [kept]
    assert payloads(target, 62) == messages(COUNT)


def test_it_goes_on_when_the_source_was_killed_before_all_was_begun(target: Path, tmp_path: Path) -> None:
    control_channel = f"aeron:udp?endpoint=localhost:{free_port()}"
    with contextlib.ExitStack() as stack:
        driver = stack.enter_context(aeron.MediaDriver.launch())

        def launch() -> aeron.ArchiveServer:
            started = aeron.ArchiveServer.launch(
                tmp_path, driver.aeron_dir, timeout=TIMEOUT, control_channel=control_channel
            )
            return stack.enter_context(started)

        servers = [launch()]
        client = stack.enter_context(aeron.Client.connect(driver.aeron_dir))
        with aeron.Archive.connect(client, servers[0].archive_context(), timeout=TIMEOUT) as archive:
            there, missing = (record(client, archive, stream_id, COUNT).recording_id for stream_id in (51, 52))
        wanted = wanted_of(servers[0])

        class Killing(Replicator):
            def _begin(self, recording: Any, source: Any, target: Any) -> Any:
                if recording.recording_id == missing and len(servers) == 1:
                    servers[0].kill()
                    wait_until(lambda: not servers[0].is_running, TIMEOUT)
                    servers.append(launch())
                return super()._begin(recording, source, target)

        first = dataclasses.replace(wanted, recording_ids=(there,))
        Replicator(first, lambda: mark_of(target), wait, print).run(lambda done, total: None)
        told: list[str] = []
        replicator = Killing(wanted, lambda: mark_of(target), wait, told.append)
        replicator.run(lambda done, total: None)
        assert len(told) == 1
        assert replicator.is_done
        assert {id: copy.done for id, copy in replicator.copies.items()} == {there: True, missing: True}
    for stream_id in (51, 52):
        assert payloads(target, stream_id) == messages(COUNT)


def test_told_to_stop_before_it_has_begun(tmp_path: Path) -> None:
    line = ("replicate", "aeron:udp?endpoint=localhost:1", "--archive-dir", str(tmp_path), "--json")
    with subprocess.Popen(command(*line), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "again in" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            output, _said = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
    assert json.loads(output) == []
    assert process.returncode == 1


def test_it_goes_on_when_the_source_was_killed(target: Path, tmp_path: Path) -> None:
    source = ("--archive-dir", str(tmp_path), "--control-channel", f"aeron:udp?endpoint=localhost:{free_port()}")
    with up(*source, "--json") as process:
        told = ready(process)
        with connected(told) as (client, archive):
            archive.start_recording(CHANNEL, 31)
            publication = client.add_exclusive_publication(CHANNEL, 31)
            wait_until(lambda: publication.is_connected, TIMEOUT)
            for message in messages(COUNT):
                position = offer(publication, message)
            archive.await_recorded(publication, position, timeout=TIMEOUT)
            follow = ("replicate", told["control_channel"], "--archive-dir", str(target), "--follow", "--json")
            with subprocess.Popen(
                command(*follow, "--stream-id", "31", "--timeout", "5"),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as following:
                try:
                    wait_until(lambda: any(each.stream_id == 31 for each in read_catalog(target)), TIMEOUT)
                    process.send_signal(signal.SIGKILL)
                    process.wait(TIMEOUT)
                    assert following.stderr is not None
                    assert "again in" in following.stderr.readline()
                    with up(*source, "--json") as again:
                        ready(again)
                        output, said = following.communicate(timeout=TIMEOUT)
                finally:
                    following.kill()
            publication.close()
    assert following.returncode == 0, said
    (copy,) = json.loads(output)
    assert copy["done"]
    assert copy["position"] == position
    assert payloads(target, 31) == messages(COUNT)
