"""What an archive sends to a session: each answer to the call that it is for, signals and late errors kept.

The C thread of the session (``csrc/control.c``) drains the archive's responses into a queue of events, which
:meth:`Incoming.drain` takes.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from aeron_py._error_reading import archive_error, error_from_code
from aeron_py._ffi import check, ffi, lib, text
from aeron_py._owner import Handle
from aeron_py.archive._call import Call, Followed, Request
from aeron_py.archive._control import CREDENTIALS_LIMIT
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.recordings import RecordingSubscription, recording_from_event
from aeron_py.archive.signals import RecordingSignalEvent, signal_from_code
from aeron_py.errors import (
    AeronError,
    ArchiveConnectionError,
    ArchiveError,
    ArchiveErrorCode,
    DriverTimeoutError,
    SettingError,
)

__all__ = ["Incoming"]

_ERROR = 1
_KEPT = 4096


class Incoming:
    """The receiving half of a :class:`~aeron_py.archive.session.Session`. Thread-safe."""

    handle: Handle

    def __init__(self, client: Handle, context: ArchiveContext) -> None:
        self.context = context
        self.archive_id = -1
        self.control_session_id = -1
        self.connected = False
        self.failure: AeronError | None = None
        # A session that lives for months may have nobody who takes these: the oldest go.
        self.signals: deque[RecordingSignalEvent] = deque(maxlen=_KEPT)
        self.late_errors: deque[AeronError] = deque(maxlen=_KEPT)
        self._unreported: deque[AeronError] = deque(maxlen=_KEPT)
        self._lock = threading.RLock()
        self._calls: dict[int, Call[Any]] = {}
        self._listing: Call[Any] | None = None
        self._names: OrderedDict[int, str] = OrderedDict()
        self._forgotten: OrderedDict[int, None] = OrderedDict()
        self._undoing: dict[int, Callable[[int], Request[Any]]] = {}
        self._followed: weakref.WeakValueDictionary[int, Followed] = weakref.WeakValueDictionary()
        self._undone: deque[Request[Any]] = deque()
        self._event = ffi.new("shim_event_t *")
        self._draining = False
        self.on_taken: Callable[[], object] | None = None
        """Called, in the thread that took it, when :meth:`drain` has taken something."""
        self._client = client

    @property
    def where(self) -> str:
        """The archive's address, for messages."""
        return f"{self.context.control_request_channel} stream {self.context.control_request_stream_id}"

    def drain(self) -> None:
        """Take what the archive sent. Runs no handler."""
        with self._lock, self.handle.using("archive") as (_, events):
            if self._draining:
                return  # from a finaliser, in the middle of another drain: an event is valid until the next is taken
            self._draining, taken = True, 0
            try:
                while lib.shim_events_take(events, self._event):
                    taken += 1
                    self._dispatch(self._event)
            finally:
                self._draining = False
                if taken and self.on_taken is not None:
                    self.on_taken()
            dropped = lib.shim_events_dropped(events)
            if dropped:
                self._keep(ArchiveError(f"{dropped} answers and signals of the archive were lost: nobody took them"))
            while self._undone:
                self.send_and_forget(self._undone.popleft())

    def _dispatch(self, event: Any) -> None:
        kind = event.type
        if kind == lib.SHIM_EVENT_ARCHIVE_RESPONSE:
            self._on_response(event)
        elif kind == lib.SHIM_EVENT_ARCHIVE_RECORDING:
            self._on_record(event.id, recording_from_event(event, self.control_session_id))
        elif kind == lib.SHIM_EVENT_ARCHIVE_SUBSCRIPTION:
            channel = text(event.data, event.length)
            self._on_record(event.id, RecordingSubscription(event.relevant_id, event.stream_id, channel))
        elif kind == lib.SHIM_EVENT_ARCHIVE_SIGNAL:
            self._on_signal(event)
        elif kind == lib.SHIM_EVENT_ARCHIVE_CONNECTED:
            self.archive_id, self.control_session_id, self.connected = event.id, event.relevant_id, True
        elif kind == lib.SHIM_EVENT_ARCHIVE_CHALLENGE:
            self._on_challenge(bytes(ffi.buffer(event.data, event.length)))
        elif kind == lib.SHIM_EVENT_ARCHIVE_FAILED:
            self._on_failed(event)

    def _on_signal(self, event: Any) -> None:
        correlation_id = int.from_bytes(ffi.buffer(event.data, event.length), sys.byteorder, signed=True)
        kind = signal_from_code(event.code)
        signal = RecordingSignalEvent(event.id, event.relevant_id, event.position, kind, correlation_id)
        self.signals.append(signal)
        if (followed := self._followed.get(correlation_id)) is not None:
            followed.signals.append(signal)

    def _on_response(self, event: Any) -> None:
        call = self._calls.get(event.id)
        undo = self._undoing.pop(event.id, None)
        if undo is not None and event.code != _ERROR:
            self._undone.append(undo(event.relevant_id))
        if event.code == _ERROR:
            name = self._names.get(event.id, "archive")
            error = archive_error(event.relevant_id, text(event.data, event.length), name, event.id)
            if call is None and (followed := self._followed.get(event.id)) is not None:
                followed.error = error
                self._unreported.append(error)
            elif call is None or call.done or call.abandoned:
                self._end(call)
                if event.id in self._forgotten:
                    self._unreported.append(error)
                else:
                    self._keep(error)
            elif event.relevant_id in call.request.tolerated:
                call.response.refused = event.relevant_id
                self._end(call)
            elif event.relevant_id == ArchiveErrorCode.ACTIVE_LISTING and call.request.alone:
                # The end of a listing that was given up is under way: ask again.
                self._end(call)
                call.done = call.sent = False
            else:
                call.error = error
                self._end(call)
        elif call is not None:
            call.response.relevant_id = event.relevant_id
            if call.request.follow:
                followed = call.response.followed = Followed(event.relevant_id)
                self._followed[event.relevant_id] = followed
            self._end(call)

    def _on_record(self, correlation_id: int, record: Any) -> None:
        call = self._calls.get(correlation_id)
        if call is not None:
            call.response.records.append(record)
            if len(call.response.records) == call.request.expected:
                self._end(call)

    def _on_challenge(self, challenge: bytes) -> None:
        if self.context.on_challenge is None:
            self.failure = ArchiveError(
                f"the archive at {self.where} asks a challenge after these credentials: give the context on_challenge",
                operation="Archive.connect",
                archive_code=ArchiveErrorCode.AUTHENTICATION_REJECTED,
            )
        else:
            answer = bytes(self.context.on_challenge(challenge))
            if len(answer) > CREDENTIALS_LIMIT:
                raise SettingError(f"the answer to a challenge may have {CREDENTIALS_LIMIT} bytes, not {len(answer)}")
            with self.handle.using("Archive.connect") as (control, _):
                check(lib.shim_control_answer_challenge(control, answer, len(answer)), "Archive.connect")

    def _on_failed(self, event: Any) -> None:
        said = text(event.data, event.length)
        if self.connected:
            message = f"the session with the archive at {self.where} is lost ({said}): connect to it anew"
            self.failure = ArchiveConnectionError(message, operation="archive")
        elif event.position:
            self.failure = archive_error(event.code, f"{said} (archive at {self.where})", "Archive.connect", event.id)
        elif event.code:
            self.failure = error_from_code(event.code, said, "Archive.connect")
            if isinstance(self.failure, DriverTimeoutError):
                self.failure.message += f" [{self._client.description}]"
        else:
            self.failure = ArchiveConnectionError(f"no session with {self.where}: {said}", operation="Archive.connect")
        self._undoing.clear()
        for call in list(self._calls.values()):
            call.error = self._lost(call.request.name)
            self._end(call)

    def _lost(self, operation: str) -> AeronError:
        assert self.failure is not None
        return ArchiveConnectionError(self.failure.message, operation=operation)

    def explained(self, error: AeronError) -> AeronError:
        """``error``, or what lies behind it: that the client was closed, or has lost its driver."""
        return self.handle.explain(error.operation) or error

    def send_and_forget(self, request: Request[Any]) -> None:
        """Send a request of which nobody wants to know what became."""
        raise NotImplementedError

    def _end(self, call: Call[Any] | None) -> None:
        if call is not None:
            call.done = True
            self._calls.pop(call.correlation_id, None)
            if self._listing is call:
                self._listing = None
            call.wake.set()

    def _keep(self, error: AeronError) -> None:
        self.late_errors.append(error)
        self._unreported.append(error)
