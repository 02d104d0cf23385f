"""A bounded replay: its limit counter, what the archive is asked for it, and how it is stopped. None of it waits."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from aeron_py.archive import requests
from aeron_py.archive.replay import replay_params, signed_32_bits
from aeron_py.errors import AeronError
from aeron_py.recorder.playback.log_buffer import is_closed
from aeron_py.recorder.playback.pacer import Pacer, Track

if TYPE_CHECKING:
    from aeron_py._pending import PendingAdd
    from aeron_py.archive._call import Call
    from aeron_py.counters import Counter
    from aeron_py.recorder.playback.positions import Stream

__all__ = ["BoundedReplay", "Stage"]

LIMIT_COUNTER_TYPE = 1900
"""The type of the counters that bound replays of sessions."""


class Stage(enum.Enum):
    """How far a replay is."""

    IDLE = "none"
    ADDING = "its limit counter is being added"
    ASKED = "the archive was asked"
    FINDING = "its publication is looked for"
    RUNNING = "it runs"
    DRAINING = "all was sent, its subscribers still read"
    DONE = "played"
    STOPPING = "it is being stopped"
    LEFT = "its archive is gone, its subscribers still read"


class BoundedReplay:
    """The replay of a recording, at most one at a time.

    Args:
        pacer: whose thread works on it.
        track: the session's, which moves its limit.
        slot: of this recording in the track.
        recording_id: what is replayed.
        channel: where it is played.
        stream_id: the stream there.
    """

    cursor: int
    """Where it begins: all before is played, or was passed over."""
    cut_at: int | None = None
    """Where the recording ends, when it has less than the journal tells, as after a power cut; else None."""

    def __init__(self, pacer: Pacer, track: Track, slot: int, recording_id: int, channel: str, stream_id: int) -> None:
        self._pacer = pacer
        self._track = track
        self.slot = slot
        self.recording_id = recording_id
        self._channel = channel
        self._stream_id = stream_id
        self.stage = Stage.IDLE
        self.error: AeronError | None = None
        """Why the last one failed."""
        self._counter: Counter | None = None
        self._adding: PendingAdd[Counter] | None = None
        self._call: Call[int] | None = None
        self._stop_call: Call[Any] | None = None
        self.correlation_id = -1
        self._replay_id: int | None = None
        self._closing: tuple[int, int] | None = None
        self.published: tuple[int, int] | None = None
        """Its publication, once it was found: counter and registration of its position."""
        self._given_up: set[int] = set()
        self._ending: int | None = None

    @property
    def term_length(self) -> int:
        """Of the recording, and so of the replay."""
        raise NotImplementedError

    def failed(self, error: AeronError) -> None:
        """It ended with an error."""
        raise NotImplementedError

    # -- how it begins

    def _add_counter(self) -> None:
        self._adding = self._pacer.client._start_add_counter(
            LIMIT_COUNTER_TYPE, f"playback limit: {self.recording_id} {self._stream_id}"
        )
        self.stage = Stage.ADDING

    def _ask(self) -> None:
        assert self._adding is not None
        try:
            counter = self._adding.poll() if self._pacer.connected() else None
            if counter is None:
                return
            self._counter, self._adding = counter, None
            counter.value = self.cursor
            # The archive gives up a replay whose limit comes after the recording's end, unless its length is told.
            length = None if self.cut_at is None else self.cut_at - self.cursor
            params = replay_params(self.cursor, length, counter, None)
            request = requests.replay(self.recording_id, self._channel, self._stream_id, params)
            self._call = self._pacer.archive._session.call(request, quietly=True)
            self._pacer.archive._session.step(self._call)
        except AeronError as error:
            self.failed(error)
            return
        self._track.attach(self.slot, counter)
        self.stage = Stage.ASKED

    def _answered(self) -> None:
        assert self._call is not None
        try:
            if not self._pacer.archive._session.step(self._call):
                return
            self.correlation_id = self._call.correlation_id
            self._replay_id = self._call.result()
        except AeronError as error:
            self._call = None
            self.failed(error)
            return
        self._call = None
        self.error = None
        self.stage = Stage.FINDING

    @property
    def unanswered(self) -> int | None:
        """The correlation id of a request for a replay that the archive has not told of yet, None without one."""
        call = self._call
        return call.correlation_id if self.stage is Stage.ASKED and call is not None and call.sent else None

    def began_unanswered(self, session_id: int) -> None:
        """The archive is gone, and the answer with it, but its replay has published with that session."""
        self._call, self._replay_id = None, session_id
        self.stage = Stage.FINDING

    @property
    def under_way(self) -> bool:
        """Whether there is a replay, or will be, or was a moment ago."""
        return self.stage is not Stage.IDLE and self.stage is not Stage.DONE

    @property
    def session_id(self) -> int | None:
        """Of the replay, None before the archive has told."""
        return None if self._replay_id is None else signed_32_bits(self._replay_id)

    @property
    def played_as(self) -> Stream:
        """The session and the stream of its replay."""
        return self.session_id, self._stream_id

    def found(self, publications: dict[Stream, tuple[int, int]]) -> None:
        """Look for its publication among counters, by session and stream: counter and registration."""
        found = publications.get(self.played_as)
        if found is not None and self.stage is Stage.FINDING:
            self.published = found
            self.stage = Stage.RUNNING

    # -- how it ends

    def stop_replay(self) -> None:
        """Stop its replay, if there is one: nothing of it comes out any more."""
        if self.stage is Stage.LEFT:
            return
        if self._adding is not None:
            self._adding.cancel()
            self._adding = None
        self._let_go_of_counter()
        if self._call is not None or self._replay_id is not None:
            self.stage = Stage.STOPPING
            if self.session_id is not None:
                self._given_up.add(self.session_id)
            self._stopped()
        elif self.stage is not Stage.STOPPING and self.stage is not Stage.DONE:
            self.stage = Stage.IDLE

    def work_stop(self) -> None:
        """Bring the end of its replay on, if it is being stopped."""
        if self.stage is Stage.STOPPING:
            self._stopped()

    def _end_replay(self) -> None:
        """Let a replay end that was read up.

        One that is stopped instead is still there for the media driver for up to a second: who subscribes meanwhile
        can be given what was read before.
        """
        assert self._counter is not None
        self._closing = self._counter.counter_id, self._counter.registration_id
        self._let_go_of_counter()
        self._ends()
        self.stage = Stage.STOPPING

    def _stopped(self) -> None:
        """Wait for what was asked last: the replay itself, then its end."""
        session = self._pacer.archive._session
        if self._closing is not None:
            if self._pacer.client.counters.value(*self._closing) is not None:
                return
            self._closing = None
        try:
            if self._call is not None:
                if not session.step(self._call):
                    return
                call, self._call = self._call, None
                self._replay_id = call.result()
            if self._replay_id is not None and self._stop_call is None:
                self._stop_call = session.call(requests.stop_replay(self._replay_id), quietly=True)
            if self._stop_call is not None and not session.step(self._stop_call):
                return
        except AeronError:
            pass  # there is no replay to stop, or no archive
        self._stop_call = None
        self._give_up()
        self.stage = Stage.IDLE

    def _ends(self) -> None:
        """All of it was read, and the archive is about to close its publication."""
        self._ending = None if self.published is None else self.published[1]
        self._forget_replay()

    def _give_up(self) -> None:
        if self.session_id is not None:
            self._given_up.add(self.session_id)
        self._forget_replay()

    def is_leaving(self, publications: Container[Stream]) -> bool:
        """Whether the media driver still gives a replay that was stopped, or has ended, to who subscribes.

        Args:
            publications: on the media driver, by session and stream.
        """
        self._given_up = {each for each in self._given_up if (each, self._stream_id) in publications}
        if self._ending is not None:
            with contextlib.suppress(AeronError, OSError):
                if not is_closed(self._pacer.client.aeron_dir, self._ending, self.term_length):
                    return True
            self._ending = None
        return bool(self._given_up)

    def reattach(self) -> None:
        """Show its position in its counter again, after the track forgot."""
        if self._counter is not None and self.stage is not Stage.ADDING:
            self._track.attach(self.slot, self._counter)

    def _let_go_of_counter(self) -> None:
        counter, self._counter = self._counter, None
        if counter is not None:
            with contextlib.suppress(AeronError):
                self._track.attach(self.slot, None)
            with contextlib.suppress(AeronError):
                counter.close()

    def _forget_replay(self) -> None:
        self._replay_id = None
        self.published = None
        self.correlation_id = -1
