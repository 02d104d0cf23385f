"""``aeron-py`` within this process, for what needs no process of its own: the same door, without Python's start."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from unittest.mock import patch

from aeron_py.cli.commands import run as run_command


def run_inside(*arguments: str, columns: int = 120) -> subprocess.CompletedProcess[str]:
    """Run a command line that does not wait for signals; its output goes through real files."""
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as told,
        patch.object(sys, "argv", ["aeron-py", *arguments]),
        patch.dict(os.environ, {"COLUMNS": str(columns)}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(told),
    ):
        try:
            status = run_command(None)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 0
        for file in (out, told):
            file.flush()
            file.seek(0)
        return subprocess.CompletedProcess(arguments, status, out.read(), told.read())
