"""Recordings straight from disk: no replay, no driver, no archive needed."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from aeron_py._ffi import ffi, lib
from aeron_py._hot import Message
from aeron_py.archive import _columnar
from aeron_py.archive._cursor import UNLIMITED, Cursor
from aeron_py.archive._recorded_position import RecordedPosition
from aeron_py.archive._segments import DamagedRecordingError, Segments
from aeron_py.archive.catalog import find_recording
from aeron_py.archive.recorded import Columns, RecordedBatch, RecordingCheck
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import ArchiveErrorCode, BusyError, ClosedError, InvalidPositionError, SettingError

if TYPE_CHECKING:
    import numpy
    import numpy.typing
    import pyarrow

    from aeron_py.counters import CountersReader

__all__ = ["DamagedRecordingError", "RecordedBatch", "RecordingCheck", "RecordingReader"]

_CHUNK = 1 << 20
_FRAME = 32
_OBJECTS = 1024
_MAPPED = 1 << 14
_T = TypeVar("_T")
_EMPTY = RecordedBatch(ffi.NULL, 0, None, 0, 0, 0)


class RecordingReader:
    """Reads one recording from the archive's segment files, from a position on, also while it grows.

    Every way of reading goes on from :attr:`position` and moves it; use one at a time. Messages come whole: fragments
    are put together, padding is passed. What copies (iterating, :meth:`read_batch`, :meth:`to_arrow`) is safe whatever
    happens to the files. What gives views of the mapped files (:meth:`views`, :meth:`arrays`, :meth:`to_numpy`) is
    faster, and the views keep the memory alive after :meth:`close`; but the file must not be *shortened* while they are
    looked at, or the process is killed by SIGBUS. The archive does that only in ``truncate_recording``, and when it
    repairs a recording at its start after a crash; segments that are purged stay whole in memory.

    One thread at a time may use it. The walk in C releases the interpreter's lock.

    Args:
        archive_dir: directory of the archive, with the segment files.
        recording: a recording id, looked up in the catalog there, or a descriptor from ``list_recordings``.
        position: where to begin: the begin of a frame. None is the start of the recording.
        limit: up to where to read: a position, or for an active recording a callable that returns how far it is
            recorded now, for example ``lambda: archive.get_max_recorded_position(recording_id)``. It is asked whenever
            all before is read; None or a negative number from it is "nothing new". Not given: the stop position.
        counters: for an active recording instead of ``limit``: ``client.counters`` of a client on the archive's media
            driver, whose ``rec-pos`` counter tells how far it is recorded (the cheapest way to follow a recording).
        scan: for a recording that has no stop position because its archive was killed and does not run: read up to
            where nothing was written.
        record_checksum: the archive was run with record checksums, which stand where the session id stood: report the
            session id of the descriptor instead.
        chunk_length: bytes read at once.

    Raises:
        UnknownRecordingError: no such recording; the message names the nearest.
        CatalogError: no archive there.
        InvalidPositionError: ``position`` is outside the recording or not where a frame begins.
        SettingError: the recording is active, and none of ``limit``, ``counters`` and ``scan`` was given.
    """

    def __init__(
        self,
        archive_dir: str | os.PathLike[str],
        recording: int | RecordingDescriptor,
        *,
        position: int | None = None,
        limit: int | Callable[[], int | None] | None = None,
        counters: CountersReader | None = None,
        scan: bool = False,
        record_checksum: bool = False,
        chunk_length: int = _CHUNK,
    ) -> None:
        self._closed = True
        archive_dir = Path(archive_dir).absolute()  # wherever this process stands when it comes to the next segment
        self.recording = find_recording(archive_dir, recording) if isinstance(recording, int) else recording
        self._segments = Segments(archive_dir, self.recording)
        self._chunk_length = max(4096, chunk_length & -_FRAME)
        self._session_id = self.recording.session_id if record_checksum else None
        self._lock = threading.Lock()
        self._thread: int | None = None
        if limit is None and counters is not None and self.recording.is_active:
            limit = RecordedPosition(counters, archive_dir, self.recording)
        self._asked = limit if callable(limit) else None
        stop = self._stop = UNLIMITED if self.recording.is_active else self.recording.stop_position
        if limit is None and self.recording.is_active and not scan:
            raise SettingError(
                f"recording {self.recording_id} is active: give counters=, or limit= that tells how far it is "
                "recorded, or scan=True when its archive was killed and does not run",
                operation="RecordingReader",
            )
        self._limit = -1 if callable(limit) else stop if limit is None else min(limit, stop)
        self._scan = self._limit == UNLIMITED
        self._cursor = self._new_cursor(self.start_position)
        self._closed = False
        try:
            self.seek(self.start_position if position is None else position)
        except BaseException:
            self.close()
            raise

    @property
    def recording_id(self) -> int:
        """The recording's id."""
        return self.recording.recording_id

    @property
    def start_position(self) -> int:
        """Where the recording begins, as its descriptor says."""
        return self.recording.start_position

    @property
    def position(self) -> int:
        """Where the next message to be read begins (or padding before it)."""
        return self._cursor.position

    @property
    def limit(self) -> int:
        """Up to where can be read now, a stream position; asks the ``limit`` callable."""
        if self._asked is not None and (recorded := self._asked()) is not None:
            self._limit = max(self._limit, min(recorded, self._stop))
        return self._limit

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def close(self) -> None:
        """Close the file. Batches, views and arrays stay valid. May be called twice, and from any thread.

        Raises:
            BusyError: called from the ``limit`` callable or a signal handler while this thread reads.
        """
        if self._thread == threading.get_ident():
            raise BusyError(f"this thread reads recording {self.recording_id}: close it after that", operation="close")
        with self._lock:
            self._closed = True
            self._segments.close()
            self._cursor.close()

    def __enter__(self) -> Self:
        self._check_open("with")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._closed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self._segments.close()

    def __repr__(self) -> str:
        state = " (closed)" if self._closed else ""
        return f"<RecordingReader recording {self.recording_id} at {self.position}{state}>"

    def seek(self, position: int) -> None:
        """Go on reading from ``position``, which must be where a frame begins, or the limit.

        Raises:
            InvalidPositionError: it is not; the message names the nearest begins of frames.
        """
        with self._exclusively("seek"):
            limit = self.limit
            if not self.start_position <= position <= limit:
                raise self._invalid(f"position {position} is outside {self.start_position} to {limit}")
            if self.start_position < position < limit:
                begin, end = self._new_cursor(position).frame_around(position, self.start_position)
                if begin != position:
                    raise self._invalid(f"no frame begins at {position}: the nearest begin at {begin} and {end}")
            self._cursor.stand(position)

    def read_batch(self, limit: int | None = None) -> RecordedBatch:
        """The next messages, copied, in one call of C; empty when there is nothing more up to the limit.

        Args:
            limit: messages at most; None for as many as one chunk holds.

        Raises:
            DamagedRecordingError: what comes next on disk is no frame of this recording.
        """
        _check_limit(limit)
        with self._exclusively("read_batch"):
            cursor = self._cursor
            walk = cursor.walk
            while True:
                if cursor.used_up and not cursor.load():
                    return _EMPTY
                room = (walk.length - walk.offset) // _FRAME + 1
                columns = Columns(room if limit is None else min(limit, room))
                count = lib.shim_walk_messages(walk, columns.pointer, columns.pointer.capacity)
                if count:
                    return self._batch(cursor, columns, count)
                if not cursor.settle():
                    return _EMPTY

    def batches(self, limit: int | None = None, *, copy: bool = True) -> Iterator[RecordedBatch]:
        """All batches up to the limit.

        Args:
            limit: messages in each at most; None for as many as is good for speed.
            copy: False gives batches whose ``data`` is the mapped segment file itself, see :meth:`views`.

        Raises:
            DamagedRecordingError: as :meth:`read_batch`.
        """
        _check_limit(limit)
        if not copy:
            yield from self._mapped(_MAPPED if limit is None else limit)
            return
        while batch := self.read_batch(limit):
            yield batch

    def __iter__(self) -> Iterator[bytes]:
        """Every message as bytes, up to the limit. Breaking off loses nothing: the next read goes on from there."""
        return self._each(RecordedBatch.payloads)

    def messages(self) -> Iterator[Message]:
        """Every message as an object, up to the limit. Breaking off loses nothing: the next read goes on from there."""
        return self._each(RecordedBatch.messages)

    def views(self) -> Iterator[memoryview]:
        """Every message as a read-only memoryview of the mapped segment file: no copy, but of fragmented messages.

        Raises:
            DamagedRecordingError: as :meth:`read_batch`; also when a segment file is shorter than what was recorded.
        """
        return self._each(RecordedBatch.views, copy=False)

    def arrays(self, dtype: numpy.typing.DTypeLike = "u1") -> Iterator[numpy.ndarray[Any, Any]]:
        """Messages of one size as numpy arrays that are strided views of the mapped files: nothing is copied.

        A row of messages ends where padding lies between them: at the latest at the end of a term.

        Args:
            dtype: of a message, or of one item when a message holds several: then the arrays have shape
                ``(messages, items)`` instead of ``(messages,)``.

        Raises:
            SettingError: a message's size is no multiple of the dtype's.
            DamagedRecordingError: a message is fragmented or of another size than the first; or as in :meth:`views`.
        """
        self._check_open("arrays")
        cursor = self._new_cursor(self.position)
        for array in _columnar.arrays(cursor, dtype):
            self._stand(cursor.position)
            yield array
        self._stand(cursor.position)

    def to_numpy(self, dtype: numpy.typing.DTypeLike = "u1", *, copy: bool | None = None) -> numpy.ndarray[Any, Any]:
        """All messages from here to the limit, of one size, as one array: see :meth:`arrays`.

        Args:
            dtype: as in :meth:`arrays`.
            copy: True reads the files into memory of the array's own; False never copies and raises when the messages
                are not in one row; None copies only then.

        Raises:
            SettingError: as :meth:`arrays`, or ``copy=False`` and the messages are not in one row.
        """
        span = self.limit - self.position
        array: numpy.ndarray[Any, Any] = _columnar.to_numpy(self.batches(), self.arrays(dtype), span, dtype, copy)
        return array

    def to_arrow(self, dtype: numpy.typing.DTypeLike | None = None) -> pyarrow.Table:
        """All messages from here to the limit as an Arrow table, copied.

        Its columns are ``position``, ``reserved_value``, ``session_id`` (see :class:`RecordedBatch`) and ``payload``
        (binary).

        Args:
            dtype: of the messages, when they have one size: a structured dtype's fields then stand as columns of their
                own in place of ``payload``; any other gives one column ``value``.

        Raises:
            ImportError: pyarrow is not installed.
        """
        return _columnar.to_arrow(self.batches(), dtype)

    def verify(self) -> RecordingCheck:
        """Walk every frame from the start of the recording to the limit; :attr:`position` stays.

        Raises:
            DamagedRecordingError: at the first frame that can't be one of this recording.
        """
        with self._exclusively("verify"):
            cursor = self._new_cursor(self.start_position)
            while cursor.load():
                lib.shim_walk_count(cursor.walk)
                if not cursor.settle():
                    break
            walk = cursor.walk
            return RecordingCheck(
                start_position=self.start_position,
                stop_position=cursor.position,
                messages=walk.messages,
                frames=walk.frames,
                padding=walk.padding,
                payload_bytes=walk.payload,
                dropped=walk.dropped,
            )

    def _new_cursor(self, position: int) -> Cursor:
        cursor = Cursor(
            self._segments,
            self.recording,
            self._readable,
            final=self._limit == self._stop,
            scan=self._scan,
            chunk_length=self._chunk_length,
        )
        cursor.stand(position)
        return cursor

    def _each(self, objects: Callable[[RecordedBatch], Iterable[_T]], *, copy: bool = True) -> Iterator[_T]:
        for batch in self.batches(_OBJECTS, copy=copy):
            done = 0
            try:
                for each in objects(batch):
                    done += 1
                    yield each
            finally:
                if done < len(batch):
                    self._stand(batch.positions[done - 1])

    def _mapped(self, limit: int) -> Iterator[RecordedBatch]:
        # With a walk of its own: what is mapped stays mapped while this is suspended, whatever else is read meanwhile.
        self._check_open("batches")
        cursor = self._new_cursor(self.position)
        walk = cursor.walk
        while cursor.map(private=True):
            while True:
                columns = Columns(limit)
                count = lib.shim_walk_messages(walk, columns.pointer, limit)
                if not count:
                    break
                batch = self._batch(cursor, columns, count)
                self._stand(cursor.position)
                yield batch
            more = cursor.settle()
            self._stand(cursor.position)
            if not more:
                return

    def _batch(self, cursor: Cursor, columns: Columns, count: int) -> RecordedBatch:
        if self._session_id is not None:
            columns.pointer.session_ids[0:count] = [self._session_id] * count
        return RecordedBatch(cursor.memory, cursor.walk.length, columns, 0, count, self.recording.stream_id)

    def _readable(self) -> int:
        self._check_open("read")
        return self.limit

    def _stand(self, position: int) -> None:
        """Let the next read go on from there. Another thread may be in the middle of the memory that this drops."""
        mine = self._thread == threading.get_ident()
        with nullcontext() if mine else self._exclusively("read", even_closed=True):
            self._cursor.stand(position)

    def _check_open(self, operation: str) -> None:
        if self._closed:
            raise ClosedError(f"the reader of recording {self.recording_id} is closed", operation=operation)

    @contextmanager
    def _exclusively(self, operation: str, *, even_closed: bool = False) -> Iterator[None]:
        if not self._lock.acquire(blocking=False):
            raise BusyError(
                f"another thread reads recording {self.recording_id} with this reader: give each its own",
                operation=operation,
            )
        self._thread = threading.get_ident()
        try:
            if not even_closed:
                self._check_open(operation)
            yield
        finally:
            self._thread = None
            self._lock.release()

    def _invalid(self, message: str) -> InvalidPositionError:
        return InvalidPositionError(
            f"{message} in recording {self.recording_id}",
            operation="seek",
            archive_code=ArchiveErrorCode.INVALID_POSITION,
        )


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise SettingError(f"limit must be at least 1, not {limit}", operation="read_batch")
