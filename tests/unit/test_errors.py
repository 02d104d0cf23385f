"""Aeron's numbers become the right exceptions, with words that help."""

import copy
import errno
import pickle

import pytest

from aeron_py import errors
from aeron_py._error_reading import archive_error, error_from_code, error_from_handler, offer_error
from aeron_py.errors import (
    AeronError,
    ArchiveConnectionError,
    ArchiveError,
    ArchiveErrorCode,
    ClientErrorCode,
    ClosedError,
    DriverError,
    DriverErrorCode,
    DriverTimeoutError,
    ErrorKind,
    ForkedError,
    OfferError,
    OfferResult,
    PublicationError,
    Recovery,
    SettingError,
    TimedOutError,
)

ALL_ERRORS = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, AeronError)]


@pytest.mark.parametrize("error", ALL_ERRORS)
def test_every_error_is_exported_documented_and_simply_made(error: type[AeronError]) -> None:
    made = error("the words", operation="poll")
    assert error.__name__ in errors.__all__
    assert error.__doc__
    assert str(made) == "poll: the words"
    assert (made.message, made.operation) == ("the words", "poll")
    assert isinstance(made.recovery, Recovery)
    assert str(error("alone")) == "alone"


@pytest.mark.parametrize("error", ALL_ERRORS)
@pytest.mark.parametrize("twin", [copy.copy, lambda made: pickle.loads(pickle.dumps(made))], ids=["copy", "pickle"])
def test_every_error_can_be_copied_and_pickled(error: type[AeronError], twin: object) -> None:
    made = error("the words", operation="poll")
    other = twin(made)  # type: ignore[operator]
    assert type(other) is error
    assert vars(other) == vars(made)
    assert str(other) == str(made)


def test_builtin_relatives() -> None:
    assert issubclass(SettingError, ValueError)
    assert issubclass(TimedOutError, TimeoutError)
    assert issubclass(ForkedError, ClosedError)


@pytest.mark.parametrize(
    ("result", "kind", "recovery"),
    [
        (-1, ErrorKind.NULL_OR_NOT_CONNECTED, Recovery.RETRY),
        (-2, ErrorKind.PUBLICATION_BACK_PRESSURED, Recovery.RETRY),
        (-3, ErrorKind.PUBLICATION_ADMIN_ACTION, Recovery.RETRY),
        (-4, ErrorKind.PUBLICATION_CLOSED, Recovery.RECONNECT),
        (-5, ErrorKind.PUBLICATION_MAX_POSITION_EXCEEDED, Recovery.RECONNECT),
        (-6, ErrorKind.PUBLICATION_ERROR, Recovery.FATAL),
    ],
)
def test_offer_results(result: int, kind: ErrorKind, recovery: Recovery) -> None:
    error = offer_error(result, "offer")
    assert isinstance(error, OfferError)
    assert (error.kind, error.recovery, error.code) == (kind, recovery, OfferResult(result))
    assert str(error).startswith("offer: ")


def test_each_offer_result_has_a_class_of_its_own() -> None:
    assert len({type(offer_error(result, "offer")) for result in OfferResult}) == len(OfferResult)


def test_an_offer_that_is_refused_says_what_c_said() -> None:
    raw = "(22) Invalid argument\n[aeron_publication_offer, aeron_publication.c:77] message too long: 9 > 8\n"
    error = offer_error(-6, "offer", raw)
    assert error.message == "message too long: 9 > 8"
    assert error.detail == raw


def test_an_undefined_offer_result_is_named() -> None:
    error = offer_error(-77, "offer")
    assert type(error) is PublicationError
    assert "-77" in str(error)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (ClientErrorCode.DRIVER_TIMEOUT, ErrorKind.CLIENT_ERROR_DRIVER_TIMEOUT),
        (ClientErrorCode.CLIENT_TIMEOUT, ErrorKind.CLIENT_ERROR_CLIENT_TIMEOUT),
        (ClientErrorCode.CONDUCTOR_SERVICE_TIMEOUT, ErrorKind.CLIENT_ERROR_CONDUCTOR_SERVICE_TIMEOUT),
        (ClientErrorCode.BUFFER_FULL, ErrorKind.CLIENT_ERROR_BUFFER_FULL),
        (ClientErrorCode.DRIVER_BUFFER_FULL, ErrorKind.CLIENT_ERROR_BUFFER_FULL),
    ],
)
def test_client_codes_with_and_without_sign(code: ClientErrorCode, kind: ErrorKind) -> None:
    for error in (
        error_from_code(-code, "words", "connect"),
        error_from_code(code, "words", "connect"),
        error_from_handler(code, "words", "connect"),
    ):
        assert error.kind is kind
        assert error.code == code
        assert str(error).startswith("connect: ")
        assert "words" in str(error)


def test_every_client_code_is_mapped() -> None:
    for code in ClientErrorCode:
        assert error_from_code(-code, "", "connect").recovery in (Recovery.RECONNECT, Recovery.RETRY)


def test_a_missing_driver_reads_like_advice() -> None:
    raw = "(-1000) driver timeout\n[aeron_client_connect_to_driver, aeronc.c:95] CnC file not created: /tmp/a/cnc.dat\n"
    error = error_from_code(-1000, raw, "connect")
    assert isinstance(error, DriverTimeoutError)
    assert str(error) == (
        "connect: no answer from the media driver: see that it runs on this aeron_dir, then connect anew"
        " (CnC file not created: /tmp/a/cnc.dat)"
    )
    assert error.detail == raw


@pytest.mark.parametrize("code", [code for code in DriverErrorCode if code > 0])
def test_driver_codes_come_negated(code: DriverErrorCode) -> None:
    for error in (error_from_code(-code, "words", "add_publication"), error_from_handler(code, "words", "client")):
        assert isinstance(error, DriverError)
        assert error.code is code
        assert error.message.startswith("words")
        assert ("shm-size" in error.message) is (code is DriverErrorCode.STORAGE_SPACE)


def test_driver_recovery() -> None:
    assert error_from_code(-10, "", "").recovery is Recovery.RETRY
    assert error_from_code(-14, "", "").recovery is Recovery.RECONNECT
    assert error_from_code(-1, "", "").recovery is Recovery.FATAL


def test_nested_words_of_the_driver_keep_their_order_and_lose_their_places() -> None:
    raw = (
        "(-1) invalid channel\n[aeron_client_conductor_async_resource_poll, aeron_client_conductor.c:3709] "
        "async_add_publication registration error\n(-1) invalid channel\n"
        "[aeron_uri_parse, aeron_uri.c:311] invalid URI scheme or transport: bogus\n"
    )
    assert error_from_code(-1, raw, "add_publication").message == (
        "async_add_publication registration error; invalid URI scheme or transport: bogus"
    )


def test_errno_is_positive() -> None:
    assert isinstance(error_from_code(errno.ETIMEDOUT, "no answer", "connect"), TimedOutError)
    assert isinstance(error_from_code(errno.EINVAL, "must not be null", "connect"), SettingError)
    error = error_from_code(errno.EACCES, "", "connect")
    assert type(error) is AeronError
    assert (error.kind, error.code) == (ErrorKind.UNKNOWN, errno.EACCES)
    assert "EACCES" in str(error)


def test_errno_eagain_is_not_the_drivers_generic_error() -> None:
    assert not isinstance(error_from_code(11, "words", "poll"), DriverError)


def test_the_archive_clients_connect_timeout_has_no_number_of_its_own() -> None:
    raw = (
        "(-1) invalid channel\n[aeron_archive_async_connect_poll, aeron_archive_async_connect.c:163] connect timeout\n"
    )
    error = error_from_code(-1, raw, "Archive.connect")
    assert isinstance(error, TimedOutError)
    assert error.message == "connect timeout"


def test_the_reason_that_the_driver_passes_on_is_told_and_numbers_that_mean_nothing_are_not() -> None:
    raw = (
        "(-11) generic error, see message\n[aeron_client_conductor_async_resource_poll, aeron_client_conductor.c:3709] "
        "registration error\n(98) Address already in use\n[aeron_bind, aeron_socket.c:93] failed to bind(8, "
        "127.0.0.1:60548)\n[aeron_driver_conductor_get_or_add_receive_channel_endpoint, aeron_driver_conductor.c:2090] "
        "correlation_id=2\n[aeron_driver_conductor_execute_add_network_subscription, aeron_driver_conductor.c:5018] \n"
    )
    error = error_from_code(-11, raw, "add_subscription")
    assert error.message == "registration error; Address already in use; failed to bind(127.0.0.1:60548)"
    assert error.detail == raw


def test_an_unknown_code_keeps_its_number() -> None:
    assert str(error_from_code(-77777, "", "poll")) == "poll: error -77777"
    assert error_from_code(-77777, "", "poll").code == -77777


def test_an_archives_refusal_is_read_from_its_text() -> None:
    raw = (
        "(-11) generic error, see message\n[aeron_archive_poll_for_response, aeron_archive_client.c:166] "
        "response for correlationId=42, errorCode=5, error: unknown recording id: 7\n"
    )
    error = error_from_code(-11, raw, "list_recording")
    assert isinstance(error, errors.UnknownRecordingError)
    assert error.archive_code is ArchiveErrorCode.UNKNOWN_RECORDING
    assert error.correlation_id == 42
    assert str(error) == "list_recording: unknown recording id: 7"
    assert error.detail == raw


def test_a_lost_archive_session_is_not_an_error_of_the_driver() -> None:
    raw = (
        "(-11) generic error, see message\n[aeron_archive_check_response, aeron_archive_client.c:452] "
        "subscription to archive is not connected\n"
    )
    error = error_from_code(-11, raw, "start_recording")
    assert isinstance(error, ArchiveConnectionError)
    assert error.recovery is Recovery.RECONNECT


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (2, errors.ActiveRecordingError),
        (3, errors.ActiveSubscriptionError),
        (5, errors.UnknownRecordingError),
        (7, errors.ArchiveLimitError),
        (8, errors.ArchiveLimitError),
        (11, errors.ArchiveStorageError),
        (15, errors.InvalidPositionError),
        (16, errors.InvalidPositionError),
        (0, ArchiveError),
        (9, ArchiveError),
    ],
)
def test_archive_codes(code: int, error: type[ArchiveError]) -> None:
    made = archive_error(code, "words", "replay", 9)
    assert type(made) is error
    assert (made.archive_code, made.code, made.correlation_id, made.kind) == (code, code, 9, ErrorKind.ARCHIVE)


def test_archive_recovery_and_unknown_codes() -> None:
    assert archive_error(ArchiveErrorCode.MAX_REPLAYS, "", "replay").recovery is Recovery.RETRY
    assert archive_error(ArchiveErrorCode.UNAUTHORISED_ACTION, "", "replay").recovery is Recovery.FATAL
    assert str(archive_error(13, "", "replay")) == "replay: unauthorised action"
    ending = archive_error(0, "FATAL - no response from MediaDriver within 4s", "replicate")
    assert type(ending) is ArchiveConnectionError
    assert ending.recovery is Recovery.RECONNECT
    assert "no response from MediaDriver" in str(ending)
    unknown = archive_error(99, "", "replay")
    assert unknown.archive_code == 99
    assert "99" in str(unknown)
