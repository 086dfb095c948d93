"""The world, made once: the tests only read it."""

import pytest
from tests.functional.dashboards.world import World, build


@pytest.fixture(scope="session")
def world() -> World:
    """Give the known world."""
    return build()
