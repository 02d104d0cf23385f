"""One topic of a session: its recordings, one after the other, onto one stream."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Container, Iterator
from typing import TYPE_CHECKING

from aeron_py.errors import AeronError
from aeron_py.recorder.playback.part import Part
from aeron_py.recorder.playback.positions import published_as
from aeron_py.recorder.playback.topics import TopicInfo
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py._pending import PendingAdd
    from aeron_py.client import Client
    from aeron_py.counters import CountersReader
    from aeron_py.publication import ExclusivePublication
    from aeron_py.recorder.entries import StreamInfo
    from aeron_py.recorder.playback.positions import Stream

__all__ = ["PLAYBACK_ALIAS", "Lane"]

PLAYBACK_ALIAS = "file:aeron-py/playback"
"""How the aliases of what is played begin: a recorder must not record it once more."""

_log = logging.getLogger("aeron_py.recorder")
_ADD_AGAIN = 2.0
"""Seconds after which the media driver is asked again that refused a publication: a host may have its name by then."""


class Lane:
    """A topic as it is played.

    A publication of the session's own stays on its stream: it tells whether anybody subscribes, since the archive would
    give up replays that nobody listens to, and keeps subscribers connected from one replay to the next.

    Args:
        client: on the archive's media driver.
        info: a stream of the topic, the oldest that is known.
        channel: where it is played.
        stream_id: the stream there.
        session: the id of the session.
    """

    def __init__(self, client: Client, info: StreamInfo, channel: str, stream_id: int, session: str) -> None:
        self.topic = topic = info.topic
        self._first = info
        self.channel = channel
        self.stream_id = stream_id
        self.parts: list[Part] = []
        self.heard = False
        """Whether anybody subscribed when it was looked at last, with a media driver that lived."""
        self.quiet = False
        """Whether nobody subscribed then, and nothing was under way any more."""
        name = "".join(c if c not in "|,?" else "_" for c in topic)
        self._alias = alias = f"{PLAYBACK_ALIAS}/{session}/{name}"[:300]
        uri = ChannelUri.parse(channel)
        self._replay_channel = str(uri.with_(alias=alias, sparse=True))
        self._probe: ExclusivePublication | None = None
        self._client = client
        self._probe_channel = uri.with_(alias=alias, sparse=True, term_length=64 * 1024)
        self._adding: PendingAdd[ExclusivePublication] | None = self._add_probe()
        self._add_at = 0.0
        self._problem: str | None = None

    def _add_probe(self) -> PendingAdd[ExclusivePublication]:
        return self._client._start_add_exclusive_publication(self._probe_channel, self.stream_id)

    def add(self, info: StreamInfo, make_part: Callable[[StreamInfo, str, int], Part]) -> Part:
        """Take in a stream of the time index; the part that it is of.

        Args:
            info: the stream.
            make_part: makes the part of a recording that is new, played on a channel and a stream.
        """
        for part in self.parts:
            for place, known in enumerate(part.infos):
                if known.index == info.index:
                    part.infos[place] = info
                    return part
            if part.recording_id == info.recording_id:
                part.infos.append(info)
                self._sort()
                return part
        part = make_part(info, self._replay_channel, self.stream_id)
        self.parts.append(part)
        self._sort()
        return part

    def let_go(self, known: Container[int]) -> list[Part]:
        """Take out the parts of which the time index has nothing any more, once they are played.

        Args:
            known: the streams that the time index has.
        """
        gone = [part for part in self.parts if not part.is_needed(known)]
        self.parts = [part for part in self.parts if part not in gone]
        return gone

    def _sort(self) -> None:
        """Volumes that were away come back in any order."""
        for part in self.parts:
            part.infos.sort(key=lambda each: each.opened_ns)
        self.parts.sort(key=lambda each: each.opened_ns)

    @property
    def listening(self) -> bool:
        """Whether anybody subscribes."""
        return self._probe is not None and self._probe.is_connected

    @property
    def ready(self) -> bool:
        """Whether it is known if anybody subscribes: nobody does where the media driver refuses to publish."""
        return self._adding is None or self._problem is not None

    @property
    def settled(self) -> bool:
        """Whether nothing is under way that time should wait for."""
        return self.ready and (
            not self.listening or all(part.settled for may_start, part in self._playable() if may_start)
        )

    @property
    def played(self) -> bool:
        """Whether all that may be played now was published, or nobody listens."""
        return self.ready and (not self.listening or all(part.played for part in self.parts))

    def work(self) -> None:
        """Bring its replays on."""
        if self._probe is None:
            self._look_for_probe()
            if not self.ready:
                return
        listening = self.heard = self.listening
        for may_start, part in self._playable():
            part.work(listening=listening, may_start=may_start)
        self.quiet = not listening and not any(part.under_way for part in self.parts)

    def _look_for_probe(self) -> None:
        adding, self._adding = self._adding, None
        try:
            if adding is None and time.monotonic() >= self._add_at:
                adding = self._add_probe()
            if adding is not None:
                self._probe = adding.poll()
        except AeronError as error:
            self._add_at = time.monotonic() + _ADD_AGAIN
            if self._problem is None and not self._client.is_closed:
                _log.warning("%s is not played for now: %s", self.topic, error)
            self._problem = error.message
        else:
            self._adding = adding if self._probe is None else None
            if self._probe is not None:
                self._problem = None

    def _playable(self) -> Iterator[tuple[bool, Part]]:
        """Each part, and whether all that ended before it began is played."""
        waits: list[Part] = []
        for part in self.parts:
            yield not any(earlier.before(part) for earlier in waits), part
            if part.limit > part.start and not part.over:
                waits.append(part)

    def find_unanswered(self, counters: CountersReader) -> None:
        """The archive is gone: find the replays that it has begun, and not told of any more.

        Who listens may have all of them already. The media driver numbers what it is asked for, so they have come after
        their requests, and in that order.
        """
        asked = {part.unanswered: part for part in self.parts if part.unanswered is not None}
        if not asked:
            return
        first = min(asked)
        known = {part.session_id for part in self.parts} | {self._probe.session_id if self._probe is not None else None}
        begun = [
            session_id
            for registration_id, session_id in published_as(counters, self._alias, self.stream_id).items()
            if registration_id > first and session_id not in known
        ]
        for asked_with, session_id in zip(sorted(asked), begun, strict=False):
            asked[asked_with].began_unanswered(session_id)

    def info(self, publications: Container[Stream]) -> TopicInfo:
        """What it is, for those who ask.

        Args:
            publications: on the media driver, by session and stream.
        """
        first, listening = self._first, self.listening
        return TopicInfo(
            topic=self.topic,
            channel=self.channel,
            stream_id=self.stream_id,
            published_channel=first.channel,
            published_stream_id=first.stream_id,
            recordings=len(self.parts),
            listening=listening,
            # Without a listener all that is under way will be given up, at the next turn of the pacer's thread.
            leaving=any(part.is_leaving(publications) or (part.under_way and not listening) for part in self.parts),
            problem=self._problem,
        )

    def close(self) -> None:
        """Stop all of it."""
        for part in self.parts:
            with contextlib.suppress(AeronError):
                part.let_end()
        if self._adding is not None:
            self._adding.cancel()
            self._adding = None
        if self._probe is not None:
            self._probe.close()
