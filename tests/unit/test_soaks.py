"""Soaks run for long and by hand: they are to be ready when somebody does."""

from __future__ import annotations

import importlib

import pytest

from tests.soak import SOAKS


@pytest.mark.parametrize("name", SOAKS)
def test_a_soak_can_begin(name: str) -> None:
    assert callable(importlib.import_module(f"tests.soak.{name}").main)
