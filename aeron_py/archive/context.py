"""How to reach an archive, and as whom."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from aeron_py._ffi import to_bytes
from aeron_py.errors import SettingError
from aeron_py.uri import ChannelUri, channel_bytes

__all__ = ["ArchiveContext"]

_CLIENT_NAME_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveContext:
    """How to reach an archive (``aeron_archive_context_t``).

    A request waits out back pressure until ``message_timeout``, so there is no number of attempts to set; and the
    session has a thread of its own, so there is neither an idle strategy nor an invoker.

    Args:
        control_request_channel: where the archive takes requests.
        control_request_stream_id: the stream there.
        control_response_channel: where this session gets its answers. Port 0 lets the driver choose one, and
            ``control-mode=response`` with a free port of the archive's machine as ``control`` needs none on this side.
        control_response_stream_id: the stream there.
        recording_events_channel: where the archive tells of the progress of all recordings, if it was set up to: for
            subscriptions of your own.
        recording_events_stream_id: the stream there.
        message_timeout: seconds that an answer may take.
        control_term_buffer_length: bytes in each term of the request and response streams.
        control_mtu_length: their longest packet, in bytes.
        control_term_buffer_sparse: whether their buffers take memory only as they fill.
        client_name: what the archive calls this client in its counters; at most 100 characters.
        credentials: what the archive's authenticator wants to see: bytes, or a callable that returns them and is
            called at each connect.
        on_challenge: called in the connecting thread with the archive's challenge, returns the bytes to answer.
    """

    control_request_channel: str | ChannelUri
    control_request_stream_id: int = 10
    control_response_channel: str | ChannelUri = "aeron:ipc"
    control_response_stream_id: int = 20
    recording_events_channel: str | ChannelUri | None = None
    recording_events_stream_id: int = 30
    message_timeout: float = 10.0
    control_term_buffer_length: int = 64 * 1024
    control_mtu_length: int = 1408
    control_term_buffer_sparse: bool = True
    client_name: str = ""
    credentials: bytes | Callable[[], bytes] = field(default=b"", repr=False)
    on_challenge: Callable[[bytes], bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for channel in (self.control_request_channel, self.control_response_channel, self.recording_events_channel):
            if channel is not None:
                channel_bytes(channel)
        if not self.message_timeout > 0:
            raise SettingError(f"message_timeout must be seconds above 0, not {self.message_timeout!r}")
        if len(to_bytes(self.client_name, "client_name")) > _CLIENT_NAME_LIMIT:
            raise SettingError(f"client_name may have {_CLIENT_NAME_LIMIT} characters, not {len(self.client_name)}")
        for name in (
            "control_request_stream_id",
            "control_response_stream_id",
            "recording_events_stream_id",
            "control_term_buffer_length",
            "control_mtu_length",
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or not -(2**31) <= value < 2**31:
                raise SettingError(f"{name} must be an int of 32 bits, not {value!r}")

    @classmethod
    def from_environment(cls) -> Self:
        """The context that Aeron's variables ``AERON_ARCHIVE_CONTROL_CHANNEL`` and so on describe.

        Raises:
            SettingError: the channel is not set, or a number is not one.
        """
        channel = os.environ.get("AERON_ARCHIVE_CONTROL_CHANNEL")
        if not channel:
            raise SettingError(
                "no archive to connect to: give an ArchiveContext, or set AERON_ARCHIVE_CONTROL_CHANNEL",
                operation="Archive.connect",
            )
        return cls(
            control_request_channel=channel,
            control_request_stream_id=_number("AERON_ARCHIVE_CONTROL_STREAM_ID", 10),
            control_response_channel=os.environ.get(
                "AERON_ARCHIVE_CONTROL_RESPONSE_CHANNEL",
                "aeron:ipc" if channel.startswith("aeron:ipc") else "aeron:udp?endpoint=localhost:0",
            ),
            control_response_stream_id=_number("AERON_ARCHIVE_CONTROL_RESPONSE_STREAM_ID", 20),
            recording_events_channel=os.environ.get("AERON_ARCHIVE_RECORDING_EVENTS_CHANNEL"),
            recording_events_stream_id=_number("AERON_ARCHIVE_RECORDING_EVENTS_STREAM_ID", 30),
            client_name=os.environ.get("AERON_ARCHIVE_CLIENT_NAME", ""),
        )

    def encoded_credentials(self) -> bytes:
        """The credentials for one connect."""
        return bytes(self.credentials() if callable(self.credentials) else self.credentials)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise SettingError(f"{name} must be a number, not {text!r}", operation="Archive.connect") from None
