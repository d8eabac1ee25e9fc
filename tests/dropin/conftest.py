"""Three dialects behind one drop-in, for all tests of a module that only ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from junctor import config
from junctor.client import Client
from junctor.router import Router
from junctor.testing import Key, SimulatedProvider
from tests.dropin.place import DIALECTS, WORDS, Place, three_dialects


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Providers on loopback, closed in the end with everything that the bridge had open."""
    behind = [Key(f"sk-up-{name}-CANARY", dialect=dialect) for name, dialect in DIALECTS.items()]
    with (
        pytest.MonkeyPatch.context() as patched,
        SimulatedProvider(behind, output_tokens=WORDS).in_thread() as provider,
    ):
        for name in DIALECTS:
            patched.setenv(f"UP_{name.upper()}", f"sk-up-{name}-CANARY")
        fleet = config.from_mapping(three_dialects(provider))
        place = Place(Client(Router.from_config(fleet, seed=1)), provider)
        yield place
        place.transport.close()
