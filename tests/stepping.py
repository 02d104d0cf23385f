"""Something else, in another thread, at each step of a call: at each bytecode of this package that it runs."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import aeron_py

_OURS = str(Path(aeron_py.__file__).parent)

# What waits for the call to end is not done meanwhile: so long it is waited for.
_PATIENCE = 0.02


@contextlib.contextmanager
def tracing(at_step: Callable[[FrameType], object]) -> Iterator[None]:
    """Call ``at_step`` before each bytecode of this package that this thread runs."""

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            at_step(frame)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


class Meanwhile:
    """Runs ``other`` in a thread while ``call`` stands before its n-th step, and waits for both.

    Args:
        step: n, from 0.
        call: runs in this thread.
        other: runs in another; when it waits for ``call``, that goes on.

    Attributes:
        reached: whether the call had so many steps. If not, ``other`` ran after it.
        error: what ``call`` raised, None when it returned.
    """

    def __init__(self, step: int, call: Callable[[], object], other: Callable[[], object]) -> None:
        self._left = step
        self.reached = False
        self.error: BaseException | None = None
        self._failed: list[BaseException] = []
        self._other = other
        self._thread = threading.Thread(target=self._run)
        try:
            with tracing(self._at_step):
                call()
        except Exception as error:
            self.error = error
        if not self.reached:
            self._thread.start()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self._failed:
            raise self._failed[0]

    def _run(self) -> None:
        try:
            self._other()
        except BaseException as error:
            self._failed.append(error)

    def _at_step(self, frame: FrameType) -> None:
        if self._left == 0:
            self.reached = True
            self._thread.start()
            self._thread.join(_PATIENCE)
        self._left -= 1


def at_each_step(
    make: Callable[[contextlib.ExitStack], tuple[Callable[[], object], Callable[[], object]]], most: int | None = None
) -> int:
    """Do it all anew for each step; how many there were.

    Args:
        make: the call and what is done meanwhile, made anew; what the stack holds is let go afterwards.
        most: about so many steps, at equal distances, of a call that has many more.

    Raises:
        AssertionError: the call raised something else than an error of this package.
    """
    every = 1
    if most is not None:
        steps = 0

        def one_more(_: FrameType) -> None:
            nonlocal steps
            steps += 1

        with contextlib.ExitStack() as stack:
            call, _ = make(stack)
            with tracing(one_more):
                call()
        every = max(1, steps // most)
    step = 0
    while True:
        with contextlib.ExitStack() as stack:
            done = Meanwhile(step, *make(stack))
        if done.error is not None and not isinstance(done.error, aeron_py.AeronError):
            raise AssertionError(f"at step {step}") from done.error
        if not done.reached:
            return step
        step += every
