"""Discovery: which streams are published on a media driver, and which recordings run, from the driver's counters.

There is no event for a new publication of somebody else's. A look costs some microseconds while nothing changes, also
with a thousand streams; only counters that are new are taken apart. What can't be understood is told once and left
out: it never stops the others.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from aeron_py.archive._recorded_position import rec_pos_key
from aeron_py.counters import CounterDescriptor, CountersReader, CounterType
from aeron_py.recorder.archives import OtherArchives
from aeron_py.recorder.config import ChannelConfig
from aeron_py.recorder.names import TopicName, channel_parameters, place_of, topic_name

__all__ = ["ActiveRecording", "BadCounter", "Changes", "Discovery", "PublishedStream", "RecordingWatch"]

# A label holds no more; a longer channel is cut.
_LABEL_LENGTH = 380
_PUBLICATION = re.compile(r"pub-pos \((exclusive|concurrent)\): (-?\d+) (-?\d+) (-?\d+) (.+)", re.DOTALL)
_RECORDING = re.compile(r"rec-pos: (\d+) (-?\d+) (-?\d+) (.*?)(?: - archiveId=(-?\d+))?", re.DOTALL)
_ID = struct.Struct("=qii")
# What tells a subscription or spy where a publication is.
_PLACE = ("endpoint", "interface", "control", "control-mode")


class _Found(Protocol):
    @property
    def registration_id(self) -> int: ...


T = TypeVar("T", bound=_Found)


class _NotKnownYetError(Exception):
    """What a counter means shows later."""


@dataclass(frozen=True)
class BadCounter:
    """A counter that could not be understood.

    Args:
        label: what it says.
        problem: what is wrong with it.
    """

    label: str
    problem: str


@dataclass(frozen=True)
class Changes(Generic[T]):
    """What is different from the look before.

    Args:
        came: what is new.
        gone: what is there no longer.
        bad: what is new and not understood.
    """

    came: tuple[T, ...] = ()
    gone: tuple[T, ...] = ()
    bad: tuple[BadCounter, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.came or self.gone or self.bad)


@dataclass(frozen=True)
class PublishedStream:
    """A publication on the media driver, of whichever program. Two that publish one stream together are one.

    Args:
        name: what it is called.
        channel: as its publisher wrote it.
        stream_id: the stream there.
        session_id: the publication's; another one when the publisher restarts.
        registration_id: the driver's number of it, never used again while the driver runs.
        counter_id: of its position.
        client_id: of the program that published it first.
        exclusive: whether it is an exclusive publication.
        covered: whether it flows on a configured channel: what records that records it, too.
    """

    name: TopicName
    channel: str
    stream_id: int
    session_id: int
    registration_id: int
    counter_id: int
    client_id: int
    exclusive: bool
    covered: bool = False

    @property
    def recording_channel(self) -> str:
        """The channel by which the archive records this publication and no other, with ``SourceLocation.LOCAL``.

        Its alias is the stream's, so that the recording is found by it again.
        """
        parameters = channel_parameters(self.channel)
        kept = {key: parameters[key] for key in _PLACE if key in parameters}
        if kept.get("control-mode") == "manual":
            # To a subscription that means something else: destinations of its own.
            del kept["control-mode"]
        if "tags" in parameters and not kept:
            kept["tags"] = parameters["tags"]
        kept["session-id"] = str(self.session_id)
        if "alias" in parameters:
            kept["alias"] = parameters["alias"]
        media = self.channel.removeprefix("aeron-spy:").partition("?")[0]
        return f"{media}?" + "|".join(f"{key}={value}" for key, value in kept.items())


@dataclass(frozen=True)
class ActiveRecording:
    """A recording that an archive is making.

    Args:
        recording_id: the archive's number of it.
        archive_id: which archive.
        session_id: of the publication that is recorded.
        stream_id: its stream.
        channel: the one that the recording was started with.
        counter_id: of the recorded position.
        registration_id: of that counter.
    """

    recording_id: int
    archive_id: int
    session_id: int
    stream_id: int
    channel: str
    counter_id: int
    registration_id: int

    @property
    def is_alone(self) -> bool:
        """Whether its channel names one publication, and would take no other."""
        return "session-id" in channel_parameters(self.channel)

    @property
    def name(self) -> TopicName:
        """What its channel is called; when many streams are recorded by one channel, their publications know better."""
        return topic_name(self.channel, self.stream_id)


class _Watch(Generic[T]):
    """Which counters of a type come and go, and what they mean."""

    def __init__(self, counters: CountersReader, type_id: int) -> None:
        self._counters = counters
        self._type_id = type_id
        self._ids = b""
        # What each counter means, by (registration id, counter id); None for what is left out.
        self._known: dict[tuple[int, int], T | None] = {}
        self._unfinished: set[tuple[int, int]] = set()

    def _understand(self, counter: CounterDescriptor) -> T | None:
        raise NotImplementedError

    def _prepare(self) -> None:
        pass

    def scan(self) -> Changes[T]:
        """Look again.

        Returns:
            What came and went since the last time; the first time, all that is there.

        Raises:
            ClosedError: the client is closed.
        """
        ids = self._counters.ids(self._type_id)
        if ids == self._ids:
            return Changes()
        self._prepare()
        there = {(registration_id, counter_id) for registration_id, counter_id, _ in _ID.iter_unpack(ids)}
        gone = [self._known.pop(key) for key in list(self._known) if key not in there]
        came: list[T] = []
        bad: list[BadCounter] = []
        unfinished: set[tuple[int, int]] = set()
        for key in sorted(there - self._known.keys()):
            counter = self._counters.read(key[1])
            if counter is None or counter.registration_id != key[0] or counter.type_id != self._type_id:
                continue
            if not (counter.registration_id and counter.owner_id) and key not in self._unfinished:
                # A counter shows before the driver says whose it is: that takes it no longer than until the next look.
                unfinished.add(key)
                continue
            found: T | None = None
            try:
                found = self._understand(counter)
            except _NotKnownYetError:
                unfinished.add(key)
                continue
            except Exception as error:  # whatever a stranger wrote into a label
                bad.append(BadCounter(counter.label, str(error) or type(error).__name__))
            self._known[key] = found
            if found is not None:
                came.append(found)
        self._ids = b"" if unfinished else ids
        self._unfinished = unfinished
        return Changes(tuple(came), tuple(each for each in gone if each is not None), tuple(bad))

    @property
    def is_settled(self) -> bool:
        """Whether all that was there at the last look is understood, or never will be."""
        return not self._unfinished

    @property
    def current(self) -> list[T]:
        """All that was there at the last look, oldest first."""
        return [found for _, found in sorted(self._known.items()) if found is not None]


class Discovery(_Watch[PublishedStream]):
    """The streams published on a media driver, as they come and go.

    Left out are those of the archives: replays and answers; and requests to other archives than one's own.

    Args:
        counters: ``client.counters``, or a ``CountersFile``.
        channels: configured channels: a publication on one of them is marked as ``covered``.
        ignore: asked about each new stream: whether to leave it out.
        archive_id: one's own archive; None to take requests to archives for streams like any other.
    """

    def __init__(
        self,
        counters: CountersReader,
        channels: Iterable[ChannelConfig] = (),
        *,
        ignore: Callable[[PublishedStream], bool] | None = None,
        archive_id: int | None = None,
    ) -> None:
        super().__init__(counters, CounterType.PUBLISHER_POSITION)
        self._covered = {(place_of(each.channel), each.stream_id) for each in channels}
        self._ignore = ignore
        self._archives = OtherArchives(counters, archive_id)

    def cover(self, channel: str, stream_id: int) -> None:
        """Mark what is published on a channel from now on as ``covered``: something records all of it already."""
        self._covered.add((place_of(channel), stream_id))

    def understood(self) -> dict[tuple[int, int], bool]:
        """Of all that is published now, by stream and session: whether that was understood, also to be left out."""
        counters = self._counters.list(CounterType.PUBLISHER_POSITION)
        return {
            (int(found[4]), int(found[3])): (each.registration_id, each.counter_id) in self._known
            for each in counters
            if (found := _PUBLICATION.fullmatch(each.label))
        }

    def _prepare(self) -> None:
        self._archives.look()

    def _understand(self, counter: CounterDescriptor) -> PublishedStream | None:
        if counter.owner_id in self._archives.clients:
            return None
        found = _PUBLICATION.fullmatch(counter.label)
        if not found:
            raise ValueError("not the label of a publication")
        channel, stream_id = _whole(found[5], counter.label), int(found[4])
        stream = PublishedStream(
            name=topic_name(channel, stream_id),
            channel=channel,
            stream_id=stream_id,
            session_id=int(found[3]),
            registration_id=counter.registration_id,
            counter_id=counter.counter_id,
            client_id=counter.owner_id,
            exclusive=found[1] == "exclusive",
            covered=(place_of(channel), stream_id) in self._covered,
        )
        if self._ignore is not None and self._ignore(stream):
            return None
        asks = self._archives.asks(stream.registration_id, channel, stream_id, stream.session_id)
        if asks is None:
            raise _NotKnownYetError
        return None if asks else stream


class RecordingWatch(_Watch[ActiveRecording]):
    """The recordings that archives are making on a media driver, as they come and go.

    Args:
        counters: ``client.counters``, or a ``CountersFile``.
        archive_id: only those of this archive; None for all.
    """

    def __init__(self, counters: CountersReader, archive_id: int | None = None) -> None:
        super().__init__(counters, CounterType.ARCHIVE_RECORDING_POSITION)
        self._archive_id = archive_id
        self._alone: dict[tuple[str, int], set[int]] = {}

    def scan(self) -> Changes[ActiveRecording]:
        changes = super().scan()
        for each in changes.came:
            if each.is_alone:
                self._alone.setdefault((place_of(each.channel), each.stream_id), set()).add(each.recording_id)
        for each in changes.gone:
            where = (place_of(each.channel), each.stream_id)
            if (there := self._alone.get(where)) is not None:
                there.discard(each.recording_id)
                if not there:
                    del self._alone[where]
        return changes

    def shows(self, recording: ActiveRecording) -> bool:
        """Whether it went on at the last look."""
        return (recording.registration_id, recording.counter_id) in self._known

    def alone(self, where: tuple[str, int]) -> Collection[int]:
        """The recordings at a place, that is :func:`place_of` and a stream id, of which each is of one publication."""
        return self._alone.get(where, ())

    def _understand(self, counter: CounterDescriptor) -> ActiveRecording | None:
        found = _RECORDING.fullmatch(counter.label)
        if not found:
            raise ValueError("not the label of a recording")
        recording_id, session_id, archive_id = rec_pos_key(counter.key)
        if self._archive_id not in (None, archive_id):
            return None
        return ActiveRecording(
            recording_id=recording_id,
            archive_id=archive_id,
            session_id=session_id,
            stream_id=int(found[3]),
            channel=_whole(found[4], counter.label),
            counter_id=counter.counter_id,
            registration_id=counter.registration_id,
        )


def _whole(channel: str, label: str) -> str:
    """The channel without a last parameter that may have been cut."""
    if len(label) < _LABEL_LENGTH:
        return channel
    head, more, _ = channel.rpartition("|")
    return head if more else channel.partition("?")[0]
