"""Tasks that wait for something when something else fails: one of each kind in one event loop, trio's or asyncio's."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from aeron_py import AeronError, ArchiveServer, AsyncArchive, AsyncClient
from tests.faults.place import LIVENESS, Place, Recorded
from tests.faults.recording import CHANNEL, TIMEOUT
from tests.waiting import wait_until

BACKENDS = ("trio", "asyncio")
# No call is to be ended by its own timeout.
LATE = 2 * TIMEOUT
WORD = b"at last"

Ready = Callable[[], None]


class Waits:
    """What there is to wait for: a driver and two archives on it, each of which records a stream that goes on.

    A method is a task: it says when it is ready, and then waits for what does not come.

    Args:
        place: with the driver, and the first archive, which is the one that fails.
        other: the second archive.
    """

    def __init__(self, place: Place, other: ArchiveServer) -> None:
        self.place, self.other = place, other
        self.recorded = place.recorded()
        self.of_other = Recorded(place, place.client, place.new_session(server=other))
        self.quiet = place.enter(place.client.add_exclusive_publication(CHANNEL, place.next_stream()))

    async def run(self, state: str, ready: Ready) -> object:
        """A task with a client and a session of its own."""
        server = self.other if state == "replicating_from" else self.place.server
        async with (
            AsyncClient.connect(
                self.place.aeron_dir, driver_timeout=LIVENESS, error_handler=lambda error: None
            ) as client,
            client.archive(server.archive_context(), timeout=LATE) as archive,
        ):
            return await getattr(self, state)(client, archive, ready)

    async def listing(self, client: AsyncClient, archive: AsyncArchive, ready: Ready) -> None:
        while True:
            assert await archive.list_recordings(timeout=LATE)
            ready()

    async def publishing(self, client: AsyncClient, archive: AsyncArchive, ready: Ready) -> None:
        """Its only subscriber is the archive."""
        stream_id = self.place.next_stream()
        await archive.start_recording(CHANNEL, stream_id, timeout=LATE)
        async with client.add_exclusive_publication(CHANNEL, stream_id) as publication:
            await publication.wait_connected()
            while True:
                await publication.send(bytes(1000))
                ready()
                await anyio.sleep(0.001)  # so that the disk does not fill

    async def recording(self, client: AsyncClient, archive: AsyncArchive, ready: Ready) -> None:
        stream_id = self.place.next_stream()
        await archive.start_recording(CHANNEL, stream_id, timeout=LATE)
        async with client.add_exclusive_publication(CHANNEL, stream_id) as publication:
            position = await publication.send(b"one", wait_connected=True)
            await archive.await_recorded(publication, position, LATE)
            ready()
            await archive.await_recorded(publication, position + 1, LATE)

    async def replaying(self, client: AsyncClient, archive: AsyncArchive, ready: Ready) -> None:
        recorded = self.recorded
        async with archive.replay(recorded.recording_id, CHANNEL, self.place.next_stream(), timeout=LATE) as messages:
            async for each in messages:
                if each.position == recorded.position:
                    ready()

    async def replicating_into(self, client: AsyncClient, archive: AsyncArchive, ready: Ready) -> None:
        """The archive that fails is the one that copies."""
        await self._replicating(archive, self.of_other, self.other, ready)

    async def replicating_from(self, client: AsyncClient, archive: AsyncArchive, ready: Ready) -> None:
        """The archive that fails is the one that is copied from."""
        await self._replicating(archive, self.recorded, self.place.server, ready)

    async def _replicating(
        self, archive: AsyncArchive, recorded: Recorded, source: ArchiveServer, ready: Ready
    ) -> None:
        control = source.local_control_channel, source.local_control_stream_id
        async with archive.replicate(recorded.recording_id, *control, timeout=LATE) as replication:
            await replication.await_started(LATE)
            ready()
            await replication.await_synced(LATE)

    async def subscribing(self, client: AsyncClient, archive: AsyncArchive, ready: Ready) -> bytes:
        async with client.add_subscription(CHANNEL, self.quiet.stream_id) as subscription:
            await subscription.wait_connected()
            ready()
            return (await subscription.receive()).payload


class Loop:
    """An event loop in a thread of its own, and the tasks in it.

    Args:
        backend: ``"trio"`` or ``"asyncio"``.
    """

    def __init__(self, backend: str) -> None:
        self._starting = start_blocking_portal(backend)
        self._tasks: dict[str, concurrent.futures.Future[object]] = {}
        self._hanging: set[concurrent.futures.Future[object]] = set()

    def __enter__(self) -> Loop:
        self._portal: BlockingPortal = self._starting.__enter__()
        self._alone = self._running()
        return self

    def _running(self) -> int:
        return len(self._portal.call(anyio.get_running_tasks))

    def start(self, waits: Waits, states: tuple[str, ...]) -> None:
        """Start such tasks, until all of them wait."""
        ready = {state: threading.Event() for state in states}
        for state in states:
            self._tasks[state] = self._portal.start_task_soon(waits.run, state, ready[state].set)
        for state in states:
            wait_until(lambda state=state: ready[state].is_set() or self._tasks[state].done(), TIMEOUT, state)  # type: ignore[misc]
            assert ready[state].is_set(), (state, self._tasks[state].exception())

    def await_ends(self, deadline: float, without: tuple[str, ...]) -> None:
        """Until the others have ended, or are taken for hanging."""
        waited_for = [task for state, task in self._tasks.items() if state not in without]
        self._hanging |= concurrent.futures.wait(waited_for, max(0.0, deadline - time.monotonic())).not_done

    def end(self, state: str) -> object:
        """What a task has returned."""
        return self._tasks[state].result(TIMEOUT)

    def ends_with(self, state: str, *kinds: type[AeronError]) -> Any:
        """The error, one of these, that has ended a task; a hang or another end fails the test."""
        task = self._tasks[state]
        assert task not in self._hanging, f"{state} still waited after {TIMEOUT:g} s"
        error = task.exception()
        if type(error) not in kinds:
            raise AssertionError(f"{state} ended with {error!r}") from error
        return error

    def is_empty(self) -> None:
        """Nothing is left of the tasks but what they say."""
        wait_until(lambda: self._running() == self._alone, TIMEOUT, "a task is left behind")

    def cancel(self) -> None:
        """End all that wait."""
        for task in self._tasks.values():
            task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        self._starting.__exit__(kind, error, trace)


STATES = ("listing", "publishing", "recording", "replaying", "replicating_into", "replicating_from", "subscribing")


class Tasks:
    """All of them, in both loops, at a place where something is about to fail.

    Attributes:
        waits: what they wait for, by backend: an archive copies a recording only once at a time.
        loops: by backend.
    """

    def __init__(self, place: Place, directory: Path) -> None:
        self.place, self._directory = place, directory
        self._prepare(self._another_archive())
        self.loops = {backend: place.enter(Loop(backend)) for backend in BACKENDS}
        for backend, loop in self.loops.items():
            loop.start(self.waits[backend], STATES)

    def _prepare(self, other: ArchiveServer) -> None:
        self._other = other
        self.waits = {backend: Waits(self.place, other) for backend in BACKENDS}

    def _another_archive(self) -> ArchiveServer:
        return self.place.another_archive(self._directory, archive_id=7)

    def await_ends(self, *, without: tuple[str, ...] = ()) -> None:
        """Until all have ended, or are taken for hanging."""
        deadline = time.monotonic() + TIMEOUT
        for loop in self.loops.values():
            loop.await_ends(deadline, without)

    def lose_the_driver(self) -> None:
        """Until everything has seen that there is none any more, and has ended."""
        self.await_ends()
        for server in (self.place.server, self._other):
            wait_until(lambda server=server: not server.is_running, TIMEOUT, "the archive ends")  # type: ignore[misc]
        wait_until(lambda: self.place.client.is_closed, TIMEOUT, "the client is lost")

    def start_again(self) -> None:
        """Start the archives that have ended, and connect; what had been confirmed is there."""
        place, other = self.place, self._other
        place.start_archive()
        if not other.is_running:
            other = self._another_archive()
        if place.client.is_closed:
            place.client = place.new_client()
        place.archive = place.new_session()
        session = place.new_session(server=other)
        for before in self.waits.values():
            before.recorded.check(place.archive)
            before.of_other.check(session)
        self._prepare(other)

    def recovers(self, backend: str, state: str) -> None:
        """Everything runs again: so does such a task, until it is cancelled."""
        with Loop(backend) as loop:
            loop.start(self.waits[backend], (state,))
            loop.cancel()
            loop.is_empty()
