"""Fixtures: a real server for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.leases.server import BINARY, Server


@pytest.fixture
def server() -> Iterator[Server]:
    """A Redis or Valkey of this test's own."""
    if BINARY is None:
        pytest.skip("no redis-server and no valkey-server; apt-get install redis-server")
    it = Server()
    yield it
    it.kill()
