"""Channels: what is taken apart comes back as it was, and what is wrong is named before C sees it."""

import copy
import datetime
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeron_py.errors import SettingError
from aeron_py.uri import PARAMETERS, ChannelUri, channel_bytes

GOOD = [
    "aeron:ipc",
    "aeron:ipc?term-length=64k",
    "aeron:ipc?alias=pubsub:camera/front",
    "aeron:ipc?alias=with spaces, = ? & signs",
    "aeron:ipc?control-mode=response",
    "aeron:ipc?session-id=-5|alias=a",
    "aeron:ipc?tags=1,2",
    "aeron:ipc?tags=,2",
    "aeron:ipc?x-owner=me",
    "aeron:udp?endpoint=localhost:40123",
    "aeron:udp?endpoint=localhost:0",
    "aeron:udp?endpoint=192.168.0.1:65535|interface=192.168.0.0/24",
    "aeron:udp?endpoint=[::1]:40123",
    "aeron:udp?endpoint=[fe80::1%eth0]:40123|interface=[fe80::1%eth0]/64",
    "aeron:udp?endpoint=224.20.30.39:24326|interface=localhost|ttl=16",
    "aeron:udp?endpoint=[ff02::1]:24326|interface={eth0}",
    "aeron:udp?endpoint=some_host-1.example.com:1|interface=localhost:40123/29",
    "aeron:udp?endpoint=node0",
    "aeron:udp?control=localhost:40123|control-mode=dynamic|fc=max,rrwm:4",
    "aeron:udp?control-mode=manual",
    "aeron:udp?control-mode=response|control=localhost:10002|response-correlation-id=prototype",
    "aeron:udp?endpoint=a:1|response-correlation-id=77|response-endpoint=a:2",
    "aeron:udp?tags=1001",
    "aeron:udp?endpoint=a:1|session-id=tag:1001",
    "aeron:udp?endpoint=a:1|fc=tagged,g:-5/3,t:5s|gtag=-5",
    "aeron:udp?endpoint=a:1|fc=min,g:/3",
    "aeron:udp?endpoint=a:1|fc=min",
    "aeron:udp?endpoint=a:1|cc=cubic|group=infer|rejoin=false|reliable=false|tether=false",
    "aeron:udp?endpoint=a:1|mtu=65504|term-length=1g|so-sndbuf=2m|so-rcvbuf=2M|rcv-wnd=128K|pub-wnd=64k",
    "aeron:udp?endpoint=a:1|linger=0|nak-delay=200us|untethered-window-limit-timeout=5S",
    "aeron:udp?endpoint=a:1|untethered-linger-timeout=10s|untethered-resting-timeout=10000000000ns",
    "aeron:udp?endpoint=a:1|media-rcv-ts-offset=reserved|channel-rcv-ts-offset=0|channel-snd-ts-offset=8",
    "aeron:udp?endpoint=a:1|init-term-id=2147483647|term-id=-2147483648|term-offset=64|term-length=64k",
    "aeron:udp?endpoint=a:1|max-resend=256|stream-id=-1|ssc=true|eos=false|sparse=true|ats=true",
    "aeron-spy:aeron:udp?endpoint=localhost:40123",
]


@pytest.mark.parametrize("channel", GOOD)
def test_good_channels_pass_unchanged(channel: str) -> None:
    uri = ChannelUri.parse(channel)
    assert str(uri) == channel
    assert channel_bytes(channel) == channel_bytes(uri) == channel.encode()
    assert ChannelUri.parse(str(uri)) == uri
    assert copy.deepcopy(uri) == pickle.loads(pickle.dumps(uri)) == uri


# What is wrong, and words that the message must have.
BAD: list[tuple[Any, str]] = [
    # not a channel at all
    (None, "NoneType"),
    (b"aeron:ipc", "bytes"),
    (5, "int"),
    ("", "begins with aeron:"),
    ("aeron", "udp or ipc"),
    ("ipc", "begins with aeron:"),
    ("udp?endpoint=a:1", "begins with aeron:"),
    ("AERON:ipc", "begins with aeron:"),
    (" aeron:ipc", "begins with aeron:"),
    ("aeron-spy:", "begins with aeron:"),
    ("aeron-spy:udp?endpoint=a:1", "begins with aeron:"),
    ("aeron-spy:aeron-spy:aeron:udp?endpoint=a:1", "begins with aeron:"),
    ("aeron:", "udp or ipc"),
    ("aeron:upd?endpoint=a:1", "did you mean udp"),
    ("aeron:tcp?endpoint=a:1", "udp or ipc"),
    ("aeron:IPC", "udp or ipc"),
    ("aeron:ipc,", "did you mean ipc"),
    ("aeron:udp://localhost:40123", "udp or ipc"),
    ("aeron:udp:endpoint=a:1", "udp or ipc"),
    ("aeron-spy:aeron:ipc", "needs no spy"),
    # characters and length
    ("aeron:ipc?alias=a\0b", "printable ASCII"),
    ("aeron:ipc\0", "printable ASCII"),
    ("aeron:ipc?alias=a\nb", "printable ASCII"),
    ("aeron:ipc?alias=caf\u00e9", "printable ASCII"),
    ("aeron:ipc?alias=\udc80", "printable ASCII"),
    ("aeron:ipc?alias=" + "a" * 4080, "4095"),
    # the shape of parameters
    ("aeron:ipc?", "missing"),
    ("aeron:udp?|endpoint=a:1", "missing"),
    ("aeron:udp?endpoint=a:1|", "missing"),
    ("aeron:udp?endpoint=a:1||mtu=1408", "missing"),
    ("aeron:udp?endpoint", "key=value"),
    ("aeron:udp?=a:1", "not a channel parameter"),
    ("aeron:udp?endpoint=", "no value"),
    ("aeron:udp?endpoint=|mtu=1408", "no value"),
    ("aeron:udp?tags=", "no value"),
    ("aeron:ipc?tags=", "no value"),
    ("aeron:ipc?alias=", "no value"),
    ("aeron:ipc?mtu=1408|mtu=1408", "twice"),
    ("aeron:udp?endpoint=a:1&mtu=1408", "separated by '|'"),
    ("aeron:udp?endpoint=a:1?mtu=1408", "separated by '|'"),
    # keys
    ("aeron:ipc?term-lenght=64k", "did you mean term-length"),
    ("aeron:ipc?term_length=64k", "did you mean term-length"),
    ("aeron:ipc?Term-Length=64k", "did you mean term-length"),
    ("aeron:ipc? mtu=1408", "did you mean mtu"),
    ("aeron:ipc?term-buffer-length=64k", "did you mean term-length"),
    ("aeron:ipc?sessionid=5", "did you mean session-id"),
    ("aeron:ipc?spies-simulate-connection=true", "did you mean ssc"),
    ("aeron:ipc?flow-control=max", "did you mean fc"),
    ("aeron:udp?port=40123", "did you mean endpoint"),
    ("aeron:ipc?quantum=5", "begins with 'x-'"),
    ("aeron:ipc?x-=5", "not a channel parameter"),
    ("aeron:ipc?x-a b=5", "not a channel parameter"),
    # addresses
    ("aeron:udp?endpoint=localhost", "has no port"),
    ("aeron:udp?endpoint=192.168.0.1", "has no port"),
    ("aeron:udp?endpoint=[::1]", "has no port"),
    ("aeron:udp?endpoint=localhost:", "port ''"),
    ("aeron:udp?endpoint=localhost:http", "port 'http'"),
    ("aeron:udp?endpoint=localhost:65536", "65535"),
    ("aeron:udp?endpoint=localhost:-1", "65535"),
    ("aeron:udp?endpoint=:40123", "host ''"),
    ("aeron:udp?endpoint=%[]:1", "host"),
    ("aeron:udp?endpoint=[]:1", "IPv6"),
    ("aeron:udp?endpoint=[%]:1", "IPv6"),
    ("aeron:udp?endpoint=[::1%]:1", "IPv6"),
    ("aeron:udp?endpoint=[::1:40123", "IPv6"),
    ("aeron:udp?endpoint=[localhost]:1", "IPv6"),
    ("aeron:udp?endpoint=[::1]]:1", "has no port"),
    ("aeron:udp?endpoint=[::1]40123", "has no port"),
    ("aeron:udp?endpoint=::1:40123", "more than one colon"),
    ("aeron:udp?endpoint=a:1:2", "more than one colon"),
    ("aeron:udp?endpoint=256.0.0.1:1", "IPv4"),
    ("aeron:udp?endpoint=127.1:1", "IPv4"),
    ("aeron:udp?endpoint=a b:1", "host"),
    ("aeron:udp?endpoint=a/b:1", "host"),
    ("aeron:udp?endpoint=" + "a" * 384 + ":1", "host"),
    ("aeron:udp?control=localhost", "has no port"),
    ("aeron:udp?endpoint=a:1|interface=127.0.0.1/33", "prefix length"),
    ("aeron:udp?endpoint=a:1|interface=127.0.0.1/", "prefix length"),
    ("aeron:udp?endpoint=a:1|interface=[::1]/129", "prefix length"),
    ("aeron:udp?endpoint=a:1|interface=[::1]x:5", "around IPv6"),
    ("aeron:udp?endpoint=a:1|interface=::1", "more than one colon"),
    ("aeron:udp?endpoint=a:1|interface={eth0", "interface name"),
    ("aeron:udp?endpoint=a:1|interface={}", "interface name"),
    ("aeron:udp?endpoint=a:1|interface=%[]", "host"),
    # values
    ("aeron:ipc?term-length=100000", "power of two"),
    ("aeron:ipc?term-length=32k", "65536"),
    ("aeron:ipc?term-length=2g", "1073741824"),
    ("aeron:ipc?term-length=64kb", "k, m or g"),
    ("aeron:ipc?term-length=64 k", "k, m or g"),
    ("aeron:ipc?term-length=0x10000", "power of two"),
    ("aeron:ipc?term-length=-65536", "power of two"),
    ("aeron:ipc?term-length=" + "9" * 4000, "power of two"),
    ("aeron:ipc?mtu=1400", "multiple of 32"),
    ("aeron:ipc?mtu=32", "64"),
    ("aeron:ipc?mtu=65536", "65504"),
    ("aeron:udp?endpoint=a:1|so-sndbuf=2g", "2147483647"),
    ("aeron:ipc?session-id=2147483648", "2147483647"),
    ("aeron:ipc?session-id=0x10", "decimal"),
    ("aeron:ipc?session-id=010", "decimal"),
    ("aeron:ipc?session-id=+5", "decimal"),
    ("aeron:ipc?session-id=1.5", "decimal"),
    ("aeron:ipc?session-id=1_000", "decimal"),
    ("aeron:ipc?session-id=tag:", "tag:<number>"),
    ("aeron:ipc?session-id=tag:x", "tag:<number>"),
    ("aeron:udp?endpoint=a:1|ttl=256", "255"),
    ("aeron:udp?endpoint=a:1|reliable=yes", "true or false"),
    ("aeron:udp?endpoint=a:1|reliable=TRUE", "true or false"),
    ("aeron:udp?endpoint=a:1|reliable=truely", "true or false"),
    ("aeron:udp?endpoint=a:1|group=maybe", "infer"),
    ("aeron:udp?endpoint=a:1|control-mode=automatic", "manual or dynamic or response"),
    ("aeron:udp?endpoint=a:1|cc=reno", "static or cubic"),
    ("aeron:udp?endpoint=a:1|fc=pref", "max, min or tagged"),
    ("aeron:udp?endpoint=a:1|fc=max,g:1", "not with max"),
    ("aeron:udp?endpoint=a:1|fc=min,g:", "max, min or tagged"),
    ("aeron:udp?endpoint=a:1|fc=min,t:5h", "max, min or tagged"),
    ("aeron:udp?endpoint=a:1|fc=min,rrwm:0", "max, min or tagged"),
    ("aeron:udp?endpoint=a:1|fc=min,", "max, min or tagged"),
    ("aeron:udp?endpoint=a:1|linger=5m", "ns, us, ms or s"),
    ("aeron:udp?endpoint=a:1|linger=5sec", "ns, us, ms or s"),
    ("aeron:udp?endpoint=a:1|linger=-5s", "ns, us, ms or s"),
    ("aeron:udp?endpoint=a:1|linger=0.5s", "ns, us, ms or s"),
    ("aeron:udp?endpoint=a:1|linger=9223372037s", "ns, us, ms or s"),
    ("aeron:udp?endpoint=a:1|tags=-1", "other than -1"),
    ("aeron:udp?endpoint=a:1|tags=1,", "channel tag"),
    ("aeron:udp?endpoint=a:1|tags=1,2,3", "channel tag"),
    ("aeron:udp?endpoint=a:1|max-resend=0", "from 1 to 256"),
    ("aeron:udp?endpoint=a:1|channel-rcv-ts-offset=-8", "reserved"),
    ("aeron:udp?endpoint=a:1|response-correlation-id=-2", "prototype"),
    ("aeron:udp?endpoint=a:1|term-offset=33", "multiple of 32"),
    # what does not go together
    ("aeron:udp", "needs endpoint"),
    ("aeron:udp?mtu=1408", "needs endpoint"),
    ("aeron:udp?endpoint=a:1|control-mode=dynamic", "needs control"),
    ("aeron:ipc?endpoint=a:1", "no sense for IPC"),
    ("aeron:ipc?interface=localhost", "no sense for IPC"),
    ("aeron:ipc?init-term-id=0", "term-offset"),
    ("aeron:ipc?init-term-id=0|term-id=0", "term-offset is missing"),
    ("aeron:ipc?init-term-id=1|term-id=0|term-offset=0", "before init-term-id"),
    ("aeron:ipc?init-term-id=0|term-id=0|term-offset=131072|term-length=64k", "beyond term-length"),
    ("aeron:ipc?pub-wnd=64k|term-length=64k", "more than half"),
    ("aeron:ipc?pub-wnd=1024|mtu=1408", "less than mtu"),
    ("aeron:udp?endpoint=a:1|channel-rcv-ts-offset=0|channel-snd-ts-offset=7", "overlap"),
    ("aeron:udp?endpoint=a:1|media-rcv-ts-offset=reserved|channel-snd-ts-offset=reserved", "overlap"),
]


@pytest.mark.parametrize(("channel", "words"), BAD, ids=[repr(channel)[:60] for channel, _ in BAD])
def test_bad_channels_say_what_is_wrong(channel: Any, words: str) -> None:
    with pytest.raises(SettingError) as caught:
        channel_bytes(channel)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 600
    assert "SettingError" not in str(caught.value)


def test_an_incomplete_channel_can_be_held_and_completed() -> None:
    template = ChannelUri.parse("aeron:udp?term-length=64k")
    with pytest.raises(SettingError, match="needs endpoint"):
        template.validate()
    assert channel_bytes(template.with_(endpoint="a:1")) == b"aeron:udp?term-length=64k|endpoint=a:1"


def test_every_parameter_has_a_meaning_and_no_two_share_a_name() -> None:
    names = [name for parameter in PARAMETERS.values() for name in (parameter.key, *parameter.also)]
    assert len(names) == len(set(names))
    for key, parameter in PARAMETERS.items():
        assert parameter.key == key
        assert parameter.meaning
        assert parameter.kind.expected


def test_no_key_begins_with_another_that_c_looks_up() -> None:
    # C finds a parameter by the beginning of its key; those it compares whole are exempt.
    looked_up = PARAMETERS.keys() - {"endpoint", "interface", "ttl", "control", "control-mode", "tags"}
    clashes = [(key, other) for key in looked_up for other in looked_up if key != other and other.startswith(key)]
    assert clashes == []


@pytest.mark.parametrize(
    ("key", "written", "means"),
    [
        ("term-length", "64k", 65536),
        ("mtu", "8K", 8192),
        ("so-rcvbuf", "2m", 2 * 1024 * 1024),
        ("linger", "500ms", 0.5),
        ("linger", "5", 5e-9),
        ("nak-delay", "60us", 6e-5),
        ("reliable", "false", False),
        ("group", "infer", "infer"),
        ("session-id", "-7", -7),
        ("session-id", "tag:7", "tag:7"),
        ("response-correlation-id", "prototype", "prototype"),
        ("channel-rcv-ts-offset", "16", 16),
        ("tags", "1,2", "1,2"),
        ("alias", "true", "true"),
        ("x-mine", "5", "5"),
    ],
)
def test_values_have_types(key: str, written: str, means: object) -> None:
    uri = ChannelUri("udp", {key: written})
    assert uri[key] == uri.get(key) == written
    assert uri.value(key) == means
    assert type(uri.value(key)) is type(means)


def test_absent_parameters() -> None:
    uri = ChannelUri.parse("aeron:ipc")
    assert uri.get("mtu") is None
    assert uri.get("mtu", "1408") == "1408"
    assert uri.value("mtu") is None
    assert uri.value("mtu", 1408) == 1408
    assert "mtu" not in uri
    with pytest.raises(KeyError):
        uri["mtu"]


@pytest.mark.parametrize("read", [ChannelUri.__getitem__, ChannelUri.get, ChannelUri.value])
def test_reading_a_misspelt_key_is_an_error(read: Any) -> None:
    with pytest.raises(SettingError, match="did you mean mtu"):
        read(ChannelUri.parse("aeron:ipc?mtu=1408"), "mtuu")


@pytest.mark.parametrize(
    ("parameters", "written"),
    [
        ({"term_length": 65536}, "term-length=65536"),
        ({"term_length": "64k"}, "term-length=64k"),
        ({"session_id": -5}, "session-id=-5"),
        ({"session_id": "tag:5"}, "session-id=tag:5"),
        ({"ssc": True}, "ssc=true"),
        ({"group": False}, "group=false"),
        ({"linger": 5}, "linger=5s"),
        ({"linger": 0.25}, "linger=250ms"),
        ({"linger": 0}, "linger=0s"),
        ({"nak_delay": 1e-9}, "nak-delay=1ns"),
        ({"linger": datetime.timedelta(microseconds=1500)}, "linger=1500us"),
        ({"tags": 7}, "tags=7"),
        ({"tags": (7, 8)}, "tags=7,8"),
        ({"tags": (None, 8)}, "tags=,8"),
        ({"channel_rcv_ts_offset": "reserved"}, "channel-rcv-ts-offset=reserved"),
        ({"alias": "a=b"}, "alias=a=b"),
        ({"x_mine": "5"}, "x-mine=5"),
    ],
)
def test_python_values_are_written_as_aeron_reads_them(parameters: dict[str, Any], written: str) -> None:
    assert str(ChannelUri.ipc(**parameters)) == f"aeron:ipc?{written}"


@pytest.mark.parametrize(
    "parameters",
    [
        {"session_id": True},
        {"session_id": 2**31},
        {"session_id": 1.5},
        {"session_id": object()},
        {"reliable": 1},
        {"linger": True},
        {"linger": -1},
        {"linger": float("nan")},
        {"linger": float("inf")},
        {"linger": datetime.timedelta(seconds=-1)},
        {"linger": 1e30},
        {"mtu": 10**5000},
        {"alias": 5},
        {"alias": "a|mtu=1408"},
        {"alias": ""},
        {"alias": "\u00e9"},
        {"tags": (1, 2, 3)},
        {"tags": ()},
        {"endpoint": "a:1"},
        {"termlength": 65536},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_useless_python_values_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        ChannelUri.ipc(**parameters)


def test_editing_makes_a_copy_and_keeps_the_order() -> None:
    uri = ChannelUri.udp("localhost:40123", mtu=1408, alias="a")
    edited = uri.with_(mtu=8192, alias=None, term_length="64k")
    assert str(uri) == "aeron:udp?endpoint=localhost:40123|mtu=1408|alias=a"
    assert str(edited) == "aeron:udp?endpoint=localhost:40123|mtu=8192|term-length=64k"
    assert uri.with_(ttl=None) == uri
    with pytest.raises(TypeError):
        uri.parameters["mtu"] = "64"  # type: ignore[index]


def test_spies() -> None:
    uri = ChannelUri.udp("localhost:40123")
    spy = uri.as_spy()
    assert str(spy) == "aeron-spy:aeron:udp?endpoint=localhost:40123"
    assert (spy.is_spy, spy.prefix, spy.media) == (True, "aeron-spy", "udp")
    assert (uri.is_spy, uri.prefix) == (False, "")
    assert spy != uri
    assert spy.with_(mtu=1408).is_spy
    with pytest.raises(SettingError, match="needs no spy"):
        ChannelUri.ipc().as_spy()


def test_equality_is_about_meaning() -> None:
    one = ChannelUri.parse("aeron:udp?endpoint=a:1|term-length=64k|linger=5s")
    two = ChannelUri.parse("aeron:udp?linger=5000ms|term-length=65536|endpoint=a:1")
    assert one == two
    assert hash(one) == hash(two)
    assert one != two.with_(linger="6s")
    assert one != str(one)
    assert ChannelUri.ipc() != ChannelUri.udp()
    assert repr(one) == f"ChannelUri.parse({str(one)!r})"


@pytest.mark.parametrize(
    ("position", "initial_term_id", "term_id", "offset"),
    [(0, 7, 7, 0), (65536 + 96, 7, 8, 96), (65536, 2**31 - 1, -(2**31), 0)],
)
def test_initial_position(position: int, initial_term_id: int, term_id: int, offset: int) -> None:
    uri = ChannelUri.ipc().with_initial_position(position, initial_term_id, 65536).validate()
    assert (uri.value("term-id"), uri.value("term-offset")) == (term_id, offset)
    assert (uri.value("init-term-id"), uri.value("term-length")) == (initial_term_id, 65536)


@pytest.mark.parametrize(("position", "term_length"), [(-32, 65536), (33, 65536), (0, 1000), (0, 0), (2**47, 65536)])
def test_initial_positions_that_cannot_be(position: int, term_length: int) -> None:
    with pytest.raises(SettingError):
        ChannelUri.ipc().with_initial_position(position, 0, term_length)


# --- any input ---

SIZES = st.builds(lambda number, unit: f"{number}{unit}", st.integers(0, 1000), st.sampled_from(["", "k", "K", "m"]))
DURATIONS = st.builds(
    lambda number, unit: f"{number}{unit}", st.integers(0, 10**6), st.sampled_from(["", "ns", "us", "ms", "s", "MS"])
)
FLAGS = st.sampled_from(["true", "false"])
INT32 = st.integers(-(2**31), 2**31 - 1).map(str)
PORTS = st.integers(0, 65535)
HOSTS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{2,5})?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
ADDRESSES = st.builds(lambda host, port: f"{host}:{port}", HOSTS, PORTS)
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="|"), min_size=1, max_size=30)
WRITTEN = st.fixed_dictionaries(
    {"endpoint": ADDRESSES},
    optional={
        "alias": TEXTS,
        "x-custom": TEXTS,
        "control": ADDRESSES,
        "session-id": st.one_of(INT32, INT32.map("tag:{}".format)),
        "stream-id": INT32,
        "so-sndbuf": SIZES,
        "rcv-wnd": SIZES,
        "linger": DURATIONS,
        "nak-delay": DURATIONS,
        "sparse": FLAGS,
        "rejoin": FLAGS,
        "ttl": st.integers(0, 255).map(str),
        "mtu": st.integers(2, 2047).map(lambda number: str(number * 32)),
        "term-length": st.integers(16, 30).map(lambda bits: str(1 << bits)),
    },
)


@given(WRITTEN, st.randoms(use_true_random=False))
def test_round_trip_in_any_order(written: dict[str, str], random: Any) -> None:
    uri = ChannelUri("udp", written)
    assert dict(uri.parameters) == written
    assert ChannelUri.parse(str(uri)) == uri
    assert channel_bytes(str(uri)) == str(uri).encode()

    shuffled = list(written.items())
    random.shuffle(shuffled)
    other = ChannelUri("udp", dict(shuffled))
    assert other == uri
    assert hash(other) == hash(uri)


@given(WRITTEN)
def test_what_a_value_means_can_be_written_again(written: dict[str, str]) -> None:
    uri = ChannelUri("udp", written)
    assert ChannelUri("udp", {key: uri.value(key) for key in uri}) == uri


@given(st.one_of(st.text(), st.text("aeronudpic:?|=[]%,-spytagm0123456789", max_size=60).map("aeron:udp?".__add__)))
def test_any_text_passes_unchanged_or_is_a_setting_error(text: str) -> None:
    try:
        raw = channel_bytes(text)
    except SettingError:
        return
    assert raw == text.encode("ascii")


@given(
    st.sampled_from(sorted(PARAMETERS)),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.tuples(st.integers())),
)
def test_any_python_value_is_written_or_is_a_setting_error(key: str, value: Any) -> None:
    try:
        uri = ChannelUri.udp(**{key.replace("-", "_"): value})
    except SettingError:
        return
    assert ChannelUri.parse(str(uri)) == uri
