"""What a program is busy with when something fails: it goes on until an error ends it, and goes on again after that."""

from __future__ import annotations

import threading
import time
from typing import Any

import anyio

from aeron_py import AeronError, Archive, AsyncClient, Message
from tests.faults.place import LIVENESS, Pending, Place, Recorded
from tests.faults.recording import CHANNEL, TIMEOUT, message
from tests.ports import free_port

LONG = 300
"""Messages that do not fit into any window, so that whoever reads them is never through when something fails."""


class State:
    """A program with a client and a session of its own. :meth:`run` is what it does, for ever.

    Attributes:
        error: what ended it.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.context = place.server.archive_context()
        self.client = place.new_client()
        self.archive = place.new_session(self.client)
        self.ready = threading.Event()
        self.prepare()
        self.pending = Pending(self.run)
        assert self.ready.wait(TIMEOUT), type(self).__name__

    def prepare(self) -> None:
        """Before it runs."""

    def run(self) -> None:
        raise NotImplementedError

    def recover(self) -> None:
        """Everything runs again: do as the error says, and go on."""
        raise NotImplementedError

    def reconnect(self) -> Archive:
        """A new session, with a new client when that one is lost."""
        if self.client.is_closed:
            self.client = self.place.new_client()
        self.archive = self.place.new_session(self.client)
        return self.archive


class Connecting(State):
    """Connects to the archive, again and again."""

    def run(self) -> None:
        while True:
            Archive.connect(self.client, self.context, timeout=self.place.connect_timeout).close()
            self.ready.set()

    def recover(self) -> None:
        assert self.reconnect().is_connected


class Listing(State):
    """Asks for all recordings, again and again."""

    def prepare(self) -> None:
        self.recorded = Recorded(self.place, self.client, self.archive)

    def run(self) -> None:
        while True:
            assert self.archive.list_recordings()
            self.ready.set()

    def recover(self) -> None:
        listed = self.reconnect().list_recordings()
        assert self.recorded.recording_id in [each.recording_id for each in listed]
        self.recorded.check(self.archive)


class Recording(State):
    """Publishes, and waits for each batch to be recorded."""

    def prepare(self) -> None:
        self.recorded = Recorded(self.place, self.client, self.archive)

    def run(self) -> None:
        while True:
            # Its only reader is the archive, which tells what there is to tell.
            self.recorded.go_on(refused=lambda: self.archive.await_recorded(self.recorded.publication, timeout=TIMEOUT))
            self.ready.set()

    def recover(self) -> None:
        archive = self.reconnect()
        self.recorded.check(archive)
        if self.recorded.publication.is_closed:
            Recorded(self.place, self.client, archive).check(archive)
        else:
            # The publication lives on: it is recorded into a new recording, from here on.
            self.recorded.record_again(archive)
            self.recorded.check(archive)


class Replaying(State):
    """Reads a recording, which it never gets to the end of."""

    def prepare(self) -> None:
        self.recorded = Recorded(self.place, self.client, self.archive, LONG)
        self.received: list[Message] = []

    def run(self) -> None:
        end = self.recorded.position
        with (
            self.archive.start_replay(
                self.recorded.recording_id, CHANNEL, self.place.next_stream(), length=end
            ) as replay,
            replay.subscribe() as subscription,
        ):
            for each in subscription.messages(until=end, timeout=TIMEOUT):
                self.received.append(each)
                self.ready.set()
                self.place.gate.wait()

    def recover(self) -> None:
        """From where it had got to."""
        archive, reached = self.reconnect(), self.received[-1].position
        assert 0 < len(self.received) < LONG
        end = self.recorded.position
        with (
            archive.start_replay(
                self.recorded.recording_id, CHANNEL, self.place.next_stream(), position=reached, length=end - reached
            ) as replay,
            replay.subscribe() as subscription,
        ):
            self.received += subscription.messages(until=end, timeout=TIMEOUT)
        assert [each.payload for each in self.received] == [message(number) for number in range(LONG)]


class AsyncReplaying(Replaying):
    """The same with ``async for``, whose end is the end of the replay."""

    def run(self) -> None:
        async def replay() -> None:
            async with (
                AsyncClient.connect(
                    self.place.aeron_dir, driver_timeout=LIVENESS, error_handler=lambda error: None
                ) as client,
                client.archive(self.context) as archive,
                archive.replay(
                    self.recorded.recording_id, CHANNEL, self.place.next_stream(), length=self.recorded.position
                ) as subscription,
            ):
                async for each in subscription:
                    self.received.append(each)
                    self.ready.set()
                    await anyio.to_thread.run_sync(self.place.gate.wait)

        anyio.run(replay, backend="trio")


class Joining(State):
    """Reads a recording that goes on, up to its live stream; it never gets there before something fails."""

    def prepare(self) -> None:
        self.recorded = Recorded(self.place, self.client, self.archive, LONG)
        self.received: list[Message] = []

    def run(self) -> None:
        anyio.run(self._join, LONG * 2, backend="trio")

    async def _join(self, count: int) -> None:
        position = self.received[-1].position if self.received else None
        recorded = self.recorded
        async with (
            AsyncClient.connect(
                self.place.aeron_dir, driver_timeout=LIVENESS, error_handler=lambda error: None
            ) as client,
            client.archive(self.context) as archive,
            archive.join(recorded.recording_id, CHANNEL, recorded.stream_id, position=position) as joined,
        ):
            with anyio.fail_after(TIMEOUT):
                async for each in joined:
                    self.received.append(each)
                    if len(self.received) == count:
                        return
                    self.ready.set()
                    await anyio.to_thread.run_sync(self.place.gate.wait)

    def recover(self) -> None:
        archive = self.reconnect()
        self.context = self.place.server.archive_context()
        assert len(self.received) < LONG
        anyio.run(self._join, LONG, backend="trio")
        assert [each.payload for each in self.received] == [message(number) for number in range(LONG)]
        self.recorded.check(archive)


class Merging(Replaying):
    """Reads a recording over UDP, to merge it into its live stream; it never gets there before something fails."""

    def prepare(self) -> None:
        self.control = f"localhost:{free_port()}"
        channel = f"aeron:udp?control={self.control}|control-mode=dynamic|ssc=true|term-length=64k"
        self.recorded = Recorded(self.place, self.client, self.archive, LONG, channel)
        self.received: list[Message] = []

    def run(self) -> None:
        live = f"aeron:udp?endpoint=localhost:0|control={self.control}"
        with (
            self.client.add_subscription("aeron:udp?control-mode=manual", self.recorded.stream_id) as subscription,
            self.archive.replay_merge(
                subscription, self.recorded.recording_id, live, progress_timeout=TIMEOUT
            ) as merge,
        ):
            while not merge.is_merged:
                if merge.poll(self.received.append, 1):
                    self.ready.set()
                    self.place.gate.wait()
                time.sleep(0.0005)


STATES: dict[str, type[State]] = {
    "connecting": Connecting,
    "listing": Listing,
    "recording": Recording,
    "replaying": Replaying,
    "replaying with async": AsyncReplaying,
    "joining": Joining,
    "merging": Merging,
}


class Scene:
    """All states at once, around one fault."""

    def __init__(self, place: Place, without: tuple[str, ...] = ()) -> None:
        self.place = place
        self.states = {name: state(place) for name, state in STATES.items() if name not in without}

    def await_errors(self) -> None:
        """Until all have ended, or are taken for hanging."""
        for state in self.states.values():
            state.pending.join()

    def ends_with(self, name: str, kind: type[AeronError]) -> Any:
        """The error that ended a state."""
        return self.states[name].pending.ends_with(kind, 0)

    def recovers(self, name: str) -> None:
        self.states[name].recover()
