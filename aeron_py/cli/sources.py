"""Where ``aeron-py play`` gets its session: a recorder that runs, or one of its own; and how it gets it back."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from msgspec.structs import replace

from aeron_py.archive._lock import running_archive
from aeron_py.archive.catalog import CATALOG_FILE_NAME
from aeron_py.archive.mark import ArchiveMark
from aeron_py.cli.away import names_of_away
from aeron_py.cli.refusals import refusals_explained, wait_running
from aeron_py.client import Client
from aeron_py.errors import AeronError, ArchiveConnectionError, NotConnectedError, SettingError, TimedOutError
from aeron_py.recorder.config import ControlConfig, RecorderConfig, load
from aeron_py.recorder.playback.client import RecorderClient, RemoteSession
from aeron_py.recorder.playback.controls import Controls
from aeron_py.recorder.playback.topics import Remap
from aeron_py.recorder.service import Recorder
from aeron_py.recorder.when import parse_time

__all__ = ["Played", "Source", "recorder_client"]

T = TypeVar("T")

_ASK_RECORDER = 2.0
_START = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_OWN_STREAMS = 3_000_000


@dataclass(frozen=True)
class Source:
    """Where a session comes from.

    Args:
        archive_dir: of the archive.
        aeron_dir: of the media driver; None for the one that the archive uses, or a fresh one.
        control_channel: where a recorder takes requests.
        control_stream_id: the stream there.
        config: of the recorder, for when none runs: with its commands volumes are fetched. None for none.
        credentials_file: of one of the archive's users, for when no recorder runs; None for none.
    """

    archive_dir: Path
    aeron_dir: Path | None
    control_channel: str
    control_stream_id: int
    credentials_file: Path | None = None
    config: RecorderConfig | None = None

    def configured(self, file: Path, is_given: Callable[[str], bool]) -> Source:
        """As a recorder's configuration says, but for what options say.

        Args:
            file: the configuration.
            is_given: whether an option was given, by the name of its parameter.

        Raises:
            SettingError: what is wrong with it.
            OSError: it can't be read.
        """
        config = load(file)
        return dataclasses.replace(
            self,
            archive_dir=self.archive_dir if is_given("archive_dir") else Path(config.archive_dir),
            control_channel=self.control_channel if is_given("recorder_channel") else config.control.channel,
            control_stream_id=self.control_stream_id if is_given("recorder_stream_id") else config.control.stream_id,
            config=config,
        )


def recorder_client(client: Client, source: Source) -> RecorderClient:
    """A client of the recorder that the options name."""
    reply = None if source.control_channel.startswith("aeron:ipc") else "aeron:udp?endpoint=localhost:0"
    return RecorderClient(
        client,
        channel=source.control_channel,
        stream_id=source.control_stream_id,
        reply_channel=reply,
        timeout=_ASK_RECORDER,
    )


class Played:
    """A session: of the recorder that runs, else of one on the archive that runs, else of one that starts all it needs.

    When the archive, the media driver or the recorder dies, it is there again when they are.

    Args:
        source: where it comes from.
        options: as for :meth:`RecorderClient.open_session`.
        say: told what happens, in words.
    """

    session: RemoteSession

    def __init__(self, source: Source, options: dict[str, Any], say: Callable[[str], object]) -> None:
        self._source, self._options, self._say = source, options, say
        self._own = contextlib.ExitStack()
        self._connection = contextlib.ExitStack()
        self._recorder: Recorder | None = None
        self._controls: Controls | None = None
        self._places: dict[str, tuple[str, int]] = {}
        self._waits = ""
        self._pause = _FIRST_PAUSE
        self.aeron_dir = ""
        """Of the media driver that it is played on."""

    @property
    def of_recorder(self) -> bool:
        """Whether a recorder that runs plays it."""
        return self._recorder is None

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(AeronError):
            self.session.close()
        self._close()

    def _close(self) -> None:
        self._connection.close()
        self._own.close()

    # -- beginning

    def _begin(self) -> None:
        source = self._source
        has_catalog = (source.archive_dir / CATALOG_FILE_NAME).is_file()
        runs = running_archive(source.archive_dir) is not None
        if runs or (source.aeron_dir is not None and not has_catalog):
            client = self._connect()
            try:
                recorder_client(client, source).sessions()
            except (TimedOutError, NotConnectedError):
                if not runs:
                    raise ArchiveConnectionError(
                        f"no recorder answers on {source.control_channel} stream {source.control_stream_id}: "
                        "start one with  aeron-py record, or name the archive with --archive-dir"
                    ) from None
                self._start_own(self.aeron_dir)
        else:
            if not has_catalog:
                raise ArchiveConnectionError(f"no archive has run in {source.archive_dir.absolute()}: name another one")
            self._start_own(None)
            self._connect()
        self.session = self._asking().open_session(**self._options)

    def _start_own(self, aeron_dir: str | None) -> None:
        embedded = self._source.aeron_dir if aeron_dir is None else None
        given = self._source.config or RecorderConfig(archive_dir=str(self._source.archive_dir), record=False)
        credentials = self._source.credentials_file or given.archive.credentials_file
        # A stream of its own: it is nobody else's recorder.
        control = ControlConfig(stream_id=_OWN_STREAMS + secrets.randbelow(1_000_000))
        config = replace(
            given,
            archive_dir=str(self._source.archive_dir),
            aeron_dir=aeron_dir,
            record=False,
            play=True,
            control=control,
            archive=replace(given.archive, credentials_file=None if credentials is None else str(credentials)),
            embedded=replace(given.embedded, aeron_dir=None if embedded is None else str(embedded)),
        )
        self._recorder = self._own.enter_context(Recorder(config, on_event=self._say))
        self._source = Source(
            self._source.archive_dir, Path(self._recorder.aeron_dir), control.channel, control.stream_id
        )
        with refusals_explained(credentials):
            wait_running(self._recorder, _START)
        if config.archive_cmds.get is None:
            self._tell_away()

    def _tell_away(self) -> None:
        """Say what is not played, since nothing fetches it."""
        start, end = parse_time(self._options["start"]), parse_time(self._options["end"])
        if names := names_of_away(self._source.archive_dir, start, end):
            self._say(
                f"not played are volumes that are only where they were stored: {names}: name the recorder's "
                "configuration, which has archive_cmds.get, with --config"
            )

    def _connect(self) -> Client:
        """A client of the media driver, which may be another one by now."""
        self._connection.close()
        mark = ArchiveMark.read(self._source.archive_dir)
        directory = self._source.aeron_dir or (None if mark is None else Path(mark.aeron_dir))
        self.aeron_dir = "" if directory is None else str(directory)
        self._client = self._connection.enter_context(Client.connect(directory and str(directory)))
        return self._client

    def _asking(self) -> RecorderClient:
        return self._connection.enter_context(recorder_client(self._client, self._source))

    # -- going on

    def ask(self, what: Callable[[RemoteSession], T]) -> T | None:
        """What the session answers; None while something that it needs is gone, which is told once.

        Raises:
            SettingError: refused; or the session was closed by somebody else.
        """
        try:
            if self._waits and self._client.is_closed:
                self._connect()
                self.session = self._asking().session(self.session.session_id)
            answer = what(self.session)
        except SettingError:
            if not self._waits:
                raise
            self._open_again()
            return None
        except AeronError as error:
            self._wait(error.message)
            return None
        if self._waits:
            self._waits, self._pause = "", _FIRST_PAUSE
            self._say(f"going on with session {self.session.session_id}")
        return answer

    def controls(self) -> Controls | None:
        """Its controls, None while something is gone."""
        found = self.ask(lambda session: session.controls)
        if found is not None:
            self._controls = found
            if not self._places:
                topics = self.ask(lambda session: session.topics) or {}
                self._places = {topic: (info.channel, info.stream_id) for topic, info in topics.items()}
        return found

    def _wait(self, problem: str) -> None:
        if problem != self._waits:
            self._say(f"waiting: {problem}")
        self._waits = problem
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _open_again(self) -> None:
        """The recorder is another one: have it do what the last one did, in the same places."""
        here = self._controls
        exact = tuple(
            Remap(topic=topic, channel=channel, stream_id=stream_id)
            for topic, (channel, stream_id) in self._places.items()
        )
        options = {**self._options, "remap": exact + tuple(self._options.get("remap", ()))}
        if here is not None:
            options |= {"start": here.start, "end": here.end, "pos": here.pos, "speed": here.speed, "state": here.state}
        try:
            self.session = self._asking().open_session(**options)
        except SettingError:
            raise
        except AeronError as error:
            self._wait(error.message)
