from collections.abc import Iterator

import boto3
import pytest
import urllib3
from moto.server import ThreadedMotoServer
from mypy_boto3_s3 import S3Client
from tests.functional.gateway.stub import StubUpstream

from bedrock_meter.endpoints import S3Object

APPROVED = S3Object("price-books", "approved/prices.json")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Client]:
    """S3 on this machine with an empty bucket; clients that the code makes find it by the SDK's own settings."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # What moto stores outlives its server.
    urllib3.request("POST", f"http://{host}:{port}/moto-api/reset")
    for name, value in (
        ("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket=APPROVED.bucket)
    yield client
    server.stop()


@pytest.fixture
def site() -> Iterator[StubUpstream]:
    """A server that stands for the site of the Price List."""
    with StubUpstream() as stub:
        yield stub
