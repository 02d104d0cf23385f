"""What a write left behind that the disk had no room for.

The archive writes a block of whole frames. When the disk is full in the middle of it, the file has as much of the block
as there was room for, while the recording stops where the block began: nobody was told of what lies behind, and no
reader gets it. The file system hands out room by pages, so that what is left ends where a page does, most often within
a frame. A stop position that is wrong in the catalog looks different: all frames after it are whole.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

__all__ = ["is_left_over"]

_PAGE: Final = 4096


def is_left_over(path: Path, base: int, stop: int, end: int, term_length: int) -> bool:
    """Whether frames after the stop position are of a write that had no room.

    Args:
        path: the segment file that has the stop position.
        base: the position where it begins.
        stop: the stop position.
        end: where the last frame ends that was found after it.
        term_length: of the recording; no block goes over the end of a term.
    """
    if stop // term_length != (end - 1) // term_length:
        return False
    with path.open("rb") as file:
        file.seek(stop - base)
        rest = file.read(term_length - stop % term_length)
    written = stop - base + len(rest.rstrip(b"\0"))
    (length,) = struct.unpack_from("<i", rest.ljust(end - stop + 4, b"\0"), end - stop)
    # A frame of which a part is missing, when there are checksums that tell so.
    last = end - base + (length + 31 & -32 if length > 0 else 0)
    return -(-written // _PAGE) * _PAGE <= last
