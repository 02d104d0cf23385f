"""Volumes: rotation, and the commands that store and fetch them."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
import pytest

from aeron_py import Client
from aeron_py.archive.catalog import read_catalog
from aeron_py.recorder.config import ArchiveCommands
from aeron_py.recorder.keeper import Keeper
from aeron_py.recorder.service import Recorder
from aeron_py.recorder.timeindex import TimeIndex
from aeron_py.recorder.volumes import CURRENT, HookError, Volume, Volumes, volume_name
from aeron_py.recorder.when import parse_time
from tests.recorder.recorders import TIMEOUT, Events, configured, history, payloads, told
from tests.streams import send
from tests.waiting import wait_until

MOMENT = 1_767_225_600_123_456_789


def python(program: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-c", program, *map(str, arguments))


def volumes(directory: Path, timeout: float = TIMEOUT, **commands: tuple[str, ...]) -> Volumes:
    return Volumes(directory, ArchiveCommands(timeout=timeout, **commands), lambda text: None)


def add(directory: Path, name: str = "2026-01-01T00:00:00.123Z", **fields: object) -> Volume:
    volume = Volume(name=name, begin_ns=1, end_ns=MOMENT, journals=[0], recordings={1: (0, 64)})
    for field, value in fields.items():
        setattr(volume, field, value)
    folder = directory / "volumes"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_bytes(msgspec.json.encode(volume))
    (folder / f"{name}.files").write_text("a\nb\n")
    return volume


def test_names_are_times() -> None:
    name = volume_name(MOMENT)
    assert name == "2026-01-01T00:00:00.123Z"
    assert parse_time(name) == MOMENT // 10**6 * 10**6


def test_names_are_those_here_those_elsewhere_and_the_open_one(tmp_path: Path) -> None:
    add(tmp_path)
    known = volumes(tmp_path, list=python("print('2025-12-31T00:00:00Z'); print('2026-01-01T00:00:00.123Z'); print()"))
    assert known.names() == ["2025-12-31T00:00:00Z", "2026-01-01T00:00:00.123Z", CURRENT]


def test_put_gets_the_name_and_the_files(tmp_path: Path) -> None:
    volume = add(tmp_path)
    program = """
import os, sys
files = open(os.environ["AERON_PY_VOLUME_FILES"]).read()
open("told", "w").write(repr((sys.argv[1:], files, os.environ["AERON_PY_ARCHIVE_DIR"])))
"""
    known = volumes(tmp_path, put=python(program, "an argument; with | signs"))
    known.store_due()
    told = (["an argument; with | signs", volume.name], "a\nb\n", str(tmp_path))
    assert (tmp_path / "told").read_text() == repr(told)
    assert [each.stored for each in known.local()] == [True]
    (tmp_path / "told").unlink()
    known.store_due()
    assert not (tmp_path / "told").exists(), "stored twice"


def test_a_put_that_fails_is_tried_again(tmp_path: Path) -> None:
    add(tmp_path)
    program = (
        "import os, sys; open('tries', 'a').write('x'); sys.exit('no room' if len(open('tries').read()) < 3 else 0)"
    )
    known = volumes(tmp_path, put=python(program))
    with pytest.raises(HookError, match=r"put .* ended with status 1: no room"):
        known.store_due()
    assert [each.stored for each in known.local()] == [False]

    def stored() -> bool:
        try:
            known.store_due()
        except HookError:
            return False
        return known.local()[0].stored

    wait_until(stored, TIMEOUT)
    assert (tmp_path / "tries").read_text() == "xxx"


@pytest.mark.parametrize("which", ["list", "get", "put"])
def test_a_command_that_hangs_is_ended(tmp_path: Path, which: str) -> None:
    add(tmp_path)
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(1000)'])"
    known = volumes(tmp_path, timeout=0.2, **{which: python(program)})
    act = {"list": known.names, "get": lambda: known.fetch("x"), "put": known.store_due}[which]
    with pytest.raises(HookError, match=rf"{which}.*did not end within 0.2 s"):
        act()


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HookError, match="no-such-program"):
        volumes(tmp_path, get=("/no-such-program",)).fetch("x")
    with pytest.raises(HookError, match="there is no command get"):
        volumes(tmp_path).fetch("x")


STORE = """
import os, pathlib, shutil, sys
here, target = pathlib.Path(os.environ["AERON_PY_ARCHIVE_DIR"]), pathlib.Path(sys.argv[1]) / sys.argv[2]
for name in pathlib.Path(os.environ["AERON_PY_VOLUME_FILES"]).read_text().split():
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(here / name, target / name)
"""


def test_rotated_while_recording(tmp_path: Path) -> None:
    archive_dir, backup, events = tmp_path / "archive", tmp_path / "backup", Events()
    put = msgspec.json.encode(python(STORE, backup)).decode()
    config = configured(archive_dir, f"rotate_interval: 1s\narchive_cmds: {{put: {put}}}\n")
    with Recorder(config, on_event=events.append) as recorder:
        recorder.wait_running(TIMEOUT)
        with (
            Client.connect(recorder.aeron_dir) as client,
            client.add_exclusive_publication("aeron:ipc?alias=pubsub:a", 10) as publication,
        ):
            publication.await_recorder(TIMEOUT)
            count = 0

            def rotated(volumes: int) -> bool:
                nonlocal count
                send(publication, b"%d" % count)
                count += 1
                # A volume may end before anything was recorded.
                return (
                    len([each for each in Volumes(archive_dir).local() if each.stored and each.recordings]) >= volumes
                )

            wait_until(lambda: rotated(2), TIMEOUT)
    wanted = [b"%d" % i for i in range(count)]
    assert payloads(archive_dir, 10) == wanted
    # The parts that the journals tell of join each other.
    parts = [(begin, end) for _, begin, end in history(archive_dir)["pubsub:a"] if begin < end]
    assert parts[0][0] == 0
    assert [end for _, end in parts[:-1]] == [begin for begin, _ in parts[1:]]
    known = [each for each in Volumes(archive_dir).local() if each.recordings]
    assert [each.stored for each in known][:2] == [True, True]
    recording_id = history(archive_dir)["pubsub:a"][0][0]
    covered = [each.recordings[recording_id] for each in known if recording_id in each.recordings]
    assert covered == parts[: len(covered)]
    # What was stored can be read where it was stored.
    stored = backup / known[0].name
    with TimeIndex.open(stored) as index:
        assert list(index.topics) == ["pubsub:a"]
    assert payloads(stored, 10)[: covered[0][1] // 64] == wanted[: covered[0][1] // 64]
    assert {each.stream_id for each in read_catalog(stored)} == {10, 900_001}


def test_rotated_after_the_clock_was_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times go on from where they were, so that what came later is later."""
    with Recorder(configured(tmp_path)) as recorder:
        recorder.wait_running(TIMEOUT)
        keeper = recorder._keeper
        assert keeper is not None
        ahead = time.time_ns() + 60 * 10**9
        with (
            Client.connect(recorder.aeron_dir) as client,
            client.add_exclusive_publication("aeron:ipc?alias=pubsub:a", 10) as publication,
        ):
            publication.await_recorder(TIMEOUT)
            begin = keeper._new_journal
            with monkeypatch.context() as patched:
                # As if until then the clock had been a minute ahead.
                patched.setattr(keeper, "_new_journal", lambda after_ns: begin(ahead))
                keeper.rotate()
            wait_until(lambda: publication.is_connected, TIMEOUT)
            for _ in range(3):
                send(publication, b"later")
                wait_until(lambda: told(recorder, publication), TIMEOUT)
                keeper.rotate()
    with TimeIndex.open(tmp_path) as index:
        times = [tick.time_ns for tick in index.ticks(0)]
        assert len(times) >= 3
        assert times == sorted(times)
        assert times[0] > ahead
        opened = [stream.opened_ns for stream in index.topics["pubsub:a"]]
        assert opened == sorted(opened)
    ended = [each.end_ns for each in Volumes(tmp_path).known()]
    assert len(ended) == 4
    assert all(each > ahead for each in ended[1:])


@pytest.mark.parametrize(("seconds", "goes_on"), [(60, True), (7200, False)])
def test_started_after_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, goes_on: bool
) -> None:
    """By a little: times go on from where they were; by much: they are those of the clock."""

    def record() -> None:
        with Recorder(configured(tmp_path)) as recorder:
            recorder.wait_running(TIMEOUT)
            with (
                Client.connect(recorder.aeron_dir) as client,
                client.add_exclusive_publication("aeron:ipc?alias=pubsub:a", 10) as publication,
            ):
                publication.await_recorder(TIMEOUT)
                wait_until(lambda: publication.is_connected, TIMEOUT)
                send(publication, b"message")
                wait_until(lambda: told(recorder, publication), TIMEOUT)

    begin = Keeper._new_journal
    with monkeypatch.context() as patched:
        ahead = time.time_ns() + seconds * 10**9
        patched.setattr(Keeper, "_new_journal", lambda keeper, after_ns: begin(keeper, ahead))
        record()
    record()
    with TimeIndex.open(tmp_path) as index:
        first, second = index.topics["pubsub:a"]
        assert first.opened_ns > ahead
        assert (second.opened_ns > first.opened_ns) == goes_on
        assert goes_on or second.opened_ns <= time.time_ns()
