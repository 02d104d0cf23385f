"""Every error that Aeron can give, as one family of exceptions, with the codes behind them."""

from __future__ import annotations

import enum

__all__ = [
    "ActiveRecordingError",
    "ActiveSubscriptionError",
    "AdminActionError",
    "AeronError",
    "ArchiveConnectionError",
    "ArchiveError",
    "ArchiveErrorCode",
    "ArchiveLimitError",
    "ArchiveStorageError",
    "BackPressuredError",
    "BufferFullError",
    "BusyError",
    "ClientErrorCode",
    "ClientTimeoutError",
    "ClosedError",
    "ConductorServiceTimeoutError",
    "DriverError",
    "DriverErrorCode",
    "DriverTimeoutError",
    "ErrorKind",
    "ForkedError",
    "InvalidPositionError",
    "MaxPositionExceededError",
    "NotConnectedError",
    "OfferError",
    "OfferResult",
    "PublicationClosedError",
    "PublicationError",
    "Recovery",
    "ReplicationError",
    "SettingError",
    "TimedOutError",
    "UnknownRecordingError",
]


class ErrorKind(enum.Enum):
    """What went wrong, as one flat list: for a ``match`` or a metric's label."""

    NULL_OR_NOT_CONNECTED = "null_or_not_connected"
    CLIENT_ERROR_DRIVER_TIMEOUT = "client_error_driver_timeout"
    CLIENT_ERROR_CLIENT_TIMEOUT = "client_error_client_timeout"
    CLIENT_ERROR_CONDUCTOR_SERVICE_TIMEOUT = "client_error_conductor_service_timeout"
    CLIENT_ERROR_BUFFER_FULL = "client_error_buffer_full"
    PUBLICATION_BACK_PRESSURED = "publication_back_pressured"
    PUBLICATION_ADMIN_ACTION = "publication_admin_action"
    PUBLICATION_CLOSED = "publication_closed"
    PUBLICATION_MAX_POSITION_EXCEEDED = "publication_max_position_exceeded"
    PUBLICATION_ERROR = "publication_error"
    TIMED_OUT = "timed_out"
    CLOSED = "closed"
    BUSY = "busy"
    SETTING = "setting"
    DRIVER = "driver"
    ARCHIVE = "archive"
    UNKNOWN = "unknown"


class Recovery(enum.Enum):
    """What helps after an error."""

    RETRY = "retry"
    """The same call may succeed a little later."""
    RECONNECT = "reconnect"
    """The handle is lost: close it and make a new one (after a timeout of the client or driver, the whole client)."""
    FATAL = "fatal"
    """Neither helps: the call, a setting or the machine has to change."""


class OfferResult(enum.IntEnum):
    """What an offer returns instead of a position (``AERON_PUBLICATION_*``)."""

    NOT_CONNECTED = -1
    BACK_PRESSURED = -2
    ADMIN_ACTION = -3
    CLOSED = -4
    MAX_POSITION_EXCEEDED = -5
    ERROR = -6


class ClientErrorCode(enum.IntEnum):
    """The client's own errors (``AERON_CLIENT_ERROR_*``), which ``aeron_errcode()`` negates."""

    DRIVER_TIMEOUT = 1000
    CLIENT_TIMEOUT = 1001
    CONDUCTOR_SERVICE_TIMEOUT = 1002
    BUFFER_FULL = 1003
    DRIVER_BUFFER_FULL = 1004


class DriverErrorCode(enum.IntEnum):
    """What the media driver answers to a command that it refuses (``AERON_ERROR_CODE_*``)."""

    UNKNOWN_CODE_VALUE = -1
    UNUSED = 0
    INVALID_CHANNEL = 1
    UNKNOWN_SUBSCRIPTION = 2
    UNKNOWN_PUBLICATION = 3
    CHANNEL_ENDPOINT_ERROR = 4
    UNKNOWN_COUNTER = 5
    UNKNOWN_COMMAND_TYPE_ID = 6
    MALFORMED_COMMAND = 7
    NOT_SUPPORTED = 8
    UNKNOWN_HOST = 9
    RESOURCE_TEMPORARILY_UNAVAILABLE = 10
    GENERIC_ERROR = 11
    STORAGE_SPACE = 12
    IMAGE_REJECTED = 13
    PUBLICATION_REVOKED = 14


class ArchiveErrorCode(enum.IntEnum):
    """Why an archive refused (``ARCHIVE_ERROR_CODE_*``; 14 to 16 come from Java's ``ArchiveException`` alone)."""

    GENERIC = 0
    ACTIVE_LISTING = 1
    ACTIVE_RECORDING = 2
    ACTIVE_SUBSCRIPTION = 3
    UNKNOWN_SUBSCRIPTION = 4
    UNKNOWN_RECORDING = 5
    UNKNOWN_REPLAY = 6
    MAX_REPLAYS = 7
    MAX_RECORDINGS = 8
    INVALID_EXTENSION = 9
    AUTHENTICATION_REJECTED = 10
    STORAGE_SPACE = 11
    UNKNOWN_REPLICATION = 12
    UNAUTHORISED_ACTION = 13
    REPLICATION_CONNECTION_FAILURE = 14
    EMPTY_RECORDING = 15
    INVALID_POSITION = 16


class AeronError(Exception):
    """Any error of Aeron's: catch this to catch them all.

    Args:
        message: what happened and what helps.
        operation: the call that failed, for example ``"add_publication"``.
        code: the number behind it, without C's sign: an :class:`OfferResult`, :class:`ClientErrorCode`,
            :class:`DriverErrorCode`, :class:`ArchiveErrorCode` or an ``errno``; 0 when there is none.
        kind: None for the kind of the class.
        detail: C's own words with function and line, for a bug report.
    """

    default_kind = ErrorKind.UNKNOWN
    default_recovery = Recovery.FATAL

    def __init__(
        self, message: str = "", *, operation: str = "", code: int = 0, kind: ErrorKind | None = None, detail: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.code = code
        self.kind = self.default_kind if kind is None else kind
        self.detail = detail

    @property
    def recovery(self) -> Recovery:
        """What helps: to retry, to reconnect, or neither."""
        return self.default_recovery

    def __str__(self) -> str:
        return f"{self.operation}: {self.message}" if self.operation else self.message


class ClosedError(AeronError):
    """Use after close: of this object, or of what it belongs to."""

    default_kind = ErrorKind.CLOSED


class ForkedError(ClosedError):
    """Use in a forked child of what belongs to its parent process: open it anew in the child."""


class BusyError(AeronError):
    """Use by a second thread or task while the first is still inside: give each its own."""

    default_kind = ErrorKind.BUSY


class SettingError(AeronError, ValueError):
    """A bad argument or setting: the message names it and says what is valid."""

    default_kind = ErrorKind.SETTING


class TimedOutError(AeronError, TimeoutError):
    """Nothing answered in time."""

    default_kind = ErrorKind.TIMED_OUT
    default_recovery = Recovery.RETRY


class OfferError(AeronError):
    """A message was not taken; ``code`` is the :class:`OfferResult`."""

    default_kind = ErrorKind.PUBLICATION_ERROR


class NotConnectedError(OfferError):
    """No subscriber is connected (``AERON_PUBLICATION_NOT_CONNECTED``)."""

    default_kind = ErrorKind.NULL_OR_NOT_CONNECTED
    default_recovery = Recovery.RETRY


class BackPressuredError(OfferError):
    """Subscribers are behind by the whole window (``AERON_PUBLICATION_BACK_PRESSURED``)."""

    default_kind = ErrorKind.PUBLICATION_BACK_PRESSURED
    default_recovery = Recovery.RETRY


class AdminActionError(OfferError):
    """The log turned to its next term meanwhile (``AERON_PUBLICATION_ADMIN_ACTION``)."""

    default_kind = ErrorKind.PUBLICATION_ADMIN_ACTION
    default_recovery = Recovery.RETRY


class PublicationClosedError(OfferError):
    """The publication is closed (``AERON_PUBLICATION_CLOSED``)."""

    default_kind = ErrorKind.PUBLICATION_CLOSED
    default_recovery = Recovery.RECONNECT


class MaxPositionExceededError(OfferError):
    """The stream has reached its last position, 2**31 terms (``AERON_PUBLICATION_MAX_POSITION_EXCEEDED``)."""

    default_kind = ErrorKind.PUBLICATION_MAX_POSITION_EXCEEDED
    default_recovery = Recovery.RECONNECT


class PublicationError(OfferError):
    """Any other refusal of an offer (``AERON_PUBLICATION_ERROR``), for example a message that is too long."""


class DriverError(AeronError):
    """The media driver refused a command; ``code`` is the :class:`DriverErrorCode`."""

    default_kind = ErrorKind.DRIVER

    @property
    def recovery(self) -> Recovery:
        if self.code == DriverErrorCode.RESOURCE_TEMPORARILY_UNAVAILABLE:
            return Recovery.RETRY
        if self.code in (DriverErrorCode.IMAGE_REJECTED, DriverErrorCode.PUBLICATION_REVOKED):
            return Recovery.RECONNECT
        return Recovery.FATAL


class DriverTimeoutError(AeronError):
    """The media driver is not there, or no longer (``AERON_CLIENT_ERROR_DRIVER_TIMEOUT``)."""

    default_kind = ErrorKind.CLIENT_ERROR_DRIVER_TIMEOUT
    default_recovery = Recovery.RECONNECT


class ClientTimeoutError(AeronError):
    """The driver took this client for dead (``AERON_CLIENT_ERROR_CLIENT_TIMEOUT``)."""

    default_kind = ErrorKind.CLIENT_ERROR_CLIENT_TIMEOUT
    default_recovery = Recovery.RECONNECT


class ConductorServiceTimeoutError(AeronError):
    """This client's conductor stood still too long (``AERON_CLIENT_ERROR_CONDUCTOR_SERVICE_TIMEOUT``)."""

    default_kind = ErrorKind.CLIENT_ERROR_CONDUCTOR_SERVICE_TIMEOUT
    default_recovery = Recovery.RECONNECT


class BufferFullError(AeronError):
    """Too many commands wait, in the client or for the driver (``AERON_CLIENT_ERROR_[DRIVER_]BUFFER_FULL``)."""

    default_kind = ErrorKind.CLIENT_ERROR_BUFFER_FULL
    default_recovery = Recovery.RETRY


class ArchiveError(AeronError):
    """An archive refused a request, or gave up on one that it had accepted.

    Args:
        archive_code: why, as the archive says; a plain int for a number that this version does not know.
        correlation_id: the request's, -1 when it is not known.
    """

    default_kind = ErrorKind.ARCHIVE

    def __init__(
        self,
        message: str = "",
        *,
        operation: str = "",
        archive_code: ArchiveErrorCode | int = ArchiveErrorCode.GENERIC,
        correlation_id: int = -1,
        detail: str = "",
    ) -> None:
        super().__init__(message, operation=operation, code=archive_code, detail=detail)
        self.archive_code = archive_code
        self.correlation_id = correlation_id

    @property
    def recovery(self) -> Recovery:
        retry = (
            ArchiveErrorCode.ACTIVE_LISTING,
            ArchiveErrorCode.MAX_REPLAYS,
            ArchiveErrorCode.MAX_RECORDINGS,
        )
        return Recovery.RETRY if self.archive_code in retry else Recovery.FATAL


class ArchiveConnectionError(ArchiveError):
    """The session with the archive is lost: connect to it anew."""

    @property
    def recovery(self) -> Recovery:
        return Recovery.RECONNECT


class UnknownRecordingError(ArchiveError):
    """The archive has no recording of that id."""


class ActiveRecordingError(ArchiveError):
    """The recording is still being written, and the request needs it stopped."""


class ActiveSubscriptionError(ArchiveError):
    """The archive records this channel and stream already."""


class ArchiveLimitError(ArchiveError):
    """The archive has as many recordings or replays at once as it allows."""


class ArchiveStorageError(ArchiveError):
    """The archive's disk is full, or below the space that it wants free."""


class ReplicationError(ArchiveError):
    """The source of a replication was not reached, or went away: the copy stays as it is, and can be resumed."""

    @property
    def recovery(self) -> Recovery:
        return Recovery.RETRY


class InvalidPositionError(ArchiveError):
    """The position is not in the recording or not where a frame begins, or the recording is empty."""
