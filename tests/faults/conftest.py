"""Fixtures: a place where something is about to fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A driver, an archive, a client and a session that run."""
    made = Place(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One for the whole module, in which one thing fails once."""
    made = Place(tmp_path_factory.mktemp("place"))
    try:
        made.start()
        yield made
    finally:
        made.close()
