"""Images: what a subscription has of each publisher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aeron_py._ffi import check, ffi, lib, text, to_bytes
from aeron_py._hot import Message, Poller
from aeron_py._owner import Handle, Owner
from aeron_py.batch import Batch
from aeron_py.errors import AeronError, BusyError
from aeron_py.settings import as_int

if TYPE_CHECKING:
    from aeron_py.subscription import Subscription

__all__ = ["Image", "ImageConstants"]

_BLOCK_LIMIT = 1 << 20


@dataclass(frozen=True)
class ImageConstants:
    """What never changes of an image (``aeron_image_constants_t``). Lengths are bytes; 0 when it was gone too soon.

    Args:
        source_identity: where it comes from: an address and port, ``aeron:ipc`` for IPC.
        correlation_id: the driver's number of it.
        session_id: the publisher's session.
        join_position: where in the stream it began.
        initial_term_id: with which the publisher's log began.
        term_buffer_length: of each of the three terms.
        mtu_length: the longest frame.
        position_bits_to_shift: from a position to a count of terms.
        subscriber_position_id: the counter that says how far it was read.
    """

    source_identity: str
    correlation_id: int
    session_id: int
    join_position: int
    initial_term_id: int = 0
    term_buffer_length: int = 0
    mtu_length: int = 0
    position_bits_to_shift: int = 0
    subscriber_position_id: int = -1


class Image(Owner):
    """One publisher's stream as a subscription sees it (``aeron_image_t``). Its subscription makes and closes it.

    What it says stays readable when it is gone; polling then raises.
    """

    def __init__(
        self,
        subscription: Subscription,
        constants: ImageConstants,
        handle: Handle | None,
        poller: Poller | None,
        end: int,
    ) -> None:
        self.subscription = subscription
        """Whose it is."""
        self.constants = constants
        """What never changes."""
        if handle is not None:
            self._handle = handle
        self._poller = poller
        self._last = {
            "position": end,
            "end_of_stream_position": end,
            "is_end_of_stream": False,
            "is_publication_revoked": False,
        }
        if poller is not None:
            self.__dict__.update(
                poll=poller.poll, poll_payloads=poller.poll_payloads, poll_messages=poller.poll_messages
            )

    @classmethod
    def _of(cls, subscription: Subscription, pointer: Any) -> Image:
        """Takes over one reference to ``pointer``."""
        raw = ffi.new("aeron_image_constants_t *")
        check(lib.aeron_image_constants(pointer, raw), "image")
        fields: dict[str, Any] = {field: getattr(raw, field) for field in ImageConstants.__dataclass_fields__}
        constants = ImageConstants(**{**fields, "source_identity": text(raw.source_identity)})
        parent = subscription._handle
        address, assemble, guard = int(ffi.cast("uintptr_t", pointer)), subscription._assemble, subscription._poller
        handle = Handle(
            f"image of session {constants.session_id} of {parent.description}",
            pointer,
            lib.aeron_image_release,
            parent=parent,
            hot=lambda description: Poller(address, True, description, assemble, guard=guard),
        )
        return cls(subscription, constants, handle, handle.hot, -1)

    @classmethod
    def _gone(cls, subscription: Subscription, constants: ImageConstants, end: int) -> Image:
        """One that went before anybody took it."""
        return cls(subscription, constants, None, None, end)

    def __del__(self) -> None:
        # Its subscription owns it: nothing to warn of.
        handle = self.__dict__.get("_handle")
        if handle is not None:
            handle.close()

    def __repr__(self) -> str:
        return f"<Image session {self.session_id} from {self.source_identity}{' (closed)' if self.closed else ''}>"

    def close(self) -> None:
        """Let it go, after a last look at where it stands. The subscription goes on to read it."""
        handle = self.__dict__.get("_handle")
        if handle is None or handle.closed:
            return
        handle.check_closable()
        if self._poller is not None and self._poller.busy_here():
            raise self._busy()
        self._remember()
        handle.close()

    def _busy(self) -> AeronError:
        return BusyError(f"{self!r} is in use by this thread: close it after the call", operation="close")

    def _remember(self) -> None:
        for name in self._last:
            self._last[name] = self._look(name)

    def _look(self, name: str) -> Any:
        handle = self.__dict__.get("_handle")
        if handle is None:
            return self._last[name]
        with handle.kept() as pointer:
            return self._last[name] if pointer is None else getattr(lib, f"aeron_image_{name}")(pointer)

    def _need_handle(self, operation: str) -> Handle:
        handle: Handle | None = self.__dict__.get("_handle")
        if handle is None:
            raise AeronError(f"{self!r} was gone before it could be taken", operation=operation)
        return handle

    @property
    def closed(self) -> bool:
        """Whether it is gone: the publisher left, or this or the subscription was closed."""
        handle = self.__dict__.get("_handle")
        if handle is None:
            return True
        with handle.kept() as pointer:
            return pointer is None or bool(lib.aeron_image_is_closed(pointer))

    @property
    def session_id(self) -> int:
        """The publisher's session."""
        return self.constants.session_id

    @property
    def source_identity(self) -> str:
        """Where it comes from: an address and port, ``aeron:ipc`` for IPC."""
        return self.constants.source_identity

    @property
    def join_position(self) -> int:
        """Where in the stream it began."""
        return self.constants.join_position

    @property
    def correlation_id(self) -> int:
        """The driver's number of it."""
        return self.constants.correlation_id

    @property
    def position(self) -> int:
        """How far it was read, by its subscription or by itself; where it ended when it is gone."""
        return int(self._look("position"))

    @property
    def is_end_of_stream(self) -> bool:
        """Whether the publisher closed and all it sent was read."""
        return bool(self._look("is_end_of_stream"))

    @property
    def is_publication_revoked(self) -> bool:
        """Whether it ended because its publisher was revoked (``aeron_image_is_publication_revoked``)."""
        return bool(self._look("is_publication_revoked"))

    @property
    def end_of_stream_position(self) -> int:
        """Where the stream ends, once its publisher closed; before that a number larger than any position."""
        return int(self._look("end_of_stream_position"))

    @property
    def active_transport_count(self) -> int:
        """How many transports it is received over (``aeron_image_active_transport_count``)."""
        operation = "active_transport_count"
        with self._need_handle(operation).using(operation) as pointer:
            return int(lib.aeron_image_active_transport_count(pointer))

    def reject(self, reason: str) -> None:
        """Refuse to receive from this publisher, which is told why (``aeron_image_reject``).

        Args:
            reason: for the publisher, at most 1023 bytes.
        """
        said = to_bytes(reason, "reason")
        with self._need_handle("reject").using("reject") as pointer:
            check(lib.aeron_image_reject(pointer, said), "reject")

    def poll(self, handler: Callable[[Message], object], limit: int = 10) -> int:
        """As :meth:`Subscription.poll`, of this image alone."""
        return self._need_poller("poll").poll(handler, limit)

    def controlled_poll(
        self, handler: Callable[[Message], object], limit: int = 10, *, limit_position: int | None = None
    ) -> int:
        """As :meth:`Subscription.controlled_poll`, of this image alone.

        Args:
            handler, limit: as there.
            limit_position: read no message that ends beyond it (``aeron_image_bounded_controlled_poll``).
        """
        poller = self._need_poller("controlled_poll")
        if limit_position is None:
            return poller.controlled_poll(handler, limit)
        return poller.controlled_poll(handler, limit, as_int(limit_position, "limit_position", 0, 2**63 - 1))

    def poll_payloads(self, limit: int = 256) -> list[bytes]:
        """As :meth:`Subscription.poll_payloads`, of this image alone."""
        return self._need_poller("poll_payloads").poll_payloads(limit)

    def poll_messages(self, limit: int = 256) -> list[Message]:
        """As :meth:`Subscription.poll_messages`, of this image alone."""
        return self._need_poller("poll_messages").poll_messages(limit)

    def poll_batch(self, limit: int = 1024) -> Batch:
        """As :meth:`Subscription.poll_batch`, of this image alone."""
        return Batch(self._need_poller("poll_batch").poll_block(limit))

    def _need_poller(self, operation: str) -> Poller:
        self._need_handle(operation).check_open(operation)
        assert self._poller is not None
        return self._poller

    def block_poll(self, limit: int = _BLOCK_LIMIT) -> memoryview:
        """The raw frames that are there, with their headers, copied once (``aeron_image_block_poll``).

        Args:
            limit: bytes at most. Frames come whole, and never from two terms.

        Returns:
            The frames, empty when there is none that fits.

        Raises:
            BusyError: another thread polls it, or its subscription, or this is called from a handler.
        """
        length = as_int(limit, "limit", 32, 1 << 30)
        return memoryview(self._need_poller("block_poll").block_poll(min(length, self.constants.term_buffer_length)))
