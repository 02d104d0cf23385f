"""Entry point of ``aeron-py``."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run ``aeron-py``; exits with 0 when all went well, 1 when it failed, 2 when the command line is wrong."""
    stop = None
    if sys.argv[1:2] in (["up"], ["record"], ["play"], ["record-stream"], ["replicate"]):
        # Before all imports: a service may be told to stop while it still starts, and that is no error either.
        from aeron_py.cli.stopping import StopSignal

        stop = StopSignal()
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing to end in order yet: no traceback out of an import

    from aeron_py.cli.commands import run

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(stop))
