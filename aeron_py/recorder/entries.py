"""The entries of the recorder's journal, as bytes and as objects. docs/journal-format.md describes the format."""

from __future__ import annotations

import enum
import struct
import zlib
from typing import Any, Final, NamedTuple

import msgspec

__all__ = ["VERSION", "Entry", "EntryKind", "Image", "StreamInfo", "Tick"]

VERSION: Final = 1
"""Of the format; it stands in each entry."""

HEADER: Final = struct.Struct("<BBHIqqq")  # kind, version, flags, count, time, image position, record position
TICK_ITEM: Final = struct.Struct("<Iq")  # stream index, position
IMAGE_ITEM: Final = struct.Struct("<Iqq")  # stream index, previous boundary, position
CLOSED_BODY: Final = struct.Struct("<IIqq")  # stream index, 0, previous boundary, stop position
MORE: Final = 1
"""Flag: the next entry, of the same kind and time, goes on with this one."""


_OPENED = ("index", "topic", "recording_id", "channel", "stream_id", "session_id", "start_position", "rule")


class EntryKind(enum.IntEnum):
    """What an entry of the journal says."""

    OPENED = 1
    """A stream is recorded from now on: JSON, a :class:`StreamInfo`."""
    CLOSED = 2
    """A stream is not recorded any more."""
    TICK = 3
    """Streams that moved, with their positions now."""
    IMAGE = 4
    """All open streams, with where their latest message is."""
    VOLUME = 5
    """A volume ended or began: JSON."""
    NOTE = 6
    """Anything else that the recorder keeps: JSON, with a member ``note`` that says what."""


class StreamInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stream in the history: one recording of a topic, or a part of one.

    The first seven, the index and ``stamped`` are what the journal keeps of it. The rest is known when it is read:
    leave it out for ``JournalWriter.open_stream``.

    Args:
        topic: ``protocol:topic``.
        recording_id: the archive's recording of it.
        channel: of its publisher, with the alias.
        stream_id: of its publisher.
        session_id: of its publisher.
        start_position: where its history in this journal begins: the start of the recording, or where an earlier
            journal left off. A frame begins there.
        rule: the rule that matched, for people.
        index: its number. In a journal it counts from 0; in a :class:`TimeIndex` it is unique over the whole chain.
        journal: recording id of the journal that tells of it.
        opened_ns: since when the journal tells of it, nanoseconds since 1970.
        closed_ns: since when no more; None while it goes on. When a recorder was killed: the end of its journal.
        stop_position: where its history in this journal ends, None while it goes on.
        stamped: whether its publisher says when each message came: each reserved value is nanoseconds since 1970.
    """

    topic: str
    recording_id: int
    channel: str
    stream_id: int
    session_id: int
    start_position: int = 0
    rule: str = ""
    index: int = 0
    journal: int = -1
    opened_ns: int = 0
    closed_ns: int | None = None
    stop_position: int | None = None
    stamped: bool = False


class Tick(NamedTuple):
    """The streams that moved since the sample before: one batch.

    Attributes:
        time_ns: when it was seen, nanoseconds since 1970. Strictly greater than that of the tick before it.
        positions: pairs of stream index and position, each stream once. A position is the end of a frame: of the last
            message's, or of a fragment of one that was being written.
    """

    time_ns: int
    positions: tuple[tuple[int, int], ...]


class Image(NamedTuple):
    """Where every stream stood at a time.

    Attributes:
        time_ns: the time asked for.
        positions: by stream index, of all streams that were opened until then, closed ones too: ``(previous,
            position)``. The latest message up to then ends at ``position`` and begins in ``[previous, position)``,
            unless only padding or a part of a fragmented message lies there: then it begins further back, at most a
            term. Equal when nothing came yet.
    """

    time_ns: int
    positions: dict[int, tuple[int, int]]


class Entry(NamedTuple):
    """One entry of the journal.

    Attributes:
        position: where it begins in the journal's stream.
        kind: what it says.
        flags: :data:`MORE` or 0.
        items: how many are in its body.
        time_ns: when it was written, nanoseconds since 1970.
        image_position: where the latest image before it begins, -1 when there is none.
        record_position: where the latest entry before it begins that is neither tick nor image, -1 when there is none.
        body: what follows the header.
    """

    position: int
    kind: int
    flags: int
    items: int
    time_ns: int
    image_position: int
    record_position: int
    body: bytes

    def json(self) -> Any:
        """The body of an OPENED, VOLUME or NOTE."""
        return msgspec.json.decode(self.body)


def decode(payload: bytes, checksum: int, position: int = -1) -> Entry | None:
    """The entry in a message of the journal; None when it is not a whole one of a version that is known here.

    Args:
        payload: the message.
        checksum: its reserved value: the CRC-32 of the payload.
        position: where it begins.
    """
    if len(payload) < HEADER.size or zlib.crc32(payload) != checksum:
        return None
    kind, version, flags, count, time_ns, image, record = HEADER.unpack_from(payload)
    if version != VERSION:
        return None
    return Entry(position, kind, flags, count, time_ns, image, record, payload[HEADER.size :])


def opened_body(info: StreamInfo) -> bytes:
    """The body of OPENED."""
    stamped = {"stamped": True} if info.stamped else {}
    return msgspec.json.encode({**{name: getattr(info, name) for name in _OPENED}, **stamped})


def opened(entry: Entry, journal: int, base: int) -> StreamInfo:
    """The stream that an OPENED entry tells of; its index counts from ``base`` on."""
    info = msgspec.json.decode(entry.body, type=StreamInfo)
    return msgspec.structs.replace(info, index=base + info.index, journal=journal, opened_ns=entry.time_ns)


def encode(entry: Entry) -> bytes:
    """The payload of an entry: as the sampler in C writes it."""
    return HEADER.pack(entry.kind, VERSION, *entry[2:7]) + entry.body
