"""Publications: what messages go into."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from aeron_py._addresses import local_addresses
from aeron_py._destinations import change_destination
from aeron_py._ffi import check, ffi, lib, text
from aeron_py._hot import Offerer
from aeron_py._offering import Offering
from aeron_py._owner import Handle
from aeron_py._waiting import Duration, seconds, wait_for
from aeron_py.counters import CounterType
from aeron_py.errors import ClosedError
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.client import Client

__all__ = ["ExclusivePublication", "Publication", "PublicationConstants"]

_RECORDING_KEY = struct.Struct("=qi")  # recording id, session id


@dataclass(frozen=True)
class PublicationConstants:
    """What never changes of a publication (``aeron_publication_constants_t``). Lengths are bytes.

    Args:
        channel: as it was added.
        original_registration_id: of the first publication that shares the log.
        registration_id: of this one.
        max_possible_position: where the stream ends for good.
        position_bits_to_shift: from a position to a count of terms.
        term_buffer_length: of each of the three terms.
        max_message_length: the longest message, in several fragments.
        max_payload_length: the longest message in one fragment; what a claim can be.
        stream_id: as it was added.
        session_id: which log of the stream it is.
        initial_term_id: with which the log began.
        publication_limit_counter_id: the counter that says how far it may go.
        channel_status_indicator_id: the counter that says whether its channel works.
    """

    channel: str
    original_registration_id: int
    registration_id: int
    max_possible_position: int
    position_bits_to_shift: int
    term_buffer_length: int
    max_message_length: int
    max_payload_length: int
    stream_id: int
    session_id: int
    initial_term_id: int
    publication_limit_counter_id: int
    channel_status_indicator_id: int


class Publication(Offering):
    """A stream to publish on, for several threads at once (``aeron_publication_t``).

    Made by ``client.add_publication``.
    """

    _kind: ClassVar[str] = "publication"
    _exclusive: ClassVar[bool] = False

    def __init__(self, client: Client, handle: Handle, offerer: Offerer, constants: PublicationConstants) -> None:
        super().__init__(handle, offerer)
        self._client = client
        self.constants = constants
        """What never changes."""

    @classmethod
    def _of(cls, client: Client, pointer: Any) -> Self:
        raw = ffi.new("aeron_publication_constants_t *")
        check(getattr(lib, f"aeron_{cls._kind}_constants")(pointer, raw), "add_publication")
        fields: dict[str, Any] = {field: getattr(raw, field) for field in PublicationConstants.__dataclass_fields__}
        constants = PublicationConstants(**{**fields, "channel": text(raw.channel)})
        close = getattr(lib, f"aeron_{cls._kind}_close")

        def release(publication: Any) -> None:
            check(close(publication, ffi.NULL, ffi.NULL), "Publication.close")

        description = f"{cls._kind.replace('_', ' ')} {constants.channel} {constants.stream_id}"
        address = int(ffi.cast("uintptr_t", pointer))
        handle = Handle(
            description,
            pointer,
            release,
            parent=client._handle,
            hot=lambda description: Offerer(address, cls._exclusive, description),
        )
        return cls(client, handle, handle.hot, constants)

    def _call(self, name: str) -> Any:
        with self._handle.using(name) as pointer:
            return getattr(lib, f"aeron_{self._kind}_{name}")(pointer)

    def _position(self, name: str) -> int:
        value = int(self._call(name))
        if value < 0:
            raise self._handle.explain(name) or ClosedError(f"{self._handle.description} is closed", operation=name)
        return value

    @property
    def position(self) -> int:
        """Where the next message begins: bytes since the stream began.

        Raises:
            ClosedError: it is closed.
        """
        return self._position("position")

    @property
    def position_limit(self) -> int:
        """How far it may go before the subscribers must follow.

        Raises:
            ClosedError: it is closed.
        """
        return self._position("position_limit")

    @property
    def is_connected(self) -> bool:
        """Whether somebody subscribes; False when it is closed."""
        return self._offerer.is_connected()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, or its client, or its driver is lost."""
        with self._handle.kept() as pointer:
            if pointer is None or self._handle.reason is not None:
                return True
            return bool(getattr(lib, f"aeron_{self._kind}_is_closed")(pointer))

    @property
    def channel_status(self) -> int:
        """1 when the channel works, -1 when it failed (``aeron_publication_channel_status``); IPC always works."""
        status = int(self._call("channel_status"))
        return status if self.constants.channel_status_indicator_id >= 0 else 1

    @property
    def channel(self) -> str:
        """As it was added."""
        return self.constants.channel

    @property
    def stream_id(self) -> int:
        """As it was added."""
        return self.constants.stream_id

    @property
    def session_id(self) -> int:
        """Which log of the stream it is."""
        return self.constants.session_id

    @property
    def registration_id(self) -> int:
        """The driver's number of it."""
        return self.constants.registration_id

    @property
    def original_registration_id(self) -> int:
        """The driver's number of the first publication that shares the log."""
        return self.constants.original_registration_id

    @property
    def initial_term_id(self) -> int:
        """With which the log began."""
        return self.constants.initial_term_id

    @property
    def term_buffer_length(self) -> int:
        """Bytes of each of the three terms."""
        return self.constants.term_buffer_length

    @property
    def max_payload_length(self) -> int:
        """Bytes of the longest message in one fragment."""
        return self.constants.max_payload_length

    @property
    def max_message_length(self) -> int:
        """Bytes of the longest message."""
        return self.constants.max_message_length

    def await_recorder(self, timeout: Duration | None = None) -> int:
        """Wait until an archive records it: what is published from then on is recorded whole.

        It watches the ``rec-pos`` counters, so the archive is on the publication's own media driver.

        Args:
            timeout: seconds to wait; None for the client's ``driver_timeout``.

        Returns:
            The id of its recording.

        Raises:
            TimedOutError: nobody records it in time.
            ClosedError: it is closed.
        """
        limit = self._client.driver_timeout if timeout is None else seconds(timeout, "timeout")
        return wait_for(self._recording_id, limit, "await_recorder", lambda: self._not_recorded(limit))

    def _recording_id(self) -> int | None:
        self._handle.check_open("await_recorder")
        for counter in self._client.counters.list(CounterType.ARCHIVE_RECORDING_POSITION):
            recording_id, session_id = _RECORDING_KEY.unpack_from(counter.key)
            if session_id == self.session_id and f" {session_id} {self.stream_id} " in counter.label:
                return int(recording_id)
        return None

    def _not_recorded(self, limit: float) -> str:
        return f"no archive on this media driver records stream {self.stream_id}, {self.channel}, within {limit:g} s"

    @property
    def local_addresses(self) -> list[str]:
        """The addresses it sends from, ``address:port``; empty over IPC (``aeron_publication_local_sockaddrs``)."""
        return local_addresses(self._handle, self._kind)

    def add_destination(self, channel: str | ChannelUri, *, timeout: Duration | None = None) -> None:
        """Send to one more destination (``aeron_publication_async_add_destination``): for ``control-mode=manual``.

        Args:
            channel: of the destination, for example ``"aeron:udp?endpoint=localhost:9999"``.
            timeout: seconds to wait for the driver; None for the client's ``driver_timeout``.

        Raises:
            SettingError: a bad argument.
            DriverError: the driver refuses.
        """
        change_destination(self._client, self._handle, self._kind, "add", channel, timeout)

    def remove_destination(self, channel: str | ChannelUri, *, timeout: Duration | None = None) -> None:
        """Don't send to a destination any more; as :meth:`add_destination`."""
        change_destination(self._client, self._handle, self._kind, "remove", channel, timeout)


class ExclusivePublication(Publication):
    """A stream to publish on with a session of its own, for one thread at a time (``aeron_exclusive_publication_t``).

    Made by ``client.add_exclusive_publication``.
    """

    _kind = "exclusive_publication"
    _exclusive = True

    def append_padding(self, length: int) -> int:
        """Move the stream on without a message (``aeron_exclusive_publication_append_padding``).

        Args:
            length: bytes, at most ``max_message_length``. They take as much room as a message of that length.

        Returns:
            The stream's position after it.

        Raises:
            As :meth:`offer`.
        """
        return self._offerer.append_padding(length)

    def revoke(self) -> None:
        """Close it, and have its subscribers drop at once what they have not read (``..._revoke``).

        Their images end with ``is_publication_revoked``; an archive ends its recording where it was. Closed already,
        it does nothing.
        """
        handle = self._handle

        def release(publication: Any) -> None:
            check(lib.aeron_exclusive_publication_revoke(publication, ffi.NULL, ffi.NULL), "revoke")

        if not handle.closed:
            with handle.using("revoke"):
                handle._release = release
            self.close()
