"""A driver's command and control file, read without becoming a client: heartbeat, errors, losses, counters, streams."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aeron_py._ffi import check, ffi, lib
from aeron_py._loss_report import LossObservation, read_losses
from aeron_py._owner import Handle, Owner
from aeron_py._waiting import Duration
from aeron_py.counters import CountersReader, open_cnc
from aeron_py.driver import DriverInfo, driver_info
from aeron_py.errors import SettingError

__all__ = ["CncFile", "ErrorObservation", "LossObservation", "StreamPosition"]

_LOSS_REPORT = "loss-report.dat"
_FIRST_GUESS = 64 * 1024

# What each type of counter about one stream says, as Aeron calls it in the counter's label.
_STREAM_COUNTERS: Final = {
    1: "pub-lmt",
    2: "snd-pos",
    3: "rcv-hwm",
    4: "sub-pos",
    5: "rcv-pos",
    9: "snd-lmt",
    12: "pub-pos",
    13: "snd-bpe",
}
_STREAM_KEY = struct.Struct("=qiii")  # registration id, session id, stream id, length of the channel


@dataclass(frozen=True, slots=True)
class ErrorObservation:
    """One kind of error of a driver, or of an archive, and how often it came.

    Args:
        observations: how often.
        first_time: when it came first, seconds since 1970.
        last_time: when it came last.
        text: what it says, with the stack trace where there is one.
    """

    observations: int
    first_time: float
    last_time: float
    text: str


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """One counter about a stream.

    Args:
        name: ``pub-pos``, ``pub-lmt``, ``snd-pos``, ``snd-lmt``, ``snd-bpe``, ``rcv-pos``, ``rcv-hwm`` or ``sub-pos``.
        value: a position in bytes; with ``snd-bpe`` how often the sender had to wait.
        counter_id: the counter.
        registration_id: of the publication, subscription or image.
        session_id: the publisher's session.
        stream_id: the stream.
        channel: of the publication or subscription, cut off after 92 bytes.
    """

    name: str
    value: int
    counter_id: int
    registration_id: int
    session_id: int
    stream_id: int
    channel: str


class CncFile(Owner):
    """A driver's command and control file, ``cnc.dat`` (``aeron_cnc_t``): what the driver says of itself to anyone.

    The driver may be dead: what it said last is read all the same.

    Args:
        aeron_dir: the driver's directory; None for ``AERON_DIR`` or Aeron's default.
        timeout: seconds to wait for the file.

    Raises:
        DriverTimeoutError: no driver was ever there.

    Attributes:
        aeron_dir: the driver's directory.
        counters: all counters of the driver.
    """

    def __init__(self, aeron_dir: str | os.PathLike[str] | None = None, *, timeout: Duration = 0.0) -> None:
        pointer, self.aeron_dir = open_cnc(aeron_dir, timeout, "CncFile.open")
        self._handle = Handle(f"cnc file of {self.aeron_dir}", pointer, lib.aeron_cnc_close)
        self.counters = CountersReader(self._handle, lib.aeron_cnc_counters_reader(pointer))

    @classmethod
    def open(cls, aeron_dir: str | os.PathLike[str] | None = None, *, timeout: Duration = 0.0) -> CncFile:
        """The same as calling the class."""
        return cls(aeron_dir, timeout=timeout)

    @property
    def heartbeat(self) -> float | None:
        """When the driver last turned its conductor, seconds since 1970; None when it was shut down or never began."""
        with self._handle.using("heartbeat") as pointer:
            beat = int(lib.aeron_cnc_to_driver_heartbeat(pointer))
        return beat / 1000 if beat > 0 else None

    def info(self, timeout: Duration = 10.0) -> DriverInfo:
        """What the driver there says of itself now: see :func:`driver_info`.

        Args:
            timeout: seconds without a heartbeat after which a driver is taken for dead.
        """
        self._handle.check_open("info")
        found = driver_info(self.aeron_dir, timeout)
        if found is None:
            raise SettingError(f"the media driver's file in {self.aeron_dir} was removed", operation="info")
        return found

    def errors(self, since: float = 0.0) -> list[ErrorObservation]:
        """The driver's error log: each kind of error once, the oldest first (``aeron_cnc_error_log_read``).

        Args:
            since: only those that came at this time or later, seconds since 1970.
        """
        try:
            from_time = int(since * 1000)
            ffi.new("int64_t *", from_time)
        except (TypeError, ValueError, OverflowError):
            raise SettingError(f"since must be seconds since 1970, not {since!r}", operation="errors") from None
        size = _FIRST_GUESS
        with self._handle.using("errors") as pointer:
            while True:
                room = ffi.new("uint8_t[]", size)
                used = check(lib.shim_cnc_errors(pointer, from_time, room, size), "errors")
                if used <= size:
                    break
                size = 2 * used
        found, begin, head = [], 0, ffi.sizeof("shim_error_entry_t")
        while begin < used:
            entry = ffi.cast("shim_error_entry_t *", room + begin)
            text = bytes(ffi.buffer(room + begin + head, entry.length))
            times = entry.first_time / 1000, entry.last_time / 1000
            found.append(ErrorObservation(entry.observations, *times, _decoded(text)))
            begin += (head + entry.length + 7) // 8 * 8
        return found

    def losses(self) -> list[LossObservation]:
        """The driver's loss report: each stream of each source once (``loss-report.dat``).

        Nothing when the driver has not lost anything, or its directory is gone.

        Raises:
            AeronError: the report is damaged.
        """
        self._handle.check_open("losses")
        return read_losses(Path(self.aeron_dir) / _LOSS_REPORT)

    def streams(self) -> list[StreamPosition]:
        """The counters about streams, by stream, session and name."""
        found = []
        for counter in self.counters.list():
            name = _STREAM_COUNTERS.get(counter.type_id)
            if name is not None:
                registration_id, session_id, stream_id, length = _STREAM_KEY.unpack_from(counter.key)
                begin = _STREAM_KEY.size
                channel = _decoded(counter.key[begin : begin + max(0, length)])
                found.append(
                    StreamPosition(
                        name, counter.value, counter.counter_id, registration_id, session_id, stream_id, channel
                    )
                )
        return sorted(found, key=lambda each: (each.stream_id, each.session_id, each.name, each.counter_id))


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")
