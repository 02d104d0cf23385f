"""The request for a replication, which has more arguments than all others (``aeron_archive_replication_params_t``)."""

from __future__ import annotations

from typing import Any

from aeron_py._ffi import ffi, lib
from aeron_py.archive._call import Followed, Request, Response
from aeron_py.archive._control import CREDENTIALS_LIMIT
from aeron_py.archive._request_parts import REQUEST_LIMIT, encode_channel, int32, int64
from aeron_py.errors import SettingError
from aeron_py.uri import ChannelUri, channel_bytes

_CHANNELS = ("live_destination", "replication_channel", "src_response_channel")
_INT32 = ("file_io_max_length", "replication_session_id")
_NAMES = {"src_response_channel": "source_response_channel", "dst_recording_id": "recording_id"}


def replicate(
    source_recording_id: int,
    source_control_channel: str | ChannelUri,
    source_control_stream_id: int,
    *,
    encoded_credentials: bytes | None = None,
    **params: Any,
) -> Request[Followed]:
    """Parameters are those of the C struct, None for its default; their names in messages are those of the call."""
    name = "replicate"
    channel = encode_channel(source_control_channel, name)
    stream_id = int32(source_control_stream_id, "source_control_stream_id", name)
    recording_id = int64(source_recording_id, "source_recording_id", name)
    native = ffi.new("aeron_archive_replication_params_t *")
    lib.aeron_archive_replication_params_init(native)
    kept: list[Any] = []
    total = len(channel)
    for key, value in params.items():
        if value is None:
            continue
        if key in _CHANNELS:
            text = ffi.new("char[]", channel_bytes(value))
            kept.append(text)
            total += len(text)
            setattr(native, key, text)
        else:
            check = int32 if key in _INT32 else int64
            setattr(native, key, check(value, _NAMES.get(key, key.removesuffix("_id")), name))
    if encoded_credentials is not None:
        if not isinstance(encoded_credentials, bytes) or len(encoded_credentials) > CREDENTIALS_LIMIT:
            raise SettingError(f"credentials must be bytes, at most {CREDENTIALS_LIMIT}", operation=name)
        data = ffi.new("char[]", encoded_credentials)
        length = len(encoded_credentials)
        credentials = ffi.new("aeron_archive_encoded_credentials_t *", {"data": data, "length": length})
        kept += [data, credentials]
        total += length
        native.encoded_credentials = credentials
    if total > REQUEST_LIMIT:
        raise SettingError(f"channels and credentials may have {REQUEST_LIMIT} bytes together", operation=name)

    def send(control: Any, id: int, kept: Any = kept) -> int:
        result: int = lib.shim_control_replicate(control, id, recording_id, stream_id, channel, native)
        return result

    def finish(response: Response) -> Followed:
        assert response.followed is not None
        return response.followed

    return Request(name, send, finish, follow=True)
