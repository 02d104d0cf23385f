"""The recorder as a service: keeps itself connected, records what the rules name, and lets others play it back."""

from __future__ import annotations

import atexit
import contextlib
import enum
import logging
import os
import select
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from anyio import to_thread

from aeron_py._waiting import Duration, seconds, wait_for
from aeron_py.errors import AeronError, ClosedError
from aeron_py.recorder.config import RecorderConfig
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.keeper import Keeper
from aeron_py.recorder.known import KnownStreams
from aeron_py.recorder.node import CHECK_EVERY, node_of
from aeron_py.recorder.recording import RecordingSet

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.client import Client
    from aeron_py.recorder.playback.serving import Serving

__all__ = ["Recorder", "RecorderState"]

_log = logging.getLogger("aeron_py.recorder")

_SOON = 0.01
_LOOK_WHOLE = 0.5
"""Seconds after which it looks what came and went, though nobody told that anything came: what goes is in no hurry."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_STEADY = 1.0
"""Seconds that it ran, after which what is lost is looked for at once again; what comes and goes faster is not."""


class RecorderState(enum.Enum):
    """What a recorder is doing."""

    NEW = "new"
    """It was not started yet."""
    WAITING = "waiting"
    """It waits for the media driver or the archive."""
    RUNNING = "running"
    """It is connected: it records, or takes requests to play back, or both."""
    CLOSED = "closed"
    """It was closed."""


class Recorder:
    """Records what its configuration names, and plays it back for whoever asks.

    A context manager, with ``async with`` or ``with``. Its work is done in threads of its own; no message goes through
    it. Without an ``aeron_dir`` in the configuration it brings a media driver and an archive; with one it uses those
    that run there, and waits for them, however often they go.

    Args:
        config: what to do, see :func:`aeron_py.recorder.config.load`.
        on_event: called with a line of text whenever something happens, in a thread of the recorder; None for the log
            ``aeron_py.recorder``.
    """

    def __init__(self, config: RecorderConfig, *, on_event: Callable[[str], object] | None = None) -> None:
        if not isinstance(config, RecorderConfig):
            raise TypeError(f"a recorder takes a RecorderConfig, as load() makes it, not {type(config).__name__}")
        self.config = config
        self._say = on_event or _log.info
        self._node = node_of(config)
        self._state = RecorderState.NEW
        self._stopping = threading.Event()
        self._wake, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._thread: threading.Thread | None = None
        self._recording: RecordingSet | None = None
        self._keeper: Keeper | None = None
        self._error: AeronError | None = None
        self.has_run = False
        """Whether it was connected, ever."""
        self._running_since: float | None = None
        self._serving: Serving | None = None

    @property
    def state(self) -> RecorderState:
        """What it is doing."""
        return self._state

    @property
    def problem(self) -> str | None:
        """Why it waits, None when it does not."""
        error = self._error
        return None if error is None else error.message

    @property
    def error(self) -> AeronError | None:
        """The error that it waits after, None when it does not wait: one of credentials passes only with others."""
        return self._error

    @property
    def aeron_dir(self) -> str:
        """The directory of the media driver whose streams are recorded.

        Raises:
            AeronError: it is to be the recorder's own, which is not started yet.
        """
        found: str | None = getattr(self._node, "aeron_dir", None)
        if found is None:
            raise AeronError("no media driver yet: start the recorder first", operation="Recorder.aeron_dir")
        return found

    @property
    def streams(self) -> list[StreamInfo]:
        """What is being recorded now."""
        recording = self._recording
        return [] if recording is None else recording.streams

    @property
    def journal_id(self) -> int | None:
        """The recording id of the journal that is being written."""
        recording = self._recording
        journal = None if recording is None else recording.telling.journal
        return None if journal is None else journal.recording_id

    # -- from start to end

    def start(self) -> None:
        """Start. A recorder with a media driver of its own has it, and the archive, after this.

        Raises:
            AeronError, OSError: they can't be started.
            ClosedError: it was started before.
        """
        if self._state is not RecorderState.NEW:
            raise ClosedError("a recorder is started once: make a new one", operation="Recorder.start")
        self._state = RecorderState.WAITING
        try:
            self._node.start()
        except BaseException:
            self._node.close()
            self.close()
            raise
        # A program that fails before it closes the recorder shall end all the same.
        atexit.register(self.close)
        self._thread = threading.Thread(target=self._run, name="aeron-py recorder", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End: recordings that it started stop. May be called twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        atexit.unregister(self.close)
        os.close(self._waker)
        if self._thread is not None:
            self._thread.join()
            self._node.close()
        os.close(self._wake)
        self._state = RecorderState.CLOSED

    def wait_running(self, timeout: Duration | None = None) -> None:
        """Wait until it is connected.

        Args:
            timeout: seconds; None for ever.

        Raises:
            TimedOutError: not in time; says why.
            ClosedError: it was closed.
        """
        limit = seconds(timeout if timeout is not None else 1e9, "timeout")
        wait_for(
            self._is_running,
            limit,
            "Recorder.wait_running",
            lambda: f"not connected within {limit:g} s: {self.problem or 'it is only starting'}",
        )

    def _is_running(self) -> bool | None:
        if self._state is RecorderState.CLOSED:
            raise ClosedError("the recorder is closed", operation="Recorder.wait_running")
        return True if self._state is RecorderState.RUNNING else None

    async def running(self, timeout: Duration | None = None) -> None:
        """As :meth:`wait_running`, with ``await``."""
        with anyio.move_on_after(None if timeout is None else seconds(timeout, "timeout")):
            while not self._is_running():
                await anyio.sleep(_SOON)
        self.wait_running(0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self.close)

    # -- the thread

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            self._running_since = None
            try:
                self._node.start()
                self._serve()
            except AeronError as error:
                self._lost(error)
            except OSError as error:
                self._lost(AeronError(str(error), operation="record"))
            except Exception as error:
                _log.exception("the recorder failed and goes on")
                self._lost(AeronError(repr(error), operation="record"))
            if self._running_since is not None and time.monotonic() - self._running_since > _STEADY:
                pause = _FIRST_PAUSE
            self._stopping.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        if self._serving is not None:
            self._serving.close()

    def _lost(self, error: AeronError) -> None:
        if not self._stopping.is_set() and error.message != self.problem:
            self._say(f"waiting: {error.message}")
        self._state, self._error = RecorderState.WAITING, error
        if self._serving is not None and not self._stopping.is_set():
            self._serving.lost(error)

    def _serve(self) -> None:
        """Connected, until told to stop or something is lost."""
        with contextlib.ExitStack() as stack:
            news = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            stack.callback(os.close, news)
            client = stack.enter_context(self._node.connect())
            archive = stack.enter_context(self._node.connect_archive(client))
            recording = None
            if self.config.record:
                recording = self._start_recording(stack, client, archive, news)
            if self.config.play:
                self._start_playing()
            self.has_run = True
            self._state, self._error, self._running_since = RecorderState.RUNNING, None, time.monotonic()
            self._say(f"running on the media driver in {self._node.aeron_dir}")
            # Not select(), which takes no descriptor over 1023: a program may have that many.
            told = select.poll()
            for fd in (archive._session.fd, news, self._wake):
                told.register(fd, select.POLLIN)
            discovered, woken, due, busy = False, True, 0.0, False
            interval = self.config.look_interval
            calm = interval if self.config.sample_interval > interval else max(interval, _LOOK_WHOLE)
            while True:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(news)
                woken = woken or busy or time.monotonic() >= due
                busy = recording.step(discover=woken and not discovered) if recording is not None else False
                if recording is not None and self.config.poll_interval == 0:
                    discovered = True
                self._check(client, archive)
                # The archive's signals come on a descriptor, too, so that what is armed is in the journal at once.
                if woken:
                    due = time.monotonic() + calm
                woken = bool(told.poll(1000 * min(min(_SOON, interval) if busy else calm, CHECK_EVERY)))
                if self._stopping.is_set():
                    break
            self._say("stopping")

    def _check(self, client: Client, archive: Archive) -> None:
        self._node.check()
        client.next_correlation_id()  # raises when the driver is lost
        if not archive.is_connected:
            archive.list_recordings(limit=1)  # raises, and says why
        if self._keeper is not None:
            self._keeper.check()

    def _start_recording(
        self, stack: contextlib.ExitStack, client: Client, archive: Archive, news: int
    ) -> RecordingSet:
        config = self.config
        known = KnownStreams(config.archive_dir)
        keeper = Keeper(config, client, stack.enter_context(self._node.connect_archive(client)), news, self._say)
        left_off, first = keeper.history()
        own = self._node.own_places()
        recording = RecordingSet(client, archive, config, known, self._say, left_off, own)

        def stop() -> None:
            self._recording = self._keeper = None
            in_order = self._stopping.is_set()
            try:
                if in_order:
                    recording.stop()
            except AeronError as error:
                in_order = False
                self._say(f"stopping: {error}")
            finally:
                keeper.close(flush=in_order)

        recording.telling.journal = keeper.open()
        stack.callback(stop)
        recording.take_over(keeper.unheard(first))
        recording.step()
        recording.arm()
        self._recording, self._keeper = recording, keeper
        keeper.start(recording)
        return recording

    def _start_playing(self) -> None:
        if self._serving is None:
            from aeron_py.recorder.playback.serving import Serving

            self._serving = Serving(self.config, self._node, self._say)
        self._serving.start()
