"""A simulator with the gateway in front of it, fresh for each test."""

from collections.abc import Iterator

import pytest
from tests.functional.gateway.door import Door, open_door

from meterctl.simulate import Simulator

SEED = 1


@pytest.fixture
def bedrock() -> Iterator[Simulator]:
    """Run a simulated Bedrock."""
    with Simulator(seed=SEED) as simulator:
        yield simulator


@pytest.fixture
def door(bedrock: Simulator) -> Iterator[Door]:
    """Run a gateway in front of it."""
    with open_door(bedrock.url) as opened:
        yield opened
