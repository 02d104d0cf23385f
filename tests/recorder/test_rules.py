"""Which streams the rules name: the table of the logger's documentation, its example, and what else a topic may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeron_py.errors import SettingError
from aeron_py.recorder.names import PROTOCOLS, TopicName
from aeron_py.recorder.rules import Rule, Rules, matches

DOCUMENTED = [
    ("foo", "foo", True),
    ("foo", "foo2", False),
    ("foo", "foo/bar", False),
    ("foo", "bar/foo", False),
    ("foo*", "foo", True),
    ("foo*", "foo2", True),
    ("foo*", "foo/bar", False),
    ("foo*", "bar/foo", False),
    ("*", "foo", True),
    ("*", "foo2", True),
    ("*", "foo/bar", False),
    ("*", "bar/foo", False),
    ("*/*", "foo/bar", True),
    ("*/*", "foo", False),
    ("*/*", "foo2", False),
    ("*/*", "a/b/c", False),
    ("**/*", "foo", True),
    ("**/*", "foo/bar", True),
    ("**/*", "a/b/c", True),
    # The recorder's.
    ("/tmp/**", "/tmp/x", True),
    ("/tmp/**", "/tmp/x/y/z", True),
    ("/tmp/**", "/other/x", False),
]
OTHERS = [
    ("**", "foo", True),
    ("**", "a/b/c", True),
    ("a/**/z", "a/z", True),
    ("a/**/z", "a/b/c/z", True),
    ("a/**/z", "b/z", False),
    ("*", ".hidden", True),
    ("**/*", "a/.hidden", True),
    ("camera_?", "camera_1", True),
    ("camera_?", "camera_10", False),
    ("camera_[12]", "camera_1", True),
    ("camera_[12]", "camera_3", False),
    ("camera_[12]", "camera_[12]", True),
    ("Foo", "foo", False),
    ("foo.bar", "fooxbar", False),
    ("localhost:*/10", "localhost:40123/10", True),
    ("ipc/*", "ipc/-5", True),
    ("{a,b}", "a", False),
]


@pytest.mark.parametrize(("pattern", "topic", "matched"), DOCUMENTED + OTHERS)
def test_a_glob_matches_what_is_documented(pattern: str, topic: str, matched: bool) -> None:
    assert matches(pattern, topic) is matched
    assert Rule(topic=pattern).matches(TopicName("pubsub", topic)) is matched


@given(st.sampled_from(["**/*", "**"]), st.text())
def test_everything_is_everything(pattern: str, topic: str) -> None:
    assert matches(pattern, topic)


@given(st.text(st.characters(exclude_characters="/"), min_size=1))
def test_a_topic_matches_itself_whatever_it_is(topic: str) -> None:
    assert matches(topic, topic)


# The logger's example, as far as its policies go here.
EXAMPLE = Rules(
    [
        Rule(protocol="log", topic="**/*"),
        Rule(protocol="cfg", topic="**/*"),
        Rule(protocol="pubsub", topic="logkeep/*"),
        Rule(protocol="pubsub", topic="camera_*", policy="drop_all"),
        Rule(protocol="pubsub", topic="imu_*", policy="drop_all"),
        Rule(protocol="pubsub", topic="**/*"),
    ]
)
CHOSEN = [
    ("log", "app", 0, True),
    ("log", "camera_1", 0, True),
    ("cfg", "a/b", 1, True),
    ("pubsub", "logkeep/x", 2, True),
    ("pubsub", "logkeep/x/y", 5, True),
    ("pubsub", "camera_front", 3, False),
    ("pubsub", "camera_front/raw", 5, True),
    ("pubsub", "imu_0", 4, False),
    ("pubsub", "anything/else", 5, True),
    ("rpc", "clock", None, False),
    ("prpc", "camera_1", None, False),
    ("file", "ipc/10", None, False),
]


@pytest.mark.parametrize(("protocol", "topic", "index", "saved"), CHOSEN)
def test_the_first_rule_that_matches_wins(protocol: str, topic: str, index: int | None, saved: bool) -> None:
    name = TopicName(protocol, topic)
    assert EXAMPLE.match(name) is (None if index is None else EXAMPLE[index])
    assert EXAMPLE.saves(name) is saved


def test_a_rule_may_have_several_globs() -> None:
    rule = Rule(protocol=("pubsub", "*rpc"), topic=("a/*", "b"))
    matched = {
        (protocol, topic)
        for protocol in PROTOCOLS
        for topic in ("a", "a/x", "b")
        if rule.matches(TopicName(protocol, topic))
    }
    assert matched == {(protocol, topic) for protocol in ("pubsub", "rpc", "prpc") for topic in ("a/x", "b")}


def test_a_rule_with_nothing_said_saves_everything() -> None:
    assert Rules([Rule()]).saves(TopicName("file", "localhost:40123/10"))
    assert not Rules().saves(TopicName("pubsub", "foo"))


@pytest.mark.parametrize(
    ("protocol", "topic", "said"),
    [
        ("pubsb", "x", "did you mean pubsub"),
        ("zzz*", "x", "there are pubsub, rpc, prpc, log, cfg, file"),
        (("pubsub", ""), "x", "there are"),
        ("pubsub", "", "write \\*\\* for all"),
    ],
)
def test_what_can_never_match_is_an_error(protocol: str, topic: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        Rule(protocol=protocol, topic=topic)
