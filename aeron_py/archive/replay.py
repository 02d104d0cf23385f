"""Replays: a recording published once more by the archive."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from aeron_py._ffi import ffi, lib
from aeron_py.archive import requests
from aeron_py.errors import AeronError, SettingError
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.archive.session import Session
    from aeron_py.client import Client
    from aeron_py.counters import Counter
    from aeron_py.subscription import Subscription

__all__ = ["REPLAY_ALL_AND_FOLLOW", "REPLAY_ALL_AND_STOP", "Replay"]

REPLAY_ALL_AND_FOLLOW: Final = -1
"""The length of a replay that goes on with a recording as it grows, which is the default."""

REPLAY_ALL_AND_STOP: Final = -2
"""The length of a replay that ends where its recording is when it begins."""


class Replay:
    """A replay that the archive has accepted. Made by :meth:`Archive.start_replay`.

    It goes on until it has reached its end, its subscriber has gone, or :meth:`stop`; as a context manager it is
    stopped at the end of the block. Forgetting it does no harm.

    Attributes:
        recording_id: what is replayed.
        channel: where to, as given.
        stream_id: where to.
        replay_session_id: the archive's number for it.
        session_id: of the images that its subscribers get: the lower 32 bits of ``replay_session_id``.
    """

    def __init__(
        self, archive: Archive, recording_id: int, channel: str | ChannelUri, stream_id: int, replay_session_id: int
    ) -> None:
        self._archive = archive
        self.recording_id = recording_id
        self.channel = str(channel)
        self.stream_id = stream_id
        self.replay_session_id = replay_session_id
        self.session_id = signed_32_bits(replay_session_id)
        self._stopped = False

    @property
    def subscription_channel(self) -> str:
        """The channel for its subscribers: the replay's, with its session id, so that nothing else is heard there."""
        return str(ChannelUri.parse(self.channel).with_(session_id=self.session_id))

    def subscribe(self, **options: Any) -> Subscription:
        """Subscribe to this replay and to nothing else.

        Args:
            options: as for :meth:`Client.add_subscription`.

        Returns:
            The subscription; its ``messages(until=...)`` raises an ArchiveConnectionError when the archive is lost
            before it has replayed so far.
        """
        channel, session = self.subscription_channel, self._archive._session
        return replay_subscription(self._archive.client, session, self.recording_id, channel, self.stream_id, **options)

    def stop(self) -> None:
        """Stop it (``aeron_archive_stop_replay``). Harmless when it has ended, and the second time.

        Raises:
            ArchiveConnectionError: the session is lost.
        """
        if not self._stopped:
            self._archive.stop_replay(self.replay_session_id)
            self._stopped = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stopped or self._archive.closed:
            return
        self._stopped = True
        with contextlib.suppress(AeronError):
            self._archive._stop_replay_quietly(self.replay_session_id)

    def __repr__(self) -> str:
        return f"<Replay of {self.recording_id} on {self.channel} {self.stream_id}, session {self.session_id}>"


def replay_subscription(
    client: Client, session: Session, recording_id: int, channel: str | ChannelUri, stream_id: int, **options: Any
) -> Subscription:
    """A subscription to a replay that ends with it; arguments as for :func:`replay_check`, and of the subscription."""
    if options.get("on_unavailable_image") is None:
        # So that it hears also of an image that nobody looked at: one of padding alone is gone at once.
        options["on_unavailable_image"] = lambda image: None
    subscription = client.add_subscription(channel, stream_id, **options)
    subscription._on_silence = replay_check(session, recording_id)
    return subscription


def replay_check(session: Session, recording_id: int) -> Callable[[bool], object]:
    """For a subscription to a replay, to be called when nothing comes: raises why, when the archive knows or is gone.

    Args:
        session: with the archive.
        recording_id: what is replayed.

    Returns:
        A function of whether the replay has ended, or has not begun yet.
    """

    def check(ended: bool) -> None:
        if session.handle.closed:
            return  # the replay goes on without it
        if ended:
            session.wait(session.call(requests.answer(recording_id, "replay")), session.context.message_timeout)
        else:
            session.check("replay")

    return check


def signed_32_bits(value: int) -> int:
    """The lower 32 bits as Aeron's signed session id."""
    return ((value & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000


def is_response_channel(channel: str | ChannelUri) -> bool:
    """Whether a channel is answered on the way of a publication (``control-mode=response``)."""
    uri = channel if isinstance(channel, ChannelUri) else ChannelUri.parse(channel)
    return uri.get("control-mode") == "response"


def replay_params(
    position: int | None,
    length: int | None,
    bounding_counter: Counter | int | None,
    file_io_max_length: int | None,
) -> Any:
    """The arguments of a replay for C (``aeron_archive_replay_params_t``)."""
    params = ffi.new("aeron_archive_replay_params_t *")
    lib.aeron_archive_replay_params_init(params)
    counter = bounding_counter
    if counter is not None and not isinstance(counter, int):
        counter = counter.counter_id
    values = {
        "position": position,
        "length": length,
        "bounding_limit_counter_id": counter,
        "file_io_max_length": file_io_max_length,
    }
    for name, value in values.items():
        if value is None:
            continue
        if not isinstance(value, int):
            raise SettingError(f"{name} must be an int, not {type(value).__name__}", operation="start_replay")
        if value < 0 and not (name == "length" and value in (REPLAY_ALL_AND_FOLLOW, REPLAY_ALL_AND_STOP)):
            raise SettingError(f"{name} must not be negative: {value}", operation="start_replay")
        try:
            setattr(params, name, value)
        except OverflowError:
            raise SettingError(f"{name} is too large: {value}", operation="start_replay") from None
    return params
