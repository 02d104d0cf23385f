"""C calls that block, off the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint

T = TypeVar("T")


async def open_in_thread(open_it: Callable[[], T], discard: Callable[[T], object]) -> T:
    """``open_it()`` in a worker thread, cancellable at once: what a thread that nobody waits for opens is discarded."""
    lock = threading.Lock()
    abandoned = False
    opened: list[T] = []

    def run() -> None:
        result = open_it()
        with lock:
            if not abandoned:
                opened.append(result)
                return
        discard(result)

    try:
        await to_thread.run_sync(run, abandon_on_cancel=True)
    except BaseException:
        with lock:
            abandoned = True
        for result in opened:
            discard(result)
        raise
    return opened[0]


async def close_in_thread(close: Callable[[], object], *, then_checkpoint: bool = True) -> None:
    """``close()`` in a worker thread to its end."""
    with anyio.CancelScope(shield=True):
        await to_thread.run_sync(close)
    if then_checkpoint:
        await checkpoint()
