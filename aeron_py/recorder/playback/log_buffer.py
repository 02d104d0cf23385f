"""What the log buffer of a publication tells: whether it is closed, and how much of it is whole."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["is_closed", "whole_up_to"]

_FRAME: Final = struct.Struct("<iBBHiiii")  # length, version, flags, type, term offset, session, stream, term id
_TERMS: Final = 3
_METADATA: Final = struct.Struct("<128xq360x?")  # after the terms: where the stream ends, whether it was revoked
_NEVER: Final = 2**63 - 1


def is_closed(aeron_dir: str | os.PathLike[str], registration_id: int, term_length: int) -> bool:
    """Whether a publication was closed: whoever subscribes from now on is not given it any more.

    One that was revoked is given to subscribers until the media driver's next timer: it is closed when it is gone.

    Args:
        aeron_dir: of its media driver.
        registration_id: of the publication; its log buffer is called so.
        term_length: of the log buffer.
    """
    try:
        with _open(aeron_dir, registration_id) as file:
            file.seek(_TERMS * term_length)
            end, is_revoked = _METADATA.unpack(file.read(_METADATA.size))
    except (OSError, struct.error):
        return True
    return end != _NEVER and not is_revoked


def _open(aeron_dir: str | os.PathLike[str], registration_id: int) -> BinaryIO:
    return (Path(aeron_dir) / "publications" / f"{registration_id}.logbuffer").open("rb")


def whole_up_to(
    aeron_dir: str | os.PathLike[str], registration_id: int, term_length: int, begin: int, tail: int, read: int | None
) -> int:
    """The position after the last whole frame of a publication, which is where its subscribers come to.

    A publisher claims room, copies, and sets the length of a frame at the end; then it moves the tail. So when it died,
    the tail may be after what is whole, or before.

    The media driver clears what all have read, also while this looks: when they have come further than the position
    that is returned, look again.

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
    with _open(aeron_dir, registration_id) as file:
        term_id = None
        while True:
            offset = position % term_length
            file.seek(position // term_length % _TERMS * term_length + offset)
            length, term_id = _whole(file.read(term_length - offset), offset, term_id)
            position += length
            if length == 0 or position % term_length:
                return position
            term_id = None if term_id is None else term_id + 1


def _whole(data: bytes, offset: int, term_id: int | None) -> tuple[int, int | None]:
    """How many bytes at an offset of a term are whole frames, and the id of the term; of that one only, if given."""
    at = 0
    while at + _FRAME.size <= len(data):
        length, *_, found, _, _, frame_term_id = _FRAME.unpack_from(data, at)
        if length <= 0 or found != offset + at or frame_term_id != (frame_term_id if term_id is None else term_id):
            break
        term_id = frame_term_id
        at += length + 31 & -32
    return at, term_id
