"""Aeron's own sources, as the extension was built from: headers, and the names of Aeron's own tests."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parent.parent


def aeron_sources() -> Path:
    """The tree that was built."""
    if chosen := os.environ.get("AERON_SOURCE_DIR"):
        return Path(chosen)
    found = sorted(ROOT.glob("build/*/vendor/rusteron-archive/aeron"), key=lambda path: path.stat().st_mtime)
    assert found, "Aeron's sources are not there: build first (make test), or set AERON_SOURCE_DIR"
    return found[-1]
