"""A recorded history to play: messages with the times at which they were sent, in batches apart from each other."""

from __future__ import annotations

import contextlib
import struct
import time
from pathlib import Path

from aeron_py import Archive, Client, ExclusivePublication, Subscription
from aeron_py.recorder import JournalWriter, StreamInfo
from tests.streams import send
from tests.waiting import wait_until

TIMEOUT = 60.0
CAMERA, RADAR, LOG = "pubsub:camera/front", "pubsub:radar", "log:motor"
_STAMP = struct.Struct("<qi")


class Recording:
    """Records topics, with a journal, as a recorder does."""

    def __init__(self, client: Client, archive: Archive, archive_dir: Path, stream_id: int) -> None:
        self.client, self.archive = client, archive
        self.writer = JournalWriter(
            client, archive, stream_id=stream_id, archive_dir=archive_dir, image_frequency=4096, timeout=TIMEOUT
        )
        self.open: dict[str, tuple[ExclusivePublication, int, int]] = {}
        self.sent: dict[str, list[bytes]] = {}
        self.times: list[int] = []
        """After each batch."""
        self._next_stream = stream_id + 1
        self._number = 0

    def add(self, topic: str) -> None:
        """A publisher of a topic, recorded."""
        self._next_stream += 1
        channel = f"aeron:ipc?alias={topic}|term-length=64k"
        publication = self.archive.add_recorded_exclusive_publication(channel, self._next_stream, timeout=TIMEOUT)
        recording_id = self.archive.await_recorded(publication, timeout=TIMEOUT)
        index = self.writer.open_stream(
            StreamInfo(
                topic=topic,
                recording_id=recording_id,
                channel=channel,
                stream_id=self._next_stream,
                session_id=publication.session_id,
            )
        )
        self.open[topic] = publication, recording_id, index

    def remove(self, topic: str) -> None:
        """The publisher ends."""
        publication, recording_id, index = self.open.pop(topic)
        position = publication.position
        self.archive.await_recorded(publication, timeout=TIMEOUT)
        self.archive.stop_recording_publication(publication, timeout=TIMEOUT)
        publication.close()
        wait_until(lambda: self.archive.get_stop_position(recording_id) is not None, TIMEOUT)
        self.writer.close_stream(index, position)

    def batch(self, *topics: str, length: int = 0) -> int:
        """One message on each topic, which stand in one tick or in several that no other batch shares; when."""
        for topic in topics:
            self._number += 1
            message = _STAMP.pack(time.time_ns(), self._number) + bytes(length)
            publication, _, index = self.open[topic]
            position = send(publication, message)
            self.sent.setdefault(topic, []).append(message)
            wait_until(lambda i=index, p=position: self.writer.positions[i] >= p, TIMEOUT)  # type: ignore[misc]
        self.times.append(time.time_ns())
        return self.times[-1]

    def close(self) -> None:
        """All ends."""
        for topic in list(self.open):
            self.remove(topic)
        self.writer.close()


def stamp_of(message: bytes) -> int:
    """When it was sent, nanoseconds since 1970."""
    sent: int = _STAMP.unpack_from(message)[0]
    return sent


class Listeners:
    """Subscriptions, with what came on them so far and when."""

    def __init__(self, subscriptions: dict[str, Subscription]) -> None:
        self._closing = contextlib.ExitStack()
        self._subscriptions = {topic: self._closing.enter_context(each) for topic, each in subscriptions.items()}
        self.got: dict[str, list[bytes]] = {topic: [] for topic in subscriptions}
        self.at: dict[str, list[int]] = {topic: [] for topic in subscriptions}

    def poll(self) -> dict[str, list[bytes]]:
        """Take what came; all of it so far."""
        for topic, subscription in self._subscriptions.items():
            for payload in subscription.poll_payloads():
                self.got[topic].append(payload)
                self.at[topic].append(time.time_ns())
        return self.got

    def await_all(self, expected: dict[str, list[bytes]]) -> None:
        """Wait until all of that came, and nothing else did."""
        for topic in self.got:
            wanted = expected.get(topic, [])
            wait_until(
                lambda t=topic, w=wanted: len(self.poll()[t]) >= len(w),  # type: ignore[misc]
                TIMEOUT,
                f"{topic}: {len(wanted)} messages",
            )
        self.poll()
        for topic, got in self.got.items():
            numbers = [[_STAMP.unpack_from(each)[1] for each in part] for part in (got, expected.get(topic, []))]
            assert numbers[0] == numbers[1], (topic, numbers)
            assert got == expected.get(topic, []), topic

    def forget(self) -> None:
        """What came so far does not count."""
        self.poll()
        for topic in self.got:
            self.got[topic], self.at[topic] = [], []

    def close(self) -> None:
        self._closing.close()

    def __enter__(self) -> Listeners:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
