"""What a stream is called: ``protocol:topic``, from its channel."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["PROTOCOLS", "TopicName", "channel_parameters", "place_of", "topic_name"]

PROTOCOLS = ("pubsub", "rpc", "prpc", "log", "cfg", "file")
"""How a stream is meant; ``file`` stands for whatever does not say so."""

_MEDIA = re.compile(r"(?:aeron-spy:)?aeron:(\w+)")


class TopicName(NamedTuple):
    """The name of a stream. ``str()`` gives ``protocol:topic``.

    Args:
        protocol: one of :data:`PROTOCOLS`.
        topic: what the stream is about, often a path: ``camera/front``.
    """

    protocol: str
    topic: str

    def __str__(self) -> str:
        return f"{self.protocol}:{self.topic}"

    @classmethod
    def parse(cls, text: str) -> TopicName:
        """Take a name apart; without one of the protocols all of it is a topic of ``file``."""
        protocol, colon, topic = text.partition(":")
        return cls(protocol, topic) if colon and topic and protocol in PROTOCOLS else cls("file", text)


def channel_parameters(channel: str) -> dict[str, str]:
    """The parameters of a channel that nobody has checked; of a key that stands twice the first."""
    listed = channel.partition("?")[2]
    return dict(part.partition("=")[::2] for part in reversed(listed.split("|")) if part)


def place_of(channel: str) -> str:
    """Where a channel is: ``ipc``, or its endpoint, or its control address when it has none."""
    head = channel.partition("?")[0]
    media = _MEDIA.match(head)
    place = (media[1] if media else head) or "unknown"
    if place == "ipc":
        return place
    parameters = channel_parameters(channel)
    return parameters.get("endpoint") or parameters.get("control") or place


def topic_name(channel: str, stream_id: int) -> TopicName:
    """The name of the stream on a channel.

    It never fails: channels come from programs that this package did not check.

    Args:
        channel: as its publisher wrote it.
        stream_id: the stream there.

    Returns:
        What follows ``alias=`` in the channel. Without an alias ``file:ipc/<stream id>`` or
        ``file:<endpoint>/<stream id>``; ``control`` stands in for an endpoint that is missing.
    """
    alias = channel_parameters(channel).get("alias")
    return TopicName.parse(alias) if alias else TopicName("file", f"{place_of(channel)}/{stream_id}")
