"""Waiting for a recording to reach a position: the watcher looks at the archive's ``rec-pos`` counter."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import checkpoint

from aeron_py._ffi import ffi, lib
from aeron_py.aio._wait import Waiter
from aeron_py.counters import CounterType
from aeron_py.errors import ArchiveError, TimedOutError

if TYPE_CHECKING:
    from aeron_py.aio.archive import AsyncArchive

_KEY = struct.Struct("<qi")  # recording id, session id

# A counter that is gone says nothing more: ask the archive so often whether the recording goes on.
_ASK_AGAIN = 0.25
# Nothing tells that a recording begins: look for its counter in growing steps.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05


async def await_recorded(archive: AsyncArchive, session_id: int, stream_id: int, wanted: int, limit: float) -> int:
    """The id of the recording of a publication, once it has reached the position ``wanted``."""
    seen: int | None = None
    await checkpoint()
    with anyio.move_on_after(limit):
        pause, asked = _FIRST_PAUSE, anyio.current_time()
        while True:
            archive._check("await_recorded")
            found = _recorded_position(archive, session_id, stream_id)
            if found is not None:
                recording_id, seen = found
                if seen >= wanted:
                    return recording_id
                await _grown(archive, recording_id, session_id, wanted)
                continue
            if anyio.current_time() >= asked + _ASK_AGAIN:
                asked = anyio.current_time()
                stopped = await _stopped(archive, session_id, stream_id)
                if stopped is not None and stopped[1] >= wanted:
                    return stopped[0]
                if stopped is not None and _recorded_position(archive, session_id, stream_id) is None:
                    raise ArchiveError(
                        f"recording {stopped[0]} stopped at {stopped[1]}, before {wanted}", operation="await_recorded"
                    )
            await anyio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
    progress = "no recording of it is under way" if seen is None else f"recorded up to {seen}"
    raise TimedOutError(
        f"position {wanted} of stream {stream_id}, session {session_id}, was not recorded within {limit:g} s: "
        f"{progress}",
        operation="await_recorded",
    )


def _recorded_position(archive: AsyncArchive, session_id: int, stream_id: int) -> tuple[int, int] | None:
    recording_id, position = ffi.new("int64_t *", -1), ffi.new("int64_t *")
    archive._handle.check_open("await_recorded")
    with archive.client.sync._handle.using("await_recorded") as client:
        found = lib.shim_recorded_position(client, archive.archive_id, session_id, stream_id, recording_id, position)
    return (recording_id[0], position[0]) if found else None


async def _grown(archive: AsyncArchive, recording_id: int, session_id: int, wanted: int) -> None:
    """Until the recording's counter has reached ``wanted``, or it is time to see whether it is still there."""
    client = archive.client.sync
    for counter in client.counters.list(CounterType.ARCHIVE_RECORDING_POSITION):
        if _KEY.unpack_from(counter.key) == (recording_id, session_id):
            with client._handle.using("await_recorded") as pointer:
                reader = lib.aeron_counters_reader(pointer)
                address: Any = lib.aeron_counters_reader_addr(reader, counter.counter_id)
                waiter = Waiter(archive.client._watch, lib.SHIM_WATCH_COUNTER, address, archive._handle)
            try:
                with anyio.move_on_after(_ASK_AGAIN):
                    await waiter.wait(wanted)
            finally:
                waiter.close()
            return
    await checkpoint()


async def _stopped(archive: AsyncArchive, session_id: int, stream_id: int) -> tuple[int, int] | None:
    """The last recording of a publication and where it stopped, if it did."""
    recording_id = await archive.find_last_matching_recording("aeron", stream_id, session_id)
    position = None if recording_id is None else await archive.get_stop_position(recording_id)
    return None if recording_id is None or position is None else (recording_id, position)
