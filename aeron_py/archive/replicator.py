"""Many recordings of another archive copied into this one, for as long as it takes, whatever goes away meanwhile."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from aeron_py.archive.client import Archive
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.archive.replication import Replication
from aeron_py.archive.server import context_from_mark
from aeron_py.client import Client
from aeron_py.errors import (
    ActiveRecordingError,
    ActiveSubscriptionError,
    AeronError,
    ArchiveConnectionError,
    Recovery,
    ReplicationError,
    TimedOutError,
    UnknownRecordingError,
)
from aeron_py.uri import ChannelUri

_LOOK_EVERY = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_NO_SEGMENT = "segment file"
# What tells that two archives have the same recording: neither its id nor where it begins, since either may have been
# purged, nor where it ends. A copy keeps the time at which its source began.
_IDENTITY = ("start_timestamp", "initial_term_id", "term_buffer_length", "session_id", "stream_id", "original_channel")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to copy, from where, to where."""

    source_channel: str
    source_stream_id: int
    recording_ids: tuple[int, ...]
    channel: str | None
    stream_id: int | None
    aeron_dir: Path | None
    response_channel: str | None
    follow: bool
    live: str | None
    credentials: bytes
    source_credentials: bytes
    timeout: float


@dataclasses.dataclass
class Copied:
    """One recording and what became of it: a line of the result.

    With a ``problem`` the rest of it can't be had: the source lacks it.
    """

    source_recording_id: int
    recording_id: int | None
    stream_id: int
    start_position: int
    position: int
    source_position: int
    done: bool
    problem: str | None = None


class Replicator:
    """Copies until all is there; goes on by itself when either archive was away.

    Args:
        wanted: what to copy.
        find_mark: the mark of the archive that receives the copies, while it runs.
        wait: waits so many seconds; returns whether to stop.
        tell: told why it waits, when it does.

    Attributes:
        copies: what became of each recording, by its id at the source.
        at_source: whether it has come as far as to ask the source, so that what it raises is about that one.
    """

    def __init__(
        self,
        wanted: Wanted,
        find_mark: Callable[[], ArchiveMark],
        wait: Callable[[float], bool],
        tell: Callable[[str], object],
    ) -> None:
        self._wanted = wanted
        self._find_mark = find_mark
        self._wait = wait
        self._tell = tell
        self._ends: dict[int, int] = {}
        self._stuck: dict[int, int] = {}
        self._all_begun = False
        self.copies: dict[int, Copied] = {}
        self.at_source = False

    @property
    def is_done(self) -> bool:
        """Whether all that was wanted is there."""
        return self._all_begun and all(copy.done or copy.problem for copy in self.copies.values())

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lacking of what was copied."""
        return not any(copy.problem for copy in self.copies.values())

    def run(self, show: Callable[[int, int], None]) -> None:
        """Copy until all is there, or until told to stop.

        Args:
            show: told the bytes done, and those there are.

        Raises:
            AeronError: what waiting does not help with.
        """
        pause = _FIRST_PAUSE / 2
        while not self._wait(0) and not self.is_done:
            before = self._copied
            try:
                with self._sessions() as (source, target):
                    self._copy(source, target, show)
                return
            except (AeronError, OSError) as error:
                if not _passes(error):
                    raise
                pause = _FIRST_PAUSE if self._copied > before else min(2 * pause, _LONGEST_PAUSE)
                self._tell(f"{error}; again in {pause:g} s")
                self._wait(pause)

    @property
    def _copied(self) -> int:
        return sum(copy.position for copy in self.copies.values())

    @contextlib.contextmanager
    def _sessions(self) -> Iterator[tuple[Archive, Archive]]:
        wanted = self._wanted
        self.at_source = False
        mark = self._find_mark()
        context = context_from_mark(mark, credentials=wanted.credentials)
        source_context = ArchiveContext(
            control_request_channel=wanted.source_channel,
            control_request_stream_id=wanted.source_stream_id,
            control_response_channel=wanted.response_channel or _beside(mark.control_channel, wanted.source_channel),
            credentials=wanted.source_credentials,
        )
        with (
            Client.connect(str(wanted.aeron_dir or mark.aeron_dir), driver_timeout=wanted.timeout) as client,
            Archive.connect(client, context, timeout=wanted.timeout) as target,
        ):
            self.at_source = True
            with Archive.connect(client, source_context, timeout=wanted.timeout) as source:
                yield source, target

    def _copy(self, source: Archive, target: Archive, show: Callable[[int, int], None]) -> None:
        under_way: dict[int, Replication] = {}
        try:
            for recording in self._chosen(source):
                if (replication := self._begin(recording, source, target)) is not None:
                    under_way[recording.recording_id] = replication
            self._all_begun = True
            while under_way and not self._wait(_LOOK_EVERY):
                for id, replication in list(under_way.items()):
                    if self._step(self.copies[id], replication, source):
                        del under_way[id]
                copies = self.copies.values()
                show(
                    sum(copy.position - copy.start_position for copy in copies),
                    sum(copy.source_position - copy.start_position for copy in copies),
                )
        finally:
            for replication in under_way.values():
                with contextlib.suppress(AeronError):
                    replication.stop()

    def _chosen(self, source: Archive) -> list[RecordingDescriptor]:
        wanted = self._wanted
        if wanted.recording_ids:
            return [source.list_recording(id) for id in wanted.recording_ids]
        return source.list_recordings(wanted.channel, wanted.stream_id)

    def _begin(self, recording: RecordingDescriptor, source: Archive, target: Archive) -> Replication | None:
        id, wanted = recording.recording_id, self._wanted
        recording_id, position = _copy_of(recording, target)
        try:
            end = source.get_max_recorded_position(id)
        except UnknownRecordingError:
            if wanted.recording_ids:
                raise
            return None  # it was deleted since it was listed
        goes_on = recording.is_active and (wanted.follow or wanted.live is not None)
        if not goes_on:
            end = self._ends.setdefault(id, end)
        before = self.copies.get(id)
        self.copies[id] = copy = Copied(
            id, recording_id, recording.stream_id, recording.start_position, position, end, done=False
        )
        if before is not None and before.problem is not None:
            copy.problem = before.problem
            return None
        if recording_id is not None and position >= end and not goes_on:
            copy.done = True
            return None
        return target.replicate(
            id,
            wanted.source_channel,
            wanted.source_stream_id,
            recording_id=recording_id,
            stop_position=end if recording.is_active and not goes_on else None,
            live_destination=wanted.live if recording.is_active else None,
            credentials=wanted.source_credentials or None,
        )

    def _step(self, copy: Copied, replication: Replication, source: Archive) -> bool:
        """Note how far it has come; whether it is done."""
        position = replication.position()
        if position is not None:
            copy.recording_id, copy.position = replication.recording_id, max(position, copy.start_position)
        if copy.source_recording_id not in self._ends:
            copy.source_position = replication.source_position(source)
        if replication.is_merged or replication.has_ended:
            # What is left of it, of a recording that has stopped meanwhile, or what went wrong.
            try:
                copy.position = replication.await_synced(self._wanted.timeout)
            except ReplicationError as error:
                if not self._lacks(copy, error):
                    raise
                copy.problem = error.message
                self._tell(f"the rest of recording {copy.source_recording_id} can't be copied: {error.message}")
                return True
            copy.source_position = max(copy.position, copy.source_position)
            copy.done = True
        return copy.done

    def _lacks(self, copy: Copied, error: ReplicationError) -> bool:
        """Whether the source lacks what comes next; it has been asked twice, as the file may be about to be made."""
        if _NO_SEGMENT not in error.message:
            return False
        before = self._stuck.get(copy.source_recording_id)
        self._stuck[copy.source_recording_id] = copy.position
        return before == copy.position


def _copy_of(recording: RecordingDescriptor, target: Archive) -> tuple[int | None, int]:
    """The copy that there is already, None for none, and where to go on.

    One that ends before what the source has left can't go on: there would be a gap.
    """
    for each in reversed(target.list_recordings(stream_id=recording.stream_id)):
        if _same(each, recording):
            position = target.get_max_recorded_position(each.recording_id)
            if position >= recording.start_position:
                return each.recording_id, position
    return None, recording.start_position


def _same(a: RecordingDescriptor, b: RecordingDescriptor) -> bool:
    return all(getattr(a, name) == getattr(b, name) for name in _IDENTITY)


def _beside(control_channel: str, source_channel: str) -> str:
    """Where answers come in: a free port of the host where this archive is reached, as its own answers do."""
    if source_channel.startswith("aeron:ipc"):
        return "aeron:ipc"
    endpoint = ChannelUri.parse(control_channel).get("endpoint") if control_channel else None
    return f"aeron:udp?endpoint={endpoint.rpartition(':')[0] if endpoint else 'localhost'}:0"


def _passes(error: AeronError | OSError) -> bool:
    """Whether it may go away by itself: an archive or a driver that is away, or a copy that somebody else writes."""
    if isinstance(error, ArchiveConnectionError | TimedOutError | ActiveRecordingError | ActiveSubscriptionError):
        return True
    return isinstance(error, AeronError) and error.recovery in (Recovery.RETRY, Recovery.RECONNECT)
