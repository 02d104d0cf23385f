"""Entry point of ``aeron-py``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``aeron-py``; exits with 0 when all went well, 1 when it failed, 2 when the command line is wrong."""
    stop = None
    if sys.argv[1:2] in (["up"], ["record"], ["play"], ["record-stream"], ["replicate"]):
        # Before all imports: a service may be told to stop while it still starts, and that is no error either.
        from aeron_py.cli.stopping import StopSignal

        stop = StopSignal()

    from aeron_py.cli.commands import run

    sys.exit(run(stop))
