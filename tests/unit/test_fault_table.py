"""Every test of a fault has its line in the table of the documentation."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def faults() -> ModuleType:
    spec = importlib.util.spec_from_file_location("faults", ROOT / "docs" / "faults.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["faults"] = module
    spec.loader.exec_module(module)
    return module


def test_every_fault_test_has_its_row(faults: ModuleType) -> None:
    page = faults.page()
    count = 0
    for path in (ROOT / "tests" / "faults").glob("test_*.py"):
        for name, docstring in faults.tests(path):
            row = faults.row(name, docstring)
            assert f"| {row.fault} | {row.state} | {row.sees} |" in page
            count += 1
    assert page.count("\n| ") - page.count("| fault |") == count > 50


@pytest.mark.parametrize(
    ("name", "docstring"),
    [
        ("test_archive_killed", "Sees: a. Kept: b. Recovers: c."),
        ("test_archive_killed__it_says_so", "It is killed."),
        ("test_archive_killed__it_says_so", "Sees: a. Recovers: c."),
    ],
)
def test_another_form_is_an_error(name: str, docstring: str, faults: ModuleType) -> None:
    with pytest.raises(ValueError, match=name):
        faults.row(name, docstring)
