"""When messages came: by the recorder's ticks, and by the stamps of their publishers."""

from __future__ import annotations

import time
from pathlib import Path

from aeron_py import Archive, ArchivingMediaDriver, Client, RecordingReader
from aeron_py.recorder import MessageTimes, Recorder, TimeIndex, load
from tests.recorder.histories import CAMERA, RADAR, TIMEOUT, Recording, stamp_of
from tests.streams import send
from tests.waiting import wait_until

CONFIG = """
archive_dir: {archive_dir}
play: false
poll_interval: 50ms
sample_interval: 20ms
rules:
  - {{topic: "exact/*", stamped: true}}
  - {{topic: "**"}}
"""


def test_times_by_ticks(node: ArchivingMediaDriver, node_client: Client, archive: Archive) -> None:
    recording = Recording(node_client, archive, node.archive_dir, 9000)
    recording.add(CAMERA)
    recording.add(RADAR)
    for number in range(40):
        recording.batch(CAMERA, *([RADAR] if number % 3 == 0 else []), length=3000 if number % 5 == 0 else 10)
    recording.close()
    with TimeIndex.open(node.archive_dir, [recording.writer.recording_id]) as index:
        for topic, every in ((CAMERA, 1), (RADAR, 3)):
            stream = index.topics[topic][0]
            times = MessageTimes(index, stream)
            with RecordingReader(node.archive_dir, stream.recording_id) as reader:
                messages = [message for batch in reader.batches() for message in batch]
            moments = [times.of(message) for message in messages]
            for message, moment, seen in zip(messages, moments, recording.times[::every], strict=True):
                assert moment is not None
                assert stamp_of(message.payload) < moment <= seen
            # Asked for in any order.
            assert [times.of(message) for message in reversed(messages)] == moments[::-1]
            assert times.at(messages[-1].position + 32) is None


def test_times_by_stamps(tmp_path: Path) -> None:
    told: list[int] = []
    with Recorder(load(CONFIG.format(archive_dir=tmp_path))) as recorder:
        recorder.wait_running(TIMEOUT)
        with (
            Client.connect(recorder.aeron_dir) as client,
            client.add_publication("aeron:ipc?alias=pubsub:exact/1|term-length=64k", 10) as exact,
            client.add_publication("aeron:ipc?alias=pubsub:other|term-length=64k", 11) as other,
        ):
            for publication in (exact, other):
                publication.await_recorder(TIMEOUT)
            exact.stamps = True
            for number in range(200):
                told.append(time.time_ns())
                send(exact, b"%d" % number * 500)
                send(other, b"%d" % number)
            told.append(time.time_ns())
            wait_until(lambda: len(recorder.streams) == 2, TIMEOUT)
    with TimeIndex.open(tmp_path) as index:
        streams = {topic: found[0] for topic, found in index.topics.items()}
        assert {topic: stream.stamped for topic, stream in streams.items()} == {
            "pubsub:exact/1": True,
            "pubsub:other": False,
        }
        for stream in streams.values():
            times = MessageTimes(index, stream)
            with RecordingReader(tmp_path, stream.recording_id) as reader:
                moments = [times.of(message) or 0 for batch in reader.batches() for message in batch]
            assert len(moments) == 200
            assert moments == sorted(moments)
            if stream.stamped:
                assert all(told[i] <= moment <= told[i + 1] for i, moment in enumerate(moments))
            else:
                assert all(told[i] <= moment for i, moment in enumerate(moments))
