"""The media driver and the archive that a recorder works with: its own, or ones that run anyway."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from aeron_py.archive._lock import running_archive
from aeron_py.archive.client import Archive
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.server import ArchiveServer, context_from_mark
from aeron_py.archive.users import User, read_credentials, read_users
from aeron_py.client import Client
from aeron_py.driver import MediaDriver, driver_info, process_runs
from aeron_py.errors import ArchiveConnectionError, ArchiveError, DriverTimeoutError
from aeron_py.idle import IdleStrategy
from aeron_py.recorder.config import RecorderConfig
from aeron_py.recorder.known import Place, place

__all__ = ["CHECK_EVERY", "EmbeddedNode", "JoinedNode", "Node", "node_of"]

_NAME = "aeron-py recorder"
_START_TIMEOUT = 60.0
_CONNECT_TIMEOUT = 20.0
CHECK_EVERY = 1.0
"""Seconds between two looks whether all is there, however seldom new streams are looked for."""
_SILENCE = 4.0
"""Seconds without a heartbeat, which comes every second, after which a media driver is taken for dead."""
# A recorder is in no hurry to hear of its driver's answers.
_IDLE = IdleStrategy.backoff(max_park=0.016)


class Node:
    """What connects a recorder.

    Args:
        config: of the recorder.
    """

    aeron_dir: str
    """The media driver's directory."""

    def __init__(self, config: RecorderConfig) -> None:
        self._config = config
        self._own: frozenset[Place] = frozenset()

    def start(self) -> None:
        """See that what is needed runs."""

    def check(self) -> None:
        """Raise if something that is needed runs no more."""

    def has_driver_of(self, client: Client) -> bool:
        """Whether the media driver lives that a client is of."""
        return not client.is_closed

    def context(self) -> ArchiveContext:
        """How to reach the archive."""
        raise NotImplementedError

    def own_places(self) -> frozenset[Place]:
        """Where clients ask the archive."""
        return self._own

    def connect(self) -> Client:
        """A client of the media driver.

        Raises:
            DriverTimeoutError: no driver lives there.
        """
        return Client.connect(self.aeron_dir, client_name=_NAME, idle_strategy=_IDLE)

    def connect_archive(self, client: Client) -> Archive:
        """A session with the archive.

        Raises:
            ArchiveError, TimedOutError: it can't be reached.
        """
        context = replace(self.context(), client_name=_NAME)
        return Archive.connect(client, context, timeout=_CONNECT_TIMEOUT)

    def close(self) -> None:
        """End what :meth:`start` has started."""


@contextlib.contextmanager
def _more_prompt(nice: int) -> Iterator[None]:
    """Threads and processes that this thread starts meanwhile have another niceness, if the system lets them."""
    # On Linux it is each thread's own, and inherited.
    thread = threading.get_native_id()
    before = os.getpriority(os.PRIO_PROCESS, thread)
    try:
        os.setpriority(os.PRIO_PROCESS, thread, before + nice)
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, thread, before)


class EmbeddedNode(Node):
    """A media driver inside this process and an archive beside it.

    An archive that ended is started again; so is one whose process stays though nothing in it goes on.
    """

    def __init__(self, config: RecorderConfig) -> None:
        super().__init__(config)
        # As whom it connects when the archive has users: nobody else knows, and nothing writes it down.
        self._credentials = secrets.token_bytes(32)
        self._driver: MediaDriver | None = None
        self._server: ArchiveServer | None = None

    def start(self) -> None:
        with _more_prompt(self._config.embedded.nice):
            self._start()

    def _start(self) -> None:
        embedded = self._config.embedded
        if self._driver is None:
            self._driver = MediaDriver.launch(embedded.aeron_dir, **embedded.driver)
            self.aeron_dir = self._driver.aeron_dir
        if self._server is not None and not self._is_active():
            self._server.kill()
            self._server.close()
            self._server = None
        if self._server is None:
            users = None if embedded.users is None else [*read_users(embedded.users), User(_NAME, self._credentials)]
            self._server = ArchiveServer.launch(
                self._config.archive_dir,
                self.aeron_dir,
                timeout=_START_TIMEOUT,
                users=users,
                java=embedded.java,
                java_options=embedded.java_options,
                **embedded.archive,
            )

    def _is_active(self) -> bool:
        """Whether the archive runs, and has shown that it does."""
        if self._server is None or not self._server.is_running:
            return False
        mark = ArchiveMark.read(self._config.archive_dir)
        return mark is not None and mark.is_active

    def check(self) -> None:
        server = self._server
        if server is None or not server.is_running:
            status = None if server is None else server.exit_status
            raise ArchiveError(f"the archive ended with status {status}", operation="record")

    def context(self) -> ArchiveContext:
        assert self._server is not None
        self._own = _places(self._server.mark())
        return self._server.archive_context(credentials=self._credentials)

    def close(self) -> None:
        server, driver, self._server, self._driver = self._server, self._driver, None, None
        try:
            if server is not None:
                server.close()
        finally:
            if driver is not None:
                driver.close()


class JoinedNode(Node):
    """A media driver and an archive that run anyway, now or later."""

    def __init__(self, config: RecorderConfig) -> None:
        super().__init__(config)
        assert config.aeron_dir is not None
        self.aeron_dir = config.aeron_dir
        self._checked = 0.0
        self._driver: tuple[int, float] | None = None
        self._seen = False
        self._archive: ArchiveMark | None = None

    def check(self) -> None:
        """A client would take ten seconds to notice."""
        now = time.monotonic()
        if now - self._checked >= CHECK_EVERY:
            self._checked = now
            if not self._has_driver():
                raise DriverTimeoutError(f"the media driver in {self.aeron_dir} runs no more", operation="record")
            if self._archive is not None and not process_runs(self._archive.pid):
                raise ArchiveConnectionError(
                    f"the archive in {self._config.archive_dir}, process {self._archive.pid}, runs no more",
                    operation="record",
                )

    def _has_driver(self) -> bool:
        """Whether the driver lives that was there at the last connect, and no later one has taken its place."""
        info = driver_info(self.aeron_dir, _SILENCE)
        if info is None or (info.pid, info.start_time) != self._driver:
            return False
        return process_runs(info.pid) if self._seen else info.alive

    def has_driver_of(self, client: Client) -> bool:
        return super().has_driver_of(client) and self._has_driver()

    def connect(self) -> Client:
        info = driver_info(self.aeron_dir, _SILENCE)
        known = info is not None and (info.pid, info.start_time) == self._driver
        if info is None or not info.alive or (known and not self._has_driver()):
            raise DriverTimeoutError(f"no media driver runs in {self.aeron_dir}", operation="record")
        client = super().connect()
        # A process that can't be seen may be of another container: it is known by its heartbeat alone.
        self._driver, self._seen = (info.pid, info.start_time), process_runs(info.pid)
        return client

    def context(self) -> ArchiveContext:
        settings, directory = self._config.archive, self._config.archive_dir
        file = settings.credentials_file
        credentials = b"" if file is None else partial(read_credentials, file)
        if settings.control_channel is not None:
            self._own = frozenset({place(settings.control_channel, settings.control_stream_id)})
            return ArchiveContext(
                control_request_channel=settings.control_channel,
                control_request_stream_id=settings.control_stream_id,
                control_response_channel=settings.response_channel,
                control_response_stream_id=settings.response_stream_id,
                message_timeout=settings.message_timeout,
                credentials=credentials,
            )
        mark = running_archive(directory)
        if mark is None:
            raise ArchiveConnectionError(f"no archive runs in {Path(directory).absolute()}", operation="record")
        if os.path.realpath(mark.aeron_dir) != os.path.realpath(self.aeron_dir):
            raise ArchiveConnectionError(
                f"the archive in {directory} is on the media driver in {mark.aeron_dir}, not in {self.aeron_dir}",
                operation="record",
            )
        if self._archive is not None and self._archive.start == mark.start and not process_runs(self._archive.pid):
            raise ArchiveConnectionError(
                f"no archive runs in {Path(directory).absolute()}: process {mark.pid} has ended", operation="record"
            )
        self._archive = mark if process_runs(mark.pid) else None
        self._own = _places(mark)
        return replace(context_from_mark(mark, credentials=credentials), message_timeout=settings.message_timeout)


def node_of(config: RecorderConfig) -> Node:
    """What a configuration asks for."""
    return EmbeddedNode(config) if config.aeron_dir is None else JoinedNode(config)


def _places(mark: ArchiveMark) -> frozenset[Place]:
    local = place(mark.local_control_channel, mark.local_control_stream_id)
    return frozenset({local, place(mark.control_channel, mark.control_stream_id)})
