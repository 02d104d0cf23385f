"""The page about what of Aeron is here tells the truth."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import aeron_py
from tests.sources import docs_module

ROOT = Path(__file__).parent.parent.parent
coverage = docs_module("surface")


def test_every_function_is_reached_or_has_a_reason() -> None:
    assert [name for name, row in coverage.rows().items() if row is None] == []


def test_every_row_is_about_a_function() -> None:
    tables = coverage.tomllib.loads((ROOT / "docs" / "coverage.toml").read_text())
    assert set(tables) == set(coverage.KINDS)
    used = {row.key for row in coverage.rows().values() if row is not None}
    assert [key for table in tables.values() for key in table if key not in used] == []


def test_what_is_called_is_called_and_the_rest_is_not() -> None:
    reached = coverage.called()
    said = coverage.rows()
    assert [name for name, row in said.items() if row.kind == "called" and name not in reached] == []
    assert [name for name, row in said.items() if row.kind != "called" and name in reached] == []


def exists(noun: str) -> bool:
    if noun.startswith("aeron-py "):
        return f"def {noun.removeprefix('aeron-py ')}(" in (ROOT / "aeron_py" / "cli" / "commands.py").read_text()
    name, _, attribute = noun.partition(".")
    found = getattr(aeron_py, name, None)
    if found is None or not attribute:
        return found is not None
    if hasattr(found, attribute) or attribute in getattr(found, "__annotations__", ()):
        return True
    return any(
        re.search(rf"\bself\.{attribute}\b", inspect.getsource(each))
        for each in found.__mro__
        if each.__module__.startswith("aeron_py.") and not each.__module__.startswith("aeron_py._aeron")
    )


def test_every_noun_exists() -> None:
    named = {noun for row in coverage.rows().values() for noun in coverage.nouns(row)}
    assert sorted(noun for noun in named if not exists(noun)) == []
    assert not exists("Client.no_such_thing")
    assert not exists("NoSuchThing")
    assert [row.key for row in coverage.rows().values() if row.kind == "equal" and not coverage.nouns(row)] == []


FILES = [
    "aeron-archive/src/test/c/client/*.cpp",
    "aeron-system-tests/src/test/java/io/aeron/archive/**/*Test.java",
]


def test_every_file_of_aerons_tests_of_the_archive_is_there() -> None:
    sources = coverage.aeron_sources()
    theirs = {str(path.relative_to(sources)) for pattern in FILES for path in sources.glob(pattern)}
    assert theirs - set(coverage.case_rows()) == set()


@pytest.mark.parametrize("path", coverage.case_rows(), ids=lambda path: Path(path).stem)
def test_every_case_of_aeron_has_a_test_or_a_reason(path: str) -> None:
    said = coverage.case_rows()[path]
    assert sorted(said) == sorted(coverage.cases(path))
    for text in said.values():
        assert text
        assert "not tested" not in text.lower(), text
        if text.startswith("tests/"):
            file, _, test = text.partition("::")
            source = (ROOT / file).read_text()
            assert re.search(rf"^ *(?:async )?def {re.escape(test)}\(", source, re.MULTILINE), text


def test_the_page() -> None:
    page = coverage.page()
    assert "| `aeron_subscription_controlled_poll` | called |" in page
    assert "| shouldRecordThenReplay |" in page
