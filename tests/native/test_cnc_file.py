"""What a driver tells to anyone, without a client."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from aeron_py import (
    AeronError,
    Client,
    ClosedError,
    CncFile,
    DriverError,
    DriverTimeoutError,
    LossObservation,
    MediaDriver,
    SettingError,
)
from aeron_py.overview import Sampler
from tests.ports import free_port
from tests.streams import Pairs, next_stream, send
from tests.waiting import wait_until

LOSSY = {
    "aeron.udp.channel.incoming.interceptors": "loss",
    "aeron.udp.channel.transport.bindings.loss.args": "rate=0.2|recv-msg-mask=0xF",
}


def test_heartbeat_and_constants(driver: MediaDriver) -> None:
    with CncFile.open(driver.aeron_dir) as cnc:
        heartbeat = cnc.heartbeat
        assert heartbeat is not None
        assert abs(time.time() - heartbeat) < 60
        assert cnc.info().alive
        assert cnc.counters.list()
    with pytest.raises(ClosedError):
        cnc.errors()


def test_errors(driver: MediaDriver, client: Client) -> None:
    with CncFile(driver.aeron_dir) as cnc:
        assert cnc.errors() == []
        for _ in range(2):
            with pytest.raises(DriverError):
                client.add_subscription("aeron:udp?endpoint=no.such.host.invalid:4000", next_stream())
        observations = wait_until(lambda: cnc.errors())
        first = observations[0]
        assert "no.such.host.invalid" in first.text
        assert sum(each.observations for each in observations) >= 2
        assert 0 < first.first_time <= first.last_time
        assert abs(time.time() - first.last_time) < 120
        assert cnc.errors(since=first.last_time + 1000) == []
        with pytest.raises(SettingError, match="since"):
            cnc.errors(since="yesterday")  # type: ignore[arg-type]


def test_more_errors_than_the_first_guess_holds(driver: MediaDriver, client: Client) -> None:
    host = "h" * 300
    with CncFile(driver.aeron_dir) as cnc:
        for number in range(150):
            with pytest.raises(DriverError):
                client.add_publication(f"aeron:udp?endpoint={host}{number}.invalid:4000", 1)
        observations = wait_until(lambda: len(cnc.errors()) >= 150 and cnc.errors())
        assert {f"{host}{number}.invalid" in "".join(each.text for each in observations) for number in range(150)} == {
            True
        }


def test_no_losses_where_nothing_was_lost(driver: MediaDriver) -> None:
    with CncFile(driver.aeron_dir) as cnc:
        assert cnc.losses() == []


def test_losses(tmp_path: Path) -> None:
    with (
        MediaDriver.launch(
            term_buffer_length=64 * 1024,
            timer_interval=0.1,
            properties=LOSSY,
        ) as driver,
        Client.connect(driver.aeron_dir) as client,
        CncFile(driver.aeron_dir) as cnc,
    ):
        pairs = Pairs(client)
        with pairs.closing:
            publication, subscription = pairs(f"aeron:udp?endpoint=localhost:{free_port()}")

            def lost() -> list[LossObservation]:
                send(publication, b"x" * 500)
                subscription.poll_payloads()
                return cnc.losses()

            found = wait_until(lost)[0]
            assert found.bytes_lost > 0
            assert (found.session_id, found.stream_id) == (publication.session_id, publication.stream_id)


def test_a_damaged_loss_report_hides_nothing_else(driver: MediaDriver) -> None:
    report = Path(driver.aeron_dir) / "loss-report.dat"
    report.unlink()
    report.write_bytes(struct.pack("=qqqqiii", 1, 1, 1, 1, 1, 1, -7) + bytes(4096))
    with CncFile(driver.aeron_dir) as cnc, Sampler(driver.aeron_dir) as sampler:
        with pytest.raises(AeronError, match=r"loss-report.dat is damaged at byte 0: .* -7 bytes"):
            cnc.losses()
        overview = sampler.sample()
        assert overview.losses == ()
        assert overview.counters


def test_streams(driver: MediaDriver, pair: Pairs) -> None:
    publication, subscription = pair()
    position = send(publication, b"message")
    with CncFile(driver.aeron_dir) as cnc:
        positions = {each.name: each for each in cnc.streams() if each.stream_id == publication.stream_id}
        assert {"pub-pos", "pub-lmt", "sub-pos"} <= positions.keys()
        assert positions["sub-pos"].value == 0
        assert positions["pub-pos"].session_id == publication.session_id
        assert positions["pub-pos"].channel == publication.channel
        assert subscription.poll_payloads() == [b"message"]
        wait_until(
            lambda: any(
                each.name == "sub-pos" and each.stream_id == publication.stream_id and each.value == position
                for each in cnc.streams()
            )
        )


def test_no_driver_was_ever_there(tmp_path: Path) -> None:
    with pytest.raises(DriverTimeoutError, match="start a driver"):
        CncFile(tmp_path)
