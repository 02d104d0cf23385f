"""What requests are made of: arguments as C takes them, answers as Python likes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aeron_py._ffi import to_bytes
from aeron_py.archive._call import Response, Send
from aeron_py.errors import SettingError
from aeron_py.uri import ChannelUri, channel_bytes

REQUEST_LIMIT: Final = 7 * 1024
"""Bytes in a request: Aeron's proxy encodes into 8 KiB and does not look."""


def nothing(response: Response) -> None:
    return None


def number(response: Response) -> int:
    return response.relevant_id


def number_or_none(response: Response) -> int | None:
    return None if response.relevant_id == -1 else response.relevant_id


def accepted(response: Response) -> bool:
    return response.refused is None


def stopped(response: Response) -> bool:
    return response.refused is None and response.relevant_id != 0


def encode_channel(channel: str | ChannelUri, name: str) -> bytes:
    encoded = channel_bytes(channel)
    if len(encoded) > REQUEST_LIMIT // 2:
        raise SettingError(
            f"the channel has {len(encoded)} bytes, a request takes {REQUEST_LIMIT // 2}", operation=name
        )
    return encoded


def encode_fragment(text: str, name: str) -> bytes:
    encoded = to_bytes(text, "channel")
    if len(encoded) > REQUEST_LIMIT // 2:
        raise SettingError(
            f"the text to find has {len(encoded)} bytes, a request takes {REQUEST_LIMIT // 2}", operation=name
        )
    return encoded


def int32(value: int, what: str, name: str) -> int:
    return _integer(value, what, name, 32)


def int64(value: int, what: str, name: str) -> int:
    return _integer(value, what, name, 64)


def _integer(value: int, what: str, name: str, bits: int) -> int:
    try:
        number = value.__index__()
    except (AttributeError, TypeError):
        raise SettingError(f"{what} must be an int, not {type(value).__name__}", operation=name) from None
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise SettingError(f"{what} must fit {bits} bits, {number} does not", operation=name)
    return number


def with_ids(function: Callable[..., int], name: str, **ids: int) -> Send:
    """Most requests have nothing but numbers of 64 bits in them."""
    values = [int64(value, what, name) for what, value in ids.items()]
    return lambda control, id: function(control, id, *values)
