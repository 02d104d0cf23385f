"""What is controlled as a session is: from when, to when, where it is, how fast; read and set."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from aeron_py.errors import ClosedError, SettingError
from aeron_py.recorder.playback.controls import Controls
from aeron_py.recorder.playback.player import Player
from aeron_py.recorder.playback.playhead import PAUSE, PLAY, TAIL, Mode
from aeron_py.recorder.when import Batches, format_speed, format_time, parse_position, parse_speed, parse_time

if TYPE_CHECKING:
    from aeron_py.recorder.playback.pacer import Pacer
    from aeron_py.recorder.timeindex import TimeIndex

__all__ = ["Controlled", "Time", "check_mode", "check_order"]

Time = str | int | datetime | None
_MODES = (PLAY, PAUSE, TAIL)


class Controlled:
    """The controls of a :class:`Session`: they check what they are given, and hand it to its player."""

    session_id: str
    index: TimeIndex
    _player: Player
    _pacer: Pacer
    _closed: bool

    @property
    def start(self) -> str:
        """Where it begins, an RFC 3339 time or ``Unbounded``. Set it to one of these, or to an offset from now."""
        return format_time(self._clock(self._player.start))

    @start.setter
    def start(self, value: Time) -> None:
        player = self._using()
        moment = self._from_start(parse_time(value))
        with player.lock:
            check_order(moment, player.end)
            player.start = moment
            if moment is not None and player.pos < moment - 1:
                player.seek(player.begin)

    @property
    def end(self) -> str:
        """Where it ends, an RFC 3339 time or ``Unbounded``. Set it to one of these, or to an offset from now.

        Unbounded, or a time to come: when all that is recorded was played, ``state`` becomes ``tail``.
        """
        return format_time(self._clock(self._player.end))

    @end.setter
    def end(self, value: Time) -> None:
        player = self._using()
        moment = self._to_end(parse_time(value))
        with player.lock:
            check_order(player.start, moment)
            player.set_end(moment)

    @property
    def pos(self) -> str | None:
        """The time up to which was played; None while nothing is recorded.

        Set it to a time or to an offset from now, or move it by 1 to 128 batches: ``"+10"``, ``-10``. A batch is what
        came in one sample of the recorder. Forward they are played, at once.
        """
        found = self.pos_ns
        return None if found is None else format_time(found)

    @pos.setter
    def pos(self, value: str | int | datetime) -> None:
        where = parse_position(value)
        player = self._using()
        if isinstance(where, Batches):
            player.step(where.number)
            return
        with player.lock:
            begin, moment = player.earliest, self.index.near_ns(where, player.pos)
            end = moment if player.end is None else player.end
            player.seek(max(begin, min(moment, end)))

    @property
    def pos_ns(self) -> int | None:
        """:attr:`pos` in nanoseconds since 1970."""
        player = self._using()
        return None if self.index.begin_ns is None else self.index.clock_ns(player.pos)

    @property
    def speed(self) -> float | str:
        """How fast: a fraction of real time, or ``Unlimited``, which is as fast as subscribers read."""
        return format_speed(self._player.speed)

    @speed.setter
    def speed(self, value: float | str) -> None:
        self._using().set_speed(parse_speed(value))

    @property
    def state(self) -> Mode:
        """``play``, ``pause``, or ``tail``, which is to play what is recorded as it comes. Set it to any of these."""
        return self._player.mode

    @state.setter
    def state(self, value: Mode) -> None:
        check_mode(value)
        self._using().set_mode(value)

    @property
    def loop(self) -> bool:
        """Whether it begins anew at the end."""
        return self._player.loop

    @loop.setter
    def loop(self, value: bool) -> None:
        self._player.loop = bool(value)

    def step(self, batches: int = 1) -> int:
        """Play so many batches at once, or with a negative number go back; returns how many there were."""
        return self._using().step(batches)

    @property
    def controls(self) -> Controls:
        """All of them at one moment."""
        with self._using().lock:
            moment = self.pos_ns
            return Controls(
                start=self.start,
                end=self.end,
                pos=None if moment is None else format_time(moment),
                speed=self.speed,
                state=self.state,
                ended=self.ended,
                drained=self.ended and self._player.consumed,
                pos_ns=moment,
                waiting=self._player.waits_for,
            )

    @property
    def waiting(self) -> str | None:
        """What it waits for before it goes on, in words; None when for nothing.

        A volume that is only where it was stored is fetched when the session comes to it; until then time stands still.
        """
        return self._using().waits_for

    @property
    def ended(self) -> bool:
        """Whether :attr:`end` was reached, or the end of what there is when nothing is recorded any more."""
        return self._player.ended

    # Where the clock was set back, its times are not those of the index: these never go back.

    def _from_start(self, clock_ns: int | None) -> int | None:
        return None if clock_ns is None else self.index.first_ns(clock_ns)

    def _to_end(self, clock_ns: int | None) -> int | None:
        return None if clock_ns is None else self.index.last_ns(clock_ns)

    def _clock(self, time_ns: int | None) -> int | None:
        return None if time_ns is None else self.index.clock_ns(time_ns)

    def _using(self) -> Player:
        if self._closed:
            raise ClosedError(f"session {self.session_id} is closed")
        if (problem := self._pacer.problem) is not None:
            raise type(problem)(problem.message, operation="session")
        return self._player


def check_mode(value: str) -> None:
    """Raises when there is no such state."""
    if value not in _MODES:
        raise SettingError(f"{value!r:.100} is no state: there are {', '.join(_MODES)}", operation="state")


def check_order(start: int | None, end: int | None) -> None:
    """Raises when the end is before the start."""
    if start is not None and end is not None and end < start:
        raise SettingError(f"the end, {format_time(end)}, is before the start, {format_time(start)}", operation="end")
