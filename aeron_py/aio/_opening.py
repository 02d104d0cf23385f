"""What an ``async`` call that opens something returns: to be awaited, or entered with ``async with``."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=AbstractAsyncContextManager[Any])


class Opening(Generic[T]):
    """``x = await opening``, or ``async with opening as x``, which closes it again.

    Args:
        open_it: opens it.
        name: of the call, for the warning when neither happened.
    """

    def __init__(self, open_it: Callable[[], Awaitable[T]], name: str) -> None:
        self._open = open_it
        self._name = name
        self._begun = False
        self._opened: T | None = None

    def __await__(self) -> Generator[Any, Any, T]:
        self._begun = True
        return self._open().__await__()

    async def __aenter__(self) -> T:
        self._begun = True
        self._opened = await self._open()
        await self._opened.__aenter__()
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        opened, self._opened = self._opened, None
        assert opened is not None
        return await opened.__aexit__(kind, error, trace)

    def __del__(self) -> None:
        if not self._begun:
            warnings.warn(f"{self._name}() was neither awaited nor entered", RuntimeWarning, stacklevel=2)
