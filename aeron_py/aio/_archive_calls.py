"""The archive's calls that are one request and its answer, with ``await``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from aeron_py._waiting import Duration
from aeron_py.archive._call import Request
from aeron_py.archive._catalog_calls import CatalogCalls
from aeron_py.archive._recording_calls import RecordingCalls

P = ParamSpec("P")
T = TypeVar("T")


class _Asked:
    """Stands in for an archive, to learn what a call would ask of it."""

    request: Request[Any]
    timeout: Duration | None

    def _call(self, request: Request[Any], timeout: Duration | None = None) -> None:
        self.request, self.timeout = request, timeout


def _awaited(call: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[ArchiveCalls, P], Coroutine[Any, Any, T]]:
    async def awaited(self: ArchiveCalls, /, *args: P.args, **kwargs: P.kwargs) -> T:
        asked = _Asked()
        call(asked, *args, **kwargs)
        result: T = await self._ask(asked.request, asked.timeout)
        return result

    functools.update_wrapper(awaited, call)
    return awaited


class ArchiveCalls:
    """Each as the call of :class:`Archive` of the same name."""

    start_recording = _awaited(RecordingCalls.start_recording)
    extend_recording = _awaited(RecordingCalls.extend_recording)
    stop_recording = _awaited(RecordingCalls.stop_recording)
    try_stop_recording = _awaited(RecordingCalls.try_stop_recording)
    stop_recording_subscription = _awaited(RecordingCalls.stop_recording_subscription)
    try_stop_recording_subscription = _awaited(RecordingCalls.try_stop_recording_subscription)
    stop_recording_by_identity = _awaited(RecordingCalls.stop_recording_by_identity)

    list_recordings = _awaited(CatalogCalls.list_recordings)
    list_recording = _awaited(CatalogCalls.list_recording)
    list_recording_subscriptions = _awaited(CatalogCalls.list_recording_subscriptions)
    find_last_matching_recording = _awaited(CatalogCalls.find_last_matching_recording)
    get_start_position = _awaited(CatalogCalls.get_start_position)
    get_stop_position = _awaited(CatalogCalls.get_stop_position)
    get_recording_position = _awaited(CatalogCalls.get_recording_position)
    get_max_recorded_position = _awaited(CatalogCalls.get_max_recorded_position)
    truncate_recording = _awaited(CatalogCalls.truncate_recording)
    purge_recording = _awaited(CatalogCalls.purge_recording)
    detach_segments = _awaited(CatalogCalls.detach_segments)
    delete_detached_segments = _awaited(CatalogCalls.delete_detached_segments)
    purge_segments = _awaited(CatalogCalls.purge_segments)
    attach_segments = _awaited(CatalogCalls.attach_segments)
    migrate_segments = _awaited(CatalogCalls.migrate_segments)
    update_channel = _awaited(CatalogCalls.update_channel)

    async def _ask(
        self,
        request: Request[T],
        timeout: Duration | None = None,
        undo: Callable[[int], Request[Any]] | None = None,
    ) -> T:
        raise NotImplementedError
