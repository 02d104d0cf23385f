"""Whatever comes first and whatever dies, a recorder goes on by itself: nothing twice, nothing torn, no storm."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from aeron_py import ArchiveServer, Client, ExclusivePublication
from aeron_py.archive.mark import ArchiveMark
from aeron_py.recorder.config import RecorderConfig, load
from aeron_py.recorder.service import Recorder, RecorderState
from tests.driver_process import DriverProcess
from tests.processes import is_alive
from tests.recorder.recorders import TIMEOUT, Events, Process, configured, history, told_payloads
from tests.streams import send
from tests.waiting import wait_until

TURNS = 5
TOPIC, STREAM = "pubsub:a", 10


def joining(archive_dir: Path, aeron_dir: Path) -> RecorderConfig:
    return load(
        f"{{archive_dir: {archive_dir}, aeron_dir: {aeron_dir}, play: false, poll_interval: 50ms, rules: [{{}}],"
        " journal: {term_length: 64KiB}}"
    )


@contextlib.contextmanager
def publisher(aeron_dir: str | Path) -> Iterator[ExclusivePublication]:
    with (
        Client.connect(aeron_dir) as client,
        client.add_exclusive_publication(f"aeron:ipc?alias={TOPIC}|term-length=64k", STREAM) as publication,
    ):
        yield publication


def publish(publication: ExclusivePublication, message: bytes) -> int:
    publication.await_recorder(TIMEOUT)
    wait_until(lambda: publication.is_connected, TIMEOUT)
    return send(publication, message)


def told_up_to(archive_dir: Path, position: int) -> Callable[[], bool]:
    """Whether the newest journal knows the stream up to there."""
    return lambda: history(archive_dir).get(TOPIC, [(0, 0, -1)])[-1][2] == position


ORDERS = [
    ("recorder", "driver", "archive", "publisher"),
    ("driver", "recorder", "publisher", "archive"),
    ("driver", "publisher", "archive", "recorder"),
    ("driver", "archive", "recorder", "publisher"),
]


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_the_order_of_starting_does_not_matter(tmp_path: Path, order: tuple[str, ...]) -> None:
    archive_dir, aeron_dir, said = tmp_path / "archive", tmp_path / "aeron", Events()
    archive_dir.mkdir()
    with contextlib.ExitStack() as stack:
        start = {
            "driver": lambda: DriverProcess(aeron_dir),
            "archive": lambda: ArchiveServer.launch(archive_dir, aeron_dir, timeout=TIMEOUT),
            "publisher": lambda: publisher(aeron_dir),
            "recorder": lambda: Recorder(joining(archive_dir, aeron_dir), on_event=said.append),
        }
        # Closed in the order that lets the recorder end before what it needs.
        ends = {each: stack.enter_context(contextlib.ExitStack()) for each in ("driver", "archive", "publisher")}
        ends["recorder"] = stack.enter_context(contextlib.ExitStack())
        started = {each: ends[each].enter_context(start[each]()) for each in order}
        recorder, publication = started["recorder"], started["publisher"]
        assert isinstance(recorder, Recorder)
        assert isinstance(publication, ExclusivePublication)
        recorder.wait_running(TIMEOUT)
        end = publish(publication, b"message")
        wait_until(told_up_to(archive_dir, end), TIMEOUT)
    assert told_payloads(archive_dir, TOPIC) == [b"message"]
    assert no_storm(said, 1)


def no_storm(said: Events, deaths: int) -> bool:
    """Whether it said of each death what it waited for, a few lines, and not again and again."""
    waiting = [each for each in said if each.startswith("waiting: ")]
    assert len(waiting) <= 6 * deaths, waiting
    assert all(one != following for one, following in itertools.pairwise(said)), list(said)
    assert len(said) <= 20 * deaths, list(said)
    return True


def test_the_archive_is_killed_again_and_again(tmp_path: Path) -> None:
    said, messages = Events(), [b"turn %d" % turn for turn in range(TURNS)]
    with Recorder(configured(tmp_path), on_event=said.append) as recorder:
        recorder.wait_running(TIMEOUT)
        with publisher(recorder.aeron_dir) as publication:
            for message in messages:
                end = publish(publication, message)
                wait_until(told_up_to(tmp_path, end), TIMEOUT)
                mark = ArchiveMark.read(tmp_path)
                assert mark is not None
                os.kill(mark.pid, signal.SIGKILL)
                wait_until(lambda: recorder.state is RecorderState.WAITING, TIMEOUT)
                wait_until(lambda: recorder.state is RecorderState.RUNNING and recorder.streams, TIMEOUT)
    assert told_payloads(tmp_path, TOPIC) == messages
    told = [(begin, end) for _, begin, end in history(tmp_path)[TOPIC] if begin < end]
    assert told == [(64 * turn, 64 * turn + 64) for turn in range(TURNS)]
    assert no_storm(said, TURNS)


def test_who_looks_seldom_for_streams_notices_all_the_same_that_its_archive_is_gone(tmp_path: Path) -> None:
    said = Events()
    config = replace(configured(tmp_path), poll_interval=40 * 86400.0)
    with Recorder(config, on_event=said.append) as recorder:
        recorder.wait_running(TIMEOUT)
        mark = ArchiveMark.read(tmp_path)
        assert mark is not None
        os.kill(mark.pid, signal.SIGKILL)
        wait_until(lambda: recorder.state is RecorderState.WAITING, TIMEOUT)
        wait_until(lambda: recorder.state is RecorderState.RUNNING, TIMEOUT)
    assert no_storm(said, 1)
    assert said[-1] == "stopping"


def test_the_driver_is_killed_and_its_archive_with_it_again_and_again(tmp_path: Path) -> None:
    archive_dir, aeron_dir, said = tmp_path / "archive", tmp_path / "aeron", Events()
    messages = [b"turn %d" % turn for turn in range(TURNS)]
    with Recorder(joining(archive_dir, aeron_dir), on_event=said.append) as recorder:
        for turn, message in enumerate(messages):
            with Process("up", "--archive-dir", str(archive_dir), "--aeron-dir", str(aeron_dir)) as node:
                recorder.wait_running(TIMEOUT)
                with publisher(aeron_dir) as publication:
                    end = publish(publication, message)
                    wait_until(lambda n=turn: len(history(archive_dir).get(TOPIC, ())) == n + 1, TIMEOUT)  # type: ignore[misc]
                    wait_until(told_up_to(archive_dir, end), TIMEOUT)
                    node.kill()
            wait_until(lambda: recorder.state is RecorderState.WAITING, TIMEOUT)
    assert told_payloads(archive_dir, TOPIC) == messages
    assert no_storm(said, TURNS)


def test_the_driver_alone_is_killed_and_comes_back(tmp_path: Path) -> None:
    archive_dir, aeron_dir, said = tmp_path / "archive", tmp_path / "aeron", Events()
    # The archive ends by itself when its driver does, after this time in milliseconds.
    patience = {"aeron.driver.timeout": "3000"}
    with Recorder(joining(archive_dir, aeron_dir), on_event=said.append) as recorder:
        with (
            DriverProcess(aeron_dir) as driver,
            ArchiveServer.launch(archive_dir, aeron_dir, timeout=TIMEOUT, properties=patience) as archive,
            publisher(aeron_dir) as publication,
        ):
            wait_until(told_up_to(archive_dir, publish(publication, b"before")), TIMEOUT)
            driver.kill()
            wait_until(lambda: recorder.state is RecorderState.WAITING, TIMEOUT)
            wait_until(lambda: not is_alive(archive.pid), TIMEOUT)
        with (
            DriverProcess(aeron_dir),
            ArchiveServer.launch(archive_dir, aeron_dir, timeout=TIMEOUT),
            publisher(aeron_dir) as publication,
        ):
            end = publish(publication, b"after")
            wait_until(lambda: len(history(archive_dir).get(TOPIC, ())) == 2, TIMEOUT)
            wait_until(told_up_to(archive_dir, end), TIMEOUT)
    assert told_payloads(archive_dir, TOPIC) == [b"before", b"after"]
    assert no_storm(said, 1)
