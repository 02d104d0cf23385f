"""A client, and a session with an archive, are closed in another thread at many steps of what this one asks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from aeron_py import AeronError, Archive, ArchivingMediaDriver, Client, ClosedError
from aeron_py.recorder.journal import JournalWriter
from aeron_py.recorder.playback.pacer import Pacer
from tests.nodes import CLIENT_TIMEOUT
from tests.stepping import SOME, at_each_step

STREAMS = count(500)


@contextlib.contextmanager
def at_the_archive(node: ArchivingMediaDriver) -> Iterator[tuple[Client, Archive]]:
    with (
        Client.connect(node.aeron_dir, driver_timeout=CLIENT_TIMEOUT) as client,
        Archive.connect(client, node.archive_context(), timeout=CLIENT_TIMEOUT) as archive,
    ):
        yield client, archive


def closing(
    node: ArchivingMediaDriver,
    add: Callable[[contextlib.ExitStack, Client, Archive], Any],
    use: Callable[[Any], object],
    which: Callable[[Client, Archive], Client | Archive],
) -> None:
    def make(stack: contextlib.ExitStack) -> tuple[Callable[[], object], Callable[[], object]]:
        client, archive = stack.enter_context(at_the_archive(node))
        thing = add(stack, client, archive)
        return lambda: use(thing), which(client, archive).close

    assert at_each_step(make, SOME)


@pytest.mark.parametrize("which", [lambda client, _: client, lambda _, archive: archive], ids=["client", "session"])
@pytest.mark.parametrize(
    "use",
    [
        lambda archive: archive.list_recordings(),
        lambda archive: archive.recording_signals(),
        lambda archive: archive.poll_errors(),
        lambda archive: archive.is_connected,
    ],
    ids=["list", "signals", "errors", "is-connected"],
)
def test_of_an_archive(node: ArchivingMediaDriver, use: Callable[[Any], object], which: Any) -> None:
    closing(node, lambda _, _client, archive: archive, use, which)


def test_of_what_is_being_added(node: ArchivingMediaDriver) -> None:
    def connect(client: Client) -> None:
        with Archive.connect(client, node.archive_context(), timeout=CLIENT_TIMEOUT):
            pass

    closing(node, lambda _, client, _archive: client, connect, lambda client, _: client)


def journal(stack: contextlib.ExitStack, client: Client, archive: Archive) -> JournalWriter:
    writer = JournalWriter(client, archive, stream_id=next(STREAMS), timeout=CLIENT_TIMEOUT)
    stack.callback(writer.close)
    return writer


@pytest.mark.parametrize(
    "use",
    [lambda writer: writer.positions, lambda writer: writer.recorded_position, lambda writer: writer.check()],
    ids=["positions", "recorded", "check"],
)
def test_of_a_journal(node: ArchivingMediaDriver, use: Callable[[Any], object]) -> None:
    closing(node, journal, use, lambda client, _: client)


def test_of_a_journal_that_begins(node: ArchivingMediaDriver) -> None:
    def begin(both: tuple[Client, Archive]) -> None:
        JournalWriter(*both, stream_id=next(STREAMS), timeout=CLIENT_TIMEOUT).close()

    closing(node, lambda _, client, archive: (client, archive), begin, lambda client, _: client)


def test_of_a_pacer(node: ArchivingMediaDriver) -> None:
    def begin(both: tuple[Client, Archive]) -> None:
        with Pacer(*both) as pacer:
            track = pacer.add()
            counter = both[0].add_counter(1001, "limit")
            track.attach(0, counter)
            assert track.status.position == 0
            track.close()
            counter.close()

    closing(node, lambda _, client, archive: (client, archive), begin, lambda client, _: client)


def test_a_pacer_of_a_closed_client(node: ArchivingMediaDriver) -> None:
    with at_the_archive(node) as (client, archive):
        client.close()
        with pytest.raises(ClosedError):
            Pacer(client, archive)


def test_a_journal_of_a_closed_client(node: ArchivingMediaDriver) -> None:
    with at_the_archive(node) as (client, archive):
        client.close()
        with pytest.raises(AeronError):
            JournalWriter(client, archive, stream_id=next(STREAMS))
