"""Programs that publish, replay, list or connect, each in a process of its own, to be killed or stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from aeron_py import AeronError, Archive, Client
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.server import context_from_mark
from tests.faults.recording import BATCH, CHANNEL, TIMEOUT, offer

ROOT = Path(__file__).parents[2]
# A client that its driver has given up hears it from the driver or from its own clock, whichever comes first.
GIVEN_UP = (["ClientTimeoutError", "RECONNECT"], ["ConductorServiceTimeoutError", "RECONNECT"])


class Peer:
    """One of them: ``with Peer("publish", ...)``. It tells what it does, and which error ended it, a line each."""

    def __init__(self, role: str, aeron_dir: Path, archive_dir: Path, *arguments: object) -> None:
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.faults.peers", role]
        self._told: dict[str, list[str]] = {}
        self._command = [*command, str(aeron_dir), str(archive_dir), *map(str, arguments)]

    def __enter__(self) -> Peer:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    def told(self, word: str) -> list[str]:
        """Read up to the next line that begins with a word: the words after it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            first, *words = line.split()
            self._told[first] = words
            if first == word:
                return words
        raise AssertionError(f"it ended with {self._process.wait(TIMEOUT)} before it said {word!r}")

    def last(self, word: str) -> list[str]:
        """The last line that begins with a word, of one that was killed: the words after it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):
                first, *words = line.split()
                self._told[first] = words
        return self._told[word]

    def reads_on(self) -> None:
        """Let it read more than the one message that it has read."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def kill(self) -> None:
        """As ``kill -9``."""
        self._process.kill()
        self._process.wait(TIMEOUT)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()


def say(*words: object) -> None:
    print(*words, flush=True)


def publish(client: Client, archive: Archive, stream_id: str) -> None:
    """Records what it publishes, and says what is confirmed of it."""
    with archive.add_recorded_exclusive_publication(CHANNEL, int(stream_id)) as publication:
        archive.await_recorded(publication, timeout=TIMEOUT)
        count = 0
        while True:
            for number in range(count, count + BATCH):
                position = offer(publication, number)
            recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
            count += BATCH
            say("confirmed", recording_id, count, position)


def replay(client: Client, archive: Archive, recording_id: str, stream_id: str) -> None:
    """Replays a recording, up to its first message until it is told to read on."""
    with (
        archive.start_replay(int(recording_id), CHANNEL, int(stream_id)) as replay,
        replay.subscribe() as subscription,
    ):
        read_slowly(subscription.messages(), "replayed")


def listen(client: Client, archive: Archive, stream_id: str) -> None:
    """Subscribes to a live stream, up to its first message until it is told to read on."""
    with client.add_subscription(CHANNEL, int(stream_id)) as subscription:
        say("listens")
        read_slowly(subscription.messages(), "heard")


def read_slowly(messages: Iterator[Any], word: str) -> None:
    for each in messages:
        say(word, each.position)
        sys.stdin.read()  # so it stays at its first message until it is told to read on


def ask(client: Client, archive: Archive) -> None:
    """Lists recordings, without end."""
    while True:
        say("listed", len(archive.list_recordings()))


def connect(client: Client, archive: Archive) -> None:
    """Connects to the archive, without end."""
    while True:
        Archive.connect(client, archive.context, timeout=TIMEOUT).close()
        say("connected")


def main(role: str, aeron_dir: str, archive_dir: str, *arguments: str) -> None:
    mark = ArchiveMark.read(archive_dir)
    assert mark is not None
    work = {"publish": publish, "replay": replay, "listen": listen, "list": ask, "connect": connect}[role]
    try:
        with (
            Client.connect(aeron_dir, error_handler=lambda error: None) as client,
            Archive.connect(client, context_from_mark(mark), timeout=TIMEOUT) as archive,
        ):
            work(client, archive, *arguments)
    except AeronError as error:
        recovery = error.recovery.name
        say("error", type(error).__name__, recovery)


if __name__ == "__main__":
    main(*sys.argv[1:])
