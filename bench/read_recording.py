"""Reading a recording from its files, beside a walk over the frames in C that looks at nothing but their headers."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from common import PROGRAMS, Peer, Row, Settings, closing, medians, rounds, serve, worker

WAYS = {
    "arrays": "`arrays`: numpy views of the files",
    "to_numpy": "`to_numpy`: one numpy array, copied",
    "read_batch": "`read_batch`: copied, no objects",
    "views": "`views`: a memoryview each",
    "bytes": "iterate: `bytes` each",
}


def main(archive_dir: str, recording_id: int, size: int) -> None:
    import aeron_py as aeron

    # The shape that a program would read them in: a number in front.
    dtype = [("number", "<i8"), ("rest", f"V{size - 8}")]

    def act(way: str) -> dict[str, Any]:
        start = time.perf_counter()
        with aeron.RecordingReader(archive_dir, recording_id) as reader:
            if way == "arrays":
                found = sum(len(array) for array in reader.arrays(dtype))
            elif way == "to_numpy":
                found = len(reader.to_numpy(dtype, copy=True))
            elif way == "read_batch":
                found = sum(len(batch) for batch in reader.batches())
            elif way == "views":
                found = sum(1 for _ in reader.views())
            else:
                found = sum(1 for _ in reader)
        return {"seconds": time.perf_counter() - start, "messages": found}

    serve(act)


def run(settings: Settings, archive_dir: str, size: int, recording_id: int) -> list[Row]:
    files = sorted(Path(archive_dir).glob(f"{recording_id}-*.rec"), key=lambda path: int(path.stem.partition("-")[2]))
    walker = Peer([PROGRAMS / "bench_peer", "walk"])
    reader = worker("read_recording.py", archive_dir, recording_id, size)
    counted: dict[str, int] = {}

    def walk() -> float:
        answers = [walker.ask(path) for path in files]
        counted["C"] = sum(answer["messages"] for answer in answers)
        return float(counted["C"] / sum(answer["seconds"] for answer in answers))

    def read(way: str) -> float:
        answer = reader.ask(way)
        counted[way] = answer["messages"]
        return float(answer["messages"] / answer["seconds"])

    with closing(walker, reader):
        walk()
        read("arrays")
        measures = {"C": walk} | {way: lambda way=way: read(way) for way in WAYS}  # type: ignore[misc]
        rate = {name: value / 1e6 for name, value in medians(rounds(settings.rounds, measures)).items()}
    if len(set(counted.values())) != 1:
        raise RuntimeError(f"the ways of reading do not agree: {counted}")
    return [
        Row(
            "Reading a recording's files",
            what,
            "files",
            size,
            "M msg/s",
            rate[way],
            "C walk of headers",
            rate["C"],
            goal=0.8 if way == "arrays" else None,
            headline=way == "arrays" and size in (32, 1024),
        )
        for way, what in WAYS.items()
    ]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
