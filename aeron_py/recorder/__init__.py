"""The recorder: records what rules name, knows when each message came, and plays any moment of it back.

What stands here is loaded at its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aeron_py._later import loaded_later

if TYPE_CHECKING:
    from aeron_py.recorder.committed import Committed as Committed
    from aeron_py.recorder.committed import read_committed as read_committed
    from aeron_py.recorder.config import RecorderConfig as RecorderConfig
    from aeron_py.recorder.config import load as load
    from aeron_py.recorder.entries import Image as Image
    from aeron_py.recorder.entries import StreamInfo as StreamInfo
    from aeron_py.recorder.entries import Tick as Tick
    from aeron_py.recorder.journal import JournalWriter as JournalWriter
    from aeron_py.recorder.playback.aclient import AsyncRecorderClient as AsyncRecorderClient
    from aeron_py.recorder.playback.client import RecorderClient as RecorderClient
    from aeron_py.recorder.playback.session import Session as Session
    from aeron_py.recorder.service import Recorder as Recorder
    from aeron_py.recorder.service import RecorderState as RecorderState
    from aeron_py.recorder.timeindex import TimeIndex as TimeIndex
    from aeron_py.recorder.times import MessageTimes as MessageTimes

_HOMES = {
    "AsyncRecorderClient": ".playback.aclient",
    "Committed": ".committed",
    "Image": ".entries",
    "JournalWriter": ".journal",
    "MessageTimes": ".times",
    "Recorder": ".service",
    "RecorderClient": ".playback.client",
    "RecorderConfig": ".config",
    "RecorderState": ".service",
    "Session": ".playback.session",
    "StreamInfo": ".entries",
    "Tick": ".entries",
    "TimeIndex": ".timeindex",
    "load": ".config",
    "read_committed": ".committed",
}

__getattr__, __dir__ = loaded_later(__name__, globals(), _HOMES)
