"""Where topics are played: channels and stream ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from aeron_py.recorder.playback.topics import Remap, matches_topic

if TYPE_CHECKING:
    from aeron_py.client import Client
    from aeron_py.recorder.entries import StreamInfo

__all__ = ["Places", "StreamIdSource"]


class StreamIdSource:
    """Hands out stream ids that no other session on the media driver has, until it begins anew after the last.

    Args:
        client: on the media driver.
        first: the first stream id.
        last: the last.
    """

    def __init__(self, client: Client, first: int = 1_000_000, last: int = 1_999_999) -> None:
        self._client = client
        self._first, self._count = first, last - first + 1
        self._taken: set[int] = set()

    def take(self, stream_id: int) -> None:
        """Hand this one out to nobody: it comes from an earlier media driver."""
        self._taken.add(stream_id)

    def __call__(self) -> int:
        # Numbers that the driver hands out once make ids that no other process has, without asking any.
        while True:
            stream_id = self._first + self._client.next_correlation_id() % self._count
            if stream_id not in self._taken:
                return stream_id


class Places:
    """Tells where each topic of a session is played.

    Args:
        channel: where those are played of which ``remap`` says nothing.
        remap: the first that matches counts.
        stream_ids: gives a stream id for each topic.
        kept: where topics were played until now, by topic.
    """

    def __init__(
        self,
        channel: str,
        remap: Sequence[Remap],
        stream_ids: Callable[[], int],
        kept: Mapping[str, tuple[str, int]] | None = None,
    ) -> None:
        self.channel = channel
        self.remap = tuple(remap)
        self._stream_ids = stream_ids
        self._kept = kept or {}

    def __call__(self, topic: str, info: StreamInfo) -> tuple[str, int]:
        """The channel and the stream id of a topic, from its first stream in the time index."""
        if topic in self._kept:
            return self._kept[topic]
        for each in self.remap:
            if matches_topic(each.topic, topic):
                channel = self.channel if each.channel is None else each.channel
                if each.stream_id is not None:
                    return channel, each.stream_id
                if each.offset is not None:
                    return channel, info.stream_id + each.offset
                return channel, self._stream_ids()
        return self.channel, self._stream_ids()
