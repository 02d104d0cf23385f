"""Ctrl-C at each step of a call: what it was about can be closed afterwards, by the same thread."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType

import pytest

from aeron_py import Client
from tests.stepping import tracing


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.counters.list(),
        lambda client: client.is_closed,
        lambda client: client.next_correlation_id(),
    ],
    ids=["list", "is-closed", "next-correlation-id"],
)
def test_interrupt_leaves_no_use_behind(client: Client, use: Callable[[Client], object]) -> None:
    for step in range(10_000):
        left = step

        def interrupt(frame: FrameType) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt

        try:
            with tracing(interrupt):
                use(client)
        except KeyboardInterrupt:
            client._handle.check_closable()
            continue
        assert step > 5
        return
