"""The ways to put messages into a publication."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aeron_py._error_reading import offer_error
from aeron_py._hot import Claim, Offerer
from aeron_py._owner import Handle, Owner
from aeron_py._waiting import Duration, seconds, wait_for
from aeron_py.errors import ClosedError, OfferResult

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Offering"]


class Offering(Owner):
    """The half of a :class:`Publication` that messages go into."""

    def __init__(self, handle: Handle, offerer: Offerer) -> None:
        self._handle = handle
        self._offerer = offerer
        # The hot calls, without a Python frame in between.
        self.__dict__.update(
            offer=offerer.offer,
            offer_nowait=offerer.offer_nowait,
            offer_many=offerer.offer_many,
            offer_block=offerer.offer_block,
            try_claim=offerer.try_claim,
        )

    def offer(self, data: Buffer | Sequence[Buffer], reserved_value: int | None = None) -> int:
        """Publish one message (``aeron_publication_offer``).

        Args:
            data: any object with the buffer protocol; or a list or tuple of such, whose bytes become one message.
            reserved_value: 64 bits for the receiver, beside the message.

        Returns:
            The stream's position after the message.

        Raises:
            NotConnectedError: nobody subscribes.
            BackPressuredError: the subscribers are behind.
            AdminActionError: try again at once.
            PublicationClosedError, MaxPositionExceededError, PublicationError: it can't be.
            ClosedError: it is closed.
        """
        return self._offerer.offer(data, reserved_value)

    def offer_nowait(self, data: Buffer | Sequence[Buffer], reserved_value: int | None = None) -> int:
        """As :meth:`offer`, but a refusal is returned, not raised: a negative :class:`OfferResult`."""
        return self._offerer.offer_nowait(data, reserved_value)

    def send(
        self,
        data: Buffer | Sequence[Buffer],
        reserved_value: int | None = None,
        *,
        timeout: Duration | None = None,
        wait_connected: bool = False,
    ) -> int:
        """Publish one message as soon as there is room for it: :meth:`offer`, again and again.

        Args:
            data, reserved_value: as for :meth:`offer`.
            timeout: seconds to wait; None to wait for as long as it takes.
            wait_connected: wait for a subscriber, too, when there is none.

        Returns:
            The stream's position after the message.

        Raises:
            NotConnectedError: nobody subscribes, and ``wait_connected`` is false.
            TimedOutError: no room, or no subscriber, in time. The message has not been published.
            MaxPositionExceededError, PublicationError: it can't be.
            ClosedError: it is closed.
            AeronError: the driver was lost.
        """
        limit = math.inf if timeout is None else seconds(timeout, "timeout")
        result = self._offerer.offer_nowait(data, reserved_value)
        if result >= 0:
            return result

        def offer_again() -> int | None:
            nonlocal result
            result = self._offerer.offer_nowait(data, reserved_value)
            if result >= 0:
                return result
            if not self._may_wait(result, wait_connected):
                raise self._refusal(result, "send")
            return None

        def late() -> str:
            lack = "nobody subscribed to" if result == OfferResult.NOT_CONNECTED else "the subscribers made no room on"
            return f"{lack} {self._handle.description} within {limit:g} s"

        return wait_for(offer_again, limit, "send", late)

    @staticmethod
    def _may_wait(result: int, wait_connected: bool) -> bool:
        """Whether an offer that was refused may be taken later."""
        if result == OfferResult.NOT_CONNECTED:
            return wait_connected
        return result in (OfferResult.BACK_PRESSURED, OfferResult.ADMIN_ACTION)

    def _refusal(self, result: int, operation: str) -> Exception:
        """The error for a negative result."""
        if result == OfferResult.CLOSED:
            description = self._handle.description
            return self._handle.explain(operation) or ClosedError(f"{description} is closed", operation=operation)
        error = offer_error(result, operation)
        error.add_note(f"on {self._handle.description}")
        return error

    def offer_many(self, buffers: Sequence[Buffer]) -> tuple[int, int]:
        """Publish as many of the messages as go in, with one call into C.

        Args:
            buffers: one object with the buffer protocol for each message.

        Returns:
            How many went in, and the last result: the position, or the :class:`OfferResult` that stopped it.
        """
        return self._offerer.offer_many(buffers)

    def offer_block(self, buffer: Buffer, offsets: Buffer, reserved_values: Buffer | None = None) -> int:
        """Publish as many messages of one buffer as go in, with one call into C and without the interpreter's lock.

        Args:
            buffer: the messages one after the other.
            offsets: int64, one more than there are messages: where each begins, and where the last one ends.
            reserved_values: int64, one a message.

        Returns:
            How many went in.
        """
        return self._offerer.offer_block(buffer, offsets, reserved_values)

    def try_claim(self, length: int) -> Claim:
        """Claim room in the log and write the message there (``aeron_publication_try_claim``).

        Args:
            length: bytes, at most ``max_payload_length``.

        Returns:
            The claim: write to its ``buffer``, then commit or abort; ``with`` commits, or aborts on an exception.

        Raises:
            As :meth:`offer`.
        """
        return self._offerer.try_claim(length)

    @property
    def stamps(self) -> bool:
        """Whether each message's reserved value is the time at which it was offered, nanoseconds since 1970.

        Set it to True for that; a ``reserved_value`` that is given counts all the same. A recorder whose rule for the
        stream says ``stamped: true`` takes these times for exact.
        """
        return self._offerer.stamps

    @stamps.setter
    def stamps(self, value: bool) -> None:
        self._offerer.stamps = bool(value)
