"""A bad link on loopback: between a publisher's media driver and a subscriber's, in user space."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from types import TracebackType
from typing import Any

from tests.network.way import Way
from tests.ports import free_port

_LONGEST = 65536
_BUFFER = 1 << 20
"""Bytes that the sockets hold, as far as the system lets them: what is lost is to be lost on the way."""


class Relay:
    """Carries datagrams from one publisher to the subscriber's port, and the answers back; it runs within ``with``.

    Args:
        badness: as for :class:`Way`, of both ways.

    Attributes:
        publish: the channel of the publisher.
        subscribe: the channel of the subscriber.
        source: where the stream comes from in the eyes of the subscriber's driver, ``address:port``.
        there: the way of data and setups.
        back: the way of status messages and NAKs.
    """

    def __init__(self, **badness: Any) -> None:
        self._front, self._rear = (self._socket() for _ in range(2))
        self._subscriber = ("127.0.0.1", free_port())
        self.publish = f"aeron:udp?endpoint=127.0.0.1:{self._front.getsockname()[1]}|term-length=64k"
        self.subscribe = f"aeron:udp?endpoint=127.0.0.1:{self._subscriber[1]}"
        self.source = f"127.0.0.1:{self._rear.getsockname()[1]}"
        self.there: Way[bytes] = Way(**badness)
        self.back: Way[bytes] = Way(**badness)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    @staticmethod
    def _socket() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        return made

    def _run(self) -> None:
        publisher: Any = None
        ways = {self._front: self.there, self._rear: self.back}
        while True:
            waits = [way.wait for way in ways.values() if way.wait is not None]
            for readable in select.select(list(ways), [], [], min(waits, default=None))[0]:
                with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                    for _ in range(64):
                        datagram, sender = readable.recvfrom(_LONGEST)
                        if self._closed:
                            return
                        if readable is self._front:
                            publisher = sender
                        ways[readable].take(datagram)
            for datagram in self.there.arrived():
                self._send(self._rear, datagram, self._subscriber)
            for datagram in self.back.arrived():
                self._send(self._front, datagram, publisher)

    @staticmethod
    def _send(sender: socket.socket, datagram: bytes, to: Any) -> None:
        # Nobody listens there, or not yet: lost, as on any network.
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            sender.sendto(datagram, to)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._front.sendto(b"", self._front.getsockname())
        self._thread.join()
        self._front.close()
        self._rear.close()
