"""``aeron-py up``: a media driver and an archive in the foreground."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aeron_py.archive.server import ArchivingMediaDriver
from aeron_py.archive.users import read_users
from aeron_py.cli import render
from aeron_py.cli.stopping import StopSignal
from aeron_py.driver import MediaDriver, ThreadingMode

_LOOK_EVERY = 0.25
"""Seconds between two looks at whether the archive still runs."""


def up(
    stop: StopSignal,
    *,
    archive_dir: Path | None,
    aeron_dir: Path | None,
    settings: Mapping[str, Any],
    users: Path | None,
    threading_mode: ThreadingMode,
    as_json: bool,
) -> int:
    """Run both until told to stop.

    Args:
        stop: what tells so.
        archive_dir: None for no archive.
        aeron_dir: None for a fresh one.
        settings: of the archive; those that are None are left out.
        users: a file of who may connect to it; None for everybody.
        threading_mode: the media driver's.
        as_json: print one line of JSON when ready.

    Returns:
        the exit status: 0 when stopped, 1 when the archive ended by itself.
    """
    directory = None if aeron_dir is None else str(aeron_dir)
    with contextlib.ExitStack() as stack:
        if archive_dir is None:
            driver = stack.enter_context(MediaDriver.launch(directory, threading_mode=threading_mode))
            node = None
            told: dict[str, Any] = {"aeron_dir": str(driver.aeron_dir), "pid": os.getpid()}
        else:
            given: Any = {name: value for name, value in settings.items() if value is not None}
            node = stack.enter_context(
                ArchivingMediaDriver.launch(
                    archive_dir,
                    directory,
                    driver={"threading_mode": threading_mode},
                    users=None if users is None else read_users(users),
                    **given,
                )
            )
            told = _node(node)
        if stop.is_set:
            return 0
        print(render.as_json(told) if as_json else render.pairs(told), flush=True)
        if not as_json:
            print("ready; Ctrl-C stops it", file=sys.stderr, flush=True)
        while not stop.wait(_LOOK_EVERY):
            if node is not None and not node.archive_server.is_running:
                server = node.archive_server
                print(f"error: the archive ended with status {server.exit_status}", file=sys.stderr)
                print(server.log(), file=sys.stderr, end="")
                return 1
    return 0


def _node(node: ArchivingMediaDriver) -> dict[str, Any]:
    server = node.archive_server
    return {
        "aeron_dir": str(node.aeron_dir),
        "archive_dir": str(server.archive_dir),
        "control_channel": server.control_channel,
        "control_stream_id": server.control_stream_id,
        "local_control_channel": server.local_control_channel,
        "local_control_stream_id": server.local_control_stream_id,
        "pid": os.getpid(),
        "archive_pid": server.pid,
        "log": str(server.log_path),
    }
