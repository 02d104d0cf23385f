"""Runs the Python of a page of the documentation, block after block, in one namespace: ``python pages.py PAGE``.

What stands in a block of ``text`` right after a block of Python is what that block prints, and is compared.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A machine may be busy with other things: nobody is to be given up for dead because of that.
PATIENCE = 60.0

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Block:
    """One block of Python on a page, with what it prints if the page says so."""

    line: int
    code: str
    output: str | None = None


def blocks(page: Path) -> list[Block]:
    """The blocks of Python on a page, in their order."""
    text = page.read_text()
    found: list[Block] = []
    end_of_python = -1
    for match in _FENCE.finditer(text):
        kind, content = match.groups()
        if kind == "python":
            found.append(Block(text.count("\n", 0, match.start(2)), content))
            end_of_python = match.end()
        elif kind == "text" and end_of_python >= 0 and not text[end_of_python : match.start()].strip():
            found[-1].output = content
    return found


def run(page: Path, only: int | None = None) -> None:
    """Run all of them, or that of one index.

    Raises:
        AssertionError: a block prints something else than the page says.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page) if only is None else [blocks(page)[only]]:
        # The empty lines make a traceback name the line of the page.
        code = compile("\n" * block.line + block.code, str(page), "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        print(printed.getvalue(), end="")
        if block.output is not None and printed.getvalue() != block.output:
            raise AssertionError(
                f"{page.name}, line {block.line}: the page says {block.output!r}, printed was {printed.getvalue()!r}"
            )


def be_patient() -> None:
    """Longer times for all that waits by default."""
    from aeron_py import ArchiveContext, ArchivingMediaDriver, Client, driver

    driver._DEFAULTS |= {
        "client_liveness_timeout": PATIENCE,
        "driver_timeout": PATIENCE,
        "publication_unblock_timeout": 2 * PATIENCE,
    }
    functions: list[tuple[Any, str]] = [
        (Client.connect.__func__, "driver_timeout"),  # type: ignore[attr-defined]
        (ArchivingMediaDriver.launch.__func__, "timeout"),  # type: ignore[attr-defined]
        (ArchiveContext.__init__, "message_timeout"),
    ]
    for function, name in functions:
        assert function.__kwdefaults__[name] < PATIENCE, name
        function.__kwdefaults__[name] = PATIENCE


if __name__ == "__main__":
    be_patient()
    run(Path(sys.argv[1]), *map(int, sys.argv[2:]))
