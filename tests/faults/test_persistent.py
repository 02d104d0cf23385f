"""A persistent subscription, in its recording or live, when the archive or the driver is lost."""

from __future__ import annotations

from aeron_py import AeronError, ArchiveConnectionError, DriverTimeoutError, PersistentSubscription, Recovery
from tests.faults.place import Place, Recorded, kill_archive, lost
from tests.faults.recording import CHANNEL, TIMEOUT, message
from tests.faults.states import LONG
from tests.waiting import wait_until


class Follower:
    """A persistent subscription to a stream, and what came of it."""

    def __init__(self, place: Place, recorded: Recorded) -> None:
        self.place, self.recorded = place, recorded
        self.received: list[bytes] = []
        self.errors: list[AeronError] = []
        self.position: int | None = None
        self.open()

    def open(self) -> None:
        """From the beginning, or from where it had got to."""
        begin = {} if self.position is None else {"position": self.position}
        self.subscription = self.place.enter(
            PersistentSubscription.open(
                self.place.client,
                self.place.server.archive_context(),
                self.recorded.recording_id,
                CHANNEL,
                self.recorded.stream_id,
                on_error=self.errors.append,
                **begin,
            )
        )

    def poll(self, limit: int = 256) -> int:
        found = self.subscription.poll_messages(limit)
        self.received += [each.payload for each in found]
        if found:
            self.position = found[-1].position
        return len(found)

    def becomes_live(self) -> None:
        wait_until(lambda: (self.poll(), self.subscription.is_live)[1], TIMEOUT, "live")

    def receives_all(self) -> None:
        """All that was confirmed, and no more."""
        wait_until(lambda: (self.poll(), len(self.received) >= self.recorded.count)[1], TIMEOUT, "all is received")
        assert self.received == [message(number) for number in range(self.recorded.count)]


def start_same_archive(place: Place) -> None:
    """Where the subscription expects it."""
    place.start_archive(local_control_stream_id=place.server.local_control_stream_id)
    place.archive = place.new_session()


def test_archive_killed_while_replaying_persistently__it_goes_on_by_itself(place: Place) -> None:
    """Sees: `on_error` is told ArchiveConnectionError (RECONNECT); polls give nothing until the archive is back.

    Kept: every message that was confirmed.
    Recovers: by itself, when the archive listens on the same `local_control_stream_id` again.
    """
    follower = Follower(place, place.recorded(LONG))
    wait_until(lambda: follower.poll(1))
    kill_archive(place)
    wait_until(lambda: (follower.poll(), follower.errors)[1], TIMEOUT, "an error")
    assert len(follower.received) < LONG
    assert any(type(error) is ArchiveConnectionError for error in follower.errors), follower.errors
    start_same_archive(place)
    follower.becomes_live()
    follower.receives_all()
    place.goes_on(follower.recorded)


def test_archive_killed_while_live_persistently__live_goes_on(place: Place) -> None:
    """Sees: nothing: the live stream does not need the archive.

    Kept: every message that was confirmed.
    Recovers: start the archive on the same `local_control_stream_id`, for the next time that live is lost.
    """
    follower = Follower(place, place.recorded())
    follower.becomes_live()
    kill_archive(place)
    start_same_archive(place)
    follower.recorded.record_again(place.archive, 0)
    follower.recorded.go_on(refused=follower.poll)
    follower.receives_all()
    assert follower.subscription.is_live
    place.goes_on(follower.recorded)


def test_driver_killed_while_replaying_persistently__polls_say_so(place: Place) -> None:
    """Sees: DriverTimeoutError (RECONNECT) from each poll.

    Kept: every message that was confirmed.
    Recovers: start driver and archive, connect anew, open it from the position of the last message received.
    """
    follower = Follower(place, place.recorded(LONG))
    wait_until(lambda: follower.poll(1))
    place.driver.kill()
    assert lost(follower.poll, DriverTimeoutError).recovery is Recovery.RECONNECT
    server = place.server
    wait_until(lambda: not server.is_running, TIMEOUT)
    place.start()
    assert len(follower.received) < LONG
    follower.open()
    follower.receives_all()
    place.goes_on(follower.recorded)
