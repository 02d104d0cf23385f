"""Commands of which nobody reads the output any more, as with ``| head``: they end, or go on, in silence."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperCommand


class QuietCommand(TyperCommand):
    """Takes a broken pipe for the end, with status 0, wherever :func:`unread_or_not` does not say otherwise."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            _to_nowhere()
            raise typer.Exit(0) from None


@contextlib.contextmanager
def unread_or_not() -> Iterator[None]:
    """What is printed in the block may reach nobody: the command goes on after it all the same, to its own status."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere()


def _to_nowhere() -> None:
    # What is left in the buffer is written at exit: there it must not fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())
