"""The pacer: one thread in C that moves the limits of bounded replays, one in Python that looks after the sessions."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from aeron_py._ffi import check, ffi, lib
from aeron_py._owner import Handle, Owner
from aeron_py.archive.client import Archive
from aeron_py.archive.session import Session
from aeron_py.errors import AeronError, ArchiveConnectionError, ArchiveError, ArchiveErrorCode, ClosedError

if TYPE_CHECKING:
    from aeron_py.client import Client
    from aeron_py.counters import Counter

__all__ = ["FOREVER", "Pacer", "Track", "TrackStatus", "Worked"]

FOREVER: Final = 2**63 - 1
"""A time that never comes."""

T = TypeVar("T")

_QUIET = 0.05
# Refusals of a replay that stay until somebody does something about them.
_REFUSALS = (ArchiveErrorCode.UNAUTHORISED_ACTION, ArchiveErrorCode.MAX_REPLAYS)
_log = logging.getLogger("aeron_py.recorder")


class Worked(Protocol):
    """What the pacer's thread looks after."""

    def work(self) -> float:
        """Do what there is to do; returns after how many seconds to come back."""

    def on_replay_error(self, error: ArchiveError) -> None:
        """The archive tells that a replay failed; it may be another's."""

    def lost(self) -> None:
        """The archive is gone: stand still."""

    def go_on(self) -> None:
        """The archive is back."""


class TrackStatus(NamedTuple):
    """Where a track stands.

    Attributes:
        position: recorded time, nanoseconds since 1970.
        horizon: up to which recorded time it knows all moves.
        queued: moves that wait.
        ticks: recorded times of which moves were made, ever.
        late_ns: the longest delay of a move since the last look.
        playing: whether time goes on.
    """

    position: int
    horizon: int
    queued: int
    ticks: int
    late_ns: int
    playing: bool


class Track:
    """The moves of one session (``shim_pace_track_t``). Thread-safe. Made by :meth:`Pacer.add`."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    # Calls that wait for the pacer's thread let other threads run: what they use must not be closed meanwhile.

    @property
    def status(self) -> TrackStatus:
        """Where it stands."""
        raw = ffi.new("shim_pace_status_t *")
        with self._handle.using("playback") as track:
            lib.shim_pace_status(track, raw)
        return TrackStatus(raw.position, raw.horizon, raw.queued, raw.ticks, raw.late_ns, bool(raw.playing))

    def push(self, times: Sequence[int], slots: Sequence[int], positions: Sequence[int], horizon: int) -> bool:
        """Queue moves in the order of their times, all or none; whether there was room.

        Args:
            times: recorded, nanoseconds since 1970.
            slots: which recordings they are of.
            positions: up to which these may be played then.
            horizon: there are no more moves than these up to this time.
        """
        columns = ffi.new("int64_t[]", times), ffi.new("int32_t[]", slots), ffi.new("int64_t[]", positions)
        with self._handle.using("playback") as track:
            return bool(check(lib.shim_pace_push(track, *columns, len(times), horizon), "playback"))

    def play(self, speed: float, end: int) -> None:
        """Let time go on, up to an end."""
        with self._handle.using("playback") as track:
            lib.shim_pace_play(track, speed, end)

    def pause(self) -> None:
        """Let time stand still."""
        with self._handle.using("playback") as track:
            lib.shim_pace_pause(track)

    def step(self, ticks: int) -> int:
        """Make the moves of the next recorded times now: of how many."""
        with self._handle.using("playback") as track:
            return int(lib.shim_pace_step(track, ticks))

    def seek(self, position: int) -> None:
        """Stand at a recorded time, with nothing queued and all slots empty and without counters."""
        with self._handle.using("playback") as track:
            lib.shim_pace_seek(track, position)

    def attach(self, slot: int, counter: Counter | None) -> None:
        """Show a slot's position in a counter; with None in none."""
        with contextlib.nullcontext() if counter is None else counter._handle.using("playback"):
            address = ffi.NULL if counter is None else counter._address
            with self._handle.using("playback") as track:
                check(lib.shim_pace_attach(track, slot, address), "playback")

    def raise_to(self, slot: int, position: int) -> None:
        """Let a slot be played up to a position, at least."""
        with self._handle.using("playback") as track:
            check(lib.shim_pace_raise(track, slot, position), "playback")

    def follow(self, slot: int, counter_id: int, registration_id: int = 0) -> None:
        """Let a slot follow another counter while time goes on; a negative id ends that."""
        with self._handle.using("playback") as track:
            check(lib.shim_pace_follow(track, slot, counter_id, registration_id), "playback")

    def forget(self, slot: int) -> None:
        """Have a slot as it was before its first use; no move of it may wait."""
        with self._handle.using("playback") as track:
            lib.shim_pace_forget(track, slot)

    def position(self, slot: int) -> int:
        """Up to where a slot may be played."""
        with self._handle.using("playback") as track:
            return int(lib.shim_pace_position(track, slot))

    def positions(self, count: int) -> list[int]:
        """:meth:`position` of each of the first slots: very many of them cost little more than one."""
        raw = ffi.new("int64_t[]", count)
        with self._handle.using("playback") as track:
            lib.shim_pace_positions(track, raw, count)
        return list(ffi.unpack(raw, count))

    def close(self) -> None:
        """Remove it. May be called twice."""
        self._handle.close()


class Pacer(Owner):
    """Plays for any number of sessions over one client: make one, and give it to each :class:`Session`.

    Args:
        client: on the archive's media driver.
        archive: a session with the archive; the pacer connects one of its own in the same way when it needs it, so that
            what goes wrong with a replay concerns no other call.
    """

    def __init__(self, client: Client, archive: Archive) -> None:
        self.client = client
        self._sessions: list[Worked] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stop = False
        self._told = ""
        self._refusals: set[int] = set()
        self.problem: AeronError | None = None
        """Why nothing is played: the archive or the media driver is gone. See :meth:`go_on`."""
        self._context = archive.context
        self._archive: Archive | None = None
        self._coming: Session | None = None
        self._connect_until = 0.0
        self._connecting = threading.Lock()
        out = ffi.new("shim_pace_t **")
        self._thread = threading.Thread(target=self._run, name="aeron-py playback", daemon=True)
        with client._handle.using("playback"):
            check(lib.shim_pace_create(out, client.counters._reader), "playback")
            try:
                self._thread.start()
            except BaseException:
                lib.shim_pace_delete(out[0])
                raise
            # Last: from now on another thread may close the client, and so this.
            self._handle = Handle("playback", out[0], self._release, parent=client._handle)

    def _release(self, pace: Any) -> None:
        self._stop = True
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        lib.shim_pace_delete(pace)
        self._disconnect()

    def check(self) -> None:
        """Raises why nothing is played."""
        if self.problem is not None:
            raise self.problem

    @property
    def archive(self) -> Archive:
        """The session for replays.

        Raises:
            ArchiveConnectionError: there is none, see :meth:`connected`.
        """
        archive = self._archive
        if archive is None:
            raise ArchiveConnectionError("playback has no session with the archive", operation="playback")
        return archive

    @property
    def has_archive(self) -> bool:
        """Whether :attr:`archive` is connected already."""
        return self._archive is not None

    def connected(self) -> bool:
        """Whether :attr:`archive` is there; it is connected by whoever comes first, and none of that waits.

        An archive may die while it is connected to, and whoever waited would hold up those that start it again.

        Raises:
            AeronError: as ``Archive.connect``.
        """
        with self._connecting:
            if self._archive is None:
                if self._coming is None:
                    # What comes late is of replays: sessions are told, and of those given up nobody is to hear.
                    self._coming = Session(self.client._handle, self._context, lambda error: None)
                    self._connect_until = time.monotonic() + self._context.message_timeout
                coming = self._coming
                try:
                    if coming.poll_connected():
                        self._archive, self._coming = Archive(self.client, coming, None), None
                    elif time.monotonic() > self._connect_until:
                        raise coming.connect_timed_out(self._context.message_timeout)
                except BaseException:
                    self._coming = None
                    coming.handle.close()
                    raise
            return self._archive is not None

    def _disconnect(self) -> None:
        with self._connecting:
            archive, coming = self._archive, self._coming
            self._archive = self._coming = None
        if archive is not None:
            archive.close()
        if coming is not None:
            coming.handle.close()

    def add(self) -> Track:
        """A track for a session."""
        out = ffi.new("shim_pace_track_t **")
        with self._handle.using("playback") as pace:
            check(lib.shim_pace_add(pace, out), "playback")
            return Track(Handle("playback track", out[0], lib.shim_pace_remove, parent=self._handle))

    def look_after(self, session: Worked) -> None:
        """Have a session's ``work`` called from now on."""
        with self._lock:
            self._sessions.append(session)
        if self.problem is not None:
            session.lost()
        self.wake()

    def forget(self, session: Worked) -> None:
        """Not any more."""
        with self._lock, contextlib.suppress(ValueError):
            self._sessions.remove(session)

    def lost(self, problem: AeronError) -> None:
        """The archive or the media driver is gone: sessions stand still, and raise this. It looks by itself, too."""
        with self._lock:
            if self.problem is not None:
                return
            self.problem = problem
            sessions = list(self._sessions)
        for session in sessions:
            session.lost()

    def replay_failed(self, error: AeronError) -> None:
        """A replay failed, and will be tried again: when that is in vain for now, it is told once."""
        if isinstance(error, ArchiveError) and error.code in _REFUSALS and error.code not in self._refusals:
            self._refusals.add(error.code)
            _log.warning("playback waits: %s", error)

    def go_on(self, archive: Archive) -> None:
        """The archive is back: sessions go on where all that was published ends.

        Args:
            archive: a session with it; the pacer connects one of its own in the same way.

        Raises:
            ArchiveConnectionError, TimedOutError: it is not.
        """
        self._disconnect()
        self._context = archive.context
        with self._lock:
            self.problem, self._told = None, ""
            self._refusals.clear()
            sessions = list(self._sessions)
        try:
            for session in sessions:
                session.go_on()
        except BaseException as error:
            self.lost(error if isinstance(error, AeronError) else AeronError(str(error), operation="playback"))
            raise
        self.wake()

    def wake(self) -> None:
        """Have the sessions looked after at once."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stop:
            with self._lock:
                sessions = list(self._sessions)
            began = time.monotonic()
            pause = _QUIET
            self._guard(self._look, sessions)
            for session in sessions if self.problem is None else ():
                pause = min(pause, self._guard(session.work) or _QUIET)
            busy = time.monotonic() - began
            # However much there is to do, others get their turn at the interpreter.
            self._wake.wait(max(pause, min(busy, _QUIET)) if sessions else None)
            self._wake.clear()

    def _guard(self, act: Callable[..., T], *arguments: Any) -> T | None:
        """Trouble with one session stops no other; it is told once."""
        try:
            return act(*arguments)
        except Exception as error:
            text = error.message if isinstance(error, AeronError) else str(error)
            if not self._stop and text != self._told:
                self._told = text
                _log.warning("playback: %s", error, exc_info=not isinstance(error, (AeronError, OSError)))
            return None

    def _look(self, sessions: list[Worked]) -> None:
        if self.problem is not None or not sessions:
            return
        archive = self._archive
        if self.client.is_closed or (archive is not None and archive.closed):
            closed = ClosedError("the client of playback is closed", operation="playback")
            self._tell(self.client._handle.explain("playback") or closed)
        if archive is None:
            return
        for error in archive.poll_errors():
            if isinstance(error, ArchiveError):
                for session in sessions:
                    session.on_replay_error(error)
        if archive._session.failure is not None:
            self._tell(archive._session.lost("playback"))

    def _tell(self, problem: AeronError) -> None:
        self.lost(problem)
        raise problem
