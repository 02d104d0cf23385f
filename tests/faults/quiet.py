"""A program that makes no call for a while, though it has begun a number of things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aeron_py import CountersReader
from aeron_py.counters import CounterType
from tests.faults.place import Place, Recorded
from tests.faults.recording import CHANNEL, TIMEOUT, message
from tests.faults.states import LONG

_RESPONSES = " 20 "
"""The stream on which an archive answers, as it stands in a counter's label."""


def answered(counters: CountersReader) -> int:
    """Bytes that archives have sent to their sessions, whether these asked or not."""
    return sum(each.value for each in counters.list(CounterType.PUBLISHER_POSITION) if _RESPONSES in each.label)


def quiet(base: Path, until: Callable[[Place], object], **settings: Any) -> None:
    """Begin, be quiet until then, and go on: with the same session, in the middle of the same replay.

    Args:
        base: a fresh directory.
        until: returns when it was long enough; it must not touch the place's own client.
        settings: of the archive.
    """
    place = Place(base)
    try:
        place.start_driver()
        place.start_archive(**settings)
        place.connect()
        recorded = Recorded(place, place.client, place.archive, LONG)
        with (
            place.archive.start_replay(
                recorded.recording_id, CHANNEL, place.next_stream(), length=recorded.position
            ) as replay,
            replay.subscribe() as subscription,
        ):
            messages = subscription.messages(until=recorded.position, timeout=TIMEOUT)
            received = [next(messages).payload]
            until(place)
            received += [each.payload for each in messages]
        assert received == [message(number) for number in range(LONG)]
        assert place.archive.is_connected
        recorded.go_on()
        place.goes_on(recorded)
    finally:
        place.close()
