"""What the journal is told of recordings that overlap."""

from __future__ import annotations

from typing import Any

from aeron_py import Archive, ArchivingMediaDriver, Client
from aeron_py.recorder.asking import Asking
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.names import TopicName
from aeron_py.recorder.rules import Rules
from aeron_py.recorder.telling import Telling, whole_until
from tests.streams import next_stream, send
from tests.waiting import wait_until

TIMEOUT = 60.0
LONG = 5000
MTU = 1408


def test_cut_off_in_the_middle_of_a_message(node: ArchivingMediaDriver, node_client: Client, archive: Archive) -> None:
    stream_id = next_stream()
    channel = "aeron:ipc?term-length=64k|alias=pubsub:long"
    with node_client.add_exclusive_publication(channel, stream_id) as publication:
        session = f"aeron:ipc?session-id={publication.session_id}"
        archive.start_recording("aeron:ipc", stream_id, timeout=TIMEOUT)
        archive.start_recording(session, stream_id, timeout=TIMEOUT)
        wait_until(lambda: len(archive.list_recordings(stream_id=stream_id, channel="aeron:ipc")) == 2, TIMEOUT)
        wait_until(lambda: publication.is_connected, TIMEOUT)
        ends = [send(publication, bytes(length)) for length in (LONG, 10, LONG)]
        # And on over the end of the term, which is padding.
        while ends[-1] < 1 << 16:
            ends.append(send(publication, bytes(LONG)))
        first, second = (
            each.recording_id for each in archive.list_recordings(stream_id=stream_id, channel="aeron:ipc")
        )
        for each in (first, second):
            wait_until(lambda r=each: archive.get_recording_position(r) == ends[-1], TIMEOUT)  # type: ignore[misc]
        archive.stop_recording("aeron:ipc", stream_id, timeout=TIMEOUT)
        archive.stop_recording(session, stream_id, timeout=TIMEOUT)
        wait_until(lambda: archive.get_stop_position(second) is not None, TIMEOUT)
    term_end = 1 << 16
    before = max(end for end in ends if end < term_end)
    cases = {
        ends[0]: ends[0],
        ends[1]: ends[1],
        ends[1] + MTU: ends[1],
        ends[1] + 2 * MTU: ends[1],
        MTU: 0,
        before: before,
        term_end: term_end,
        term_end + MTU: term_end,
        ends[-1]: ends[-1],
    }
    assert {at: whole_until(node.archive_dir, first, at) for at in cases} == cases

    def told(left_off: int, recording_id: int, opened: int) -> int:
        info: Any = {"topic": "pubsub:long", "channel": channel, "stream_id": stream_id, "session_id": 7}
        known = StreamInfo(recording_id=recording_id, start_position=left_off, **info)
        asking = Asking(node_client, archive, print)
        telling = Telling(node.archive_dir, asking, Rules([]), print, [known])
        telling.open(opened, TopicName.parse("pubsub:long"), channel, (stream_id, 7))
        return telling.recorded[opened].info.start_position

    # Told of by another recording: that message whole. The same recording goes on where it was left off.
    assert told(ends[1] + MTU, first, second) == ends[1]
    assert told(ends[1], first, second) == ends[1]
    assert told(ends[1] + MTU, first, first) == ends[1] + MTU
