"""Which addresses a process listens on."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from pathlib import Path

Address = tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]


def bound_addresses(pid: int) -> set[Address]:
    """The local addresses of a process's UDP sockets, and of the TCP sockets that listen, with their ports."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            name = str(entry.readlink())
            if name.startswith("socket:["):
                inodes.add(name[8:-1])
    found: set[Address] = set()
    for kind in ("udp", "udp6", "tcp", "tcp6"):
        table = Path(f"/proc/{pid}/net/{kind}")
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            listens = kind.startswith("udp") or fields[3] == "0A"
            if fields[9] in inodes and listens:
                found.add(_address(fields[1]))
    return found


def _address(text: str) -> Address:
    number, port = text.split(":")
    words = bytes.fromhex(number)
    packed = b"".join(struct.pack("!I", *struct.unpack("=I", words[at : at + 4])) for at in range(0, len(words), 4))
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return ipaddress.ip_address(socket.inet_ntop(family, packed)), int(port, 16)
