"""What the documents show, run as it stands; and what they name, found."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import aeron_py
from aeron_py.cli.commands import app
from tests.pages import blocks

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "benchmarks")
WITH_PYTHON = [path for path in PAGES if blocks(path)]


def run(directory: Path, page: Path, *index: int) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "tests" / "pages.py"), str(page), *map(str, index)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("index", range(len(blocks(README))))
def test_readme(index: int, tmp_path: Path) -> None:
    assert run(tmp_path, README, index)


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda path: path.stem)
def test_page(page: Path, tmp_path: Path) -> None:
    run(tmp_path, page)


@pytest.mark.parametrize("path", [README, ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda path: path.stem)
def test_links_and_paths_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (path.parent / target).exists(), target
    for target in re.findall(r"`((?:aeron_py|csrc|tests|cmake|third_party|examples)/[\w/.]*)`", text):
        assert (ROOT / target).exists(), target


def test_the_reference_has_every_public_name() -> None:
    text = "".join(path.read_text() for path in PAGES if path.parent.name == "reference")
    documented = set(re.findall(r"^\.\. auto\w+:: aeron_py\.(\w+)(?:\(\))?$", text, re.MULTILINE))
    assert documented == set(aeron_py.__all__)


def test_the_command_line_page_has_every_command() -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import command_line
    finally:
        sys.path.remove(str(ROOT / "docs"))
    text = command_line.page()
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"## `aeron-py {name}`" in text
    assert "`--archive-dir`" in text
