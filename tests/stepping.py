"""Something else, in another thread, at each step of a call: at each bytecode of this package that it runs."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import aeron_py

_OURS = str(Path(aeron_py.__file__).parent)

# Of calls that have hundreds: AERON_PY_RACE_STEPS=10000 is all of them.
SOME = int(os.environ.get("AERON_PY_RACE_STEPS", "30"))

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
    """Runs ``other`` in a thread while the block stands before its n-th step, and waits for it.

    An exception ends the block, and is kept.

    Args:
        step: n, from 0.
        other: runs in another thread; when it waits for the block, that goes on.

    Attributes:
        reached: whether the block had so many steps. If not, ``other`` ran after it.
        error: what the block raised, None when it came to its end.
    """

    def __init__(self, step: int, other: Callable[[], object]) -> None:
        self.reached = False
        self.error: Exception | None = None
        self._step = step
        self._other = other
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._left = self._step
        self._tracing = tracing(self._at_step)
        self._tracing.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._tracing.__exit__(None, None, None)
        if not self.reached:
            self._thread.start()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self._failed:
            raise self._failed[0]
        if isinstance(error, Exception):
            self.error = error
        return self.error is not None

    def check(self) -> None:
        """Raises AssertionError when the block raised something else than an error of this package."""
        if self.error is not None and not isinstance(self.error, aeron_py.AeronError):
            raise AssertionError(f"at step {self._step}") from self.error

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


class Counted:
    """Counts the steps of a block."""

    def __init__(self) -> None:
        self.steps = 0
        self.tracing = tracing(self._at_step)

    def _at_step(self, frame: FrameType) -> None:
        self.steps += 1


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
        counted = Counted()
        with contextlib.ExitStack() as stack:
            call, _ = make(stack)
            with counted.tracing:
                call()
        every = max(1, counted.steps // most)
    step = 0
    while True:
        with contextlib.ExitStack() as stack:
            call, other = make(stack)
            with Meanwhile(step, other) as meanwhile:
                call()
        meanwhile.check()
        if not meanwhile.reached:
            return step
        step += every
