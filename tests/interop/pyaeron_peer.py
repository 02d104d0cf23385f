"""Publishes the rows of files with pyaeron, as ``interop_peer publish`` does: ``AERON_DIR PLAN BATCHES PAUSE_US``.

Runs in an interpreter that has pyaeron, and imports nothing of this package.
"""

from __future__ import annotations

import random
import struct
import sys
import time
from pathlib import Path
from typing import Any

import pyaeron


def offer(publication: Any, message: bytearray) -> None:
    while True:
        struct.pack_into("<q", message, 8, time.time_ns())
        result = publication.offer(message)
        if int(result) > 0:
            return
        if result != pyaeron.ADMIN_ACTION:
            time.sleep(0.0001)


def main(aeron_dir: str, plan: str, batches: int, pause: float) -> None:
    """Say ready, begin at the first line of input, say sent, end with the input."""
    client = pyaeron.Aeron(dir=aeron_dir)
    streams = []
    for line in Path(plan).read_text().splitlines():
        stream_id, _, path, channel = line.split()
        rows = Path(path).read_bytes().splitlines()
        streams.append((client.add_exclusive_publication(channel, int(stream_id)), rows))
    for publication, _ in streams:
        publication.await_connected()
    print("ready", flush=True)
    sys.stdin.readline()
    sent = [0] * len(streams)
    for batch in range(batches):
        for number, (publication, rows) in enumerate(streams):
            until = (batch + 1) * len(rows) // batches
            while sent[number] < until:
                row = rows[sent[number]]
                offer(publication, bytearray(struct.pack("<qq", sent[number], 0) + row))
                sent[number] += 1
        time.sleep(pause / 2 + random.random() * pause)
    print("sent", flush=True)
    sys.stdin.read()
    for publication, _ in streams:
        publication.close()
    client.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) / 1e6)
