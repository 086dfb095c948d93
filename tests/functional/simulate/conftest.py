"""A running simulator and real boto3 clients for it."""

from collections.abc import Callable, Iterator

import boto3
import pytest
from botocore.config import Config
from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

from meterctl.simulate import Simulator

type MakeClient = Callable[..., BedrockRuntimeClient]

SLOW_MS = 150


@pytest.fixture
def bedrock() -> Iterator[Simulator]:
    """A simulator on a free port."""
    with Simulator(seed=1, slow_ms=SLOW_MS) as simulator:
        yield simulator


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Make clients for a URL that are closed when the test ends; one attempt unless told."""
    clients: list[BedrockRuntimeClient] = []

    def make(
        url: str, *, attempts: int = 1, fault: str | None = None, read_timeout: float = 10
    ) -> BedrockRuntimeClient:
        client = boto3.client(
            "bedrock-runtime",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
            config=Config(retries={"total_max_attempts": attempts}, read_timeout=read_timeout, max_pool_connections=8),
        )
        if fault:
            client.meta.events.register(
                "before-call", lambda params, **_: params["headers"].update({"x-simulate": fault})
            )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(bedrock: Simulator, make_client: MakeClient) -> BedrockRuntimeClient:
    """A client of `bedrock` that does not retry."""
    return make_client(bedrock.url)
