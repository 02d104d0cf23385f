"""What was asked of the driver and is not yet there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aeron_py._ffi import check
from aeron_py.errors import AeronError, BufferFullError

if TYPE_CHECKING:
    from aeron_py.client import Client

__all__ = ["PendingAdd", "begin"]

T = TypeVar("T")


def begin(start: Callable[[], PendingAdd[T]]) -> PendingAdd[T] | None:
    """What was asked of the driver; None while too many commands wait before it, which is over soon."""
    try:
        return start()
    except BufferFullError:
        return None


class PendingAdd(Generic[T]):
    """One ``aeron_async_add_*_t``: poll it until it answers, or cancel it.

    Args:
        client: whose it is.
        description: what is added.
        operation: the call, for errors.
        pointer: C's handle. It frees itself when it has answered, and with the client.
        poll: C's poll, given a place for the result and the handle.
        result: that place.
        wrap: makes the noun of what came.
        cancel: C's cancel, given the client and the handle.
        refused: called when C's poll failed.
    """

    def __init__(
        self,
        client: Client,
        description: str,
        operation: str,
        pointer: Any,
        *,
        poll: Callable[[Any, Any], int],
        result: Any,
        wrap: Callable[[Client, Any], T],
        cancel: Callable[[Any, Any], int] | None,
        refused: Callable[[], object] | None = None,
    ) -> None:
        self.client = client
        self.description = description
        self.operation = operation
        self.pointer: Any = pointer
        """C's handle, for the watcher; None once it has answered."""
        self._poll = poll
        self._result = result
        self._wrap = wrap
        self._cancel = cancel
        self._refused = refused

    def poll(self) -> T | None:
        """The noun, or None when the driver has not answered yet.

        Raises:
            DriverError: the driver refuses.
            TimedOutError: it took too long.
            AeronError: the client is closed, or has lost its driver.
        """
        self.client._check(self.operation)
        with self.client._handle.using(self.operation):
            answered = self._poll(self._result, self.pointer)
            if answered == 0:
                return None
            self.pointer = None
            if answered < 0 and self._refused is not None:
                try:
                    check(answered, self.operation)
                finally:
                    self._refused()
            check(answered, self.operation)
            return self._wrap(self.client, self._result[0])

    def cancel(self) -> None:
        """Don't wait any longer; what comes nevertheless is let go. Harmless when it has answered."""
        pointer, self.pointer = self.pointer, None
        handle = self.client._handle
        if pointer is None or self._cancel is None:
            return
        # When C can't take the request it keeps the handle, and frees it with the client.
        with contextlib.suppress(AeronError), handle.using("cancel") as client:
            self._cancel(client, pointer)

    def __del__(self) -> None:
        if self.__dict__.get("pointer") is not None:
            self.cancel()
