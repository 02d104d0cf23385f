"""Replications: a recording of another archive, copied into this one for as long as it takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypedDict, TypeVar, Unpack

from aeron_py._waiting import Duration, seconds
from aeron_py.archive import requests
from aeron_py.archive._call import Followed, Request
from aeron_py.archive._replicate_request import replicate
from aeron_py.archive._session_owner import SessionOwner
from aeron_py.archive.signals import RecordingSignal
from aeron_py.errors import AeronError, ArchiveError, ArchiveErrorCode, ReplicationError, TimedOutError
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.archive.session import Session

__all__ = ["Replication"]


class HasSession(Protocol):
    """Either kind of archive."""

    _session: Session


A = TypeVar("A", bound=HasSession)

_SLICE = 0.05
_NOT_LIVE = "cannot live merge"

Begin = Callable[[int | None], Request[Followed]]
"""Makes the request that begins a replication, into a recording here or, with None, into a new one."""


class ReplicationProgress(Generic[A]):
    """What a replication has come to, as the archive's signals tell. The base of both kinds of replications.

    Attributes:
        archive: the session with the archive that receives the copy; another one after ``resume``.
        source_recording_id: the recording that is copied.
        stop_position: where the copy ends, None for all there is.
    """

    def __init__(
        self,
        archive: A,
        begin: Begin,
        followed: Followed,
        *,
        source_recording_id: int,
        recording_id: int | None,
        stop_position: int | None,
    ) -> None:
        self.archive = archive
        self.source_recording_id = source_recording_id
        self.stop_position = stop_position
        self._begin = begin
        self._followed = followed
        self._recording_id = recording_id
        self._was_stopped = False

    @property
    def replication_id(self) -> int:
        """The archive's number for it; another one after ``resume``."""
        return self._followed.id

    @property
    def recording_id(self) -> int | None:
        """The recording that receives the copy; None until the archive has told which."""
        self._look()
        for signal in list(self._followed.signals):
            if signal.recording_id >= 0:
                self._recording_id = signal.recording_id
        return self._recording_id

    @property
    def is_synced(self) -> bool:
        """Whether the copy had all that the source had, or goes on from the live stream itself (SYNC, MERGE)."""
        return self._has(RecordingSignal.SYNC, RecordingSignal.MERGE)

    @property
    def is_merged(self) -> bool:
        """Whether the copy goes on as a recording of the live stream (MERGE)."""
        return self._has(RecordingSignal.MERGE)

    @property
    def has_ended(self) -> bool:
        """Whether the archive has done with it, however that came (REPLICATE_END)."""
        return self._has(RecordingSignal.REPLICATE_END) or self._followed.error is not None

    @property
    def error(self) -> AeronError | None:
        """What the archive says went wrong."""
        self._look()
        return self._followed.error

    def _look(self) -> None:
        # Also who only asks this again and again, and calls nothing, is to hear of what has come meanwhile.
        with contextlib.suppress(AeronError):  # closed: there is no more to come
            self.archive._session.drain()

    def _has(self, *wanted: RecordingSignal) -> bool:
        self._look()
        return any(signal.signal in wanted for signal in list(self._followed.signals))

    @property
    def _is_written(self) -> bool:
        """Whether nothing more is written to the copy by this replication."""
        writes = self._has(RecordingSignal.EXTEND) and not self._has(RecordingSignal.MERGE, RecordingSignal.STOP)
        return self.has_ended and not writes

    def _reached(self, position: int) -> bool:
        return self.stop_position is not None and position >= self.stop_position

    def _raise_if_failed(self, operation: str) -> None:
        error = self._followed.error
        if isinstance(error, ArchiveError):
            # What the archive has no code for is that its source no longer answers; but for one mistake in the asking.
            generic = type(error) is ArchiveError and error.archive_code == ArchiveErrorCode.GENERIC
            lost = generic and _NOT_LIVE not in error.message
            raise (ReplicationError if lost else type(error))(
                error.message,
                operation=operation,
                archive_code=error.archive_code,
                correlation_id=error.correlation_id,
                detail=error.detail,
            )

    def _stopped_error(self, operation: str) -> ArchiveError:
        return ArchiveError(
            f"the replication of {self.source_recording_id} into {self.recording_id} was stopped before it was in "
            "sync: resume it to go on",
            operation=operation,
        )

    def _late(self, operation: str, limit: float) -> TimedOutError:
        state = "has ended" if self.has_ended else "goes on" if self.recording_id is not None else "has not begun"
        return TimedOutError(
            f"the replication of {self.source_recording_id} into {self.recording_id} was not there within {limit:g} s: "
            f"it {state}",
            operation=operation,
        )

    def __repr__(self) -> str:
        state = "synced" if self.is_synced else "ended" if self.has_ended else "under way"
        return f"<{type(self).__name__} of {self.source_recording_id} into {self.recording_id}, {state}>"


class Replication(ReplicationProgress[SessionOwner]):
    """A copy under way, from another archive into this one. Made by :meth:`Archive.replicate`.

    It survives the death of either archive: :meth:`resume` goes on where the copy stopped, and :meth:`await_synced`
    does so by itself. As a context manager it is stopped at the end of the block. Forgetting it does no harm: a copy
    that comes in goes on without it, and without the session.

    Attributes:
        archive: the session with the archive that receives the copy.
        source_recording_id: the recording that is copied.
        stop_position: where the copy ends, None for all there is.
    """

    @property
    def _session(self) -> Session:
        return self.archive._session

    def position(self, *, timeout: Duration | None = None) -> int | None:
        """How far the copy has come, in bytes; None while the archive has not told which recording it is.

        Args:
            timeout: seconds to wait for the archive.
        """
        self._session.drain()
        recording_id = self.recording_id
        if recording_id is None:
            return None
        return self.archive._call(requests.get_max_recorded_position(recording_id), timeout)

    def source_position(self, source: Archive, *, timeout: Duration | None = None) -> int:
        """How far the recording has come that is copied, in bytes.

        Args:
            source: a session with the archive that has it.
            timeout: seconds to wait for that archive.
        """
        return source.get_max_recorded_position(self.source_recording_id, timeout=timeout)

    def await_started(self, timeout: Duration | None = None) -> int:
        """Wait until the archive has told which recording receives the copy.

        Args:
            timeout: seconds to wait; None for as long as it takes.

        Returns:
            The id of the recording.

        Raises:
            ReplicationError: the source was not reached, or went away.
            ArchiveError: the replication failed for another reason.
            TimedOutError: not in time.
        """
        self._wait(lambda: self.recording_id is not None or self.has_ended, timeout, "await_started")
        self._raise_if_failed("await_started")
        assert self.recording_id is not None
        return self.recording_id

    def await_synced(self, timeout: Duration | None = None) -> int:
        """Wait until the copy has all.

        That is what the source had when it stopped, or all up to ``stop_position``; or until it goes on from the live
        stream. A replication that ends before is resumed: the source's recording has stopped, or the source went away.

        Args:
            timeout: seconds to wait; None for as long as it takes.

        Returns:
            The position of the copy then, in bytes.

        Raises:
            ReplicationError: the source was not reached, or went away: call this again when it is back.
            ArchiveError: the replication failed for another reason.
            ArchiveConnectionError: the archive that receives the copy is gone: connect to it anew, and :meth:`resume`.
            TimedOutError: not in time; it goes on.
        """
        operation = "await_synced"
        deadline = None if timeout is None else time.monotonic() + seconds(timeout, "timeout")
        if self._followed.error is not None:
            self.resume()
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            self._wait(lambda: self.is_synced or self._is_written, left, operation)
            self._raise_if_failed(operation)
            position = self.position()
            assert position is not None
            if self.is_synced or self._reached(position):
                return position
            if self._was_stopped:
                raise self._stopped_error(operation)
            self.resume()

    def await_ended(self, timeout: Duration | None = None) -> int | None:
        """Wait until the archive has done with it, however that came.

        Args:
            timeout: seconds to wait; None for as long as it takes.

        Returns:
            The position of the copy then, in bytes; None when there is none.

        Raises:
            ArchiveError: the replication failed.
            TimedOutError: not in time; it goes on.
        """
        self._wait(lambda: self._is_written, timeout, "await_ended")
        self._raise_if_failed("await_ended")
        return self.position()

    def resume(self, archive: Archive | None = None, *, timeout: Duration | None = None) -> None:
        """Go on where the copy stopped. Does nothing while it goes on.

        Args:
            archive: another session with the archive that receives the copy, when the one before is lost.
            timeout: seconds to wait for the archive.

        Raises:
            ArchiveError: the archive refused.
        """
        recording_id = self.recording_id
        if archive is not None:
            self.archive = archive
        elif not self.has_ended:
            return
        self._followed = self.archive._call(self._begin(recording_id), timeout)
        self._was_stopped = False

    def stop(self, *, timeout: Duration | None = None) -> bool:
        """Stop it (``tryStopReplication``); returns whether it went on until then. What was copied stays.

        Args:
            timeout: seconds to wait for the archive.
        """
        self._was_stopped = True
        return self.archive._call(requests.stop_replication(self.replication_id), timeout)

    def _wait(self, done: Callable[[], bool], timeout: Duration | None, operation: str) -> None:
        session, limit = self._session, None if timeout is None else seconds(timeout, "timeout")
        deadline = None if limit is None else time.monotonic() + limit
        session.handle.check_open(operation)
        session.drain()
        while not done():
            if session.failure is not None:
                raise session.lost(operation)
            left = _SLICE if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise self._late(operation, limit or 0.0)
            session.pause(min(left, _SLICE), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.has_ended and not self.archive.closed:
            with contextlib.suppress(AeronError):
                self.stop()


class ReplicateParams(TypedDict, total=False):
    """More arguments of :meth:`Archive.replicate`."""

    live_destination: str | ChannelUri | None
    replication_channel: str | ChannelUri | None
    source_response_channel: str | ChannelUri | None
    channel_tag_id: int | None
    subscription_tag_id: int | None
    file_io_max_length: int | None
    session_id: int | None
    credentials: bytes | None


_C_NAMES = {
    "source_response_channel": "src_response_channel",
    "session_id": "replication_session_id",
    "credentials": "encoded_credentials",
}


def begin_replication(
    source_recording_id: int,
    source_control_channel: str | ChannelUri,
    source_control_stream_id: int,
    *,
    stop_position: int | None,
    **params: Unpack[ReplicateParams],
) -> Begin:
    """What begins a replication with these arguments, the first time and whenever it is resumed."""
    native: dict[str, Any] = {_C_NAMES.get(name, name): value for name, value in params.items()}

    def begin(recording_id: int | None) -> Request[Followed]:
        return replicate(
            source_recording_id,
            source_control_channel,
            source_control_stream_id,
            stop_position=stop_position,
            dst_recording_id=recording_id,
            **native,
        )

    return begin
