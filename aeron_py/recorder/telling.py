"""What is recorded now, as the journal is told of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from aeron_py.archive.catalog import find_recording
from aeron_py.archive.reader import RecordingReader
from aeron_py.archive.requests import get_start_position, get_stop_position
from aeron_py.errors import AeronError, UnknownRecordingError
from aeron_py.recorder.asking import Asking
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.names import TopicName
from aeron_py.recorder.rules import Rule, Rules

if TYPE_CHECKING:
    from aeron_py.archive._call import Call, Request
    from aeron_py.recorder.journal import JournalWriter

__all__ = ["RecordedStream", "Telling", "whole_until"]

T = TypeVar("T")

_REMEMBERED = 2000
"""Streams that have ended, at least: twice as many as were recorded at once if that is more."""


def whole_until(archive_dir: str | os.PathLike[str], recording_id: int, position: int) -> int:
    """Where the last message ends that a recording has whole up to a position.

    Args:
        archive_dir: of the archive.
        recording_id: the recording.
        position: the end of a frame, which may be in the middle of a message.
    """
    recording = find_recording(archive_dir, recording_id)
    # Messages do not go on in the next term, and what a term ends with is padding.
    whole = max(recording.start_position, position & -recording.term_buffer_length)
    with RecordingReader(archive_dir, recording, position=whole, limit=position) as reader:
        while batch := reader.read_batch():
            whole = batch.positions[-1]
    return whole


@dataclass
class RecordedStream:
    """A stream that is being recorded.

    Args:
        info: what the journal says of it.
        index: its index in the journal, -1 when there is none.
    """

    info: StreamInfo
    index: int = -1


class Telling:
    """Tells the journal which streams are recorded, each position once.

    Args:
        archive_dir: of the archive.
        asking: what asks the archive.
        rules: of the configuration.
        say: told what happens, in words.
        left_off: what earlier journals told of: they left off at its ``start_position``.
    """

    def __init__(
        self,
        archive_dir: str | os.PathLike[str],
        asking: Asking,
        rules: Rules,
        say: Callable[[str], object],
        left_off: Iterable[StreamInfo],
    ) -> None:
        self.journal: JournalWriter | None = None
        self.recorded: dict[int, RecordedStream] = {}
        """By recording id."""
        self._archive_dir, self._asking, self._rules, self._say = archive_dir, asking, rules, say
        self._starts: dict[int, Call[int]] = {}
        self._stops: dict[int, Call[int | None]] = {}
        # By stream and session, up to where and of which recording: an archive that is started again may record the
        # last of it once more.
        self._told: dict[tuple[int, int], tuple[int, int]] = {}
        left_off = list(left_off)
        last = max((info.journal for info in left_off), default=-1)
        self._most = max(_REMEMBERED // 2, sum(info.journal == last for info in left_off))
        for info in left_off:
            self._note((info.stream_id, info.session_id), info.start_position, info.recording_id)

    def _note(self, key: tuple[int, int], position: int, recording_id: int) -> None:
        self._told[key] = max((position, recording_id), self._told.pop(key, (0, -1)))
        if len(self._told) > 2 * self._most:
            del self._told[next(iter(self._told))]

    def learn(self, came: Iterable[int], gone: Iterable[int]) -> None:
        """Ask where recordings begin and end that are about to be opened and closed: of all at once.

        Raises:
            AeronError: the archive is lost.
        """
        came, gone = list(came), [each for each in gone if each in self.recorded]
        self._starts = dict(zip(came, self._asking.each([get_start_position(each) for each in came]), strict=True))
        self._stops = dict(zip(gone, self._asking.each([get_stop_position(each) for each in gone]), strict=True))

    def _learned(self, known: dict[int, Call[T]], ask: Callable[[int], Request[T]], recording_id: int) -> T:
        if recording_id not in known:
            (known[recording_id],) = self._asking.each([ask(recording_id)])
        return known.pop(recording_id).result()

    def _begin(self, recording_id: int, start: int, key: tuple[int, int]) -> int:
        """Where to begin with a recording, so that each message is told once, and whole."""
        told, by = self._told.get(key, (0, -1))
        if told <= start or by == recording_id:
            return max(start, told)
        # The one before may have been cut off in the middle of a message, which is whole in this one.
        try:
            if not self._is_of_one(by, recording_id):
                return start
            return max(start, whole_until(self._archive_dir, by, told))
        except UnknownRecordingError:
            return start  # purged: nothing that it had can come twice
        except AeronError as error:
            self._say(f"recording {by} can't be read, perhaps a message is missing at its end: {error}")
            return told

    def _is_of_one(self, *recording_ids: int) -> bool:
        """Whether recordings of one stream and session are of one publication: publishers may choose their session."""
        return len({find_recording(self._archive_dir, each).initial_term_id for each in recording_ids}) == 1

    def open(
        self, recording_id: int, name: TopicName, channel: str, key: tuple[int, int], rule: Rule | None = None
    ) -> None:
        """A stream is recorded.

        Args:
            recording_id: the archive's number of it.
            name: what it is called.
            channel: of its publisher.
            key: stream id and session id of its publisher.
            rule: the one that matched; None to look.
        """
        rule = rule or self._rules.match(name)
        start = self._learned(self._starts, get_start_position, recording_id)
        info = StreamInfo(
            topic=str(name),
            recording_id=recording_id,
            channel=channel,
            stream_id=key[0],
            session_id=key[1],
            start_position=self._begin(recording_id, start, key),
            stamped=rule is not None and rule.stamped,
            rule="" if rule is None else f"{rule.policy} {'|'.join(rule.protocols)}:{'|'.join(rule.topics)}",
        )
        recorded = RecordedStream(info)
        if self.journal is not None:
            recorded.index = self.journal.open_stream(info)
        self.recorded[recording_id] = recorded
        self._most = max(self._most, len(self.recorded))
        self._say(f"recording {name} as recording {recording_id}")

    def close(self, recording_id: int) -> bool:
        """A recording has ended; whether it was one of these."""
        recorded = self.recorded.pop(recording_id, None)
        if recorded is None:
            return False
        stop = self._learned(self._stops, get_stop_position, recording_id)
        if self.journal is not None:
            self.journal.close_stream(recorded.index, stop)
        self._note((recorded.info.stream_id, recorded.info.session_id), stop or 0, recording_id)
        self._say(f"{recorded.info.topic} ended with recording {recording_id}")
        return True
