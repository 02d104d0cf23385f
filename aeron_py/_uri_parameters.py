"""Every channel parameter that Aeron has, with what is valid for it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from aeron_py._uri_values import (
    INT64_MAX,
    Address,
    Choice,
    Duration,
    Flag,
    FlowControl,
    Integer,
    Interface,
    Kind,
    SessionId,
    Size,
    Tags,
    Value,
)
from aeron_py.errors import SettingError

__all__ = ["CUSTOM_PREFIX", "PARAMETERS", "Parameter", "Value", "check_key", "parameter_of"]

CUSTOM_PREFIX = "x-"
"""How a key of the application's own begins. Aeron passes such parameters on and does not look at them."""


@dataclass(frozen=True)
class Parameter:
    """A channel parameter.

    Args:
        key: as it stands in a channel.
        kind: what is valid for it.
        meaning: what it does.
        also: other names that people try for it.
        network_only: it says where on the network, so that it makes no sense for IPC.
    """

    key: str
    kind: Kind
    meaning: str
    also: tuple[str, ...] = ()
    network_only: bool = False

    def format(self, value: object) -> str:
        """The text for a Python value of this parameter; SettingError when it is not valid."""
        try:
            text = self.kind.format(value)
        except (TypeError, ValueError):
            raise SettingError(
                f"{self.key} must be {self.kind.expected}, not a value of type {type(value).__name__}",
                operation="channel",
            ) from None
        self.check(text)
        return text

    def check(self, text: str) -> None:
        """SettingError when ``text`` is not a valid value."""
        if not text:
            raise SettingError(f"{self.key} has no value: give it one or leave the key out", operation="channel")
        try:
            self.kind.parse(text)
        except ValueError as error:
            problem = str(error) or f"is not valid: it must be {self.kind.expected}"
            separator = "; parameters are separated by '|'" if re.search(r"[&;?,][a-z-]+=", text) else ""
            raise SettingError(f"{self.key}={text:.100} {problem}{separator}", operation="channel") from None


_ALL = (
    Parameter("endpoint", Address(), "where a publication sends to and a subscription listens", ("port",), True),
    Parameter("interface", Interface(), "the network interface to use", ("network-interface",), True),
    Parameter(
        "control", Address(), "where receivers report to, for multi-destination-cast", ("control-endpoint",), True
    ),
    Parameter("control-mode", Choice(("manual", "dynamic", "response")), "who adds the destinations", ("mdc-mode",)),
    Parameter("tags", Tags(), "tags by which other channels refer to this one", ("channel-tag", "entity-tag")),
    Parameter("alias", Kind(), "a name for people and applications; Aeron passes it on", ("name",)),
    Parameter("cc", Choice(("static", "cubic")), "congestion control", ("congestion-control",)),
    Parameter("fc", FlowControl(), "flow control over several receivers", ("flow-control",)),
    Parameter(
        "gtag", Integer(-INT64_MAX - 1, INT64_MAX), "the receiver's group for tagged flow control", ("group-tag",)
    ),
    Parameter("reliable", Flag(), "whether a subscription asks for lost data again or skips it"),
    Parameter("ttl", Integer(0, 255), "time to live of multicast datagrams, in hops"),
    # Java's builder lets 32 pass, but every driver wants room for more than the header.
    Parameter("mtu", Size(64, 65504, multiple_of=32), "the longest packet, header included", ("mtu-length",)),
    Parameter(
        "term-length",
        Size(1 << 16, 1 << 30, power_of_two=True),
        "length of each of the log's three terms",
        ("term-buffer-length", "length"),
    ),
    Parameter("init-term-id", Integer(), "the stream's first term id", ("initial-term-id",)),
    Parameter("term-id", Integer(), "the term id at which a publication begins"),
    Parameter("term-offset", Integer(0, 1 << 30, 32), "the offset in that term at which a publication begins"),
    Parameter("session-id", SessionId(), "the publication's session, or the only one to subscribe to", ("session",)),
    Parameter("stream-id", Integer(), "the stream, where a channel alone must name it", ("stream",)),
    Parameter("linger", Duration(), "how long a closed publication stays to resend", ("linger-timeout",)),
    Parameter("sparse", Flag(), "whether the log's files take up space only as they fill", ("sparse-term",)),
    Parameter("eos", Flag(), "whether a publication sends the end of its stream", ("end-of-stream",)),
    Parameter("tether", Flag(), "whether a slow subscription holds up the publication"),
    Parameter("group", Flag(("infer",)), "whether a subscription is one of many receivers", ("receiver-group",)),
    Parameter("rejoin", Flag(), "whether a stream that went away may come back to a subscription"),
    Parameter("ssc", Flag(), "whether spies alone count as a connection", ("spies-simulate-connection",)),
    Parameter("ats", Flag(), "whether transport security is used, by drivers that have it"),
    Parameter("so-sndbuf", Size(), "the socket's send buffer", ("socket-sndbuf", "sndbuf", "so-sndbuf-length")),
    Parameter("so-rcvbuf", Size(), "the socket's receive buffer", ("socket-rcvbuf", "rcvbuf", "so-rcvbuf-length")),
    Parameter("rcv-wnd", Size(), "the receiver's first window", ("receiver-window", "receiver-window-length")),
    Parameter("pub-wnd", Size(), "how far a publication may run ahead", ("publication-window", "window")),
    Parameter(
        "media-rcv-ts-offset",
        Integer(lowest=0, words=("reserved",)),
        "where in a message the time goes at which the network card or kernel received it",
        ("media-receive-timestamp-offset",),
    ),
    Parameter(
        "channel-rcv-ts-offset",
        Integer(lowest=0, words=("reserved",)),
        "where in a message the time goes at which the driver received it",
        ("channel-receive-timestamp-offset",),
    ),
    Parameter(
        "channel-snd-ts-offset",
        Integer(lowest=0, words=("reserved",)),
        "where in a message the time goes at which the driver sent it",
        ("channel-send-timestamp-offset",),
    ),
    Parameter("response-endpoint", Address(), "where responses go, for response channels"),
    Parameter(
        "response-correlation-id",
        Integer(-1, INT64_MAX, words=("prototype",)),
        "the image to respond to, for response channels",
    ),
    Parameter("nak-delay", Duration(), "how long a receiver waits before it asks for lost data"),
    Parameter("max-resend", Integer(1, 256), "how many resends may be under way at once", ("max-retransmits",)),
    Parameter("untethered-window-limit-timeout", Duration(), "how long an untethered subscription may be behind"),
    Parameter("untethered-linger-timeout", Duration(), "how long an untethered subscription then lingers"),
    Parameter("untethered-resting-timeout", Duration(), "how long an untethered subscription then rests"),
)

PARAMETERS: Mapping[str, Parameter] = MappingProxyType({parameter.key: parameter for parameter in _ALL})
"""Every parameter by its key."""

_OTHER_NAMES = {name: parameter.key for parameter in _ALL for name in parameter.also}


def check_key(key: str) -> None:
    """SettingError, naming the nearest key, when ``key`` is neither Aeron's nor a custom one."""
    if key in PARAMETERS or (
        key.startswith(CUSTOM_PREFIX) and re.fullmatch(r"[A-Za-z0-9._-]+", key[len(CUSTOM_PREFIX) :])
    ):
        return
    written = key.lower().replace("_", "-")
    near = _OTHER_NAMES.get(written) or next(
        iter(difflib.get_close_matches(written, [*PARAMETERS, *_OTHER_NAMES], n=1, cutoff=0.7)), ""
    )
    near = _OTHER_NAMES.get(near, near)
    advice = f"did you mean {near}?" if near else f"a key of your own begins with {CUSTOM_PREFIX!r}"
    raise SettingError(f"{key[:100]!r} is not a channel parameter: {advice}", operation="channel")


_CUSTOM = Kind()


def parameter_of(key: str) -> Parameter:
    """The parameter of a key, custom ones included; SettingError as :func:`check_key`."""
    check_key(key)
    return PARAMETERS.get(key) or Parameter(key, _CUSTOM, "the application's own")
