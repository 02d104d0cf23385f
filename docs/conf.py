"""How Sphinx makes the documentation: ``make docs``."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import command_line  # noqa: E402
import configuration  # noqa: E402
import faults  # noqa: E402
import surface  # noqa: E402

from aeron_py.settings import _KINDS  # noqa: E402

project = "aeron-py"
author = "the authors of aeron-py"
copyright = "the authors of aeron-py"
release = version = importlib.metadata.version("aeron-py")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# What `make bench` writes becomes part of the page benchmarks.md.
exclude_patterns = ["benchmarks/*"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"aeron-py {release}"

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
maximum_signature_line_length = 88
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def _fill_in(app: Sphinx, name: str, source: list[str]) -> None:
    """The pages, or parts of them, that are made and not written."""
    if name == "reference/command_line":
        source[0] = command_line.page()
    if name == "reference/configuration":
        source[0] = configuration.page()
    if name == "reference/coverage":
        source[0] = surface.page()
    if name == "reference/faults":
        source[0] = faults.page()
    if name == "benchmarks" and (HERE / "benchmarks" / "index.md").exists():
        # Its front matter and its title are for those who read it where it lies.
        source[0] += "\n```{include} benchmarks/index.md\n:start-after: '# Benchmarks'\n:relative-images:\n```\n"


def _adapt(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Our docstrings as Napoleon wants them: what stands before a colon it takes for a type."""
    if what in ("attribute", "data", "property"):
        lines.insert(0, "\\ ")
    if name == "aeron_py.DriverSettings":
        lines += ["", *_table(driver_settings())]
    for index in range(len(lines) - 2, -1, -1):
        title, begin = lines[index].strip(), lines[index + 1]
        if title == "Raises:" and begin.strip().startswith("As :meth:"):
            lines[index : index + 2] = [f"Raises as {begin.strip().removeprefix('As ')}"]
        elif title == "Returns:":
            lines[index + 1 : index + 2] = [begin[: len(begin) - len(begin.lstrip())] + "\\ ", begin]


def driver_settings() -> list[tuple[str, str]]:
    """The media driver's settings, and what each takes."""
    words = {
        "BOOL": "True or False",
        "TEXT": "str",
        "IDLE": ":class:`IdleStrategy`, or its name",
        "NANOSECONDS": "seconds, or a timedelta",
        "MILLISECONDS": "seconds, or a timedelta",
        "TAG": "int, or None for no tag",
        "PORTS": "two ints, the lowest and the highest port",
        "INFERABLE": ":class:`InferableBoolean`",
    }
    return [(f"``{name}``", words.get(kind.name, "int")) for name, kind in _KINDS.items()]


def _table(rows: list[tuple[str, str]]) -> list[str]:
    return [".. list-table::", "", *(line for left, right in rows for line in (f"   * - {left}", f"     - {right}"))]


def setup(app: Sphinx) -> None:
    app.connect("source-read", _fill_in)
    # Before Napoleon, which has 500.
    app.connect("autodoc-process-docstring", _adapt, priority=400)
