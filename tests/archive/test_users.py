"""Who may do what at an archive: without the right credentials nothing at all, with them what the rights say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aeron_py import ArchiveRight, User, read_credentials, read_users
from aeron_py.archive.client import Archive
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver
from aeron_py.client import Client
from aeron_py.driver import MediaDriver
from aeron_py.errors import ArchiveError, ArchiveErrorCode, SettingError, TimedOutError
from tests.archive.streams import CHANNEL, TIMEOUT, new_stream_id, record

SECRET = b"the operator's secret"
OPERATOR = User("operator", SECRET)
LIMITED = [User(right.name.lower(), f"may {right.name}".encode(), frozenset({right})) for right in ArchiveRight]
NOBODY = User("nobody", b"may nothing", frozenset())

CALLS: dict[ArchiveRight, list[Callable[[Archive], object]]] = {
    ArchiveRight.LIST: [
        lambda archive: archive.list_recordings(),
        lambda archive: archive.list_recordings(channel="aeron", stream_id=1),
        lambda archive: archive.list_recording(0),
        lambda archive: archive.list_recording_subscriptions(),
        lambda archive: archive.find_last_matching_recording("aeron", 1, 1),
        lambda archive: archive.get_start_position(0),
        lambda archive: archive.get_stop_position(0),
        lambda archive: archive.get_recording_position(0),
        lambda archive: archive.get_max_recorded_position(0),
    ],
    ArchiveRight.RECORD: [
        lambda archive: archive.start_recording(CHANNEL, 1),
        lambda archive: archive.stop_recording(CHANNEL, 1),
        lambda archive: archive.extend_recording(0, CHANNEL, 2),
        lambda archive: archive.stop_recording_subscription(1_000_000),
        lambda archive: archive.stop_recording_by_identity(0),
    ],
    ArchiveRight.REPLAY: [
        lambda archive: archive.start_replay(0, "aeron:ipc", 3),
        lambda archive: archive.start_replay(0, "aeron:ipc", 3, bounding_counter=0),
        lambda archive: archive.stop_replay(1_000_000),
        lambda archive: archive.stop_all_replays(),
        lambda archive: archive.replay(
            0, "aeron:udp?control-mode=response|control=localhost:10000", 3, timeout=TIMEOUT
        ).close(),
    ],
    ArchiveRight.REPLICATE: [
        lambda archive: archive.replicate(0, "aeron:udp?endpoint=localhost:1", 1),
        lambda archive: archive.stop_replication(1_000_000),
    ],
    ArchiveRight.TRUNCATE: [lambda archive: archive.truncate_recording(0, 10_000_000)],
    ArchiveRight.PURGE: [lambda archive: archive.purge_recording(1_000_000)],
    ArchiveRight.SEGMENTS: [
        lambda archive: archive.detach_segments(0, 0),
        lambda archive: archive.attach_segments(0),
        lambda archive: archive.delete_detached_segments(0),
        lambda archive: archive.purge_segments(0, 0),
        lambda archive: archive.migrate_segments(0, 0),
    ],
    ArchiveRight.UPDATE: [lambda archive: archive.update_channel(0, "aeron:ipc?alias=renamed")],
}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchivingMediaDriver]:
    """A node with users, and with one recording."""
    with ArchivingMediaDriver.launch(
        tmp_path_factory.mktemp("secured"),
        driver={"term_buffer_length": 64 * 1024, "ipc_term_buffer_length": 64 * 1024, "timer_interval": 0.1},
        timeout=TIMEOUT,
        segment_file_length=64 * 1024,
        users=[OPERATOR, *LIMITED, NOBODY],
    ) as node:
        with Client.connect(node.aeron_dir) as client, connect(client, node, SECRET) as archive:
            assert record(client, archive, new_stream_id()).recording_id == 0
        yield node


@pytest.fixture
def client(secured: ArchivingMediaDriver) -> Iterator[Client]:
    with Client.connect(secured.aeron_dir) as connected:
        yield connected


def connect(client: Client, node: ArchivingMediaDriver, credentials: bytes, local: bool = True) -> Archive:
    return Archive.connect(client, node.archive_context(local=local, credentials=credentials), timeout=TIMEOUT)


def refused(archive: Archive, call: Callable[[Archive], object]) -> bool:
    """Whether the archive says that this user may not; what else it has against the call does not count."""
    try:
        call(archive)
    except ArchiveError as error:
        return error.archive_code == ArchiveErrorCode.UNAUTHORISED_ACTION
    except TimedOutError:
        return False
    finally:
        archive.poll_errors()
    return False


@pytest.mark.parametrize("local", [True, False], ids=["ipc", "udp"])
@pytest.mark.parametrize("credentials", [b"", b"wrong", SECRET + b"\0", SECRET[:-1], OPERATOR.name.encode()])
def test_nobody_connects_without_the_right_credentials(
    secured: ArchivingMediaDriver, client: Client, credentials: bytes, local: bool
) -> None:
    with pytest.raises(ArchiveError, match="authenticat") as caught:
        connect(client, secured, credentials, local)
    assert caught.value.archive_code == ArchiveErrorCode.AUTHENTICATION_REJECTED


def test_all_rights_do_all(secured: ArchivingMediaDriver, client: Client) -> None:
    with connect(client, secured, SECRET, local=False) as archive:
        recording = record(client, archive, new_stream_id())
        with archive.replay(recording.recording_id, "aeron:ipc", new_stream_id()) as subscription:
            assert sum(1 for _ in subscription.messages(until=recording.stop_position, timeout=TIMEOUT)) == 20
        assert archive.purge_recording(recording.recording_id) == 1


@pytest.mark.parametrize("user", [*LIMITED, NOBODY], ids=lambda user: user.name)
def test_each_right_allows_its_own_calls_and_no_others(
    secured: ArchivingMediaDriver, client: Client, user: User
) -> None:
    with connect(client, secured, user.credentials) as archive:
        for right, calls in CALLS.items():
            for index, call in enumerate(calls):
                assert refused(archive, call) is (right not in user.rights), (user.name, right, index)
        assert archive.is_connected


def test_what_is_refused_is_not_done(secured: ArchivingMediaDriver, client: Client) -> None:
    replayer = next(user for user in LIMITED if ArchiveRight.REPLAY in user.rights)
    with connect(client, secured, replayer.credentials) as archive, connect(client, secured, SECRET) as operator:
        before = operator.list_recordings(), operator.list_recording_subscriptions()
        for call in (*CALLS[ArchiveRight.PURGE], *CALLS[ArchiveRight.TRUNCATE], *CALLS[ArchiveRight.SEGMENTS]):
            assert refused(archive, call)
        stream_id = new_stream_id()
        assert refused(archive, lambda archive: archive.start_recording(CHANNEL, stream_id))
        with client.add_exclusive_publication(CHANNEL, stream_id) as publication:
            assert not publication.is_connected
        assert (operator.list_recordings(), operator.list_recording_subscriptions()) == before
        with archive.replay(0, "aeron:ipc", stream_id) as subscription:
            assert sum(1 for _ in subscription.messages(until=before[0][0].stop_position, timeout=TIMEOUT)) == 20


def test_secrets_are_neither_on_the_command_line_nor_on_disk(secured: ArchivingMediaDriver) -> None:
    process = Path(f"/proc/{secured.archive_pid}")
    for user in (OPERATOR, *LIMITED):
        assert user.credentials not in (process / "cmdline").read_bytes()
        assert user.credentials not in (process / "environ").read_bytes()
        assert repr(user.credentials) not in repr(user)
    for path in secured.archive_dir.iterdir():
        assert not path.name.startswith("users")
        assert SECRET not in path.read_bytes()


def test_a_challenge_is_answered(tmp_path: Path) -> None:
    """With the authenticator of Aeron's samples, which asks some of its users once more."""
    seen: list[bytes] = []

    def answer(challenge: bytes) -> bytes:
        seen.append(challenge)
        return answers.pop(0)

    answers = [b"admin:CSadmin", b"wrong"]
    with (
        MediaDriver.launch() as driver,
        ArchiveServer.launch(
            tmp_path,
            driver.aeron_dir,
            timeout=TIMEOUT,
            authenticator_supplier="io.aeron.samples.archive.SampleAuthenticatorSupplier",
        ) as server,
        Client.connect(driver.aeron_dir) as client,
    ):
        context: dict[str, Any] = {
            "control_request_channel": server.local_control_channel,
            "control_request_stream_id": server.local_control_stream_id,
        }
        challenged = ArchiveContext(**context, credentials=lambda: b"admin:adminC", on_challenge=answer)
        with Archive.connect(client, challenged, timeout=TIMEOUT) as archive:
            assert archive.list_recordings() == []
        with pytest.raises(ArchiveError) as caught:
            Archive.connect(client, challenged, timeout=TIMEOUT)
        assert caught.value.archive_code == ArchiveErrorCode.AUTHENTICATION_REJECTED
        assert seen == [b"challenge!"] * 2
        with Archive.connect(client, ArchiveContext(**context, credentials=b"admin:admin"), timeout=TIMEOUT):
            pass
        with pytest.raises(ArchiveError, match="on_challenge") as caught:
            Archive.connect(client, ArchiveContext(**context, credentials=b"admin:adminC"), timeout=TIMEOUT)
        assert caught.value.archive_code == ArchiveErrorCode.AUTHENTICATION_REJECTED


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: User("", b"x"), "name must be a text"),
        (lambda: User("a", b""), "1 to 2048 bytes, not 0"),
        (lambda: User("a", b"x" * 2049), "1 to 2048 bytes"),
        (lambda: User("a", "x"), "credentials of 'a' must be bytes"),  # type: ignore[arg-type]
        (lambda: User("a", b"x", frozenset({"list"})), "of ArchiveRight"),  # type: ignore[arg-type]
    ],
)
def test_users_that_can_not_be(make: Callable[[], User], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        make()


@pytest.mark.parametrize(
    ("users", "settings", "words"),
    [
        ([], {}, "nobody could connect"),
        ([User("a", b"x"), User("a", b"y")], {}, "two users have the name 'a'"),
        ([User("a", b"x"), User("b", b"x")], {}, "the same credentials"),
        (["a"], {}, "must be of User"),
        ([User("a", b"x")], {"authenticator_supplier": "A"}, "exclude each other"),
    ],
)
def test_users_are_checked_before_anything_starts(
    tmp_path: Path, users: list[User], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingError, match=words):
        ArchiveServer.launch(tmp_path / "archive", tmp_path / "no driver", users=users, **settings)
    assert not (tmp_path / "archive").exists()


def configured(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_users_from_a_file(tmp_path: Path) -> None:
    key = tmp_path / "bob.key"
    key.write_bytes(b"\0\1")
    key.chmod(0o600)
    path = configured(
        tmp_path / "users.yaml",
        "users:\n"
        "- {name: alice, credentials: s3cret}\n"
        "- {name: bob, credentials_file: bob.key, rights: [list, replay]}\n",
    )
    assert read_users(path) == (
        User("alice", b"s3cret"),
        User("bob", b"\0\1", frozenset({ArchiveRight.LIST, ArchiveRight.REPLAY})),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("users: [{name: a}]", "either credentials or credentials_file"),
        ("users: [{name: a, credentials: x, rights: [fly]}]", "'fly' of 'a' is no right; there are list, record"),
        ("users: [{name: a, credentials: x, right: [list]}]", r"unknown field `right`.*users\[0\]"),
        ("users: [{name: a, credentials_file: nothing}]", "nothing"),
        ("users: {", "users.yaml"),
        ("users: []", "nobody could connect"),
    ],
)
def test_a_bad_file(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        read_users(configured(tmp_path / "users.yaml", text))


def test_a_file_that_others_may_read(tmp_path: Path) -> None:
    path = configured(tmp_path / "users.yaml", "users: [{name: a, credentials: x}]")
    path.chmod(0o640)
    with pytest.raises(SettingError, match="chmod 600"):
        read_users(path)
    with pytest.raises(SettingError, match="no users from"):
        read_users(tmp_path / "nothing")


def test_credentials_from_a_file(tmp_path: Path) -> None:
    path = configured(tmp_path / "a.key", "s3cret\n")
    assert read_credentials(path) == read_credentials(str(path)) == b"s3cret\n"
    path.chmod(0o604)
    with pytest.raises(SettingError, match="chmod 600"):
        read_credentials(path)
    for text in ("", "x" * 2049):
        with pytest.raises(SettingError, match=f"1 to 2048 bytes, not {len(text)}"):
            read_credentials(configured(path, text))
    with pytest.raises(SettingError, match="no credentials from"):
        read_credentials(tmp_path)


def test_what_a_start_that_was_killed_left_of_users_is_removed(tmp_path: Path) -> None:
    left, other = tmp_path / "users-4194305", tmp_path / "users-list"
    for path in (left, other):
        path.write_text("6f7065 0000 61,68\n")
    with ArchivingMediaDriver.launch(tmp_path, timeout=TIMEOUT, users=[OPERATOR]):
        assert [path.name for path in tmp_path.glob("users-*")] == [other.name]
