"""The start of a session's C part, from its context."""

from __future__ import annotations

from typing import Any, Final

from aeron_py._ffi import check, ffi, last_error, lib
from aeron_py.archive.context import ArchiveContext
from aeron_py.errors import SettingError
from aeron_py.uri import channel_bytes

CREDENTIALS_LIMIT: Final = 2048
"""Bytes of credentials, which share a request of 8 KiB with a channel."""


def start_control(client: Any, context: ArchiveContext) -> tuple[Any, Any]:
    """Start the thread that connects to the archive (``shim_control_start``).

    Args:
        client: the ``aeron_t *``.
        context: how to reach the archive.

    Returns:
        The session and its queue of events.
    """
    credentials = context.encoded_credentials()
    if len(credentials) > CREDENTIALS_LIMIT:
        raise SettingError(f"credentials may have {CREDENTIALS_LIMIT} bytes, not {len(credentials)}")
    channels = channel_bytes(context.control_request_channel), channel_bytes(context.control_response_channel)
    texts = [ffi.new("char[]", value) for value in (*channels, context.client_name.encode("utf-8"), credentials)]
    settings = ffi.new(
        "shim_control_settings_t *",
        {
            "request_channel": texts[0],
            "response_channel": texts[1],
            "request_stream_id": context.control_request_stream_id,
            "response_stream_id": context.control_response_stream_id,
            "term_length": context.control_term_buffer_length,
            "mtu_length": context.control_mtu_length,
            "sparse": int(context.control_term_buffer_sparse),
            "client_name": texts[2],
            "credentials": ffi.cast("const uint8_t *", texts[3]),
            "credentials_length": len(credentials),
        },
    )
    events, control = ffi.new("shim_events_t **"), ffi.new("shim_control_t **")
    check(lib.shim_events_create(events), "Archive.connect")
    if lib.shim_control_start(control, client, settings, events[0]) < 0:
        error = last_error("Archive.connect")
        lib.shim_events_delete(events[0])
        raise error
    return control[0], events[0]
