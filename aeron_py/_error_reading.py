"""The one place that reads Aeron's numbers and texts: the error behind each of them.

How the C code reports an error:

- ``aeron_errcode()`` is positive for an ``errno`` (EINVAL 22, ETIMEDOUT 110) and negative for Aeron's own numbers:
  ``-1000`` and below is the client (:class:`ClientErrorCode`), ``-1`` to ``-14`` the driver (:class:`DriverErrorCode`).
- The client's error handler gets those same numbers without the sign; an ``errno`` reaches it as 11, "generic".
- An offer returns a position, or one of :class:`OfferResult`, whose numbers overlap the driver's.
- An archive's refusal is ``-11`` with its number only in the text: ``errorCode=5`` (:class:`ArchiveErrorCode`).
"""

from __future__ import annotations

import errno
import re

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
    ClientErrorCode,
    ClientTimeoutError,
    ConductorServiceTimeoutError,
    DriverError,
    DriverErrorCode,
    DriverTimeoutError,
    InvalidPositionError,
    MaxPositionExceededError,
    NotConnectedError,
    OfferError,
    OfferResult,
    PublicationClosedError,
    PublicationError,
    ReplicationError,
    SettingError,
    TimedOutError,
    UnknownRecordingError,
)

__all__ = ["archive_error", "error_from_code", "error_from_handler", "offer_error"]

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

# How an archive's words begin that has lost its media driver, or was given up by it.
_ENDS = "FATAL - "

# "(-11) generic error, see message", then one "[function, file.c:123] text" for each level of C that added to it. What
# the driver passes on has a heading of its own within: "(98) Address already in use".
_C_HEADING = re.compile(r"\(-?\d+\) .*")
_REASON = re.compile(rf"\((?!{errno.EINVAL}\))\d+\) (.*)")
# Numbers that are others each time, and mean nothing outside of C.
_CORRELATION = re.compile(r"correlation_id=-?\d+")
_DESCRIPTOR = re.compile(r"(?<=\bbind)\(\d+, ")
_C_PLACE = re.compile(r"\[\w+, [^\]:]+:\d+\] ?")
_ARCHIVE_RESPONSE = re.compile(r"response for correlationId=(-?\d+), errorCode=(-?\d+), error: (.*)", re.DOTALL)


def _own_words(message: str) -> str:
    """What C says, without its places in the source; its first heading only when there is nothing else."""
    lines = [line.strip() for line in message.splitlines()]
    said: list[str] = []
    for index, line in enumerate(lines):
        if not _C_HEADING.fullmatch(line):
            said.append(_DESCRIPTOR.sub("(", _C_PLACE.sub("", line).strip()))
        elif index and (reason := _REASON.fullmatch(line)):
            said.append(reason[1])
    said = [each for each in said if each and not _CORRELATION.fullmatch(each)]
    return "; ".join(said) or " ".join(line for line in lines if line)


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
    if code == ArchiveErrorCode.GENERIC and said.startswith(_ENDS):
        error = ArchiveConnectionError
        said = f"the archive ends, and so does the session with it: start it again, then connect anew ({said})"
    return error(said, operation=operation, archive_code=archive_code, correlation_id=correlation_id, detail=message)
