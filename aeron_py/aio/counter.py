"""Counters that can be waited for."""

from __future__ import annotations

from typing import Any

from anyio.lowlevel import checkpoint

from aeron_py._ffi import lib
from aeron_py.aio._wait import AsyncOwner
from aeron_py.counters import Counter

__all__ = ["AsyncCounter"]


class AsyncCounter(AsyncOwner, Counter):
    """A :class:`Counter` of ours that can be waited for. Made by ``AsyncClient.add_counter``."""

    _watch_kind = lib.SHIM_WATCH_COUNTER

    def _watched(self, pointer: Any) -> Any:
        return self._address

    async def wait_until(self, value: int) -> int:
        """Until somebody has set it to ``value`` or more.

        Returns:
            What it says.

        Raises:
            ClosedError: it is closed, or was meanwhile.
            AeronError: the driver was lost.
        """
        await checkpoint()
        while (current := self.value) < value:
            await self._park(value)
        return current
