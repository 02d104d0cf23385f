"""A link between two network namespaces: carries packets from one's tunnel to the other's; some late, some not at all.

``python -m tests.network.lossy_link NAMESPACE NAMESPACE LOSS DELAY JITTER``: what ``tc ... netem`` does in kernels that
have it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import struct
import sys
from pathlib import Path

from tests.network.way import Way

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
    way: Way[tuple[int, bytes]] = Way(loss=loss, delay=delay, jitter=jitter)
    while True:
        for device in select.select([a, b], [], [], way.wait)[0]:
            for _ in range(64):
                try:
                    packet = os.read(device, _LONGEST)
                except BlockingIOError:
                    break
                way.take((b if device == a else a, packet))
        for device, packet in way.arrived():
            with contextlib.suppress(OSError):  # the other side is not up yet, or its queue is full: lost
                os.write(device, packet)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:6]))
