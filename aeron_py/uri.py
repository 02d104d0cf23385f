"""Channels: where a stream flows, and how. ``aeron:udp?endpoint=localhost:40123|term-length=64k``.

Whatever goes to C goes through :func:`channel_bytes` first: Aeron ignores what it does not know, so that a typo would
silently mean the default, and its C parser crashes on some malformed channels.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from aeron_py._uri_parameters import CUSTOM_PREFIX, PARAMETERS, Parameter, Value, check_key, parameter_of
from aeron_py.errors import SettingError

__all__ = ["CUSTOM_PREFIX", "PARAMETERS", "ChannelUri", "Parameter", "Value", "channel_bytes"]

IPC = "ipc"
UDP = "udp"
SPY = "aeron-spy"
MAX_LENGTH = 4095
"""The longest channel in characters (``AERON_URI_MAX_LENGTH`` less the NUL)."""

_POSITION = ("init-term-id", "term-id", "term-offset")
_TIMESTAMPS = ("media-rcv-ts-offset", "channel-rcv-ts-offset", "channel-snd-ts-offset")


class ChannelUri:
    """A channel, taken apart. It does not change: :meth:`with_` makes an edited copy.

    Two channels are equal when their parameters mean the same, in any order: ``term-length=64k`` is
    ``term-length=65536``. :meth:`parse` and ``str()`` give back what was written.

    A channel that is not complete, such as ``aeron:udp?mtu=8k`` that lacks an endpoint, can be held and edited:
    :meth:`validate` says what it lacks, and is called before C sees it.

    Args:
        media: ``"ipc"`` or ``"udp"``.
        parameters: values by key, ``{"term-length": 65536}``; see :meth:`with_` for what they may be.
        spy: whether a subscription to it spies on a publication of the same driver (``aeron-spy:``).

    Raises:
        SettingError: an unknown key, or a value that is not valid.

    Aeron: ``ChannelUri``, ``ChannelUriStringBuilder``, ``aeron_uri_parse``.
    """

    __slots__ = ("_media", "_parameters", "_spy")

    _media: str
    _parameters: dict[str, str]
    _spy: bool

    def __init__(self, media: str, parameters: Mapping[str, Any] | None = None, *, spy: bool = False) -> None:
        _check_media(media, spy)
        self._media = media
        self._spy = bool(spy)
        self._parameters = {}
        for key, value in (parameters or {}).items():
            parameter = parameter_of(key)
            if media == IPC and parameter.network_only:
                raise SettingError(f"{key} makes no sense for IPC: use aeron:udp, or leave it out", operation="channel")
            self._parameters[key] = parameter.format(value)
        if len(str(self)) > MAX_LENGTH:
            raise SettingError(
                f"a channel has at most {MAX_LENGTH} characters, this one {len(str(self))}", operation="channel"
            )

    @classmethod
    def parse(cls, text: str) -> ChannelUri:
        """Take a channel apart.

        Args:
            text: ``aeron:ipc``, ``aeron:udp?key=value|key=value``, or ``aeron-spy:`` before the latter.

        Returns:
            The channel; its ``str()`` is ``text``.

        Raises:
            SettingError: not a channel, an unknown or repeated key, or a value that is not valid.
        """
        if not isinstance(text, str):
            raise SettingError(f"a channel must be a str or ChannelUri, not {type(text).__name__}", operation="channel")
        if len(text) > MAX_LENGTH:
            raise SettingError(
                f"a channel has at most {MAX_LENGTH} characters, this one {len(text)}", operation="channel"
            )
        try:
            return cls._parse(text)
        except SettingError as error:
            shown = text if len(text) <= 120 else text[:117] + "..."
            raise SettingError(f"{error.message} (in {shown!r})", operation="channel") from None

    @classmethod
    def _parse(cls, text: str) -> ChannelUri:
        if not all(" " <= character <= "~" for character in text):
            raise SettingError("a channel must be printable ASCII", operation="channel")
        spy = text.startswith(SPY + ":")
        scheme, _, rest = text.removeprefix(SPY + ":").partition(":")
        if scheme != "aeron":
            raise SettingError(
                "a channel begins with aeron:udp?, aeron:ipc or aeron-spy:aeron:udp?", operation="channel"
            )
        media, question_mark, listed = rest.partition("?")
        _check_media(media, spy)
        parameters: dict[str, str] = {}
        for written in listed.split("|") if question_mark else ():
            key, equals, value = written.partition("=")
            if not written:
                raise SettingError("a parameter is missing after '?' or '|': remove the mark", operation="channel")
            if not equals:
                raise SettingError(f"{written[:100]!r} is not a key=value parameter", operation="channel")
            check_key(key)
            if key in parameters:
                raise SettingError(f"{key} stands twice: keep one", operation="channel")
            parameters[key] = value
        return cls(media, parameters, spy=spy)

    @classmethod
    def ipc(cls, **parameters: Any) -> ChannelUri:
        """An IPC channel, over shared memory. Keywords as in :meth:`with_`."""
        return cls(IPC).with_(**parameters)

    @classmethod
    def udp(cls, endpoint: str | None = None, **parameters: Any) -> ChannelUri:
        """A UDP channel.

        Args:
            endpoint: ``"host:port"``; None for a channel that has ``control`` or ``tags`` instead.
            parameters: as in :meth:`with_`.
        """
        return cls(UDP).with_(endpoint=endpoint, **parameters)

    @property
    def media(self) -> str:
        """``"ipc"`` or ``"udp"``."""
        return self._media

    @property
    def prefix(self) -> str:
        """``"aeron-spy"`` or empty."""
        return SPY if self._spy else ""

    @property
    def is_spy(self) -> bool:
        """Whether a subscription to it spies on a publication of the same driver."""
        return self._spy

    @property
    def parameters(self) -> Mapping[str, str]:
        """What was written, by key and in its order; read-only."""
        return MappingProxyType(self._parameters)

    def __getitem__(self, key: str) -> str:
        check_key(key)
        return self._parameters[key]

    def __contains__(self, key: object) -> bool:
        return key in self._parameters

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def get(self, key: str, default: str | None = None) -> str | None:
        """What was written for ``key``, or ``default`` when it is not there.

        Raises:
            SettingError: no such parameter exists.
        """
        check_key(key)
        return self._parameters.get(key, default)

    def value(self, key: str, default: Value | None = None) -> Value | None:
        """What the parameter means.

        Args:
            key: as written in a channel, ``"term-length"``.
            default: for when it is not there; Aeron's own default is up to the driver.

        Returns:
            Lengths in bytes and numbers (int), flags (bool), durations in seconds (float), all else as written.

        Raises:
            SettingError: no such parameter exists.
        """
        parameter = parameter_of(key)
        text = self._parameters.get(key)
        return default if text is None else parameter.kind.value(text)

    def with_(self, **parameters: Any) -> ChannelUri:
        """A copy with other parameters.

        Args:
            parameters: by key with ``_`` for ``-``: a str as it stands in a channel, or a Python value: int for numbers
                and lengths in bytes, bool for flags, seconds or a ``timedelta`` for durations, an int or a pair for
                ``tags``. None removes the parameter.

        Returns:
            The edited channel; what was there keeps its place.

        Raises:
            SettingError: an unknown key, or a value that is not valid.
        """
        edited: dict[str, Any] = dict(self._parameters)
        for name, value in parameters.items():
            key = name.replace("_", "-")
            check_key(key)
            if value is None:
                edited.pop(key, None)
            else:
                edited[key] = value
        return ChannelUri(self._media, edited, spy=self._spy)

    def as_spy(self) -> ChannelUri:
        """The channel for a subscription that spies on this one."""
        return ChannelUri(self._media, self._parameters, spy=True)

    def with_initial_position(self, position: int, initial_term_id: int, term_length: int) -> ChannelUri:
        """A copy for an exclusive publication that begins at a position, for example where a recording stopped.

        Args:
            position: in bytes from the beginning of the stream, a multiple of 32.
            initial_term_id: the stream's first term id, as the recording has it.
            term_length: in bytes, as the recording has it.

        Returns:
            The channel with ``init-term-id``, ``term-id``, ``term-offset`` and ``term-length``.

        Raises:
            SettingError: a position that is negative or not aligned, or another value that is not valid.

        Aeron: ``ChannelUriStringBuilder.initialPosition``.
        """
        PARAMETERS["term-length"].format(term_length)
        if position < 0 or position % 32 or position // term_length >= 2**31:
            raise SettingError(
                f"position {position} must be a multiple of 32, from 0 to below 2**31 terms", operation="channel"
            )
        # Term ids are int32 and wrap around.
        term_id = (position // term_length + initial_term_id + 2**31) % 2**32 - 2**31
        return self.with_(
            term_length=term_length,
            init_term_id=initial_term_id,
            term_id=term_id,
            term_offset=position % term_length,
        )

    def validate(self) -> ChannelUri:
        """Check that the parameters go together, and that none is missing.

        Returns:
            This channel.

        Raises:
            SettingError: it says which parameter is missing or in the way.

        Aeron: ``ChannelUriStringBuilder.validate``, and what the C driver checks besides.
        """
        problem = self._problem()
        if problem:
            shown = str(self) if len(str(self)) <= 120 else str(self)[:117] + "..."
            raise SettingError(f"{problem} (in {shown!r})", operation="channel")
        return self

    def _problem(self) -> str:
        if self._media == UDP:
            mode = self.get("control-mode")
            if mode == "dynamic" and "control" not in self:
                return "control-mode=dynamic needs control=host:port"
            if mode not in ("manual", "response") and not {"endpoint", "control", "tags"} & self._parameters.keys():
                return "a UDP channel needs endpoint=host:port, or control, tags or control-mode=manual"

        length, window = self._number("term-length"), self._number("pub-wnd")
        missing = [key for key in _POSITION if key not in self]
        if 0 < len(missing) < len(_POSITION):
            return f"{', '.join(_POSITION)} go together: {' and '.join(missing)} is missing"
        if not missing:
            initial_term_id, term_id, term_offset = (self._number(key) or 0 for key in _POSITION)
            if (term_id - initial_term_id) % 2**32 >= 2**31:
                return f"term-id={term_id} is before init-term-id={initial_term_id}"
            if length is not None and term_offset > length:
                return f"term-offset={term_offset} is beyond term-length={length}"

        if window is not None:
            if length is not None and window > length // 2:
                return f"pub-wnd={window} is more than half of term-length={length}"
            mtu = self._number("mtu")
            if mtu is not None and window < mtu:
                return f"pub-wnd={window} is less than mtu={mtu}"

        # The reserved value lies eight bytes before the message.
        offsets = [
            (key, -8 if self[key] == "reserved" else self._number(key) or 0) for key in _TIMESTAMPS if key in self
        ]
        for index, (key, offset) in enumerate(offsets):
            for other, other_offset in offsets[:index]:
                if abs(offset - other_offset) < 8:
                    return f"{key} and {other} overlap: a timestamp takes 8 bytes"
        return ""

    def _number(self, key: str) -> int | None:
        value = self.value(key)
        return value if isinstance(value, int) else None

    @property
    def canonical(self) -> str:
        """The one text that all channels equal to this one have: keys in order, bytes, nanoseconds.

        For keys and comparisons elsewhere; Aeron takes it as the same channel.
        """
        spy, media, meant = self._meaning()
        texts = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in meant}
        listed = "|".join(f"{key}={texts[key]}" for key in sorted(texts))
        return f"{SPY + ':' if spy else ''}aeron:{media}{'?' if listed else ''}{listed}"

    def _meaning(self) -> tuple[bool, str, frozenset[tuple[str, Value]]]:
        meant = ((key, parameter_of(key).kind.parse(text)) for key, text in self._parameters.items())
        return self._spy, self._media, frozenset(meant)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChannelUri):
            return NotImplemented
        return self._meaning() == other._meaning()

    def __hash__(self) -> int:
        return hash(self._meaning())

    def __str__(self) -> str:
        listed = "|".join(f"{key}={text}" for key, text in self._parameters.items())
        return f"{SPY + ':' if self._spy else ''}aeron:{self._media}{'?' if listed else ''}{listed}"

    def __repr__(self) -> str:
        return f"ChannelUri.parse({str(self)!r})"


def _check_media(media: str, spy: bool) -> None:
    if media not in (IPC, UDP):
        near = difflib.get_close_matches(str(media), (IPC, UDP), n=1)
        advice = f"did you mean {near[0]}?" if near else "it must be udp or ipc"
        raise SettingError(f"the media {media!r:.100} is not Aeron's: {advice}", operation="channel")
    if spy and media == IPC:
        raise SettingError("IPC needs no spy: subscribe to aeron:ipc itself", operation="channel")


def channel_bytes(channel: str | ChannelUri) -> bytes:
    """A channel as C takes it, checked whole.

    Args:
        channel: what the user wrote.

    Returns:
        The same text in ASCII, without a NUL at its end.

    Raises:
        SettingError: it is not a channel, or not a complete one; the message says what to change.
    """
    uri = channel if isinstance(channel, ChannelUri) else ChannelUri.parse(channel)
    uri.validate()
    return str(uri).encode("ascii")
