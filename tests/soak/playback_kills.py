"""kill -9 of the archive again and again while sessions play, are paused and change their speed: all comes once."""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from pathlib import Path

import msgspec

from aeron_py import Client
from aeron_py.recorder.playback import RecorderClient, RemoteSession
from aeron_py.recorder.service import Recorder, RecorderState
from tests.faults.playing import TOPICS, Heard, kill_archive, record
from tests.recorder.recorders import TIMEOUT, Events, configured
from tests.waiting import wait_until

RECORDINGS, MESSAGES, APART = 3, 1000, 0.001
SPEEDS = (1.0, 3.7, 20.0, "Unlimited")
KILL, CHANGE, TURN = (0.0, 6.0), (0.0, 2.0), 0.0005
"""Seconds from when the archive is there to its death, from what a session is told to the next, of a turn."""
REST = 0.3
"""Of its turns a reader rests in so many."""
EXPECTED = {topic: list(range(MESSAGES)) * RECORDINGS for topic in TOPICS}


class Listener:
    """A session, and one who listens to it at a pace of his own.

    Args:
        session: that plays all there is.
        chance: of all that is random.
    """

    def __init__(self, session: RemoteSession, chance: random.Random) -> None:
        self.session, self._chance = session, chance
        self.heard = Heard(session)
        self.told = ["play"]
        self._limit = chance.choice((1, 10, 50))
        self._checked = dict.fromkeys(TOPICS, 0)
        self._tell_at = 0.0

    def work(self) -> bool:
        """Read a little, check it, and now and then tell the session something; whether all has come."""
        if self._chance.random() > REST:
            self.heard.poll(self._limit)
        for topic, numbers in self.heard.numbers.items():
            begin, end = self._checked[topic], len(numbers)
            assert numbers[begin:end] == EXPECTED[topic][begin:end], (topic, begin, numbers[begin:end], self.told)
            self._checked[topic] = end
        if all(end == len(EXPECTED[topic]) for topic, end in self._checked.items()):
            return True
        if time.monotonic() > self._tell_at:
            self._tell_at = time.monotonic() + self._chance.uniform(*CHANGE)
            self._tell()
        return False

    def _tell(self) -> None:
        if "pause" in self.told[-1:]:
            self.told.append("play")
            self.session.state = "play"
        elif self._chance.random() < 0.5:
            self.told.append("pause")
            self.session.state = "pause"
        else:
            self.told.append(str(speed := self._chance.choice(SPEEDS)))
            self.session.speed = speed


def main(minutes: float, seed: int) -> None:
    """Play and kill for so long.

    Args:
        minutes: how long.
        seed: of all that is random.
    """
    chance, events, until = random.Random(seed), Events(), time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="aeron-py-soak-") as directory:
        archive_dir = Path(directory)
        config = msgspec.structs.replace(configured(archive_dir), play=True)
        with Recorder(config, on_event=events.append) as recorder:
            recorder.wait_running(TIMEOUT)
            with Client.connect(recorder.aeron_dir) as client:
                for _ in range(RECORDINGS):
                    record(client, archive_dir, MESSAGES, 400, APART)
                sessions = kills = 0
                while time.monotonic() < until:
                    more, killed = _round(client, recorder, archive_dir, chance)
                    sessions, kills = sessions + more, kills + killed
                    print(f"{sessions} sessions, {kills} kills of the archive", flush=True)


def _round(client: Client, recorder: Recorder, archive_dir: Path, chance: random.Random) -> tuple[int, int]:
    """A few sessions at once, until all have heard all; how many, and how often the archive was killed meanwhile."""
    kills, kill_at, deadline = 0, 0.0, time.monotonic() + 2 * TIMEOUT
    with RecorderClient(client, timeout=TIMEOUT) as asking:
        listeners = [
            Listener(asking.open_session(speed=chance.choice(SPEEDS), topics=list(TOPICS)), chance)
            for _ in range(chance.randint(1, 3))
        ]
        for each in listeners:
            wait_until(lambda each=each: all(info.listening for info in each.session.topics.values()), TIMEOUT)  # type: ignore[misc]
            each.session.state = "play"
        waits = listeners
        while waits:
            time.sleep(TURN)
            waits = [each for each in waits if not each.work()]
            if recorder.state is not RecorderState.RUNNING:
                kill_at = 0.0
            elif kill_at == 0.0:
                kill_at = time.monotonic() + chance.uniform(*KILL)
            elif time.monotonic() > kill_at:
                kill_at = 0.0
                with contextlib.suppress(ProcessLookupError):  # it is dead, and the recorder has not seen it yet
                    kill_archive(archive_dir)
                    kills += 1
            if time.monotonic() > deadline:
                stuck = {topic: len(numbers) for topic, numbers in waits[0].heard.numbers.items()}
                raise AssertionError(f"{waits[0].session.controls} has played {stuck} after {waits[0].told}")
        for each in listeners:
            each.heard.close()
            each.session.close()
    return len(listeners), kills
