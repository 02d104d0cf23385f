"""A media driver, an archive and clients, each of which can be killed and made again."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from aeron_py import AeronError, Archive, ArchiveError, ArchiveServer, BackPressuredError, Client, NotConnectedError
from tests.driver_process import DriverProcess
from tests.faults.recording import BATCH, CHANNEL, TIMEOUT, message, offer
from tests.waiting import wait_until

T = TypeVar("T")

LIVENESS = 4.0
"""Seconds of silence after which one gives the other up here: short, but enough for a cold Java on a busy machine."""

DRIVER: dict[str, Any] = {
    "client_liveness_timeout": LIVENESS,
    "driver_timeout": LIVENESS,
    "image_liveness_timeout": LIVENESS,
    "publication_unblock_timeout": 2 * LIVENESS,
    "publication_connection_timeout": LIVENESS,
    "publication_linger_timeout": 0.5,
    "term_buffer_length": 1 << 16,
    "ipc_term_buffer_length": 1 << 16,
}
ARCHIVE: dict[str, Any] = {
    "timeout": TIMEOUT,
    "segment_file_length": 1 << 18,
    "properties": {"aeron.driver.timeout": str(int(LIVENESS * 1000))},
}


class Place:
    """All that a recording needs, in a fresh directory, with short timeouts; :meth:`close` ends what is left of it.

    Attributes:
        driver: in a process of its own.
        server: the archive, in a process of its own.
        client: of the driver, in this process.
        archive: a session with the archive.
        connect_timeout: of the program that connects to the archive all the time.
        gate: what readers wait for after their first message, so that they are not through before something fails.
    """

    driver: DriverProcess
    server: ArchiveServer
    client: Client
    archive: Archive

    def __init__(self, base: Path) -> None:
        self.aeron_dir = base / "aeron"
        self.archive_dir = base / "archive"
        self.connect_timeout = 3 * LIVENESS
        self.gate = threading.Event()
        self._closing = contextlib.ExitStack()
        self._streams = iter(range(1001, 2000))

    def enter(self, thing: AbstractContextManager[T]) -> T:
        """Close it at the end."""
        return self._closing.enter_context(thing)

    def start(self) -> None:
        """Everything, for the first time or again."""
        self.start_driver()
        self.start_archive()
        self.connect()

    def start_driver(self) -> None:
        self.driver = self.enter(DriverProcess(self.aeron_dir, **DRIVER))

    def start_archive(self, **settings: Any) -> None:
        self.server = self.another_archive(self.archive_dir, **settings)

    def another_archive(self, archive_dir: Path, **settings: Any) -> ArchiveServer:
        """One more on the same driver."""
        while True:
            try:
                return self.enter(ArchiveServer.launch(archive_dir, self.aeron_dir, **{**ARCHIVE, **settings}))
            except ArchiveError as error:
                # A busy machine may not let a cold Java run for longer than the driver waits for it.
                if "service interval exceeded" not in str(error):
                    raise

    def connect(self) -> None:
        """The place's own client and session."""
        self.client = self.new_client()
        self.archive = self.new_session()

    def new_client(self) -> Client:
        return self.enter(Client.connect(self.aeron_dir, driver_timeout=LIVENESS, error_handler=lambda error: None))

    def new_session(self, client: Client | None = None, server: ArchiveServer | None = None) -> Archive:
        context = (server or self.server).archive_context()
        return self.enter(Archive.connect(client or self.client, context, timeout=TIMEOUT))

    def next_stream(self) -> int:
        return next(self._streams)

    def recorded(self, count: int = BATCH) -> Recorded:
        """A stream that is recorded, with so many messages that are confirmed."""
        return Recorded(self, self.client, self.archive, count)

    def goes_on(self, *recorded: Recorded) -> None:
        """What was confirmed can be read back byte for byte, and a new stream is recorded like any."""
        for each in (*recorded, self.recorded()):
            each.check(self.archive)

    def close(self) -> None:
        self.gate.set()
        self._closing.close()


class Recorded:
    """A stream whose every message is known, and how much of it the archive has confirmed.

    Attributes:
        publication: its publisher.
        recording_id: the recording.
        first: the number of the first message in it.
        count: the number after the last message that is confirmed.
        start: where the first message begins.
        position: where the last message ends that is confirmed.
    """

    def __init__(
        self, place: Place, client: Client, archive: Archive, count: int = BATCH, channel: str = CHANNEL
    ) -> None:
        self.place = place
        self.channel = channel
        self.stream_id = place.next_stream()
        self.publication = place.enter(client.add_exclusive_publication(channel, self.stream_id))
        self.count = self.position = 0
        self.record_again(archive, count)

    def record_again(self, archive: Archive, count: int = BATCH) -> None:
        """From here on, into a new recording. It begins with what the one before had not taken any more."""
        self._archive = archive
        self.first, self.start = self.count, self.publication.position
        archive.start_recording(self.channel, self.stream_id)
        self.recording_id = archive.await_recorded(self.publication, timeout=TIMEOUT)
        self.go_on(count)

    def go_on(self, count: int = BATCH, refused: Callable[[], object] | None = None) -> None:
        """So many messages more, until they are confirmed.

        Args:
            count: how many.
            refused: called when none is taken for a second; it raises when there is no use in going on.
        """
        position = self.position
        for number in range(self.count, self.count + count):
            while refused is not None:
                try:
                    position = offer(self.publication, number, 1.0)
                    break
                except (NotConnectedError, BackPressuredError):
                    refused()
            else:
                position = offer(self.publication, number)
        self.recording_id = self._archive.await_recorded(self.publication, position, timeout=TIMEOUT)
        self.count, self.position = self.count + count, position

    def check(self, archive: Archive) -> None:
        """Replay it: each message that was confirmed is as it was."""
        stream_id, length = self.place.next_stream(), self.position - self.start
        with (
            archive.start_replay(self.recording_id, CHANNEL, stream_id, position=self.start, length=length) as replay,
            replay.subscribe() as subscription,
        ):
            replayed = [m.payload for m in subscription.messages(until=self.position, timeout=TIMEOUT)]
        assert replayed == [message(number) for number in range(self.first, self.count)]


class Pending:
    """A call in a thread of its own, whose end is what a test is about."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._call()
        except Exception as error:
            self._error = error

    def join(self, within: float = TIMEOUT) -> bool:
        """Whether it has ended in time."""
        self._thread.join(within)
        return not self._thread.is_alive()

    def ended(self) -> bool:
        """Whether it has ended well, in time."""
        return self.join() and self._error is None

    def ends_with(self, kind: type[AeronError], within: float = TIMEOUT) -> Any:
        """The error that it must end with in time; a hang or another end fails the test."""
        assert self.join(within), f"still waits after {within:g} s"
        if type(self._error) is not kind:
            raise AssertionError(f"ended with {self._error!r}") from self._error
        return self._error


# -- faults


def kill_archive(place: Place) -> None:
    """As ``kill -9``; it is gone then."""
    os.kill(place.server.pid, signal.SIGKILL)
    archive_ends(place)


def archive_ends(place: Place) -> None:
    """Wait until it has ended by itself, as it does when it finds that the driver gave it up or is gone."""
    server = place.server
    wait_until(lambda: not server.is_running, timeout=TIMEOUT, message="the archive ends")


def lost(call: Callable[[], object], kind: type[AeronError], within: float = TIMEOUT) -> Any:
    """Call again and again until it raises just this error; returns it."""
    deadline = time.monotonic() + within
    while True:
        try:
            call()
        except kind as error:
            assert type(error) is kind
            return error
        except AeronError:
            pass
        assert time.monotonic() < deadline, f"no {kind.__name__} within {within:g} s"
        time.sleep(0.005)
