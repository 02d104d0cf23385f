"""Playback: sessions that play any moment of what was recorded onto streams of their own.

What stands here is loaded at its first use.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "AsyncRecorderClient": "aclient",
    "AsyncRemoteSession": "aclient",
    "ControlServer": "control",
    "Controls": "controls",
    "KeptSession": "kept",
    "Pacer": "pacer",
    "RecorderClient": "client",
    "Remap": "topics",
    "RemoteSession": "client",
    "Session": "session",
    "StreamIdSource": "places",
    "TopicInfo": "topics",
    "Value": "topics",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
