"""The recorder: records what rules name, knows when each message came, and plays any moment of it back.

What stands here is loaded at its first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aeron_py.recorder.committed import Committed as Committed
    from aeron_py.recorder.committed import read_committed as read_committed
    from aeron_py.recorder.entries import Image as Image
    from aeron_py.recorder.entries import StreamInfo as StreamInfo
    from aeron_py.recorder.entries import Tick as Tick
    from aeron_py.recorder.journal import JournalWriter as JournalWriter
    from aeron_py.recorder.timeindex import TimeIndex as TimeIndex

_HOMES = {
    "Committed": "committed",
    "Image": "entries",
    "JournalWriter": "journal",
    "Recorder": "service",
    "RecorderState": "service",
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
