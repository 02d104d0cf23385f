"""What was recorded, read on while it comes."""

from __future__ import annotations

from aeron_py import Archive, ArchivingMediaDriver, Client
from aeron_py.recorder.history import History
from tests.archive.streams import CHANNEL, TIMEOUT, new_stream_id, offer, stop_position
from tests.waiting import wait_until


def test_followed_to_the_end_of_a_recording_that_ends_with_half_a_message(
    node: ArchivingMediaDriver, node_client: Client, archive: Archive
) -> None:
    stream_id = new_stream_id()
    archive.start_recording(CHANNEL, stream_id)
    publication = node_client.add_exclusive_publication(CHANNEL, stream_id)
    recording_id = publication.await_recorder(TIMEOUT)
    last = offer(publication, b"last")
    archive.await_recorded(publication, last, timeout=TIMEOUT)
    with History(node.archive_dir, recording_id, follow=True) as history:
        batch = wait_until(history.read_batch, TIMEOUT)
        assert batch.payloads() == [b"last"]
        # As one ends whose publisher's host is lost in the midst of a message.
        half = last + publication.max_payload_length + 32
        archive.await_recorded(publication, offer(publication, bytes(4000)), timeout=TIMEOUT)
        publication.close()
        stop_position(archive, recording_id)
        archive.truncate_recording(recording_id, half)
        assert stop_position(archive, recording_id) == half
        wait_until(lambda: history.read_batch() or history.ended, TIMEOUT)
        assert history.ended
