"""The examples, run as a reader would."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests import patient

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        patient.command(str(EXAMPLES / name), *arguments),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )


def test_record_and_replay(tmp_path: Path) -> None:
    for recording_id in range(2):
        done = run("record_and_replay.py", str(tmp_path))
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("sent 123456") == 11
        assert f"recording {recording_id}: 0 to 704" in done.stdout
        assert done.stdout.endswith("replayed 11 messages\n")
        assert done.stderr == ""


def test_demo(tmp_path: Path) -> None:
    done = run("demo.py", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("identical") == 6
    assert "stocks/MSFT" in done.stdout
    assert "3,376" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_each_example_says_what_it_is(path: Path) -> None:
    assert path.read_text().startswith('"""')
