"""Something fails while tasks wait, in trio and in asyncio. All of them at once: it fails once for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aeron_py import (
    ArchiveConnectionError,
    DriverTimeoutError,
    NotConnectedError,
    Recovery,
    ReplicationError,
)
from aeron_py.errors import AeronError
from tests.faults.place import Place, archive_ends
from tests.faults.tasks import BACKENDS, STATES, WORD, Tasks
from tests.processes import standing_still
from tests.streams import await_room

ARCHIVE_LOST: dict[str, tuple[type[AeronError], Recovery]] = {
    "listing": (ArchiveConnectionError, Recovery.RECONNECT),
    "publishing": (NotConnectedError, Recovery.RETRY),
    "recording": (ArchiveConnectionError, Recovery.RECONNECT),
    "replaying": (ArchiveConnectionError, Recovery.RECONNECT),
    "replicating_into": (ArchiveConnectionError, Recovery.RECONNECT),
    "replicating_from": (ReplicationError, Recovery.RETRY),
}


def driver_killed(place: Place, tasks: Tasks) -> None:
    place.driver.kill()
    tasks.lose_the_driver()
    place.start_driver()


def driver_stands_still(place: Place, tasks: Tasks) -> None:
    with standing_still(place.driver.pid):
        tasks.lose_the_driver()


def the_archive_is_missed(tasks: Tasks) -> None:
    """By all who wait for it; those who don't get what they wait for."""
    tasks.await_ends(without=("subscribing",))
    for waits in tasks.waits.values():
        await_room(waits.quiet)
        waits.quiet.offer(WORD)
    tasks.await_ends()


def archive_killed(place: Place, tasks: Tasks) -> None:
    # So that what is asked for is under way when it dies.
    with standing_still(place.server.pid):
        os.kill(place.server.pid, signal.SIGKILL)
        archive_ends(place)
    the_archive_is_missed(tasks)


def archive_stands_still(place: Place, tasks: Tasks) -> None:
    with standing_still(place.server.pid):
        the_archive_is_missed(tasks)
    archive_ends(place)


@pytest.fixture(scope="module")
def tasks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tasks]:
    directory: Path = tmp_path_factory.mktemp("tasks")
    place = Place(directory)
    try:
        place.start()
        made = Tasks(place, directory / "other")
        request.param(place, made)
        made.start_again()
        yield made
    finally:
        place.close()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def fails(fault: Callable[[Place, Tasks], None]) -> pytest.MarkDecorator:
    """What has failed for all tests that are marked so."""
    return pytest.mark.parametrize("tasks", [fault], indirect=True, ids=[fault.__name__])


def driver_is_lost(tasks: Tasks, backend: str, state: str) -> None:
    # Its archive may see it first, and say so.
    kinds = (DriverTimeoutError, ArchiveConnectionError) if "replicating" in state else (DriverTimeoutError,)
    error = tasks.loops[backend].ends_with(state, *kinds)
    assert error.recovery is Recovery.RECONNECT
    assert type(error) is ArchiveConnectionError or str(tasks.place.aeron_dir) in str(error)
    tasks.loops[backend].is_empty()
    tasks.recovers(backend, state)


def archive_is_lost(tasks: Tasks, backend: str, state: str) -> None:
    kind, recovery = ARCHIVE_LOST[state]
    assert tasks.loops[backend].ends_with(state, kind).recovery is recovery
    tasks.loops[backend].is_empty()
    tasks.recovers(backend, state)


@fails(driver_killed)
@pytest.mark.parametrize("state", STATES)
def test_driver_killed_while_tasks_wait__each_says_driver_lost(tasks: Tasks, backend: str, state: str) -> None:
    """Sees: DriverTimeoutError (RECONNECT), which names the driver's directory, from each `await`, be it for an
        answer of the archive, room for a message, a recording, a replication or a message. Of a replication the
        archive may tell before the client has noticed: ArchiveConnectionError (RECONNECT).

    Kept: every message that was confirmed. No task is left behind, the `async with` blocks end.
    Recovers: the archives end by themselves; start the driver and then the archives on the same directories, connect
        anew.
    """
    driver_is_lost(tasks, backend, state)


@fails(driver_stands_still)
@pytest.mark.parametrize("state", STATES)
def test_driver_stands_still_while_tasks_wait__each_says_driver_lost(tasks: Tasks, backend: str, state: str) -> None:
    """Sees: the same as of one that is killed.

    Kept: every message that was confirmed. No task is left behind, the `async with` blocks end while it stands still.
    Recovers: the archives end by themselves; the driver goes on: start the archives again, connect anew.
    """
    driver_is_lost(tasks, backend, state)


@fails(archive_killed)
@pytest.mark.parametrize("state", ARCHIVE_LOST)
def test_archive_killed_while_tasks_wait__each_says_what_is_lost(tasks: Tasks, backend: str, state: str) -> None:
    """Sees: ArchiveConnectionError (RECONNECT) from each `await` for an answer, a recording, a replay or a copy into
        this archive; NotConnectedError (RETRY) from `send`, when nobody else subscribes; ReplicationError (RETRY)
        from `await_synced`, in a session with another archive, which copies from this one.

    Kept: every message that was confirmed. No task is left behind.
    Recovers: start the archive on the same directory, connect with the same client.
    """
    archive_is_lost(tasks, backend, state)


@fails(archive_killed)
def test_archive_killed_while_a_task_receives__it_goes_on(tasks: Tasks, backend: str) -> None:
    """Sees: nothing: a live stream does not need the archive.

    Kept: every message.
    Recovers: nothing to do.
    """
    assert tasks.loops[backend].end("subscribing") == WORD


@fails(archive_stands_still)
@pytest.mark.parametrize("state", ARCHIVE_LOST)
def test_archive_stands_still_while_tasks_wait__each_says_what_is_lost(tasks: Tasks, backend: str, state: str) -> None:
    """Sees: the same as of one that is killed, once the driver has given it up.

    Kept: every message that was confirmed. No task is left behind, the `async with` blocks end while it stands still.
    Recovers: the archive ends by itself: start it on the same directory, connect with the same client.
    """
    archive_is_lost(tasks, backend, state)


@fails(archive_stands_still)
def test_archive_stands_still_while_a_task_receives__it_goes_on(tasks: Tasks, backend: str) -> None:
    """Sees: nothing: a live stream does not need the archive.

    Kept: every message.
    Recovers: nothing to do.
    """
    assert tasks.loops[backend].end("subscribing") == WORD
