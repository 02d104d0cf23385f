"""A driver's loss report, ``loss-report.dat``: one record after the other, the first that says 0 observations ends it.

It is read here, and not by ``aeron_cnc_loss_reporter_read``: that one believes any length that is in the file, and
takes some records for shorter than they were written, so that it tells of losses that never were.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aeron_py.errors import AeronError

__all__ = ["LossObservation", "read_losses"]

# Observations, bytes lost, first and last time in milliseconds, session id, stream id, length of the channel. After the
# channel, at a multiple of 4 bytes, come the length of the source and the source; then, at one of 64, the next record.
_RECORD: Final = struct.Struct("=qqqqiii")
_LENGTH: Final = struct.Struct("=i")
_ALIGNMENT = 64
_PIECE = 1 << 16
_LATEST = 253_402_300_800_000  # the year 10000


@dataclass(frozen=True, slots=True)
class LossObservation:
    """What a receiver of this driver lost of one stream of one source.

    Args:
        observations: how often something was missing.
        bytes_lost: how much in all, retransmitted or not.
        first_time: when it came first, seconds since 1970.
        last_time: when it came last.
        session_id: the publisher's session.
        stream_id: the stream.
        channel: as the subscriber has it.
        source: where it came from, ``address:port``.
    """

    observations: int
    bytes_lost: int
    first_time: float
    last_time: float
    session_id: int
    stream_id: int
    channel: str
    source: str


def read_losses(path: Path) -> list[LossObservation]:
    """What a loss report tells; nothing when there is none. The driver may be writing to it.

    Raises:
        AeronError: it is damaged, or can't be read.
    """
    found = []
    try:
        report = _Report(path)
        with report.file:
            while (record := report.record()) is not None:
                found.append(record)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise AeronError(f"the loss report {path} can't be read: {error.strerror}", operation="losses") from None
    return found


class _Report:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("rb", buffering=_PIECE)
        self._begin = self._at = 0

    def record(self) -> LossObservation | None:
        """The next record, None after the last."""
        self._begin = self._at
        head = self.file.read(_RECORD.size)
        # The driver writes the number of observations last.
        observations = int.from_bytes(head[:8], sys.byteorder, signed=True)
        if observations <= 0:
            return None
        if len(head) < _RECORD.size:
            raise self._damaged("it ends within a record")
        self._at += len(head)
        _, lost, first, last, session_id, stream_id, length = _RECORD.unpack(head)
        if not (0 <= first < _LATEST and 0 <= last < _LATEST):
            raise self._damaged(f"its times can't be: {first} and {last}")
        channel = self._text(length)
        self._skip(4)
        source = self._text(*_LENGTH.unpack(self._read(4)))
        self._skip(_ALIGNMENT)
        return LossObservation(observations, lost, first / 1000, last / 1000, session_id, stream_id, channel, source)

    def _text(self, length: int) -> str:
        if not 0 <= length < _PIECE:
            raise self._damaged(f"a text in it can't have {length} bytes")
        return self._read(length).decode("utf-8", "replace")

    def _read(self, length: int) -> bytes:
        data = self.file.read(length)
        if len(data) < length:
            raise self._damaged("it ends within a record")
        self._at += length
        return data

    def _skip(self, alignment: int) -> None:
        """To a multiple of so many bytes, or to the end of the file."""
        self._at += len(self.file.read(-self._at % alignment))

    def _damaged(self, why: str) -> AeronError:
        return AeronError(f"the loss report {self.path} is damaged at byte {self._begin}: {why}", operation="losses")
