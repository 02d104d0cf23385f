"""What a stream is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeron_py.recorder.names import TopicName, topic_name

NAMED = [
    ("aeron:ipc?alias=pubsub:camera/front", 10, "pubsub:camera/front"),
    ("aeron:ipc?term-length=64k|alias=log:app", 10, "log:app"),
    ("aeron:ipc?alias=cfg:a:b", 10, "cfg:a:b"),
    ("aeron:udp?endpoint=localhost:40123|alias=rpc:clock", 10, "rpc:clock"),
    ("aeron:ipc", 10, "file:ipc/10"),
    ("aeron:ipc?term-length=64k", -5, "file:ipc/-5"),
    ("aeron:udp?endpoint=localhost:40123", 7, "file:localhost:40123/7"),
    ("aeron-spy:aeron:udp?endpoint=localhost:40123", 7, "file:localhost:40123/7"),
    ("aeron:udp?control=host:1|control-mode=dynamic", 7, "file:host:1/7"),
    ("aeron:udp?control-mode=manual", 7, "file:udp/7"),
    # An alias that names no protocol is a topic all the same.
    ("aeron:ipc?alias=prices", 10, "file:prices"),
    ("aeron:ipc?alias=shop:prices", 10, "file:shop:prices"),
    ("aeron:ipc?alias=pubsub:", 10, "file:pubsub:"),
    ("aeron:ipc?alias=", 10, "file:ipc/10"),
    ("aeron:ipc?alias=pubsub:first|alias=pubsub:second", 10, "pubsub:first"),
]


@pytest.mark.parametrize(("channel", "stream_id", "name"), NAMED)
def test_a_stream_is_called_by_its_alias_else_by_where_it_flows(channel: str, stream_id: int, name: str) -> None:
    assert str(topic_name(channel, stream_id)) == name


def test_a_name_is_a_pair_that_survives_as_text() -> None:
    name = topic_name("aeron:ipc?alias=pubsub:camera/front", 10)
    assert name == ("pubsub", "camera/front")
    assert TopicName.parse(str(name)) == name


@given(st.text(), st.integers(-(2**31), 2**31 - 1))
def test_whatever_a_channel_is_it_has_a_name(channel: str, stream_id: int) -> None:
    name = topic_name(channel, stream_id)
    assert name.topic
    assert TopicName.parse(str(name)) == name
