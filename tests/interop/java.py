"""Aeron's own Java programs, run on our driver and archive."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from aeron_py.archive.java import find_java
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver
from tests.ports import free_port
from tests.waiting import wait_until

START_TIMEOUT = 90.0
"""Seconds: a cold Java on a busy machine takes its time."""


class JavaProgram:
    """One that runs; its output grows in a file."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        """All that it has written."""
        return self._output.read_text("utf-8", "replace")

    def wait_for(self, text: str, count: int = 1) -> None:
        """Until it has written a text so many times; fails with its output when it ends before or takes too long."""

        def there() -> bool:
            running = self.process.poll() is None
            found = self.output.count(text) >= count
            assert found or running, f"ended with {self.process.returncode} before it wrote {text!r}:\n{self.output}"
            return found

        try:
            wait_until(there, START_TIMEOUT)
        except AssertionError as error:
            raise AssertionError(f"{count} times {text!r}: {error}\n{self.output}") from None

    def join(self) -> None:
        """Until it ends, in order."""
        assert self.process.wait(START_TIMEOUT) == 0, self.output


@contextmanager
def java(
    main: str,
    output: Path,
    properties: dict[str, str],
    *arguments: str,
    stdin: IO[str] | None = None,
    classes: Path | None = None,
) -> Iterator[JavaProgram]:
    """Run a class, of the jar or of a directory; end it when the block ends."""
    command = find_java().command(main, arguments, properties=properties, options=["-XX:TieredStopAtLevel=1"])
    if classes is not None:
        command[command.index("-cp") + 1] += f":{classes}"
    with output.open("wb") as file, subprocess.Popen(command, stdin=stdin, stdout=file, stderr=file) as process:
        try:
            yield JavaProgram(process, output)
        finally:
            process.terminate()
            try:
                process.wait(30)
            finally:
                process.kill()


@contextmanager
def java_node(directory: Path, **properties: str) -> Iterator[tuple[Path, str]]:
    """Driver and archive in Java alone: the driver's directory, and where the archive takes requests, on stream 10.

    Args:
        directory: for all its files.
        properties: more of Aeron's, with ``_`` for each dot.
    """
    channel = f"aeron:udp?endpoint=localhost:{free_port()}"
    aeron_dir = directory / "aeron"
    settings = {
        "aeron.dir": str(aeron_dir),
        "aeron.archive.dir": str(directory / "archive"),
        "aeron.archive.control.channel": channel,
        "aeron.archive.replication.channel": "aeron:udp?endpoint=localhost:0",
        "aeron.archive.recording.events.enabled": "false",
        "aeron.threading.mode": "SHARED",
        "aeron.archive.threading.mode": "SHARED",
        "aeron.term.buffer.sparse.file": "true",
        **{name.replace("_", "."): value for name, value in properties.items()},
    }
    with java("io.aeron.archive.ArchivingMediaDriver", directory / "output", settings):
        wait_until((aeron_dir / "cnc.dat").exists, START_TIMEOUT)
        yield aeron_dir, channel


def asking_locally(aeron_dir: str, server: ArchiveServer) -> dict[str, str]:
    """The properties by which a Java client asks an archive of its own media driver, over IPC."""
    return {
        "aeron.dir": aeron_dir,
        "aeron.archive.control.channel": server.local_control_channel,
        "aeron.archive.control.stream.id": str(server.local_control_stream_id),
        "aeron.archive.control.response.channel": "aeron:ipc",
        "channel": "aeron:ipc",
        "stream": "78",
    }


def sample(node: ArchivingMediaDriver, channel: str, stream_id: int, messages: int = 3) -> dict[str, str]:
    """The properties that lead a sample to a node."""
    server = node.archive_server
    return {
        "aeron.dir": node.aeron_dir,
        "aeron.sample.channel": channel,
        "aeron.sample.streamId": str(stream_id),
        "aeron.sample.messages": str(messages),
        "aeron.sample.idleStrategy": "org.agrona.concurrent.BackoffIdleStrategy",
        "aeron.archive.control.channel": server.control_channel,
        "aeron.archive.control.stream.id": str(server.control_stream_id),
        "aeron.archive.control.response.channel": "aeron:udp?endpoint=localhost:0",
    }
