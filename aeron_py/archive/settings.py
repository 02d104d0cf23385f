"""What can be set on an archive server, and how Java wants to be told."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Mapping
from typing import Any, TypedDict

from aeron_py.errors import SettingError
from aeron_py.settings import as_int
from aeron_py.uri import ChannelUri

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
    """Where it receives what it replicates from other archives; by default a free port of the host that its
    ``control_channel`` names."""
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
    """With so many going on, no other channel is taken on; those of a channel that was taken on before do come."""
    max_concurrent_replays: int
    record_checksum: str
    """``"crc32"``, ``"crc32c"`` or a Java class: written with each frame, in place of its session id."""
    replay_checksum: str
    """The same, checked when a recording is replayed."""
    connect_timeout: float
    """For a client to answer when it connects."""
    message_timeout: float
    """For another archive to answer, when this one replicates from it; by default 10."""
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
_LOCAL_RESPONSES = "aeron:udp?endpoint=localhost:0"
_INT32, _INT64 = (-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1)

# What the Java side accepts; it would say so only after it was started, and in its own words.
_BOUNDS = {
    "archive_id": _INT64,
    "catalog_capacity": (32, 2**31 - 1),
    "catalog_file_sync_level": (0, 2),
    "control_mtu_length": (32, 65504),
    "control_term_buffer_length": (1 << 16, 1 << 30),
    "error_buffer_length": (1, 2**31 - 1),
    "file_io_max_length": (1 << 16, 1 << 30),
    "file_sync_level": (0, 2),
    "low_storage_space_threshold": (0, 2**63 - 1),
    "max_concurrent_recordings": (0, 2**31 - 1),
    "max_concurrent_replays": (0, 2**31 - 1),
    "segment_file_length": (1 << 16, 1 << 30),
}
_POWERS_OF_TWO = ("control_term_buffer_length", "file_io_max_length", "segment_file_length")

_DEFAULTS: ArchiveSettings = {
    "control_stream_id": 100,
    "local_control_channel": "aeron:ipc?term-length=64k",
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
        result[_property(name)] = _java_value(name, value)
    if merged["catalog_file_sync_level"] < merged.get("file_sync_level", 0):
        raise SettingError(
            f"catalog_file_sync_level {merged['catalog_file_sync_level']} is below file_sync_level "
            f"{merged['file_sync_level']}: raise it, or leave it out",
            operation="archive settings",
        )
    result.setdefault(_PREFIX + "replication.channel", _beside(merged.get("control_channel")))
    if merged.get("control_channel") == "":
        del result[_PREFIX + "control.channel"]
        result[_PREFIX + "control.channel.enabled"] = "false"
        # For its sessions with other archives, which it otherwise derives from the channel.
        result[_PREFIX + "control.response.channel"] = _LOCAL_RESPONSES
    return result


def _property(name: str) -> str:
    return _PREFIX + ("id" if name == "archive_id" else name.replace("_", "."))


def _beside(control_channel: str | None) -> str:
    """A free port of the host where the archive listens already: what other hosts reach, and loopback otherwise."""
    uri = ChannelUri.parse(control_channel) if control_channel else None
    endpoint = None if uri is None else uri.get("endpoint") or uri.get("control")
    if endpoint is None:
        return _LOCAL_RESPONSES
    return f"aeron:udp?endpoint={endpoint.rpartition(':')[0]}:0"


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
        if name.endswith("_channel") and value:
            ChannelUri.parse(value)
        return _CHECKSUMS.get(value, value) if name.endswith("_checksum") else value
    if expected == "float":
        if not 0 < value < 2**63 / 1e9:
            raise SettingError(f"{name} must be seconds above 0, not {value!r}", operation="archive settings")
        return f"{int(value * 1e9)}ns"
    number = as_int(value, name, *_BOUNDS.get(name, _INT32))
    if name in _POWERS_OF_TWO and number & (number - 1):
        raise SettingError(f"{name} must be a power of two, not {number}", operation="archive settings")
    if name == "control_mtu_length" and number % 32:
        raise SettingError(f"{name} must be a multiple of 32, not {number}", operation="archive settings")
    return str(number)
