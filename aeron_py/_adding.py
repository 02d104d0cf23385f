"""What a client asks of its media driver: each begun here, with its arguments checked, and waited for elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aeron_py._ffi import check, ffi, lib, to_bytes
from aeron_py._owner import Owner
from aeron_py._pending import PendingAdd
from aeron_py.counters import Counter
from aeron_py.errors import SettingError
from aeron_py.handlers import check_handler
from aeron_py.publication import ExclusivePublication, Publication
from aeron_py.settings import as_int
from aeron_py.subscription import Subscription
from aeron_py.uri import ChannelUri, channel_bytes

if TYPE_CHECKING:
    from aeron_py.client import Client
    from aeron_py.image import Image

__all__ = ["Adding"]

T = TypeVar("T")
S = TypeVar("S", bound=Subscription)
C = TypeVar("C", bound=Counter)

_COUNTER_KEY_LIMIT = 112
_COUNTER_LABEL_LIMIT = 380


class Adding(Owner):
    """The half of a :class:`Client` that asks."""

    _conductor: Any

    def _start_next_session_id(self, stream_id: int) -> PendingAdd[int]:
        stream = as_int(stream_id, "stream_id", -(2**31), 2**31 - 1)
        out = ffi.new("aeron_async_get_next_available_session_id_t **")
        with self._handle.using("next_session_id") as client:
            check(lib.aeron_async_next_session_id(out, client, stream), "next_session_id")
        return PendingAdd(
            cast("Client", self),
            f"a session id for stream {stream}",
            "next_session_id",
            out[0],
            poll=lib.aeron_async_next_session_id_poll,
            result=ffi.new("int32_t *"),
            wrap=lambda _client, found: int(found),
            # Aeron has no way to take it back; it is freed with the client.
            cancel=None,
        )

    def _start_add_publication(self, channel: str | ChannelUri, stream_id: int) -> PendingAdd[Publication]:
        return self._start_add("publication", Publication._of, channel, stream_id)

    def _start_add_exclusive_publication(
        self, channel: str | ChannelUri, stream_id: int
    ) -> PendingAdd[ExclusivePublication]:
        return self._start_add("exclusive_publication", ExclusivePublication._of, channel, stream_id)

    def _start_add(
        self, kind: str, wrap: Callable[[Client, Any], T], channel: str | ChannelUri, stream_id: int
    ) -> PendingAdd[T]:
        operation = f"add_{kind}"
        uri, stream = channel_bytes(channel), as_int(stream_id, "stream_id", -(2**31), 2**31 - 1)
        out = ffi.new(f"aeron_async_add_{kind}_t **")
        with self._handle.using(operation) as client:
            check(getattr(lib, f"aeron_async_add_{kind}")(out, client, uri, stream), operation)
        cancel = getattr(lib, f"aeron_async_add_{kind}_cancel")
        return PendingAdd(
            cast("Client", self),
            f"{kind.replace('_', ' ')} {uri.decode()} {stream}",
            operation,
            out[0],
            poll=getattr(lib, f"aeron_async_add_{kind}_poll"),
            result=ffi.new(f"aeron_{kind}_t **"),
            wrap=wrap,
            cancel=cancel,
        )

    def _start_add_subscription(
        self,
        channel: str | ChannelUri,
        stream_id: int,
        *,
        on_available_image: Callable[[Image], object] | None = None,
        on_unavailable_image: Callable[[Image], object] | None = None,
        assemble: bool = True,
        noun: type[S] = Subscription,  # type: ignore[assignment]
    ) -> PendingAdd[S]:
        uri, stream = channel_bytes(channel), as_int(stream_id, "stream_id", -(2**31), 2**31 - 1)
        check_handler(on_available_image, "on_available_image")
        check_handler(on_unavailable_image, "on_unavailable_image")
        listens = on_available_image is not None or on_unavailable_image is not None
        out, source = ffi.new("aeron_async_add_subscription_t **"), ffi.new("shim_source_t **")
        with self._handle.using("add_subscription") as client:
            added = lib.shim_conductor_add_subscription(self._conductor, out, client, uri, stream, listens, source)
            check(added, "add_subscription")

        def wrap(client: Client, pointer: Any) -> S:
            return noun._of(
                client, pointer, source[0], uri.decode(), stream, on_available_image, on_unavailable_image, assemble
            )

        return PendingAdd(
            cast("Client", self),
            f"subscription {uri.decode()} {stream}",
            "add_subscription",
            out[0],
            poll=lib.aeron_async_add_subscription_poll,
            result=ffi.new("aeron_subscription_t **"),
            wrap=wrap,
            cancel=lambda client, pending: lib.shim_conductor_cancel_subscription(client, pending, source[0]),
            refused=lambda: lib.shim_conductor_discard(source[0]),
        )

    def _start_add_counter(
        self,
        type_id: int,
        label: str = "",
        *,
        key: bytes = b"",
        registration_id: int | None = None,
        noun: type[C] = Counter,  # type: ignore[assignment]
    ) -> PendingAdd[C]:
        kind = as_int(type_id, "type_id", -(2**31), 2**31 - 1)
        label_bytes, key_bytes = to_bytes(label, "label"), _as_bytes(key, "key")
        if len(label_bytes) > _COUNTER_LABEL_LIMIT:
            raise SettingError(f"label is {len(label_bytes)} bytes long, the most is 380", operation="add_counter")
        if len(key_bytes) > _COUNTER_KEY_LIMIT:
            raise SettingError(f"key is {len(key_bytes)} bytes long, the most is 112", operation="add_counter")
        arguments = [kind, key_bytes, len(key_bytes), label_bytes, len(label_bytes)]
        add = lib.aeron_async_add_counter
        if registration_id is not None:
            add = lib.aeron_async_add_static_counter
            arguments.append(as_int(registration_id, "registration_id", -(2**63), 2**63 - 1))
        out = ffi.new("aeron_async_add_counter_t **")
        with self._handle.using("add_counter") as client:
            check(add(out, client, *arguments), "add_counter")
        return PendingAdd(
            cast("Client", self),
            f"counter {label or kind}",
            "add_counter",
            out[0],
            poll=lib.aeron_async_add_counter_poll,
            result=ffi.new("aeron_counter_t **"),
            wrap=lambda client, pointer: noun._of(client, pointer, label, kind),
            # One that outlives its client can't be taken back.
            cancel=lib.aeron_async_add_counter_cancel if registration_id is None else None,
        )


def _as_bytes(value: Any, name: str) -> bytes:
    try:
        return bytes(memoryview(value))
    except TypeError:
        raise SettingError(f"{name} must be bytes, not {type(value).__name__}", operation=name) from None
