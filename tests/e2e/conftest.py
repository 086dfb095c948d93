import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.e2e.bridge import forwarded_to_containers
from tests.e2e.sam_local import EVENTS, RunningApi, SamLocal, sam_local_from_environment
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
    listening = urlsplit(simulator.url).port
    assert listening is not None
    with forwarded_to_containers(listening) as port:
        yield f"http://host.docker.internal:{port}"


@pytest.fixture(scope="session")
def env_vars(bedrock_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment of `events/env.json` with that address."""
    return pointed(EVENTS / "env.json", bedrock_url, tmp_path_factory.mktemp("env"))


@pytest.fixture(scope="session")
def open_env_vars(bedrock_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for `sam local start-api`, which asks no authorizer."""
    return pointed(EVENTS / "start-api" / "env.json", bedrock_url, tmp_path_factory.mktemp("start-api"))


def pointed(source: Path, url: str, folder: Path) -> Path:
    """Write an environment file that points to another Bedrock."""
    environment = json.loads(source.read_text(encoding="utf-8"))
    for name in ("BEDROCK_METER_UPSTREAM_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"):
        environment["Parameters"][name] = url
    file = folder / "env.json"
    file.write_text(json.dumps(environment), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def api(sam_local: SamLocal, open_env_vars: Path) -> Iterator[RunningApi]:
    """The API of the template, served by `sam local start-api`."""
    with sam_local.start_api(open_env_vars) as running:
        yield running
