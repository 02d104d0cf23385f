"""Aeron for Python: client, media driver and archive, sync and async.

The public names are those of :mod:`aeron_py._names`. They are loaded when the first of them is used, so that a command
of ``aeron-py`` can set its signal handlers before anything else: a service may be told to stop while it still starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aeron_py._names import *  # noqa: F403
    from aeron_py._names import __version__ as __version__

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        import importlib

        if name == "_names":
            raise AttributeError(name)
        names = importlib.import_module("aeron_py._names")
        value = names.__all__ if name == "__all__" else globals().get(name) or getattr(names, name, None)
        if value is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__getattr__("__all__"), "__version__"})
