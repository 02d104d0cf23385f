"""What brings a session on: follows the time index, and has the archive replay what it tells."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aeron_py.errors import AeronError, ArchiveError
from aeron_py.recorder.playback.feed import LIVE_LAG
from aeron_py.recorder.playback.kept import KeptSession
from aeron_py.recorder.playback.pacer import FOREVER, Pacer, TrackStatus
from aeron_py.recorder.playback.playhead import PAUSE, PLAY, TAIL, Playhead
from aeron_py.recorder.playback.topics import TopicFilter

if TYPE_CHECKING:
    from aeron_py.archive.recordings import RecordingDescriptor
    from aeron_py.recorder.away import AwayVolumes
    from aeron_py.recorder.entries import StreamInfo
    from aeron_py.recorder.timeindex import TimeIndex

__all__ = ["Player"]

_STEPS_AHEAD = 160
_STREAMS_EVERY = 0.1
_BUSY, _CALM = 0.004, 0.02
_FETCH_AHEAD = 10e9  # nanoseconds of the clock that a volume is fetched before it is due


class Player(Playhead):
    """Plays the topics of a time index. Thread-safe; the pacer's thread works on it.

    Args:
        pacer, index, archive_dir, session, topics, place, away: as for a :class:`Playhead`.
    """

    def __init__(
        self,
        pacer: Pacer,
        index: TimeIndex,
        archive_dir: str | os.PathLike[str],
        session: str,
        topics: TopicFilter,
        place: Callable[[str, StreamInfo], tuple[str, int]],
        away: AwayVolumes,
    ) -> None:
        super().__init__(pacer, index, archive_dir, session, topics, place, away)
        self._streams_at = 0.0
        self._empty = True
        self._left_at: int | None = None
        self._seen_ns = 0
        self._await_until = 0.0
        pacer.look_after(self)

    def close(self) -> None:
        self._pacer.forget(self)
        super().close()

    # -- the work of the pacer's thread

    def work(self) -> float:
        """Bring everything on; returns after how many seconds to come back."""
        with self.lock:
            if self.track._handle.closed:
                return _CALM
            self._look_for_streams()
            self.lanes.work()
            self._seen_ns = self.track.status.position if self._goals is None else self._goals.until_ns
            if self._awaited:
                self._await_listeners()
            elif self.mode == TAIL:
                self._work_tail()
            elif self._is_held():
                self._settling = None
            elif math.isinf(self.speed) and self.mode == PLAY:
                self._work_unlimited()
            else:
                # Before it is told of more: a publisher that never rests is always a little ahead after that.
                here, told_all = self.track.status, self._feed.told_all
                self._feed.feed(_STEPS_AHEAD, self._pace, self._until)
                if self.mode == PLAY:
                    self._work_play(here, told_all)
            busy = self._settling is not None or self._goals is not None
            busy = busy or not self.lanes.settled
            return _BUSY if busy else _CALM

    def on_replay_error(self, error: ArchiveError) -> None:
        """The archive tells that a replay failed; it may be another's."""
        with self.lock:
            self.lanes.on_replay_error(error)

    def _is_held(self) -> bool:
        """Whether it waits for what is away."""
        if self.gate.has_lost(lambda: self.pos):
            self._stand(self.pos)
            if self.mode == PLAY:
                self._go()
        if self._goals is not None:
            if not self._goals.reached or self._goals.until_ns == self.end or not self.gate.stands:
                return False
            self._stand(self._until or 0)
        here = self.track.status.position
        if self.gate.opens(here, int(_FETCH_AHEAD * self._pace)) and self.consumed:
            self.lanes.refresh()
            self.seek(here)
        return self.gate.holds(here)

    def _work_play(self, here: TrackStatus, told_all: bool) -> None:
        if self._settling is not None:
            if not self.lanes.settled and time.monotonic() < self._settling:
                return
            self._settling = None
            self.track.play(self.speed, FOREVER if self.end is None else self.end)
            return
        if self.end is not None and here.position >= self.end:
            self._at_end()
        elif here.queued == 0 and told_all and here.position >= here.horizon:
            if self.index.is_live:
                if here.position >= self.index.now_ns() - 2 * LIVE_LAG:
                    self._tail()
            elif here.position >= (self.index.end_ns or 0):
                self._at_end()

    def _work_unlimited(self) -> None:
        if self._settling is not None:
            if not all(lane.ready for lane in self.lanes):
                return
            self._settling = None
        assert self._goals is not None
        self._goals.push()
        known = self._goals.until_ns
        # What is away and comes next is seen to first, by the next turn if all was played just now.
        if self._goals.reached and (known == self.end or not self.gate.stands):
            if self.index.is_live and (self.end is None or self.end > self.index.now_ns() - LIVE_LAG):
                self._tail()
            else:
                self._stand(max(known, self.track.status.position))
                self._at_end()

    def _work_tail(self) -> None:
        self.lanes.see_limits()
        if self.end is not None and self.index.now_ns() >= self.end:
            self._stand(self.end)
            self._at_end()
        elif not self.index.is_live:
            if self.loop and self.lanes.parts:
                self._at_end()
            else:
                self.ended = True  # for as long as nobody records
        else:
            self.ended = False

    def _at_end(self) -> None:
        """The end that was set, or of what there is when nothing records any more."""
        if self.loop:
            if self.consumed:
                self.seek(self.begin)
            return
        ends = self.end is not None and self.track.status.position >= self.end
        if ends or (self.end is not None and self.end <= self.index.now_ns()):
            self.track.pause()
            self.mode = PAUSE
        else:
            self._tail()
        self.ended = True

    # -- streams and recordings

    def _look_for_streams(self) -> None:
        now = time.monotonic()
        if now >= self._streams_at:
            self._streams_at = now + _STREAMS_EVERY
            self.lanes.refresh()
            if self.mode == TAIL and not self._awaited:
                self.lanes.follow()
            if self._empty and self.index.begin_ns is not None:
                self._empty = False
                if self.track.status.position < self.earliest:
                    self.seek(self.begin)

    def recording(self, recording_id: int) -> RecordingDescriptor:
        """What the catalog has of a recording."""
        with self.lock:
            return self.lanes.recordings.find(recording_id)

    # -- over the death of an archive, or of a media driver

    def lost(self) -> None:
        """The archive is gone: stand still until :meth:`go_on`."""
        with self.lock:
            if self._left_at is not None:
                return
            try:
                self.track.pause()
                here = self.track.status.position if self._goals is None else self._goals.until_ns
            except AeronError:
                here = self._seen_ns  # the media driver is gone, too
            self._left_at = self.index.now_ns() if self.mode == TAIL else here
            self._goals = self._settling = None
            self.lanes.lost()

    def go_on(self) -> None:
        """The archive is back: go on from where all that was published ends."""
        with self.lock:
            if self._left_at is not None:
                left_at, self._left_at = self._left_at, None
                self.lanes.refresh()
                self._go_on(left_at)

    def _go_on(self, left_at: int) -> None:
        time_ns = self.lanes.published_until(min(self.begin, left_at), left_at)
        self.track.seek(time_ns)
        self.lanes.stand(self.index.image_at(time_ns))
        self._feed.read_on(time_ns)
        self._empty = self.index.begin_ns is None
        if not self._awaited:
            self._resume()
        self._pacer.wake()

    def _resume(self) -> None:
        if self.mode == PLAY:
            self._go()
        elif self.mode == TAIL:
            self._tail()

    def kept(self) -> tuple[int, dict[int, int], frozenset[str]]:
        """Where it stood when all was lost: time, position of each recording, topics that were listened to."""
        with self.lock:
            assert self._left_at is not None
            heard = self._awaited or frozenset(lane.topic for lane in self.lanes if lane.heard)
            return self._left_at, {part.recording_id: part.cursor for part in self.lanes.parts}, heard

    def restore(self, kept: KeptSession, patience: float) -> None:
        """Go on as a session that another media driver had, once those are back who listened to it.

        Args:
            kept: what it was.
            patience: seconds to wait for them.
        """
        with self.lock:
            self.lanes.restore(kept.cursors, kept.heard)
            self.mode, self.ended = kept.mode, kept.ended
            self._awaited, self._await_until = kept.heard, time.monotonic() + patience
            self._go_on(kept.left_at)

    def _await_listeners(self) -> None:
        listening = {lane.topic for lane in self.lanes.listening}
        if self._awaited <= listening or time.monotonic() >= self._await_until:
            self._awaited = frozenset()
            self._resume()
