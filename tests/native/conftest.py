"""Fixtures: what the hot calls are tried on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.native.hot_rig import Rig


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """A driver and a client, for all tests of a file."""
    rig = Rig()
    yield rig
    rig.close()
