"""Recording signals, for ``async for``."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from aeron_py.archive.signals import RecordingSignalEvent

if TYPE_CHECKING:
    from aeron_py.aio.archive import AsyncArchive


class Signals(AsyncIterator[RecordingSignalEvent]):
    """Made by ``AsyncArchive.recording_signals``."""

    def __init__(self, archive: AsyncArchive) -> None:
        self._archive = archive
        self.ready: deque[RecordingSignalEvent] = deque()
        archive._listeners.add(self)

    async def __anext__(self) -> RecordingSignalEvent:
        archive = self._archive
        await checkpoint()
        while True:
            seen = archive._arrival.count
            archive._drain()
            if self.ready:
                return self.ready.popleft()
            archive._session.raise_late("recording_signals")
            archive._check("recording_signals")
            await archive._arrival.wait(seen)
