"""``aeron-py prune``, ``record-stream``, ``top``, ``errors`` and ``loss`` with an archive that runs."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aeron_py as aeron
from aeron_py.archive.prune import Limits, apply_cut, plan_cuts
from aeron_py.archive.stream_recorder import last_stopped
from aeron_py.cli import descriptions
from aeron_py.errors import SettingError
from aeron_py.recorder.filters import RecordingFilter
from tests.archive.streams import CHANNEL, messages, new_stream_id, offer, record, stop_position
from tests.cli.inside import run_inside
from tests.cli.test_commands import TIMEOUT, command, ready, run, run_unread
from tests.driver_process import DriverProcess
from tests.network.relay import Relay
from tests.recorded_files import RecordedFiles, write_catalog
from tests.recorder.recorders import Process
from tests.streams import await_room, send
from tests.waiting import wait_until

SEGMENT = 64 * 1024


def pruned(node: aeron.ArchivingMediaDriver, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
    where = ("--archive-dir", str(node.archive_dir), "--timeout", str(TIMEOUT))
    done = run_inside("prune", *where, "--json", *arguments)
    assert done.returncode == status, done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def test_prune_one_that_goes_on_keeps_its_tail(
    node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive
) -> None:
    with archive.add_recorded_exclusive_publication(CHANNEL, new_stream_id()) as publication:
        archive.await_recorded(publication, timeout=TIMEOUT)
        position = 0
        for message in messages(300, 1024):
            position = offer(publication, message)
        which = str(recording_id := archive.await_recorded(publication, position, timeout=TIMEOUT))
        tail = position // SEGMENT * SEGMENT
        (cut,) = pruned(node, which, "--older-than", "0s", "--dry-run")
        assert (cut["new_start_position"], cut["files"], cut["deleted"]) == (tail, tail // SEGMENT, 0)
        assert archive.get_start_position(recording_id) == 0
        (cut,) = pruned(node, which, "--before", str(2 * SEGMENT + 5), "--yes")
        assert (cut["new_start_position"], cut["deleted"]) == (2 * SEGMENT, 2)
        assert archive.get_start_position(recording_id) == 2 * SEGMENT
        (cut,) = pruned(node, which, "--older-than", "0s", "--yes")
        assert archive.get_start_position(recording_id) == tail
        assert pruned(node, which, "--older-than", "0s", "--yes") == []


def test_prune_by_size(node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive) -> None:
    old, new = (record(node_client, archive, new_stream_id(), 300, 1024) for _ in range(2))
    ids = str(old.recording_id), str(new.recording_id)
    size = old.length
    assert size is not None
    cuts = pruned(node, *ids, "--larger-than", str(2 * SEGMENT), "--dry-run")
    assert [each["recording_id"] for each in cuts] == [old.recording_id, new.recording_id]
    for cut in cuts:
        assert 2 * SEGMENT <= size - cut["bytes"] < 3 * SEGMENT
    # All of the older one and a part of the other: the oldest first.
    first, second = pruned(node, *ids, "--keep-bytes", str(size - SEGMENT), "--yes")
    assert (first["recording_id"], first["new_start_position"]) == (old.recording_id, None)
    assert second["new_start_position"] == SEGMENT
    with pytest.raises(aeron.ArchiveError):
        archive.list_recording(old.recording_id)
    assert archive.get_start_position(new.recording_id) == SEGMENT
    assert pruned(node, ids[1], "--older-than", "1h", "--yes") == []


def test_prune_a_recording_with_nothing_in_it(
    node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive
) -> None:
    recording = record(node_client, archive, new_stream_id(), 0)
    (cut,) = pruned(node, str(recording.recording_id), "--older-than", "0s", "--yes")
    assert (cut["new_start_position"], cut["bytes"]) == (None, 0)
    with pytest.raises(aeron.ArchiveError):
        archive.list_recording(recording.recording_id)


def test_prune_that_nobody_reads(
    node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive
) -> None:
    which = str(record(node_client, archive, new_stream_id(), 300, 1024).recording_id)
    done = run_unread("prune", which, "--older-than", "0s", "--yes", "--archive-dir", str(node.archive_dir))
    assert done.returncode == 0, done.stderr
    with pytest.raises(aeron.UnknownRecordingError):
        archive.list_recording(int(which))


def test_prune_leaves_what_is_replayed(
    node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive
) -> None:
    recording = record(node_client, archive, new_stream_id(), 300, 1024)
    with archive.replay(recording.recording_id, "aeron:ipc", new_stream_id()) as subscription:
        wait_until(lambda: subscription.is_connected, TIMEOUT)
        done = run_inside(
            "prune", str(recording.recording_id), "--older-than", "0s", "-y", "--archive-dir", str(node.archive_dir)
        )
    assert done.returncode == 1
    assert f"recording {recording.recording_id} stays: " in done.stderr
    assert archive.list_recording(recording.recording_id).start_position == 0


def test_prune_beside_another_prune(
    node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive
) -> None:
    whole = record(node_client, archive, new_stream_id(), 200, 1024)
    part = record(node_client, archive, new_stream_id(), 200, 1024)
    with archive.add_recorded_exclusive_publication(CHANNEL, new_stream_id()) as publication:
        archive.await_recorded(publication, timeout=TIMEOUT)
        position = offer(publication, b"x" * 1024)
        active = archive.list_recording(archive.await_recorded(publication, position, timeout=TIMEOUT))
    wait_until(lambda: not archive.list_recording(active.recording_id).is_active, TIMEOUT)
    archive.purge_recording(active.recording_id)
    cuts = plan_cuts(archive, node.archive_dir, [whole, active], Limits(older_than=0), now=time.time() + 60)
    assert [cut.recording_id for cut in cuts] == [whole.recording_id]
    cuts += plan_cuts(archive, node.archive_dir, [part], Limits(before=SEGMENT))
    assert [apply_cut(archive, cut) for cut in cuts] == [cut.files for cut in cuts]
    assert [apply_cut(archive, cut) for cut in cuts] == [0, 0]


def test_listing_what_is_deleted_meanwhile(
    node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive
) -> None:
    kept = record(node_client, archive, stream_id := new_stream_id())
    publication = archive.add_recorded_exclusive_publication(CHANNEL, stream_id)
    deleted = archive.await_recorded(publication, timeout=TIMEOUT)

    class Deleting(RecordingFilter):
        def takes_recording(self, recording: aeron.RecordingDescriptor) -> bool:
            if recording.recording_id == deleted:
                publication.close()
                stop_position(archive, deleted)
                archive.purge_recording(deleted)
            return recording.stream_id == stream_id

    assert [each["recording_id"] for each in descriptions.of_archive(archive, Deleting())] == [kept.recording_id]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--yes"], "give --older-than"),
        (["--before", "64", "--yes"], "give the ids"),
        (["--older-than", "1d"], "nobody can be asked"),
    ],
)
def test_prune_wants_to_be_told(node: aeron.ArchivingMediaDriver, arguments: list[str], said: str) -> None:
    done = run_inside("prune", "--archive-dir", str(node.archive_dir), *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_a_plan_wants_a_limit(node: aeron.ArchivingMediaDriver, archive: aeron.Archive) -> None:
    with pytest.raises(SettingError, match="older_than"):
        plan_cuts(archive, node.archive_dir, [], Limits())


@contextlib.contextmanager
def recording_stream(
    node: aeron.ArchivingMediaDriver, stream_id: int, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """``aeron-py record-stream`` and what it said first."""
    line = ("record-stream", CHANNEL, str(stream_id), "--archive-dir", str(node.archive_dir), "--json", *arguments)
    with subprocess.Popen(command(*line), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, ready(process)
        finally:
            process.kill()


def test_record_a_stream_and_go_on_with_it(
    node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive
) -> None:
    stream_id = new_stream_id()
    with recording_stream(node, stream_id) as (process, told):
        assert told["extends"] is None
        with node_client.add_exclusive_publication(told["publisher_channel"], stream_id) as publication:
            started = ready(process)
            recording_id = started["recording_id"]
            assert (started["event"], started["start_position"]) == ("started", 0)
            position = offer(publication, b"x" * 100)
            archive.await_recorded(publication, position, timeout=TIMEOUT)
            process.send_signal(signal.SIGTERM)
            stopped = ready(process)
            assert (stopped["event"], stopped["recording_id"], stopped["position"]) == (
                "stopped",
                recording_id,
                position,
            )
            assert process.wait(TIMEOUT) == 0
    assert archive.get_stop_position(recording_id) == position

    with recording_stream(node, stream_id, "--extend", "--until-bytes", "200") as (process, told):
        assert told["extends"] == recording_id
        with node_client.add_exclusive_publication(told["publisher_channel"], stream_id) as publication:
            assert publication.position == position
            assert ready(process)["recording_id"] == recording_id
            for _ in range(2):
                end = offer(publication, b"y" * 100)
            assert process.wait(TIMEOUT) == 0
    recording = archive.list_recording(recording_id)
    assert (recording.start_position, recording.stop_position) == (0, end)
    with aeron.RecordingReader(node.archive_dir, recording) as reader:
        assert list(reader) == [b"x" * 100, b"y" * 100, b"y" * 100]


def test_record_a_stream_while_what_has_ended_is_deleted(
    node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive
) -> None:
    stream_id = new_stream_id()
    recording_ids = []
    with recording_stream(node, stream_id) as (process, _told):
        for _ in range(2):
            with node_client.add_exclusive_publication(CHANNEL, stream_id) as publication:
                recording_ids.append(ready(process)["recording_id"])
                position = offer(publication, b"x" * 100)
                archive.await_recorded(publication, position, timeout=TIMEOUT)
            stop_position(archive, recording_ids[-1])
        archive.purge_recording(recording_ids[0])
        process.send_signal(signal.SIGTERM)
        ended = [ready(process) for _ in recording_ids]
        assert [(each["recording_id"], each["position"]) for each in ended] == [
            (each, position) for each in recording_ids
        ]
        assert process.wait(TIMEOUT) == 0


def test_the_last_recording_beside_others_whose_channels_we_do_not_take(tmp_path: Path) -> None:
    descriptors = []
    for recording_id, channel in enumerate(("aeron:ipc?alias=ours", "aeron:ipc?theirs=1")):
        files = RecordedFiles(tmp_path, recording_id)
        files.append(b"x")
        files.save()
        descriptors.append(files.descriptor(channel=channel))
    write_catalog(tmp_path, descriptors)
    with (
        aeron.ArchivingMediaDriver.launch(tmp_path, timeout=TIMEOUT) as other,
        aeron.Client.connect(other.aeron_dir) as client,
        aeron.Archive.connect(client, other.archive_context(), timeout=TIMEOUT) as archive,
    ):
        found = last_stopped(archive, "aeron:ipc?alias=ours", 10)
    assert found is not None
    assert found.recording_id == 0


def test_a_publisher_that_does_not_go_on_there(
    node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive
) -> None:
    stream_id = new_stream_id()
    recording = record(node_client, archive, stream_id)
    with recording_stream(node, stream_id, "--extend") as (process, told):
        assert told["extends"] == recording.recording_id
        with node_client.add_exclusive_publication(CHANNEL, stream_id):
            assert process.wait(TIMEOUT) == 1
        assert process.stderr is not None
        assert "error:" in process.stderr.read()
    assert archive.get_stop_position(recording.recording_id) == recording.stop_position


def test_record_for_a_time(node: aeron.ArchivingMediaDriver) -> None:
    with recording_stream(node, new_stream_id(), "--for", "10ms") as (process, _):
        assert process.wait(TIMEOUT) == 0


def test_top_once(node: aeron.ArchivingMediaDriver, node_client: aeron.Client, archive: aeron.Archive) -> None:
    stream_id = new_stream_id()
    channel = f"{CHANNEL}|alias=pubsub:seen/by/top"
    with archive.add_recorded_exclusive_publication(channel, stream_id) as publication:
        archive.await_recorded(publication, timeout=TIMEOUT)
        position = offer(publication, b"x" * 1000)
        recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
        told = json.loads(run("top", "--json", "--interval", "0.05", "--archive-dir", str(node.archive_dir)).stdout)
        (stream,) = [each for each in told["streams"] if each["stream_id"] == stream_id]
        assert "alias=pubsub:seen/by/top" in stream["channel"]
        assert (stream["position"], stream["lag"], stream["rate"]) == (position, 0, 0.0)
        assert stream["limit"] > position
        (recording,) = [each for each in told["recordings"] if each["recording_id"] == recording_id]
        assert (recording["position"], recording["stream_id"], recording["lag"]) == (position, stream_id, 0)
        assert told["driver"]["alive"]
        assert any("Bytes currently mapped" in each["label"] for each in told["counters"])
        done = run("top", "--interval", "0.05", "--aeron-dir", node.aeron_dir)
        assert done.returncode == 0
        assert "pubsub:seen/by/top" in done.stdout
        unread = run_unread("top", "--interval", "0.05", "--aeron-dir", node.aeron_dir)
        assert (unread.returncode, unread.stderr) == (0, b"")


def test_top_on_a_terminal(node: aeron.ArchivingMediaDriver) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(
        command("top", "--aeron-dir", node.aeron_dir), stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        try:
            os.close(theirs)
            shown = b""

            def shows(text: bytes) -> bool:
                nonlocal shown
                shown += os.read(ours, 1 << 16)
                return text in shown

            wait_until(lambda: shows(b"by rate"), TIMEOUT)
            os.write(ours, b"l")
            wait_until(lambda: shows(b"by lag"), TIMEOUT)
            os.write(ours, b"q")
            with contextlib.suppress(OSError):  # the end of a terminal
                while os.read(ours, 1 << 16):
                    pass
            assert process.wait(TIMEOUT) == 0
        finally:
            process.kill()
            os.close(ours)


def test_errors_and_losses(node: aeron.ArchivingMediaDriver, node_client: aeron.Client, tmp_path: Path) -> None:
    begin = time.time()
    with pytest.raises(aeron.AeronError):
        node_client.add_publication("aeron:udp?endpoint=no.such.host.invalid:4000", new_stream_id())
    where = ("--archive-dir", str(node.archive_dir))
    found = wait_until(lambda: json.loads(run_inside("errors", "--json", *where).stdout), TIMEOUT)
    assert any(each["source"] == "driver" and "no.such.host.invalid" in each["text"] for each in found)
    assert all(each["observations"] >= 1 and each["last_time"] >= each["first_time"] for each in found)
    assert any(each["last_time"] >= begin - 1 for each in found)
    assert "no.such.host.invalid" in run_inside("errors", *where).stdout
    assert "no.such.host.invalid" in run_inside("errors", "--full", *where).stdout
    assert json.loads(run_inside("errors", "--json", "--since", "+1h", *where).stdout) == []
    done = run_inside("loss", *where)
    assert (done.returncode, "nothing was lost" in done.stderr) == (0, True)
    assert json.loads(run_inside("loss", "--json", *where).stdout) == []
    for name in ("errors", "loss"):
        missing = run_inside(name, "--aeron-dir", str(tmp_path), "--archive-dir", str(tmp_path))
        assert missing.returncode == 1, name
        assert "start a driver there" in missing.stderr


def test_a_driver_that_was_killed_is_found_by_its_archive(tmp_path: Path) -> None:
    with Process("up", "--archive-dir", str(tmp_path)) as process:
        process.kill()
    where = ("--archive-dir", str(tmp_path), "--json")
    try:
        told = json.loads(run_inside("top", "--interval", "0.05", *where).stdout)
        assert told["driver"]["aeron_dir"] == process.told["aeron_dir"]
        for name in ("errors", "loss"):
            assert run_inside(name, *where).returncode == 0
    finally:
        shutil.rmtree(process.told["aeron_dir"])


@pytest.mark.parametrize("name", ["top", "loss", "errors"])
def test_where_there_is_no_driver_it_says_how_to_name_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AERON_DIR", str(tmp_path / "default"))
    done = run_inside(name, "--archive-dir", str(tmp_path / "none"), columns=500)
    assert done.returncode == 1
    assert f"no media driver in {tmp_path}/default, and no archive in {tmp_path}/none" in done.stderr
    assert "with --aeron-dir, or that of an archive on it with --archive-dir" in done.stderr


def test_losses_between_two_drivers(tmp_path: Path) -> None:
    count, frame, begin = 50, 1024 + 32, time.time()
    with (
        Relay(loss=0.2) as relay,
        DriverProcess(tmp_path / "a", image_liveness_timeout=TIMEOUT, publication_connection_timeout=TIMEOUT) as a,
        DriverProcess(tmp_path / "b", image_liveness_timeout=TIMEOUT) as b,
        aeron.Client.connect(a.aeron_dir, driver_timeout=TIMEOUT) as publisher,
        aeron.Client.connect(b.aeron_dir, driver_timeout=TIMEOUT) as subscriber,
        aeron.CncFile(b.aeron_dir) as cnc,
        subscriber.add_subscription(relay.subscribe, 7) as subscription,
        publisher.add_exclusive_publication(relay.publish, 7) as publication,
    ):
        await_room(publication)
        for message in messages(count, 1024):
            send(publication, message)
            subscription.poll_payloads()
        # All has come: no more is lost from here on.
        wait_until(
            lambda: not subscription.poll_payloads() and subscription.images[0].position == count * frame, TIMEOUT
        )
        (found,) = cnc.losses()
        where = ("--aeron-dir", b.aeron_dir)
        (told,) = json.loads(run_inside("loss", "--json", *where).stdout)
        heading, row = (line.split() for line in run_inside("loss", *where).stdout.splitlines())
        assert json.loads(run_inside("loss", "--json", "--aeron-dir", a.aeron_dir).stdout) == []
    assert (found.stream_id, found.session_id) == (7, publication.session_id)
    assert (found.channel, found.source) == (relay.subscribe, relay.source)
    # What was lost are whole frames, of at least one each time.
    assert found.bytes_lost % frame == 0
    assert found.bytes_lost // frame >= found.observations > 0
    assert begin - 1 <= found.first_time <= found.last_time <= time.time() + 1
    assert told == {name: getattr(found, name) for name in found.__slots__}
    numbers = [str(each) for each in (found.observations, found.bytes_lost)]
    assert heading[:6] == ["stream", "session", "source", "channel", "times", "bytes"]
    assert row[:6] == ["7", str(found.session_id), relay.source, relay.subscribe, *numbers]
