"""What a persistent subscription tells: its state, in counters that others see, and its news, to who listens."""

from __future__ import annotations

import contextlib
import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aeron_py.errors import AeronError

if TYPE_CHECKING:
    from aeron_py.client import Client
    from aeron_py.counters import Counter
    from aeron_py.image import Image

__all__ = ["Listener", "PersistentSubscriptionState", "Told"]

_COUNTERS: Final = {
    "state_counter": (114, "Persistent Subscription State"),
    "join_difference_counter": (115, "Persistent Subscription Join Difference"),
    "live_left_counter": (116, "Persistent Subscription Live Left Count"),
    "live_joined_counter": (117, "Persistent Subscription Live Joined Count"),
}
_UNKNOWN = -(2**63)


class PersistentSubscriptionState(enum.IntEnum):
    """What a persistent subscription is doing, as its state counter has it; Aeron's C code has states in between."""

    AWAIT_ARCHIVE_CONNECTION = 0
    AWAIT_LIST_RECORDING_RESPONSE = 2
    AWAIT_REPLAY_RESPONSE = 4
    REPLAY = 12
    ATTEMPT_SWITCH = 13
    AWAIT_LIVE = 15
    LIVE = 16
    FAILED = 17


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told what, in the thread that polls."""

    on_live_joined: Callable[[], object] | None
    on_live_left: Callable[[], object] | None
    on_error: Callable[[AeronError], object] | None


class Told:
    """The state of a persistent subscription.

    Args:
        client: where its counters are.
        listener: who is told.
        streams: both of them, for the labels of its counters.
        position: where it begins.
    """

    state_counter: Counter
    join_difference_counter: Counter
    live_left_counter: Counter
    live_joined_counter: Counter

    def __init__(self, client: Client, listener: Listener, streams: str, position: int) -> None:
        self._client = client
        self._listener = listener
        self._streams = streams
        self._to_tell: deque[Callable[[], object]] = deque()
        self._own_counters: list[Counter] = []
        self.position = position
        self.state = PersistentSubscriptionState.AWAIT_ARCHIVE_CONNECTION
        self.join_difference: int | None = None
        self.failure: AeronError | None = None

    def _have_counters(self, counters: dict[str, Counter | None]) -> None:
        for name, given in counters.items():
            setattr(self, name, self._counter(*_COUNTERS[name]) if given is None else given)
        self._count("join_difference_counter", _UNKNOWN)

    def _set(self, state: PersistentSubscriptionState) -> None:
        self.state = state
        self._count("state_counter", int(state))

    def _difference(self, image: Image) -> None:
        self.join_difference = image.join_position - self.position
        self._count("join_difference_counter", self.join_difference)

    def _count(self, name: str, value: int | None = None) -> None:
        counter: Counter = getattr(self, name)
        with contextlib.suppress(AeronError):  # the user's own, closed meanwhile
            if value is None:
                counter.add(1)
            else:
                counter.value = value

    def _counter(self, type_id: int, name: str) -> Counter:
        counter = self._client.add_counter(type_id, f"{name}: {self._streams}"[:380])
        self._own_counters.append(counter)
        return counter

    def _tell(self, handler: Callable[[], object] | None) -> None:
        # Not at once: an exception of a handler must come out of the poll, not end the steps.
        if handler is not None:
            self._to_tell.append(handler)

    def _report(self, error: AeronError) -> None:
        if (handler := self._listener.on_error) is not None:
            self._to_tell.append(lambda: handler(error))

    def _tell_all(self) -> None:
        while self._to_tell:
            self._to_tell.popleft()()
