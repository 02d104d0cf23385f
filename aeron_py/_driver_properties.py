"""The media driver's properties by name: what has no keyword of its own in ``DriverSettings``, and all the rest, too.

C reads them from the environment, once, while the driver starts.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Final

from aeron_py._ffi import to_bytes
from aeron_py.errors import SettingError

__all__ = ["PROPERTIES", "checked_properties", "in_environment"]

PROPERTIES: Final = frozenset(
    [
        "aeron.agent.on.start.function",
        "aeron.clients.buffer.length",
        "aeron.client.liveness.timeout",
        "aeron.conductor.buffer.length",
        "aeron.conductor.cpu.affinity",
        "aeron.conductor.idle.strategy",
        "aeron.conductor.idle.strategy.init.args",
        "aeron.conductor.udp.channel.transport.bindings.media",
        "aeron.congestioncontrol.supplier",
        "aeron.counters.buffer.length",
        "aeron.counters.free.to.reuse.timeout",
        "aeron.debug.receive.control.loss.rate",
        "aeron.debug.receive.control.loss.seed",
        "aeron.dir.delete.on.shutdown",
        "aeron.dir.delete.on.start",
        "aeron.dir.warn.if.exists",
        "aeron.driver.conductor.cycle.threshold",
        "aeron.driver.connect",
        "aeron.driver.cpuset.affinity",
        "aeron.driver.cpuset.warnings.as.errors",
        "aeron.driver.dynamic.libraries",
        "aeron.driver.name.resolver.threshold",
        "aeron.driver.native.resource.agent.cpu.affinity",
        "aeron.driver.native.resource.agent.idle.strategy",
        "aeron.driver.native.resource.agent.idle.strategy.init.args",
        "aeron.driver.receiver.cycle.threshold",
        "aeron.driver.reresolution.check.interval",
        "aeron.driver.resolver.bootstrap.neighbor",
        "aeron.driver.resolver.bootstrap.neighbor.resolution.interval",
        "aeron.driver.resolver.interface",
        "aeron.driver.resolver.name",
        "aeron.driver.resolver.neighbor.resolution.interval",
        "aeron.driver.resolver.neighbor.timeout",
        "aeron.driver.resolver.self.resolution.interval",
        "aeron.driver.resource.free.limit",
        "aeron.driver.sender.cycle.threshold",
        "aeron.driver.stream.session.limit",
        "aeron.driver.termination.validator",
        "aeron.driver.timeout",
        "aeron.enable.experimental.features",
        "aeron.error.buffer.length",
        "aeron.event.log",
        "aeron.event.log.disable",
        "aeron.event.log.filename",
        "aeron.event.log.file.max.length",
        "aeron.file.page.size",
        "aeron.flow.control.group.min.size",
        "aeron.flow.control.group.tag",
        "aeron.flow.control.receiver.timeout",
        "aeron.image.liveness.timeout",
        "aeron.ipc.mtu.length",
        "aeron.ipc.publication.term.window.length",
        "aeron.ipc.term.buffer.length",
        "aeron.loss.report.buffer.length",
        "aeron.low.file.store.warning.threshold",
        "aeron.max.resend",
        "aeron.mtu.length",
        "aeron.multicast.flowcontrol.supplier",
        "aeron.nak.multicast.group.size",
        "aeron.nak.multicast.max.backoff",
        "aeron.nak.unicast.delay",
        "aeron.nak.unicast.retry.delay.ratio",
        "aeron.name.resolver.csv.lookup.table.args",
        "aeron.name.resolver.init.args",
        "aeron.name.resolver.supplier",
        "aeron.network.publication.max.messages.per.send",
        "aeron.perform.storage.checks",
        "aeron.print.configuration",
        "aeron.publication.connection.timeout",
        "aeron.publication.linger.timeout",
        "aeron.publication.reserved.session.id.high",
        "aeron.publication.reserved.session.id.low",
        "aeron.publication.term.window.length",
        "aeron.publication.unblock.timeout",
        "aeron.rcv.initial.window.length",
        "aeron.rcv.status.message.timeout",
        "aeron.receiver.cpu.affinity",
        "aeron.receiver.group.consideration",
        "aeron.receiver.group.tag",
        "aeron.receiver.idle.strategy",
        "aeron.receiver.idle.strategy.init.args",
        "aeron.receiver.io.vector.capacity",
        "aeron.receiver.wildcard.port.range",
        "aeron.rejoin.stream",
        "aeron.reliable.stream",
        "aeron.retransmit.unicast.delay",
        "aeron.retransmit.unicast.linger",
        "aeron.sender.cpu.affinity",
        "aeron.sender.idle.strategy",
        "aeron.sender.idle.strategy.init.args",
        "aeron.sender.io.vector.capacity",
        "aeron.sender.wildcard.port.range",
        "aeron.send.to.status.poll.ratio",
        "aeron.sharednetwork.idle.strategy",
        "aeron.sharednetwork.idle.strategy.init.args",
        "aeron.shared.idle.strategy",
        "aeron.shared.idle.strategy.init.args",
        "aeron.socket.multicast.ttl",
        "aeron.socket.so.rcvbuf",
        "aeron.socket.so.sndbuf",
        "aeron.spies.simulate.connection",
        "aeron.term.buffer.length",
        "aeron.term.buffer.sparse.file",
        "aeron.tether.subscriptions",
        "aeron.timer.interval",
        "aeron.udp.channel.incoming.interceptors",
        "aeron.udp.channel.outgoing.interceptors",
        "aeron.udp.channel.transport.bindings.fixed.loss.args",
        "aeron.udp.channel.transport.bindings.loss.args",
        "aeron.udp.channel.transport.bindings.media",
        "aeron.udp.channel.transport.bindings.multi.gap.loss.args",
        "aeron.unicast.flowcontrol.supplier",
        "aeron.untethered.linger.timeout",
        "aeron.untethered.resting.timeout",
        "aeron.untethered.window.limit.timeout",
    ]
)
"""All that the driver reads, but for its directory and threading mode, which have arguments of their own."""

_OTHERS: Final = {"aeron.dir": "aeron_dir", "aeron.threading.mode": "threading_mode"}
_READ_LATER: Final = "aeron.cubiccongestioncontrol."

# The environment is the whole process's: no driver is to read what is meant for another.
_environment = threading.Lock()


def checked_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """The variables of the environment that properties mean.

    Raises:
        SettingError: an unknown name (it names the nearest), or a value that is no text.
    """
    found: dict[str, str] = {}
    for name, value in properties.items():
        if name not in PROPERTIES:
            raise SettingError(
                f"{name!r} is not a property of the media driver: {_advice(name)}", operation="properties"
            )
        to_bytes(value, name)
        found[variable(name)] = value
    return found


def variable(name: str) -> str:
    """How a property is called in the environment."""
    return name.replace(".", "_").upper()


def _advice(name: str) -> str:
    if name in _OTHERS:
        return f"use the argument {_OTHERS[name]}"
    if str(name).startswith(_READ_LATER):
        return f"it is read whenever a stream begins, so set {variable(name)} in the environment of the process"
    written = str(name).lower().replace("_", ".")
    near = difflib.get_close_matches(written, sorted(PROPERTIES), 1, 0.6)
    return f"did you mean {near[0]}?" if near else "see PROPERTIES in aeron_py._driver_properties"


@contextlib.contextmanager
def in_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have the variables in the environment for the block, and as they were after it."""
    with _environment:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
