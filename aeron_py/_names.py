"""The public names of the package, all of them; what is archive or async is loaded when it is first used."""

from __future__ import annotations

from importlib.metadata import version as _version
from typing import TYPE_CHECKING

from aeron_py._aeron import Claim, Message
from aeron_py._later import loaded_later
from aeron_py.batch import Batch
from aeron_py.client import Client
from aeron_py.cnc import CncFile, ErrorObservation, LossObservation, StreamPosition
from aeron_py.counters import Counter, CounterDescriptor, CountersFile, CountersReader, CounterType
from aeron_py.driver import DriverInfo, MediaDriver, default_aeron_dir, driver_info
from aeron_py.errors import (
    ActiveRecordingError,
    ActiveSubscriptionError,
    AdminActionError,
    AeronError,
    ArchiveConnectionError,
    ArchiveError,
    ArchiveErrorCode,
    ArchiveLimitError,
    ArchiveStorageError,
    BackPressuredError,
    BufferFullError,
    BusyError,
    ClientErrorCode,
    ClientTimeoutError,
    ClosedError,
    ConductorServiceTimeoutError,
    DriverError,
    DriverErrorCode,
    DriverTimeoutError,
    ErrorKind,
    ForkedError,
    InvalidPositionError,
    MaxPositionExceededError,
    NotConnectedError,
    OfferError,
    OfferResult,
    PublicationClosedError,
    PublicationError,
    Recovery,
    ReplicationError,
    SettingError,
    TimedOutError,
    UnknownRecordingError,
)
from aeron_py.handlers import Handler, PollAction
from aeron_py.idle import Idler, IdleStrategy
from aeron_py.image import Image, ImageConstants
from aeron_py.publication import ExclusivePublication, Publication, PublicationConstants
from aeron_py.settings import DriverSettings, InferableBoolean, ThreadingMode
from aeron_py.subscription import Subscription
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.aio.archive import AsyncArchive as AsyncArchive
    from aeron_py.aio.client import AsyncClient as AsyncClient
    from aeron_py.aio.counter import AsyncCounter as AsyncCounter
    from aeron_py.aio.join import AsyncJoin as AsyncJoin
    from aeron_py.aio.publication import AsyncExclusivePublication as AsyncExclusivePublication
    from aeron_py.aio.publication import AsyncPublication as AsyncPublication
    from aeron_py.aio.replay import AsyncRecording as AsyncRecording
    from aeron_py.aio.replay import AsyncReplay as AsyncReplay
    from aeron_py.aio.replay import AsyncReplaySubscription as AsyncReplaySubscription
    from aeron_py.aio.replay_merge import AsyncReplayMerge as AsyncReplayMerge
    from aeron_py.aio.replication import AsyncReplication as AsyncReplication
    from aeron_py.aio.subscription import AsyncSubscription as AsyncSubscription
    from aeron_py.aio.subscription import ImageEvent as ImageEvent
    from aeron_py.archive.client import Archive as Archive
    from aeron_py.archive.context import ArchiveContext as ArchiveContext
    from aeron_py.archive.persistent import FROM_LIVE as FROM_LIVE
    from aeron_py.archive.persistent import FROM_START as FROM_START
    from aeron_py.archive.persistent import PersistentSubscription as PersistentSubscription
    from aeron_py.archive.persistent import PersistentSubscriptionState as PersistentSubscriptionState
    from aeron_py.archive.reader import RecordingReader as RecordingReader
    from aeron_py.archive.recordings import NULL_POSITION as NULL_POSITION
    from aeron_py.archive.recordings import RecordingDescriptor as RecordingDescriptor
    from aeron_py.archive.recordings import RecordingSubscription as RecordingSubscription
    from aeron_py.archive.recordings import SourceLocation as SourceLocation
    from aeron_py.archive.replay import REPLAY_ALL_AND_FOLLOW as REPLAY_ALL_AND_FOLLOW
    from aeron_py.archive.replay import REPLAY_ALL_AND_STOP as REPLAY_ALL_AND_STOP
    from aeron_py.archive.replay import Replay as Replay
    from aeron_py.archive.replay_merge import ReplayMerge as ReplayMerge
    from aeron_py.archive.replay_merge import ReplayMergeState as ReplayMergeState
    from aeron_py.archive.replication import Replication as Replication
    from aeron_py.archive.server import ArchiveServer as ArchiveServer
    from aeron_py.archive.server import ArchivingMediaDriver as ArchivingMediaDriver
    from aeron_py.archive.settings import ArchiveSettings as ArchiveSettings
    from aeron_py.archive.settings import ArchiveThreadingMode as ArchiveThreadingMode
    from aeron_py.archive.signals import RecordingSignal as RecordingSignal
    from aeron_py.archive.signals import RecordingSignalEvent as RecordingSignalEvent
    from aeron_py.archive.users import ArchiveRight as ArchiveRight
    from aeron_py.archive.users import User as User
    from aeron_py.archive.users import read_credentials as read_credentials
    from aeron_py.archive.users import read_users as read_users

__version__ = _version("aeron-py")

# Where each of the names is that are loaded when they are first used.
_LATER = {
    "AsyncArchive": "aeron_py.aio.archive",
    "AsyncClient": "aeron_py.aio.client",
    "AsyncCounter": "aeron_py.aio.counter",
    "AsyncJoin": "aeron_py.aio.join",
    "AsyncExclusivePublication": "aeron_py.aio.publication",
    "AsyncPublication": "aeron_py.aio.publication",
    "AsyncRecording": "aeron_py.aio.replay",
    "AsyncReplay": "aeron_py.aio.replay",
    "AsyncReplaySubscription": "aeron_py.aio.replay",
    "AsyncReplayMerge": "aeron_py.aio.replay_merge",
    "AsyncReplication": "aeron_py.aio.replication",
    "AsyncSubscription": "aeron_py.aio.subscription",
    "ImageEvent": "aeron_py.aio.subscription",
    "Archive": "aeron_py.archive.client",
    "ArchiveContext": "aeron_py.archive.context",
    "FROM_LIVE": "aeron_py.archive.persistent",
    "FROM_START": "aeron_py.archive.persistent",
    "PersistentSubscription": "aeron_py.archive.persistent",
    "PersistentSubscriptionState": "aeron_py.archive.persistent",
    "RecordingReader": "aeron_py.archive.reader",
    "NULL_POSITION": "aeron_py.archive.recordings",
    "RecordingDescriptor": "aeron_py.archive.recordings",
    "RecordingSubscription": "aeron_py.archive.recordings",
    "SourceLocation": "aeron_py.archive.recordings",
    "REPLAY_ALL_AND_FOLLOW": "aeron_py.archive.replay",
    "REPLAY_ALL_AND_STOP": "aeron_py.archive.replay",
    "Replay": "aeron_py.archive.replay",
    "ReplayMerge": "aeron_py.archive.replay_merge",
    "ReplayMergeState": "aeron_py.archive.replay_merge",
    "Replication": "aeron_py.archive.replication",
    "ArchiveServer": "aeron_py.archive.server",
    "ArchivingMediaDriver": "aeron_py.archive.server",
    "ArchiveSettings": "aeron_py.archive.settings",
    "ArchiveThreadingMode": "aeron_py.archive.settings",
    "RecordingSignal": "aeron_py.archive.signals",
    "RecordingSignalEvent": "aeron_py.archive.signals",
    "ArchiveRight": "aeron_py.archive.users",
    "User": "aeron_py.archive.users",
    "read_credentials": "aeron_py.archive.users",
    "read_users": "aeron_py.archive.users",
}

__all__ = [
    "FROM_LIVE",
    "FROM_START",
    "NULL_POSITION",
    "REPLAY_ALL_AND_FOLLOW",
    "REPLAY_ALL_AND_STOP",
    "ActiveRecordingError",
    "ActiveSubscriptionError",
    "AdminActionError",
    "AeronError",
    "Archive",
    "ArchiveConnectionError",
    "ArchiveContext",
    "ArchiveError",
    "ArchiveErrorCode",
    "ArchiveLimitError",
    "ArchiveRight",
    "ArchiveServer",
    "ArchiveSettings",
    "ArchiveStorageError",
    "ArchiveThreadingMode",
    "ArchivingMediaDriver",
    "AsyncArchive",
    "AsyncClient",
    "AsyncCounter",
    "AsyncExclusivePublication",
    "AsyncJoin",
    "AsyncPublication",
    "AsyncRecording",
    "AsyncReplay",
    "AsyncReplayMerge",
    "AsyncReplaySubscription",
    "AsyncReplication",
    "AsyncSubscription",
    "BackPressuredError",
    "Batch",
    "BufferFullError",
    "BusyError",
    "ChannelUri",
    "Claim",
    "Client",
    "ClientErrorCode",
    "ClientTimeoutError",
    "ClosedError",
    "CncFile",
    "ConductorServiceTimeoutError",
    "Counter",
    "CounterDescriptor",
    "CounterType",
    "CountersFile",
    "CountersReader",
    "DriverError",
    "DriverErrorCode",
    "DriverInfo",
    "DriverSettings",
    "DriverTimeoutError",
    "ErrorKind",
    "ErrorObservation",
    "ExclusivePublication",
    "ForkedError",
    "Handler",
    "IdleStrategy",
    "Idler",
    "Image",
    "ImageConstants",
    "ImageEvent",
    "InferableBoolean",
    "InvalidPositionError",
    "LossObservation",
    "MaxPositionExceededError",
    "MediaDriver",
    "Message",
    "NotConnectedError",
    "OfferError",
    "OfferResult",
    "PersistentSubscription",
    "PersistentSubscriptionState",
    "PollAction",
    "Publication",
    "PublicationClosedError",
    "PublicationConstants",
    "PublicationError",
    "RecordingDescriptor",
    "RecordingReader",
    "RecordingSignal",
    "RecordingSignalEvent",
    "RecordingSubscription",
    "Recovery",
    "Replay",
    "ReplayMerge",
    "ReplayMergeState",
    "Replication",
    "ReplicationError",
    "SettingError",
    "SourceLocation",
    "StreamPosition",
    "Subscription",
    "ThreadingMode",
    "TimedOutError",
    "UnknownRecordingError",
    "User",
    "default_aeron_dir",
    "driver_info",
    "read_credentials",
    "read_users",
]

__getattr__, __dir__ = loaded_later(__name__, globals(), _LATER)
