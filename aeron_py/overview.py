"""A media driver at a glance, from its files: streams with rates and lag, recordings, counters, errors, losses."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from aeron_py._closing import Closing
from aeron_py.cnc import CncFile, ErrorObservation, LossObservation
from aeron_py.counters import CounterDescriptor, CounterType
from aeron_py.driver import DriverInfo
from aeron_py.errors import AeronError

__all__ = ["CounterRow", "Overview", "RecordingRow", "Sampler", "StreamRow"]

_REC_KEY = struct.Struct("<qi")  # recording id, session id
_POSITIONS = ("pub-pos", "snd-pos", "rcv-hwm", "rcv-pos")
_PUB_POS = CounterType.PUBLISHER_POSITION
_TOLD_ELSEWHERE = CounterType.ARCHIVE_RECORDING_POSITION, CounterType.CLIENT_HEARTBEAT_TIMESTAMP
_Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One publication, or one image of another driver's, as this driver has it.

    Attributes:
        stream_id: the stream.
        session_id: the publisher's.
        channel: the publisher's, else a subscriber's.
        position: how far it is published, or received.
        limit: up to where its publisher may go now; None for an image.
        subscribers: positions of the subscribers of this driver; archives are among them.
        lag: bytes from the slowest of these to the position; None without any.
        rate: bytes a second; None before there are two samples.
    """

    stream_id: int
    session_id: int
    channel: str
    position: int
    limit: int | None
    subscribers: tuple[int, ...]
    lag: int | None
    rate: float | None


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """One recording that goes on.

    Attributes:
        recording_id: its number in its archive.
        stream_id: the stream.
        session_id: the publisher's.
        channel: as the archive has it.
        position: how far it is recorded.
        lag: bytes from there to the publisher's position, None when that is not known here.
        rate: bytes a second.
    """

    recording_id: int
    stream_id: int
    session_id: int
    channel: str
    position: int
    lag: int | None
    rate: float | None


@dataclass(frozen=True, slots=True)
class CounterRow:
    """A counter that is about no stream.

    Attributes:
        counter_id: its slot.
        type_id: its type: 0 for the driver's own.
        label: what it says of itself.
        value: what it counts.
        rate: change a second.
    """

    counter_id: int
    type_id: int
    label: str
    value: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """A driver at one moment.

    Attributes:
        time: when, seconds since 1970.
        driver: what it says of itself.
        streams: what is published and received.
        recordings: what archives record.
        counters: all others.
        errors: the distinct errors it has met, the oldest first.
        losses: what it has lost, by stream and source.
    """

    time: float
    driver: DriverInfo
    streams: tuple[StreamRow, ...]
    recordings: tuple[RecordingRow, ...]
    counters: tuple[CounterRow, ...]
    errors: tuple[ErrorObservation, ...] = field(default=())
    losses: tuple[LossObservation, ...] = field(default=())


class Sampler(Closing):
    """Looks at a driver again and again; rates count from the look before.

    Follows the directory: a driver that is started anew there is looked at from then on.

    Args:
        aeron_dir: the driver's directory; None for ``AERON_DIR`` or Aeron's default.

    Raises:
        DriverTimeoutError: no driver was ever there.
    """

    def __init__(self, aeron_dir: str | os.PathLike[str] | None = None) -> None:
        self._cnc = CncFile(aeron_dir)
        self._started = self._cnc.info().start_time
        self._values: dict[_Key, int] = {}
        self._time = 0.0

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._cnc.close()

    def sample(self) -> Overview:
        """The driver now."""
        info = self._cnc.info()
        if info.start_time != self._started:
            self._cnc.close()
            self._cnc, self._started, self._values = CncFile(info.aeron_dir), info.start_time, {}
        now = time.monotonic()
        counters = self._cnc.counters.list()
        seconds, before = now - self._time, self._values
        rates = {
            _key(each): (each.value - before[_key(each)]) / seconds
            for each in counters
            if _key(each) in before and seconds > 0
        }
        self._values, self._time = {_key(each): each.value for each in counters}, now
        streams, of_streams = self._streams(counters, rates)
        published = {(each.session_id, each.stream_id): each.position for each in streams}
        return Overview(
            time=time.time(),
            driver=info,
            streams=tuple(streams),
            recordings=tuple(_recordings(counters, rates, published)),
            counters=tuple(
                CounterRow(each.counter_id, each.type_id, each.label, each.value, rates.get(_key(each)))
                for each in counters
                if each.counter_id not in of_streams and each.type_id not in _TOLD_ELSEWHERE
            ),
            errors=tuple(self._cnc.errors()),
            losses=self._losses(),
        )

    def _losses(self) -> tuple[LossObservation, ...]:
        # CncFile.losses() tells of a damaged report: it hides nothing else here.
        try:
            return tuple(self._cnc.losses())
        except AeronError:
            return ()

    def _streams(self, counters: list[CounterDescriptor], rates: dict[_Key, float]) -> tuple[list[StreamRow], set[int]]:
        """The streams, and which counters are about them."""
        by_id = {each.counter_id: each for each in counters}
        found: dict[tuple[int, int], dict[str, list[CounterDescriptor]]] = {}
        channels: dict[tuple[int, int], str] = {}
        seen: set[int] = set()
        for each in self._cnc.streams():
            counter = by_id.get(each.counter_id)
            if counter is None or (counter.registration_id != each.registration_id and counter.type_id == _PUB_POS):
                continue
            seen.add(each.counter_id)
            key = each.stream_id, each.session_id
            found.setdefault(key, {}).setdefault(each.name, []).append(counter)
            if counter.type_id == _PUB_POS:
                # The label has it whole, with the alias.
                channels[key] = counter.label.partition(": ")[2].split(" ", 3)[-1]
            channels.setdefault(key, each.channel)
        rows = []
        for (stream_id, session_id), named in sorted(found.items()):
            ahead = next((named[name] for name in _POSITIONS if name in named), named.get("sub-pos"))
            if ahead is None:
                continue
            leader = max(ahead, key=lambda each: each.value)
            readers = tuple(sorted(each.value for each in named.get("sub-pos", ())))
            limits = named.get("pub-lmt", ())
            rows.append(
                StreamRow(
                    stream_id=stream_id,
                    session_id=session_id,
                    channel=channels[stream_id, session_id],
                    position=leader.value,
                    limit=max((each.value for each in limits), default=None),
                    subscribers=readers,
                    lag=max(0, leader.value - readers[0]) if readers else None,
                    rate=rates.get(_key(leader)),
                )
            )
        return rows, seen


def _key(counter: CounterDescriptor) -> _Key:
    return counter.counter_id, counter.registration_id


def _recordings(
    counters: Iterable[CounterDescriptor], rates: dict[_Key, float], published: dict[tuple[int, int], int]
) -> Iterable[RecordingRow]:
    for each in counters:
        if each.type_id != CounterType.ARCHIVE_RECORDING_POSITION:
            continue
        recording_id, session_id = _REC_KEY.unpack_from(each.key)
        # rec-pos: <recording id> <session id> <stream id> <channel> ...
        words = each.label.partition(": ")[2].split(" ")
        stream_id = int(words[2]) if len(words) > 2 and words[2].lstrip("-").isdigit() else 0
        position = published.get((session_id, stream_id))
        yield RecordingRow(
            recording_id=recording_id,
            stream_id=stream_id,
            session_id=session_id,
            channel=words[3] if len(words) > 3 else "",
            position=each.value,
            lag=None if position is None else max(0, position - each.value),
            rate=rates.get(_key(each)),
        )
