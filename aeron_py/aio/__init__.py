"""The nouns with ``await``: trio first, asyncio too (by anyio)."""

from aeron_py.aio.client import AsyncClient
from aeron_py.aio.counter import AsyncCounter
from aeron_py.aio.publication import AsyncExclusivePublication, AsyncPublication
from aeron_py.aio.subscription import AsyncSubscription, ImageEvent

__all__ = [
    "AsyncClient",
    "AsyncCounter",
    "AsyncExclusivePublication",
    "AsyncPublication",
    "AsyncSubscription",
    "ImageEvent",
]
