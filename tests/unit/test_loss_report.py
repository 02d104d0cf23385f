"""The loss report: as drivers write it, and damaged in any way."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeron_py._loss_report import LossObservation, read_losses
from aeron_py.errors import AeronError


def record(channel: str, source: str, observations: int = 2, first: int = 1_700_000_000_000) -> bytes:
    """As ``aeron_loss_reporter_create_entry`` writes it."""
    texts = [text.encode() for text in (channel, source)]
    numbers = struct.pack("=qqqqii", observations, 1000, first, first + 1500, -5, 6)
    body = numbers + struct.pack("=i", len(texts[0])) + texts[0]
    body += bytes(-len(body) % 4) + struct.pack("=i", len(texts[1])) + texts[1]
    return body + bytes(-len(body) % 64)


def read(tmp_path: Path, data: bytes) -> list[LossObservation]:
    path = tmp_path / "loss-report.dat"
    path.write_bytes(data)
    return read_losses(path)


def test_records_of_all_lengths(tmp_path: Path) -> None:
    texts = [("c" * a, "s" * b) for a in range(1, 140) for b in (1, 2, 3, 4, 15, 16, 17)]
    found = read(tmp_path, b"".join(record(*each) for each in texts) + bytes(4096))
    assert [(each.channel, each.source) for each in found] == texts
    assert {(each.observations, each.bytes_lost, each.session_id, each.stream_id) for each in found} == {
        (2, 1000, -5, 6)
    }
    assert (found[0].first_time, found[0].last_time) == (1_700_000_000, 1_700_000_001.5)


def test_nothing_lost(tmp_path: Path) -> None:
    assert read(tmp_path, bytes(4096)) == []
    assert read(tmp_path, b"") == []
    assert read_losses(tmp_path / "gone" / "loss-report.dat") == []


def test_a_full_report(tmp_path: Path) -> None:
    assert len(read(tmp_path, record("c", "s") * 3)) == 3


def test_a_report_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(AeronError, match="can't be read"):
        read_losses(tmp_path)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(40, -1), (40, -(2**31)), (40, 2**31 - 1), (40, 5000), (76, -1), (76, 1 << 30), (20, -1), (28, 2**31 - 1)],
)
def test_impossible_numbers(tmp_path: Path, offset: int, value: int) -> None:
    data = bytearray(record("c" * 30, "s" * 20) + bytes(1024))
    struct.pack_into("=i", data, offset, value)
    with pytest.raises(AeronError, match=r"damaged at byte 192: ") as caught:
        read(tmp_path, record("c" * 90, "s" * 50) + bytes(data))
    assert caught.value.operation == "losses"


def test_cut_anywhere(tmp_path: Path) -> None:
    data = record("c" * 30, "s" * 20)
    for length in range(8, 100):
        with pytest.raises(AeronError, match="ends within a record"):
            read(tmp_path, data[:length])
    for length in (0, *range(100, 129)):
        assert len(read(tmp_path, data[:length])) == bool(length)


@given(st.binary(max_size=400), st.integers(1, 2**62))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes, observations: int) -> None:
    tmp_path = tmp_path_factory.mktemp("report")
    try:
        read(tmp_path, struct.pack("=q", observations) + data)
    except AeronError as error:
        assert "damaged" in str(error)


def test_any_byte_changed(tmp_path: Path) -> None:
    chance = random.Random(7)
    sound = b"".join(record("aeron:udp?endpoint=localhost:4000", f"127.0.0.1:{port}") for port in range(20)) + bytes(64)
    damaged = 0
    for _ in range(2000):
        data = bytearray(sound)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            assert len(read(tmp_path, data)) <= 21  # the zeros behind them may look like one
        except AeronError as error:
            assert "damaged" in str(error)
            damaged += 1
    assert damaged
