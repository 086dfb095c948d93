from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.bridge import reachable
from tests.e2e.sam_local import EVENTS, RunningApi, SamLocal, sam_local_from_environment, with_settings
from tests.e2e.witness import Witness

from meterctl.simulate import Simulator


@pytest.fixture(scope="session")
def sam_local() -> SamLocal:
    """`sam local` on what run.sh built."""
    return sam_local_from_environment()


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """The Bedrock that the containers call."""
    with Simulator(seed=1) as running:
        yield running


@pytest.fixture(scope="session")
def witness(simulator: Simulator) -> Witness:
    """What that Bedrock says that it served."""
    return Witness(url=simulator.url)


@pytest.fixture(scope="session")
def bedrock_url(simulator: Simulator) -> Iterator[str]:
    """The address that this run's simulator has for containers."""
    with reachable(simulator.url) as url:
        yield url


@pytest.fixture(scope="session")
def env_vars(bedrock_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment of `events/env.json` with that address."""
    return with_settings(EVENTS / "env.json", tmp_path_factory.mktemp("env"), bedrock_at(bedrock_url))


@pytest.fixture(scope="session")
def open_env_vars(bedrock_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for `sam local start-api`, which asks no authorizer."""
    source = EVENTS / "start-api" / "env.json"
    return with_settings(source, tmp_path_factory.mktemp("start-api"), bedrock_at(bedrock_url))


def bedrock_at(url: str) -> Mapping[str, str]:
    """Give the settings that point the functions at a Bedrock."""
    return dict.fromkeys(("BEDROCK_METER_UPSTREAM_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"), url)


@pytest.fixture(scope="session")
def api(sam_local: SamLocal, open_env_vars: Path) -> Iterator[RunningApi]:
    """The API of the template, served by `sam local start-api`."""
    with sam_local.start_api(open_env_vars) as running:
        yield running
