"""A subscriber that replays what publishers record and follows it; it ends with status 3 when a message is wrong."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from aeron_py import AeronError, Archive, Client
from aeron_py.archive.server import context_from_mark
from tests.faults.recording import message
from tests.soak.journal import Confirmation, confirmations
from tests.soak.publisher import CHANNEL, DRIVER_TIMEOUT, TIMEOUT, mark_of, number_of, tell

_FIRST_STREAM = 10_000
_QUIET = 3.0


def follow(archive: Archive, found: Confirmation, stream_id: int) -> Iterator[int]:
    """Replay a recording and go on with it as it grows; the number of each message, when it is right."""
    with archive.start_replay(found.recording_id, CHANNEL, stream_id) as replay, replay.subscribe() as subscription:
        for number, received in enumerate(subscription.messages(timeout=_QUIET)):
            expected = message(number_of(found.epoch, number))
            if received.payload != expected:
                print(f"WRONG {found} message {number}: {received.payload[:40]!r}", flush=True)
                sys.exit(3)
            yield number


def main(aeron_dir: str, archive_dir: str, journals: str) -> None:
    received = 0
    while True:
        try:
            with (
                Client.connect(aeron_dir, driver_timeout=DRIVER_TIMEOUT, error_handler=lambda error: None) as client,
                Archive.connect(client, context_from_mark(mark_of(archive_dir)), timeout=TIMEOUT) as archive,
            ):
                while True:
                    found = confirmations(Path(journals))[-4:]
                    if not found:
                        time.sleep(0.5)
                        continue
                    numbers = follow(archive, random.choice(found), _FIRST_STREAM + random.randrange(10_000))
                    for _, _ in zip(numbers, range(random.randint(10, 5000)), strict=False):
                        received += 1
                    numbers.close()  # type: ignore[attr-defined]
        except (AeronError, OSError) as error:
            tell(error)
            print(f"received {received}", flush=True)
            time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
