"""A driver and a client straight from C, so that the hot calls are tested below all that is built on them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from typing import Any

from aeron_py import _hot
from aeron_py._aeron import ffi, lib
from aeron_py._hot import Message, Offerer, Poller

IPC = "aeron:ipc?term-length=64k"
TIMEOUT = 60.0
FRAGMENTED = bytes(range(256)) * 30  # more than five frames of the default MTU, less than the longest message


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """What ``condition`` returns once it is true."""
    end = time.monotonic() + TIMEOUT
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {TIMEOUT} s for {what}")
        time.sleep(0.001)
    return result


def check(result: int) -> int:
    if result < 0:
        raise _hot._last_error("test", "the rig")
    return result


class Rig:
    """An embedded driver in a fresh directory and one client; streams of its own for each test."""

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="aeron-hot-", dir="/dev/shm")
        shutil.rmtree(self.directory)
        path = self.directory.encode()
        self.next_stream = 1000

        context = ffi.new("aeron_driver_context_t **")
        check(lib.aeron_driver_context_init(context))
        self.driver_context = context[0]
        check(lib.aeron_driver_context_set_dir(self.driver_context, path))
        check(lib.aeron_driver_context_set_threading_mode(self.driver_context, lib.AERON_THREADING_MODE_SHARED))
        check(lib.aeron_driver_context_set_dir_delete_on_shutdown(self.driver_context, True))
        check(lib.aeron_driver_context_set_term_buffer_sparse_file(self.driver_context, True))
        driver = ffi.new("aeron_driver_t **")
        check(lib.aeron_driver_init(driver, self.driver_context))
        self.driver = driver[0]
        check(lib.aeron_driver_start(self.driver, False))

        conductor = ffi.new("shim_conductor_t **")
        check(lib.shim_conductor_create(conductor))
        self.conductor = conductor[0]
        context = ffi.new("aeron_context_t **")
        check(lib.aeron_context_init(context))
        self.context = context[0]
        check(lib.aeron_context_set_dir(self.context, path))
        check(lib.shim_conductor_attach(self.conductor, self.context, 0))
        client = ffi.new("aeron_t **")
        check(lib.aeron_init(client, self.context))
        self.client = client[0]
        check(lib.aeron_start(self.client))

    def close(self) -> None:
        lib.aeron_close(self.client)
        lib.aeron_context_close(self.context)
        lib.shim_conductor_delete(self.conductor)
        lib.aeron_driver_close(self.driver)
        lib.aeron_driver_context_close(self.driver_context)

    def stream(self) -> int:
        self.next_stream += 1
        return self.next_stream

    def _added(self, kind: str, handle: Any, poll: Callable[[Any, Any], int]) -> Any:
        made = ffi.new(f"aeron_{kind}_t **")
        wait_until(lambda: check(poll(made, handle[0])), f"the {kind}")
        return made[0]

    def publication(self, stream: int, exclusive: bool = False, channel: str = IPC) -> Any:
        kind = "exclusive_publication" if exclusive else "publication"
        handle = ffi.new(f"aeron_async_add_{kind}_t **")
        check(getattr(lib, f"aeron_async_add_{kind}")(handle, self.client, channel.encode(), stream))
        return self._added(kind, handle, getattr(lib, f"aeron_async_add_{kind}_poll"))

    def subscription(self, stream: int, channel: str = "aeron:ipc") -> Any:
        handle = ffi.new("aeron_async_add_subscription_t **")
        source = ffi.new("shim_source_t **")
        check(
            lib.shim_conductor_add_subscription(
                self.conductor, handle, self.client, channel.encode(), stream, False, source
            )
        )
        return self._added("subscription", handle, lib.aeron_async_add_subscription_poll)

    def offerer(self, stream: int, exclusive: bool = False, channel: str = IPC) -> Offerer:
        address = int(ffi.cast("intptr_t", self.publication(stream, exclusive, channel)))
        return Offerer(address, exclusive, f"publication {stream}")

    def poller(self, stream: int, assemble: bool = True) -> Poller:
        address = int(ffi.cast("intptr_t", self.subscription(stream)))
        return Poller(address, False, f"subscription {stream}", assemble)

    def pair(self, exclusive: bool = False, assemble: bool = True) -> tuple[Offerer, Poller]:
        """Connected; the probe that was needed to see it is read already."""
        stream = self.stream()
        poller = self.poller(stream, assemble)
        offerer = self.offerer(stream, exclusive)
        wait_until(lambda: offerer.offer_nowait(b"probe") > 0, "a connection")
        wait_until(lambda: poller.poll_payloads() == [b"probe"], "the probe")
        return offerer, poller


def receive(poller: Poller, count: int, limit: int = 256) -> list[bytes]:
    """The next ``count`` payloads."""
    payloads: list[bytes] = []
    wait_until(lambda: (payloads.extend(poller.poll_payloads(limit)), len(payloads) >= count)[1], f"{count} messages")
    return payloads


def send(offerer: Offerer, data: Any, reserved_value: int | None = None) -> int:
    """Offer until it goes in: the window may need the driver's next turn."""
    return wait_until(lambda: max(0, offerer.offer_nowait(data, reserved_value)), "room in the window")


def collect(poller: Poller, count: int, limit: int = 10) -> list[Message]:
    """Polls one by one until so many messages are there."""
    messages: list[Message] = []
    wait_until(lambda: poller.poll(messages.append, limit) * 0 or len(messages) >= count, f"{count} messages")
    return messages
