"""What is recorded now, as the journal is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from aeron_py.archive.requests import get_start_position, get_stop_position
from aeron_py.recorder.asking import Asking
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.names import TopicName
from aeron_py.recorder.rules import Rule, Rules

if TYPE_CHECKING:
    from aeron_py.archive._call import Call, Request
    from aeron_py.recorder.journal import JournalWriter

__all__ = ["RecordedStream", "Telling"]

T = TypeVar("T")

_REMEMBERED = 10_000


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
        asking: what asks the archive.
        rules: of the configuration.
        say: told what happens, in words.
        left_off: what earlier journals told of: they left off at its ``start_position``.
    """

    def __init__(
        self,
        asking: Asking,
        rules: Rules,
        say: Callable[[str], object],
        left_off: Iterable[StreamInfo],
    ) -> None:
        self.journal: JournalWriter | None = None
        self.recorded: dict[int, RecordedStream] = {}
        """By recording id."""
        self._asking, self._rules, self._say = asking, rules, say
        self._starts: dict[int, Call[int]] = {}
        self._stops: dict[int, Call[int | None]] = {}
        # By stream and session: an archive that is started again may record the last of it once more.
        self._told: dict[tuple[int, int], int] = {}
        for info in left_off:
            self._note((info.stream_id, info.session_id), info.start_position)

    def _note(self, key: tuple[int, int], position: int) -> None:
        self._told[key] = max(position, self._told.pop(key, 0))
        if len(self._told) > _REMEMBERED:
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
            start_position=max(start, self._told.get(key, 0)),
            stamped=rule is not None and rule.stamped,
            rule="" if rule is None else f"{rule.policy} {'|'.join(rule.protocols)}:{'|'.join(rule.topics)}",
        )
        recorded = RecordedStream(info)
        if self.journal is not None:
            recorded.index = self.journal.open_stream(info)
        self.recorded[recording_id] = recorded
        self._say(f"recording {name} as recording {recording_id}")

    def close(self, recording_id: int) -> bool:
        """A recording has ended; whether it was one of these."""
        recorded = self.recorded.pop(recording_id, None)
        if recorded is None:
            return False
        stop = self._learned(self._stops, get_stop_position, recording_id)
        if self.journal is not None:
            self.journal.close_stream(recorded.index, stop)
        self._note((recorded.info.stream_id, recorded.info.session_id), stop or 0)
        self._say(f"{recorded.info.topic} ended with recording {recording_id}")
        return True
