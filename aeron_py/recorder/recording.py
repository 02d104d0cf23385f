"""The set of streams that are recorded now: what the rules say, asked of the archive and told to the journal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aeron_py.archive.recordings import RecordingDescriptor, SourceLocation
from aeron_py.archive.signals import RecordingSignal
from aeron_py.errors import ActiveSubscriptionError, AeronError
from aeron_py.recorder.config import RecorderConfig
from aeron_py.recorder.discovery import (
    PUBLISHER_POSITION,
    ActiveRecording,
    Changes,
    Discovery,
    PublishedStream,
    RecordingWatch,
)
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.known import KnownStreams, Place, place, wildcard
from aeron_py.recorder.names import TopicName, channel_parameters, topic_name
from aeron_py.recorder.rules import Rule

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.client import Client
    from aeron_py.recorder.journal import JournalWriter

__all__ = ["OWN_ALIAS", "RecordedStream", "RecordingSet", "is_own"]

OWN_ALIAS = "aeron-py/"
"""How the topics of the recorder's own streams begin."""

_AT_ONCE = 100
"""Recordings to start before looking again at what else happened."""
# A publication that is closed still shows for some seconds, though no archive finds it any more.
_GIVEN_UP = 12.0
_LONGEST_PAUSE = 30.0
_QUICK = 0.05
"""Seconds after a signal of the archive within which counters follow."""


def is_own(config: RecorderConfig, channel: str, stream_id: int) -> bool:
    """Whether a stream is one of a recorder's own: its journal, its control stream, what it plays."""
    own = (config.journal.stream_id, config.control.stream_id)
    return stream_id in own or stream_id in config.stream_ids or topic_name(channel, 0).topic.startswith(OWN_ALIAS)


@dataclass
class RecordedStream:
    """A stream that is being recorded.

    Args:
        info: what the journal says of it.
        index: its index in the journal, -1 when there is none.
    """

    info: StreamInfo
    index: int = -1


@dataclass
class _Wide:
    """A channel of which the archive records all publications."""

    name: TopicName
    channel: str
    stream_id: int
    source: SourceLocation
    armed: bool
    asked: bool = False


@dataclass
class _Session:
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


@dataclass
class _Retry:
    """When to try again what failed."""

    failures: int = 0
    due: float = field(default_factory=time.monotonic)

    def failed(self) -> None:
        self.due = time.monotonic() + min(_LONGEST_PAUSE, 0.5 * 2**self.failures)
        self.failures += 1


class RecordingSet:
    """What is recorded through one session with an archive.

    Args:
        client: on the archive's media driver.
        archive: a session of its own.
        config: what to record.
        known: streams known from earlier.
        say: told what happens, in words.
        left_off: where earlier journals left off, by recording id.
        own_places: where clients ask the archive.
    """

    def __init__(
        self,
        client: Client,
        archive: Archive,
        config: RecorderConfig,
        known: KnownStreams,
        say: Callable[[str], object],
        left_off: Mapping[int, int] | None = None,
        own_places: frozenset[Place] = frozenset(),
    ) -> None:
        self.lock = threading.RLock()
        """Held while the set changes; streams are opened in the journal under it."""
        self.journal: JournalWriter | None = None
        self.recorded: dict[int, RecordedStream] = {}
        """By recording id."""
        self._client, self._archive, self._config, self._known, self._say = client, archive, config, known, say
        self._left_off = dict(left_off or {})
        self._own_places = own_places
        self._rules = config.rule_list
        channels = [each for each in config.channels if self._rules.saves(each.name)]
        self._discovery = Discovery(client.counters, channels, ignore=self._ignores)
        self._watch = RecordingWatch(client.counters, archive.archive_id)
        self._sessions: dict[tuple[int, int], _Session] = {}
        self._wide: dict[Place, _Wide] = {}
        self._unclaimed: dict[tuple[int, int], ActiveRecording] = {}
        self._retries: dict[object, _Retry] = {}
        self._quick_until = 0.0
        self._seen: set[int] = set()
        self._unwanted: set[int] = set()
        for each in channels:
            source = SourceLocation[each.source]
            where = place(each.channel, each.stream_id)
            self._wide[where] = _Wide(each.name, each.channel, each.stream_id, source, armed=False)

    def _ignores(self, published: PublishedStream) -> bool:
        own_client = published.client_id == self._client.client_id
        return own_client or self._is_own(published.channel, published.stream_id)

    def _is_own(self, channel: str, stream_id: int) -> bool:
        return place(channel, stream_id) in self._own_places or is_own(self._config, channel, stream_id)

    @property
    def streams(self) -> list[StreamInfo]:
        """What is recorded now."""
        with self.lock:
            return [each.info for each in self.recorded.values()]

    # -- one look at all that changed

    def step(self, discover: bool = True) -> bool:
        """Look what came and went, and act on it.

        Args:
            discover: whether to look for new publications, too.

        Returns:
            Whether something is under way, so that it is worth looking again soon.

        Raises:
            AeronError: the archive or its driver is lost.
        """
        with self.lock:
            # Recordings first: whose recording is seen, its publication is there already.
            recordings = self._watch.scan()
            publications = self._discovery.scan() if discover else Changes()
            for bad in (*recordings.bad, *publications.bad):
                self._say(f"left out {bad.label!r}: {bad.problem}")
            for error in self._archive.poll_errors():
                self._say(f"the archive says: {error}")
            for gone in publications.gone:
                self._on_gone(gone)
            for published in publications.came:
                self._guarded(published.name, self._on_published, published)
            for stopped in recordings.gone:
                self._guarded(stopped.name, self._on_stopped, stopped)
            for recording in recordings.came:
                self._guarded(recording.name, self._on_recording, recording)
            self._take_signals()
            self._look_after_ended()
            self._purge_unwanted()
            busy = self._start()
            self._known.save()
            return busy

    def _guarded(self, what: object, act: Callable[..., object], *arguments: object) -> None:
        """One stream's trouble is told, and stops no other; a lost archive is everyone's."""
        try:
            act(*arguments)
        except AeronError as error:
            if self._client.is_closed or not self._archive.is_connected:
                raise
            self._say(f"{what}: {error}")

    def _on_published(self, published: PublishedStream) -> None:
        if published.covered:
            return
        where = place(published.channel, published.stream_id)
        session = _Session(published, self._rules.match(published.name), where)
        key = (published.stream_id, published.session_id)
        self._sessions[key] = session
        wide = self._wide.get(where)
        if not session.saves:
            if wide is not None and wide.armed:
                self._disarm(wide)
            else:
                self._known.share(where)
            return
        if wide is None:
            self._arm(where)
        self._known.note(wildcard(published), published.stream_id, str(published.name))
        if (unclaimed := self._unclaimed.pop(key, None)) is not None:
            self._adopt(unclaimed, session)

    def _on_gone(self, published: PublishedStream) -> None:
        key = (published.stream_id, published.session_id)
        session = self._sessions.pop(key, None)
        if session is None:
            return
        self._retries.pop(key, None)
        if session.asked is not None and session.recording_id is None and session.ended is None:
            # Nothing came of it, so nothing ends it by itself.
            self._stop_asking(published.name, published.recording_channel, published.stream_id)
        if session.saves:
            self._arm(session.place)

    def _on_recording(self, recording: ActiveRecording) -> None:
        if recording.recording_id in self._seen:
            return
        key, where = (recording.stream_id, recording.session_id), place(recording.channel, recording.stream_id)
        if self._is_own(recording.channel, recording.stream_id):
            return
        session, wide = self._sessions.get(key), self._wide.get(where)
        if session is None and (wide is None or "session-id" in channel_parameters(recording.channel)):
            self._unclaimed[key] = recording
            return
        self._seen.add(recording.recording_id)
        if wide is not None and wide.armed and (not session.saves if session else self._is_published(key)):
            self._unwanted.add(recording.recording_id)
            self._disarm(wide)
        elif session is None:
            assert wide is not None
            self._open(recording.recording_id, wide.name, wide.channel, key)
        elif session.saves and session.recording_id is None:
            self._adopt(recording, session)

    def _is_published(self, key: tuple[int, int]) -> bool:
        """Whether a publication is there that discovery leaves out: what an archive replays, for example."""
        text = f" {key[1]} {key[0]} "
        return any(text in counter.label for counter in self._client.counters.list(PUBLISHER_POSITION))

    def _adopt(self, recording: ActiveRecording, session: _Session) -> None:
        published = session.published
        self._seen.add(recording.recording_id)
        session.recording_id, session.ended = recording.recording_id, None
        self._retries.pop((published.stream_id, published.session_id), None)
        if channel_parameters(recording.channel).get("alias") != channel_parameters(published.channel).get("alias"):
            self._archive.update_channel(recording.recording_id, published.recording_channel)
        key = (published.stream_id, published.session_id)
        self._open(recording.recording_id, published.name, published.channel, key, session.rule)

    def _open(
        self, recording_id: int, name: TopicName, channel: str, key: tuple[int, int], rule: Rule | None = None
    ) -> RecordedStream:
        rule = rule or self._rules.match(name)
        start = self._archive.get_start_position(recording_id)
        info = StreamInfo(
            topic=str(name),
            recording_id=recording_id,
            channel=channel,
            stream_id=key[0],
            session_id=key[1],
            start_position=max(start, self._left_off.get(recording_id, start)),
            rule="" if rule is None else f"{rule.policy} {'|'.join(rule.protocols)}:{'|'.join(rule.topics)}",
        )
        recorded = RecordedStream(info)
        if self.journal is not None:
            recorded.index = self.journal.open_stream(info)
        self.recorded[recording_id] = recorded
        self._say(f"recording {name} as recording {recording_id}")
        return recorded

    def _on_stopped(self, recording: ActiveRecording) -> None:
        key = (recording.stream_id, recording.session_id)
        if self._unclaimed.get(key) == recording:
            del self._unclaimed[key]
        recorded = self.recorded.pop(recording.recording_id, None)
        if recorded is None:
            return
        stop = self._archive.get_stop_position(recording.recording_id)
        if self.journal is not None:
            self.journal.close_stream(recorded.index, stop)
        self._say(f"{recorded.info.topic} ended with recording {recording.recording_id}")
        session = self._sessions.get(key)
        if session is not None and session.recording_id == recording.recording_id:
            session.recording_id, session.asked = None, None
            session.ended = None if session.restarts else time.monotonic()
            session.restarts = False
            self._arm(session.place)

    def _take_signals(self) -> None:
        """Recordings that began and ended between two looks."""
        for signal in self._archive.recording_signals():
            self._quick_until = time.monotonic() + _QUICK
            if signal.signal == RecordingSignal.STOP and signal.recording_id not in self._seen:
                self._guarded(f"recording {signal.recording_id}", self._take_over_one, signal.recording_id)

    def _take_over_one(self, recording_id: int) -> None:
        self.take_over([self._archive.list_recording(recording_id)])

    def take_over(self, recordings: list[RecordingDescriptor]) -> None:
        """Tell the journal of recordings that ended while nobody looked.

        Args:
            recordings: of any stream; only those are told that the rules name and that were asked for by a recorder.
        """
        with self.lock:
            for each in recordings:
                if each.recording_id in self._seen or each.is_active:
                    continue
                wide = self._wide.get(place(each.original_channel, each.stream_id))
                known = self._known.get(place(each.original_channel, each.stream_id))
                if (wide is None and known is None) or self._is_own(each.original_channel, each.stream_id):
                    continue
                self._seen.add(each.recording_id)
                named = wide is not None and not wide.armed
                name = wide.name if wide and named else topic_name(each.original_channel, each.stream_id)
                if self._rules.saves(name) and each.length:
                    key = (each.stream_id, each.session_id)
                    recorded = self._open(each.recording_id, name, each.original_channel, key)
                    if self.journal is not None:
                        self.journal.close_stream(recorded.index, each.stop_position)
                    del self.recorded[each.recording_id]

    # -- asking the archive

    def _start(self) -> bool:
        """Ask for what is not yet recorded, some of it; whether there is more, or an answer is awaited."""
        now, asked = time.monotonic(), 0
        busy = now < self._quick_until
        for where, wide in list(self._wide.items()):
            if not wide.asked and self._is_due(where, now):
                wide.asked = self._ask(where, wide.name, wide.channel, wide.stream_id, wide.source)
        for key, session in list(self._sessions.items()):
            if not session.saves or session.recording_id is not None or session.ended is not None:
                continue
            busy = busy or session.asked is None or now - session.asked < 1.0
            if session.place in self._wide or session.asked is not None or not self._is_due(key, now):
                continue
            if (asked := asked + 1) > _AT_ONCE:
                break
            published = session.published
            channel, local = published.recording_channel, SourceLocation.LOCAL
            if self._ask(key, published.name, channel, published.stream_id, local, auto_stop=True):
                session.asked = now
        return busy

    def _is_due(self, key: object, now: float) -> bool:
        retry = self._retries.get(key)
        return retry is None or now >= retry.due

    def _ask(
        self,
        key: object,
        name: TopicName,
        channel: str,
        stream_id: int,
        source: SourceLocation,
        auto_stop: bool = False,
    ) -> bool:
        try:
            self._archive.start_recording(channel, stream_id, source, auto_stop)
        except ActiveSubscriptionError:
            return True  # asked for by a recorder that was killed
        except AeronError as error:
            if self._client.is_closed or not self._archive.is_connected:
                raise
            retry = self._retries.setdefault(key, _Retry())
            if not retry.failures:
                self._say(f"{name} can't be recorded for now: {error}")
            retry.failed()
            return False
        return True

    def arm(self) -> None:
        """Listen for all known streams whose publishers are not there."""
        with self.lock:
            for known in self._known:
                self._arm(known.place)

    def _arm(self, where: Place) -> None:
        known = self._known.get(where)
        if not self._config.arm or known is None or known.shared or where in self._wide:
            return
        name = TopicName.parse(known.topic)
        if not self._rules.saves(name) or self._is_own(known.channel, known.stream_id):
            return
        if any(
            place(each.channel, each.stream_id) == where and "session-id" in channel_parameters(each.channel)
            for each in self._watch.current
            if each.recording_id in self.recorded or each.recording_id not in self._seen
        ):
            return  # one of its publishers is recorded alone: both together would record it twice
        if any(each.place == where and each.asked is not None for each in self._sessions.values()):
            return
        self._wide[where] = _Wide(name, known.channel, known.stream_id, SourceLocation.LOCAL, armed=True)

    def _disarm(self, wide: _Wide) -> None:
        """What is not to be recorded comes to a place that is recorded whole: record its streams one by one."""
        where = place(wide.channel, wide.stream_id)
        self._wide.pop(where, None)
        self._known.share(where)
        self._say(f"{wide.name} shares stream {wide.stream_id} with what is not recorded: not armed from now on")
        for session in self._sessions.values():
            if session.place == where and session.recording_id is not None:
                session.restarts = True
        if wide.asked:
            self._archive.try_stop_recording(wide.channel, wide.stream_id)

    def _stop_asking(self, name: TopicName, channel: str, stream_id: int) -> None:
        self._guarded(name, self._archive.try_stop_recording, channel, stream_id)

    def _look_after_ended(self) -> None:
        """Publications that go on though their recording has ended: ask again."""
        now = time.monotonic()
        for session in self._sessions.values():
            if session.ended is not None and now - session.ended > _GIVEN_UP:
                session.ended = None
                wide = self._wide.get(session.place)
                if wide is not None and wide.asked:
                    self._stop_asking(wide.name, wide.channel, wide.stream_id)
                    wide.asked = False

    def _purge_unwanted(self) -> None:
        for recording_id in list(self._unwanted):
            try:
                if self._archive.get_stop_position(recording_id) is not None:
                    self._archive.purge_recording(recording_id)
                    self._unwanted.discard(recording_id)
            except AeronError:
                if self._client.is_closed or not self._archive.is_connected:
                    raise

    # -- the end

    def stop(self, timeout: float = 10.0) -> None:
        """Stop what was asked for, and tell the journal where it ended."""
        with self.lock:
            self.step()
            for wide in self._wide.values():
                if wide.asked:
                    self._stop_asking(wide.name, wide.channel, wide.stream_id)
            stopping = set()
            for session in self._sessions.values():
                if session.asked is not None:
                    published = session.published
                    stopping.add(session.recording_id)
                    self._stop_asking(published.name, published.recording_channel, published.stream_id)
            self._sessions.clear()
            wides = {place(w.channel, w.stream_id) for w in self._wide.values() if w.asked}
            self._wide.clear()
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline and any(
                recording_id in stopping or place(each.info.channel, each.info.stream_id) in wides
                for recording_id, each in self.recorded.items()
            ):
                for stopped in self._watch.scan().gone:
                    self._on_stopped(stopped)
                time.sleep(0.005)
            self._known.save()
