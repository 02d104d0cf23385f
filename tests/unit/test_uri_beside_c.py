"""Channels beside what Aeron's own parser makes of them, and beside the names of Aeron's own sources."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aeron_py import ChannelUri
from aeron_py._ffi import ffi, lib, text
from aeron_py.uri import PARAMETERS, channel_bytes
from tests.sources import aeron_sources
from tests.unit.test_uri import DURATIONS, SIZES, WRITTEN

ROOM = 8192


def formatted(uri: ChannelUri) -> str:
    """A channel that C took apart and put together again."""
    room = ffi.new("char[]", ROOM)
    assert lib.shim_uri_format(channel_bytes(uri), room, ROOM) > 0
    return text(room)


def of_c(uri: ChannelUri, key: str) -> str | None:
    """What C has for a parameter."""
    room = ffi.new("char[]", ROOM)
    found = lib.shim_uri_parameter(channel_bytes(uri), key.encode(), room, ROOM)
    assert found >= 0
    return text(room) if found else None


@given(WRITTEN)
def test_c_puts_the_same_channel_together_again(written: dict[str, str]) -> None:
    uri = ChannelUri("udp", written)
    assert ChannelUri.parse(formatted(uri)) == uri


# C's parser takes these in a value, as Java's does; what C finds parameters with does not.
FINDABLE = WRITTEN.filter(lambda written: not any(set("=?") & set(value) for value in written.values()))


@given(FINDABLE)
def test_c_finds_the_same_parameters(written: dict[str, str]) -> None:
    uri = ChannelUri("udp", written)
    for key in PARAMETERS:
        assert of_c(uri, key) == written.get(key), key


@given(WRITTEN, st.randoms(use_true_random=False))
def test_equal_channels_have_one_canonical_text(written: dict[str, str], random: Any) -> None:
    uri = ChannelUri("udp", written)
    shuffled = list(written.items())
    random.shuffle(shuffled)
    canonical = ChannelUri("udp", dict(shuffled)).canonical
    assert canonical == uri.canonical
    again = ChannelUri.parse(canonical)
    assert again == uri
    assert again.canonical == canonical
    assert ChannelUri.parse(formatted(again)) == uri


def test_canonical_texts() -> None:
    one = ChannelUri.parse("aeron-spy:aeron:udp?linger=5s|endpoint=a:1|term-length=64k|rejoin=true")
    assert one.canonical == "aeron-spy:aeron:udp?endpoint=a:1|linger=5000000000|rejoin=true|term-length=65536"
    assert ChannelUri.ipc().canonical == "aeron:ipc"


@given(SIZES)
def test_a_length_is_what_c_reads(written: str) -> None:
    read = ffi.new("uint64_t *")
    assert lib.shim_uri_size(written.encode(), read) == 0
    assert read[0] == PARAMETERS["so-sndbuf"].kind.parse(written)


@given(DURATIONS)
def test_a_duration_is_what_c_reads(written: str) -> None:
    read = ffi.new("uint64_t *")
    assert lib.shim_uri_duration(written.encode(), read) == 0
    assert read[0] == PARAMETERS["linger"].kind.parse(written)


def test_every_parameter_of_c_and_of_java_is_known() -> None:
    client = aeron_sources() / "aeron-client" / "src" / "main"
    headers = "".join(path.read_text() for path in sorted((client / "c").rglob("*.h")))
    java = (client / "java" / "io" / "aeron" / "CommonContext.java").read_text()
    of_c = set(re.findall(r'#define AERON_(?:URI|UDP_CHANNEL)\w*_KEY "([^"_][^"]*)"', headers))
    of_java = set(re.findall(r'String \w+_PARAM_NAME = "([^"]+)"', java))
    assert len(of_c) > 30 < len(of_java)
    assert of_c | of_java <= set(PARAMETERS)
    # Java's archive and Java's driver name no others; what is left C reads under another macro.
    assert set(PARAMETERS) - of_c - of_java == set()
