"""The end of the interpreter, fork, Ctrl-C: in a process of its own, looked at from outside."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.lifecycle.scripts import passes

SETUP = """
import gc, os, signal, sys, threading, time
import aeron_py as aeron

driver = aeron.MediaDriver.launch(ipc_term_buffer_length=64 * 1024)
client = aeron.Client.connect(driver.aeron_dir)
subscription = client.add_subscription("aeron:ipc", 1, on_available_image=lambda image: None)
publication = client.add_exclusive_publication("aeron:ipc", 1)
while publication.position_limit <= 0:
    time.sleep(0.001)
print(driver.aeron_dir, flush=True)
"""


def program(body: str) -> str:
    return SETUP + textwrap.dedent(body)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "raise SystemExit(0)",
        "claim = publication.try_claim(8)",
        "images = subscription.images; publication.offer(b'x'); batch = subscription.poll_batch()",
        "driver.close()",
        "pending = client._start_add_subscription('aeron:ipc', 2, on_available_image=print)",
        "threading.Thread(target=lambda: list(subscription.messages()), daemon=True).start(); time.sleep(0.05)",
        "messages = subscription.messages(); publication.offer(b'x'); next(messages)",
        "import atexit; atexit.register(lambda: publication.offer_nowait(b'x'))",
        "handler = aeron.Handler.leak(print); handler.release()",
    ],
)
def test_interpreter_exit(body: str) -> None:
    # What is open at exit is reported, and closed all the same.
    directory = passes(program(body), warnings="ignore").split()[0]
    assert not Path(directory).exists()


def test_exit_with_a_thread_inside_a_wait() -> None:
    body = """
    def waits():
        client.add_subscription("aeron:udp?endpoint=localhost:0", 3)
        aeron.Client.connect("/dev/shm/nobody-here", driver_timeout=3600)
    threading.Thread(target=waits, daemon=True).start()
    time.sleep(0.1)
    """
    directory = passes(program(body), warnings="ignore").split()[0]
    assert not Path(directory).exists()


def test_unhandled_error() -> None:
    with pytest.raises(AssertionError, match="LookupError"):
        passes(program("raise LookupError"), warnings="ignore")


def test_fork() -> None:
    body = """
    publication.offer(b"before")
    pid = os.fork()
    if pid == 0:
        refused = 0
        for call in (
            lambda: publication.offer(b"x"),
            lambda: publication.position,
            lambda: subscription.poll(print),
            lambda: client.add_counter(1001, "x"),
            lambda: client.next_correlation_id(),
            lambda: client.counters.list(),
        ):
            try:
                call()
            except aeron.ForkedError as error:
                refused += "parent process" in str(error)
        for thing in (publication, subscription, client, driver):
            thing.close()
        # A client of its own is welcome.
        with aeron.Client.connect(driver.aeron_dir) as own, own.add_publication("aeron:ipc", 1) as second:
            refused += second.is_connected or second.offer_nowait(b"x") < 0
        os._exit(0 if refused == 7 else 1 + refused)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    # The parent's are as they were.
    publication.offer(b"after")
    found = []
    while len(found) < 2:
        found += subscription.poll_payloads()
    assert found[:2] == [b"before", b"after"], found
    for thing in (publication, subscription, client, driver):
        thing.close()
    """
    directory = passes(program(body), warnings="ignore").split()[0]
    assert not Path(directory).exists()


def test_child_that_ends_normally_leaves_the_parent_alone() -> None:
    body = """
    pid = os.fork()
    if pid == 0:
        sys.exit(0)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status
    assert os.path.exists(driver.aeron_dir)
    publication.offer(b"x")
    for thing in (publication, subscription, client, driver):
        thing.close()
    """
    passes(program(body), warnings="ignore")


WAITS = {
    "messages": "list(subscription.messages())",
    "poll loop": "while True: subscription.poll(print)",
    "connect": "aeron.Client.connect(sys.argv[1], driver_timeout=3600)",
    "counters": "aeron.CountersReader.open(sys.argv[1], timeout=3600)",
    "wait": "from aeron_py._waiting import wait_for; wait_for(lambda: None, 3600, 'x', lambda: 'late')",
    "batches": "while True: subscription.poll_batch()",
}


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c(wait: str, tmp_path: Path) -> None:
    body = f"""
    try:
        print("waiting", flush=True)
        {WAITS[wait]}
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    for thing in (publication, subscription, client, driver):
        thing.close()
    """
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", program(body), str(tmp_path / "nowhere")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        directory = process.stdout.readline().strip()
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.05)  # heard either way; this makes it likely that it is in the wait
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=90)
    finally:
        process.kill()
        process.wait()
    assert output == "interrupted\n"
    assert process.returncode == 0
    assert not Path(directory).exists()
