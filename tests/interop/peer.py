"""A program in C that publishes rows of files, or writes down what comes and when: see ``c/peer.c``."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from tests.interop.building import built
from tests.waiting import wait_until

TIMEOUT = 120.0


class Planned(NamedTuple):
    """A stream for the program.

    Attributes:
        stream_id: the stream.
        channel: where it is.
        rows: of a publisher: a file, each line a row.
        heard: of a publisher: whether anybody will subscribe.
    """

    stream_id: int
    channel: str
    rows: Path | None = None
    heard: bool = True


class Program:
    """Another program, told what to do by lines of its input and saying by words how far it is. Ends with the block.

    Args:
        command: the command line.
        log: where its output goes.
    """

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=file)

    @property
    def output(self) -> str:
        """All that it has said."""
        return self._log.read_text("utf-8", "replace")

    def wait_for(self, word: str, timeout: float = TIMEOUT) -> None:
        """Until it has said a word."""

        def said() -> bool:
            running = self.process.poll() is None
            found = word in self.output.split()
            assert found or running, f"ended with {self.process.returncode} before it said {word!r}:\n{self.output}"
            return found

        wait_until(said, timeout, f"it did not say {word!r}")

    def go(self) -> None:
        """Let it begin."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """As ``kill -9``."""
        self.process.kill()
        self.process.wait(TIMEOUT)
        self._close_input()

    def close(self) -> None:
        """End its input, so that it ends."""
        self._close_input()
        try:
            self.process.wait(TIMEOUT)
        finally:
            self.process.kill()

    def _close_input(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def publisher(
    aeron_dir: str, streams: Sequence[Planned], directory: Path, name: str, *, batches: int, pause: float
) -> Program:
    """Publish the rows of files.

    Args:
        aeron_dir: of the media driver.
        streams: what to publish.
        directory: for its files.
        name: of its files.
        batches: over how many the rows are spread; 0 to go round for ever.
        pause: seconds between two of them, on average.
    """
    arguments = [
        "publish",
        aeron_dir,
        plan_file(streams, directory / f"{name}.plan"),
        str(batches),
        str(int(pause * 1e6)),
    ]
    return Program([_peer(), *arguments], directory / f"{name}.log")


def receiver(aeron_dir: str, streams: Sequence[Planned], directory: Path, name: str) -> tuple[Program, Path]:
    """Write down what comes: the program, and its file, for :class:`tests.interop.received.Received`."""
    output = directory / f"{name}.received"
    arguments = ["receive", aeron_dir, plan_file(streams, directory / f"{name}.plan"), output]
    return Program([_peer(), *arguments], directory / f"{name}.log"), output


def _peer() -> Path:
    return built("interop_peer") / "bin" / "interop_peer"


def plan_file(streams: Sequence[Planned], path: Path) -> Path:
    """Write down what a program is to publish or to receive; the path."""
    lines = [f"{each.stream_id} {'+' if each.heard else '-'} {each.rows or '-'} {each.channel}\n" for each in streams]
    path.write_text("".join(lines))
    return path
