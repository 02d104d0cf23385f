"""Subscribing to a topic of a session, so that nothing is heard of what was played to others before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aeron_py.errors import SettingError
from aeron_py.recorder.playback.topics import TopicInfo

if TYPE_CHECKING:
    from aeron_py.client import Client

__all__ = ["ASKING", "LEFT_WITHIN", "LOOK_EVERY", "await_left", "topic_of"]

ASKING: Final = 1901
"""The type of a counter that is added to hear from the media driver that it has done all that was asked before."""
LEFT_WITHIN: Final = 5.0
LOOK_EVERY: Final = 0.02


def topic_of(topics: dict[str, TopicInfo], topic: str) -> TopicInfo:
    """One of them.

    Raises:
        SettingError: there is none of that name.
    """
    info = topics.get(topic)
    if info is None:
        known = ", ".join(sorted(topics)) or "none"
        raise SettingError(f"the session has no topic {topic!r}: there are {known:.1000}", operation="subscribe")
    return info


def await_left(look: Callable[[], TopicInfo], client: Client) -> TopicInfo:
    """Wait until replays that were given up are gone.

    An archive revokes the publication of a replay that nobody listens to any more, but the media driver looks at that
    only at its next timer, a second later at most. Until then it gives the publication to all who subscribe, from where
    its conductor has seen the last subscriber.

    Args:
        look: tells of the topic.
        client: that will subscribe.
    """
    info = look()
    if info.listening:
        # Perhaps only in the eyes of a driver that has not yet read that the last subscriber, of this client, has gone.
        client.add_counter(ASKING, "playback: who has gone").close()
        info = look()
    deadline = time.monotonic() + LEFT_WITHIN
    while info.leaving and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
        info = look()
    return info
