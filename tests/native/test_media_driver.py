"""The media driver in this process: its directory, its settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aeron_py import (
    AeronError,
    BusyError,
    Client,
    DriverSettings,
    IdleStrategy,
    MediaDriver,
    SettingError,
    ThreadingMode,
    driver_info,
    settings,
)
from aeron_py._driver_properties import PROPERTIES, variable
from aeron_py._ffi import lib
from tests.ports import free_port
from tests.sources import aeron_sources
from tests.waiting import wait_until


def test_directory_is_its_own_and_goes_with_it() -> None:
    with MediaDriver.launch() as first, MediaDriver.launch() as second:
        assert first.aeron_dir != second.aeron_dir
        info = driver_info(first.aeron_dir)
        assert info is not None
        assert info.alive
        assert info.pid == os.getpid()
    assert not Path(first.aeron_dir).exists()
    assert first.is_closed
    assert driver_info(first.aeron_dir) is None


def test_threads_go_with_it() -> None:
    def threads() -> set[str]:
        return set(os.listdir("/proc/self/task"))  # noqa: PTH208

    before = threads()
    with MediaDriver.launch(threading_mode=ThreadingMode.DEDICATED):
        assert len(threads() - before) >= 3
    wait_until(lambda: threads() <= before)


def test_directory_may_be_kept(tmp_path: Path) -> None:
    target = tmp_path / "aeron"
    MediaDriver.launch(target, dir_delete_on_shutdown=False).close()
    assert (target / "cnc.dat").exists()
    MediaDriver.launch(target).close()
    assert not target.exists()


def test_files_of_others_are_never_touched(tmp_path: Path) -> None:
    mine = tmp_path / "thesis.txt"
    mine.write_text("years of work")
    with pytest.raises(SettingError, match="thesis"):
        MediaDriver.launch(tmp_path)
    assert mine.read_text() == "years of work"

    (tmp_path / "cnc.dat").write_bytes(b"")
    with pytest.raises(SettingError, match="thesis"):
        MediaDriver.launch(tmp_path, dir_delete_on_start=True)
    assert mine.exists()
    with pytest.raises(SettingError, match="not a directory"):
        MediaDriver.launch(mine)


def test_a_living_driver_is_left_alone(driver: MediaDriver) -> None:
    with pytest.raises(BusyError, match=str(os.getpid())):
        MediaDriver.launch(driver.aeron_dir)
    with pytest.raises(BusyError):
        MediaDriver.launch(driver.aeron_dir, dir_delete_on_start=True)
    with Client.connect(driver.aeron_dir) as client:
        assert not client.is_closed


def test_a_failed_start_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AeronError):
        MediaDriver.launch(tmp_path / "new", mtu_length=1)
    with pytest.raises(SettingError):
        MediaDriver.launch(tmp_path / "newer", term_buffer_length=-1)
    assert not (tmp_path / "newer").exists()


def test_settings_reach_the_driver() -> None:
    with (
        MediaDriver.launch(
            term_buffer_length=128 * 1024,
            ipc_term_buffer_length=256 * 1024,
            ipc_mtu_length=8192,
            client_liveness_timeout=12.0,
            shared_idle_strategy=IdleStrategy.backoff(1, 1, 0.0001, 0.0002),
        ) as driver,
        Client.connect(driver.aeron_dir) as client,
        client.add_publication("aeron:ipc", 1) as publication,
    ):
        assert publication.term_buffer_length == 256 * 1024
        assert publication.max_payload_length == 8192 - 32
        info = driver_info(driver.aeron_dir)
        assert info is not None
        assert info.client_liveness_timeout == 12.0


STRANGER = """
import os, sys
from aeron_py import AeronError, Client, CncFile, driver_info

if os.geteuid() == 0:
    os.seteuid(65534)
for look in (Client.connect, CncFile, driver_info):
    try:
        look(sys.argv[1])
    except AeronError as error:
        print(error)
"""


def test_who_has_no_right_to_a_driver_is_told_so_at_once() -> None:
    with MediaDriver.launch() as driver:
        Path(driver.aeron_dir, "cnc.dat").chmod(0)
        command = [sys.executable, "-c", STRANGER, driver.aeron_dir]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all("cnc.dat can't be opened to read and write" in each and "Permission denied" in each for each in lines)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"term_bufer_length": 1}, "did you mean term_buffer_length"),
        ({"term_buffer_length": "64k"}, "whole number"),
        ({"term_buffer_length": True}, "whole number"),
        ({"term_buffer_sparse_file": 1}, "True or False"),
        ({"client_liveness_timeout": -1}, "negative"),
        ({"client_liveness_timeout": float("nan")}, "negative"),
        ({"client_liveness_timeout": "5s"}, "seconds"),
        ({"socket_multicast_ttl": 256}, "255"),
        ({"shared_idle_strategy": "lazy"}, "no idle strategy"),
        ({"receiver_group_consideration": 7}, "InferableBoolean"),
        ({"resolver_name": 5}, "str"),
        ({"receiver_group_tag": "7"}, "whole number"),
        ({"sender_wildcard_port_range": 4000}, "two ports"),
        ({"sender_wildcard_port_range": (5000, 4000)}, "low, high"),
        ({"sender_wildcard_port_range": (0, 65536)}, "65535"),
        ({"properties": {"aeron.congestion.supplier": "x"}}, "did you mean aeron.congestioncontrol.supplier"),
        ({"properties": {"aeron.dir": "x"}}, "the argument aeron_dir"),
        ({"properties": {"aeron.cubiccongestioncontrol.initialrtt": "1ms"}}, "AERON_CUBICCONGESTIONCONTROL_INITIALRTT"),
        ({"properties": {"aeron.mtu.length": 1408}}, "str"),
    ],
)
def test_bad_settings(bad: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        MediaDriver.launch(**bad)


def test_bad_threading_mode() -> None:
    with pytest.raises(SettingError, match="ThreadingMode"):
        MediaDriver.launch(threading_mode=9)  # type: ignore[arg-type]


def test_the_table_is_what_the_header_has() -> None:
    ours = {setter for setters in settings.setter_names().values() for setter in setters}
    prefix = "aeron_driver_context_set_"
    theirs = {name.removeprefix(prefix) for name in dir(lib) if name.startswith(prefix)}
    assert ours <= theirs
    assert theirs - ours == {"dir", "threading_mode"}  # arguments of launch itself
    assert set(DriverSettings.__annotations__) == set(settings.setter_names())


def test_settings_of_two_values() -> None:
    low = free_port()
    with (
        MediaDriver.launch(sender_wildcard_port_range=(low, low + 50), receiver_group_tag=7) as driver,
        Client.connect(driver.aeron_dir) as client,
        client.add_publication("aeron:udp?endpoint=localhost:40123|control=localhost:0", 1) as publication,
    ):
        address = wait_until(lambda: publication.local_addresses)[0]
        assert low <= int(address.rsplit(":", 1)[1]) <= low + 50


def test_properties_by_name() -> None:
    with (
        MediaDriver.launch(properties={"aeron.term.buffer.length": "128k", "aeron.mtu.length": "4096"}) as driver,
        Client.connect(driver.aeron_dir) as client,
        client.add_publication(f"aeron:udp?endpoint=localhost:{free_port()}", 1) as publication,
    ):
        assert publication.term_buffer_length == 128 * 1024
        assert publication.max_payload_length == 4096 - 32
    assert "AERON_MTU_LENGTH" not in os.environ


def test_every_property_of_the_headers_is_known() -> None:
    folder = aeron_sources() / "aeron-driver" / "src" / "main" / "c"
    text = "".join(path.read_text() for path in sorted(folder.rglob("*.[ch]")))
    named = set(re.findall(r'#define AERON_\w+_ENV\w* "(AERON_\w+)"', text))
    known = {variable(name) for name in PROPERTIES}
    assert {name for name in named - known if not name.startswith("AERON_CUBIC")} == {
        "AERON_DIR",
        "AERON_THREADING_MODE",
    }
    assert known <= named
