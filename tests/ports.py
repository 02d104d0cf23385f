"""Ports for channels that must name one before anything listens there."""

from __future__ import annotations

import random
import socket

# Below what the system gives to those who ask for any port, so that none of them takes it in between.
_PORTS = range(20_000, 32_000)
_random = random.SystemRandom()  # other processes that run tests choose other ones


def free_port() -> int:
    """A UDP port of loopback that nobody has."""
    while True:
        port = _random.choice(_PORTS)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
