"""Destinations of publications and subscriptions: asked of the driver, and waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aeron_py._ffi import check, ffi, lib
from aeron_py._owner import Handle
from aeron_py._pending import PendingAdd
from aeron_py._waiting import Duration
from aeron_py.uri import ChannelUri, channel_bytes

if TYPE_CHECKING:
    from aeron_py.client import Client

__all__ = ["change_destination", "start_destination"]


def start_destination(
    client: Client, handle: Handle, kind: str, change: str, channel: str | ChannelUri
) -> PendingAdd[bool]:
    """Ask the driver to ``change`` ("add" or "remove") a destination of a ``kind`` of thing."""
    operation = f"{change}_destination"
    uri = channel_bytes(channel)
    out = ffi.new("aeron_async_destination_t **")
    ask = getattr(lib, f"aeron_{kind}_async_{change}_destination")
    poll = getattr(lib, f"aeron_{kind}_async_destination_poll")
    with client._handle.using(operation) as pointer, handle.using(operation) as owner:
        check(ask(out, pointer, owner, uri), operation)
    return PendingAdd(
        client,
        f"destination {uri.decode()} of {handle.description}",
        operation,
        out[0],
        poll=lambda _, pending: poll(pending),
        result=[None],
        wrap=lambda _client, _nothing: True,
        # Aeron has no way to take it back; it is freed with the client.
        cancel=None,
    )


def change_destination(
    client: Client, handle: Handle, kind: str, change: str, channel: str | ChannelUri, timeout: Duration | None
) -> None:
    """Ask, and wait for the answer."""
    client._finish(lambda: start_destination(client, handle, kind, change, channel), timeout)
