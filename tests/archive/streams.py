"""Streams that tests record."""

from __future__ import annotations

import itertools
import time

from aeron_py.archive.client import Archive
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.client import Client
from aeron_py.errors import OfferError, Recovery
from aeron_py.publication import ExclusivePublication, Publication
from tests.waiting import wait_until

CHANNEL = "aeron:ipc?term-length=64k"
TIMEOUT = 60.0
_stream_ids = itertools.count(2000)


def new_stream_id() -> int:
    """A stream that no other test uses."""
    return next(_stream_ids)


def offer(publication: Publication | ExclusivePublication, data: bytes) -> int:
    """Offer it until it is taken."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return publication.offer(data)
        except OfferError as error:
            if error.recovery is not Recovery.RETRY or time.monotonic() > deadline:
                raise
            time.sleep(0.0005)


def messages(count: int, length: int = 64) -> list[bytes]:
    """Messages that differ."""
    return [number.to_bytes(8, "little") * (length // 8) for number in range(1, count + 1)]


def stop_position(archive: Archive, recording_id: int) -> int:
    """Where a recording has stopped, once it has."""
    wait_until(lambda: archive.get_stop_position(recording_id) is not None)
    position = archive.get_stop_position(recording_id)
    assert position is not None
    return position


def record(
    client: Client, archive: Archive, stream_id: int, count: int = 20, length: int = 64, channel: str = CHANNEL
) -> RecordingDescriptor:
    """Publish and record :func:`messages`, then stop; returns the recording as it then is."""
    subscription_id = archive.start_recording(channel, stream_id)
    with client.add_exclusive_publication(channel, stream_id) as publication:
        position = 0
        for message in messages(count, length):
            position = offer(publication, message)
        recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
    # First its end: while the media driver still has the publication, the next recording of the stream takes it, too.
    stop_position(archive, recording_id)
    archive.stop_recording_subscription(subscription_id)
    return archive.list_recording(recording_id)
