"""What all parts of :class:`~aeron_py.archive.client.Archive` share: the session, and the one way to call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from aeron_py._owner import Owner
from aeron_py._waiting import Duration, seconds
from aeron_py.archive import requests
from aeron_py.archive._call import Request
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.archive.session import Session
from aeron_py.archive.signals import RecordingSignalEvent
from aeron_py.errors import AeronError, UnknownRecordingError

if TYPE_CHECKING:
    from aeron_py.client import Client

T = TypeVar("T")

_NEAR = 3


class SessionOwner(Owner):
    """A session and its calls."""

    def __init__(
        self,
        client: Client,
        session: Session,
        on_recording_signal: Callable[[RecordingSignalEvent], object] | None = None,
    ) -> None:
        self.client = client
        self.context: ArchiveContext = session.context
        self._session = session
        self._handle = session.handle
        self._on_recording_signal = on_recording_signal
        self.archive_id: int = session.archive_id
        self.control_session_id: int = session.control_session_id

    def _limit(self, timeout: Duration | None) -> float:
        return self.context.message_timeout if timeout is None else seconds(timeout, "timeout")

    def _deliver_signals(self) -> int:
        """Give the signals that came to their handler, in this thread; returns how many."""
        count = 0
        while self._on_recording_signal is not None and self._session.signals:
            try:
                signal = self._session.signals.popleft()
            except IndexError:
                break
            count += 1
            self._on_recording_signal(signal)
        return count

    def _call(self, request: Request[T], timeout: Duration | None = None) -> T:
        limit = self._limit(timeout)
        call = self._session.call(request)
        self._deliver_signals()
        try:
            return self._session.wait(call, limit)
        except UnknownRecordingError as error:
            raise self._with_neighbours(error, request) from None

    def _with_neighbours(self, error: UnknownRecordingError, request: Request[Any]) -> UnknownRecordingError:
        found: list[int] = []
        if (near := neighbours(request)) is not None:
            try:
                call = self._session.call(near, quietly=True)
                found = [record.recording_id for record in self._session.wait(call, self.context.message_timeout)]
            except AeronError:
                found = []
        return with_neighbours(error, request, found)


def neighbours(request: Request[Any]) -> Request[list[RecordingDescriptor]] | None:
    """Asks for the recordings near the one that a request is about; None when it is about none."""
    wanted = request.recording_id
    return None if wanted is None else requests.list_recordings(None, None, max(0, wanted - _NEAR), 2 * _NEAR)


def with_neighbours(error: UnknownRecordingError, request: Request[Any], found: list[int]) -> UnknownRecordingError:
    """The same error with the ids that were found near the one that was asked for."""
    wanted = request.recording_id
    if wanted in found:
        return error  # the archive says "unknown" of one that it knows when its stream is another
    near = f"; ids near {wanted}: {', '.join(map(str, found))}" if found else ""
    message = f"{error.message}: see what there is with list_recordings(){near}"
    return UnknownRecordingError(
        message,
        operation=error.operation,
        archive_code=error.archive_code,
        correlation_id=error.correlation_id,
        detail=error.detail,
    )
