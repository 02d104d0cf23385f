"""Hosts of a network of their own: namespaces with a link between them that loses, delays and reorders packets.

Where the kernel has netem, ``tc`` makes the link what it shall be. Where it has not, the link is a pair of tunnels, and
a program carries packets from one to the other (``lossy_link.py``): those of real stacks, some lost, some late.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.processes import is_alive

ADDRESSES = ("10.213.7.1", "10.213.7.2")
ROOT = Path(__file__).parents[2]
LINK = "tests.network.lossy_link"


@dataclass(frozen=True)
class Host:
    """A network namespace.

    Attributes:
        name: of the namespace.
        address: its own, the only one besides loopback.
        link: what the link is made of: ``"netem"`` or ``"tunnel"``.
    """

    name: str
    address: str
    link: str

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs a program there."""
        return ["ip", "netns", "exec", self.name, *arguments]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def _has_netem(name: str) -> bool:
    command = ["tc", "-n", name, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "0ms"]
    if subprocess.run(command, capture_output=True, timeout=60, check=False).returncode != 0:
        return False
    _run("tc", "-n", name, "qdisc", "del", "dev", "lo", "root")
    return True


@contextlib.contextmanager
def two_hosts(*, loss: float, delay: float, jitter: float) -> Iterator[tuple[Host, Host]]:
    """Two hosts and the link between them; all of it gone at the end, also when a test failed.

    Args:
        loss: the share of packets that is lost, each way.
        delay: seconds that a packet takes.
        jitter: by so many seconds more or less; packets overtake each other.
    """
    assert os.geteuid() == 0, "network namespaces need root: run these tests as root"
    names = [f"aeron-py-{os.getpid()}-{side}" for side in "ab"]
    with contextlib.ExitStack() as stack:
        for name in names:
            _run("ip", "netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        if _has_netem(names[0]):
            link = "netem"
            _run("ip", "-n", names[0], "link", "add", "link0", "type", "veth", "peer", "link0", "netns", names[1])
            for name, address in zip(names, ADDRESSES, strict=True):
                _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "link0")
                _run("ip", "-n", name, "link", "set", "link0", "up")
                netem = f"netem limit 100000 delay {delay * 1000}ms {jitter * 1000}ms loss {loss * 100}%"
                _run("tc", "-n", name, "qdisc", "add", "dev", "link0", "root", *netem.split())
        else:
            link = "tunnel"
            relay = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", LINK, *names, str(loss), str(delay), str(jitter)],
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(relay.kill)
            assert relay.stdout is not None
            assert relay.stdout.readline() == "ready\n"
            for name, address, peer in zip(names, ADDRESSES, ADDRESSES[::-1], strict=True):
                _run("ip", "-n", name, "addr", "add", address, "peer", peer, "dev", "link0")
                _run("ip", "-n", name, "link", "set", "link0", "up")
            assert is_alive(relay.pid)
        yield Host(names[0], ADDRESSES[0], link), Host(names[1], ADDRESSES[1], link)
