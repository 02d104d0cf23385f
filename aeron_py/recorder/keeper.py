"""Keeps what is recorded: the journal, what is safe on disk, volumes and how long they stay. It has a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import AeronError
from aeron_py.recorder.config import RecorderConfig
from aeron_py.recorder.entries import EntryKind, StreamInfo
from aeron_py.recorder.journal import JOURNAL_ALIAS, JournalWriter
from aeron_py.recorder.recording import RecordingSet
from aeron_py.recorder.retention import Retention
from aeron_py.recorder.timeindex import TimeIndex
from aeron_py.recorder.volumes import Volumes, volume_name

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.client import Client

__all__ = ["Keeper"]

_LOOK_EVERY = 0.25
_STORE_EVERY = 1.0
_SET_BACK = 3600 * 10**9
"""Nanoseconds that the clock may be set back while no recorder runs, so that times go on from where they were. One that
was wrong by more is not to hold up the times of all that comes."""


class Keeper:
    """Everything about what was recorded, while one connection lasts.

    Args:
        config: of the recorder.
        client: on the archive's media driver.
        archive: a session of its own.
        news: an eventfd that is written to when counters come on the media driver.
        say: told what happens, in words.
    """

    def __init__(
        self, config: RecorderConfig, client: Client, archive: Archive, news: int, say: Callable[[str], object]
    ) -> None:
        self.volumes = Volumes(config.archive_dir, config.archive_cmds, say)
        """The volumes of the archive directory."""
        self._config, self._client, self._archive, self._news, self._say = config, client, archive, news, say
        self._retention = Retention(config, archive, self.volumes, say)
        self._recording: RecordingSet | None = None
        self._journal: JournalWriter | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aeron-py recorder's keeper", daemon=True)
        self._failed: Exception | None = None
        self._flushed = time.monotonic()
        self._retained = self._stored = 0.0
        self._began_ns = time.time_ns()
        self._before_ns = 0
        self._told: set[str] = set()

    def history(self) -> tuple[dict[int, StreamInfo], int | None]:
        """What earlier journals know.

        Returns:
            The streams by recording id, each with the position where they left off as its ``start_position``; and the
            lowest recording id of which they may not know all, None without journals.
        """
        return self._left_off(None)

    def _left_off(self, journals: list[int] | None) -> tuple[dict[int, StreamInfo], int | None]:
        with TimeIndex.open(self._config.archive_dir, journals) as index:
            self._before_ns = index.end_ns or 0
            if index.end_ns is None:
                return {}, None
            positions, streams = index.latest().positions, index.streams
        left_off: dict[int, StreamInfo] = {}
        for stream in streams:
            _, position = positions.get(stream.index, (0, stream.start_position))
            left_off[stream.recording_id] = msgspec.structs.replace(stream, start_position=position)
        last = max((stream.journal for stream in streams), default=-1)
        return left_off, min((each.recording_id for each in streams if each.journal == last), default=last + 1)

    def unheard(self, first: int | None) -> list[RecordingDescriptor]:
        """The recordings from one on, of which no journal may tell all, oldest first."""
        return [] if first is None else self._archive.list_recordings(from_recording_id=first)

    def open(self) -> JournalWriter:
        """Begin a journal; the volume before ends first when its time is over."""
        self._began_ns = time.time_ns()
        self._end_volume_of_before()
        ahead = self._before_ns - time.time_ns()
        self._journal = self._new_journal(self._before_ns if ahead < _SET_BACK else 0)
        return self._journal

    def _new_journal(self, after_ns: int = 0) -> JournalWriter:
        config = self._config
        journal = JournalWriter(
            self._client,
            self._archive,
            stream_id=config.journal.stream_id,
            channel=f"aeron:ipc?alias={JOURNAL_ALIAS}|term-length={config.journal.term_length}",
            sample_interval=config.sample_interval,
            image_frequency=config.image_frequency,
            archive_dir=config.archive_dir,
            after_ns=after_ns,
        )
        journal.notify(self._news, config.look_interval)
        return journal

    def start(self, recording: RecordingSet) -> None:
        """Begin to look after a set."""
        self._recording = recording
        self._thread.start()

    def check(self) -> None:
        """Raise what keeps the journal from being written."""
        recording = self._recording
        if recording is None:
            return
        with recording.lock:
            if self._failed is not None:
                raise self._failed
            if self._journal is not None:
                self._journal.check()

    def close(self, flush: bool) -> None:
        """End the thread and the journal.

        Args:
            flush: whether to make all safe before; not when the archive is lost.
        """
        self._stopping.set()
        self.volumes.interrupt()
        if self._thread.ident is not None:
            self._thread.join()
        if self._journal is not None:
            try:
                if flush:
                    self._journal.flush()
            except (AeronError, OSError) as error:
                self._say(f"the last positions were not made safe: {error}")
            finally:
                self._journal.close()

    # -- the thread

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY):
            for act in (self._flush, self._rotate, self._store, self._retain, self._archive.recording_signals):
                try:
                    act()
                except Exception as error:
                    if self._client.is_closed or not self._archive.is_connected:
                        return  # the recorder sees it, too, and connects anew
                    if str(error) not in self._told:
                        self._told.add(str(error))
                        self._say(f"{act.__name__.strip('_')}: {error}")

    def _flush(self) -> None:
        config, journal = self._config, self._journal
        if journal is None:
            return
        now = time.monotonic()
        if (config.flush_interval and now - self._flushed >= config.flush_interval) or (
            config.flush_frequency and journal.unflushed >= config.flush_frequency
        ):
            journal.flush()
            self._flushed = now

    def _store(self) -> None:
        now = time.monotonic()
        if now - self._stored >= _STORE_EVERY:
            self._stored = now
            self.volumes.store_due()

    def _retain(self) -> None:
        now = time.monotonic()
        if now - self._retained >= self._retention.interval:
            self._retained = now
            self._retention.apply()

    # -- volumes

    def _is_over(self) -> bool:
        interval = self._config.rotate_interval
        return bool(interval) and time.time_ns() - self._began_ns >= (interval or 0) * 1e9

    def _end_volume_of_before(self) -> None:
        """A recorder that was not there when its volume should have ended ends it where it left off."""
        with TimeIndex.open(self._config.archive_dir, self.volumes.open_journals()) as index:
            begin, end = index.begin_ns, index.end_ns
        if begin is not None and end is not None:
            self._began_ns = begin
            if self._is_over():
                self._say(f"volume {self.volumes.rotate(self.volumes.free_end(end))} ended")
                self._began_ns = time.time_ns()

    def _rotate(self) -> None:
        if self._is_over():
            self.rotate()

    def rotate(self) -> str:
        """End the open volume now; its name."""
        recording, journal = self._recording, self._journal
        assert recording is not None
        assert journal is not None
        with recording.lock:
            try:
                journals = self.volumes.open_journals()
                # Begun before the other ends, so that a follower sees no end, and hardly a tick is late.
                following = self._new_journal(journal.end_ns)
                try:
                    for each in recording.telling.recorded.values():
                        stopped_at = journal.close_stream(each.index)
                        each.info = msgspec.structs.replace(each.info, start_position=stopped_at)
                    for each in recording.telling.recorded.values():
                        each.index = following.open_stream(each.info)
                except BaseException:
                    following.close()
                    raise
                recording.telling.journal = self._journal = following
                # Not before what it has, when the clock was set back.
                ended_ns = self.volumes.free_end(max(time.time_ns(), journal.end_ns))
                try:
                    journal.append(EntryKind.VOLUME, {"volume": volume_name(ended_ns), "ended_ns": ended_ns})
                    journal.flush()
                finally:
                    journal.close()
            except Exception as error:
                self._failed = error
                raise
        self._flushed = time.monotonic()
        self._began_ns = time.time_ns()
        name = self.volumes.rotate(ended_ns, journals)
        self._say(f"volume {name} ended")
        return name
