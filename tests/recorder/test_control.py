"""Sessions over the control stream: the recorder's side and its clients, sync and async, and any other language's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from aeron_py import (
    AeronError,
    Archive,
    ArchivingMediaDriver,
    AsyncClient,
    Client,
    ClosedError,
    SettingError,
    TimedOutError,
)
from aeron_py.recorder.config import RecorderConfig, SessionsConfig
from aeron_py.recorder.playback import AsyncRecorderClient, ControlServer, RecorderClient, Remap, messages
from aeron_py.recorder.timeindex import TimeIndex
from aeron_py.recorder.when import format_time
from tests.recorder.histories import CAMERA, RADAR, TIMEOUT, Listeners, Recording, stamp_of
from tests.streams import send
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def recorded(node: ArchivingMediaDriver, module_client: Client, module_archive: Archive) -> Recording:
    recording = Recording(module_client, module_archive, node.archive_dir, 9000)
    recording.add(CAMERA)
    recording.add(RADAR)
    for _ in range(20):
        recording.batch(CAMERA, RADAR, length=50)
    recording.close()
    return recording


@pytest.fixture(scope="module")
def server(
    node: ArchivingMediaDriver, module_client: Client, module_archive: Archive, recorded: Recording
) -> Iterator[ControlServer]:
    config = RecorderConfig(
        archive_dir=str(node.archive_dir),
        record=False,
        sessions=SessionsConfig(max_sessions=4, max_sessions_per_client=3, idle_timeout=0.5),
    )
    with (
        TimeIndex.open(node.archive_dir, [recorded.writer.recording_id]) as index,
        ControlServer(module_client, module_archive, config, index=index) as started,
    ):
        yield started


@pytest.fixture
def recorder(server: ControlServer, node: ArchivingMediaDriver) -> Iterator[RecorderClient]:
    """Of a client of its own, as in another process."""
    with Client.connect(node.aeron_dir) as client, RecorderClient(client, timeout=TIMEOUT) as made:
        yield made


def test_play_over_the_control_stream(recorder: RecorderClient, recorded: Recording) -> None:
    with recorder.open_session(speed="Unlimited", topics=["pubsub:**"]) as session:
        assert session.controls.start == session.controls.end == "Unbounded"
        assert sorted(session.topics) == sorted([CAMERA, RADAR])
        assert session.value(CAMERA) is None
        with Listeners({topic: session.subscribe(topic) for topic in session.topics}) as listeners:
            wait_until(lambda: all(info.listening for info in session.topics.values()), TIMEOUT)
            session.state = "play"
            listeners.await_all(recorded.sent)
            wait_until(lambda: session.ended, TIMEOUT)
            assert session.state == "tail"
        session.state = "pause"
        session.pos = format_time(recorded.times[9])
        assert session.pos == format_time(recorded.times[9])
        value = session.value(CAMERA)
        assert value is not None
        assert value.payload == recorded.sent[CAMERA][9]
        assert session.set(state="pause", speed=4, end=format_time(recorded.times[15])).speed == 4
        session.start = format_time(recorded.times[2])
        before = session.controls.pos_ns
        after = session.step(2).pos_ns
        assert before is not None
        assert after is not None
        assert after > before
        assert session.step(-2).pos_ns is not None
        known = {each.session: each for each in recorder.sessions()}
        assert known[session.session_id].topics == 2
        assert recorder.session(session.session_id).speed == 4.0
    assert session.session_id not in {each.session for each in recorder.sessions()}


def test_remap(recorder: RecorderClient, recorded: Recording) -> None:
    with recorder.open_session(remap=[Remap(topic="pubsub:radar", stream_id=66_001)], topics="pubsub:radar") as session:
        assert session.topics[RADAR].stream_id == 66_001
        assert session.start == "Unbounded"


def test_what_is_refused(recorder: RecorderClient) -> None:
    with pytest.raises(SettingError, match="speed"):
        recorder.open_session(speed="fast")
    with pytest.raises(SettingError, match="no session"):
        recorder.session("none").controls  # noqa: B018
    with pytest.raises(SettingError, match="stream 900000 is the recorder's own"):
        recorder.open_session(remap=[Remap(topic="pubsub:radar", stream_id=900_000)])
    with recorder.open_session() as session:
        with pytest.raises(SettingError, match="state"):
            session.state = "stop"
        with pytest.raises(SettingError, match="camera"):
            session.subscribe("pubsub:cam")
        with recorder.open_session(), recorder.open_session(), pytest.raises(SettingError, match="the most"):
            recorder.open_session()


def test_limits(server: ControlServer, recorder: RecorderClient, node_client: Client) -> None:
    """So many sessions of one client, and so many of all; one that is closed makes room."""
    with RecorderClient(node_client, timeout=TIMEOUT) as other, contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(recorder.open_session()) for _ in range(3)]
        with pytest.raises(SettingError, match="this client has 3 sessions"):
            recorder.open_session()
        stack.enter_context(other.open_session())
        with pytest.raises(SettingError, match="there are 4 sessions"):
            other.open_session()
        sessions[0].close()
        with other.open_session() as session:
            assert session.session_id in {each.session for each in recorder.sessions()}


def test_a_channel_that_the_driver_refuses_stops_no_other_session(
    recorder: RecorderClient, recorded: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = "aeron:udp?endpoint=224.0.1.17:40999|interface=203.0.113.1"
    with (
        recorder.open_session(channel=nowhere, topics=[RADAR]) as refused,
        recorder.open_session(speed="Unlimited", topics=[CAMERA]) as session,
        Listeners({CAMERA: session.subscribe(CAMERA)}) as listeners,
    ):
        wait_until(lambda: f"{RADAR} is not played for now" in caplog.text, TIMEOUT)
        refused.state = session.state = "play"
        listeners.await_all({CAMERA: recorded.sent[CAMERA]})
        refused.set(speed="Unlimited", end="+1h")
        assert not refused.topics[RADAR].listening
        assert "203.0.113.1" in (refused.topics[RADAR].problem or "")
        assert session.topics[CAMERA].problem is None
    assert caplog.text.count("is not played for now") == 1


@pytest.mark.parametrize("wrong", [{"stream_id": 1 << 40}, {"channel": "aeron:udp"}])
def test_a_session_that_is_refused_leaves_nothing(
    server: ControlServer, recorder: RecorderClient, wrong: dict[str, Any]
) -> None:
    tracks = server._pacer._handle._children
    before = len(tracks)
    for _ in range(3):
        with pytest.raises(SettingError):
            recorder.open_session(remap=[Remap(topic="radar", **wrong)])
    assert len(tracks) == before


@pytest.mark.parametrize("far", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("control", ["start", "end", "pos"])
def test_times_far_away_are_times_like_others(recorder: RecorderClient, control: str, far: str) -> None:
    with recorder.open_session(topics=[RADAR], **{control: far}) as session:  # type: ignore[arg-type]
        session.set(**{control: far})  # type: ignore[arg-type]
        assert session.session_id in {each.session for each in recorder.sessions()}


def test_speeds_at_their_limits_stop_no_other_session(recorder: RecorderClient, recorded: Recording) -> None:
    """Beyond these, what is reckoned with them has no number any more."""
    for beyond in (1e308, 1e-308):
        with pytest.raises(SettingError, match=r"a number from 0\.000001 to 1000000"):
            recorder.open_session(speed=beyond)
    with (
        recorder.open_session(speed=1e-6, state="play"),
        recorder.open_session(speed=1e6, topics=[CAMERA]) as session,
        Listeners({CAMERA: session.subscribe(CAMERA)}) as listeners,
    ):
        session.state = "play"
        listeners.await_all({CAMERA: recorded.sent[CAMERA]})
        wait_until(lambda: session.ended, TIMEOUT)


@pytest.mark.parametrize("control", ["start", "end", "pos"])
def test_a_time_that_no_calendar_has_is_refused_and_leaves_nothing(recorder: RecorderClient, control: str) -> None:
    for far in ("-99999999999d", "9999-12-31T23:59:59-05:00"):
        with pytest.raises(SettingError, match="years go from 1 to 9999"):
            recorder.open_session(**{control: far})  # type: ignore[arg-type]
    assert recorder.sessions() == []


@pytest.mark.parametrize(
    "where", [("aeron:udp", 1), ("aeron:ipc", 1 << 40), ("aeron:ipc", 70_124)], ids=["channel", "stream", "gone"]
)
def test_who_can_not_be_answered_holds_nobody_up(
    server: ControlServer, recorder: RecorderClient, node_client: Client, where: tuple[str, int]
) -> None:
    """Requests come together: some with a bad place for replies, or of a client that has gone; then one of another."""
    reply = {"channel": where[0], "stream_id": where[1]}
    request = {"version": 1, "client": "gone", "id": 1, "reply": reply, "body": {"op": "sessions"}}
    recorder.sessions()
    number, good = recorder._protocol.request(messages.Sessions())
    offered, _ = recorder._requests.offer_many([json.dumps(request).encode()] * 20 + [good])
    assert offered == 21

    def answered() -> bool:
        return any(json.loads(each)["id"] == number for each in recorder._replies.poll_payloads())

    wait_until(answered, TIMEOUT)


def test_a_closed_session_is_closed(recorder: RecorderClient) -> None:
    with recorder.open_session() as session:
        session.close()
        session.close()
        with pytest.raises(ClosedError, match=f"session {session.session_id} is closed"):
            session.state = "play"
        with pytest.raises(AttributeError):
            session.spede = 2  # type: ignore[attr-defined]


def test_nobody_there(node: ArchivingMediaDriver, node_client: Client) -> None:
    with RecorderClient(node_client, stream_id=990_001, timeout=0.2) as recorder, pytest.raises(AeronError):
        recorder.sessions()
    with (
        node_client.add_subscription("aeron:ipc", 990_002),
        RecorderClient(node_client, stream_id=990_002, timeout=0.2) as recorder,
        pytest.raises(TimedOutError, match="no recorder answered"),
    ):
        recorder.sessions()
    with pytest.raises(SettingError, match="reply_channel"):
        RecorderClient(node_client, channel="aeron:udp?endpoint=localhost:40456")


def test_sessions_are_collected(server: ControlServer, node: ArchivingMediaDriver, recorder: RecorderClient) -> None:
    """When their client is gone and nobody listens; before that they stay, as long as it takes."""
    with Client.connect(node.aeron_dir) as client:
        owner = RecorderClient(client, timeout=TIMEOUT)
        session = owner.open_session(topics=[RADAR])
        left = owner.open_session()
        subscription = client.add_subscription("aeron:ipc", session.topics[RADAR].stream_id)
        owner.close()
        ours = {session.session_id, left.session_id}
        known = lambda: ours & {each.session for each in recorder.sessions()}  # noqa: E731
        wait_until(lambda: known() == {session.session_id}, TIMEOUT)
        subscription.close()
        wait_until(lambda: not known(), TIMEOUT)


def test_plain_json(server: ControlServer, node_client: Client, recorded: Recording) -> None:
    """What a program in another language does."""
    number = 0
    with (
        node_client.add_subscription("aeron:ipc", 70_123) as replies,
        node_client.add_exclusive_publication("aeron:ipc", server.config.control.stream_id) as requests,
    ):
        wait_until(lambda: requests.is_connected, TIMEOUT)

        def ask(body: dict[str, Any], **changed: Any) -> dict[str, Any]:
            nonlocal number
            number += 1
            reply = {"channel": "aeron:ipc", "stream_id": 70_123}
            request = {"version": 1, "client": "cobol", "id": number, "reply": reply, "body": body, **changed}
            send(requests, json.dumps(request).encode())
            found: list[dict[str, Any]] = []

            def answered() -> bool:
                found.extend(json.loads(each) for each in replies.poll_payloads())
                return any(each["id"] == number for each in found)

            wait_until(answered, TIMEOUT)
            return found[-1]

        opened = ask({"op": "open", "start": "-3d", "speed": 2})["result"]
        assert opened["controls"]["speed"] == 2
        assert opened["topics"][CAMERA]["recordings"] == 1
        name = opened["session"]
        assert ask({"op": "set", "session": name, "state": "play"})["result"]["state"] == "play"
        assert ask({"op": "get", "session": name})["result"]["start"].endswith("Z")
        assert RADAR in ask({"op": "values", "session": name})["result"]
        assert ask({"op": "fly"})["error"]["kind"] == "SettingError"
        assert ask({"op": "get"})["error"]["message"]
        assert "version 2" in ask({"op": "sessions"}, version=2)["error"]["message"]
        send(requests, b"\xff\x00 no JSON at all")
        assert ask({"op": "close", "session": name}).get("error") is None
        assert "no session" in ask({"op": "get", "session": name})["error"]["message"]


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_async(server: ControlServer, node: ArchivingMediaDriver, recorded: Recording, backend: str) -> None:
    async def main() -> None:
        async with (
            AsyncClient.connect(node.aeron_dir) as client,
            AsyncRecorderClient.connect(client, timeout=TIMEOUT) as recorder,
            recorder.open_session(start=recorded.times[4], topics=[RADAR]) as session,
            session.subscribe(RADAR) as subscription,
        ):
            with anyio.fail_after(TIMEOUT):
                while not (await session.topics())[RADAR].listening:
                    await anyio.sleep(0.005)
                await session.set(speed="Unlimited", state="play")
                expected = [each for each in recorded.sent[RADAR] if stamp_of(each) > recorded.times[4]]
                assert [(await subscription.receive()).payload for _ in expected] == expected
                assert (await session.values())[RADAR] is not None
                assert (await session.controls()).speed == "Unlimited"
                assert session.session_id in {each.session for each in await recorder.sessions()}
                await session.set(state="pause")
                await session.step(-1)
                with pytest.raises(SettingError):
                    await recorder.session("none").controls()
                await session.close()
                await session.close()
                with pytest.raises(ClosedError):
                    await session.controls()

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_session_whose_opening_is_cancelled_is_closed(
    server: ControlServer, node: ArchivingMediaDriver, recorded: Recording, backend: str
) -> None:
    async def main() -> None:
        async with (
            AsyncClient.connect(node.aeron_dir) as client,
            AsyncRecorderClient.connect(client, timeout=TIMEOUT) as recorder,
        ):
            with anyio.fail_after(TIMEOUT):
                await recorder.sessions()

                async def open_session() -> None:
                    async with recorder.open_session():
                        pass

                for _ in range(server.config.sessions.max_sessions + 1):
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(open_session)
                        await anyio.wait_all_tasks_blocked()  # the request is on its way
                        tasks.cancel_scope.cancel()
                async with recorder.open_session() as session:
                    assert session.session_id in {each.session for each in await recorder.sessions()}

    anyio.run(main, backend=backend)
