"""Handlers that are pinned by hand, and idle strategies."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from aeron_py import ClosedError, Handler, IdleStrategy, SettingError


def test_release() -> None:
    handler = Handler.leak(len)
    assert handler([1, 2]) == 2
    assert "len" in repr(handler)
    handler.release()
    handler.release()
    assert handler.released
    with pytest.raises(ClosedError):
        handler([])


def test_not_callable() -> None:
    with pytest.raises(SettingError):
        Handler.leak(5)  # type: ignore[arg-type]


def test_never_released() -> None:
    program = "import aeron_py; aeron_py.Handler.leak(print)"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "ResourceWarning" in done.stderr
    assert "print" in done.stderr


def test_idle_strategies() -> None:
    assert IdleStrategy.backoff(1, 2, timedelta(milliseconds=1), 0.002).arguments == "1-2-1000000-2000000"
    for strategy in (
        IdleStrategy.spin(),
        IdleStrategy.noop(),
        IdleStrategy.yielding(),
        IdleStrategy.sleep(0.0001),
        IdleStrategy.backoff(1, 1, 0.0001, 0.0002),
        IdleStrategy.parse("backoff"),
    ):
        idler = strategy.idler()
        for _ in range(5):
            idler.idle()
        idler.idle(1)
    with pytest.raises(SettingError):
        IdleStrategy.backoff(min_park=2, max_park=1)
    with pytest.raises(SettingError):
        IdleStrategy.backoff(spins=-1)
    with pytest.raises(SettingError, match="backoff"):
        IdleStrategy.parse("lazy")
