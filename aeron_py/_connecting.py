"""Becoming a client: the context, the wait for the driver, the start and the end."""

from __future__ import annotations

import os
from typing import Any

from aeron_py._ffi import check, ffi, lib, to_bytes
from aeron_py._waiting import Duration, nanoseconds, wait_for
from aeron_py.driver import driver_info
from aeron_py.errors import DriverTimeoutError, SettingError
from aeron_py.idle import IdleStrategy

__all__ = ["await_driver", "context_calls", "start", "stop"]

# The driver answers within microseconds; what an add takes is how long the conductors sleep.
_CONDUCTOR_IDLE = IdleStrategy.backoff(max_park=0.004)


def context_calls(
    path: str,
    timeout: float,
    *,
    idle_strategy: IdleStrategy | None,
    client_name: str,
    keepalive_interval: Duration,
    resource_linger: Duration,
    pre_touch_mapped_memory: bool,
) -> list[tuple[str, Any]]:
    """The settings of a client, checked, as setters of ``aeron_context_t`` and their values."""
    name = to_bytes(client_name, "client_name")
    longest = lib.AERON_COUNTER_MAX_CLIENT_NAME_LENGTH
    if len(name) > longest:
        raise SettingError(f"client_name is {len(name)} bytes long, the most is {longest}", operation="Client.connect")
    idle = _CONDUCTOR_IDLE if idle_strategy is None else idle_strategy
    if not isinstance(idle, IdleStrategy):
        raise SettingError(
            f"idle_strategy must be an IdleStrategy, not {type(idle).__name__}", operation="Client.connect"
        )
    if not isinstance(pre_touch_mapped_memory, bool):
        raise SettingError("pre_touch_mapped_memory must be True or False", operation="Client.connect")
    return [
        ("dir", os.fsencode(path)),
        ("driver_timeout_ms", max(1, round(timeout * 1000))),
        ("keepalive_interval_ns", nanoseconds(keepalive_interval, "keepalive_interval")),
        ("resource_linger_duration_ns", nanoseconds(resource_linger, "resource_linger")),
        ("client_name", name),
        ("pre_touch_mapped_memory", pre_touch_mapped_memory),
        # The strategy is made with the arguments that are there by then.
        ("idle_strategy_init_args", idle.arguments.encode()),
        ("idle_strategy", idle.name.encode()),
    ]


def await_driver(path: str, timeout: float) -> None:
    """Aeron's own wait can't be interrupted: it begins when there is somebody to answer."""

    def alive() -> bool | None:
        info = driver_info(path, timeout)
        return True if info is not None and info.alive else None

    def late() -> str:
        info = driver_info(path, timeout)
        found = "none was ever there" if info is None else f"that of process {info.pid} is dead"
        return (
            f"no media driver in {path} after {timeout:g} s ({found}): start one there, or connect to the directory of "
            "one that runs"
        )

    wait_for(alive, timeout, "Client.connect", late, error=DriverTimeoutError)


def start(calls: list[tuple[str, Any]], interest: int) -> tuple[Any, Any, Any]:
    """A running client, its context and its conductor's events."""
    conductor = ffi.new("shim_conductor_t **")
    check(lib.shim_conductor_create(conductor), "Client.connect")
    context = ffi.new("aeron_context_t **")
    client = ffi.new("aeron_t **")
    try:
        check(lib.aeron_context_init(context), "Client.connect")
        check(lib.shim_conductor_attach(conductor[0], context[0], interest), "Client.connect")
        for setter, value in calls:
            check(getattr(lib, f"aeron_context_set_{setter}")(context[0], value), setter)
        check(lib.aeron_init(client, context[0]), "Client.connect")
        check(lib.aeron_start(client[0]), "Client.connect")
    except BaseException:
        stop(client[0], context[0], conductor[0])
        raise
    return client[0], context[0], conductor[0]


def stop(client: Any, context: Any, conductor: Any) -> None:
    """Let all three go, in the order in which they use each other."""
    try:
        check(lib.aeron_close(client), "Client.close")
    finally:
        lib.aeron_context_close(context)
        lib.shim_conductor_delete(conductor)
