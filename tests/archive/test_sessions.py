"""Sessions: connected, refused, shared by threads, left alone, interrupted, lost."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from aeron_py.archive.client import Archive
from aeron_py.archive.context import ArchiveContext
from aeron_py.archive.server import ArchiveServer, ArchivingMediaDriver
from aeron_py.client import Client
from aeron_py.counters import CounterType
from aeron_py.driver import MediaDriver
from aeron_py.errors import (
    AeronError,
    ArchiveConnectionError,
    ArchiveError,
    ArchiveErrorCode,
    ClosedError,
    DriverTimeoutError,
    Recovery,
    SettingError,
    TimedOutError,
)
from tests.archive.streams import CHANNEL, TIMEOUT, new_stream_id, offer, record
from tests.nodes import START_TIMEOUT
from tests.ports import free_port
from tests.waiting import wait_until

SUB_POS, PUB_POS = CounterType.SUBSCRIPTION_POSITION, CounterType.PUBLISHER_POSITION


def test_over_the_network(node: ArchivingMediaDriver, node_client: Client) -> None:
    context = node.archive_context(local=False)
    with Archive.connect(node_client, context, timeout=START_TIMEOUT) as session:
        assert session.archive_id == node.archive_server.archive_id
        assert session.control_session_id >= 0
        assert session.is_connected
        session.list_recordings()


def test_over_a_response_channel(node: ArchivingMediaDriver, node_client: Client) -> None:
    known = node.archive_context(local=False)
    context = ArchiveContext(
        control_request_channel=known.control_request_channel,
        control_request_stream_id=known.control_request_stream_id,
        control_response_channel=f"aeron:udp?control-mode=response|control=127.0.0.1:{free_port()}",
    )
    with Archive.connect(node_client, context, timeout=START_TIMEOUT) as session:
        session.list_recordings()


def test_two_sessions_at_once(node: ArchivingMediaDriver, node_client: Client, archive: Archive) -> None:
    with Archive.connect(node_client, node.archive_context(), timeout=START_TIMEOUT) as other:
        assert other.control_session_id != archive.control_session_id
        assert other.archive_id == archive.archive_id
        recording = record(node_client, other, new_stream_id())
        assert archive.list_recording(recording.recording_id).session_id == recording.session_id
        assert archive.recording_signals() == []


def test_sessions_of_two_clients_do_not_hear_each_other(node: ArchivingMediaDriver) -> None:
    """They have one channel and stream id for answers, but each a session id of its own there, as Aeron's own have."""
    context = node.archive_context()
    with contextlib.ExitStack() as stack:
        sessions = [
            stack.enter_context(
                Archive.connect(
                    stack.enter_context(Client.connect(node.aeron_dir)), node.archive_context(), timeout=START_TIMEOUT
                )
            )
            for _ in range(3)
        ]
        record(sessions[0].client, sessions[0], new_stream_id())
        answerers: list[str] = []
        for session in sessions:
            counters = session.client.counters
            # The label: sub-pos, registration id, session id, stream id, channel.
            labels = [
                each.label.split() for each in counters.list(SUB_POS) if each.owner_id == session.client.client_id
            ]
            (heard,) = [each[2] for each in labels if each[3] == str(context.control_response_stream_id)]
            answerers.append(heard)
        assert len(set(answerers)) == 3, answerers
        # Nor is anybody woken.
        for other in sessions[1:]:
            assert other.recording_signals() == []
        for _ in range(100):
            sessions[0].list_recordings()
        assert select.select([each._session.fd for each in sessions[1:]], [], [], 0)[0] == []


def test_no_archive_there(node_client: Client) -> None:
    context = ArchiveContext(control_request_channel="aeron:ipc", control_request_stream_id=987654)
    with pytest.raises(TimedOutError, match=r"aeron:ipc stream 987654 within 2 s: no archive listens"):
        Archive.connect(node_client, context, timeout=2)


def test_refused_by_the_driver(node_client: Client) -> None:
    context = ArchiveContext(control_request_channel="aeron:udp?endpoint=no.such.host.invalid:1")
    with pytest.raises(AeronError, match=r"no\.such\.host\.invalid"):
        Archive.connect(node_client, context, timeout=TIMEOUT)


def test_contexts_are_checked(monkeypatch: pytest.MonkeyPatch, node_client: Client) -> None:
    for settings in (
        {"control_request_channel": "aeron:ipx"},
        {"control_request_channel": "aeron:ipc", "control_response_channel": "nonsense"},
        {"control_request_channel": "aeron:ipc", "control_request_stream_id": 2**31},
        {"control_request_channel": "aeron:ipc", "message_timeout": 0},
        {"control_request_channel": "aeron:ipc", "client_name": "x" * 101},
    ):
        with pytest.raises(SettingError):
            ArchiveContext(**settings)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="credentials"):
        Archive.connect(node_client, ArchiveContext(control_request_channel="aeron:ipc", credentials=b"x" * 5000))
    monkeypatch.delenv("AERON_ARCHIVE_CONTROL_CHANNEL", raising=False)
    with pytest.raises(SettingError, match="AERON_ARCHIVE_CONTROL_CHANNEL"):
        Archive.connect(node_client)


def test_the_environment_says_where(
    monkeypatch: pytest.MonkeyPatch, node: ArchivingMediaDriver, node_client: Client
) -> None:
    context = node.archive_context()
    monkeypatch.setenv("AERON_ARCHIVE_CONTROL_CHANNEL", str(context.control_request_channel))
    monkeypatch.setenv("AERON_ARCHIVE_CONTROL_STREAM_ID", str(context.control_request_stream_id))
    with Archive.connect(node_client, timeout=START_TIMEOUT) as session:
        assert session.archive_id == node.archive_server.archive_id
    monkeypatch.setenv("AERON_ARCHIVE_CONTROL_STREAM_ID", "ten")
    with pytest.raises(SettingError, match="AERON_ARCHIVE_CONTROL_STREAM_ID"):
        Archive.connect(node_client)


def test_closed(node: ArchivingMediaDriver, node_client: Client) -> None:
    session = Archive.connect(node_client, node.archive_context(), timeout=START_TIMEOUT)
    assert "archive session" in repr(session)
    session.close()
    session.close()
    assert session.closed
    assert not session.is_connected
    for call in (session.list_recordings, session.recording_signals, session.poll_recording_signals):
        with pytest.raises(ClosedError):
            call()


def test_closed_by_its_client(node: ArchivingMediaDriver) -> None:
    with Client.connect(node.aeron_dir) as client:
        session = Archive.connect(client, node.archive_context(), timeout=START_TIMEOUT)
    with pytest.raises(ClosedError):
        session.list_recordings()
    session.close()


def test_threads_share_a_session(node_client: Client, archive: Archive) -> None:
    recording = record(node_client, archive, new_stream_id())
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(30):
                assert archive.get_start_position(recording.recording_id) == 0
                assert archive.get_stop_position(recording.recording_id) == recording.stop_position
                assert archive.list_recordings(stream_id=recording.stream_id) == [recording]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
    assert failures == []


def test_closed_while_threads_wait(node: ArchivingMediaDriver, node_client: Client) -> None:
    session = Archive.connect(node_client, node.archive_context(), timeout=START_TIMEOUT)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while True:
                session.list_recordings()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    session.close()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
    assert [type(failure) for failure in failures] == [ClosedError] * 4


def test_late_errors_are_raised_by_the_next_call(node: ArchivingMediaDriver, node_client: Client) -> None:
    heard: list[AeronError] = []
    with Archive.connect(
        node_client, node.archive_context(), timeout=START_TIMEOUT, error_handler=heard.append
    ) as session:
        recording = record(node_client, session, new_stream_id())
        # Accepted, since the stream is the recording's; then its publication does not begin where the recording ends.
        subscription_id = session.extend_recording(recording.recording_id, CHANNEL, recording.stream_id)
        with node_client.add_exclusive_publication(CHANNEL, recording.stream_id):
            late = wait_until(lambda: raised(session))
        assert isinstance(late, ArchiveError)
        assert late.archive_code == ArchiveErrorCode.INVALID_EXTENSION
        assert late.operation == "extend_recording"
        assert heard[0] is late
        assert {str(error) for error in heard} == {str(late)}
        after_late_errors(session.list_recordings)
        after_late_errors(lambda: session.try_stop_recording_subscription(subscription_id))


def after_late_errors(call: Callable[[], object]) -> None:
    """Call it until it raises none: the archive may have said the same more than once."""
    for _ in range(10):
        try:
            call()
            return
        except ArchiveError as error:
            assert error.operation == "extend_recording"
    raise AssertionError("there is no end of late errors")


def raised(session: Archive) -> AeronError | None:
    try:
        session.poll_recording_signals()
    except AeronError as error:
        return error
    return None


def test_a_quiet_client_keeps_its_session(tmp_path: Path) -> None:
    window = 32 * 1024
    with (
        MediaDriver.launch() as driver,
        ArchiveServer.launch(
            tmp_path, driver.aeron_dir, timeout=START_TIMEOUT, session_liveness_check_interval=0.001
        ) as server,
        Client.connect(driver.aeron_dir) as client,
        Archive.connect(client, server.archive_context(), timeout=START_TIMEOUT) as session,
    ):
        # The archive asks now and then whether the client is there; no more than the window would go in if nobody read.
        wait_until(lambda: any(c.value > window for c in client.counters.list(PUB_POS) if " 20 aeron:ipc" in c.label))
        assert session.is_connected
        assert session.list_recordings() == []


def test_the_archive_is_killed(tmp_path: Path) -> None:
    with MediaDriver.launch(client_liveness_timeout=5.0) as driver, Client.connect(driver.aeron_dir) as client:
        with ArchiveServer.launch(tmp_path, driver.aeron_dir, timeout=START_TIMEOUT) as server:
            session = Archive.connect(client, server.archive_context(), timeout=START_TIMEOUT)
            stream_id = new_stream_id()
            session.start_recording(CHANNEL, stream_id)
            with client.add_exclusive_publication(CHANNEL, stream_id) as publication:
                position = offer(publication, b"kept")
                recording_id = session.await_recorded(publication, position, timeout=TIMEOUT)
                os.kill(server.pid, signal.SIGKILL)
                with pytest.raises(ArchiveError) as lost:
                    while True:
                        session.await_recorded(publication, offer_more(publication), timeout=TIMEOUT)
                assert isinstance(lost.value, ArchiveConnectionError)
                assert lost.value.recovery is Recovery.RECONNECT
                assert "connect to it anew" in str(lost.value)
            with pytest.raises(ArchiveConnectionError):
                session.list_recordings()
            assert not session.is_connected
            session.close()
        with (
            ArchiveServer.launch(tmp_path, driver.aeron_dir, timeout=START_TIMEOUT) as again,
            Archive.connect(client, again.archive_context(), timeout=START_TIMEOUT) as session,
        ):
            assert session.list_recording(recording_id).stop_position >= position


def offer_more(publication: object) -> int:
    return publication.position + 32  # type: ignore[attr-defined,no-any-return]


def test_the_driver_is_closed(tmp_path: Path) -> None:
    driver = MediaDriver.launch()
    with (
        driver,
        ArchiveServer.launch(tmp_path, driver.aeron_dir, timeout=START_TIMEOUT) as server,
        Client.connect(driver.aeron_dir, driver_timeout=5.0, error_handler=lambda error: None) as client,
    ):
        session = Archive.connect(client, server.archive_context(), timeout=START_TIMEOUT)
        driver.close()
        wait_until(lambda: client.is_closed)
        with pytest.raises((DriverTimeoutError, ArchiveConnectionError)) as lost:
            session.list_recordings()
        assert lost.value.recovery is Recovery.RECONNECT
        session.close()


def test_credentials(tmp_path: Path) -> None:
    supplier = "io.aeron.samples.archive.SampleAuthenticatorSupplier"
    challenges: list[bytes] = []

    def answer(challenge: bytes) -> bytes:
        challenges.append(challenge)
        return b"admin:CSadmin"

    with (
        MediaDriver.launch() as driver,
        ArchiveServer.launch(
            tmp_path, driver.aeron_dir, timeout=START_TIMEOUT, authenticator_supplier=supplier
        ) as server,
        Client.connect(driver.aeron_dir) as client,
    ):

        def context(**settings: object) -> ArchiveContext:
            known = server.archive_context()
            return ArchiveContext(
                control_request_channel=known.control_request_channel,
                control_request_stream_id=known.control_request_stream_id,
                **settings,  # type: ignore[arg-type]
            )

        for good in (
            context(credentials=b"admin:admin"),
            context(credentials=lambda: b"admin:admin"),
            context(credentials=b"admin:adminC", on_challenge=answer),
        ):
            with Archive.connect(client, good, timeout=START_TIMEOUT) as session:
                assert session.list_recordings() == []
        assert challenges == [b"challenge!"]

        with pytest.raises(ArchiveError) as refused:
            Archive.connect(client, context(credentials=b"nobody"), timeout=START_TIMEOUT)
        assert refused.value.archive_code == ArchiveErrorCode.AUTHENTICATION_REJECTED
        with pytest.raises(ArchiveError) as refused:
            wrong = context(credentials=b"admin:adminC", on_challenge=lambda challenge: b"wrong")
            Archive.connect(client, wrong, timeout=START_TIMEOUT)
        assert refused.value.archive_code == ArchiveErrorCode.AUTHENTICATION_REJECTED
        with pytest.raises(ArchiveError, match="on_challenge"):
            Archive.connect(client, context(credentials=b"admin:adminC"), timeout=START_TIMEOUT)


@pytest.mark.parametrize("what", ["connect", "await_recorded"])
def test_ctrl_c_is_heard_at_once(node: ArchivingMediaDriver, what: str) -> None:
    context = node.archive_context()
    script = f"""
        import sys, time
        import aeron_py as aeron

        with aeron.Client.connect({str(node.aeron_dir)!r}) as client:
            known = aeron.ArchiveContext(
                control_request_channel={str(context.control_request_channel)!r},
                control_request_stream_id={context.control_request_stream_id},
            )
            nobody = aeron.ArchiveContext(control_request_channel="aeron:ipc", control_request_stream_id=987655)
            began = time.monotonic()
            connect = aeron.Archive.connect  # now: Python 3.11 makes another error of Ctrl-C in an import
            try:
                if {what!r} == "connect":
                    print("waiting", flush=True)
                    connect(client, nobody, timeout=300)
                with (
                    connect(client, known, timeout=60) as archive,
                    client.add_publication("aeron:ipc?term-length=64k", 1999) as publication,
                ):
                    print("waiting", flush=True)
                    archive.await_recorded(publication, 32, timeout=300)
            except KeyboardInterrupt:
                assert time.monotonic() - began < 200
                print("interrupted", flush=True)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "waiting\n"
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
            assert child.wait(TIMEOUT) == 0
        finally:
            child.kill()
