"""Fixtures for all rooms."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from aeron_py import Client, MediaDriver
from tests.nodes import archive, module_archive, module_client, node, node_client
from tests.streams import Pairs

__all__ = ["archive", "client", "driver", "module_archive", "module_client", "node", "node_client", "pair"]

# A machine may be busy with other tests: nobody is to be given up for dead because of that.
PATIENCE = 60.0

# The same examples in each run, however slow the machine is.
settings.register_profile(
    "steady", deadline=None, max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck)
)
settings.load_profile("steady")

# What would colour the output of programs that tests start, or lead them somewhere else.
for name in [name for name in os.environ if name.startswith("AERON_") and not name.startswith("AERON_PY_")]:
    del os.environ[name]
for name in ("CLICOLOR_FORCE", "FORCE_COLOR", "GITHUB_ACTIONS", "JAVA_TOOL_OPTIONS", "PY_COLORS", "_JAVA_OPTIONS"):
    os.environ.pop(name, None)

# Programs that tests start inherit what is ignored here, as Ctrl-C is when all of this runs behind a shell.
if threading.current_thread() is threading.main_thread():
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def driver() -> Iterator[MediaDriver]:
    """A media driver in a fresh directory, with small terms."""
    with MediaDriver.launch(
        term_buffer_length=64 * 1024,
        ipc_term_buffer_length=64 * 1024,
        client_liveness_timeout=PATIENCE,
        publication_unblock_timeout=2 * PATIENCE,
        driver_timeout=PATIENCE,
        timer_interval=0.1,
    ) as launched:
        yield launched


@pytest.fixture
def client(driver: MediaDriver) -> Iterator[Client]:
    """A client of that driver."""
    with Client.connect(driver.aeron_dir, driver_timeout=PATIENCE) as connected:
        yield connected


@pytest.fixture
def pair(client: Client) -> Iterator[Pairs]:
    """``pair()``: a publication and a subscription of a new stream."""
    pairs = Pairs(client)
    with pairs.closing:
        yield pairs
