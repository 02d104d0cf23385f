"""Volumes go away when they are stored, and come back when they are needed: whole files, the catalog stays.

An archive asks for the segment files of a recording that has ended only when it replays them. So a volume that is
away leaves its recordings in the catalog as they were, without files, and one that is fetched needs nothing but its
files. They never take the place of a file that was recorded here: that one may have more in it by now.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from aeron_py.archive._lock import running_archive
from aeron_py.archive.catalog import read_catalog, segment_bases, segment_name
from aeron_py.archive.recordings import RecordingDescriptor
from aeron_py.errors import AeronError
from aeron_py.recorder.hooks import HookError
from aeron_py.recorder.volumes import Volume, Volumes

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive

__all__ = ["bring_back", "remove_leftovers", "take_away"]

_STAGING = ".get"
_SURE = 60.0


def take_away(volumes: Volumes, volume: Volume) -> int | None:
    """Delete the files of a stored volume, but for those that are others' too.

    Args:
        volumes: of the archive directory.
        volume: which.

    Returns:
        How many there were; None when nothing was deleted, since the archive reads one of them, or is about to.
    """
    with volumes.changing():
        known = volumes.known()
        current = next((each for each in known if each.name == volume.name), None)
        if current is None:
            return 0
        spare = list(_spare(volumes.directory, current, known))
        reads = _read_by_archive(volumes.directory)
        if any(base >= reads.get(recording_id, base + 1) for recording_id, base, _ in spare):
            return None
        current.away, current.fetched = True, []
        volumes.write(current)
        for _, _, path in spare:
            path.unlink(missing_ok=True)
        return len(spare)


def _spare(directory: Path, volume: Volume, known: list[Volume]) -> Iterator[tuple[int, int, Path]]:
    """Files that only this volume has, or others that are away: recording id, base position, path."""
    catalog = {each.recording_id: each for each in read_catalog(directory)}
    bases = segment_bases(directory)
    here = [each for each in known if not each.away and each.name != volume.name]
    told: dict[int, int] = {}
    for each in known:
        for recording_id, (_, end) in each.recordings.items():
            told[recording_id] = max(end, told.get(recording_id, 0))
    for recording_id, (begin, end) in volume.recordings.items():
        recording = catalog.get(recording_id)
        if recording is None:
            continue
        length = recording.segment_file_length
        others = [each.recordings[recording_id] for each in here if recording_id in each.recordings]
        for base in bases.get(recording_id, ()):
            last = base + length
            # What goes on in the open volume is not told by any that has ended.
            goes_on = last > told[recording_id] and (
                recording.is_active or told[recording_id] < recording.stop_position
            )
            needed = goes_on or any(first < last and to > base for first, to in others)
            if base < end and last > begin and not needed:
                yield recording_id, base, directory / segment_name(recording_id, base)
    for recording_id in volume.journals:
        for base in bases.get(recording_id, ()):
            yield recording_id, base, directory / segment_name(recording_id, base)


def _read_by_archive(directory: Path) -> dict[int, int]:
    """Of each recording, the first segment file that the archive has open: replays come to those after it, too."""
    mark = running_archive(directory)
    found: dict[int, int] = {}
    if mark is None:
        return found
    with contextlib.suppress(OSError):
        for each in os.scandir(f"/proc/{mark.pid}/fd"):
            with contextlib.suppress(OSError, ValueError):
                path = Path(each.path).readlink()
                if path.suffix == ".rec" and path.parent.samefile(directory):
                    recording_id, base = map(int, path.stem.split("-"))
                    found[recording_id] = min(base, found.get(recording_id, base))
    return found


def remove_leftovers(volumes: Volumes) -> None:
    """Delete what killed processes left: files of volumes that are away, and what they were fetching."""
    for volume in volumes.known():
        if volume.away:
            take_away(volumes, volume)
    for path in volumes.folder.glob(f"*{_STAGING}"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - volumes.timeout - _SURE:
                shutil.rmtree(path, ignore_errors=True)


def bring_back(volumes: Volumes, name: str, archive: Archive | None = None) -> None:
    """Have a volume here again: run ``get`` in a directory of its own, and take over what it brought.

    Args:
        volumes: of the archive directory.
        name: of the volume.
        archive: a session with the archive of the directory, when it runs.

    Raises:
        HookError: there is no command, it failed, or did not bring what it should.
    """
    volume = volumes.find(name)
    if volume is not None and not volume.away:
        return
    volumes.folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}.", suffix=_STAGING, dir=volumes.folder) as temporary:
        brought = Path(temporary)
        volumes.run_get(name, brought)
        with volumes.changing():
            volume = volumes.find(name) or _described(volumes, name, brought)
            if volume.away:
                _take_over(volumes, volume, brought)
            if not volumes.list_of(name).exists():
                volumes.write_list(volume)
    if archive is not None:
        # What the limit of a rule had the archive delete from the beginning of a recording is here again, too.
        catalog = {each.recording_id: each for each in read_catalog(volumes.directory)}
        for recording_id, (begin, _) in volume.recordings.items():
            recording = catalog.get(recording_id)
            if recording is not None and recording.start_position > begin:
                with contextlib.suppress(AeronError):
                    archive.attach_segments(recording_id)


def _described(volumes: Volumes, name: str, brought: Path) -> Volume:
    """A volume of which this directory did not know, as it describes itself."""
    folder = brought / volumes.folder.name
    try:
        volume = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=Volume)
        theirs = {each.recording_id: each for each in read_catalog(brought)}
    except (OSError, AeronError, msgspec.MsgspecError) as error:
        raise HookError(f"get {name}: it brought no volume: {error}", operation="get") from None
    ours = {each.recording_id: each for each in read_catalog(volumes.directory)}
    for recording_id in (*volume.journals, *volume.recordings):
        if _identity(ours.get(recording_id)) != _identity(theirs.get(recording_id)):
            raise HookError(
                f"get {name}: its recording {recording_id} is not one of this archive: play it where it is stored",
                operation="get",
            )
    with contextlib.suppress(FileNotFoundError):
        (folder / f"{name}.streams").replace(volumes.folder / f"{name}.streams")
    volume.stored = volume.away = True
    return volume


def _identity(recording: RecordingDescriptor | None) -> tuple[int, ...] | None:
    return (
        None
        if recording is None
        else (recording.session_id, recording.stream_id, recording.start_timestamp, recording.initial_term_id)
    )


def _take_over(volumes: Volumes, volume: Volume, brought: Path) -> None:
    """Move files to their places; journals last and their first files at the very last, for who looks for them."""
    directory = volumes.directory
    catalog = {each.recording_id: each for each in read_catalog(directory)}
    later = {file for each in volumes.known() if each.order > volume.order for file in each.fetched}
    earlier = {file for each in volumes.known() if each.order < volume.order for file in each.fetched}
    wanted = [
        file
        for recording_id in (*volume.recordings, *volume.journals)
        if recording_id in catalog
        for file in _files_of(catalog[recording_id], volume)
    ]
    moved = []
    for file in wanted:
        source, target = brought / file, directory / file
        # Of copies that two volumes have of a file, that of the later one is the longer.
        if target.exists() and (file in later or file not in earlier):
            continue
        if not source.exists():
            if target.exists():
                continue
            raise HookError(f"get {volume.name}: it did not bring {file}", operation="get")
        moved.append((source, target))
    volume.away, volume.fetched = False, [target.name for _, target in moved]
    for source, target in moved:
        source.replace(target)
    volumes.write(volume)


def _files_of(recording: RecordingDescriptor, volume: Volume) -> Iterator[str]:
    begin, end = volume.recordings.get(
        recording.recording_id, (recording.start_position, max(recording.start_position, recording.stop_position))
    )
    # Perhaps before its start now, when the limit of a rule had its first files deleted.
    first, length = recording.start_position & -recording.term_buffer_length, recording.segment_file_length
    base = first + (begin - first) // length * length
    for each in reversed(range(base, max(end, begin + 1), length)):
        yield segment_name(recording.recording_id, each)
