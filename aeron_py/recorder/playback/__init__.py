"""Playback: sessions that play any moment of what was recorded onto streams of their own.

What stands here is loaded at its first use.
"""

from __future__ import annotations

from aeron_py._later import loaded_later

_HOMES = {
    "AsyncRecorderClient": ".aclient",
    "AsyncRemoteSession": ".aclient",
    "ControlServer": ".control",
    "Controls": ".controls",
    "KeptSession": ".kept",
    "Pacer": ".pacer",
    "RecorderClient": ".client",
    "Remap": ".topics",
    "RemoteSession": ".client",
    "Session": ".session",
    "StreamIdSource": ".places",
    "TopicInfo": ".topics",
    "Value": ".topics",
}

__getattr__, __dir__ = loaded_later(__name__, globals(), _HOMES)
