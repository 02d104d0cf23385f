"""Sessions of playback: any moment of what was recorded, at any speed, onto streams of their own."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from aeron_py._closing import Closing
from aeron_py._waiting import Duration, seconds, wait_for
from aeron_py.errors import ClosedError
from aeron_py.recorder.away import AwayVolumes, VolumeAwayError
from aeron_py.recorder.playback.controlled import Controlled, Time, check_mode, check_order
from aeron_py.recorder.playback.controls import Controls
from aeron_py.recorder.playback.kept import KeptSession
from aeron_py.recorder.playback.pacer import Pacer
from aeron_py.recorder.playback.places import Places, StreamIdSource
from aeron_py.recorder.playback.player import Player
from aeron_py.recorder.playback.playhead import PAUSE, Mode
from aeron_py.recorder.playback.subscribing import await_left, topic_of
from aeron_py.recorder.playback.topics import Remap, TopicFilter, TopicInfo, Value
from aeron_py.recorder.playback.values import values_of
from aeron_py.recorder.timeindex import TimeIndex
from aeron_py.recorder.volumes import Volumes
from aeron_py.recorder.when import Batches, format_speed, parse_position, parse_speed, parse_time

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.client import Client
    from aeron_py.subscription import Subscription

__all__ = ["Controls", "Session"]

_FETCH_TIMEOUT: Final = 10.0
"""Seconds that :meth:`Session.values` waits for what is fetched."""
_ASK_AGAIN: Final = 0.1
"""Seconds after which it looks again."""


class Session(Controlled, Closing):
    """Plays what was recorded: each topic onto a stream of its own, at the times at which it came.

    It begins paused, so that subscribers can come before the first message: see :attr:`topics` and :meth:`subscribe`,
    then set ``state`` to ``play``. Thread-safe. When the archive is gone, it stands still, and whatever is asked of it
    raises that, until :meth:`go_on`. When the media driver is gone, :meth:`keep` it, close it, and :meth:`restore` it
    with a new client.

    Args:
        client: on the archive's media driver.
        archive: a session with the archive.
        archive_dir: of the archive, whose files are read.
        index: what was recorded when, ``in_order``; None to open it, and close it at the end.
        start: where it begins: a time, an offset from now (``-3d``), or None for all there is.
        end: where it ends; None or a time to come follows what is being recorded, once all before is played.
        pos: where to begin now, if not at ``start``.
        speed: a fraction of real time, or ``Unlimited``.
        state: ``pause``, ``play`` or ``tail``.
        topics: globs of the topics to play, as in rules, with ``protocol:`` in front for one protocol; None for all.
        remap: where topics are played; the first that matches counts.
        loop: whether to begin anew at the end.
        channel: where topics are played that ``remap`` does not name.
        stream_ids: gives a stream id for each topic.
        places: where topics are played, whatever else says so: by topic a channel and a stream id.
        pacer: shared with other sessions; None for one of its own.
        session_id: None for a new one.
        away: the volumes that are away, to be fetched when they are needed; None when nothing could fetch them: what
            is away is not played then.

    Raises:
        SettingError: a bad argument.
        CatalogError: no archive in that directory.
    """

    def __init__(
        self,
        client: Client,
        archive: Archive,
        archive_dir: str | os.PathLike[str],
        *,
        index: TimeIndex | None = None,
        start: Time = None,
        end: Time = None,
        pos: Time = None,
        speed: float | str = 1.0,
        state: Mode = PAUSE,
        topics: Iterable[str] | None = None,
        remap: Sequence[Remap] = (),
        loop: bool = False,
        channel: str = "aeron:ipc",
        stream_ids: Callable[[], int] | None = None,
        places: Mapping[str, tuple[str, int]] | None = None,
        pacer: Pacer | None = None,
        session_id: str | None = None,
        away: AwayVolumes | None = None,
    ) -> None:
        begin, stop, pace = parse_time(start), parse_time(end), parse_speed(speed)
        where = None if pos is None else parse_position(pos)
        check_mode(state)
        check_order(begin, stop)
        self.session_id = uuid.uuid4().hex if session_id is None else session_id
        """Its name."""
        self._client = client
        self._archive_dir = archive_dir
        self._topics = TopicFilter(topics)
        source = StreamIdSource(client) if stream_ids is None else stream_ids
        self._places = Places(channel, remap, source, places)
        self._closed = False
        self._close_lock = threading.Lock()
        self._owned: list[Any] = []
        if index is None:
            index = TimeIndex.open(archive_dir, counters=client.counters, in_order=True)
            self._owned.append(index)
        self.index = index
        """What was recorded when."""
        if away is None:
            away = AwayVolumes(Volumes(archive_dir))
        try:
            if pacer is None:
                pacer = Pacer(client, archive)
                self._owned.insert(0, pacer)
            self._pacer = pacer
            self._player = Player(pacer, index, archive_dir, self.session_id, self._topics, self._places, away)
        except BaseException:
            for each in self._owned:
                each.close()
            raise
        try:
            self._begin(begin, stop, pace, where, loop)
            if state != PAUSE:
                self._player.set_mode(state)
        except BaseException:
            self.close()
            raise

    def _begin(self, start: int | None, end: int | None, speed: float, where: int | Batches | None, loop: bool) -> None:
        player = self._player
        with player.lock:
            player.start, player.end = self._from_start(start), self._to_end(end)
            player.speed, player.loop = speed, loop
            if isinstance(where, Batches):
                player.seek(player.begin)
                player.step(where.number)
            elif start is not None or where is not None:
                player.seek(player.begin if where is None else self.index.first_ns(where))

    # -- data

    @property
    def topics(self) -> dict[str, TopicInfo]:
        """Every topic in the history that the session plays, from the beginning, and where it is played."""
        with self._using().lock:
            return self._player.lanes.infos()

    def subscribe(self, topic: str, **options: Any) -> Subscription:
        """Subscribe to a topic as it is played.

        When the last who subscribed to it has only just gone, it waits for the media driver to forget what was
        published to him, which takes two seconds at most.

        Args:
            topic: one of :attr:`topics`.
            options: as for :meth:`Client.add_subscription`.

        Raises:
            SettingError: no such topic.
        """
        info = await_left(lambda: topic_of(self.topics, topic), self._client)
        return self._client.add_subscription(info.channel, info.stream_id, **options)

    def value(self, topic: str, *, timeout: Duration = _FETCH_TIMEOUT) -> Value | None:
        """The latest message of a topic at :attr:`pos`, None when none came until then; as :meth:`values`."""
        return self.values((topic,), timeout=timeout)[topic]

    def values(
        self, topics: Iterable[str] | None = None, *, timeout: Duration = _FETCH_TIMEOUT
    ) -> dict[str, Value | None]:
        """The latest message of each topic at :attr:`pos`, None when none came until then.

        A volume that is only where it was stored and may have it, is fetched.

        Args:
            topics: which; None for all of the session.
            timeout: seconds that fetching may take.

        Raises:
            SettingError: no such topic; or a volume that may have a value is away, and nothing could fetch it.
            VolumeAwayError: such a volume is not here within ``timeout``; it says why. Ask again later.
        """
        deadline = time.monotonic() + seconds(timeout, "timeout")
        wanted = None if topics is None else tuple(topics)
        while True:
            try:
                return values_of(self._using(), wanted)
            except VolumeAwayError:
                if time.monotonic() + _ASK_AGAIN > deadline:
                    raise
            time.sleep(_ASK_AGAIN)

    @property
    def listening(self) -> bool:
        """Whether anybody subscribes to a topic of it."""
        with self._player.lock:
            return bool(self._player.lanes.listening)

    def wait_ended(self, timeout: Duration | None = None) -> None:
        """Wait until it has :attr:`ended` and all who subscribe have read what was played.

        Args:
            timeout: seconds; None to wait for ever.

        Raises:
            TimedOutError: not within that time.
        """
        limit = float("inf") if timeout is None else seconds(timeout, "timeout")
        wait_for(
            lambda: (self.ended and self._using().consumed) or None,
            limit,
            "wait_ended",
            lambda: f"the session is at {self.pos}, {self.waiting or self.state}, after {limit:g} s",
        )

    # -- life

    def go_on(self, archive: Archive) -> None:
        """The archive is back, and all sessions of the same pacer go on, each where what it has published ends.

        Args:
            archive: a session with it over the same client; the pacer connects one of its own in the same way.

        Raises:
            ArchiveConnectionError, TimedOutError: it is not.
        """
        self._pacer.go_on(archive)

    def keep(self) -> KeptSession:
        """What it was, after its archive or its media driver was lost."""
        player = self._player
        self._pacer.lost(ClosedError(f"session {self.session_id} was kept", operation="session"))
        left_at, cursors, heard = player.kept()
        return KeptSession(
            session_id=self.session_id,
            start=self._clock(player.start),
            end=self._clock(player.end),
            left_at=left_at,
            speed=player.speed,
            mode=player.mode,
            loop=player.loop,
            ended=player.ended,
            topics=tuple(self._topics.globs),
            remap=self._places.remap,
            channel=self._places.channel,
            places={lane.topic: (lane.channel, lane.stream_id) for lane in player.lanes},
            cursors=cursors,
            heard=heard,
        )

    @classmethod
    def restore(
        cls,
        client: Client,
        archive: Archive,
        archive_dir: str | os.PathLike[str],
        kept: KeptSession,
        *,
        patience: Duration = 30.0,
        index: TimeIndex | None = None,
        stream_ids: Callable[[], int] | None = None,
        pacer: Pacer | None = None,
        away: AwayVolumes | None = None,
    ) -> Self:
        """A session as it was on another media driver: its id, its controls, its places; it goes on where it was.

        Args:
            client, archive, archive_dir, index, stream_ids, pacer, away: as for a new one.
            kept: what it was.
            patience: seconds that it waits for subscribers to all topics that had some, before time goes on.

        Raises:
            CatalogError: no archive in that directory.
        """
        made = cls(
            client,
            archive,
            archive_dir,
            index=index,
            start=kept.start,
            end=kept.end,
            speed=format_speed(kept.speed),
            topics=kept.topics,
            remap=kept.remap,
            loop=kept.loop,
            channel=kept.channel,
            stream_ids=stream_ids,
            places=kept.places,
            pacer=pacer,
            session_id=kept.session_id,
            away=away,
        )
        try:
            made._player.restore(kept, seconds(patience, "patience"))
        except BaseException:
            made.close()
            raise
        return made

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def close(self) -> None:
        """End it: subscribers get what was published, and no more. May be called twice."""
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
        self._player.close()
        for each in self._owned:
            each.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{self.state} at {self.speed}"
        return f"<Session {self.session_id} {state}>"
