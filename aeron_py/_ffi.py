"""The only door to the extension module: strings in and out, and the one way to check what C returned."""

from __future__ import annotations

from typing import Any

from aeron_py._aeron import ffi, lib
from aeron_py._error_reading import error_from_code
from aeron_py.errors import AeronError, SettingError

__all__ = ["NULL", "check", "check_pointer", "ffi", "last_error", "lib", "text", "to_bytes"]

NULL: Any = ffi.NULL


def text(pointer: Any, length: int | None = None) -> str:
    """The C string at ``pointer`` (``char *``), empty for NULL."""
    if pointer == NULL:
        return ""
    raw: bytes = ffi.string(pointer) if length is None else bytes(ffi.buffer(pointer, length))
    return raw.decode("utf-8", "replace")


def to_bytes(value: str, name: str) -> bytes:
    """A string for C, NUL-terminated by cffi.

    Raises:
        SettingError: not a string, or with a NUL inside; ``name`` tells which.
    """
    if not isinstance(value, str):
        raise SettingError(f"{name} must be a str, not {type(value).__name__}", operation=name)
    if "\0" in value:
        raise SettingError(f"{name} must not contain a NUL character: {value!r}", operation=name)
    return value.encode("utf-8", "surrogateescape")


def last_error(operation: str) -> AeronError:
    """The error that Aeron keeps for this thread (``aeron_errcode``, ``aeron_errmsg``): ask right after the call."""
    return error_from_code(lib.aeron_errcode(), text(lib.aeron_errmsg()), operation)


def check(result: int, operation: str) -> int:
    """``result`` of a C call, raised as the matching error when it is negative."""
    if result < 0:
        raise last_error(operation)
    return result


def check_pointer(pointer: Any, operation: str) -> Any:
    """``pointer`` that a C call returned, raised as the matching error when it is NULL."""
    if pointer == NULL:
        raise last_error(operation)
    return pointer
