"""Volumes that are only where they were stored, for those who play: which there are, and having them here again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from aeron_py._closing import Closing
from aeron_py.errors import AeronError, TimedOutError
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.volumes import CURRENT, Volume, Volumes
from aeron_py.recorder.when import parse_time

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive

__all__ = ["AwayVolumes", "Span", "VolumeAwayError"]

_TICK = 50_000_000
"""Nanoseconds in which file systems may not tell one change from the next."""
_LIST_EVERY = 60.0
_USE_EVERY = 5.0
_AT_ONCE = 4
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 300.0


class VolumeAwayError(TimedOutError):
    """A volume that is needed is not here yet: it is being fetched, or that failed; the message says which."""


class Span(NamedTuple):
    """The time of a volume that is away.

    Attributes:
        name: of the volume.
        begin_ns: its first entry, nanoseconds since 1970.
        end_ns: when it ended.
        topics: of which it has messages; None when that is not known here.
        journals: recording ids of its journals, none when they are not known here.
    """

    name: str
    begin_ns: int
    end_ns: int
    topics: frozenset[str] | None = None
    journals: tuple[int, ...] = ()

    def may_have(self, topic: str) -> bool:
        """Whether it can have a message of a topic."""
        return self.topics is None or topic in self.topics


class _Fetch:
    """What became of a volume that was needed."""

    def __init__(self) -> None:
        self.running = True
        self.problem = ""
        self.pause = _FIRST_PAUSE
        self.again_at = 0.0


class AwayVolumes(Closing):
    """Knows the volumes that are away, and fetches them in threads of its own. Thread-safe.

    Args:
        volumes: of the archive directory, with commands ``list`` and ``get``; without ``get`` it only knows them.
        archive: a session with the archive, when it runs.
        say: told what happens, in words.
    """

    def __init__(
        self, volumes: Volumes, archive: Archive | None = None, say: Callable[[str], object] = lambda text: None
    ) -> None:
        self._volumes, self._archive, self._say = volumes, archive, say
        self._lock = threading.Lock()
        self._spans: list[Span] = []
        self._fetched: list[Span] = []
        self._changed = 0
        self._listed_at = float("-inf")
        self._used_at: dict[str, float] = {}
        self._streams: dict[str, StreamInfo] = {}
        self._topics: dict[str, frozenset[str] | None] = {}
        self._listed: dict[str, int] = {}
        self._fetches: dict[str, _Fetch] = {}
        self._slots = threading.Semaphore(_AT_ONCE)
        self._threads: list[threading.Thread] = []
        self._closed = False
        self.look_for_names()

    def work_with(self, archive: Archive) -> None:
        """The archive was started anew: from now on this is the session with it."""
        self._archive = archive

    def close(self) -> None:
        """End what runs. May be called twice."""
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, []
        self._volumes.interrupt()
        for each in threads:
            each.join()

    # -- what is away

    @property
    def fetches(self) -> bool:
        """Whether there is a command that fetches volumes."""
        return self._volumes.fetches

    @property
    def spans(self) -> list[Span]:
        """The volumes that are away, oldest first."""
        with self._lock:
            self._look()
            return self._spans

    @property
    def streams(self) -> list[StreamInfo]:
        """What is known of their streams, one of each topic."""
        with self._lock:
            self._look()
            return list(self._streams.values())

    def _look(self, at_once: bool = False) -> None:
        try:
            changed = self._volumes.folder.stat().st_mtime_ns
        except FileNotFoundError:
            changed = 1
        if changed == self._changed and not at_once:
            return
        if time.time_ns() < changed + _TICK:
            changed = 0  # another change would have the same time
        known = self._volumes.known()
        spans = [
            Span(each.name, each.begin_ns, each.end_ns, self._topics_of(each), tuple(each.journals))
            for each in known
            if each.away
        ]
        ends = sorted({*(each.end_ns for each in known), *self._listed.values()})
        for name, end_ns in self._listed.items():
            if all(each.name != name for each in known):
                # All that is known of it is its name: it goes on where the one before ended.
                spans.append(Span(name, max((each for each in ends if each < end_ns), default=0), end_ns))
        self._spans = sorted(spans, key=lambda each: each.end_ns)
        self._fetched = [Span(each.name, each.begin_ns, each.end_ns) for each in known if each.fetched]
        self._changed = changed

    def _topics_of(self, volume: Volume) -> frozenset[str] | None:
        """The topics of which a volume has messages; notes its streams the first time."""
        if volume.name not in self._topics:
            streams = self._volumes.streams(volume.name)
            for each in streams:
                self._streams.setdefault(each.topic, each)
            known = bool(streams) or not volume.recordings
            having = frozenset(each.topic for each in streams if each.recording_id in volume.recordings)
            self._topics[volume.name] = having if known else None
        return self._topics[volume.name]

    def look_for_names(self) -> None:
        """Ask the command ``list``, if that was not done just now; it is not waited for."""
        with self._lock:
            now = time.monotonic()
            if self._closed or not self._volumes.lists or now < self._listed_at + _LIST_EVERY:
                return
            self._listed_at = now
            self._start(self._list, "list")

    def _list(self) -> None:
        try:
            names = self._volumes.names()
        except AeronError as error:
            self._tell(error.message)
            return
        found: dict[str, int] = {}
        for name in names:
            try:
                ended = None if name == CURRENT else parse_time(name)
            except AeronError:
                continue  # not a volume's
            if ended is not None:
                found[name] = ended
        with self._lock:
            self._listed = found
            self._look(at_once=True)

    # -- having it here

    def need(self, name: str) -> None:
        """Fetch a volume, if nobody does and it did not fail just now; it is not waited for."""
        with self._lock:
            fetch = self._fetches.get(name)
            if self._closed or (fetch is not None and (fetch.running or time.monotonic() < fetch.again_at)):
                return
            if fetch is None:
                fetch = self._fetches[name] = _Fetch()
            fetch.running = True
            self._start(lambda: self._fetch(name, fetch), name)

    def state(self, name: str) -> str:
        """What is to be said of a volume that is needed."""
        with self._lock:
            fetch = self._fetches.get(name)
            if fetch is not None and fetch.problem:
                return f"volume {name} is not here: {fetch.problem}"
            return f"volume {name} is being fetched"

    def use(self, from_ns: int, to_ns: int) -> None:
        """Volumes of that time are used now: those that were fetched stay for a while."""
        with self._lock:
            now = time.monotonic()
            self._look()
            for each in self._fetched:
                known = self._used_at.get(each.name, float("-inf"))
                if each.begin_ns <= to_ns and each.end_ns >= from_ns and now >= known + _USE_EVERY:
                    self._used_at[each.name] = now
                    self._volumes.use(each.name)

    def _fetch(self, name: str, fetch: _Fetch) -> None:
        problem = ""
        try:
            with self._slots:
                if not self._closed:
                    self._tell(f"volume {name} is being fetched")
                    self._volumes.fetch(name, self._archive)
                    self._tell(f"volume {name} is here again")
        except (AeronError, OSError) as error:
            problem = error.message if isinstance(error, AeronError) else str(error)
            self._tell(problem)
        with self._lock:
            fetch.running, fetch.problem = False, problem
            if problem:
                fetch.again_at = time.monotonic() + fetch.pause
                fetch.pause = min(2 * fetch.pause, _LONGEST_PAUSE)
            else:
                del self._fetches[name]
            self._look(at_once=True)

    def _start(self, act: Callable[[], None], what: str) -> None:
        self._threads = [each for each in self._threads if each.is_alive()]
        thread = threading.Thread(target=act, name=f"aeron-py volume {what}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _tell(self, text: str) -> None:
        if not self._closed:
            self._say(text)
