"""The sessions of a recorder, which outlive its archive and its media driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aeron_py.errors import AeronError
from aeron_py.recorder.playback.control import ControlServer
from aeron_py.recorder.playback.kept import KeptSession

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.client import Client
    from aeron_py.recorder.config import RecorderConfig
    from aeron_py.recorder.node import Node

__all__ = ["Serving"]

_ANSWERS_WITHIN = 2.0


class Serving:
    """Serves sessions for as long as a recorder runs.

    It has a client of its own, which stays while the media driver lives, so that its own clients notice nothing but a
    pause when only the archive is gone.

    Args:
        config: of the recorder.
        node: the media driver and the archive.
        say: told what happens, in words.
    """

    def __init__(self, config: RecorderConfig, node: Node, say: Callable[[str], object]) -> None:
        self._config, self._node, self._say = config, node, say
        self._client: Client | None = None
        self._archive: Archive | None = None
        self._control: ControlServer | None = None
        self._kept: list[tuple[KeptSession, str]] = []

    def start(self) -> None:
        """The archive is there: begin, or go on.

        Raises:
            AeronError: it can't be reached.
        """
        if self._client is None:
            self._client = self._node.connect()
        if self._control is not None and not self._control.is_lost:
            return
        archive = self._node.connect_archive(self._client)
        before, self._archive = self._archive, archive
        if self._control is not None:
            self._control.go_on(archive)
        else:
            self._control = self._begin(self._client, archive)
            self._kept = []
        if before is not None:
            before.close()

    def _begin(self, client: Client, archive: Archive) -> ControlServer:
        if self._kept:
            self._say(f"opening again: {len(self._kept)} sessions")
        return ControlServer(client, archive, self._config, say=self._say, kept=self._kept)

    def lost(self, problem: AeronError) -> None:
        """Something is gone: the archive, the media driver with it, or nothing that concerns sessions."""
        if self._client is None:
            return
        has_driver = self._node.has_driver_of(self._client)
        if self._control is not None and not (has_driver and self._has_archive()):
            self._control.lost(problem)
        if not has_driver:
            self._let_go(keep=True)

    def _has_archive(self) -> bool:
        assert self._control is not None
        try:
            self._node.check()
            self._control.ask_archive(_ANSWERS_WITHIN)
        except AeronError:
            return False
        return True

    def _let_go(self, keep: bool) -> None:
        control, client, self._control, self._client = self._control, self._client, None, None
        self._archive = None  # goes with the client
        try:
            if control is not None:
                if keep:
                    self._kept = control.keep()
                control.close()
        finally:
            if client is not None:
                client.close()

    def close(self) -> None:
        """End it and its sessions. May be called twice."""
        self._let_go(keep=False)
