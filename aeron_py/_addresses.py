"""The addresses of this machine that something sends from or receives at."""

from __future__ import annotations

from aeron_py._ffi import check, ffi, lib, text
from aeron_py._owner import Handle

__all__ = ["local_addresses"]

_MOST = 64


def local_addresses(handle: Handle, kind: str) -> list[str]:
    """The addresses of a ``kind`` of thing, ``address:port``."""
    room = ffi.new("shim_address_t[]", _MOST)
    with handle.using("local_addresses") as pointer:
        found = check(getattr(lib, f"shim_{kind}_addresses")(pointer, room, _MOST), "local_addresses")
    return [text(room[index].text) for index in range(min(found, _MOST))]
