"""The page about faults, made from the names and docstrings of the tests in ``tests/faults``.

A test is called ``test_<fault>[_while_<state>]__<outcome>``, and its docstring says, in this order, what one ``Sees:``,
what is ``Kept:`` and how it ``Recovers:``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests" / "faults"

_HEAD = """\
# Faults

What happens when a part is killed (`kill -9`), stands still (`SIGSTOP`, a starved machine), ends or is damaged, while
programs connect, list, record, replay, and so on. Each line is a test of that name, made true by it: the test waits for
just this error, checks that what was confirmed is still there byte for byte, and then recovers in the way that the line
says, and goes on.

*Confirmed* is what `await_recorded` has returned for. RETRY, RECONNECT and FATAL are the `recovery` of an error, see
[errors and recovery](../guides/errors.md). How long it takes to see a fault is up to three timeouts: the client's
`driver_timeout`, the driver's `client_liveness_timeout` (both 10 s by default), and `timeout` of the call.

`make soak` runs random faults under load for an hour, and then reads back all that was confirmed.
"""

_TITLES = {
    "archive_killed": "The archive is killed",
    "archive_stands_still": "The archive stands still",
    "archive_restarted": "The archive is ended and started again",
    "driver_killed": "The media driver is killed",
    "driver_stands_still": "The media driver stands still",
    "driver_restarted": "The media driver is ended and started again",
    "tasks": "Any of these, while tasks wait (trio and asyncio)",
    "publisher_lost": "A publisher is lost",
    "reader_lost": "A subscriber, or any other client, is lost",
    "killed": "Anything is killed at any moment",
    "recorder_killed": "The recorder is killed",
    "playback_killed": "Playback",
    "restarted": "Started again at once",
    "replicating": "Two archives of one driver",
    "replication_killed": "Two archives of two drivers",
    "persistent": "Persistent subscriptions",
    "network": "The network",
    "full": "Memory and disks that are full",
    "damaged": "Files that are damaged",
    "torn": "A message that is half written",
    "starting": "Starting",
    "quiet": "A client that is quiet",
}
_NAME = re.compile(r"test_(?P<fault>.+?)(?:_while_(?P<state>.+?))?__(?P<outcome>.+)")
_PARTS = re.compile(r"Sees:\s(?P<sees>.+?)\s+Kept:\s(?P<kept>.+?)\s+Recovers:\s(?P<recovers>.+)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One test."""

    fault: str
    state: str
    sees: str
    kept: str
    recovers: str


def tests(path: Path) -> Iterator[tuple[str, str]]:
    """The name and the docstring of each test in a file."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, ast.get_docstring(node) or ""


def row(name: str, docstring: str) -> Row:
    """The line of a test.

    Raises:
        ValueError: its name or its docstring is not of the form that is asked for.
    """
    named, said = _NAME.fullmatch(name), _PARTS.fullmatch(docstring)
    if named is None or said is None:
        form = "test_<fault>[_while_<state>]__<outcome>" if named is None else "Sees: ... Kept: ... Recovers: ..."
        raise ValueError(f"{name}: not of the form {form}")
    fault, state = (" ".join((named[key] or "").split("_")) for key in ("fault", "state"))
    return Row(fault, state, *(" ".join(said[key].split()) for key in ("sees", "kept", "recovers")))


def page() -> str:
    """The page, in Markdown."""
    found = {path.stem.removeprefix("test_"): path for path in TESTS.glob("test_*.py")}
    if unknown := found.keys() ^ _TITLES.keys():
        raise ValueError(f"docs/faults.py has no title, or no tests, for {sorted(unknown)}")
    sections = [_HEAD]
    for name, title in _TITLES.items():
        rows = [row(*test) for test in tests(found[name])]
        sections.append(f"## {title}\n")
        sections.append("| fault | while | what you see | what is kept | how it recovers |\n|---|---|---|---|---|")
        sections += [f"| {r.fault} | {r.state} | {r.sees} | {r.kept} | {r.recovers} |" for r in rows]
        sections.append("")
    return "\n".join(sections)
