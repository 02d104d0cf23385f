"""One recording of a topic, as a session plays it: when its replay begins and ends, and how far it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Container
from typing import TYPE_CHECKING

from aeron_py.errors import AeronError, UnknownRecordingError
from aeron_py.recorder.playback.bounded import BoundedReplay, Stage
from aeron_py.recorder.playback.pacer import Pacer, Track

if TYPE_CHECKING:
    from aeron_py.recorder.entries import Image, StreamInfo
    from aeron_py.recorder.playback.positions import Stream
    from aeron_py.recorder.playback.recordings import Recordings

__all__ = ["Part"]

_RETRY = 0.5


class Part(BoundedReplay):
    """A recording in the chain of a topic.

    Args:
        pacer: whose thread works on it.
        track: the session's.
        slot: of this recording in the track.
        info: the stream in the time index.
        channel: where it is played.
        stream_id: the stream there.
        recordings: what the catalog has of it.
    """

    def __init__(
        self,
        pacer: Pacer,
        track: Track,
        slot: int,
        info: StreamInfo,
        channel: str,
        stream_id: int,
        recordings: Recordings,
    ) -> None:
        super().__init__(pacer, track, slot, info.recording_id, channel, stream_id)
        self.infos = [info]
        self._recordings = recordings
        self.cursor = info.start_position
        self.limit = info.start_position
        """Up to where it was told to the track, at times still to come."""
        self.follows: tuple[int, int] | None = None
        """The counter of the archive that its slot follows, with its registration: more may come at any moment, and its
        replay waits for it. None when it follows none."""
        self._sent_seen = 0
        self._drained_at = 0
        self.begun = 0
        """Where its last replay began."""
        self._not_before = 0.0

    # -- its history

    @property
    def opened_ns(self) -> int:
        """When it began."""
        return self.infos[0].opened_ns

    @property
    def closed_ns(self) -> int | None:
        """When it ended, None while it goes on."""
        return self.infos[-1].closed_ns

    @property
    def start(self) -> int:
        """Where its history begins."""
        return self.infos[0].start_position

    @property
    def stop(self) -> int | None:
        """Where it ended, None while it goes on."""
        return self.infos[-1].stop_position

    def is_needed(self, known: Container[int]) -> bool:
        """Whether the time index has anything of it, its replay goes on, or moves of it wait in the track.

        Args:
            known: the streams that the time index has.
        """
        return any(info.index in known for info in self.infos) or self.under_way or self.position < self.limit

    def before(self, other: Part) -> bool:
        """Whether it ended before another began."""
        return self.closed_ns is not None and self.closed_ns <= other.opened_ns

    @property
    def term_length(self) -> int:
        return self._recordings.find(self.recording_id).term_buffer_length

    # -- where it is

    @property
    def position(self) -> int:
        """Up to where it may be played now."""
        return max(self.cursor, self._track.position(self.slot))

    @property
    def sent(self) -> int:
        """Up to where its replay has published it."""
        with contextlib.suppress(AeronError):  # as far as was seen, when the media driver is gone
            self._see_sent()
        return max(self.cursor, self._sent_seen)

    def _see_sent(self) -> bool:
        """Look how far its replay is; whether that goes on."""
        value = None if self.published is None else self._pacer.client.counters.value(*self.published)
        self._sent_seen = max(self._sent_seen, value or 0)
        return value is not None

    def position_in(self, image: Image) -> int:
        """Where it stood at a time."""
        known = [image.positions[info.index][1] for info in self.infos if info.index in image.positions]
        return max(known, default=self.start)

    @property
    def settled(self) -> bool:
        """Whether nothing is under way that time should wait for."""
        return self.stage in (Stage.IDLE, Stage.RUNNING, Stage.DRAINING, Stage.DONE) and (
            self.stage is not Stage.IDLE or self.error is not None or not self._wanted
        )

    @property
    def _wanted(self) -> bool:
        return self.limit > self.cursor or (self.follows is not None and self.stop is None)

    @property
    def played(self) -> bool:
        """Whether all that it may be played now was published."""
        return self.stage in (Stage.DRAINING, Stage.DONE) or self.sent >= self.position

    @property
    def over(self) -> bool:
        """Whether it has ended and was played to its end, and its subscribers have all."""
        stop = self.stop
        return stop is not None and (self.stage is Stage.DONE or (self.stage is Stage.IDLE and self.cursor >= stop))

    # -- its replay

    def seek(self, position: int, read: dict[Stream, int]) -> None:
        """Play from a position next; what runs is stopped.

        Args:
            position: where a frame begins.
            read: how far subscribers are, see :func:`readers`.
        """
        if self.read_up(read):
            self._end_replay()
        else:
            self.stop_replay()
        self.cursor = self.limit = position
        self._sent_seen = 0
        self.error = None
        self._not_before = 0.0
        if self.stage is Stage.DONE:
            self.stage = Stage.IDLE

    def work(self, *, listening: bool, may_start: bool) -> None:
        """Bring its replay on.

        Args:
            listening: somebody subscribes.
            may_start: nothing that came before it is still being played.
        """
        if self.stage is Stage.DONE and self.limit > self.cursor:
            self.stage = Stage.IDLE  # a later journal goes on with the recording
        if not listening and self.stage not in (Stage.IDLE, Stage.DONE, Stage.STOPPING):
            self.pass_over()
        elif not listening and self.stage is Stage.IDLE:
            self.cursor = self.position  # whoever comes later, gets what comes later
        if self.stage is Stage.IDLE and listening and may_start and self._wanted:
            if time.monotonic() >= self._not_before:
                self._begin()
        elif self.stage is Stage.ADDING:
            self._ask()
        elif self.stage is Stage.ASKED:
            self._answered()
        elif self.stage is Stage.RUNNING:
            self._end()
        elif self.stage is Stage.STOPPING:
            self.work_stop()

    def pass_by(self, position: int) -> None:
        """Nobody subscribes, and nothing is under way: whoever comes later, gets what comes after a position."""
        self.cursor = position
        self.stage = Stage.IDLE  # it was played, if a later journal goes on with the recording

    def pass_over(self) -> None:
        """Stop its replay; what comes after now is played when somebody listens again."""
        self.stop_replay()
        self.cursor = self.position
        self._sent_seen = 0

    def failed(self, error: AeronError) -> None:
        """Its replay ended with an error: go on after a while from what was published."""
        sent = self.sent
        self.error = error
        self._recordings.forget(self.recording_id)
        self._pacer.replay_failed(error)
        self.stop_replay()
        self.cursor = sent
        self._not_before = time.monotonic() + _RETRY

    def _begin(self) -> None:
        try:
            begin, end = self._recordings.span_of(self)
            told = max(self.limit, self.stop or 0)
            self.cut_at = end if end is not None and end < told else None
            if (self.stop is not None and begin >= self.limit) or (end is not None and begin >= end):
                self._pass()  # what there was, was purged, or was lost
                return
            self.cursor = self.begun = begin
            self._add_counter()
        except UnknownRecordingError:
            self._pass()
        except AeronError as error:
            self.failed(error)
        except OSError as error:
            self.failed(AeronError(str(error), operation="playback"))

    def _pass(self) -> None:
        self.cursor = self.limit = max(self.limit, self.stop or 0)
        self.stage = Stage.DONE

    def _end(self) -> None:
        goes_on = self._see_sent()
        sent, stop = max(self.cursor, self._sent_seen), self.stop
        if not goes_on:
            # The archive gave it up, since all who listened were gone for a moment.
            self.cursor = sent
            self._let_go_of_counter()
            self._give_up()
            self.stage = Stage.IDLE
            return
        end = stop if self.cut_at is None else self.cut_at
        if stop is None or end is None or sent < end or self.position < end:
            return
        # Without its counter a replay that has come to the counter's last value ends, and takes nothing back.
        self._let_go_of_counter()
        self.cursor = self.limit = max(stop, self.limit)
        self._drained_at = self.cursor if self.cut_at is None else self.cut_at
        self.stage = Stage.DRAINING

    def drained(self, readers: dict[Stream, int]) -> None:
        """Look whether all subscribers have read it, at their positions by session and stream."""
        if self.stage in (Stage.DRAINING, Stage.LEFT) and self.session_id is not None:
            position = readers.get(self.played_as)
            if position is None or position >= self._drained_at:
                if position is None:
                    self._give_up()
                else:
                    self._ends()
                self.stage = Stage.DONE if self.stage is Stage.DRAINING else Stage.IDLE

    def lost(self, end: int) -> None:
        """The archive is gone, and its replay with it: go on after what that has published.

        Args:
            end: the position up to which its publication is whole.
        """
        if self._adding is not None:
            self._adding.cancel()
        self._let_go_of_counter()
        self._adding = self._call = self._stop_call = self._closing = self.error = None
        self._not_before, self._sent_seen = 0.0, 0
        if self.stage is Stage.DONE or (self.stage is Stage.DRAINING and end >= self.cursor):
            return
        if self.stage is not Stage.STOPPING and self.stage is not Stage.IDLE:
            self.cursor = end
        self.limit = self.cursor
        if self.stage is Stage.LEFT:
            return
        self.stage = Stage.IDLE if self.published is None else Stage.LEFT
        self.published, self._drained_at = None, end

    def read_up(self, read: dict[Stream, int]) -> bool:
        """Whether a replay runs, and all that it may publish now was read by those who listen."""
        if self.stage is not Stage.RUNNING or self._counter is None:
            return False
        limit = self._counter.value
        return self.sent >= limit and read.get(self.played_as, limit) >= limit

    def let_end(self) -> None:
        """For good: what was published up to now still reaches its subscribers, if nothing more is under way."""
        if self.stage is Stage.RUNNING and self.sent >= self.position:
            self._let_go_of_counter()
            self._forget_replay()
            self.stage = Stage.IDLE
        elif self.stage is Stage.DRAINING:
            self._forget_replay()
            self.stage = Stage.DONE
        else:
            self.stop_replay()

    def __repr__(self) -> str:
        return f"<Part {self.recording_id} {self.stage.name} cursor {self.cursor} limit {self.limit}>"
