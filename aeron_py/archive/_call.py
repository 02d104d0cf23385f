"""A request to an archive, the answer to it, and the two under way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from aeron_py.archive.signals import RecordingSignalEvent
from aeron_py.errors import AeronError

T = TypeVar("T")
Send = Callable[[Any, int], int]
"""Hands a request to C, with the session and a correlation id."""


@dataclass(slots=True, weakref_slot=True)
class Followed:
    """What comes of a request after its answer.

    Attributes:
        id: the archive's number for it.
        signals: in the order in which they came.
        error: what went wrong in the end.
    """

    id: int
    signals: list[RecordingSignalEvent] = field(default_factory=list)
    error: AeronError | None = None


@dataclass(slots=True)
class Response:
    """What came back for one request."""

    relevant_id: int = 0
    refused: int | None = None
    """The archive's error code, when the request tolerates it."""
    records: list[Any] = field(default_factory=list)
    followed: Followed | None = None


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request.

    Attributes:
        name: of the operation, for messages.
        send: hands it to C: 1 sent, 0 to be called again, -1 failed.
        finish: makes the result from the response.
        expected: the number of records that ends a listing; None for what is no listing.
        alone: whether the archive refuses it while a listing of this session goes on, as each listing is refused, too.
        tolerated: error codes that are a result, not an error.
        recording_id: the recording that it is about, for the error that there is none.
        follow: whether signals and errors that come later, under the number in its answer, are kept for it.
    """

    name: str
    send: Send
    finish: Callable[[Response], T]
    expected: int | None = None
    alone: bool = False
    tolerated: tuple[int, ...] = ()
    recording_id: int | None = None
    follow: bool = False


class Call(Generic[T]):
    """A request under way. Made by ``Session.call``."""

    __slots__ = ("abandoned", "correlation_id", "done", "error", "request", "response", "sent", "wake")

    def __init__(self, request: Request[T]) -> None:
        self.request = request
        self.response = Response()
        self.correlation_id = -1
        self.sent = self.done = self.abandoned = False
        self.error: AeronError | None = None
        self.wake = threading.Event()

    def result(self) -> T:
        """What the request gave, or its error raised."""
        if self.error is not None:
            raise self.error
        return self.request.finish(self.response)
