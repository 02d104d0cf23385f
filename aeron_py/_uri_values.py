"""The kinds of values that channel parameters have: what is valid, what it means, how it is written.

What is accepted here is what *both* of Aeron's parsers, C's and Java's, read in the same way: C takes ``010`` for
eight and Java for ten, C lets ``64kb`` pass for ``64k`` and ``truely`` for ``true``, so none of these is valid.
"""

from __future__ import annotations

import datetime
import ipaddress
import math
import operator
import re
from dataclasses import dataclass
from typing import ClassVar, SupportsIndex, TypeAlias

__all__ = [
    "INT64_MAX",
    "Address",
    "Choice",
    "Duration",
    "Flag",
    "FlowControl",
    "Integer",
    "Interface",
    "Kind",
    "SessionId",
    "Size",
    "Tags",
    "Value",
]

Value: TypeAlias = int | bool | float | str
"""A parameter's value: lengths in bytes (int), durations in seconds (float), flags (bool), all else as it is."""

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1


class Kind:
    """A kind of value: text without a bar. The other kinds narrow it down."""

    @property
    def expected(self) -> str:
        """What is valid, for messages."""
        return "printable ASCII text without '|'"

    def parse(self, text: str) -> Value:
        """What ``text`` means, such that equal meanings are equal values; ValueError, with what is wrong or empty."""
        # Java encodes channels as ASCII and C ends them at a NUL: anything else would arrive as something else.
        if "|" in text or not all(" " <= character <= "~" for character in text):
            raise ValueError
        return text

    def value(self, text: str) -> Value:
        """What the user sees for ``text``, which is valid."""
        return self.parse(text)

    def format(self, value: object) -> str:
        """The text for a Python value; TypeError or ValueError when there is none. :meth:`parse` checks it later."""
        if isinstance(value, str):
            return value
        raise TypeError


def _integer_text(value: object) -> str:
    if isinstance(value, str):
        return value
    # A bool counts as an integer in Python, but never means one here.
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        return str(operator.index(value))
    raise TypeError


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        return " or ".join(self.words)

    def parse(self, text: str) -> Value:
        if text not in self.words:
            raise ValueError
        return text


@dataclass(frozen=True)
class Flag(Kind):
    """``true`` or ``false``, or one of a few more words."""

    words: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        return " or ".join(("true", "false", *self.words))

    def parse(self, text: str) -> Value:
        if text in self.words:
            return text
        if text not in ("true", "false"):
            raise ValueError
        return text == "true"

    def format(self, value: object) -> str:
        return ("true" if value else "false") if isinstance(value, bool) else super().format(value)


@dataclass(frozen=True)
class Integer(Kind):
    """A decimal number within a range, or one of a few words."""

    lowest: int = -INT32_MAX - 1
    highest: int = INT32_MAX
    multiple_of: int = 1
    words: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        multiple = f"a multiple of {self.multiple_of}" if self.multiple_of > 1 else "a decimal number"
        return " or ".join((f"{multiple} from {self.lowest} to {self.highest}", *self.words))

    def parse(self, text: str) -> Value:
        if text in self.words:
            return text
        # 19 digits hold any 64-bit number, and keep int() from work without bound.
        if not re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text):
            raise ValueError
        number = int(text)
        if not self.lowest <= number <= self.highest or number % self.multiple_of:
            raise ValueError
        return number

    def format(self, value: object) -> str:
        return _integer_text(value)


class SessionId(Integer):
    """A session id, or ``tag:`` and the tag of the publication whose session id it is."""

    @property
    def expected(self) -> str:
        return "a decimal number from -2147483648 to 2147483647, or tag:<number>"

    def parse(self, text: str) -> Value:
        if text.startswith("tag:"):
            Integer(-INT64_MAX - 1, INT64_MAX).parse(text[4:])
            return text
        return super().parse(text)


@dataclass(frozen=True)
class Size(Kind):
    """A length in bytes, with or without one of the suffixes k, m, g."""

    lowest: int = 0
    highest: int = INT32_MAX
    multiple_of: int = 1
    power_of_two: bool = False
    units: ClassVar[dict[str, int]] = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}

    @property
    def expected(self) -> str:
        what = "a length"
        if self.power_of_two:
            what = "a power of two"
        elif self.multiple_of > 1:
            what = f"a multiple of {self.multiple_of}"
        return f"{what} from {self.lowest} to {self.highest} bytes, as a number with or without k, m or g"

    def parse(self, text: str) -> Value:
        found = re.fullmatch(r"(0|[1-9][0-9]{0,18})([kKmMgG]?)", text)
        if not found:
            raise ValueError
        length = int(found[1]) * self.units[found[2].lower()]
        if not self.lowest <= length <= self.highest or length % self.multiple_of:
            raise ValueError
        if self.power_of_two and length & (length - 1):
            raise ValueError
        return length

    def format(self, value: object) -> str:
        return _integer_text(value)


class Duration(Kind):
    """A duration: nanoseconds, or a number with a unit. Compared in nanoseconds, shown in seconds."""

    @property
    def expected(self) -> str:
        return "a whole number with ns, us, ms or s, up to 2**63 - 1 nanoseconds"

    units: ClassVar[dict[str, int]] = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1, "": 1}

    def parse(self, text: str) -> int:
        found = re.fullmatch(r"(0|[1-9][0-9]{0,18})((?:ns|us|ms|s)?)", text, re.IGNORECASE | re.ASCII)
        if not found:
            raise ValueError
        nanoseconds = int(found[1]) * self.units[found[2].lower()]
        if nanoseconds > INT64_MAX:
            raise ValueError
        return nanoseconds

    def value(self, text: str) -> float:
        return self.parse(text) / 10**9

    def format(self, value: object) -> str:
        if isinstance(value, datetime.timedelta):
            nanoseconds = value // datetime.timedelta(microseconds=1) * 1000
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if not math.isfinite(value):
                raise ValueError
            nanoseconds = value * 10**9 if isinstance(value, int) else round(value * 10**9)
        else:
            return super().format(value)
        unit = next(unit for unit, length in self.units.items() if nanoseconds % length == 0)
        return f"{nanoseconds // self.units[unit]}{unit}"


class Tags(Kind):
    """The channel's tag, the tag of the publication or subscription, or both."""

    @property
    def expected(self) -> str:
        return "<channel tag>, <channel tag>,<entity tag> or ,<entity tag>: whole numbers other than -1"

    def parse(self, text: str) -> Value:
        tags = text.split(",")
        if len(tags) > 2 or not tags[-1]:
            raise ValueError
        for tag in filter(None, tags):
            # -1 is what Aeron itself writes for "no tag".
            if Integer(-INT64_MAX - 1, INT64_MAX).parse(tag) == -1:
                raise ValueError
        return text

    def format(self, value: object) -> str:
        if isinstance(value, tuple):
            return ",".join("" if tag is None else _integer_text(tag) for tag in value)
        return _integer_text(value)


class FlowControl(Kind):
    """A flow control strategy with its options, for multicast and multi-destination publications."""

    @property
    def expected(self) -> str:
        return (
            "max, min or tagged, then options: g:<tag>/<group size>, t:<timeout> (not with max), rrwm:<multiple>,"
            " for example min,g:/3,t:5s"
        )

    def parse(self, text: str) -> Value:
        strategy, *options = text.split(",")
        if strategy not in ("max", "min", "tagged"):
            raise ValueError
        for option in options:
            name, _, argument = option.partition(":")
            if name == "rrwm":
                Integer(lowest=1).parse(argument)
            elif name == "t" and strategy != "max":
                Duration().parse(argument)
            elif name == "g" and strategy != "max":
                tag, slash, size = argument.partition("/")
                if tag or not slash:
                    Integer(-INT64_MAX - 1, INT64_MAX).parse(tag)
                if slash:
                    Integer(lowest=0).parse(size)
            else:
                raise ValueError
        return text


def _check_port(port: str) -> None:
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(f"has the port {port[:20]!r}, which must be a number from 0 to 65535")


def _check_ipv6(text: str) -> str:
    """What follows ``[address]`` or ``[address%scope]`` at the beginning of ``text``."""
    found = re.fullmatch(r"\[([^\[\]%]+)(?:%[A-Za-z0-9_.-]+)?\](.*)", text)
    try:
        if found is None:
            raise ValueError
        ipaddress.IPv6Address(found[1])
    except ValueError:
        raise ValueError("has no valid IPv6 address in its brackets") from None
    return found[2]


def _check_host(host: str) -> bool:
    """Whether ``host`` is a name, not an address."""
    # C keeps hosts in 384 bytes.
    if len(host) > 383 or not re.fullmatch(r"[A-Za-z0-9_.-]+", host):
        raise ValueError(f"has the host {host[:100]!r}, which must be letters, digits, '.', '-' and '_'")
    if not re.fullmatch(r"[0-9.]+", host):
        return True
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise ValueError(f"has no valid IPv4 address: {host[:100]}") from None
    return False


class Address(Kind):
    """A host with its port. C crashes on some that are malformed, so they are checked to the last character."""

    @property
    def expected(self) -> str:
        return "host:port, [IPv6 address]:port, or a name that the driver's name resolver knows"

    def parse(self, text: str) -> Value:
        if text.startswith("["):
            rest = _check_ipv6(text)
            if not rest.startswith(":"):
                raise ValueError("has no port: write [address]:port")
            _check_port(rest[1:])
            return text
        if text.count(":") > 1:
            raise ValueError("has more than one colon: write an IPv6 address as [address]:port")
        host, colon, port = text.partition(":")
        is_name = _check_host(host)
        if colon:
            _check_port(port)
        elif not is_name or host == "localhost":
            # Other names stand alone where a name resolver of the driver turns them into host:port.
            raise ValueError("has no port: write host:port, with port 0 for any free one")
        return text


class Interface(Kind):
    """A local network interface, by name or by an address in its subnet."""

    @property
    def expected(self) -> str:
        return "an address with or without :port and /prefix length ([...] around IPv6), or {interface name}"

    def parse(self, text: str) -> Value:
        if text.startswith("{"):
            named = re.fullmatch(r"\{[A-Za-z0-9_.@-]{1,15}\}((?::.*)?)", text)
            if named is None:
                raise ValueError
            if named[1]:
                _check_port(named[1][1:])
            return text
        rest, slash, prefix_length = text.partition("/")
        if slash and (not re.fullmatch(r"[0-9]{1,3}", prefix_length) or int(prefix_length) > 128):
            raise ValueError(f"has the prefix length {prefix_length[:20]!r}, which must be a number from 0 to 128")
        is_ipv6 = rest.startswith("[")
        if is_ipv6:
            after, colon, port = _check_ipv6(rest).partition(":")
            if after:
                raise ValueError
        elif rest.count(":") > 1:
            raise ValueError("has more than one colon: write an IPv6 address as [address]")
        else:
            host, colon, port = rest.partition(":")
            _check_host(host)
        if slash and not is_ipv6 and int(prefix_length) > 32:
            raise ValueError(f"has the prefix length {prefix_length}, which must be a number from 0 to 32")
        if colon:
            _check_port(port)
        return text
