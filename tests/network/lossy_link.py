"""A link between two network namespaces: carries packets from one's tunnel to the other's; some late, some not at all.

``python lossy_link.py NAMESPACE NAMESPACE LOSS DELAY JITTER``: what ``tc ... netem`` does in kernels that have it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_LONGEST = 65536


def tunnel(namespace: str) -> int:
    """A tunnel named ``link0`` in a namespace; this process goes there."""
    fd = os.open(Path("/run/netns") / namespace, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    finally:
        os.close(fd)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"link0", _IFF_TUN | _IFF_NO_PI))
    return device


def main(first: str, second: str, loss: float, delay: float, jitter: float) -> None:
    a, b = tunnel(first), tunnel(second)
    print("ready", flush=True)
    dice = random.Random(7)
    on_the_way: list[tuple[float, int, int, bytes]] = []
    count = 0
    while True:
        wait = max(0.0, on_the_way[0][0] - time.monotonic()) if on_the_way else None
        for device in select.select([a, b], [], [], wait)[0]:
            for _ in range(64):
                try:
                    packet = os.read(device, _LONGEST)
                except BlockingIOError:
                    break
                if dice.random() >= loss:
                    count += 1
                    due = time.monotonic() + delay + dice.uniform(-jitter, jitter)
                    heapq.heappush(on_the_way, (due, count, b if device == a else a, packet))
        while on_the_way and on_the_way[0][0] <= time.monotonic():
            _, _, device, packet = heapq.heappop(on_the_way)
            with contextlib.suppress(OSError):  # the other side is not up yet, or its queue is full: lost
                os.write(device, packet)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:6]))
