"""The recorder: what it costs to have it, beside the archive alone; and how many streams it holds.

``python bench/recorder.py --minutes 60`` looks whether its memory grows while all comes and goes, which takes its time.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from archive import CHANNEL, connect, messages, use_memory
from common import Peer, Row, Settings, closing, medians, rounds, serve, stream, worker
from throughput import send_blocks

STREAMS, MANY = 1000, 20_000
"""How many, and their first stream id."""
QUIET_SECONDS = 10.0
POOL = 200
"""Streams that take turns while memory is looked at."""
ALONE = "pubsub:alone"
CONFIG = """
archive_dir: {archive_dir}
aeron_dir: {aeron_dir}
arm: false
rules:
  - {{topic: "alone", policy: drop_all}}
  - {{topic: "**"}}
rotate_interval: {rotate}
retention: {{max_age: {keep}}}
journal: {{term_length: 64KiB}}
"""
SMALL = "aeron:ipc?term-length=64k|alias=pubsub:bench/"


# -- the processes that are asked


def main_recorder(config: str) -> None:
    """A recorder that is started and stopped on demand."""
    from aeron_py.recorder import Recorder, load

    running: list[Recorder] = []

    def act(line: str) -> dict[str, Any]:
        if line == "start":
            running.append(Recorder(load(Path(config)), on_event=lambda event: None))
            running[0].start()
            running[0].wait_running(30)
        elif line == "stop":
            running.pop().close()
        return {"streams": len(running[0].streams) if running else 0}

    serve(act)
    for recorder in running:
        recorder.close()


def main_publish(directory: str, stream_id: int, size: int, *request: Any) -> None:
    """One publication at the archive's full rate: recorded by the recorder, or without one."""
    client, archive = connect(directory, request[0], int(request[1]))

    def record(line: str) -> dict[str, Any]:
        kind, count = line.split()
        channel = f"{CHANNEL}|alias={ALONE if kind == 'alone' else 'pubsub:bench/rate'}"
        with client.add_exclusive_publication(channel, stream_id) as publication:
            if kind == "alone":
                archive.start_recording(f"{channel}|session-id={publication.session_id}", stream_id, auto_stop=True)
            recording_id = publication.await_recorder(30)
            while not publication.is_connected:
                time.sleep(0.005)
            start = time.perf_counter()
            send_blocks(publication, size)(int(count))
            end = publication.position
            archive.await_recorded(publication, end)
            seconds = time.perf_counter() - start
        while archive.get_stop_position(recording_id) is None:
            time.sleep(0.005)
        recording = archive.list_recording(recording_id)
        archive.purge_recording(recording_id)
        return {"seconds": seconds, "lost": end - (recording.stop_position - recording.start_position)}

    with client, archive:
        serve(record)


def main_many(directory: str) -> None:
    """Many publications, opened at once; closed at the end."""
    import aeron_py as aeron

    idle = aeron.IdleStrategy.backoff(max_park=0.001)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(aeron.Client.connect(directory, idle_strategy=idle))

        def act(line: str) -> dict[str, Any]:
            pending = [client._start_add_exclusive_publication(f"{SMALL}{i}", MANY + i) for i in range(int(line))]
            for each in pending:
                while (publication := each.poll()) is None:
                    time.sleep(0.0005)
                stack.enter_context(publication)
            return {}

        serve(act)


def main_come_and_go(directory: str) -> None:
    """Publications that come and go, a session that tails them and many that do not last.

    Each line is how long, in seconds.
    """
    import aeron_py as aeron
    from aeron_py.recorder import RecorderClient

    with (
        aeron.Client.connect(directory) as client,
        RecorderClient(client) as recorder,
        recorder.open_session(state="tail") as tail,
        contextlib.ExitStack() as stack,
    ):
        tailed: list[aeron.Subscription] = []
        data, opened, turns = bytes(200), dict[int, Any](), itertools.count(1)

        def act(line: str) -> dict[str, Any]:
            until, problems = time.monotonic() + float(line), set[str]()
            streams = sessions = played = live = 0
            while time.monotonic() < until:
                turn, streams = next(turns), streams + 1
                stream_id = 10_000 + turn % POOL
                opened[stream_id] = client.add_exclusive_publication(f"{SMALL}{stream_id}", stream_id)
                for publication in list(opened.values()):
                    for _ in range(10):
                        publication.offer_nowait(data)
                if len(opened) > 20:
                    opened.pop(next(iter(opened))).close()
                live += sum(len(each.poll_payloads(1000)) for each in tailed)
                if turn % 10 == 0:
                    if not tailed and (topics := tail.topics):
                        tailed.append(stack.enter_context(tail.subscribe(next(iter(topics)))))
                    try:
                        with (
                            recorder.open_session(start="-20s", speed="Unlimited", state="pause") as session,
                            session.subscribe(f"pubsub:bench/{next(iter(opened))}") as subscription,
                        ):
                            session.state = "play"
                            sessions += 1
                            end = time.monotonic() + 0.5
                            while time.monotonic() < end:
                                played += len(subscription.poll_payloads(100))
                                time.sleep(0.01)
                    except aeron.AeronError as error:
                        problems.add(f"{type(error).__name__}: {error}"[:200])
            return {
                "streams": streams,
                "sessions": sessions,
                "messages": played,
                "live": live,
                "problems": sorted(problems),
            }

        serve(act)
        for publication in opened.values():
            publication.close()


# -- what is measured


def resident(pid: int) -> float:
    """Memory of a process, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def node() -> Iterator[tuple[Any, Callable[..., Peer]]]:
    """A node whose recordings lie in shared memory, and what makes a recorder on it."""
    import aeron_py as aeron

    parent = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="bench-recorder-", dir=parent, ignore_cleanup_errors=True) as directory:
        archive_dir = f"{directory}/archive"
        driver = {"term_buffer_length": 1 << 16, "ipc_term_buffer_length": 1 << 16, "publication_linger_timeout": 0.1}
        with aeron.ArchivingMediaDriver.launch(archive_dir, driver=driver, segment_file_length=1 << 24) as launched:

            def recorder(rotate: str = "1h", keep: str = "1d") -> Peer:
                config = Path(directory) / f"{rotate}.yaml"
                config.write_text(
                    CONFIG.format(archive_dir=archive_dir, aeron_dir=launched.aeron_dir, rotate=rotate, keep=keep)
                )
                return worker("recorder.py", "recorder", config)

            yield launched, recorder


def rate(settings: Settings, launched: Any, recorder: Peer) -> list[Row]:
    context = launched.archive_context()
    request = (context.control_request_channel, context.control_request_stream_id)
    use_memory(str(launched.archive_server.archive_dir), 1 << 30)
    rows = []
    for size in settings.sizes:
        count, lost = 6 * messages(size), []  # long enough that its beginning does not matter
        publisher = worker("recorder.py", "publish", launched.aeron_dir, stream(), size, *request)

        def run(kind: str, publisher: Peer = publisher, count: int = count, lost: list[int] = lost) -> float:
            if kind == "recorder":
                recorder.ask("start")
                time.sleep(1.5)  # it is the running that counts, not the starting
            answer = publisher.ask(f"{kind} {count}")
            if kind == "recorder":
                recorder.ask("stop")
            lost.append(answer["lost"])
            return float(count / answer["seconds"])

        with closing(publisher):
            run("recorder")
            run("alone")
            kinds = ("alone", "recorder")
            taken = rounds(2 * settings.rounds, {kind: lambda kind=kind: run(kind) for kind in kinds})  # type: ignore[misc]
        middle = medians(taken)
        rows.append(
            Row(
                "Recorder",
                "record with the recorder running",
                "IPC",
                size,
                "M msg/s",
                middle["recorder"] / 1e6,
                "the archive alone",
                middle["alone"] / 1e6,
                goal=0.95,
                headline=True,
                details={"recorder": taken["recorder"], "alone": taken["alone"]},
            )
        )
        rows.append(_figure("bytes lost at full rate", size, "B", float(sum(map(abs, lost))), bound=0.0))
    return rows


def _figure(what: str, size: int, unit: str, ours: float, *, bound: float | None, headline: bool = False) -> Row:
    return Row("Recorder", what, "IPC", size, unit, ours, "", None, True, bound=bound, headline=headline)


def many(recorder: Peer, publisher: Peer, seconds: float) -> list[Row]:
    """From a thousand publications to a thousand recordings, and what those cost while nothing happens."""
    recorder.ask("start")
    begin = time.perf_counter()
    publisher.ask(STREAMS)
    opened = time.perf_counter() - begin
    while recorder.ask("streams")["streams"] < STREAMS:
        time.sleep(0.01)
        if time.perf_counter() - begin > 300:
            raise RuntimeError("a thousand streams are not recorded within five minutes")
    recorded = time.perf_counter() - begin
    time.sleep(2)
    before, begin = cpu_by_thread(recorder.process.pid), time.perf_counter()
    time.sleep(seconds)
    took, after = time.perf_counter() - begin, cpu_by_thread(recorder.process.pid)
    threads = {name: (used - before.get(name, 0.0)) / took * 100 for name, used in after.items()}
    memory = resident(recorder.process.pid)
    recorder.ask("stop")
    rows = [
        _figure("1,000 publications opened", 0, "s", opened, bound=None),
        _figure("1,000 publications opened: all are recorded", 0, "s", recorded, bound=5.0, headline=True),
        _figure("1,000 quiet streams: processor", 0, "% of a core", sum(threads.values()), bound=3.0, headline=True),
        _figure("1,000 quiet streams: memory", 0, "MB", memory, bound=None),
    ]
    rows[2].details = {"threads": {name: round(used, 3) for name, used in threads.items()}}
    return rows


def cpu_by_thread(pid: int) -> dict[str, float]:
    """Seconds of processor time that each thread of a process has used."""
    found: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            name = f"{(task / 'comm').read_text().strip()} {task.name}"
            found[name] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return found


def memory(minutes: float) -> float:
    """MB an hour that memory grows while streams, sessions and volumes come and go, after a time to warm up."""
    with node() as (launched, start):
        recorder = start("10s", "30s")
        with closing(recorder):
            recorder.ask("start")
            publisher = worker("recorder.py", "come_and_go", launched.aeron_dir)
            with closing(publisher):
                pid, seen, begin = recorder.process.pid, list[tuple[float, float]](), time.monotonic()
                # The heaps of the threads find their height in about half an hour.
                warm = min(1800.0, minutes * 20)
                while (passed := time.monotonic() - begin) < minutes * 60 + warm:
                    answer = publisher.ask(min(10.0, minutes * 10))
                    if passed >= warm:
                        seen.append((passed / 3600, resident(pid)))
                    fds, threads = (len(list(Path(f"/proc/{pid}/{each}").iterdir())) for each in ("fd", "task"))
                    print(
                        f"{passed:5.0f} s: {resident(pid):.1f} MB, {fds} fds, {threads} threads, {answer}", flush=True
                    )
                recorder.ask("stop")
    return statistics.linear_regression(*zip(*seen, strict=True)).slope if len(seen) > 1 else 0.0


def run(settings: Settings) -> list[Row]:
    with node() as (launched, start):
        recorder = start()
        publisher = worker("recorder.py", "many", launched.aeron_dir)
        with closing(publisher, recorder):
            rows = rate(settings, launched, recorder)
            rows += many(recorder, publisher, QUIET_SECONDS)
    return rows


if __name__ == "__main__":
    roles: dict[str, Callable[..., None]] = {
        "recorder": main_recorder,
        "publish": lambda directory, stream_id, size, *request: main_publish(
            directory, int(stream_id), int(size), *request
        ),
        "many": main_many,
        "come_and_go": main_come_and_go,
    }
    if len(sys.argv) > 1 and sys.argv[1] in roles:
        roles[sys.argv[1]](*sys.argv[2:])
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--minutes", type=float, default=60.0, help="how long to look at memory")
        print(f"{memory(parser.parse_args().minutes):.2f} MB an hour")
