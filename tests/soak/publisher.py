"""A publisher that records what it publishes and journals what is confirmed; it survives all but its own death.

An epoch is one publication, and one recording. No message of an epoch is offered twice.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from aeron_py import AeronError, Archive, Client
from aeron_py.archive.mark import ArchiveMark
from aeron_py.archive.server import context_from_mark
from tests.faults.recording import message
from tests.soak.journal import Confirmation, Journal

TIMEOUT = 20.0
DRIVER_TIMEOUT = 5.0
STREAM_ID = 100
CHANNEL = "aeron:ipc?term-length=64k"
BATCH = 20
# Bytes a second: an hour of it fits on a disk.
RATE = 400_000.0


def number_of(epoch: str, number: int) -> str:
    """What a message is made from."""
    return f"{epoch}.{number}"


def publish(archive: Archive, stream_id: int, journal: Journal) -> None:
    """One epoch: until something fails."""
    epoch = f"{stream_id}-{os.getpid()}-{time.time_ns()}"
    with archive.add_recorded_exclusive_publication(CHANNEL, stream_id) as publication:
        archive.await_recorded(publication, timeout=TIMEOUT)
        count, begin, sent = 0, time.monotonic(), 0
        while True:
            for _ in range(random.randint(1, BATCH)):
                data = message(number_of(epoch, count))
                position = publication.send(data, timeout=TIMEOUT)
                count += 1
                sent += len(data)
            recording_id = archive.await_recorded(publication, position, timeout=TIMEOUT)
            journal.confirm(Confirmation(epoch, recording_id, count, position))
            time.sleep(max(0.0, begin + sent / RATE - time.monotonic()))


def main(aeron_dir: str, archive_dir: str, journal: str, index: str) -> None:
    """For ever: with a new session or a new client, whichever the error asks for."""
    confirmed = Journal(Path(journal))
    while True:
        try:
            with Client.connect(aeron_dir, driver_timeout=DRIVER_TIMEOUT, error_handler=lambda error: None) as client:
                while not client.is_closed:
                    try:
                        with Archive.connect(
                            client, context_from_mark(mark_of(archive_dir)), timeout=TIMEOUT
                        ) as archive:
                            publish(archive, STREAM_ID + int(index), confirmed)
                    except (AeronError, OSError) as error:
                        tell(error)
                        time.sleep(0.2)
        except AeronError as error:
            tell(error)
            time.sleep(0.2)


def mark_of(archive_dir: str) -> ArchiveMark:
    """The mark of an archive that is ready, or was."""
    mark = ArchiveMark.read(archive_dir)
    if mark is None or not mark.version:
        raise FileNotFoundError(f"no archive in {archive_dir} yet")
    return mark


def tell(error: Exception) -> None:
    """A line for the log: what was seen, and what it says that helps."""
    recovery = error.recovery.name if isinstance(error, AeronError) else "-"
    print(f"{time.time():.3f} {type(error).__name__} {recovery} {str(error).splitlines()[0][:200]}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
