"""How much of a publication is whole, when its publisher died in the middle of it."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

__all__ = ["whole_up_to"]

_FRAME: Final = struct.Struct("<iBBHiiii")  # length, version, flags, type, term offset, session, stream, term id
_TERMS: Final = 3


def whole_up_to(
    aeron_dir: str | os.PathLike[str], registration_id: int, term_length: int, begin: int, tail: int, read: int | None
) -> int:
    """The position after the last whole frame of a publication, which is where its subscribers come to.

    A publisher claims room, copies, and sets the length of a frame at the end; then it moves the tail. So when it died,
    the tail may be after what is whole, or before.

    Args:
        aeron_dir: of its media driver, which lives.
        registration_id: of the publication; its log buffer is called so.
        term_length: of the log buffer.
        begin: its position at first.
        tail: its position, as its counter told last.
        read: the position of its slowest subscriber on this media driver, None for none: what lies before may have been
            cleared.

    Raises:
        OSError: the log buffer is gone.
    """
    position = max(begin, read or 0, max(tail, read or 0) & -term_length)
    end = (position & -term_length) + term_length
    with (Path(aeron_dir) / "publications" / f"{registration_id}.logbuffer").open("rb") as file:
        term = position // term_length % _TERMS
        file.seek(term * term_length + position % term_length)
        data = file.read(end - position)
    at = 0
    while at + _FRAME.size <= len(data):
        length, *_, offset, _, _, _ = _FRAME.unpack_from(data, at)
        if length <= 0 or offset != (position + at) % term_length:
            break
        at += length + 31 & -32
    return position + at
