"""Runs a program, or ``aeron-py``, with longer times for all that waits by default: ``python patient.py FILE ...``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def command(*arguments: str) -> list[str]:
    """The command line that runs ``aeron-py``, or a file, so."""
    return [sys.executable, "-W", "error", str(Path(__file__)), *arguments]


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    from tests.pages import be_patient

    be_patient()
    sys.argv = sys.argv[1:]
    if sys.argv[0] == "aeron-py":
        from aeron_py.cli.app import main

        main()
    else:
        sys.path[0] = str(Path(sys.argv[0]).parent)
        runpy.run_path(sys.argv[0], run_name="__main__")
