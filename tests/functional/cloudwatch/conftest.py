"""A local CloudWatch on a socket, and real boto3 clients that speak each of its protocols."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.session
import pytest
from boto3.session import Session
from botocore.loaders import Loader

from meterctl.cloudwatch import CloudWatch
from meterctl.cloudwatch.server import CloudWatchServer

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

type MakeClient = Callable[[str], "CloudWatchClient"]

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PROTOCOLS = ("smithy-rpc-v2-cbor", "json", "query")
LOG_GROUP = "/aws/lambda/bedrock-meter"


@pytest.fixture
def engine() -> CloudWatch:
    """Make an engine without data."""
    return CloudWatch(region="eu-west-1")


@pytest.fixture
def server(engine: CloudWatch) -> Iterator[CloudWatchServer]:
    """Serve the engine, at noon."""
    with CloudWatchServer(engine, clock=lambda: NOON, log_group=LOG_GROUP) as running:
        yield running


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write CloudWatch's model for one protocol each: botocore takes the first one that a model names."""
    root = tmp_path_factory.mktemp("models")
    model = Loader().load_service_model("cloudwatch", "service-2")
    for protocol in PROTOCOLS:
        folder = root / protocol / "cloudwatch" / "2010-08-01"
        folder.mkdir(parents=True)
        model["metadata"].update(protocol=protocol, protocols=[protocol])
        (folder / "service-2.json").write_text(json.dumps(model))
    return root


@pytest.fixture
def make_client(server: CloudWatchServer, models: Path) -> Iterator[MakeClient]:
    """Make clients that speak a protocol; they are closed at the end."""
    with ExitStack() as clients:

        def make(protocol: str) -> "CloudWatchClient":
            inner = botocore.session.get_session()
            inner.register_component("data_loader", Loader(extra_search_paths=[str(models / protocol)]))
            client = Session(botocore_session=inner).client(
                "cloudwatch",
                region_name="eu-west-1",
                endpoint_url=server.url,
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            clients.callback(client.close)
            assert client.meta.service_model.resolved_protocol == protocol
            return client

        yield make


@pytest.fixture(params=PROTOCOLS)
def client(make_client: MakeClient, request: pytest.FixtureRequest) -> "CloudWatchClient":
    """Make a client for each protocol in turn."""
    return make_client(request.param)
