"""Programs in a process of their own: what is left when they end."""

from __future__ import annotations

import subprocess
import sys
import textwrap

TIMEOUT = 90


def run(program: str, *arguments: str, warnings: str = "error") -> subprocess.CompletedProcess[str]:
    """Run a program with this Python; a crash shows its stacks."""
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", warnings, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def passes(program: str, *arguments: str, warnings: str = "error") -> str:
    """Run one that must end well: what it printed."""
    done = run(program, *arguments, warnings=warnings)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
