"""What of the package's objects lives on, when nobody but the garbage collector would end it."""

from __future__ import annotations

import contextlib
import gc
from collections import Counter
from collections.abc import Iterator


@contextlib.contextmanager
def nothing_lives_on() -> Iterator[None]:
    """After the block as many objects of each of the package's types live as before, though nothing was collected."""
    gc.collect()
    gc.disable()
    try:
        before = _living()
        yield
        left = _living() - before
        assert not left, left
    finally:
        gc.enable()


def _living() -> Counter[str]:
    kinds = (repr(type(each)) for each in gc.get_objects())
    return Counter(kind for kind in kinds if kind.startswith("<class 'aeron_py."))
