"""Real tables on fifty streams, published by programs that do not use this package, recorded and played back."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec

from aeron_py.archive._lock import running_archive
from aeron_py.archive.client import Archive
from aeron_py.archive.server import context_from_mark
from aeron_py.client import Client
from aeron_py.recorder.playback.client import RecorderClient
from aeron_py.recorder.service import Recorder
from tests.interop.java import java_node
from tests.interop.playing import (
    CONFIG,
    TIMEOUT,
    UNWANTED,
    percentile,
    play,
    publish,
    publishers,
    recorded,
    recorded_batches,
    step,
)
from tests.interop.tables import dealt
from tests.recorder.recorders import Process, configured, history, payloads
from tests.streams import send
from tests.waiting import wait_until

BATCHES, PAUSE = 60, 0.04


def test_fifty_streams_of_others(tmp_path: Path) -> None:
    archive_dir = tmp_path / "archive"
    config = tmp_path / "recorder.yaml"
    config.write_text(CONFIG.format(archive_dir=archive_dir))
    streams = dealt(tmp_path, count=50, files=5)
    with Process("record", "--config", str(config)) as recorder:
        aeron_dir = recorder.told["aeron_dir"]
        with publishers(aeron_dir, streams, tmp_path, batches=BATCHES, pause=PAUSE) as programs:
            publish(programs)
        wait_until(lambda: recorded(archive_dir, streams), TIMEOUT, "all recorded")

        told = history(archive_dir)
        assert not set(told) & set(UNWANTED)
        assert sorted(told) == sorted(each.topic for each in streams)
        for stream in streams:
            stream.check(payloads(archive_dir, stream.stream_id))
        batches = recorded_batches(archive_dir)
        apart = [after.time_ns - before.time_ns for before, after in itertools.pairwise(batches)]
        assert sum(each > 0.2 * PAUSE * 1e9 for each in apart) > BATCHES / 12  # pauses are there

        with (
            Client.connect(aeron_dir) as client,
            RecorderClient(client, timeout=TIMEOUT) as asking,
        ):
            once = play(asking, aeron_dir, streams, batches, tmp_path, 1)
            lasted = (batches[-1].time_ns - batches[0].time_ns) / 1e9
            print(once)
            # How exact it is on a quiet machine is asserted by `make soak`: this one may be busy, and record late, too.
            assert 0.8 * lasted < once.seconds
            assert percentile(once.paced_ms, 50) < 500
            tenth = play(asking, aeron_dir, streams, batches, tmp_path, 10)
            print(tenth)
            assert 0.08 * lasted < tenth.seconds
            print(play(asking, aeron_dir, streams, batches, tmp_path, "Unlimited"))
            step(asking, aeron_dir, batches, tmp_path, first=len(batches) // 3, count=40)


def test_what_the_archive_in_a_java_driver_replays_is_not_recorded(tmp_path: Path) -> None:
    """It has no counter of errors of its own, by which other archives are known."""
    with java_node(tmp_path) as (aeron_dir, _):
        archive_dir = tmp_path / "archive"
        wait_until(lambda: running_archive(archive_dir), TIMEOUT)
        config = msgspec.structs.replace(configured(archive_dir), aeron_dir=str(aeron_dir))
        with (
            Recorder(config) as recorder,
            Client.connect(aeron_dir) as client,
            client.add_exclusive_publication("aeron:ipc?alias=pubsub:a", 77) as publication,
        ):
            recorder.wait_running(TIMEOUT)
            publication.await_recorder(TIMEOUT)
            send(publication, b"once")
            wait_until(lambda: recorder.streams, TIMEOUT)
            mark = running_archive(archive_dir)
            assert mark is not None
            with Archive.connect(client, context_from_mark(mark), timeout=TIMEOUT) as archive:
                (recording,) = archive.list_recordings(stream_id=77)
                with archive.replay(recording.recording_id, "aeron:ipc", 78) as replayed:
                    assert next(replayed.messages(timeout=TIMEOUT)).payload == b"once"
                    # What begins later is recorded: so the recorder has looked.
                    with client.add_exclusive_publication("aeron:ipc?alias=pubsub:b", 79) as later:
                        later.await_recorder(TIMEOUT)
                        wait_until(lambda: any(each.stream_id == 79 for each in recorder.streams), TIMEOUT)
                        assert {each.stream_id for each in recorder.streams} == {77, 79}
