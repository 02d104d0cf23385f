"""What can be set on an archive server, and how Java wants to be told."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Mapping
from typing import Any, TypedDict

from aeron_py.errors import SettingError

__all__ = ["ArchiveSettings", "ArchiveThreadingMode", "archive_properties"]


class ArchiveThreadingMode(enum.Enum):
    """Which threads an archive works on (``io.aeron.archive.ArchiveThreadingMode``)."""

    SHARED = "SHARED"
    """One thread for all."""
    DEDICATED = "DEDICATED"
    """One each for requests, recording and replay: faster where there are cores to spare."""


class ArchiveSettings(TypedDict, total=False):
    """Settings of an archive server (``io.aeron.archive.Archive.Context``); all can be left out.

    Lengths are in bytes, times in seconds.
    """

    control_channel: str
    """Where it takes requests over the network; by default a free port on loopback, with ``""`` nowhere."""
    control_stream_id: int
    local_control_channel: str
    """Where it takes requests from its own machine; by default ``aeron:ipc``."""
    local_control_stream_id: int
    """By default one of its own choice, that no application meets by chance."""
    replication_channel: str
    """Where it receives what it replicates from other archives."""
    recording_events_enabled: bool
    """Whether it publishes the progress of recordings, on the next setting."""
    recording_events_channel: str
    recording_events_stream_id: int
    threading_mode: ArchiveThreadingMode
    segment_file_length: int
    """Of a recording's files: a power of two, by default 128 MiB, at least a term."""
    file_io_max_length: int
    """The most that it reads or writes in one go: a power of two, by default 1 MiB."""
    file_sync_level: int
    """0 leaves it to the system when data reaches the disk, 1 forces data after each block, 2 metadata, too."""
    catalog_file_sync_level: int
    """The same for the catalog: at least ``file_sync_level``, which is the default."""
    catalog_capacity: int
    """Initial length of the catalog, which grows."""
    low_storage_space_threshold: int
    """With less free on the disk it records nothing new; by default 128 MiB."""
    max_concurrent_recordings: int
    max_concurrent_replays: int
    record_checksum: str
    """``"crc32"``, ``"crc32c"`` or a Java class: written with each frame, in place of its session id."""
    replay_checksum: str
    """The same, checked when a recording is replayed."""
    connect_timeout: float
    """For a client to answer when it connects."""
    replay_linger_timeout: float
    """That the end of a replay stays readable."""
    session_liveness_check_interval: float
    control_term_buffer_sparse: bool
    control_term_buffer_length: int
    control_mtu_length: int
    archive_id: int
    error_buffer_length: int
    authenticator_supplier: str
    """A Java class that decides who may connect."""
    authorisation_service_supplier: str
    """A Java class that decides who may do what."""


_PREFIX = "aeron.archive."
_CHECKSUMS = {"crc32": "io.aeron.archive.checksum.Crc32", "crc32c": "io.aeron.archive.checksum.Crc32c"}
_TIMES = ("connect_timeout", "replay_linger_timeout", "session_liveness_check_interval")

_DEFAULTS: ArchiveSettings = {
    "control_stream_id": 100,
    "local_control_channel": "aeron:ipc?term-length=64k",
    "replication_channel": "aeron:udp?endpoint=localhost:0",
    "recording_events_enabled": False,
    "threading_mode": ArchiveThreadingMode.SHARED,
    "max_concurrent_recordings": 4096,
    "max_concurrent_replays": 4096,
    "control_term_buffer_sparse": True,
}


def archive_properties(settings: Mapping[str, Any]) -> dict[str, str]:
    """Java's system properties for settings, ours first where none is given.

    Raises:
        SettingError: a name or a value that can't be; names the nearest right one.
    """
    merged: dict[str, Any] = {**_DEFAULTS, **settings}
    merged.setdefault("catalog_file_sync_level", merged.get("file_sync_level", 0))
    result: dict[str, str] = {}
    for name, value in merged.items():
        if name not in ArchiveSettings.__annotations__:
            known = sorted(ArchiveSettings.__annotations__)
            near = difflib.get_close_matches(name, known, 1)
            advice = f": did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
            raise SettingError(f"an archive has no setting {name!r}{advice}", operation="archive settings")
        result[_PREFIX + name.replace("_", ".")] = _java_value(name, value)
    if merged.get("control_channel") == "":
        del result[_PREFIX + "control.channel"]
        result[_PREFIX + "control.channel.enabled"] = "false"
        # For its sessions with other archives, which it otherwise derives from the channel.
        result[_PREFIX + "control.response.channel"] = "aeron:udp?endpoint=localhost:0"
    return result


def _java_value(name: str, value: Any) -> str:
    expected = ArchiveSettings.__annotations__[name].__forward_arg__
    kinds: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}
    wanted = kinds.get(expected, (ArchiveThreadingMode,))
    valid = isinstance(value, wanted)
    if not valid or (isinstance(value, bool) and expected != "bool"):
        raise SettingError(f"{name} must be {expected}, not {value!r}", operation="archive settings")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, ArchiveThreadingMode):
        return str(value.value)
    if isinstance(value, str):
        return _CHECKSUMS.get(value, value) if name.endswith("_checksum") else value
    return f"{int(value * 1e9)}ns" if name in _TIMES else str(value)
