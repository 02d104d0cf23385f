"""How Sphinx makes the documentation: ``make docs``."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import command_line  # noqa: E402

project = "aeron-py"
author = "the authors of aeron-py"
copyright = "the authors of aeron-py"
release = version = importlib.metadata.version("aeron-py")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# The tables that the benchmarks write are part of the page benchmarks.md.
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
    if name == "benchmarks":
        tables = sorted(path.name for path in (HERE / "benchmarks").glob("*.md"))
        source[0] += "".join(
            f"\n```{{include}} benchmarks/{table}\n:relative-images:\n:relative-docs: .\n```\n" for table in tables
        )


def setup(app: Sphinx) -> None:
    app.connect("source-read", _fill_in)
