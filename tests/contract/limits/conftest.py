from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.limits.stores import dynamodb_server, dynamodb_store, memory_store, sqlite_store

from bedrock_meter.ports import LimitStore

STORES = {"memory": memory_store, "sqlite": sqlite_store, "dynamodb": dynamodb_store}


@pytest.fixture(scope="session")
def dynamodb_url() -> Iterator[str]:
    """Run one DynamoDB for all tests; each makes its own table."""
    with dynamodb_server() as url:
        yield url


@pytest.fixture(params=sorted(STORES))
def store_name(request: pytest.FixtureRequest) -> str:
    """Name each store in turn."""
    name: str = request.param
    return name


@pytest.fixture
def store(store_name: str, dynamodb_url: str, tmp_path: Path) -> Iterator[LimitStore]:
    """Give each store in turn."""
    with STORES[store_name](dynamodb_url, tmp_path) as store:
        yield store
