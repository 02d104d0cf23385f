"""The latest message of each topic at the time at which a session stands, wherever it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aeron_py.archive._segments import DamagedRecordingError
from aeron_py.errors import SettingError
from aeron_py.recorder.playback.topics import Value, latest_message

if TYPE_CHECKING:
    from aeron_py.recorder.away import Span
    from aeron_py.recorder.entries import Image
    from aeron_py.recorder.playback.lane import Lane
    from aeron_py.recorder.playback.player import Player

__all__ = ["values_of"]


def values_of(player: Player, topics: Iterable[str] | None) -> dict[str, Value | None]:
    """The latest message of each topic; has volumes fetched which are away, and is to be asked again then.

    Args:
        player: of the session.
        topics: which; None for all of the session.

    Raises:
        SettingError: no such topic, or nothing could fetch what is away.
        VolumeAwayError: a volume is away that may have a later message.
    """
    gate = player.gate
    with player.lock:
        # A volume that comes or goes meanwhile is away, at one of both moments.
        before = gate.all_spans
        gate.see_files()
        player.lanes.refresh()
        pos = player.pos
        image = player.index.image_at(pos)
        found: dict[str, Value | None] = {}
        since: dict[str, int | None] = {}
        for topic in player.lanes.by_topic if topics is None else topics:
            lane = player.lanes.by_topic.get(topic)
            if lane is None:
                raise SettingError(f"the session has no topic {topic!r}", operation="value")
            found[topic], since[topic] = _latest(player, lane, image)
            gate.use(since[topic])
        spans = sorted({*before, *gate.all_spans}, key=lambda each: each.end_ns)
    needed: dict[Span, str] = {}
    for topic, moment in since.items():
        span = next((each for each in reversed(spans) if _may_be_later(each, topic, moment, pos)), None)
        if span is not None:
            needed.setdefault(span, topic)
    if needed:
        gate.raise_away(needed)
    return found


def _latest(player: Player, lane: Lane, image: Image) -> tuple[Value | None, int | None]:
    """The latest message that is here, and when that began which the journal tells of its stream."""
    infos = [info for part in lane.parts for info in part.infos if info.index in image.positions]
    for info in sorted(infos, key=lambda each: each.opened_ns, reverse=True):
        previous, position = image.positions[info.index]
        recording = player.recording(info.recording_id)
        try:
            found = latest_message(player.archive_dir, recording, info.start_position, previous, position)
        except DamagedRecordingError as error:
            if error.path is not None:
                raise
            continue  # its volume went away just now
        if found is not None:
            return found, info.opened_ns
    return None, None


def _may_be_later(span: Span, topic: str, since: int | None, pos: int) -> bool:
    return span.begin_ns <= pos and (since is None or span.begin_ns > since) and span.may_have(topic)
