"""What a recorder asks of its archive for each stream, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aeron_py.archive._many import ask_each
from aeron_py.archive.recordings import SourceLocation
from aeron_py.archive.requests import start_recording, stop_recording
from aeron_py.errors import ActiveSubscriptionError, AeronError
from aeron_py.recorder.config import RecorderConfig
from aeron_py.recorder.discovery import ActiveRecording, PublishedStream
from aeron_py.recorder.known import Place, place
from aeron_py.recorder.names import TopicName, topic_name
from aeron_py.recorder.rules import Rule

if TYPE_CHECKING:
    from aeron_py.archive._call import Call, Request
    from aeron_py.archive.client import Archive
    from aeron_py.client import Client
    from aeron_py.counters import CountersReader

__all__ = [
    "Askable",
    "Asking",
    "LocalSession",
    "SeenRecordings",
    "Wide",
    "await_recorded",
    "is_own",
]

T = TypeVar("T")

_LONGEST_PAUSE = 30.0
_REMEMBERED = 10_000
_OWN_ALIAS = "aeron-py/"


def is_own(config: RecorderConfig, channel: str, stream_id: int) -> bool:
    """Whether a stream is one of a recorder's own, or has requests to an archive: nothing of it is recorded."""
    own = (config.journal.stream_id, config.control.stream_id)
    return stream_id in own or stream_id in config.stream_ids or topic_name(channel, 0).topic.startswith(_OWN_ALIAS)


def await_recorded(
    counters: CountersReader,
    published: Iterable[PublishedStream],
    recordings: Iterable[ActiveRecording],
    deadline: float,
) -> None:
    """Let an archive record what is published by now, for as long as it may take."""
    wanted = {
        (each.stream_id, each.session_id): counters.value(each.counter_id, each.registration_id) or 0
        for each in published
    }
    for each in recordings:
        end = wanted.get((each.stream_id, each.session_id), 0)
        while time.monotonic() < deadline:
            reached = counters.value(each.counter_id, each.registration_id)
            if reached is None or reached >= end:
                break
            time.sleep(0.001)


class Askable(Protocol):
    """What an archive can be asked to record."""

    asked: float | None

    @property
    def name(self) -> TopicName: ...

    @property
    def channel(self) -> str: ...

    @property
    def stream_id(self) -> int: ...

    @property
    def source(self) -> SourceLocation: ...

    @property
    def auto_stop(self) -> bool: ...


@dataclass
class Wide:
    """A channel of which the archive records all publications."""

    name: TopicName
    channel: str
    stream_id: int
    source: SourceLocation
    armed: bool
    asked: float | None = None

    @property
    def place(self) -> Place:
        return place(self.channel, self.stream_id)

    @property
    def auto_stop(self) -> bool:
        return False


@dataclass
class LocalSession:
    """A publication on this media driver."""

    published: PublishedStream
    rule: Rule | None
    place: Place
    recording_id: int | None = None
    asked: float | None = None
    ended: float | None = None
    restarts: bool = False

    @property
    def saves(self) -> bool:
        return self.rule is not None and self.rule.saves

    @property
    def key(self) -> tuple[int, int]:
        return self.published.stream_id, self.published.session_id

    @property
    def name(self) -> TopicName:
        return self.published.name

    @property
    def channel(self) -> str:
        return self.published.recording_channel

    @property
    def stream_id(self) -> int:
        return self.published.stream_id

    @property
    def source(self) -> SourceLocation:
        return SourceLocation.LOCAL

    @property
    def auto_stop(self) -> bool:
        return True


class SeenRecordings:
    """Recordings that were looked at. An archive counts them upwards, so of those long ago only the last is kept."""

    def __init__(self) -> None:
        self._ids: set[int] = set()
        self._below = 0

    def add(self, recording_id: int) -> None:
        """One more."""
        self._ids.add(recording_id)
        if len(self._ids) > _REMEMBERED:
            kept = sorted(self._ids)[_REMEMBERED // 2 :]
            self._ids, self._below = set(kept), kept[0]

    def __contains__(self, recording_id: object) -> bool:
        return recording_id in self._ids or (isinstance(recording_id, int) and recording_id < self._below)


@dataclass
class _Retry:
    """When to try again what failed."""

    failures: int = 0
    due: float = field(default_factory=time.monotonic)

    def failed(self) -> None:
        self.due = time.monotonic() + min(_LONGEST_PAUSE, 0.5 * 2**self.failures)
        self.failures += 1


class Asking:
    """Asks an archive to record, again after a while when it refuses; a lost archive is everyone's trouble.

    Args:
        client: that the session uses.
        archive: the session.
        say: told of trouble, in words.
    """

    def __init__(self, client: Client, archive: Archive, say: Callable[[str], object]) -> None:
        self._client, self._archive, self._say = client, archive, say
        self._retries: dict[object, _Retry] = {}

    @property
    def is_lost(self) -> bool:
        """Whether the session or its driver is gone."""
        return self._client.is_closed or not self._archive.is_connected

    def guarded(self, what: object, act: Callable[..., object], *arguments: object) -> None:
        """One stream's trouble is told, and stops no other; a lost archive is everyone's."""
        try:
            act(*arguments)
        except AeronError as error:
            if self.is_lost:
                raise
            self._say(f"{what}: {error}")

    def is_due(self, key: object, now: float) -> bool:
        """Whether it is time to ask again, if asking failed before."""
        retry = self._retries.get(key)
        return retry is None or now >= retry.due

    def ask(self, wanted: Mapping[Any, Askable]) -> None:
        """Ask to record each; those that were accepted are ``asked`` then."""
        coming: list[tuple[Any, Askable]] = []
        requests: list[Request[int]] = []
        for key, each in wanted.items():
            try:
                requests.append(start_recording(each.channel, each.stream_id, each.source, each.auto_stop))
            except AeronError as error:
                self._refused(key, each, error)
            else:
                coming.append((key, each))
        for (key, each), call in zip(coming, self.each(requests), strict=True):
            try:
                call.result()
            except ActiveSubscriptionError:
                pass  # asked for by a recorder that was killed
            except AeronError as error:
                self._refused(key, each, error)
                continue
            each.asked = time.monotonic()

    def _refused(self, key: Any, wanted: Askable, error: AeronError) -> None:
        retry = self._retries.setdefault(key, _Retry())
        if not retry.failures:
            self._say(f"{wanted.name} can't be recorded for now: {error}")
        retry.failed()

    def stop(self, *asked: Askable) -> None:
        """Ask for these no more."""
        requests = [stop_recording(each.channel, each.stream_id, tolerate=True) for each in asked]
        for each, call in zip(asked, self.each(requests), strict=True):
            self.guarded(each.name, call.result)

    def each(self, requests: Sequence[Request[T]]) -> list[Call[T]]:
        """Ask for all of it at once: the calls that are done. Late errors of others are left alone.

        Raises:
            AeronError: the archive is lost.
        """
        return ask_each(self._archive._session, requests, self._archive.context.message_timeout)

    def forget(self, key: object) -> None:
        """What failed counts no more."""
        self._retries.pop(key, None)
