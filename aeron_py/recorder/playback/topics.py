"""Topics of a session: which, where they are played, and what their latest message is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from aeron_py.archive.catalog import segment_name
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import SettingError
from aeron_py.recorder.names import TopicName
from aeron_py.recorder.rules import matches
from aeron_py.settings import as_int
from aeron_py.uri import ChannelUri

__all__ = ["Remap", "TopicFilter", "TopicInfo", "Value", "latest_message", "message_begin"]

_FRAME = 32
_BEGIN = 0x80
_DATA = 1


class Remap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where some topics are played, instead of on the session's channel and new stream ids.

    Args:
        topic: a glob, as in rules; with ``protocol:`` in front only for that protocol.
        channel: None for the session's.
        stream_id: the stream there, for one topic.
        offset: the stream is the publisher's stream id plus this; 0 for the same.
    """

    topic: str = "**"
    channel: str | None = None
    stream_id: int | None = None
    offset: int | None = None

    @classmethod
    def parse(cls, text: str) -> Remap:
        """From ``TOPIC=STREAM_ID``, ``TOPIC=+OFFSET``, ``TOPIC=CHANNEL`` or ``TOPIC=CHANNEL#STREAM_ID``.

        Raises:
            SettingError: it is none of these, or there is no such channel or stream.
        """
        topic, equals, target = text.partition("=")
        channel, _, stream = target.rpartition("#") if "#" in target else ("", "", target)
        if not channel and stream.startswith("aeron"):
            channel, stream = stream, ""
        if not topic or not equals or not (channel or stream):
            raise SettingError(
                f"{text!r}: write TOPIC=STREAM_ID, TOPIC=+OFFSET, TOPIC=CHANNEL or TOPIC=CHANNEL#STREAM_ID",
                operation="remap",
            )
        try:
            number = as_int(int(stream), "stream_id", -(2**31), 2**31 - 1) if stream else None
            if channel:
                ChannelUri.parse(channel)
        except SettingError as error:
            raise SettingError(f"{text!r}: {error.message}", operation="remap") from None
        except ValueError:
            raise SettingError(f"{text!r}: {stream!r} is no stream id", operation="remap") from None
        if stream.startswith("+"):
            return cls(topic=topic, channel=channel or None, offset=number)
        return cls(topic=topic, channel=channel or None, stream_id=number)


class TopicInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A topic of a session.

    Args:
        topic: ``protocol:topic``.
        channel: where it is played.
        stream_id: the stream there.
        published_channel: where it was published, at first.
        published_stream_id: the stream there.
        recordings: how many recordings its history has.
        listening: whether anybody subscribes to it.
        leaving: whether a replay that was given up can still be heard: who subscribes now, may get the last of it.
        problem: why it is not played for now: the media driver refuses its channel. None when it is played.
    """

    topic: str
    channel: str
    stream_id: int
    published_channel: str
    published_stream_id: int
    recordings: int
    listening: bool
    leaving: bool
    problem: str | None = None


class Value(NamedTuple):
    """The latest message of a topic.

    Attributes:
        payload: its bytes.
        recording_id: where it is recorded.
        position: where it ends there.
        reserved_value: as its publisher set it.
    """

    payload: bytes
    recording_id: int
    position: int
    reserved_value: int


class TopicFilter:
    """Which topics a session plays.

    Args:
        globs: one is enough to match; with ``protocol:`` in front only of that protocol. None for all.
    """

    def __init__(self, globs: Iterable[str] | None) -> None:
        if isinstance(globs, str):
            globs = (globs,)
        self.globs: Sequence[str] = ("**",) if globs is None else tuple(globs)

    def __contains__(self, topic: object) -> bool:
        return isinstance(topic, str) and any(matches_topic(each, topic) for each in self.globs)


def matches_topic(pattern: str, topic: str) -> bool:
    """Whether a glob, perhaps with a protocol, matches ``protocol:topic``."""
    name = TopicName.parse(topic)
    protocol, colon, rest = pattern.partition(":")
    if pattern == topic:
        return True
    if colon and "/" not in protocol:
        return matches(protocol, name.protocol) and matches(rest, name.topic)
    return matches(pattern, name.topic)


def message_begin(archive_dir: str | os.PathLike[str], recording: RecordingDescriptor, position: int, end: int) -> int:
    """Where the message begins of which a frame begins at a position: there, unless that is in its middle.

    Args:
        archive_dir: of the archive.
        recording: which.
        position: where a frame begins.
        end: recorded so far.
    """
    base = position - (position - first_segment(recording)) % recording.segment_file_length
    path = Path(archive_dir) / segment_name(recording.recording_id, base)
    try:
        with path.open("rb") as file:
            file.seek(position - base)
            header = file.read(_FRAME)
    except FileNotFoundError:
        return position
    if position >= end or len(header) < _FRAME or header[5] & _BEGIN or header[6] != _DATA:
        return position  # a message begins there, or padding does
    begin = max(recording.start_position, position & -recording.term_buffer_length)
    with RecordingReader(archive_dir, recording, position=begin, limit=position) as reader:
        for batch in reader.batches():
            begin = int(batch.positions[-1])
    return begin


def first_segment(recording: RecordingDescriptor) -> int:
    """Where the first segment file of a recording begins."""
    return recording.start_position & -recording.term_buffer_length


def latest_message(
    archive_dir: str | os.PathLike[str], recording: RecordingDescriptor, start: int, previous: int, position: int
) -> Value | None:
    """The last whole message of a recording up to a position; None when there is none.

    Args:
        archive_dir: of the archive.
        recording: which.
        start: where its history begins.
        previous: a frame before which the message most often does not begin.
        position: the end of a frame.
    """
    start = max(start, recording.start_position)
    if not recording.is_active and position > recording.stop_position:
        # It has less than the journal tells, as after a power cut.
        position = recording.stop_position
        previous = (position - 1) & -recording.term_buffer_length
    begin = max(previous, start)
    while position > start:
        found: Value | None = None
        with RecordingReader(archive_dir, recording, position=begin, limit=position) as reader:
            for batch in reader.batches():
                last = batch[len(batch) - 1]
                found = Value(bytes(last.payload), recording.recording_id, last.position, last.reserved_value)
        if found is not None or begin <= start:
            return found
        # Only padding, or a part of a message: the message before lies in this term, or in one before.
        term = -recording.term_buffer_length
        begin = max(start, (begin - 1) & term if begin & ~term == 0 else begin & term)
    return None
