"""Volumes: what was recorded from one rotation to the next, named by the time it ended; and commands that store them.

A volume is no copy: it says which parts of which recordings are its own. ``volumes/<name>.json`` in the archive
directory keeps that, and ``volumes/<name>.files`` lists the files that hold it, one a line, for programs like tar.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from aeron_py.archive.catalog import CATALOG_FILE_NAME, read_catalog, segment_files
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import AeronError, SettingError
from aeron_py.recorder.config import ArchiveCommands
from aeron_py.recorder.known import KNOWN_FILE_NAME, write_whole
from aeron_py.recorder.timeindex import TimeIndex, journal_recordings
from aeron_py.recorder.when import format_time

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive

__all__ = ["CURRENT", "HookError", "Volume", "Volumes", "volume_name"]

CURRENT: Final = "current"
"""The name of the open volume."""
_FOLDER = "volumes"
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0
_LOOK_EVERY = 0.05


class HookError(AeronError):
    """A command of ``archive_cmds`` failed."""


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
        version: of this format.
    """

    name: str
    begin_ns: int
    end_ns: int
    journals: list[int]
    recordings: dict[int, tuple[int, int]]
    stored: bool = False
    version: int = 1

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
        self._directory = Path(archive_dir)
        self._folder = self._directory / _FOLDER
        self._commands = commands or ArchiveCommands()
        self._say = say
        self._interrupted = threading.Event()
        self._lock = threading.Lock()
        self._retries: dict[str, tuple[float, float]] = {}

    @property
    def stores(self) -> bool:
        """Whether there is a command that stores volumes."""
        return self._commands.put is not None

    # -- what there is

    def local(self) -> list[Volume]:
        """The ended volumes that are in the directory, oldest first."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Volume))
            except FileNotFoundError:
                continue
            except msgspec.DecodeError as error:
                raise SettingError(f"{path} is damaged: {error}", operation="volumes") from None
        return sorted(found, key=lambda volume: volume.end_ns)

    def get(self, name: str) -> Volume | None:
        """An ended volume that is in the directory."""
        return next((volume for volume in self.local() if volume.name == name), None)

    def open_journals(self) -> list[RecordingDescriptor]:
        """The journals of the open volume, oldest first."""
        ended = {journal for volume in self.local() for journal in volume.journals}
        newest = max(ended, default=-1)
        return [each for each in journal_recordings(self._directory) if each.recording_id > newest]

    def names(self) -> list[str]:
        """All volumes: those in the directory, those that ``list`` tells of, and at last the open one.

        Raises:
            HookError: the command failed.
        """
        found = {volume.name for volume in self.local()}
        if self._commands.list is not None:
            found |= {line.strip() for line in self._hook("list", self._commands.list).splitlines() if line.strip()}
        return [*sorted(found - {CURRENT}), CURRENT]

    def files(self, volume: Volume) -> list[str]:
        """The files that hold a volume, relative to the archive directory."""
        catalog = {each.recording_id: each for each in read_catalog(self._directory)}
        found = [f"{_FOLDER}/{volume.name}.json", CATALOG_FILE_NAME]
        if (self._directory / KNOWN_FILE_NAME).exists():
            found.append(KNOWN_FILE_NAME)
        for recording_id in volume.journals:
            found += [path.name for path in segment_files(self._directory, recording_id).values()]
        for recording_id, (begin, end) in volume.recordings.items():
            recording = catalog.get(recording_id)
            length = 0 if recording is None else recording.segment_file_length
            for base, path in segment_files(self._directory, recording_id).items():
                if base < end and base + length > begin:
                    found.append(path.name)
        return found

    # -- rotation

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
        with TimeIndex.open(self._directory, wanted) as index:
            begin, end = index.begin_ns, index.end_ns
            positions = {} if end is None else index.image_at(end).positions
            for stream in index.streams:
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
        self._write(volume)
        return volume.name

    def _write(self, volume: Volume) -> None:
        self._folder.mkdir(exist_ok=True)
        files = self._folder / f"{volume.name}.files"
        if not volume.stored:
            write_whole(files, "".join(f"{name}\n" for name in self.files(volume)).encode())
        write_whole(self._folder / f"{volume.name}.json", msgspec.json.format(msgspec.json.encode(volume)) + b"\n")

    def forget(self, volume: Volume) -> None:
        """Its data is deleted: it is no volume of this directory any more."""
        for suffix in (".json", ".files"):
            (self._folder / f"{volume.name}{suffix}").unlink(missing_ok=True)

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
        self._write(volume)
        self._say(f"volume {volume.name} is stored")

    def fetch(self, name: str, archive: Archive | None = None) -> None:
        """Run ``get`` for a volume, and have the archive take in what came back.

        Args:
            name: of the volume.
            archive: a session with the archive of the directory, when it runs.

        Raises:
            HookError: there is no such command, or it failed.
        """
        if self._commands.get is None:
            raise HookError(f"volume {name} is not here, and there is no command get", operation="get")
        self._hook("get", self._commands.get, name)
        volume = self.get(name)
        if archive is not None and volume is not None:
            known = {each.recording_id for each in read_catalog(self._directory)}
            for recording_id in volume.recordings.keys() & known:
                archive.attach_segments(recording_id)

    def interrupt(self) -> None:
        """End a command that runs: it is not waited for any more."""
        self._interrupted.set()

    def _hook(self, which: str, command: Sequence[str], *name: str) -> str:
        """Run a command to its end, within its time: what it printed."""
        files = str(Path(_FOLDER) / f"{name[0]}.files") if name else ""
        environment = {
            **os.environ,
            "AERON_PY_ARCHIVE_DIR": str(self._directory.absolute()),
            "AERON_PY_VOLUME_FILES": files,
        }
        with self._lock:
            try:
                process = subprocess.Popen(
                    [*command, *name],
                    cwd=self._directory,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            except OSError as error:
                raise HookError(f"{which} {' '.join(name)}: {error}", operation=which) from None
            with process:
                output, problem = self._output(process)
        if problem:
            raise HookError(f"{which} {' '.join(name)}: {problem}", operation=which)
        return output

    def _output(self, process: subprocess.Popen[bytes]) -> tuple[str, str]:
        deadline = time.monotonic() + self._commands.timeout
        problem = ""
        while True:
            try:
                output, errors = process.communicate(timeout=_LOOK_EVERY)
                break
            except subprocess.TimeoutExpired:
                if problem:
                    continue
                if self._interrupted.is_set():
                    problem = "ended, since the recorder ends"
                elif time.monotonic() >= deadline:
                    problem = f"did not end within {self._commands.timeout:g} s"
                if problem:
                    os.killpg(process.pid, signal.SIGKILL)
        if not problem and process.returncode:
            said = errors.decode("utf-8", "replace").strip()
            problem = f"ended with status {process.returncode}" + (f": {said[-500:]}" if said else "")
        return output.decode("utf-8", "replace"), problem
