"""What goes over the control stream: requests and replies as JSON, one a message; docs/playback.md has them."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from aeron_py.errors import AeronError, ArchiveConnectionError, ClosedError, SettingError, TimedOutError
from aeron_py.recorder.away import VolumeAwayError
from aeron_py.recorder.playback.controls import Controls
from aeron_py.recorder.playback.topics import Remap, TopicInfo

__all__ = ["VERSION", "Body", "Failure", "Reply", "ReplyTo", "Request", "SessionInfo", "decode_request"]

VERSION: Final = 1
"""Of the messages; it stands in each. One of another version is answered with an error."""

Time = str | int | None
_Message = dict[str, Any]


class ReplyTo(Struct, frozen=True, kw_only=True):
    """Where a client listens for replies."""

    channel: str
    stream_id: int


class Body(Struct, frozen=True, kw_only=True, tag_field="op", tag=str.lower, forbid_unknown_fields=True):
    """What a request asks for; ``op`` says which."""

    result: ClassVar[Any] = None


class SessionInfo(Struct, frozen=True, kw_only=True):
    """A session among others.

    Args:
        session: its id.
        client: who opened it.
        controls: its controls.
        topics: how many it has.
        listening: whether anybody subscribes to one.
    """

    session: str
    client: str
    controls: Controls
    topics: int
    listening: bool


class Opened(Struct, frozen=True, kw_only=True):
    """A session that was opened."""

    session: str
    controls: Controls
    topics: dict[str, TopicInfo]


class RecordedValue(Struct, frozen=True, kw_only=True):
    """The latest message of a topic; ``payload`` is base64 in JSON."""

    payload: bytes
    recording_id: int
    position: int
    reserved_value: int


class Open(Body, frozen=True, kw_only=True):
    """Open a session, with the arguments of ``Session``."""

    result = Opened
    start: Time = None
    end: Time = None
    pos: Time = None
    speed: float | str = 1.0
    state: str = "pause"
    topics: tuple[str, ...] | None = None
    remap: tuple[Remap, ...] = ()
    loop: bool = False
    channel: str | None = None


class Get(Body, frozen=True, kw_only=True):
    """The controls of a session."""

    result = Controls
    session: str


class Set(Body, frozen=True, kw_only=True):
    """Set controls of a session, in the order loop, start, end, speed, pos, state; what is left out stays."""

    result = Controls
    session: str
    start: Time | UnsetType = UNSET
    end: Time | UnsetType = UNSET
    pos: str | int | UnsetType = UNSET
    speed: float | str | UnsetType = UNSET
    state: str | UnsetType = UNSET
    loop: bool | UnsetType = UNSET


class Topics(Body, frozen=True, kw_only=True):
    """The topics of a session and where they are played."""

    result = dict[str, TopicInfo]
    session: str


class Values(Body, frozen=True, kw_only=True):
    """The latest messages at ``pos``."""

    result = dict[str, RecordedValue | None]
    session: str
    topics: tuple[str, ...] | None = None


class Close(Body, frozen=True, kw_only=True):
    """Close a session."""

    session: str


class Sessions(Body, frozen=True, kw_only=True):
    """All sessions."""

    result = list[SessionInfo]


Bodies = Open | Get | Set | Topics | Values | Close | Sessions


class Request(Struct, frozen=True, kw_only=True):
    """A request.

    Args:
        version: :data:`VERSION`.
        client: who asks: a text that no other client has.
        id: given back with the reply.
        reply: where to.
        body: what for.
    """

    version: int
    client: str
    id: int
    reply: ReplyTo
    body: Bodies


class _Envelope(Struct, frozen=True, kw_only=True):
    version: int
    client: str
    id: int
    reply: ReplyTo
    body: msgspec.Raw = msgspec.Raw(b"{}")


class Failure(Struct, frozen=True, kw_only=True):
    """Why a request was refused.

    Args:
        kind: the name of the error's class.
        message: for people.
    """

    kind: str
    message: str

    def error(self, operation: str) -> AeronError:
        """As an exception."""
        for known in (SettingError, ClosedError, TimedOutError, ArchiveConnectionError, VolumeAwayError):
            if known.__name__ == self.kind:
                return known(self.message, operation=operation)
        return AeronError(f"{self.kind}: {self.message}", operation=operation)


class Reply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reply: a result, or an error.

    Args:
        version: :data:`VERSION`.
        client: of the request.
        id: of the request.
        result: what was asked for.
        error: why there is none.
    """

    version: int
    client: str
    id: int
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Failure | None = None


def decode_envelope(message: bytes) -> _Envelope:
    """Who asks, whatever it is that is asked for.

    Raises:
        msgspec.MsgspecError: that can't be told.
    """
    return msgspec.json.decode(message, type=_Envelope)


def decode_request(message: bytes) -> Request:
    """A request.

    Raises:
        SettingError: it is none; says where and why.
    """
    try:
        envelope = decode_envelope(message)
        if envelope.version != VERSION:
            raise SettingError(
                f"version {envelope.version} of the messages is not known here, {VERSION} is", operation="control"
            )
        return msgspec.json.decode(message, type=Request)
    except msgspec.MsgspecError as error:
        raise SettingError(f"not a request: {error}", operation="control") from None
