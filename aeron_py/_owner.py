"""What owns something native: closed children first, closed twice without harm, never used after.

An :class:`Owner` is what the user holds; its :class:`Handle` is what C holds. The two are apart so that a handle can
still be released, in the right order, when the garbage collector has already taken the owner: the parent's handle
knows its children's handles, and no handle knows its owner.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any, Self

from aeron_py._aeron import Usable
from aeron_py._closing import Closing
from aeron_py.errors import AeronError, BusyError, ClosedError, ForkedError

_handles: weakref.WeakSet[Handle] = weakref.WeakSet()
_roots: dict[Handle, None] = {}

# At exit nobody waits longer than this for a daemon thread that will never leave its call.
_EXIT_PATIENCE = 2.0
_exit_deadline: float | None = None


class Description(str):
    """A handle's description that leads back to the handle: C gives it to the functions that make its errors."""

    __slots__ = ("handle",)
    handle: weakref.ref[Handle]


def restated(error: AeronError, operation: str) -> AeronError:
    """The same error for another call."""
    return type(error)(error.message, operation=operation, code=error.code, kind=error.kind, detail=error.detail)


def weakly(method: Callable[[], None]) -> Callable[[], None]:
    """The method, for those that must not keep its owner alive; it does nothing when the owner is gone."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if (found := reference()) is not None:
            found()

    return call


class Handle(Usable):
    """A native pointer with its children and with the one way to let it go.

    Whoever gives the pointer to C gets it by ``with handle.using(operation) as pointer``, or by ``kept()`` where closed
    is no error: a close in another thread waits for the block. What is made for a parent, down to its handle, is made
    while the parent is used.

    Args:
        description: what it is, for messages: ``"subscription aeron:ipc 10"``.
        pointer: the C pointer (or any object), None once closed.
        release: called once with the pointer when all children are closed.
        parent: the handle that must outlive this one; None for a root.
        hot: makes, with the description, the built-in object that holds the raw address: before anybody else can close
            this. Its ``disarm`` is called before the release, and in a forked child, with the error to raise from then
            on.
        refresh: of a root, looks for news before a child of it reports itself closed.
    """

    __slots__ = (
        "__weakref__",
        "_children",
        "_lock",
        "_refresh",
        "_release",
        "description",
        "hot",
        "parent",
    )

    def __init__(
        self,
        description: str,
        pointer: Any,
        release: Callable[[Any], None],
        *,
        parent: Handle | None = None,
        hot: Callable[[str], Any] | None = None,
        refresh: Callable[[], None] | None = None,
    ) -> None:
        self.description = Description(description)
        self.description.handle = weakref.ref(self)
        self.pointer: Any = pointer
        self.parent = parent
        self.reason: AeronError | None = None
        self._release = release
        self.hot: Any = None if hot is None else hot(self.description)
        self._refresh = refresh
        self._children: dict[Handle, None] = {}
        self._lock = threading.RLock()
        if parent is None:
            _roots[self] = None
        else:
            parent._children[self] = None
        _handles.add(self)

    @property
    def closed(self) -> bool:
        """Whether it was let go; a handle whose release goes on in another thread counts as closed."""
        return self.pointer is None

    def check_open(self, operation: str) -> None:
        """Whether it can be used, at this moment: for what needs no pointer.

        Raises:
            ClosedError: it was closed, or the process was forked since.
            AeronError: what it belongs to was lost: the error says why.
        """
        if self.pointer is None or self.reason is not None:
            raise self.closed_error(operation)

    def closed_error(self, operation: str) -> AeronError:
        """The error that tells why this handle can't be used any more."""
        if isinstance(self.reason, ForkedError):
            return ForkedError(
                f"{self.description} belongs to the parent process: make a new client in the child", operation=operation
            )
        if self.reason is not None and self.pointer is not None:
            return restated(self.reason, operation)
        return ClosedError(f"{self.description} is closed", operation=operation)

    def explain(self, operation: str) -> AeronError | None:
        """Why C says that this is closed, though nobody closed it here; None when nothing is known."""
        root = self
        while root.parent is not None:
            root = root.parent
        if root._refresh is not None:
            root._refresh()
        return None if self.pointer is not None and self.reason is None else self.closed_error(operation)

    def lose(self, reason: AeronError) -> None:
        """From now on this and its children raise ``reason``; what they hold is still let go by their close."""
        if self.pointer is None or self.reason is not None:
            return
        self.reason = reason
        for child in list(self._children):
            child.lose(reason)
        if self.hot is not None:
            self.hot.disarm(reason)

    def check_closable(self) -> None:
        """Raises BusyError when this thread is inside a call on this handle or on one of its children."""
        if self.pointer is None:
            return
        if self.used_here():
            raise BusyError(f"{self.description} is in use by this thread: close it after the call", operation="close")
        for child in list(self._children):
            child.check_closable()

    def close(self) -> None:
        """Close the children, newest first, then release the pointer. Harmless when closed already."""
        with self._lock:
            pointer = self.pointer
            if pointer is None:
                return
            self._close_children()
            self.pointer = None
            try:
                if self.hot is not None:
                    self.hot.disarm(ClosedError(f"{self.description} is closed"))
                self._await_users()
                # One that was being added meanwhile.
                self._close_children()
            except BaseException:
                self.pointer = pointer
                raise
            try:
                self._release(pointer)
            finally:
                # Not before: another thread that closes the parent waits, at the lock, for the children that it finds.
                _roots.pop(self, None)
                if self.parent is not None:
                    self.parent._children.pop(self, None)

    def _close_children(self) -> None:
        for child in reversed(list(self._children)):
            child.close()

    def _await_users(self) -> None:
        while self.used:
            if _exit_deadline is not None and time.monotonic() > _exit_deadline:
                raise BusyError(f"{self.description} is still in use by another thread", operation="close")
            time.sleep(0.0001)

    def forked(self) -> None:
        """In a forked child: forget the pointer without releasing it, it belongs to the parent."""
        if self.pointer is not None:
            self.pointer = None
            self.reason = ForkedError(f"{self.description} belongs to the parent process")
            if self.hot is not None:
                self.hot.disarm(self.reason)
        self._lock = threading.RLock()
        self.forget_uses()


class Owner(Closing):
    """Base of everything that holds something native: a context manager that may be closed twice."""

    _handle: Handle

    def close(self) -> None:
        """Close what this owns, children first. May be called twice, and from any thread.

        Raises:
            BusyError: called from inside a handler of this object.
        """
        self._handle.check_closable()
        self._handle.close()

    @property
    def closed(self) -> bool:
        """Whether this was closed."""
        return self._handle.closed

    def __enter__(self) -> Self:
        self._handle.check_open("with")
        return self

    def __del__(self) -> None:
        handle = self.__dict__.get("_handle")
        if handle is None or handle.closed:
            return
        warnings.warn(f"unclosed {handle.description}", ResourceWarning, source=self, stacklevel=2)
        handle.close()

    def __repr__(self) -> str:
        handle = self.__dict__.get("_handle")
        if handle is None:
            return f"<{type(self).__name__}>"
        return f"<{type(self).__name__} {handle.description}{' (closed)' if handle.closed else ''}>"


def _forked() -> None:
    for handle in list(_handles):
        handle.forked()
    _roots.clear()


@atexit.register
def _close_all() -> None:
    """At interpreter exit, clients before the drivers they talk to: newest first."""
    global _exit_deadline
    _exit_deadline = time.monotonic() + _EXIT_PATIENCE
    for handle in reversed(list(_roots)):
        with contextlib.suppress(Exception):
            handle.close()


os.register_at_fork(after_in_child=_forked)
