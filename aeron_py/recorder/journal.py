"""The recorder's journal: what was recorded when, itself a recorded stream. docs/journal-format.md has the format."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from aeron_py._error_reading import offer_error
from aeron_py._ffi import ffi, last_error, lib
from aeron_py._owner import Handle, Owner
from aeron_py._waiting import Duration, nanoseconds, seconds, wait_for
from aeron_py.errors import AeronError, NotConnectedError, OfferResult, SettingError
from aeron_py.recorder.committed import Committed, CommittedFile, read_committed
from aeron_py.recorder.entries import EntryKind, StreamInfo, opened_body
from aeron_py.settings import as_int
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.client import Client

__all__ = ["JOURNAL_ALIAS", "JOURNAL_CHANNEL", "Committed", "JournalWriter", "SamplerStatistics", "read_committed"]

JOURNAL_ALIAS: Final = "file:aeron-py/journal"
"""By which journals are found in the archive's catalog."""
JOURNAL_CHANNEL: Final = f"aeron:ipc?alias={JOURNAL_ALIAS}|term-length=1m"

_AGAIN = (OfferResult.BACK_PRESSURED, OfferResult.ADMIN_ACTION)


class SamplerStatistics(NamedTuple):
    """What the sampler of a journal did so far.

    Attributes:
        samples: how often it looked at the counters.
        ticks: how often something had moved and was written.
        missed: how often the journal could take nothing: the next tick says it.
        images: written.
        cpu: seconds of processor time of its thread.
        open_streams: that it looks at.
        unattached: streams among them whose counter is not there.
    """

    samples: int
    ticks: int
    missed: int
    images: int
    cpu: float
    open_streams: int
    unattached: int


class JournalWriter(Owner):
    """Writes one journal: samples the archive's ``rec-pos`` counters in a C thread, and appends what it is told.

    Made, it publishes on a session of its own which the archive already records. Closing ends that recording. Its
    methods may be called from several threads; they wait while the archive is behind.

    A recorder that goes on with a recording of which an earlier journal tells opens it with ``start_position`` where
    that journal left off: ``TimeIndex.image_at(end_ns)`` says where.

    Args:
        client: on the archive's media driver.
        archive: a session with the archive.
        stream_id: of the journal.
        channel: of the journal; its alias must be :data:`JOURNAL_ALIAS` for it to be found again.
        sample_interval: seconds between two samples.
        image_frequency: bytes of journal from image to image; 0 writes none but the first. A seek reads at most that
            much, and a term.
        archive_dir: of the archive, for :meth:`flush`.
        after_ns: all its entries are after this time, nanoseconds since 1970, whatever became of the clock: that of the
            last entry of the journal with which it goes on.
        timeout: seconds that anything here may wait for the archive; None for the client's ``driver_timeout``.

    Attributes:
        recording_id: the journal's recording.
        session_id: of the journal's publication.
        stream_id: of the journal.

    Raises:
        TimedOutError: the archive does not record.
        AeronError: as ``add_exclusive_publication`` and ``start_recording``.
    """

    def __init__(
        self,
        client: Client,
        archive: Archive,
        *,
        stream_id: int,
        channel: str = JOURNAL_CHANNEL,
        sample_interval: Duration = 0.001,
        image_frequency: int = 1 << 20,
        archive_dir: str | os.PathLike[str] | None = None,
        after_ns: int = 0,
        timeout: Duration | None = None,
    ) -> None:
        interval = max(1, nanoseconds(sample_interval, "sample_interval"))
        images = as_int(image_frequency, "image_frequency", 0, 1 << 62)
        after = as_int(after_ns, "after_ns", 0, 1 << 62)
        self._timeout = client.driver_timeout if timeout is None else seconds(timeout, "timeout")
        self._lock = threading.Lock()
        self._flush_lock = threading.Lock()
        self._streams: dict[int, StreamInfo] = {}
        self._count = 0
        self._ended: dict[int, int] = {}
        self._flushed = 0
        self._committed = None if archive_dir is None else CommittedFile(archive_dir)
        self._publication = client.add_exclusive_publication(channel, stream_id, timeout=timeout)
        try:
            self.stream_id, self.session_id = stream_id, self._publication.session_id
            session = ChannelUri.parse(channel).with_(session_id=self.session_id)
            archive.start_recording(session, stream_id, auto_stop=True, timeout=self._timeout)
            self.recording_id = archive.await_recorded(self._publication, timeout=self._timeout)
            self._archive_id = archive.archive_id
            self._client = client
            self._handle = self._start(interval, images, after)
        except BaseException:
            self._publication.close()
            raise

    def _start(self, interval_ns: int, image_frequency: int, after_ns: int) -> Handle:
        out, operation = ffi.new("shim_sample_t **"), "JournalWriter"
        client, parent = self._client._handle, self._publication._handle

        def started() -> Handle | None:
            with client.using(operation) as pointer, parent.using(operation) as publication:
                reader = lib.aeron_counters_reader(pointer)
                if lib.shim_sample_create(out, reader, publication, interval_ns, image_frequency, after_ns) < 0:
                    self._raise_if_lost(operation, last_error(operation))
                    return None
                return Handle(f"journal {self.recording_id}", out[0], lib.shim_sample_delete, parent=parent)

        return wait_for(started, self._timeout, operation, lambda: "the archive does not record the journal")

    def _raise_if_lost(self, operation: str, error: AeronError) -> None:
        if self._publication.is_closed:
            raise self._publication._handle.explain(operation) or error

    def close(self) -> None:
        """End the journal. What is in it is recorded; streams that are open end with it. May be called twice."""
        super().close()
        self._publication.close()

    def open_stream(self, info: StreamInfo) -> int:
        """Tell of a stream from now on and sample it; at once what is recorded of it already, if anything.

        Its ``rec-pos`` counter is found by recording id and session id, also when it comes later or comes back.

        Returns:
            Its index in this journal: 0, 1, 2 ...

        Raises:
            SettingError: bad numbers in ``info``.
            TimedOutError: the archive is behind all the time.
            NotConnectedError: it does not record the journal any more.
        """
        recording_id = as_int(info.recording_id, "recording_id", 0, 2**63 - 1)
        session_id = as_int(info.session_id, "session_id", -(2**31), 2**31 - 1)
        start = as_int(info.start_position, "start_position", 0, 2**63 - 1)
        with self._lock:
            index = self._count
            opened = msgspec.structs.replace(info, index=index, journal=self.recording_id)
            body = opened_body(opened)
            self._write(
                "open_stream",
                lambda sample: lib.shim_sample_open(sample, index, recording_id, session_id, start, body, len(body)),
            )
            self._streams[index] = opened
            self._count += 1
            return index

    def close_stream(self, index: int, stop_position: int | None = None) -> int:
        """Tell no more of a stream.

        Args:
            index: what :meth:`open_stream` returned.
            stop_position: where its recording ended: a last tick goes there. None: where it was seen last.

        Returns:
            Where its history ends in this journal: another one may go on from there.

        Raises:
            SettingError: no open stream of that index.
            TimedOutError, NotConnectedError: as :meth:`open_stream`.
        """
        stop = -1 if stop_position is None else as_int(stop_position, "stop_position", 0, 2**63 - 1)
        with self._lock:
            info = self._streams.get(index)
            if info is None:
                raise SettingError(f"no open stream {index}: there are {sorted(self._streams)[:20]}")
            out = ffi.new("int64_t *")
            self._write("close_stream", lambda sample: lib.shim_sample_close(sample, index, stop, out))
            del self._streams[index]
            stopped_at = int(out[0])
            if self._committed is not None:
                self._ended[info.recording_id] = stopped_at
            return stopped_at

    def append(self, kind: EntryKind, payload: Mapping[str, Any]) -> int:
        """Append an entry of JSON; the journal's position after it.

        Args:
            kind: VOLUME or NOTE; a NOTE has a member ``note`` that says what it is.
            payload: its members.

        Raises:
            SettingError: another kind.
            TimedOutError, NotConnectedError: as :meth:`open_stream`.
        """
        if kind not in (EntryKind.VOLUME, EntryKind.NOTE):
            raise SettingError(f"the journal writes {kind.name} by itself", operation="append")
        body = msgspec.json.encode(dict(payload))
        return self._write("append", lambda sample: lib.shim_sample_append(sample, kind, 1, body, len(body)))

    def image(self) -> int:
        """Write an image now; the journal's position after it."""
        return self._write("image", lib.shim_sample_image)

    def _write(self, operation: str, write: Callable[[Any], int]) -> int:
        def attempt() -> int | None:
            with self._handle.using(operation) as sample:
                result = int(write(sample))
                error = last_error(operation) if result == OfferResult.ERROR else None
            if result >= 0:
                return result
            if error is not None:
                raise SettingError(error.message, operation=operation)
            if result not in _AGAIN:
                raise self._failure(operation, result)
            return None

        return wait_for(attempt, self._timeout, operation, lambda: f"the archive takes nothing of {self!r}")

    def _failure(self, operation: str, result: int) -> AeronError:
        known = self._handle.explain(operation) if result == OfferResult.CLOSED else None
        return known or offer_error(result, operation, str(self._handle.description))

    @property
    def streams(self) -> list[StreamInfo]:
        """The open streams."""
        return [self._streams[index] for index in sorted(self._streams)]

    @property
    def position(self) -> int:
        """The journal's position: the end of the last entry."""
        return self._publication.position

    @property
    def recorded_position(self) -> int | None:
        """How far the journal is recorded, None when the archive does not record it any more."""
        recording_id, position = ffi.new("int64_t *", -1), ffi.new("int64_t *")
        with self._client._handle.using("recorded_position") as client:
            found = lib.shim_recorded_position(
                client, self._archive_id, self.session_id, self.stream_id, recording_id, position
            )
        return int(position[0]) if found else None

    @property
    def positions(self) -> dict[int, int]:
        """Of each open stream, by index: the position told last."""
        capacity = len(self._streams) + 1  # one may just be opened
        indexes, positions = ffi.new("uint32_t[]", capacity), ffi.new("int64_t[]", capacity)
        with self._handle.using("positions") as sample:
            count = lib.shim_sample_positions(sample, indexes, positions, capacity)
        return dict(zip(indexes[0 : min(count, capacity)], positions[0 : min(count, capacity)], strict=True))

    @property
    def end_ns(self) -> int:
        """The time of its last entry, nanoseconds since 1970."""
        return int(self._statistics("end_ns").time_ns)

    def notify(self, eventfd: int, interval: Duration) -> None:
        """Have an eventfd written to at once, and when any counter came on the media driver.

        The sampler looks for it: it is awake anyway.

        Args:
            eventfd: a descriptor that stays open for as long as this; a negative one ends it.
            interval: seconds from look to look; not less than ``sample_interval``.
        """
        pause = nanoseconds(interval, "interval")
        with self._handle.using("notify") as sample:
            lib.shim_sample_notify(sample, as_int(eventfd, "eventfd", -1, 2**31 - 1), pause)

    @property
    def statistics(self) -> SamplerStatistics:
        """What the sampler did so far."""
        raw = self._statistics("statistics")
        return SamplerStatistics(
            raw.samples, raw.ticks, raw.missed, raw.images, raw.cpu_ns / 1e9, raw.open, raw.unattached
        )

    def _statistics(self, operation: str) -> Any:
        raw = ffi.new("shim_sample_statistics_t *")
        with self._handle.using(operation) as sample:
            lib.shim_sample_statistics(sample, raw)
        return raw

    def check(self) -> None:
        """Raise what keeps the journal from being written, if anything does.

        Raises:
            NotConnectedError: the archive records it no more.
            AeronError: the driver is gone, the client is closed.
        """
        error = self._statistics("check").error
        if error:
            raise self._failure("check", error)
        if not self._publication.is_connected:
            raise self._not_recorded("check")

    def _not_recorded(self, operation: str) -> NotConnectedError:
        message = f"the archive does not record {self._handle.description} any more"
        return NotConnectedError(message, operation=operation)

    def flush(self) -> Committed:
        """Two phases: ``fdatasync`` the segments of all that moved and of the journal, then write what is safe now.

        That is in ``committed.json`` of the archive directory after this, see :func:`read_committed`. Waits for the
        disk; the sampler goes on meanwhile.

        Raises:
            SettingError: made without ``archive_dir``.
            TimedOutError: the archive does not follow.
            OSError: the disk failed.
        """
        if self._committed is None:
            raise SettingError("flush needs the archive_dir of its JournalWriter", operation="flush")
        with self._flush_lock:
            with self._lock:
                told, positions = self._told("flush"), self.positions
                recordings = {self._streams[i].recording_id: at for i, at in positions.items() if i in self._streams}
                ended, self._ended = self._ended, {}
            try:
                for recording, position in ended.items():
                    recordings[recording] = max(position, recordings.get(recording, 0))
                journal = self._await_recorded(self.position)
                committed = self._committed.commit(time.time_ns(), (self.recording_id, journal), recordings)
            except BaseException:
                self._ended = {**ended, **self._ended}
                raise
            self._flushed = told
            return committed

    @property
    def unflushed(self) -> int:
        """Bytes of recordings told since the last :meth:`flush`, of streams that are closed by now, too."""
        return self._told("unflushed") - self._flushed

    def _told(self, operation: str) -> int:
        return int(self._statistics(operation).bytes)

    def _await_recorded(self, position: int) -> int:
        def recorded() -> int | None:
            found = self.recorded_position
            if found is None:
                raise self._not_recorded("flush")
            return found if found >= position else None

        late = f"{self._handle.description} was not recorded up to {position}"
        return wait_for(recorded, self._timeout, "flush", lambda: late)
