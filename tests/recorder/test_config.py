"""The configuration: what it may say, and what it says when something is wrong."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import msgspec
import pytest

from aeron_py import ThreadingMode
from aeron_py.archive.settings import ArchiveThreadingMode
from aeron_py.errors import SettingError
from aeron_py.recorder.config import RecorderConfig, example, load
from aeron_py.recorder.names import TopicName
from aeron_py.recorder.rules import Rule

SHORTEST = {"archive_dir": "recordings", "rules": [{"topic": "**"}]}


def loaded(**more: object) -> RecorderConfig:
    return load(json.dumps({**SHORTEST, **more}))


def test_the_example_loads_and_shows_every_section() -> None:
    config = load(example())
    assert config.archive_dir == "recordings"
    assert config.rule_list.match(TopicName("pubsub", "debug/x")) is config.rules[0]
    assert config.rules[1] == Rule(
        protocol="pubsub", topic=("camera/*", "lidar/*"), max_age=7 * 86400.0, max_bytes=100 * 10**9
    )
    assert config.embedded.driver == {"threading_mode": ThreadingMode.SHARED, "ipc_term_buffer_length": 2**20}
    shown = {line.removeprefix("# ").split(":")[0] for line in example().splitlines()}
    left_out = {"journal", "default_max_logfile_duration", "default_max_logfile_size"}
    assert set(RecorderConfig.__struct_fields__) - shown == left_out


def test_what_the_example_says_without_need_are_the_defaults() -> None:
    told, untold = load(example()), loaded()
    for name in ("record", "play", "arm", "poll_interval", "sample_interval", "image_frequency", "flush_frequency"):
        assert getattr(told, name) == getattr(untold, name), name
    for name in ("flush_interval", "sessions", "stream_ids", "control", "archive_cmds"):
        assert getattr(told, name) == getattr(untold, name), name


def test_json_is_yaml(tmp_path: Path) -> None:
    file = tmp_path / "recorder.json"
    file.write_text(json.dumps(SHORTEST))
    assert (
        load(file) == load(str(file)) == loaded() == RecorderConfig(archive_dir="recordings", rules=(Rule(topic="**"),))
    )


def test_play_only_needs_no_rules() -> None:
    config = load("{archive_dir: recordings, record: false}")
    assert not config.record
    assert config.play


def test_durations_and_sizes_are_numbers_or_texts() -> None:
    config = loaded(
        flush_interval="1m30s",
        flush_frequency="64MB",
        rotate_interval=3600,
        retention={"max_age": "30d", "max_bytes": "1GiB"},
        rules=[{"topic": "x", "max_logfile_duration": "10m", "max_logfile_size": "5MB"}],
    )
    assert (config.flush_interval, config.flush_frequency, config.rotate_interval) == (90.0, 64_000_000, 3600.0)
    assert (config.retention.max_age, config.retention.max_bytes) == (30 * 86400.0, 2**30)
    assert (config.rules[0].max_logfile_duration, config.rules[0].max_logfile_size) == (600.0, 5_000_000)
    assert (config.default_max_logfile_duration, config.default_max_logfile_size) == (3600.0, 128_000_000)


def test_channels_have_names() -> None:
    listed = [
        {"channel": "aeron:udp?endpoint=224.20.30.39:24326|interface=localhost", "stream_id": 10, "topic": "pubsub:a"},
        {"channel": "aeron:udp?endpoint=localhost:40123", "stream_id": 11, "source": "LOCAL"},
        {"channel": "aeron:udp?control=localhost:1|control-mode=dynamic|alias=log:x", "stream_id": 12},
    ]
    config = loaded(channels=listed)
    assert [str(each.name) for each in config.channels] == ["pubsub:a", "file:localhost:40123/11", "log:x"]
    assert [each.source for each in config.channels] == ["REMOTE", "LOCAL", "REMOTE"]


def test_settings_of_what_is_started_are_checked_and_converted() -> None:
    config = loaded(
        embedded={
            "driver": {"threading_mode": "DEDICATED", "term_buffer_length": "64KiB", "timer_interval": "1s"},
            "archive": {"threading_mode": "DEDICATED", "segment_file_length": "1m", "connect_timeout": "5s"},
        }
    )
    assert config.embedded.driver == {
        "threading_mode": ThreadingMode.DEDICATED,
        "term_buffer_length": 65536,
        "timer_interval": 1.0,
    }
    assert config.embedded.archive == {
        "threading_mode": ArchiveThreadingMode.DEDICATED,
        "segment_file_length": 2**20,
        "connect_timeout": 5.0,
    }


WRONG = [
    ({"rulez": []}, "rulez: unknown key: did you mean rules?"),
    ({"zzz": []}, "zzz: unknown key: there are archive_dir, "),
    ({"archive_dir": 5}, "archive_dir: expected `str`, got `int`"),
    ({"archive_dir": ""}, "archive_dir: empty"),
    ({"archive_dir": None}, "archive_dir: expected `str`"),
    ({"rules": []}, "rules: there is none"),
    ({"rules": {"topic": "x"}}, "rules: expected `list`, got `mapping`"),
    ({"rules": ["x"]}, "rules[0]: a mapping of protocol, topic, policy"),
    ({"rules": [{"topc": "x"}]}, "rules[0].topc: unknown key: did you mean topic?"),
    ({"rules": [{"topic": ["x", 5]}]}, "rules[0].topic[1]: expected `str`, got `int`"),
    ({"rules": [{"policy": "keep"}]}, "rules[0].policy: 'keep' is not valid: it is save_all or drop_all"),
    ({"rules": [{"policy": "save_al"}]}, "rules[0].policy: 'save_al' is not valid: did you mean save_all?"),
    ({"rules": [{}, {"protocol": "pubsb"}]}, "rules[1]: no protocol matches 'pubsb': did you mean pubsub?"),
    ({"rules": [{"topic": []}]}, "rules[0]: topic: none is listed, so nothing matches; leave it out for all"),
    ({"rules": [{"protocol": []}]}, "rules[0]: protocol: none is listed, so nothing matches"),
    (
        {"rules": [{"topic": ["camera", "pubsub:lidar/*"]}]},
        "rules[0]: no topic begins with its protocol, as 'pubsub:lidar/*' does: write {protocol: pubsub, topic: 'lid",
    ),
    ({"flush_frequency": "5000000000GiB"}, "flush_frequency: '5000000000GiB' is more than 4194304TiB"),
    ({"image_frequency": 2**63}, "image_frequency: 9223372036854775808 is more than 4194304TiB"),
    ({"rules": [{"max_age": "10x"}]}, "rules[0].max_age: '10x': no unit of time is called 'x'"),
    ({"rules": [{"max_bytes": "10x"}]}, "rules[0].max_bytes: '10x' is not a size"),
    ({"poll_interval": "soon"}, "poll_interval: 'soon' is not a duration"),
    ({"poll_interval": "1:30"}, "poll_interval: '1:30' is not a duration"),
    ({"poll_interval": -1}, "poll_interval: -1 is not a duration"),
    ({"poll_interval": None}, "poll_interval: a duration is a number"),
    ({"sample_interval": 0}, "sample_interval: 0 s is not between 100us and 1m"),
    ({"rotate_interval": 0}, "rotate_interval: less than 1s"),
    ({"record": "maybe"}, "record: expected `bool`"),
    ({"record": False, "play": False}, "record, play: both are false"),
    ({"retention": 5}, "retention: a mapping of max_age, max_bytes must stand here, not int"),
    ({"archive_cmds": {"put": "cp x"}}, "archive_cmds.put: expected `list`, got `str`"),
    ({"archive_cmds": {"put": []}}, "archive_cmds: put: no command"),
    ({"sessions": {"max_sessions": 0}}, "sessions.max_sessions: expected `int` >= 1"),
    ({"sessions": {"channel": "aeron:upd?endpoint=a:1"}}, "sessions: channel: the media 'upd' is not Aeron's"),
    ({"control": {"stream_id": 2**31}}, "control.stream_id: expected `int` <= 2147483647"),
    ({"control": {"stream_id": 1_000_000}}, "control.stream_id: 1000000 is one of stream_ids"),
    ({"control": {"stream_id": 900_001}}, "control.stream_id, journal.stream_id: the same"),
    ({"stream_ids": {"first": 5, "last": 4}}, "stream_ids: last: 4 is before first, 5"),
    ({"journal": {"term_length": 100_000}}, "journal: term_length: 100000 is not a power of two"),
    ({"channels": [{"channel": "aeron:ipc"}]}, "channels[0].stream_id: is missing: The stream there."),
    ({"channels": [{"channel": "aeron:udp", "stream_id": 1}]}, "channels[0]: channel: a UDP channel needs endpoint"),
    ({"embedded": {"driver": {"term_bufer_length": 5}}}, "embedded: driver: the media driver has no setting"),
    ({"embedded": {"driver": {"term_buffer_length": "5x"}}}, "embedded: driver: '5x' is not a size"),
    ({"embedded": {"driver": {"threading_mode": "FAST"}}}, "embedded: driver: threading_mode: 'FAST' is none of"),
    ({"embedded": {"archive": {"segment_length": 5}}}, "embedded: archive: an archive has no setting"),
    ({"archive": {"control_channel": "ipc"}}, "archive: control_channel: a channel begins with"),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_what_is_wrong_is_named_with_its_path(change: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError) as caught:
        loaded(**change)
    assert caught.value.message.startswith(said), caught.value


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "recorder.yaml"
    file.write_text("archive_dirr: x\nrules:\n  - {protocol: [pubsub], topics: x}\npoll_interval: 5x\n")
    with pytest.raises(SettingError) as caught:
        load(file)
    assert str(caught.value) == (
        f"{file}: 4 mistakes\n"
        "- archive_dirr: unknown key: did you mean archive_dir?\n"
        "- rules[0].topics: unknown key: did you mean topic?\n"
        "- poll_interval: '5x': no unit of time is called 'x'; there are ns, us, ms, s, m, h, d, w\n"
        "- archive_dir: is missing: The archive's directory: recordings, and what the recorder notes."
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("archive_dir: [x\n", "configuration:2:1: "),
        ("archive_dir: x\narchive_dir: y\n", "configuration:2:1: the key 'archive_dir' stands twice"),
        ("archive_dir: !!python/object:os.system x\n", "configuration:1:14: "),
        ("\n", "configuration: a mapping of archive_dir, .* must stand here, not nothing"),
        ("- x\n", "configuration: a mapping of archive_dir, .* must stand here, not list"),
        ("archive_dir: \x00\n", "configuration"),
        ("archive_dir: {{ DIR }}\n", "configuration:1:15: a list or a mapping can't be a key: put a text with braces"),
        ("archive_dir: x\n? [a, b]\n: 5\n", "configuration:2:3: a list or a mapping can't be a key"),
    ],
)
def test_what_is_not_yaml_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        load(text)


def test_a_file_that_is_not_utf8_is_named_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"archive_dir: caf\xe9\nrules: [{}]\n")
    with pytest.raises(SettingError, match=r"latin\.yaml: byte 16 is not UTF-8"):
        load(path)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.yaml")


def test_files_with_secrets_are_read_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.write_text("users: [{name: a, credentials: x}]")
    for section, key in (("archive", "credentials_file"), ("embedded", "users")):
        path.chmod(0o644)
        with pytest.raises(SettingError, match=f"{section}: {key}: .*chmod 600"):
            loaded(**{section: {key: str(path)}})
        with pytest.raises(SettingError, match=f"{section}: {key}: no .* from"):
            loaded(**{section: {key: str(tmp_path / "none")}})
        path.chmod(0o600)
        assert getattr(getattr(loaded(**{section: {key: str(path)}}), section), key) == str(path)


def test_the_reference_page_has_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "docs"))
    page: str = importlib.import_module("configuration").page()
    assert example() in page
    sections = {line[3:].strip("`") for line in page.splitlines() if line.startswith("## ")}
    for field in msgspec.structs.fields(RecorderConfig):
        assert f"| `{field.name}` |" in page
        if isinstance(field.default, msgspec.Struct) or field.name in ("rules", "channels"):
            assert field.name in sections
    assert all(
        line.count("|") == 5 and not line.endswith("|  |") for line in page.splitlines() if line.startswith("| `")
    )
