"""Volumes: what was recorded from one rotation to the next, named by the time it ended; and commands that store them.

A volume is no copy: it says which parts of which recordings are its own. ``volumes/<name>.json`` in the archive
directory keeps that, ``volumes/<name>.files`` lists the files that hold it, one a line, for programs like tar, and
``volumes/<name>.streams`` has what it knows of streams. They stay when the data is not here but only where the
command ``put`` stored it: see :mod:`aeron_py.recorder.moving`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from aeron_py.archive.catalog import CATALOG_FILE_NAME, read_catalog, segment_bases, segment_name
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import SettingError
from aeron_py.recorder.config import ArchiveCommands
from aeron_py.recorder.entries import StreamInfo
from aeron_py.recorder.hooks import HookError, run_hook
from aeron_py.recorder.known import KNOWN_FILE_NAME, write_whole
from aeron_py.recorder.timeindex import TimeIndex, journal_recordings
from aeron_py.recorder.when import format_time

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive

__all__ = ["CURRENT", "HookError", "Volume", "Volumes", "volume_name"]

CURRENT: Final = "current"
"""The name of the open volume."""
_FOLDER = "volumes"
_LOCK = "lock"
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0


def volume_name(ended_ns: int) -> str:
    """What a volume is called that ended at a time: RFC 3339, to the millisecond."""
    return format_time(ended_ns // 10**6 * 10**6)


class Volume(msgspec.Struct, kw_only=True):
    """One volume.

    Args:
        name: the time it ended, RFC 3339.
        begin_ns: its first entry, nanoseconds since 1970.
        end_ns: when it ended.
        journals: recording ids of its journals.
        recordings: ``(from, to)`` by recording id: the positions that are its own.
        stored: whether the command ``put`` has stored it.
        away: whether its data is only where it was stored.
        fetched: the files here that the command ``get`` brought back.
        version: of this format.
    """

    name: str
    begin_ns: int
    end_ns: int
    journals: list[int]
    recordings: dict[int, tuple[int, int]]
    stored: bool = False
    away: bool = False
    fetched: list[str] = []
    version: int = 1

    @property
    def order(self) -> tuple[int, int]:
        """By which volumes are in the order of recording, also when the clock was set back."""
        return max(self.journals, default=-1), self.end_ns

    @property
    def length(self) -> int:
        """Bytes of its recordings."""
        return sum(end - begin for begin, end in self.recordings.values())


class Volumes:
    """The volumes of an archive directory.

    Args:
        archive_dir: of the archive.
        commands: what to run when volumes are listed, needed and rotated.
        say: told what happens, in words.
    """

    def __init__(
        self,
        archive_dir: str | os.PathLike[str],
        commands: ArchiveCommands | None = None,
        say: Callable[[str], object] = print,
    ) -> None:
        self.directory = Path(archive_dir)
        """Of the archive."""
        self.folder = self.directory / _FOLDER
        """Where it is written down what volumes there are."""
        self._commands = commands or ArchiveCommands()
        self._say = say
        self._interrupted = threading.Event()
        self._retries: dict[str, tuple[float, float]] = {}

    @property
    def stores(self) -> bool:
        """Whether there is a command that stores volumes."""
        return self._commands.put is not None

    @property
    def fetches(self) -> bool:
        """Whether there is a command that fetches volumes."""
        return self._commands.get is not None

    @property
    def lists(self) -> bool:
        """Whether there is a command that lists volumes."""
        return self._commands.list is not None

    @property
    def timeout(self) -> float:
        """The longest that a command may run, seconds."""
        return self._commands.timeout

    # -- what there is

    def known(self) -> list[Volume]:
        """The ended volumes that the directory tells of, here or away, oldest first."""
        found = []
        for path in self.folder.glob("*.json"):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Volume))
            except FileNotFoundError:
                continue
            except msgspec.DecodeError as error:
                raise SettingError(f"{path} is damaged: {error}", operation="volumes") from None
        return sorted(found, key=lambda volume: volume.order)

    def local(self) -> list[Volume]:
        """The ended volumes whose data is in the directory, oldest first."""
        return [volume for volume in self.known() if not volume.away]

    def away_parts(self) -> Callable[[int, int, int], bool]:
        """What tells of a part of a recording, by its id and two positions, whether a volume that is away has it."""
        away = [volume for volume in self.known() if volume.away]

        def is_away(recording_id: int, from_position: int, to_position: int) -> bool:
            for volume in away:
                begin, end = volume.recordings.get(recording_id, (0, 0))
                if recording_id in volume.journals or (begin < to_position and end > from_position):
                    return True
            return False

        return is_away

    def find(self, name: str) -> Volume | None:
        """An ended volume that the directory tells of."""
        return next((volume for volume in self.known() if volume.name == name), None)

    def streams(self, name: str) -> list[StreamInfo]:
        """The latest stream of each topic of a volume, of those with messages in it where there is one; as they are
        known when its data is not here. None of a volume of which that is not known."""
        try:
            return msgspec.json.decode((self.folder / f"{name}.streams").read_bytes(), type=list[StreamInfo])
        except (FileNotFoundError, msgspec.DecodeError):
            return []

    def open_journals(self) -> list[RecordingDescriptor]:
        """The journals of the open volume, oldest first."""
        ended = {journal for volume in self.known() for journal in volume.journals}
        newest = max(ended, default=-1)
        return [each for each in journal_recordings(self.directory) if each.recording_id > newest]

    def names(self) -> list[str]:
        """All volumes: those the directory tells of, those that ``list`` tells of, and at last the open one.

        Raises:
            HookError: the command failed.
        """
        found = {volume.name for volume in self.known()}
        if self._commands.list is not None:
            listed = self._hook("list", self._commands.list)
            found |= {line.strip() for line in listed.splitlines() if line.strip()}
        return [*sorted(found - {CURRENT}), CURRENT]

    def files(self, volume: Volume) -> list[str]:
        """The files that hold a volume, relative to the archive directory."""
        catalog = {each.recording_id: each for each in read_catalog(self.directory)}
        bases = segment_bases(self.directory)
        found = [f"{_FOLDER}/{volume.name}.json", f"{_FOLDER}/{volume.name}.streams", CATALOG_FILE_NAME]
        if (self.directory / KNOWN_FILE_NAME).exists():
            found.append(KNOWN_FILE_NAME)
        for recording_id in volume.journals:
            found += [segment_name(recording_id, base) for base in bases.get(recording_id, ())]
        for recording_id, (begin, end) in volume.recordings.items():
            recording = catalog.get(recording_id)
            length = 0 if recording is None else recording.segment_file_length
            for base in bases.get(recording_id, ()):
                if base < end and base + length > begin:
                    found.append(segment_name(recording_id, base))
        return found

    # -- rotation

    def free_end(self, ended_ns: int) -> int:
        """A time, this one or a little later, at which no other volume ended: their names have milliseconds."""
        while (self.folder / f"{volume_name(ended_ns)}.json").exists():
            ended_ns += 10**6
        return ended_ns

    def rotate(self, ended_ns: int, journals: Sequence[RecordingDescriptor] | None = None) -> str:
        """End the open volume: write down what is in it.

        Args:
            ended_ns: when, nanoseconds since 1970.
            journals: its journals, which are not written any more; None for all since the last volume.

        Returns:
            Its name.
        """
        wanted = [each.recording_id for each in (self.open_journals() if journals is None else journals)]
        recordings: dict[int, tuple[int, int]] = {}
        with TimeIndex.open(self.directory, wanted) as index:
            begin, streams, positions = index.begin_ns, index.streams, index.latest().positions
            for stream in streams:
                _, position = positions.get(stream.index, (0, stream.start_position))
                first, last = recordings.get(stream.recording_id, (stream.start_position, 0))
                recordings[stream.recording_id] = (min(first, stream.start_position), max(last, position))
        volume = Volume(
            name=volume_name(ended_ns),
            begin_ns=ended_ns if begin is None else begin,
            end_ns=ended_ns,
            journals=wanted,
            recordings={each: (first, last) for each, (first, last) in recordings.items() if last > first},
        )
        self.folder.mkdir(exist_ok=True)
        # Those with messages last, so that it is told by them of which topics a volume has any.
        streams.sort(key=lambda stream: stream.recording_id in volume.recordings)
        latest = {stream.topic: stream for stream in streams}
        write_whole(self.folder / f"{volume.name}.streams", msgspec.json.encode(list(latest.values())))
        self.write_list(volume)
        self.write(volume)
        return volume.name

    def list_of(self, name: str) -> Path:
        """The list of a volume's files."""
        return self.folder / f"{name}.files"

    def write_list(self, volume: Volume) -> None:
        """Write down which files hold a volume that is here."""
        write_whole(self.list_of(volume.name), "".join(f"{name}\n" for name in self.files(volume)).encode())

    def write(self, volume: Volume) -> None:
        """Write down what is known of a volume. Under :meth:`changing`, if another may do the same."""
        write_whole(self.folder / f"{volume.name}.json", msgspec.json.format(msgspec.json.encode(volume)) + b"\n")

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """While it lasts, no other process or thread has volumes go away or come back."""
        self.folder.mkdir(exist_ok=True)
        fd = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def forget(self, volume: Volume) -> None:
        """Its data is deleted for good: it is no volume of this directory any more."""
        for suffix in (".json", ".files", ".streams"):
            (self.folder / f"{volume.name}{suffix}").unlink(missing_ok=True)

    # -- when it was used

    def use(self, name: str) -> None:
        """A volume that was fetched is used now: it stays here for a while."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self.folder / f"{name}.json")

    def used_ns(self, name: str) -> int:
        """When it was, nanoseconds since 1970."""
        try:
            return (self.folder / f"{name}.json").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    # -- commands

    def store_due(self) -> None:
        """Run ``put`` for the oldest volume that is not stored; again later, if it fails."""
        if self._commands.put is None:
            return
        volume = next((each for each in self.local() if not each.stored), None)
        if volume is None:
            return
        due, pause = self._retries.get(volume.name, (0.0, _FIRST_PAUSE))
        if time.monotonic() < due:
            return
        try:
            self._hook("put", self._commands.put, volume.name)
        except HookError:
            self._retries[volume.name] = (time.monotonic() + pause, min(2 * pause, _LONGEST_PAUSE))
            raise
        self._retries.pop(volume.name, None)
        volume.stored = True
        self.write(volume)
        self._say(f"volume {volume.name} is stored")

    def run_get(self, name: str, into: Path) -> None:
        """Run ``get`` for a volume, in a directory.

        Raises:
            HookError: there is no such command, or it failed.
        """
        if self._commands.get is None:
            raise HookError(f"volume {name} is not here, and there is no command get", operation="get")
        self._hook("get", self._commands.get, name, directory=into)

    def fetch(self, name: str, archive: Archive | None = None) -> None:
        """Have a volume that is away here again, by the command ``get``; nothing to do for one that is here.

        Args:
            name: of the volume.
            archive: a session with the archive of the directory, when it runs.

        Raises:
            HookError: there is no such command, it failed, or did not bring what it should.
        """
        from aeron_py.recorder.moving import bring_back

        bring_back(self, name, archive)

    def interrupt(self) -> None:
        """End a command that runs: it is not waited for any more."""
        self._interrupted.set()

    def _hook(self, which: str, command: Sequence[str], *name: str, directory: Path | None = None) -> str:
        """Run a command to its end, within its time: what it printed."""
        where = self.directory if directory is None else directory
        files = self.list_of(name[0]).absolute() if name else None
        return run_hook(
            f"{which} {' '.join(name)}".strip(),
            [*command, *name],
            directory=where,
            environment={
                "AERON_PY_ARCHIVE_DIR": str(where.absolute()),
                "AERON_PY_VOLUME_FILES": str(files) if files is not None and files.exists() else "",
            },
            timeout=self._commands.timeout,
            interrupted=self._interrupted,
        )
