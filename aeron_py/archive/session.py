"""A session with an archive: sends requests, hands each answer to who asked, keeps what nobody asked for.

Whoever waits for an answer takes all events of the session, his own and others'; so any number of threads may wait at
once. Only one of them at a time waits on the queue itself, the others until that one wakes them.

Errors that come when nobody waits for them, because the archive had accepted the request before, are kept: they go to
the error handler, and the next call on the archive raises them.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from aeron_py._ffi import last_error, lib
from aeron_py._owner import Handle
from aeron_py.archive._call import Call, Request
from aeron_py.archive._control import start_control
from aeron_py.archive._incoming import Incoming
from aeron_py.archive.context import ArchiveContext
from aeron_py.errors import AeronError, ArchiveConnectionError, TimedOutError

T = TypeVar("T")

_SLICE = 0.05
_RETRY = 0.0005
# At the end, for answers to what has to be taken back.
_LAST_ANSWERS = 1.0
_REMEMBERED = 1024
_log = logging.getLogger("aeron_py.archive")

_STAGES = {
    lib.SHIM_CONTROL_ADDING: "the media driver did not set up the channels",
    lib.SHIM_CONTROL_AWAITING_ARCHIVE: "no archive listens there: see that it runs, and there",
    lib.SHIM_CONTROL_CONNECTING: "the archive is there but did not answer: see that it can reach the response channel",
    lib.SHIM_CONTROL_CHALLENGED: "the answer to the archive's challenge could not be sent",
    lib.SHIM_CONTROL_IDENTIFYING: "the archive accepted the session but did not tell its id",
}


class Session(Incoming):
    """One control session. Thread-safe.

    Args:
        client: the handle of the Aeron client.
        context: how to reach the archive.
        error_handler: told of each error that nobody waits for, in the thread of a later call.
    """

    def __init__(
        self, client: Handle, context: ArchiveContext, error_handler: Callable[[AeronError], object] | None = None
    ) -> None:
        super().__init__(client, context)
        self._error_handler = error_handler
        self._reader = threading.Lock()
        self.handle = self._start()

    @property
    def fd(self) -> int:
        """A descriptor that is readable while there is something to :meth:`drain`."""
        with self.handle.using("wait") as (_, events):
            return int(lib.shim_events_fd(events))

    def _start(self) -> Handle:
        with self._client.using("Archive.connect") as client:
            pointers = start_control(client, self.context)
            return Handle(f"archive session {self.where}", pointers, _release, parent=self._client)

    # -- connecting

    def poll_connected(self) -> bool:
        """Whether the session is there by now.

        Raises:
            ArchiveError: the archive refused.
        """
        self.drain()
        if self.failure is not None:
            raise self.explained(self.failure)
        return self.connected

    def connect(self, timeout: float) -> None:
        """Wait until the session is there."""
        deadline = time.monotonic() + timeout
        while not self.poll_connected():
            left = deadline - time.monotonic()
            if left <= 0:
                raise self.connect_timed_out(timeout)
            self.pause(min(left, _SLICE), None)

    def connect_timed_out(self, timeout: float) -> TimedOutError:
        """The error that tells how far the connect came."""
        with self.handle.using("Archive.connect") as (control, _):
            stage = lib.shim_control_stage(control)
        return TimedOutError(
            f"no session with an archive at {self.where} within {timeout:g} s: {_STAGES.get(stage, 'it failed')}",
            operation="Archive.connect",
        )

    def pause(self, seconds: float, wake: threading.Event | None) -> None:
        """Wait until the archive sent something, at most ``seconds``, and take it."""
        if not self._reader.acquire(blocking=False):
            if wake is None:
                time.sleep(min(seconds, _RETRY))
            elif wake.wait(seconds):
                wake.clear()
            return
        try:
            with self.handle.using("archive") as (_, events):
                lib.shim_events_wait(events, int(min(seconds, _SLICE) * 1e9))
            self.drain()
        finally:
            self._reader.release()
            with self._lock:
                for call in self._calls.values():
                    call.wake.set()

    # -- calls

    def call(self, request: Request[T], *, quietly: bool = False) -> Call[T]:
        """Begin a request: :meth:`step` it until it is done, then take its result.

        Args:
            request: what to ask for.
            quietly: leave late errors for another call to raise.

        Raises:
            ArchiveError: a late error of an earlier request; or the session is lost.
        """
        self.handle.check_open(request.name)
        self.drain()
        if not quietly:
            self.raise_late(request.name)
        if self.failure is not None:
            raise self.lost(request.name)
        return Call(request)

    def raise_late(self, operation: str) -> None:
        """Tell the error handler what came late, and raise the first that no call has raised yet."""
        self.report()
        if self.late_errors:
            raise self.late_errors.popleft()

    def take_late(self) -> list[AeronError]:
        """Tell the error handler what came late, and hand out all that no call has raised yet."""
        self.report()
        return [self.late_errors.popleft() for _ in range(len(self.late_errors))]

    def check(self, operation: str) -> None:
        """Raises what came late, or that the session is lost."""
        self.drain()
        self.raise_late(operation)
        if self.failure is not None:
            raise self.lost(operation)

    def lost(self, operation: str) -> AeronError:
        """Why this session can't be used any more."""
        return self.explained(self._lost(operation))

    def step(self, call: Call[Any]) -> bool:
        """Send the call's request if that is not done yet, and take what came. Whether the call is done."""
        self.drain()
        if not call.done and not call.sent:
            with self._lock:
                self._send(call)
        return call.done

    def _send(self, call: Call[Any]) -> None:
        if self.failure is not None:
            call.error, call.done = self._lost(call.request.name), True
            return
        if call.request.alone and self._listing not in (None, call):
            return
        with self.handle.using(call.request.name) as (control, _), self._client.using(call.request.name) as client:
            call.correlation_id = lib.aeron_next_correlation_id(client)
            result = call.request.send(control, call.correlation_id)
            if result < 0:
                error = last_error(call.request.name)
        if result < 0:
            # Not connected any more: the session's thread tells why, in a moment.
            said = "the archive ended the session, or is gone" if error.code == errno.ENOTCONN else error.message
            message = f"the session with the archive at {self.where} is lost ({said}): connect to it anew"
            self.failure = self.failure or ArchiveConnectionError(message, operation="archive")
            call.error, call.done = self._lost(call.request.name), True
        elif result:
            call.sent = True
            self._calls[call.correlation_id] = call
            self._names[call.correlation_id] = call.request.name
            while len(self._names) > _REMEMBERED:
                self._names.popitem(last=False)
            if call.request.alone:
                self._listing = call

    def abandon(
        self, call: Call[Any], *, forget: bool = False, undo: Callable[[int], Request[Any]] | None = None
    ) -> None:
        """Nobody waits for the call any more. A listing goes on at the archive, so others wait for its end.

        Args:
            call: it.
            forget: an error that comes of it later concerns the error handler, but no other call.
            undo: makes of the answer the request that takes it back, sent when that answer is there.
        """
        with self._lock:
            if undo is not None and call.done and call.error is None:
                self.send_and_forget(undo(call.response.relevant_id))
            elif undo is not None and call.sent and not call.done:
                self._undoing[call.correlation_id] = undo
            if forget:
                self._forgotten[call.correlation_id] = None
                while len(self._forgotten) > _REMEMBERED:
                    self._forgotten.popitem(last=False)
            call.abandoned = True
            if self._listing is not call:
                self._calls.pop(call.correlation_id, None)

    def wait(self, call: Call[T], timeout: float, check: Callable[[], object] = lambda: None) -> T:
        """Step the call until it is done. Each record of a listing gives it its time again.

        Args:
            call: it.
            timeout: seconds.
            check: called meanwhile; what it raises ends the wait.
        """
        progress, deadline = 0, time.monotonic() + timeout
        try:
            while not self.step(call):
                check()
                now = time.monotonic()
                if len(call.response.records) != progress:
                    progress, deadline = len(call.response.records), now + timeout
                if now >= deadline:
                    raise TimedOutError(
                        f"the archive at {self.where} did not answer within {timeout:g} s", operation=call.request.name
                    )
                if call.sent:
                    self.pause(min(_SLICE, deadline - now), call.wake)
                else:
                    time.sleep(_RETRY)
        except BaseException:
            self.abandon(call)
            raise
        if isinstance(call.error, ArchiveConnectionError):
            raise self.explained(call.error)
        return call.result()

    def send_and_forget(self, request: Request[Any]) -> None:
        """Send a request of which nobody wants to know what became, for example while closing."""
        with contextlib.suppress(AeronError):
            call = self.call(request, quietly=True)
            for _ in range(20):
                if self.step(call) or call.sent:
                    break
                time.sleep(_RETRY)

    def report(self) -> None:
        """Tell the error handler, in this thread, what came since the last time."""
        while self._unreported:
            try:
                error = self._unreported.popleft()
            except IndexError:
                return
            if self._error_handler is not None:
                self._error_handler(error)

    def close(self) -> None:
        """End the session. Errors that nobody heard of go to the error handler, or else to the log."""
        if not self.handle.closed:
            with contextlib.suppress(AeronError):  # closed meanwhile, or its driver died: either way it is let go
                self.drain()
                deadline = time.monotonic() + _LAST_ANSWERS
                while self._undoing and self.failure is None and time.monotonic() < deadline:
                    self.pause(_SLICE, None)
            self.handle.close()
        heard = self._error_handler is not None
        self.report()
        while self.late_errors:
            error = self.late_errors.popleft()
            if not heard:
                _log.error("an error of the archive that came late: %s", error)


def _release(pointer: Any) -> None:
    control, events = pointer
    lib.shim_control_stop(control)
    lib.shim_events_delete(events)
