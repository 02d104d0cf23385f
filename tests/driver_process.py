"""A media driver in a process of its own, to be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAM = """
import json, sys
from aeron_py import MediaDriver
with MediaDriver.launch(sys.argv[1], **{"timer_interval": 0.1, **json.loads(sys.argv[2])}) as driver:
    print("ready", flush=True)
    sys.stdin.read()
"""


class DriverProcess:
    """Starts with ``with``; :meth:`kill` it, or it ends with the block.

    Args:
        aeron_dir: its directory.
        environment: variables on top of this process's.
        settings: as for ``MediaDriver.launch``.
    """

    def __init__(self, aeron_dir: Path | str, environment: dict[str, str] | None = None, **settings: Any) -> None:
        self.aeron_dir = str(aeron_dir)
        self._environment = environment or {}
        self._settings = settings

    def __enter__(self) -> DriverProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, self.aeron_dir, json.dumps(self._settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | self._environment,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """As ``kill -9``."""
        self._process.kill()
        self._process.wait(30)

    def end(self) -> None:
        """In order."""
        self.__exit__(None, None, None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
