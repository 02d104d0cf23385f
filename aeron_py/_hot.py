"""The built-in types of the hot calls (``csrc/hot*.c``), and how the errors that they raise are made."""

from __future__ import annotations

from aeron_py._aeron import (
    Block,
    Claim,
    CounterValue,
    Message,
    Offerer,
    Poller,
    block_from_address,
    ffi,
    hot_setup,
    lib,
    walk_messages,
    walk_payloads,
)
from aeron_py._error_reading import error_from_code, offer_error
from aeron_py._owner import Description, restated
from aeron_py.errors import (
    AeronError,
    BusyError,
    ClosedError,
    ForkedError,
    OfferResult,
)

__all__ = [
    "Block",
    "Claim",
    "CounterValue",
    "Message",
    "Offerer",
    "Poller",
    "block_from_address",
    "walk_messages",
    "walk_payloads",
]


def _error_text() -> str:
    raw: bytes = ffi.string(lib.aeron_errmsg())
    return raw.decode("utf-8", "replace")


def _explained(description: str, operation: str) -> AeronError | None:
    handle = description.handle() if isinstance(description, Description) else None
    return None if handle is None else handle.explain(operation)


def _offer_error(result: int, operation: str, description: str) -> BaseException:
    if result == OfferResult.CLOSED and (reason := _explained(description, operation)) is not None:
        return reason
    message = _error_text() if result == OfferResult.ERROR else ""
    error = offer_error(result, operation, message)
    error.add_note(f"on {description}")
    return error


def _busy_error(operation: str, description: str) -> BaseException:
    return BusyError(
        f"{description} is in use by another thread, or by the handler that is running: one call at a time",
        operation=operation,
    )


def _closed_error(error: BaseException | None, operation: str, description: str) -> BaseException:
    if isinstance(error, ForkedError):
        return ForkedError(
            f"{description} belongs to the parent process: make a new client in the child", operation=operation
        )
    if isinstance(error, AeronError) and not isinstance(error, ClosedError):
        return restated(error, operation)
    return ClosedError(f"{description} is closed", operation=operation)


def _last_error(operation: str, description: str) -> BaseException:
    error = error_from_code(lib.aeron_errcode(), _error_text(), operation)
    error.add_note(f"on {description}")
    return error


hot_setup(_offer_error, _busy_error, _closed_error, _last_error)
