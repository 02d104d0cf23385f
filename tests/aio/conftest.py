"""One set of tests, run on trio and on asyncio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import aeron_py as aeron


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loop that the marker ``anyio`` runs a test with."""
    return (str(request.param), {})


@pytest.fixture(scope="module")
def driver() -> Iterator[aeron.MediaDriver]:
    """A media driver for the tests of one file."""
    with aeron.MediaDriver.launch() as launched:
        yield launched
