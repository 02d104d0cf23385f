"""Fixtures: a media driver with an archive, one for each test module, and sessions with it, one for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.archive.server import ArchivingMediaDriver
    from aeron_py.client import Client

# A cold Java on a busy machine takes its time.
START_TIMEOUT = 90.0
CLIENT_TIMEOUT = 60.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchivingMediaDriver]:
    """A media driver and an archive, in fresh directories, with small terms and segments."""
    from aeron_py.archive.server import ArchivingMediaDriver

    with ArchivingMediaDriver.launch(
        tmp_path_factory.mktemp("archive"),
        # The driver looks for what has gone more often than each second, so that tests need not wait for it.
        driver={"term_buffer_length": 64 * 1024, "ipc_term_buffer_length": 64 * 1024, "timer_interval": 0.1},
        timeout=START_TIMEOUT,
        segment_file_length=64 * 1024,
    ) as launched:
        yield launched


@pytest.fixture
def node_client(node: ArchivingMediaDriver) -> Iterator[Client]:
    """A client of the node."""
    from aeron_py.client import Client

    with Client.connect(node.aeron_dir) as connected:
        yield connected


@pytest.fixture
def archive(node: ArchivingMediaDriver, node_client: Client) -> Iterator[Archive]:
    """A session with the node's archive."""
    from aeron_py.archive.client import Archive

    with Archive.connect(node_client, node.archive_context(), timeout=START_TIMEOUT) as session:
        yield session


@pytest.fixture(scope="module")
def module_client(node: ArchivingMediaDriver) -> Iterator[Client]:
    """A client of the node, for all tests of a module."""
    from aeron_py.client import Client

    with Client.connect(node.aeron_dir, driver_timeout=CLIENT_TIMEOUT) as connected:
        yield connected


@pytest.fixture(scope="module")
def module_archive(node: ArchivingMediaDriver, module_client: Client) -> Iterator[Archive]:
    """A session with the node's archive, for all tests of a module."""
    from aeron_py.archive.client import Archive

    with Archive.connect(module_client, node.archive_context(), timeout=CLIENT_TIMEOUT) as session:
        yield session
