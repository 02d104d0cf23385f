"""The recorder: records what rules name, knows when each message came, and plays any moment of it back.

What stands here is loaded at its first use.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Committed": "committed",
    "Image": "entries",
    "JournalWriter": "journal",
    "StreamInfo": "entries",
    "Tick": "entries",
    "TimeIndex": "timeindex",
    "read_committed": "committed",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
