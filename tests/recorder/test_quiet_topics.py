"""Topics of a session that nobody subscribes to: passed over, at next to no cost, until somebody does."""

from __future__ import annotations

from aeron_py import Archive, ArchivingMediaDriver, Client
from aeron_py.recorder.playback import Session
from aeron_py.recorder.timeindex import TimeIndex
from tests.recorder.histories import CAMERA, LOG, RADAR, TIMEOUT, Listeners, Recording
from tests.waiting import wait_until


def test_who_comes_gets_all_from_then_on(
    node: ArchivingMediaDriver, module_client: Client, module_archive: Archive
) -> None:
    """Each time from the very next message on; what comes while nobody listens never comes out, nor does it wait."""
    live = Recording(module_client, module_archive, node.archive_dir, 9600)
    topics = (CAMERA, RADAR, LOG)
    try:
        for topic in topics:
            live.add(topic)
        with (
            TimeIndex.open(node.archive_dir, [live.writer.recording_id], counters=module_client.counters) as index,
            Session(module_client, module_archive, node.archive_dir, index=index, state="tail") as played,
        ):
            wait_until(lambda: played.topics.keys() == set(topics), TIMEOUT)
            for turn in range(6):
                live.batch(*topics, length=1000)
                topic = topics[turn % 3]
                # What came a moment before belongs to who subscribes: it went by when it was passed.
                part, end = played._player.lanes.by_topic[topic].parts[-1], live.open[topic][0].position
                wait_until(lambda p=part, e=end: p.cursor == e, TIMEOUT, "passed over")  # type: ignore[misc]
                with Listeners({topic: played.subscribe(topic)}) as listeners:
                    wait_until(lambda t=topic: played.topics[t].listening, TIMEOUT)  # type: ignore[misc]
                    seen = len(live.sent[topic])
                    for _ in range(3):
                        live.batch(*topics)
                    listeners.await_all({topic: live.sent[topic][seen:]})
                wait_until(lambda: not played.listening, TIMEOUT)
    finally:
        live.close()


def test_what_went_by_in_the_past_is_passed_over(
    node: ArchivingMediaDriver, module_client: Client, module_archive: Archive
) -> None:
    """Time goes on for all topics: who subscribes while it stands gets what comes after, from the next batch on."""
    past = Recording(module_client, module_archive, node.archive_dir, 9700)
    for topic in (CAMERA, RADAR):
        past.add(topic)
    for _ in range(12):
        past.batch(CAMERA)
        past.batch(RADAR)
    past.close()
    with (
        TimeIndex.open(node.archive_dir, [past.writer.recording_id]) as index,
        Session(module_client, module_archive, node.archive_dir, index=index) as played,
    ):
        for topic, other, first in ((RADAR, CAMERA, 4), (CAMERA, RADAR, 8)):
            played.pos = past.times[2 * first - 5]
            with Listeners({other: played.subscribe(other)}) as listeners:
                wait_until(lambda t=other: played.topics[t].listening, TIMEOUT)  # type: ignore[misc]
                played.pos = "+4"
                listeners.await_all({other: past.sent[other][first - 2 : first]})
                (part,) = played._player.lanes.by_topic[topic].parts
                wait_until(lambda p=part: p.cursor == p.position, TIMEOUT, "passed over")  # type: ignore[misc]
                with Listeners({topic: played.subscribe(topic)}) as late:
                    wait_until(lambda t=topic: played.topics[t].listening, TIMEOUT)  # type: ignore[misc]
                    played.state = "play"
                    late.await_all({topic: past.sent[topic][first:]})
                    listeners.await_all({other: past.sent[other][first - 2 :]})
                    played.state = "pause"
