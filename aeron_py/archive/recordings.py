"""What an archive tells of its recordings and of what it listens to."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass, field
from typing import Any, Final

from aeron_py._ffi import ffi, lib

__all__ = ["NULL_POSITION", "RecordingDescriptor", "RecordingSubscription", "SourceLocation"]

NULL_POSITION: Final = -1
"""The stop position of a recording that goes on (``AERON_NULL_POSITION``)."""


class SourceLocation(enum.IntEnum):
    """Where the archive finds what it is to record (``aeron_archive_source_location_t``)."""

    LOCAL = 0
    """On the archive's own media driver: IPC as it is, UDP through a spy."""
    REMOTE = 1
    """On another machine: the archive subscribes to it over the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingDescriptor:
    """One recording in the archive's catalog (``aeron_archive_recording_descriptor_t``).

    Attributes:
        recording_id: its number, unique in the archive.
        start_timestamp: when it began, in milliseconds since 1970.
        stop_timestamp: when it ended, -1 while it goes on.
        start_position: the first position in it, in bytes.
        stop_position: where it ended, in bytes; :data:`NULL_POSITION` while it goes on.
        initial_term_id: of the stream.
        segment_file_length: bytes in each of its files.
        term_buffer_length: bytes in each term of the stream.
        mtu_length: the stream's longest packet, in bytes.
        session_id: of the publication that was recorded.
        stream_id: of the stream.
        stripped_channel: the channel that identifies the stream, without its other parameters.
        original_channel: the channel as ``start_recording`` was given it.
        source_identity: the sender's address, ``aeron:ipc`` for IPC.
        control_session_id: the session that asked; this and the next do not count when descriptors are compared.
        correlation_id: the request that asked.
    """

    recording_id: int
    start_timestamp: int
    stop_timestamp: int
    start_position: int
    stop_position: int
    initial_term_id: int
    segment_file_length: int
    term_buffer_length: int
    mtu_length: int
    session_id: int
    stream_id: int
    stripped_channel: str
    original_channel: str
    source_identity: str
    control_session_id: int = field(default=-1, compare=False)
    correlation_id: int = field(default=-1, compare=False)

    @property
    def is_active(self) -> bool:
        """Whether the recording went on when the archive was asked."""
        return self.stop_position == NULL_POSITION

    @property
    def length(self) -> int | None:
        """Bytes in it, None while it goes on."""
        return None if self.is_active else self.stop_position - self.start_position

    @property
    def start_time(self) -> datetime.datetime:
        """When it began, in UTC."""
        return datetime.datetime.fromtimestamp(self.start_timestamp / 1000, datetime.UTC)

    @property
    def stop_time(self) -> datetime.datetime | None:
        """When it ended, in UTC; None while it goes on."""
        if self.stop_timestamp == NULL_POSITION:
            return None
        return datetime.datetime.fromtimestamp(self.stop_timestamp / 1000, datetime.UTC)

    def segment_file_base_position(self, position: int) -> int:
        """The position at which the segment file that holds ``position`` begins (``AeronArchive`` helper of that name).

        Args:
            position: in bytes, not before the recording's start.
        """
        base: int = lib.aeron_archive_segment_file_base_position(
            self.start_position, position, self.term_buffer_length, self.segment_file_length
        )
        return base


@dataclass(frozen=True, slots=True)
class RecordingSubscription:
    """One channel and stream that the archive listens to (``aeron_archive_recording_subscription_descriptor_t``).

    Attributes:
        subscription_id: for ``stop_recording_subscription``.
        stream_id: of the stream.
        stripped_channel: the channel, without the parameters that do not identify it.
    """

    subscription_id: int
    stream_id: int
    stripped_channel: str


def recording_from_event(event: Any, control_session_id: int) -> RecordingDescriptor:
    """The descriptor in the data of a ``SHIM_EVENT_ARCHIVE_RECORDING``."""
    fixed = ffi.cast("const shim_recording_t *", event.data)
    lengths = (fixed.stripped_channel_length, fixed.original_channel_length, fixed.source_identity_length)
    texts = bytes(ffi.buffer(event.data + ffi.sizeof("shim_recording_t"), sum(lengths)))
    second, third = lengths[0], lengths[0] + lengths[1]
    return RecordingDescriptor(
        recording_id=fixed.recording_id,
        start_timestamp=fixed.start_timestamp,
        stop_timestamp=fixed.stop_timestamp,
        start_position=fixed.start_position,
        stop_position=fixed.stop_position,
        initial_term_id=fixed.initial_term_id,
        segment_file_length=fixed.segment_file_length,
        term_buffer_length=fixed.term_buffer_length,
        mtu_length=fixed.mtu_length,
        session_id=fixed.session_id,
        stream_id=fixed.stream_id,
        stripped_channel=texts[:second].decode("utf-8", "replace"),
        original_channel=texts[second:third].decode("utf-8", "replace"),
        source_identity=texts[third:].decode("utf-8", "replace"),
        control_session_id=control_session_id,
        correlation_id=event.id,
    )
