"""The recorder as a whole, with a real media driver and a real archive."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
import trio

from aeron_py import (
    AeronError,
    Archive,
    AsyncClient,
    Client,
    ClosedError,
    ExclusivePublication,
    MediaDriver,
    Publication,
    TimedOutError,
)
from aeron_py.archive.catalog import read_catalog
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.server import ArchiveServer, context_from_mark
from aeron_py.recorder.config import load
from aeron_py.recorder.known import KnownStreams
from aeron_py.recorder.playback.client import RecorderClient
from aeron_py.recorder.service import Recorder, RecorderState
from tests.faults.playing import kill_archive
from tests.ports import free_port
from tests.recorder.recorders import TIMEOUT, Events, Process, configured, history, payloads, recordings, told
from tests.sockets import bound_addresses
from tests.streams import receive, send
from tests.waiting import wait_until


def publish(publication: Publication, *messages: bytes) -> int:
    position = 0
    for message in messages:
        wait_until(lambda: publication.is_connected, TIMEOUT)
        position = send(publication, message)
    return position


def opened(client: Client, topic: str, stream_id: int) -> ExclusivePublication:
    return client.add_exclusive_publication(f"aeron:ipc?alias={topic}", stream_id)


def test_from_first_to_second_run(tmp_path: Path) -> None:
    topics = {f"pubsub:camera/{i}": 100 + i for i in range(5)}
    with Recorder(configured(tmp_path)) as recorder:
        recorder.wait_running(TIMEOUT)
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(Client.connect(recorder.aeron_dir))
            publications = [stack.enter_context(opened(client, topic, topics[topic])) for topic in topics]
            unwanted = stack.enter_context(opened(client, "pubsub:unwanted/x", 200))
            unnamed = stack.enter_context(client.add_publication("aeron:ipc", 300))
            for publication in [*publications, unnamed]:
                publication.await_recorder(TIMEOUT)
                publish(publication, b"first", b"second")
            wait_until(lambda: len(recorder.streams) == 6, TIMEOUT)
            assert {each.topic for each in recorder.streams} == {*topics, "file:ipc/300"}
            assert not unwanted.is_connected
            assert recorder.journal_id is not None
    assert recorder.state is RecorderState.CLOSED
    expected = sum(wait_position.stop_position for wait_position in recordings(tmp_path, 100))
    assert history(tmp_path)["pubsub:camera/0"] == [(recordings(tmp_path, 100)[0].recording_id, 0, expected)]
    assert {each.stream_id for each in read_catalog(tmp_path)} == {*topics.values(), 300, 900_001}

    # From now on nothing is missed: the archive listens before the publishers come.
    with Recorder(configured(tmp_path)) as recorder:
        recorder.wait_running(TIMEOUT)
        with Client.connect(recorder.aeron_dir) as client:
            for topic, stream_id in topics.items():
                with opened(client, topic, stream_id) as publication:
                    publish(publication, b"third")
            # Whatever came first is in the journal, though its publisher is gone.
            wait_until(lambda: len(history(tmp_path).get("pubsub:camera/4", ())) == 2, TIMEOUT)
    told = history(tmp_path)
    for topic, stream_id in topics.items():
        assert payloads(tmp_path, stream_id) == [b"first", b"second", b"third"]
        chain = recordings(tmp_path, stream_id)
        assert told[topic] == [(each.recording_id, each.start_position, each.stop_position) for each in chain]
    # Each once, and nothing of the recorder's own.
    assert [len(recordings(tmp_path, each)) for each in topics.values()] == [2] * 5
    assert all(not topic.startswith("file:aeron-py") for topic in told)


def test_what_is_not_started_yet_says_so(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"takes a RecorderConfig, as load\(\) makes it, not str"):
        Recorder("recorder.yaml")  # type: ignore[arg-type]
    recorder = Recorder(configured(tmp_path))
    with pytest.raises(AeronError, match="start the recorder first"):
        _ = recorder.aeron_dir
    recorder.close()


def test_what_shares_a_stream_with_what_is_not_recorded(tmp_path: Path) -> None:
    known = KnownStreams(tmp_path)
    known.note("aeron:ipc?alias=pubsub:a", 10, "pubsub:a")
    known.save()
    with Recorder(configured(tmp_path)) as recorder:
        recorder.wait_running(TIMEOUT)
        # Armed, so the archive takes whatever comes on the stream.
        with Client.connect(recorder.aeron_dir) as client, opened(client, "pubsub:a", 10) as wanted:
            publish(wanted, b"1")
            wait_until(lambda: len(recorder.streams) == 1, TIMEOUT)
            before = recorder.streams[0].recording_id
            with opened(client, "pubsub:unwanted/b", 10) as unwanted:
                wait_until(lambda: any(each.recording_id != before for each in recorder.streams), TIMEOUT)
                publish(wanted, b"2")
                wait_until(lambda: not unwanted.is_connected, TIMEOUT)
            wait_until(lambda: {each.session_id for each in recordings(tmp_path, 10)} == {wanted.session_id}, TIMEOUT)
    assert payloads(tmp_path, 10) == [b"1", b"2"]
    assert set(history(tmp_path)) == {"pubsub:a"}


@pytest.mark.filterwarnings("ignore:an archive was killed:RuntimeWarning")
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("poll_interval", ["50ms", "0"])
def test_what_is_armed_is_recorded_however_late_it_is_seen_who_publishes(
    tmp_path: Path, poll_interval: str, killed: bool
) -> None:
    """Where an archive was killed, what it had shows for some more seconds, as if there were two archives."""
    known, said = KnownStreams(tmp_path), Events()
    known.note("aeron:ipc?alias=pubsub:a", 10, "pubsub:a")
    known.save()
    config = load(f"{{archive_dir: {tmp_path}, play: false, rules: [{{}}], poll_interval: {poll_interval}}}")

    def listens() -> bool:
        mark = ArchiveMark.read(tmp_path)
        assert mark is not None
        with (
            Client.connect(recorder.aeron_dir) as client,
            Archive.connect(client, context_from_mark(mark), timeout=TIMEOUT) as archive,
        ):
            return any(each.stream_id == 10 for each in archive.list_recording_subscriptions())

    with Recorder(config, on_event=said.append) as recorder:
        recorder.wait_running(TIMEOUT)
        wait_until(listens, TIMEOUT)
        if killed:
            kill_archive(tmp_path)
            wait_until(lambda: recorder.state is RecorderState.WAITING, TIMEOUT)
            recorder.wait_running(TIMEOUT)
            wait_until(listens, TIMEOUT)
        with Client.connect(recorder.aeron_dir) as client, opened(client, "pubsub:a", 10) as publication:
            end = publish(publication, b"1", b"2")
            wait_until(lambda: [each[1:] for each in history(tmp_path).get("pubsub:a", ())] == [(0, end)], TIMEOUT)
    assert payloads(tmp_path, 10) == [b"1", b"2"]
    assert not any("shares" in each for each in said)


def test_a_known_stream_that_can_not_be_listened_to_is_recorded_when_its_publisher_comes(tmp_path: Path) -> None:
    known, said = KnownStreams(tmp_path), Events()
    known.note("aeron:ipc?session-id=x|alias=pubsub:a", 10, "pubsub:a")
    known.save()
    with Recorder(configured(tmp_path), on_event=said.append) as recorder:
        recorder.wait_running(TIMEOUT)
        wait_until(said.has("can't be recorded for now"), TIMEOUT)
        with Client.connect(recorder.aeron_dir) as client, opened(client, "pubsub:a", 10) as publication:
            publication.await_recorder(TIMEOUT)
            end = publish(publication, b"1")
            wait_until(lambda: [each[1:] for each in history(tmp_path).get("pubsub:a", ())] == [(0, end)], TIMEOUT)
    assert payloads(tmp_path, 10) == [b"1"]


def test_one_bad_topic_stops_no_other(tmp_path: Path) -> None:
    events = Events()
    config = configured(tmp_path, 'channels:\n  - {channel: "aeron:udp?endpoint=no.such.host.invalid:1", stream_id: 1}')
    with Recorder(config, on_event=events.append) as recorder:
        recorder.wait_running(TIMEOUT)
        with (
            Client.connect(recorder.aeron_dir) as client,
            client.add_publication("aeron:udp?control-mode=manual|alias=pubsub:nowhere", 2),
            opened(client, "pubsub:good", 3) as good,
        ):
            good.await_recorder(TIMEOUT)
            publish(good, b"x")
            wait_until(lambda: [each.topic for each in recorder.streams] == ["pubsub:good"], TIMEOUT)
            wait_until(events.has("can't be recorded for now"), TIMEOUT)
        assert recorder.state is RecorderState.RUNNING


def test_a_configured_channel_is_recorded_once(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        "channels:\n"
        '  - {channel: "aeron:udp?endpoint=localhost:24791|interface=localhost", stream_id: 5, topic: "pubsub:prices"}',
    )
    with Recorder(config) as recorder:
        recorder.wait_running(TIMEOUT)
        with (
            Client.connect(recorder.aeron_dir) as client,
            client.add_publication("aeron:udp?endpoint=localhost:24791", 5) as publication,
        ):
            publish(publication, b"1", b"2")
            wait_until(lambda: [each.topic for each in recorder.streams] == ["pubsub:prices"], TIMEOUT)
            publication.await_recorder(TIMEOUT)
            wait_until(lambda: payloads(tmp_path, 5) == [b"1", b"2"], TIMEOUT)
    assert payloads(tmp_path, 5) == [b"1", b"2"]


def joining(archive_dir: Path, aeron_dir: Path) -> str:
    config = archive_dir.parent / "recorder.yaml"
    config.write_text(
        f"{{archive_dir: {archive_dir}, aeron_dir: {aeron_dir}, play: false, poll_interval: 50ms, rules: [{{}}]}}"
    )
    return str(config)


def test_started_before_its_driver_which_then_dies(tmp_path: Path) -> None:
    archive_dir, aeron_dir = tmp_path / "archive", tmp_path / "aeron"
    up = ("up", "--archive-dir", str(archive_dir), "--aeron-dir", str(aeron_dir))
    events = Events()
    with Recorder(load(Path(joining(archive_dir, aeron_dir))), on_event=events.append) as recorder:
        wait_until(events.has("no media driver runs in"), TIMEOUT)
        assert recorder.state is RecorderState.WAITING
        with pytest.raises(TimedOutError, match="no media driver runs in"):
            recorder.wait_running(0)
        for turn in (1, 2):
            with Process(*up) as node:
                recorder.wait_running(TIMEOUT)
                with Client.connect(aeron_dir) as client, opened(client, "pubsub:a", 10) as publication:
                    publication.await_recorder(TIMEOUT)
                    publish(publication, b"turn %d" % turn)
                    wait_until(lambda n=turn: len(history(archive_dir).get("pubsub:a", ())) == n, TIMEOUT)  # type: ignore[misc]
                    node.kill()
            wait_until(lambda: recorder.state is RecorderState.WAITING, TIMEOUT)
    assert len(history(archive_dir)["pubsub:a"]) == 2
    assert events.times("waiting") < 30


def test_the_recorder_is_killed_and_goes_on(tmp_path: Path) -> None:
    archive_dir, aeron_dir = tmp_path / "archive", tmp_path / "aeron"
    with Process("up", "--archive-dir", str(archive_dir), "--aeron-dir", str(aeron_dir)):
        record = ("record", "--config", joining(archive_dir, aeron_dir))
        with Client.connect(aeron_dir) as client, opened(client, "pubsub:a", 10) as publication:
            with Process(*record) as first:
                publication.await_recorder(TIMEOUT)
                publish(publication, b"1")
                wait_until(lambda: "pubsub:a" in history(archive_dir), TIMEOUT)
                first.kill()
            # The archive goes on recording; the next recorder finds it so.
            publish(publication, b"2")
            with Process(*record) as second:
                wait_until(lambda: len(history(archive_dir).get("pubsub:a", ())) == 2, TIMEOUT)
                end = publish(publication, b"3")
                wait_until(lambda: history(archive_dir)["pubsub:a"][-1][2] == end, TIMEOUT)
                assert second.terminate() == 0
            chain = history(archive_dir)["pubsub:a"]
            # One recording in two journals: the second begins where the first left off.
            assert chain[0][0] == chain[1][0]
            assert chain[0][2] == chain[1][1]
            assert [chain[0][1], chain[1][2]] == [0, end]
    assert payloads(archive_dir, 10) == [b"1", b"2", b"3"]


def thread_nices(pid: int) -> list[int]:
    return [os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()]


def may_be_prompt() -> bool:
    """Whether this process may take what `nice` asks for; a thread tries it, and is gone."""
    with ThreadPoolExecutor(1) as pool:
        tried = pool.submit(os.setpriority, os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) - 7)
    return not isinstance(tried.exception(), PermissionError)


@pytest.mark.parametrize("nice", [-7, 0])
def test_driver_and_archive_go_before_others(tmp_path: Path, nice: int) -> None:
    config = configured(tmp_path)
    config = msgspec.structs.replace(config, embedded=msgspec.structs.replace(config.embedded, nice=nice))
    own, mine = os.getpriority(os.PRIO_PROCESS, 0), len(thread_nices(os.getpid()))
    with Recorder(config) as recorder:
        recorder.wait_running(TIMEOUT)
        mark = ArchiveMark.read(tmp_path)
        assert mark is not None
        wanted = own + nice if may_be_prompt() else own
        assert set(thread_nices(mark.pid)) == {wanted}
        here = thread_nices(os.getpid())
        # The media driver's threads, and the one that the archive is a child of; the others are as they were.
        assert here.count(wanted) >= 2
        assert os.getpriority(os.PRIO_PROCESS, 0) == own
        assert here.count(own) > mine


def test_what_is_played_is_not_recorded(tmp_path: Path) -> None:
    config = msgspec.structs.replace(configured(tmp_path), play=True)
    messages = [b"%d" % i for i in range(20)]
    with Recorder(config) as recorder:
        recorder.wait_running(TIMEOUT)
        with Client.connect(recorder.aeron_dir) as client, opened(client, "pubsub:a", 10) as publication:
            publication.await_recorder(TIMEOUT)
            publish(publication, *messages)
            wait_until(lambda: history(tmp_path).get("pubsub:a", [(0, 0, 0)])[0][2] == publication.position, TIMEOUT)
            with (
                RecorderClient(client, timeout=TIMEOUT) as asking,
                asking.open_session(speed="Unlimited", state="pause") as session,
                session.subscribe("pubsub:a") as played,
            ):
                session.state = "play"
                assert [message.payload for message in receive(played, len(messages))] == messages
                assert [each.topic for each in recorder.streams] == ["pubsub:a"]
    assert {each.stream_id for each in read_catalog(tmp_path)} == {10, 900_001}
    assert payloads(tmp_path, 10) == messages


def test_it_records_with_its_own_archive_of_two(tmp_path: Path) -> None:
    """Both are on one media driver, and the other one records the same streams, too."""
    with (
        MediaDriver.launch(term_buffer_length=64 * 1024, ipc_term_buffer_length=64 * 1024) as driver,
        Client.connect(driver.aeron_dir) as client,
        contextlib.ExitStack() as stack,
    ):
        archives: list[Archive] = []
        for name in ("mine", "other"):
            server = stack.enter_context(
                ArchiveServer.launch(tmp_path / name, driver.aeron_dir, timeout=TIMEOUT, segment_file_length=64 * 1024)
            )
            archives.append(stack.enter_context(Archive.connect(client, server.archive_context(), timeout=TIMEOUT)))
        mine, other = archives
        config = configured(tmp_path / "mine", f"aeron_dir: {driver.aeron_dir}")
        assert mine.archive_id != other.archive_id
        for stream_id in (11, 12, 10):
            other.start_recording("aeron:ipc", stream_id)
        for stream_id in (11, 12):
            with client.add_exclusive_publication("aeron:ipc?alias=pubsub:unwanted/x", stream_id) as publication:
                other.await_recorded(publication, publish(publication, b"x"), timeout=TIMEOUT)
        subscriptions = other.list_recording_subscriptions()
        with (
            Recorder(config) as recorder,
            opened(client, "pubsub:both", 10) as both,
            opened(client, "pubsub:one", 21) as one,
        ):
            recorder.wait_running(TIMEOUT)
            for publication in (both, one):
                publication.await_recorder(TIMEOUT)
            wait_until(lambda: len(recorder.streams) == 2, TIMEOUT)
            for publication in (both, one):
                publish(publication, b"1", b"2")
            ids = {each.topic: each.recording_id for each in recorder.streams}
            assert other.await_recorded(both, both.position, timeout=TIMEOUT) == 2
            for topic, publication in (("pubsub:both", both), ("pubsub:one", one)):
                assert mine.await_recorded(publication, publication.position, timeout=TIMEOUT) == ids[topic]
            wait_until(lambda: all(told(recorder, publication) for publication in (both, one)), TIMEOUT)
        assert {each.stream_id for each in other.list_recordings()} == {11, 12, 10}
        assert other.list_recording_subscriptions() == subscriptions
        assert {each.stream_id for each in mine.list_recordings()} == {10, 21, 900_001}
    for topic, stream_id in (("pubsub:both", 10), ("pubsub:one", 21)):
        ((recording_id, begin, end),) = history(tmp_path / "mine")[topic]
        assert (recording_id, begin, end) == (ids[topic], 0, recordings(tmp_path / "mine", stream_id)[0].stop_position)
        assert payloads(tmp_path / "mine", stream_id) == [b"1", b"2"]


@pytest.mark.parametrize("over_udp", [False, True], ids=["ipc", "udp"])
def test_nothing_listens_off_loopback_unless_asked(tmp_path: Path, over_udp: bool) -> None:
    """Neither by default, nor when requests and playback go over UDP on this machine."""
    control, played = (f"aeron:udp?endpoint=localhost:{free_port()}" if over_udp else "aeron:ipc" for _ in range(2))
    config = configured(tmp_path, f"control: {{channel: '{control}'}}\nsessions: {{channel: '{played}'}}")
    reply = "aeron:udp?endpoint=localhost:0" if over_udp else None
    with Recorder(msgspec.structs.replace(config, play=True)) as recorder:
        recorder.wait_running(TIMEOUT)
        with (
            Client.connect(recorder.aeron_dir) as client,
            RecorderClient(client, channel=control, reply_channel=reply, timeout=TIMEOUT) as asking,
            opened(client, "pubsub:here", 10) as publication,
        ):
            publication.await_recorder(TIMEOUT)
            publish(publication, b"1", b"2")
            wait_until(lambda: told(recorder, publication), TIMEOUT)
            with (
                asking.open_session(speed="Unlimited", state="pause") as session,
                session.subscribe("pubsub:here") as subscription,
            ):
                session.state = "play"
                assert [message.payload for message in receive(subscription, 2)] == [b"1", b"2"]
                mark = ArchiveMark.read(tmp_path)
                assert mark is not None
                own, archive = bound_addresses(os.getpid()), bound_addresses(mark.pid)
    assert all(address.is_loopback for address, _ in own | archive), own | archive
    for channel in (control, played):
        port = channel.rpartition(":")[2]
        assert (port in {str(number) for _, number in own}) is over_udp


def test_with_await(tmp_path: Path) -> None:
    async def main() -> None:
        async with Recorder(configured(tmp_path)) as recorder:
            await recorder.running(TIMEOUT)
            async with (
                AsyncClient.connect(recorder.aeron_dir) as client,
                client.add_publication("aeron:ipc?alias=pubsub:a", 10) as publication,
            ):
                recording_id = await publication.await_recorder(TIMEOUT)
                await publication.send(b"x", wait_connected=True)
                with trio.fail_after(TIMEOUT):
                    while [each.recording_id for each in recorder.streams] != [recording_id]:
                        await trio.sleep(0.01)
        with pytest.raises(ClosedError):
            recorder.start()

    trio.run(main)
    assert payloads(tmp_path, 10) == [b"x"]


def test_in_a_program_with_many_open_files(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        while (last := os.dup(0)) < 1100:
            stack.callback(os.close, last)
        stack.callback(os.close, last)
        said = Events()
        with Recorder(configured(tmp_path), on_event=said.append) as recorder:
            recorder.wait_running(TIMEOUT)
            with Client.connect(recorder.aeron_dir) as client, opened(client, "pubsub:a", 10) as publication:
                publication.await_recorder(TIMEOUT)
                publish(publication, b"message")
                wait_until(lambda: recorder.streams, TIMEOUT)
        assert not [each for each in said if "waiting" in each]
    assert payloads(tmp_path, 10) == [b"message"]
