"""Times that never go back, of a chain of journals whose clock was set back between two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aeron_py.recorder._run import Run

__all__ = ["UNCHANGED", "Order", "order_of"]

_MINUTE = 60 * 1_000_000_000
# Within an hour a recorder lets times go on by itself, and as it turns to the next volume journals overlap a little.
_SET_BACK, _SET_BACK_BY_CATALOG = 59 * _MINUTE, 61 * _MINUTE


class Order:
    """From the clock's times in one journal to times in the order of recording, and back.

    Args:
        later: how much later a journal is told, nanoseconds.
        before_ns: where the journals end from before the clock was set back. It may get there by a leap, when it is
            set right: what was recorded after that is told no later than needs be.
    """

    def __init__(self, later: int = 0, before_ns: int = 0) -> None:
        self.later, self.before_ns = later, before_ns
        # From where on, as it is told, and how much later still.
        self._leap: tuple[int, int] | None = None

    @property
    def latest(self) -> int:
        """How much later its last entries are told."""
        return self.later if self._leap is None else self._leap[1]

    def look(self, run: Run) -> None:
        """See whether the clock has got to where the journals before end."""
        if self.later and self._leap is None and run.end_ns is not None and run.end_ns > self.before_ns:
            last, first = run.around(self.before_ns)
            if last is not None and first is not None:
                told = last + self.later
                self._leap = told, max(0, told + 1 - first)

    def told(self, clock_ns: int) -> int:
        """A time of the clock as it is told."""
        return clock_ns + (self.later if clock_ns <= self.before_ns else self.latest)

    def clock(self, told_ns: int) -> int:
        """What the clock said at a time that is told."""
        if self._leap is None or told_ns <= self._leap[0]:
            return told_ns - self.later
        return max(self.before_ns, told_ns - self._leap[1])


UNCHANGED: Final = Order()


def order_of(run: Run, before: Run | None) -> Order | None:
    """The order of a journal after another one; None while its first entry is not known.

    Args:
        run: the journal.
        before: the one before it that has an order.
    """
    if run.span is None:
        return None
    if before is None or before.span is None:
        return UNCHANGED
    begin, end = run.span[0], before.span[1]
    allowed = _SET_BACK if run.begin_ns is not None else _SET_BACK_BY_CATALOG
    order = before.order or UNCHANGED
    ended = order.told(end)
    later = ended + 1 - begin
    if later > order.latest + allowed:
        return Order(later, ended)
    later = max(0, min(later, order.latest)) if begin > order.before_ns else order.latest
    return Order(later, order.before_ns) if later else UNCHANGED
