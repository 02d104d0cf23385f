"""A media driver, an archive, a recorder and publishers in C, each a process of its own, any of which can be killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Self

from aeron_py.archive.server import ArchiveServer
from aeron_py.errors import ArchiveError
from tests.interop.peer import Planned, Program, publisher
from tests.interop.tables import tables
from tests.waiting import wait_until

TIMEOUT = 120.0
FIRST_STREAM = 3000

DRIVER = """
import sys
from aeron_py import MediaDriver
with MediaDriver.launch(sys.argv[1], timer_interval=0.1, client_liveness_timeout=float(sys.argv[2])):
    print("ready", flush=True)
    sys.stdin.read()
"""
RECORDER = "from aeron_py.cli.app import main; main()"

CONFIG = """
archive_dir: {archive_dir}
aeron_dir: {aeron_dir}
play: false
poll_interval: 50ms
flush_interval: 200ms
image_frequency: 16KiB
rules:
  - {{protocol: pubsub, topic: "kept/**"}}
journal: {{term_length: 64KiB}}
{more}
"""


class Killable:
    """All of it. Starts and ends with the block.

    Args:
        base: for all files.
        aeron_dir: of the media driver.
        seed: of all that is random.
        publishers: how many there are.
        streams: how many each of them has.
        liveness: seconds without a sign after which the driver takes a client for dead: until then a killed archive
            holds up the publishers.
        more: lines to add to the recorder's configuration.
        pause: seconds between two batches of a publisher, on average.
    """

    def __init__(
        self,
        base: Path,
        aeron_dir: Path,
        seed: int,
        *,
        publishers: int = 2,
        streams: int = 5,
        liveness: float = 3.0,
        more: str = "",
        pause: float = 0.005,
    ) -> None:
        self.archive_dir = base / "archive"
        self.random = random.Random(seed)
        self.ended: list[str] = []
        """What ended by itself, and its last words."""
        self.aeron_dir = aeron_dir
        self._base, self._liveness, self._pause = base, liveness, pause
        self._config = base / "recorder.yaml"
        self._config.write_text(CONFIG.format(archive_dir=self.archive_dir, aeron_dir=aeron_dir, more=more))
        self.rows: dict[int, list[bytes]] = {}
        """What is published, by stream id: message ``n`` of a session has row ``n`` modulo their number."""
        self.topics: dict[int, str] = {}
        self._plans: list[list[Planned]] = []
        lines = [row for table in tables().values() for row in table]
        for _ in range(publishers):
            plan = []
            for _ in range(streams):
                stream_id = FIRST_STREAM + len(self.rows)
                self.rows[stream_id] = self._some_rows(lines)
                path = base / f"{stream_id}.rows"
                path.write_bytes(b"".join(row + b"\n" for row in self.rows[stream_id]))
                self.topics[stream_id] = f"pubsub:kept/{stream_id}"
                plan.append(Planned(stream_id, f"aeron:ipc?term-length=64k|alias={self.topics[stream_id]}", path))
            self._plans.append(plan)
        self._driver: subprocess.Popen[bytes] | None = None
        self._archive: ArchiveServer | None = None
        self._recorder: subprocess.Popen[bytes] | None = None
        self._publishers: list[Program | None] = [None] * publishers

    def _some_rows(self, lines: list[bytes]) -> list[bytes]:
        """Rows of the tables, some of them many together: a message of several fragments."""
        found = []
        for _ in range(211):
            first = self.random.randrange(len(lines) - 200)
            count = 1 if self.random.random() < 0.9 else self.random.randrange(2, 200)
            found.append(b"|".join(lines[first : first + count])[:8000])  # of a term of 64 KiB at most 8 KiB
        return found

    # -- each of them

    def start_driver(self) -> None:
        """The media driver; in a directory whose driver was killed, as soon as that is possible."""
        with (self._base / "driver.log").open("ab") as log:
            self._driver = subprocess.Popen(
                [sys.executable, "-c", DRIVER, str(self.aeron_dir), str(self._liveness)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._driver.stdout is not None
        assert self._driver.stdout.readline() == b"ready\n", (self._base / "driver.log").read_text()

    def start_archive(self) -> None:
        """The archive; once more when it ended while it started, for it did not get to run for too long."""

        def started() -> ArchiveServer | None:
            try:
                return ArchiveServer.launch(
                    self.archive_dir, self.aeron_dir, timeout=TIMEOUT, segment_file_length=256 * 1024
                )
            except ArchiveError as error:
                if "ConductorServiceTimeoutException" not in error.message:
                    raise
                self.ended.append(f"archive, when it started: {error.message[-500:]}")
                return None

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "an archive was killed", RuntimeWarning)
            self._archive = wait_until(started, TIMEOUT)

    def start_recorder(self) -> None:
        """The recorder; not yet connected."""
        command = [sys.executable, "-c", RECORDER, "record", "--config", str(self._config)]
        with (self._base / "recorder.log").open("ab") as log:
            self._recorder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def recorder_runs(self) -> bool:
        """Whether it has said that it is connected."""
        return "running on" in (self._base / "recorder.log").read_text()

    def start_publisher(self, number: int) -> None:
        """One of the publishers; it waits until all its streams are recorded, then publishes for ever."""
        program = publisher(
            str(self.aeron_dir), self._plans[number], self._base, f"publisher-{number}", batches=0, pause=self._pause
        )
        program.go()
        self._publishers[number] = program

    def start(self) -> None:
        """All that does not run."""
        if self._driver is None:
            self.start_driver()
        if self._archive is None:
            self.start_archive()
        if self._recorder is None:
            self.start_recorder()
        for number, each in enumerate(self._publishers):
            if each is None:
                self.start_publisher(number)

    def look_after(self) -> None:
        """Start again what ended by itself, as whoever runs them does.

        Clients of a driver end when they did not get to run for too long. Recorder and driver must never end.
        """
        for name, process in (("driver", self._driver), ("recorder", self._recorder)):
            if process is not None:
                assert process.poll() is None, f"the {name} ended: {(self._base / f'{name}.log').read_text()[-4000:]}"
        if self._archive is not None and not self._archive.is_running:
            self.ended.append(f"archive: {self._archive.log()[-500:]}")
            self.kill_archive()
        for number, each in enumerate(self._publishers):
            if each is not None and each.process.poll() is not None:
                self.ended.append(f"publisher: {each.output[-500:]}")
                self.kill_publisher(number)
        self.start()

    # -- killing

    def kill_recorder(self) -> None:
        """As ``kill -9``."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.kill()
            recorder.wait(TIMEOUT)

    def kill_archive(self) -> None:
        """As ``kill -9``."""
        archive, self._archive = self._archive, None
        if archive is not None:
            if archive.is_running:
                os.kill(archive.pid, signal.SIGKILL)
            wait_until(lambda: not archive.is_running, TIMEOUT)
            archive.close()

    def kill_publisher(self, number: int | None = None) -> None:
        """One of them, as ``kill -9``."""
        number = self.random.randrange(len(self._publishers)) if number is None else number
        program, self._publishers[number] = self._publishers[number], None
        if program is not None:
            program.kill()

    def kill_driver(self) -> None:
        """As ``kill -9``. Publishers can do nothing then; the archive ends by itself, or with it."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.kill()
            driver.wait(TIMEOUT)
            assert driver.stdin is not None
            assert driver.stdout is not None
            driver.stdin.close()
            driver.stdout.close()
        for number in range(len(self._publishers)):
            self.kill_publisher(number)
        self.kill_archive()

    def kill_all(self) -> None:
        """Everything, in any order."""
        kills: list[Callable[[], None]] = [self.kill_recorder, self.kill_archive, self.kill_driver]
        self.random.shuffle(kills)
        for kill in kills:
            kill()

    def kill(self, what: str) -> None:
        """One of ``recorder``, ``archive``, ``publisher``, ``driver``, ``all``."""
        kill: Callable[[], None] = getattr(self, f"kill_{what}")
        kill()

    # -- the end

    def stop_publishers(self) -> None:
        """In order: what they have published is all there is."""
        for number, program in enumerate(self._publishers):
            if program is not None:
                self._publishers[number] = None
                program.close()

    def stop(self) -> None:
        """In order, what runs."""
        self.stop_publishers()
        if self._recorder is not None:
            recorder, self._recorder = self._recorder, None
            recorder.send_signal(signal.SIGTERM)
            try:
                assert recorder.wait(TIMEOUT) == 0, (self._base / "recorder.log").read_text()[-4000:]
            finally:
                recorder.kill()
        if self._archive is not None:
            archive, self._archive = self._archive, None
            archive.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for number in range(len(self._publishers)):
            self.kill_publisher(number)
        self.kill_recorder()
        self.kill_archive()
        self.kill_driver()


def pause(seconds: float) -> None:
    """Let it all run for a while: the moment of a kill is random."""
    time.sleep(seconds)
