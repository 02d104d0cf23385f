"""A command that ends in silence when nobody reads its output any more, as with ``| head``."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperCommand


class QuietCommand(TyperCommand):
    """Takes a broken pipe for the end, with status 0."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            # What is left in the buffer is written at exit: there it must not fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())
            raise typer.Exit(0) from None
