"""What is whole of a publication is found, wherever it ends, and whatever the media driver clears; and its end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aeron_py import Client, ExclusivePublication, MediaDriver, Subscription
from aeron_py.recorder.playback.log_buffer import is_closed, whole_up_to
from tests.streams import send
from tests.waiting import wait_until

TERM = 64 * 1024
MESSAGE = bytes(1000)
FRAME = 1056  # with its header, aligned


@dataclass
class Scene:
    """A publication, all of which one subscriber reads."""

    driver: MediaDriver
    publication: ExclusivePublication
    subscription: Subscription

    def whole(self, tail: int, read: int | None) -> int:
        aeron_dir, registration_id = self.driver.aeron_dir, self.publication.registration_id
        return whole_up_to(aeron_dir, registration_id, TERM, 0, tail, read)

    def read_up(self) -> int:
        end = self.publication.position
        wait_until(lambda: (self.subscription.poll_payloads(), self.subscription.images[0].position == end)[1])
        return end

    def go_to(self, position: int) -> int:
        """Publish and read, until less than a message is left to a position; where it is."""
        while self.publication.position + FRAME < position:
            send(self.publication, MESSAGE)
            self.read_up()
        return self.publication.position


@pytest.fixture
def scene(driver: MediaDriver, client: Client) -> Iterator[Scene]:
    channel = f"aeron:ipc?term-length={TERM}"
    with (
        client.add_subscription(channel, 1) as subscription,
        client.add_exclusive_publication(channel, 1) as publication,
    ):
        wait_until(lambda: publication.is_connected and subscription.images)
        yield Scene(driver, publication, subscription)


@pytest.mark.parametrize("terms", range(1, 6))
def test_it_goes_on_after_the_end_of_a_term(scene: Scene, terms: int) -> None:
    read = scene.go_to(terms * TERM)
    send(scene.publication, MESSAGE)  # the rest of the term is padding
    send(scene.publication, MESSAGE)
    end = scene.publication.position
    assert end == terms * TERM + 2 * FRAME
    for tail in (0, read, terms * TERM, terms * TERM + FRAME, end):
        assert scene.whole(max(tail, read), read) == end
    assert scene.read_up() == end


def test_it_ends_where_a_term_ends(scene: Scene) -> None:
    read = scene.go_to(TERM)
    send(scene.publication, bytes(TERM - read - 32))
    assert scene.whole(read, read) == scene.publication.position == TERM
    assert scene.whole(TERM, scene.read_up()) == TERM


def test_what_was_read_meanwhile_is_cleared__one_that_looks_again_finds_the_end(scene: Scene) -> None:
    send(scene.publication, MESSAGE)
    read = scene.read_up()
    for _ in range(20):
        send(scene.publication, MESSAGE)
    end = scene.publication.position
    assert scene.whole(read, read) == end
    scene.read_up()
    wait_until(lambda: scene.whole(read, read) == read, message="cleared")
    assert scene.whole(read, end) == end


def test_nobody_has_read__it_begins_where_the_term_of_its_tail_begins(scene: Scene) -> None:
    ends = list(itertools.accumulate([FRAME] * 3))
    for end in ends:
        assert send(scene.publication, MESSAGE) == end
    assert scene.whole(0, None) == scene.whole(FRAME, None) == ends[-1]


def test_it_is_closed_when_its_publisher_has_closed_it(scene: Scene) -> None:
    aeron_dir, registration_id = scene.driver.aeron_dir, scene.publication.registration_id
    send(scene.publication, MESSAGE)
    assert not is_closed(aeron_dir, registration_id, TERM)
    scene.publication.close()
    wait_until(lambda: is_closed(aeron_dir, registration_id, TERM))
    assert is_closed(aeron_dir, registration_id + 1000, TERM)


def test_one_that_was_revoked_is_closed_when_it_is_gone(scene: Scene) -> None:
    aeron_dir, registration_id = scene.driver.aeron_dir, scene.publication.registration_id
    send(scene.publication, MESSAGE)
    closed = []

    def is_gone() -> bool:
        closed.append(is_closed(aeron_dir, registration_id, TERM))
        return not (Path(aeron_dir) / "publications" / f"{registration_id}.logbuffer").exists()

    scene.publication.revoke()
    wait_until(is_gone)
    assert not any(closed[:-1])
    assert is_closed(aeron_dir, registration_id, TERM)
