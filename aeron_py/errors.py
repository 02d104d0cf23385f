"""Every error that Aeron can give, as one family of exceptions, and the one place that reads Aeron's numbers.

How the C code reports an error:

- ``aeron_errcode()`` is positive for an ``errno`` (EINVAL 22, ETIMEDOUT 110) and negative for Aeron's own numbers:
  ``-1000`` and below is the client (:class:`ClientErrorCode`), ``-1`` to ``-14`` the driver (:class:`DriverErrorCode`).
- The client's error handler gets those same numbers without the sign; an ``errno`` reaches it as 11, "generic".
- An offer returns a position, or one of :class:`OfferResult`, whose numbers overlap the driver's.
- An archive's refusal is ``-11`` with its number only in the text: ``errorCode=5`` (:class:`ArchiveErrorCode`).
"""

from __future__ import annotations

import enum
import errno
import re

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
    "archive_error",
    "error_from_code",
    "error_from_handler",
    "offer_error",
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


_OFFER_ERRORS: dict[OfferResult, tuple[type[OfferError], str]] = {
    OfferResult.NOT_CONNECTED: (
        NotConnectedError,
        "no subscriber is connected: wait for one, and check that it has this channel and stream id",
    ),
    OfferResult.BACK_PRESSURED: (
        BackPressuredError,
        "subscribers are a whole window behind: offer again when they have read on",
    ),
    OfferResult.ADMIN_ACTION: (AdminActionError, "the log turned to its next term: offer again at once"),
    OfferResult.CLOSED: (PublicationClosedError, "the publication is closed: add it anew"),
    OfferResult.MAX_POSITION_EXCEEDED: (
        MaxPositionExceededError,
        "the stream has reached its last position: add the publication anew, with longer terms to last longer",
    ),
    OfferResult.ERROR: (PublicationError, "the message was refused"),
}

_CLIENT_ERRORS: dict[ClientErrorCode, tuple[type[AeronError], str]] = {
    ClientErrorCode.DRIVER_TIMEOUT: (
        DriverTimeoutError,
        "no answer from the media driver: see that it runs on this aeron_dir, then connect anew",
    ),
    ClientErrorCode.CLIENT_TIMEOUT: (
        ClientTimeoutError,
        "the media driver gave this client up after a pause: connect anew",
    ),
    ClientErrorCode.CONDUCTOR_SERVICE_TIMEOUT: (
        ConductorServiceTimeoutError,
        "the client's conductor did not run for too long (a suspended process, a starved machine): connect anew",
    ),
    ClientErrorCode.BUFFER_FULL: (BufferFullError, "too many commands wait for the client's conductor: try again"),
    ClientErrorCode.DRIVER_BUFFER_FULL: (BufferFullError, "too many commands wait for the media driver: try again"),
}

_ARCHIVE_ERRORS: dict[int, type[ArchiveError]] = {
    ArchiveErrorCode.ACTIVE_RECORDING: ActiveRecordingError,
    ArchiveErrorCode.ACTIVE_SUBSCRIPTION: ActiveSubscriptionError,
    ArchiveErrorCode.REPLICATION_CONNECTION_FAILURE: ReplicationError,
    ArchiveErrorCode.UNKNOWN_RECORDING: UnknownRecordingError,
    ArchiveErrorCode.MAX_REPLAYS: ArchiveLimitError,
    ArchiveErrorCode.MAX_RECORDINGS: ArchiveLimitError,
    ArchiveErrorCode.STORAGE_SPACE: ArchiveStorageError,
    ArchiveErrorCode.EMPTY_RECORDING: InvalidPositionError,
    ArchiveErrorCode.INVALID_POSITION: InvalidPositionError,
}

_NO_SPACE = (
    "no space is left there: free some, take shorter terms, or make it larger (containers have 64 MB of /dev/shm "
    "unless told otherwise, as with docker's --shm-size)"
)

# "(-11) generic error, see message", then one "[function, file.c:123] text" for each level of C that added to it.
_C_HEADING = re.compile(r"\(-?\d+\) .*")
_C_PLACE = re.compile(r"\[\w+, [^\]:]+:\d+\] ?")
_ARCHIVE_RESPONSE = re.compile(r"response for correlationId=(-?\d+), errorCode=(-?\d+), error: (.*)", re.DOTALL)


def _own_words(message: str) -> str:
    """What C says, without its places in the source; its heading only when there is nothing else."""
    lines = [line.strip() for line in message.splitlines()]
    said = [_C_PLACE.sub("", line).strip() for line in lines if not _C_HEADING.fullmatch(line)]
    return "; ".join(line for line in said if line) or " ".join(line for line in lines if line)


def error_from_code(code: int, message: str, operation: str) -> AeronError:
    """The error behind ``aeron_errcode()`` and ``aeron_errmsg()``.

    Args:
        code: with C's sign, see the top of this module.
        message: C's text, with functions and lines or without.
        operation: the call that failed.

    Returns:
        The error to raise.
    """
    words = _own_words(message)
    client_code = abs(code)
    if client_code in ClientErrorCode.__members__.values():
        error, advice = _CLIENT_ERRORS[ClientErrorCode(client_code)]
        said = f"{advice} ({words})" if words else advice
        return error(said, operation=operation, code=ClientErrorCode(client_code), detail=message)

    if code == -DriverErrorCode.GENERIC_ERROR and (found := _ARCHIVE_RESPONSE.search(message)):
        error_of_archive = archive_error(int(found[2]), _own_words(found[3]), operation, int(found[1]))
        error_of_archive.detail = message
        return error_of_archive
    if code == -DriverErrorCode.GENERIC_ERROR and "[aeron_archive_" in message:
        # The archive client's own failures share the driver's number: only the place in the source tells them apart.
        refusal = ArchiveConnectionError if "not connected" in words else ArchiveError
        return refusal(words, operation=operation, detail=message)

    # The archive client has no number for its own connect timeout: it sets -1 and says so.
    if code == errno.ETIMEDOUT or (code == -1 and "connect timeout" in message):
        return TimedOutError(words or "timed out", operation=operation, code=errno.ETIMEDOUT, detail=message)

    if code == errno.EINVAL:
        return SettingError(words or "invalid argument", operation=operation, code=code, detail=message)

    if code < 0 and -code in DriverErrorCode.__members__.values():
        driver_code = DriverErrorCode(-code)
        said = words or driver_code.name.lower().replace("_", " ")
        if driver_code == DriverErrorCode.STORAGE_SPACE:
            said = f"{said}; {_NO_SPACE}"
        return DriverError(said, operation=operation, code=driver_code, detail=message)

    if code == errno.ENOSPC:
        words = f"{words or 'no space left'}; {_NO_SPACE}"
    if not words:
        words = f"error {code} ({errno.errorcode[code]})" if code in errno.errorcode else f"error {code}"
    return AeronError(words, operation=operation, code=code, detail=message)


def error_from_handler(code: int, message: str, operation: str) -> AeronError:
    """The error behind what C gave to an error handler, where Aeron's numbers come without the sign.

    Args:
        code: positive for the client's and the driver's numbers alike.
        message: C's text.
        operation: what was going on, for example ``"client"``.

    Returns:
        The error to raise or report.
    """
    return error_from_code(-abs(code), message, operation)


def offer_error(result: int, operation: str, message: str = "") -> OfferError:
    """The error behind a negative result of an offer or claim.

    Args:
        result: the :class:`OfferResult`.
        operation: the call that failed.
        message: C's text; it counts for :attr:`OfferResult.ERROR`, the other results leave none of their own.

    Returns:
        The error to raise.
    """
    if result not in OfferResult.__members__.values():
        return PublicationError(
            f"an offer returned {result}, which Aeron does not define", operation=operation, code=result
        )
    error, said = _OFFER_ERRORS[OfferResult(result)]
    if result == OfferResult.ERROR and message:
        said = _own_words(message)
    return error(said, operation=operation, code=OfferResult(result), detail=message)


def archive_error(code: int, message: str, operation: str, correlation_id: int = -1) -> ArchiveError:
    """The error behind an archive's error response (``ControlResponse`` with the code ERROR).

    Args:
        code: the response's relevant id, an :class:`ArchiveErrorCode`.
        message: the archive's text.
        operation: the call that failed.
        correlation_id: the request's, -1 when it is not known.

    Returns:
        The error to raise.
    """
    archive_code = ArchiveErrorCode(code) if code in ArchiveErrorCode.__members__.values() else code
    said = _own_words(message)
    if not said:
        said = (
            archive_code.name.lower().replace("_", " ")
            if isinstance(archive_code, ArchiveErrorCode)
            else f"error {code}"
        )
    error = _ARCHIVE_ERRORS.get(code, ArchiveError)
    return error(said, operation=operation, archive_code=archive_code, correlation_id=correlation_id, detail=message)
