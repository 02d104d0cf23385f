"""Modules of ``docs``, which knows Aeron's own sources."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).parent.parent / "docs"


def docs_module(name: str) -> ModuleType:
    """A module of ``docs``."""
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(DOCS))


def aeron_sources() -> Path:
    """The tree of Aeron that the extension was built from."""
    found: Path = docs_module("surface").aeron_sources()
    return found
