"""Which recordings are meant: by channel, stream, topic, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.names import topic_name
from aeron_py.recorder.playback.topics import TopicFilter
from aeron_py.recorder.when import parse_time

__all__ = ["RecordingFilter"]

_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFilter:
    """Recordings, or streams in a recorder's history; what is None takes all.

    Args:
        channel: text in the channel.
        stream_id: the stream.
        topics: globs, one of which matches the topic.
        begin_ns: recorded at this time or later, nanoseconds since 1970.
        end_ns: recorded before this time.
        active: only what goes on.
    """

    channel: str | None = None
    stream_id: int | None = None
    topics: TopicFilter | None = None
    begin_ns: int | None = None
    end_ns: int | None = None
    active: bool = False

    @classmethod
    def parse(
        cls,
        *,
        channel: str | None = None,
        stream_id: int | None = None,
        topics: Sequence[str] | None = None,
        begin: str | None = None,
        end: str | None = None,
        active: bool = False,
    ) -> RecordingFilter:
        """From text: times as :func:`~aeron_py.recorder.when.parse_time` takes them.

        Raises:
            SettingError: a time is none.
        """
        return cls(
            channel=channel,
            stream_id=stream_id,
            topics=TopicFilter(topics) if topics else None,
            begin_ns=parse_time(begin),
            end_ns=parse_time(end),
            active=active,
        )

    def takes_recording(self, recording: RecordingDescriptor) -> bool:
        """Whether a recording is meant; its times are those of the catalog, in milliseconds."""
        return self._takes(
            recording.original_channel,
            recording.stream_id,
            str(topic_name(recording.original_channel, recording.stream_id)),
            recording.start_timestamp * _MS,
            None if recording.is_active else recording.stop_timestamp * _MS,
        )

    def takes_stream(self, stream: StreamInfo) -> bool:
        """Whether a stream of a recorder's history is meant."""
        return self._takes(stream.channel, stream.stream_id, stream.topic, stream.opened_ns, stream.closed_ns)

    def _takes(self, channel: str, stream_id: int, topic: str, began_ns: int, ended_ns: int | None) -> bool:
        return (
            (self.channel is None or self.channel in channel)
            and (self.stream_id is None or self.stream_id == stream_id)
            and (self.topics is None or topic in self.topics)
            and (self.begin_ns is None or ended_ns is None or ended_ns >= self.begin_ns)
            and (self.end_ns is None or began_ns < self.end_ns)
            and (not self.active or ended_ns is None)
        )
