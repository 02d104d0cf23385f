"""Fixtures for all rooms."""

from __future__ import annotations

from tests.nodes import archive, node, node_client

__all__ = ["archive", "node", "node_client"]
