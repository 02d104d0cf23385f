"""One set of tests, run on trio and on asyncio."""

from __future__ import annotations

import inspect

import anyio
import pytest

# A wait that never ends ends the test, with its stack.
PATIENCE = 150


@pytest.fixture(params=["trio", "asyncio"], autouse=True)
def backend(request: pytest.FixtureRequest) -> str:
    """The event loop that a test runs on."""
    return str(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def run() -> None:
        with anyio.fail_after(PATIENCE):
            await test(**arguments)

    anyio.run(run, backend=pyfuncitem.funcargs["backend"])
    return True
