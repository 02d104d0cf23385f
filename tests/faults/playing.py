"""Numbered messages on a few topics, and what came of them in a session."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import threading
from pathlib import Path

from aeron_py import Client, Subscription
from aeron_py.archive.mark import ArchiveMark
from aeron_py.recorder.playback import RemoteSession
from tests.recorder.recorders import TIMEOUT, history
from tests.streams import send
from tests.waiting import wait_until

TOPICS = {"pubsub:a": 10, "pubsub:b": 11, "log:c": 12}
NUMBER = struct.Struct("<i")


def record(client: Client, archive_dir: Path, count: int, length: int, apart: float = 0.0) -> None:
    """So many numbered messages on each topic, all of which the journal tells of."""
    ends = {}
    with contextlib.ExitStack() as stack:
        publications = {
            topic: stack.enter_context(client.add_exclusive_publication(f"aeron:ipc?alias={topic}", stream_id))
            for topic, stream_id in TOPICS.items()
        }
        for publication in publications.values():
            publication.await_recorder(TIMEOUT)
        pause = threading.Event()
        for number in range(count):
            for topic, publication in publications.items():
                # Some have more than one fragment, so that there are places where no message begins.
                ends[topic] = send(publication, NUMBER.pack(number) + bytes(length if number % 5 else 4 * length))
            pause.wait(apart)
        wait_until(lambda: {t: s[-1][2] for t, s in history(archive_dir).items()} == ends, TIMEOUT, "the journal")


class Heard:
    """What came of each topic of a session, by number."""

    def __init__(self, session: RemoteSession) -> None:
        self.subscriptions: dict[str, Subscription] = {topic: session.subscribe(topic) for topic in TOPICS}
        self.numbers: dict[str, list[int]] = {topic: [] for topic in TOPICS}

    def poll(self, limit: int = 50) -> int:
        """Read so many fragments at most of each topic; how many messages have come of each, at least."""
        for topic, subscription in self.subscriptions.items():
            self.numbers[topic] += [NUMBER.unpack_from(each)[0] for each in subscription.poll_payloads(limit)]
        return min(len(each) for each in self.numbers.values())

    def close(self) -> None:
        """Listen no more."""
        for each in self.subscriptions.values():
            each.close()


def kill_archive(archive_dir: Path) -> None:
    """As ``kill -9``."""
    mark = ArchiveMark.read(archive_dir)
    assert mark is not None
    os.kill(mark.pid, signal.SIGKILL)
