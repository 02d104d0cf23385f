"""Handlers: a callable is enough; :class:`Handler` pins one by hand.

Whatever calls a handler keeps it alive for as long as it may call it, so a plain function or method is all that is
needed. Handlers run in the thread that polls or calls, never in one of Aeron's. An exception in a handler comes out of
the call that polled.
"""

from __future__ import annotations

import atexit
import enum
import warnings
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from aeron_py.errors import BusyError, ClosedError, SettingError

__all__ = ["Handler", "PollAction"]

P = ParamSpec("P")
R = TypeVar("R")

_pinned: dict[int, Handler[Any, Any]] = {}


class PollAction(enum.IntEnum):
    """What becomes of a message of a controlled poll (``aeron_controlled_fragment_handler_action_t``)."""

    ABORT = 1
    """It was not handled: end the poll, and hand it out again in the next one."""
    BREAK = 2
    """It was handled: end the poll."""
    COMMIT = 3
    """It was handled, and the publisher may know at once. Here the same as ``CONTINUE``: each is told at once."""
    CONTINUE = 4
    """It was handled: go on."""


class Handler(Generic[P, R]):
    """A callable kept alive until :meth:`release`, whoever else forgets it. Make one with :meth:`leak`.

    Accepted wherever a callable is.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        if not callable(function):
            raise SettingError(f"a handler must be callable, not {type(function).__name__}", operation="Handler")
        self._function: Callable[P, R] | None = function
        self._name = getattr(function, "__qualname__", repr(function))
        self._holders = 0

    @classmethod
    def leak(cls, function: Callable[P, R]) -> Handler[P, R]:
        """Pin a callable until :meth:`release`; one never released is reported at exit (``ResourceWarning``).

        Raises:
            SettingError: not callable.
        """
        handler = cls(function)
        _pinned[id(handler)] = handler
        return handler

    @property
    def released(self) -> bool:
        """Whether it was released."""
        return self._function is None

    def release(self) -> None:
        """Let the callable go. Harmless the second time.

        Raises:
            BusyError: a client or subscription still may call it: close that first.
        """
        if self._holders:
            raise BusyError(
                f"{self!r} is still held by {self._holders} owner(s): close those first", operation="release"
            )
        self._function = None
        _pinned.pop(id(self), None)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it.

        Raises:
            ClosedError: it was released.
        """
        if self._function is None:
            raise ClosedError(f"{self!r} was released", operation="handler")
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Handler {self._name}{' (released)' if self.released else ''}>"


def check_handler(handler: object, name: str) -> None:
    """Raises SettingError unless ``handler`` is None or can be called."""
    if handler is not None and not callable(handler):
        raise SettingError(f"{name} must be a callable or None, not {type(handler).__name__}", operation=name)
    if isinstance(handler, Handler) and handler.released:
        raise ClosedError(f"{handler!r} was released", operation=name)


def hold(*handlers: object) -> Callable[[], None]:
    """Keep the handlers from being released until the function returned is called, once."""
    held = [handler for handler in handlers if isinstance(handler, Handler)]
    for handler in held:
        handler._holders += 1

    def let_go() -> None:
        while held:
            held.pop()._holders -= 1

    return let_go


@atexit.register
def _report() -> None:
    for handler in list(_pinned.values()):
        warnings.warn(f"{handler!r} was never released", ResourceWarning, source=handler, stacklevel=1)
