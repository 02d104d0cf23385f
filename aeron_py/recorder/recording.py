"""The set of streams that are recorded now: what the rules say, asked of the archive and told to the journal."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING

from aeron_py.archive.recordings import RecordingDescriptor, SourceLocation
from aeron_py.archive.signals import RecordingSignal
from aeron_py.errors import AeronError
from aeron_py.recorder.asking import (
    Askable,
    Asking,
    LocalSession,
    SeenRecordings,
    Wide,
    await_recorded,
    is_own,
)
from aeron_py.recorder.config import RecorderConfig
from aeron_py.recorder.discovery import (
    ActiveRecording,
    Changes,
    Discovery,
    PublishedStream,
    RecordingWatch,
)
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.known import KnownStreams, Place, place, wildcard
from aeron_py.recorder.names import TopicName, channel_parameters, topic_name
from aeron_py.recorder.telling import Telling

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.client import Client

__all__ = ["RecordingSet"]

_AT_ONCE = 100
"""Recordings to start before looking again at what else happened."""
# A publication that is closed still shows for some seconds, though no archive finds it any more.
_GIVEN_UP = 12.0
_TURN = 7001
"""Type of a counter that is only there to be answered for."""
_QUICK = 0.05
"""Seconds after a signal of the archive within which counters follow."""


class RecordingSet:
    """What is recorded through one session with an archive.

    Args:
        client: on the archive's media driver.
        archive: a session of its own.
        config: what to record.
        known: streams known from earlier.
        say: told what happens, in words.
        left_off: what earlier journals told of, by recording id: they left off at its ``start_position``.
        own_places: where clients ask the archive.
    """

    def __init__(
        self,
        client: Client,
        archive: Archive,
        config: RecorderConfig,
        known: KnownStreams,
        say: Callable[[str], object],
        left_off: Mapping[int, StreamInfo] | None = None,
        own_places: frozenset[Place] = frozenset(),
    ) -> None:
        self.lock = threading.RLock()
        """Held while the set changes; streams are opened in the journal under it."""
        self._client, self._archive, self._config, self._known, self._say = client, archive, config, known, say
        self._left_off = dict(left_off or {})
        self._own_places = own_places
        self._rules = config.rule_list
        channels = [each for each in config.channels if self._rules.saves(each.name)]
        self._discovery = Discovery(client.counters, channels, ignore=self._ignores, archive_id=archive.archive_id)
        self._watch = RecordingWatch(client.counters, archive.archive_id)
        self._sessions: dict[tuple[int, int], LocalSession] = {}
        self._unrecorded: dict[tuple[int, int], LocalSession] = {}  # those of them that are to be, and are not
        self._at: dict[Place, set[tuple[int, int]]] = {}
        self._wide: dict[Place, Wide] = {}
        self._unclaimed: dict[tuple[int, int], ActiveRecording] = {}
        self._unexplained: list[ActiveRecording] = []  # of publications that discovery has not understood yet
        self._understood: dict[tuple[int, int], bool] | None = None  # at this look
        self._asking = Asking(client, archive, say)
        self.telling = Telling(config.archive_dir, self._asking, self._rules, say, self._left_off.values())
        """What the journal knows of it."""
        self._quick_until = 0.0
        self._seen = SeenRecordings()
        self._unwanted: set[int] = set()
        self._armed: set[str] = set()
        for each in channels:
            source = SourceLocation[each.source]
            wide = Wide(each.name, each.channel, each.stream_id, source, armed=False)
            self._wide[wide.place] = wide

    def _ignores(self, published: PublishedStream) -> bool:
        own_client = published.client_id == self._client.client_id
        return own_client or self._is_own(published.channel, published.stream_id)

    def _is_own(self, channel: str, stream_id: int) -> bool:
        return place(channel, stream_id) in self._own_places or is_own(self._config, channel, stream_id)

    @property
    def streams(self) -> list[StreamInfo]:
        """What is recorded now."""
        with self.lock:
            return [each.info for each in self.telling.recorded.values()]

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
            publications = self._discovery.scan() if discover or self._unexplained else Changes()
            for bad in (*recordings.bad, *publications.bad):
                self._say(f"left out {bad.label!r}: {bad.problem}")
            for error in self._archive.poll_errors():
                self._say(f"the archive says: {error}")
            self.telling.learn(
                (each.recording_id for each in recordings.came if each.recording_id not in self._seen),
                (each.recording_id for each in recordings.gone),
            )
            for gone in publications.gone:
                self._on_gone(gone)
            for stopped in recordings.gone:
                self._asking.guarded(stopped.name, self._on_stopped, stopped)
            for published in publications.came:
                self._asking.guarded(published.name, self._on_published, published)
            # What began and ended between two looks is older than what is there.
            self._understood = None
            there, self._unexplained = (*self._unexplained, *recordings.came), []
            self._take_signals({each.recording_id for each in there})
            for recording in there:
                self._asking.guarded(recording.name, self._on_recording, recording)
            self._look_after_ended()
            self._purge_unwanted()
            busy = self._start()
            self._known.save()
            settled = self._watch.is_settled and self._discovery.is_settled and not self._unexplained
            return busy or not settled

    def _on_published(self, published: PublishedStream) -> None:
        if published.covered:
            return
        where = place(published.channel, published.stream_id)
        session = LocalSession(published, self._rules.match(published.name), where)
        key = session.key
        self._sessions[key] = session
        self._at.setdefault(where, set()).add(key)
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
        self._unrecorded[key] = session
        if (unclaimed := self._unclaimed.pop(key, None)) is not None:
            self._adopt(unclaimed, session)

    def _on_gone(self, published: PublishedStream) -> None:
        key = (published.stream_id, published.session_id)
        session = self._sessions.pop(key, None)
        if session is None:
            return
        self._unrecorded.pop(key, None)
        self._at[session.place].discard(key)
        if not self._at[session.place]:
            del self._at[session.place]
        self._asking.forget(key)
        if session.asked is not None and session.recording_id is None and session.ended is None:
            # Nothing came of it, so nothing ends it by itself.
            self._asking.stop(session)
        if session.saves:
            self._arm(session.place)

    def _on_recording(self, recording: ActiveRecording) -> None:
        if recording.recording_id in self._seen:
            return
        key, where = (recording.stream_id, recording.session_id), place(recording.channel, recording.stream_id)
        if self._is_own(recording.channel, recording.stream_id):
            return
        session, wide = self._sessions.get(key), self._wide.get(where)
        left_out = False
        if session is None and wide is not None and wide.armed and not recording.is_alone:
            understood = self._is_understood(key)
            if understood is False:
                self._unexplained.append(recording)
                return
            left_out = understood is True
        if not left_out and not self._watch.shows(recording):
            self._take_over_one(recording.recording_id)
            if recording.recording_id not in self._seen:
                self._unexplained.append(recording)  # the archive is about to note where it stopped
            return
        if session is None and (wide is None or recording.is_alone):
            self._unclaimed[key] = recording
            return
        self._seen.add(recording.recording_id)
        if session is not None and not session.saves:
            if recording.channel in self._armed:
                self._unwanted.add(recording.recording_id)
            if wide is not None and wide.armed:
                self._disarm(wide)
        elif session is None:
            assert wide is not None
            if left_out:
                self._unwanted.add(recording.recording_id)
                self._disarm(wide)
                return
            self.telling.open(recording.recording_id, wide.name, wide.channel, key)
        elif session.saves and session.recording_id is None:
            self._adopt(recording, session)

    def _is_understood(self, key: tuple[int, int]) -> bool | None:
        """Whether discovery has understood a publication, also one that it leaves out; None when there is none."""
        if self._understood is None:
            self._understood = self._discovery.understood()
        return self._understood.get(key)

    def _adopt(self, recording: ActiveRecording, session: LocalSession) -> None:
        published = session.published
        self._seen.add(recording.recording_id)
        session.recording_id, session.ended = recording.recording_id, None
        self._unrecorded.pop(session.key, None)
        self._asking.forget(session.key)
        if channel_parameters(recording.channel).get("alias") != channel_parameters(published.channel).get("alias"):
            self._archive.update_channel(recording.recording_id, published.recording_channel)
        self.telling.open(recording.recording_id, published.name, published.channel, session.key, session.rule)

    def _on_stopped(self, recording: ActiveRecording) -> None:
        key = (recording.stream_id, recording.session_id)
        if self._unclaimed.get(key) == recording:
            del self._unclaimed[key]
        if not self.telling.close(recording.recording_id):
            return
        session = self._sessions.get(key)
        if session is not None and session.recording_id == recording.recording_id:
            session.recording_id, session.asked = None, None
            session.ended = None if session.restarts else time.monotonic()
            session.restarts = False
            self._unrecorded[key] = session
            self._arm(session.place)

    def _take_signals(self, there: Container[int]) -> None:
        """Recordings that began and ended between two looks: none of those that were there at the last one."""
        for signal in self._archive.recording_signals():
            self._quick_until = time.monotonic() + _QUICK
            known = signal.recording_id in there or signal.recording_id in self._seen
            if signal.signal == RecordingSignal.STOP and not known:
                self._asking.guarded(f"recording {signal.recording_id}", self._take_over_one, signal.recording_id)

    def _take_over_one(self, recording_id: int) -> None:
        self.take_over([self._archive.list_recording(recording_id)])

    def take_over(self, recordings: list[RecordingDescriptor]) -> None:
        """Tell the journal of what was recorded while nobody looked, and ended.

        Args:
            recordings: of any stream; only those are told that earlier journals know, or that a recorder asked for.
        """
        with self.lock:
            for each in recordings:
                if each.recording_id in self._seen or each.is_active:
                    continue
                name = self._name_of_unheard(each)
                if name is not None and each.length:
                    key = (each.stream_id, each.session_id)
                    self.telling.open(each.recording_id, name, each.original_channel, key)
                    self.telling.close(each.recording_id)
                self._seen.add(each.recording_id)

    def _name_of_unheard(self, recording: RecordingDescriptor) -> TopicName | None:
        channel, stream_id = recording.original_channel, recording.stream_id
        left = self._left_off.get(recording.recording_id)
        if left is not None:
            return TopicName.parse(left.topic) if left.start_position < recording.stop_position else None
        session = self._sessions.get((stream_id, recording.session_id))
        if session is not None:
            if not session.saves and channel in self._armed:
                self._unwanted.add(recording.recording_id)
            return session.published.name if session.saves else None
        where = place(channel, stream_id)
        wide = self._wide.get(where)
        if self._is_own(channel, stream_id) or (wide is None and self._known.get(where) is None):
            return None
        name = topic_name(channel, stream_id) if wide is None or wide.armed else wide.name
        return name if self._rules.saves(name) else None

    # -- asking the archive

    def _start(self) -> bool:
        """Ask for what is not yet recorded, some of it; whether there is more, or an answer is awaited."""
        now = time.monotonic()
        busy = now < self._quick_until
        wanted: dict[Place | tuple[int, int], Askable] = {
            where: wide for where, wide in self._wide.items() if wide.asked is None and self._asking.is_due(where, now)
        }
        for key, session in self._unrecorded.items():
            if session.ended is None:
                busy = busy or session.asked is None or now - session.asked < 1.0
                if session.place not in self._wide and session.asked is None and self._asking.is_due(key, now):
                    wanted[key] = session
        asked = dict(itertools.islice(wanted.items(), _AT_ONCE))
        self._asking.ask(asked)
        for each in asked.values():
            if isinstance(each, Wide) and each.armed and each.asked is None:
                del self._wide[each.place]  # it can't be listened to: who publishes there is recorded alone
        return busy or len(wanted) > _AT_ONCE

    def arm(self) -> None:
        """Listen for all known streams whose publishers are not there."""
        with self.lock:
            for known in self._known:
                self._arm(known.place)

    def _arm(self, where: Place) -> None:
        known = self._known.get(where)
        if not self._config.arm or known is None or known.shared or where in self._wide:
            return
        if not self._asking.is_due(where, time.monotonic()):
            return
        name = TopicName.parse(known.topic)
        if not self._rules.saves(name) or self._is_own(known.channel, known.stream_id):
            return
        if any(each in self.telling.recorded or each not in self._seen for each in self._watch.alone(where)):
            return  # one of its publishers is recorded alone: both together would record it twice
        if any(self._sessions[each].asked is not None for each in self._at.get(where, ())):
            return
        self._wide[where] = Wide(name, known.channel, known.stream_id, SourceLocation.LOCAL, armed=True)
        self._armed.add(known.channel)

    def _disarm(self, wide: Wide) -> None:
        """What is not to be recorded comes to a place that is recorded whole: record its streams one by one."""
        self._wide.pop(wide.place, None)
        self._known.share(wide.place)
        self._say(f"{wide.name} shares stream {wide.stream_id} with what is not recorded: not armed from now on")
        for key in self._at.get(wide.place, ()):
            session = self._sessions[key]
            session.restarts = session.recording_id is not None
        if wide.asked is not None:
            self._asking.stop(wide)

    def _look_after_ended(self) -> None:
        """Publications that go on though their recording has ended: ask again."""
        now = time.monotonic()
        for session in self._unrecorded.values():
            if session.ended is not None and now - session.ended > _GIVEN_UP:
                session.ended = None
                wide = self._wide.get(session.place)
                if wide is not None and wide.asked is not None:
                    self._asking.stop(wide)
                    wide.asked = None

    def _purge_unwanted(self) -> None:
        for recording_id in list(self._unwanted):
            try:
                if self._archive.get_stop_position(recording_id) is not None:
                    self._archive.purge_recording(recording_id)
                    self._unwanted.discard(recording_id)
            except AeronError:
                if self._asking.is_lost:
                    raise

    # -- the end

    def _finish(self, deadline: float) -> None:
        """Let the archive record what is published by now."""
        # The media driver writes down at each turn how far publications are; two answers take it a turn at least. And
        # a counter that is new is understood at the second look.
        for _ in range(2):
            self._client.add_counter(_TURN, "aeron-py recorder ends").close()
            self.step()
        recordings = [each for each in self._watch.current if each.recording_id in self.telling.recorded]
        await_recorded(self._client.counters, self._discovery.current, recordings, deadline)

    def stop(self, timeout: float = 10.0) -> None:
        """Stop what was asked for, and tell the journal where it ended: what was published before is recorded."""
        with self.lock:
            deadline = time.monotonic() + timeout
            self._finish(deadline)
            asked: list[Askable] = [each for each in self._sessions.values() if each.asked is not None]
            stopping = {each.recording_id for each in self._sessions.values() if each.asked is not None}
            wides = {where: wide for where, wide in self._wide.items() if wide.asked is not None}
            self._asking.stop(*wides.values(), *asked)
            for nothing_more in (self._sessions, self._unrecorded, self._at, self._wide):
                nothing_more.clear()
            while time.monotonic() < deadline and any(
                recording_id in stopping or place(each.info.channel, each.info.stream_id) in wides
                for recording_id, each in self.telling.recorded.items()
            ):
                gone = self._watch.scan().gone
                self.telling.learn((), (each.recording_id for each in gone))
                for stopped in gone:
                    self._on_stopped(stopped)
                time.sleep(0.005)
            self._known.save()
