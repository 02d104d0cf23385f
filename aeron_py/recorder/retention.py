"""Retention: what is too old or too much goes.

What a command ``put`` has not stored yet stays, and the open volume stays: without volumes only the limits of rules
count. Where a command ``get`` can bring volumes back, they go as :mod:`aeron_py.recorder.moving` says; all else goes
for good through the archive, whole segments and whole recordings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import AeronError
from aeron_py.recorder.config import RecorderConfig
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.moving import remove_leftovers, take_away
from aeron_py.recorder.names import TopicName
from aeron_py.recorder.timeindex import TimeIndex
from aeron_py.recorder.volumes import Volume, Volumes

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive

__all__ = ["Retention"]

_LONGEST_INTERVAL = 60.0
_FOREVER = 2**63 - 1
_SECOND = 1_000_000_000
_IN_USE = 60 * _SECOND
"""Nanoseconds since it was last used, for which a fetched volume stays even if there is too much."""
_STAYS = 3600 * _SECOND
"""The same, if it is only too old."""


class Retention:
    """What a configuration keeps.

    Args:
        config: of the recorder.
        archive: a session with the archive.
        volumes: of the archive directory.
        say: told what happens, in words.
    """

    def __init__(
        self, config: RecorderConfig, archive: Archive, volumes: Volumes, say: Callable[[str], object]
    ) -> None:
        self._config, self._archive, self._volumes, self._say = config, archive, volumes, say
        self._rules = config.rule_list
        self._told: set[int | str] = set()
        self._looked_for_leftovers = False
        ages = [rule.max_age for rule in config.rules] + [config.retention.max_age, config.rotate_interval]
        self.interval = min(_LONGEST_INTERVAL, *(max(1.0, age / 10) for age in ages if age), _LONGEST_INTERVAL)
        """Seconds between two looks."""

    @property
    def has_limits(self) -> bool:
        """Whether anything ever goes."""
        retention = self._config.retention
        return (
            retention.max_age is not None
            or retention.max_bytes is not None
            or any(rule.max_age is not None or rule.max_bytes is not None for rule in self._config.rules)
        )

    def apply(self, now_ns: int | None = None) -> int:
        """Delete what is too old or too much.

        Args:
            now_ns: what ages count from, nanoseconds since 1970; None for the clock.

        Returns:
            How many files went.
        """
        if not self.has_limits:
            return 0
        now = time.time_ns() if now_ns is None else now_ns
        volumes = self._volumes.local()
        if self._comes_back and not self._looked_for_leftovers:
            remove_leftovers(self._volumes)
            self._looked_for_leftovers = True
        ended = self._ended(volumes, now)
        keep = {} if self._comes_back else self._after(ended)
        for recording_id, position in self._by_rules(now, volumes).items():
            keep[recording_id] = max(position, keep.get(recording_id, 0))
        descriptors = {each.recording_id: each for each in self._archive.list_recordings()} if keep or ended else {}
        gone = sum(self._purge(descriptors[each], position) for each, position in keep.items() if each in descriptors)
        for volume in ended:
            if self._comes_back:
                files = take_away(self._volumes, volume)
                if files is None:
                    self._tell(volume.name, f"volume {volume.name} stays for now: it is being played")
                    continue
                self._told.discard(volume.name)
                gone += files
                self._say(f"volume {volume.name} is over its limit: only where it is stored from now on")
                continue
            purged = [self._purge(descriptors[each], _FOREVER) for each in volume.journals if each in descriptors]
            gone += sum(purged)
            if all(purged):
                self._volumes.forget(volume)
                self._say(f"volume {volume.name} is over its limit: deleted")
        return gone

    # -- volumes

    def _ended(self, volumes: list[Volume], now: int) -> list[Volume]:
        """The volumes that go: the oldest, as far as they are stored."""
        limits, found = self._config.retention, []
        total = sum(volume.length for volume in volumes)
        for volume in volumes:
            old = limits.max_age is not None and volume.end_ns < now - limits.max_age * 1e9
            much = limits.max_bytes is not None and total > limits.max_bytes
            if volume.fetched and now - self._volumes.used_ns(volume.name) < (_IN_USE if much else _STAYS):
                continue
            if not (old or much) or not self._may_go(volume):
                break
            total -= volume.length
            found.append(volume)
        return found

    @property
    def _comes_back(self) -> bool:
        return self._volumes.stores and self._volumes.fetches

    def _may_go(self, volume: Volume) -> bool:
        return volume.stored or not self._volumes.stores

    @staticmethod
    def _after(volumes: Iterable[Volume]) -> dict[int, int]:
        keep: dict[int, int] = {}
        for volume in volumes:
            for recording_id, (_, end) in volume.recordings.items():
                keep[recording_id] = max(end, keep.get(recording_id, 0))
        return keep

    # -- rules

    def _by_rules(self, now: int, volumes: list[Volume]) -> dict[int, int]:
        """Where to keep from, by recording id, by the limits of rules."""
        if all(rule.max_age is None and rule.max_bytes is None for rule in self._config.rules):
            return {}
        keep: dict[int, int] = {}
        with TimeIndex.open(self._config.archive_dir) as index:
            latest = {each: position for each, (_, position) in index.latest().positions.items()}
            for topic, streams in index.topics.items():
                rule = self._rules.match(TopicName.parse(topic))
                if rule is None:
                    continue
                if rule.max_age is not None:
                    positions = index.image_at(now - round(rule.max_age * 1e9)).positions
                    for stream in streams:
                        if stream.index in positions:
                            _raise(keep, stream, positions[stream.index][1])
                if rule.max_bytes is not None:
                    left = rule.max_bytes
                    for stream in reversed(streams):
                        position = latest.get(stream.index, stream.start_position)
                        _raise(keep, stream, max(stream.start_position, position - left))
                        left = max(0, left - (position - stream.start_position))
        if self._volumes.stores:
            stored = self._after(volume for volume in volumes if volume.stored)
            keep = {each: min(position, stored.get(each, 0)) for each, position in keep.items()}
        return keep

    # -- files

    def _purge(self, recording: RecordingDescriptor, position: int) -> int:
        """Delete what lies before a position, whole files only: how many."""
        try:
            if not recording.is_active and position >= recording.stop_position:
                return self._archive.purge_recording(recording.recording_id)
            base = recording.segment_file_base_position(min(position, _end(recording, position)))
            if base <= recording.start_position:
                return 0
            return self._archive.purge_segments(recording.recording_id, base)
        except AeronError as error:
            # For example while it is played back: the next time will do.
            if not self._archive.is_connected:
                raise
            self._tell(recording.recording_id, f"recording {recording.recording_id} stays for now: {error}")
            return 0

    def _tell(self, what: int | str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._say(text)


def _raise(keep: dict[int, int], stream: StreamInfo, position: int) -> None:
    keep[stream.recording_id] = max(position, keep.get(stream.recording_id, 0))


def _end(recording: RecordingDescriptor, position: int) -> int:
    return position if recording.is_active else recording.stop_position
