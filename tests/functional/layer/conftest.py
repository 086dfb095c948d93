"""The simulator, clients and sinks of the tests of the layer door."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.contract.limits.stores import dynamodb_server
from tests.functional.layer.clients import AwaitedSink, close_clients, plain_client
from tests.functional.layer.scripted import Scripted

import bedrock_meter
from bedrock_meter.adapters import gate, sharedtable
from meterctl.simulate import Simulator

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Run one simulator for the module."""
    with Simulator(seed=3) as running:
        yield running


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """Run a Bedrock whose answers the test scripts."""
    with Scripted() as running:
        yield running


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    """Close the connections of the clients that a test made."""
    yield
    close_clients()


@pytest.fixture(autouse=True)
def _new_process() -> Iterator[None]:
    """Forget what all clients of a process share, so that the next test finds a process that has just started."""
    yield
    sharedtable.opened.cache_clear()
    gate.service_client.cache_clear()


@pytest.fixture
def dynamodb_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a DynamoDB, and point botocore at it."""
    with dynamodb_server() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield url


@pytest.fixture
def sink() -> AwaitedSink:
    """Keep the records of one test."""
    return AwaitedSink()


@pytest.fixture
def client(simulator: Simulator, sink: AwaitedSink) -> "BedrockRuntimeClient":
    """Give an instrumented client of the simulator."""
    return bedrock_meter.instrument(plain_client(simulator.url), use_case="chatbot", sink=sink)


@pytest.fixture
def scripted_client(scripted: Scripted, sink: AwaitedSink) -> "BedrockRuntimeClient":
    """Give an instrumented client of the scripted Bedrock."""
    return bedrock_meter.instrument(plain_client(scripted.url), use_case="chatbot", sink=sink)
