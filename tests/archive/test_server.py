"""The archive server: started, stopped, killed, and started again on what is left."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeron_py.archive._lock import running_archive
from aeron_py.archive.catalog import read_catalog
from aeron_py.archive.java import find_jar
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver
from aeron_py.archive.settings import ArchiveSettings, ArchiveThreadingMode, archive_properties
from aeron_py.driver import MediaDriver
from aeron_py.errors import ArchiveError, ClosedError, SettingError, TimedOutError
from tests.processes import is_alive
from tests.waiting import wait_until

TIMEOUT = 60.0


@pytest.fixture(scope="module")
def media_driver() -> Iterator[MediaDriver]:
    with MediaDriver.launch() as launched:
        yield launched


def launch(media_driver: MediaDriver, archive_dir: Path, **settings: object) -> ArchiveServer:
    return ArchiveServer.launch(archive_dir, media_driver.aeron_dir, timeout=TIMEOUT, **settings)  # type: ignore[arg-type]


def test_launch_and_close(media_driver: MediaDriver, tmp_path: Path) -> None:
    with launch(media_driver, tmp_path / "archive", control_stream_id=7) as server:
        assert server.is_running
        assert server.exit_status is None
        assert server.control_channel.startswith("aeron:udp?endpoint=localhost:")
        assert server.control_stream_id == 7
        assert server.local_control_channel.startswith("aeron:ipc")
        assert server.local_control_stream_id != 10
        mark = server.mark()
        assert mark.is_active
        assert mark.pid == server.pid
        assert mark.aeron_dir == media_driver.aeron_dir
        assert server.errors() == ()
        pid = server.pid
    assert not is_alive(pid)
    assert not server.is_running
    server.close()
    with pytest.raises(ClosedError):
        server.__enter__()
    ended = ArchiveMark.read(tmp_path / "archive")
    assert ended is not None
    assert not ended.is_active


def test_the_context_leads_to_it(media_driver: MediaDriver, tmp_path: Path) -> None:
    with launch(media_driver, tmp_path) as server:
        local, remote = server.archive_context(), server.archive_context(local=False)
        assert local.control_request_channel == server.local_control_channel
        assert local.control_request_stream_id == server.local_control_stream_id
        assert remote.control_request_channel == server.control_channel
    with (
        launch(media_driver, tmp_path, control_channel="") as server,
        pytest.raises(ArchiveError, match="control_channel"),
    ):
        server.archive_context(local=False)


def test_started_again_at_once_after_it_was_killed(media_driver: MediaDriver, tmp_path: Path) -> None:
    for _ in range(2):
        with launch(media_driver, tmp_path) as server:
            os.kill(server.pid, signal.SIGKILL)
            wait_until(lambda server=server: not server.is_running)  # type: ignore[misc]
            assert server.exit_status == -signal.SIGKILL
    with launch(media_driver, tmp_path) as server:
        assert server.is_running


def test_known_to_run_when_the_clock_was_set_back(media_driver: MediaDriver, tmp_path: Path) -> None:
    with launch(media_driver, tmp_path) as server:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            # What its mark says then, for an hour: it writes the next time when that is due by the clock.
            with (tmp_path / "archive-mark.dat").open("r+b") as file:
                file.seek(16)
                file.write(struct.pack("<q", int((time.time() + 3600) * 1000)))
            running = running_archive(tmp_path)
            assert running is not None
            assert running.pid == server.pid
        finally:
            server.kill()
        assert wait_until(lambda: server.exit_status) == -signal.SIGKILL
        assert running_archive(tmp_path) is None


def test_a_second_one_in_the_same_directory_is_refused(media_driver: MediaDriver, tmp_path: Path) -> None:
    with (
        launch(media_driver, tmp_path) as server,
        pytest.raises(ArchiveError, match=f"process {server.pid}"),
    ):
        launch(media_driver, tmp_path)


def test_two_on_one_driver(media_driver: MediaDriver, tmp_path: Path) -> None:
    with launch(media_driver, tmp_path / "a") as first, launch(media_driver, tmp_path / "b") as second:
        assert first.archive_id != second.archive_id
        assert first.local_control_stream_id != second.local_control_stream_id
        assert first.control_channel != second.control_channel


def test_a_directory_whose_name_the_locale_does_not_know(
    media_driver: MediaDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    directory = tmp_path / "größer als Übliches"
    with launch(media_driver, directory) as server:
        assert server.mark().pid == server.pid
    assert list(tmp_path.iterdir()) == [directory]
    assert read_catalog(directory) == []


def test_what_it_says_when_it_fails_is_quoted(media_driver: MediaDriver, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="segment file length not a power of 2: 65537"):
        launch(media_driver, tmp_path, properties={"aeron.archive.segment.file.length": "65537"})
    assert "65537" in (tmp_path / "archive.log").read_text()


def test_without_a_driver(tmp_path: Path) -> None:
    with pytest.raises((ArchiveError, TimedOutError), match="archive"):
        ArchiveServer.launch(tmp_path / "archive", tmp_path / "nothing", timeout=2.0)


def test_a_file_in_place_of_the_directory(media_driver: MediaDriver, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="archive directory"):
        launch(media_driver, tmp_path / "file")


def test_a_port_that_is_taken_fails_when_it_was_asked_for(media_driver: MediaDriver, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ArchiveError, match="Address already in use"):
            launch(media_driver, tmp_path, control_channel=f"aeron:udp?endpoint=127.0.0.1:{port}")


def test_closing_the_driver_closes_the_archive_first(tmp_path: Path) -> None:
    node = ArchivingMediaDriver.launch(tmp_path, timeout=TIMEOUT)
    pid, directory = node.archive_pid, node.aeron_dir
    assert is_alive(pid)
    node.driver.close()
    assert not is_alive(pid)
    assert not Path(directory).exists()
    node.close()


def test_a_node_leaves_nothing_behind(tmp_path: Path) -> None:
    with ArchivingMediaDriver.launch(tmp_path, driver={"term_buffer_length": 65536}, timeout=TIMEOUT) as node:
        pid, directory = node.archive_pid, node.aeron_dir
        assert node.archive_dir == tmp_path
        assert node.control_channel == node.archive_server.control_channel
    assert not is_alive(pid)
    assert not Path(directory).exists()


def test_a_node_whose_archive_can_not_start_leaves_no_driver(tmp_path: Path) -> None:
    aeron_dir = tmp_path / "aeron"
    with pytest.raises(SettingError, match="segment_file_length"):
        ArchivingMediaDriver.launch(tmp_path / "archive", aeron_dir, segment_file_lenght=1)  # type: ignore[call-arg]
    with pytest.raises(ArchiveError, match="power of 2"):
        ArchivingMediaDriver.launch(
            tmp_path / "archive",
            aeron_dir,
            properties={"aeron.archive.segment.file.length": "65537"},
            timeout=TIMEOUT,
        )
    assert not aeron_dir.exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"segment_file_length": "1m"}, "must be int"),
        ({"file_sync_level": True}, "must be int"),
        ({"recording_events_enabled": 1}, "must be bool"),
        ({"control_channel": None}, "must be str"),
        ({"threading_mode": "SHARED"}, "ArchiveThreadingMode"),
        ({"max_concurrent_recording": 3}, "max_concurrent_recordings"),
        ({"xyz": 3}, "there are archive_id"),
        ({"segment_file_length": 65537}, "segment_file_length must be a power of two, not 65537"),
        ({"segment_file_length": 1 << 15}, "segment_file_length must be from 65536 to"),
        ({"file_io_max_length": 100_000}, "file_io_max_length must be a power of two"),
        ({"file_sync_level": 3}, "file_sync_level must be from 0 to 2"),
        ({"file_sync_level": 2, "catalog_file_sync_level": 1}, "catalog_file_sync_level 1 is below file_sync_level 2"),
        ({"control_mtu_length": 1409}, "multiple of 32"),
        ({"low_storage_space_threshold": -1}, "low_storage_space_threshold must be from 0"),
        ({"max_concurrent_recordings": -1}, "max_concurrent_recordings must be from 0"),
        ({"control_stream_id": 2**31}, "control_stream_id must be from"),
        ({"connect_timeout": 0}, "connect_timeout must be seconds above 0"),
        ({"connect_timeout": float("nan")}, "connect_timeout must be seconds above 0"),
        ({"control_channel": "aeron:udp?endpint=localhost:1"}, "endpoint"),
        ({"replication_channel": "udp"}, "udp"),
    ],
)
def test_bad_settings(settings: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        archive_properties(settings)


@pytest.mark.parametrize(
    ("control_channel", "replication_channel"),
    [
        (None, "aeron:udp?endpoint=localhost:0"),
        ("", "aeron:udp?endpoint=localhost:0"),
        ("aeron:udp?endpoint=10.1.2.3:8010", "aeron:udp?endpoint=10.1.2.3:0"),
        ("aeron:udp?endpoint=[::1]:8010", "aeron:udp?endpoint=[::1]:0"),
        ("aeron:udp?control=10.1.2.3:8010|control-mode=response", "aeron:udp?endpoint=10.1.2.3:0"),
    ],
)
def test_replications_come_in_where_requests_do(control_channel: str | None, replication_channel: str) -> None:
    settings = {} if control_channel is None else {"control_channel": control_channel}
    assert archive_properties(settings)["aeron.archive.replication.channel"] == replication_channel
    settings["replication_channel"] = "aeron:udp?endpoint=10.1.2.4:0"
    assert archive_properties(settings)["aeron.archive.replication.channel"] == "aeron:udp?endpoint=10.1.2.4:0"


def test_settings_as_java_wants_them() -> None:
    properties = archive_properties(
        {"file_sync_level": 1, "connect_timeout": 1.5, "record_checksum": "crc32c", "control_channel": ""}
    )
    assert properties["aeron.archive.catalog.file.sync.level"] == "1"
    assert properties["aeron.archive.connect.timeout"] == "1500000000ns"
    assert properties["aeron.archive.record.checksum"] == "io.aeron.archive.checksum.Crc32c"
    assert properties["aeron.archive.control.channel.enabled"] == "false"
    assert properties["aeron.archive.recording.events.enabled"] == "false"
    assert "aeron.archive.control.channel" not in properties


def test_java_knows_every_setting_by_the_name_that_it_is_given() -> None:
    values: dict[str, object] = {"int": 1, "float": 1.0, "bool": True, "str": "aeron:ipc"}
    bounded = {"segment_file_length": 1 << 16, "file_io_max_length": 1 << 16, "control_term_buffer_length": 1 << 16}
    settings = {
        name: values.get(hint.__forward_arg__, ArchiveThreadingMode.SHARED)
        for name, hint in ArchiveSettings.__annotations__.items()
    }
    properties = archive_properties({**settings, **bounded, "control_mtu_length": 1408, "catalog_capacity": 1024})
    with zipfile.ZipFile(find_jar()) as jar:
        known = b"".join(
            jar.read(f"io/aeron/archive/{name}$Configuration.class") for name in ("Archive", "client/AeronArchive")
        )
    # How a class file holds a text: its length in two bytes, then its bytes.
    unknown = [name for name in properties if len(name).to_bytes(2, "big") + name.encode() not in known]
    assert unknown == []
