"""Two threads poll one subscription, which is for one at a time: a busy error or an answer, and no crash."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable

from aeron_py import BusyError, Client, Image, MediaDriver
from tests.stepping import at_each_step
from tests.streams import await_room, next_stream
from tests.waiting import wait_until

SECONDS = float(os.environ.get("AERON_PY_RACE_SECONDS", "2"))
LONG = 60.0
IPC = "aeron:ipc?term-length=64k"


def test_events_are_taken_by_one(client: Client) -> None:
    """What C has handed out of an event is there until its handler has it."""
    seen: list[str] = []

    def make(stack: contextlib.ExitStack) -> tuple[Callable[[], object], Callable[[], object]]:
        def came(image: Image) -> None:
            seen.append(image.source_identity)

        def poll() -> None:
            with contextlib.suppress(BusyError):
                subscription.poll_batch()

        stream = next_stream()
        subscription = stack.enter_context(client.add_subscription(IPC, stream, on_available_image=came))
        for _ in range(3):
            publication = stack.enter_context(client.add_exclusive_publication(IPC, stream))
            wait_until(lambda session_id=publication.session_id: subscription.image_by_session_id(session_id))
        seen.clear()
        stack.callback(lambda: wait_until(lambda: poll() or seen == 3 * ["aeron:ipc"]))
        return poll, poll

    assert at_each_step(make) > 20


def test_one_looks_at_images_that_come_and_go_while_another_polls(driver: MediaDriver) -> None:
    """What the poll is in the middle of, without the interpreter's lock, is not freed when another has seen newer."""
    with (
        Client.connect(driver.aeron_dir, driver_timeout=LONG) as client,
        Client.connect(driver.aeron_dir, driver_timeout=LONG) as sender,
        client.add_subscription(IPC, 1) as subscription,
        sender.add_publication("aeron:ipc?term-length=1m", 1) as publication,
    ):
        await_room(publication)
        counts = {"poll": 0, "look": 0, "come": 0}
        messages = [bytes(32)] * 500

        def poll() -> None:
            counts["poll"] += len(subscription.poll_batch(4096))

        def offer() -> None:
            if publication.offer_many(messages)[0] == 0:
                time.sleep(0.0001)

        def look() -> None:
            assert subscription.is_connected
            (image,) = (each for each in subscription.images if each.session_id == publication.session_id)
            assert not image.closed
            assert subscription.image_by_session_id(publication.session_id) is image
            counts["look"] += 1

        def come() -> None:
            with sender.add_exclusive_publication(IPC, 1):
                counts["come"] += 1

        repeatedly([poll, offer, look, look, come, come])
        assert min(counts.values()) > 10


def repeatedly(calls: list[Callable[[], None]]) -> None:
    """Each call again and again in a thread of its own, for SECONDS; raises what any of them raised first."""
    end = time.monotonic() + SECONDS
    failed: list[BaseException] = []

    def run(call: Callable[[], None]) -> None:
        try:
            while time.monotonic() < end and not failed:
                call()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()
    sys.setswitchinterval(before)
    if failed:
        raise failed[0]
