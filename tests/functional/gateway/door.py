"""The gateway behind a local API Gateway, as the tests hold it: ``with open_door(upstream_url) as door``."""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
from botocore.config import Config

from bedrock_meter.adapters.limiting import Limits
from bedrock_meter.adapters.memory import MemorySink
from bedrock_meter.config import Settings
from bedrock_meter.domain import Record
from bedrock_meter.ports import Sink
from gateway.app import Handler, build, handler_for
from meterctl.lambda_front import InvocationContext, LambdaFront, to_event

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

REGION = "us-east-1"
USE_CASE = "tests"
ACCESS_KEY, SECRET_KEY, SESSION_TOKEN = "AKIAGATEWAY", "canary-gateway-secret", "canary-gateway-session"
ENVIRON: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_SESSION_TOKEN": SESSION_TOKEN,
}
"""The gateway's own credentials; the callers have others."""
CALLER_ACCESS_KEY, CALLER_SECRET_KEY = "AKIACALLER", "canary-caller-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An answer as a plain HTTP client sees it."""

    status: int
    """The status."""
    headers: tuple[tuple[str, str], ...]
    """The headers, in order, with lower-case names."""
    body: bytes
    """The body."""

    def header(self, name: str) -> str | None:
        """Give the value of a header, or None."""
        return next((value for given, value in self.headers if given == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A running gateway."""

    url: str
    """Where callers call."""
    handler: Handler
    """The Lambda handler itself."""
    sink: MemorySink
    """What the gateway recorded."""

    @property
    def record(self) -> Record:
        """The record of the one call that was made; fails unless there is exactly one."""
        assert len(self.sink.records) == 1, f"{len(self.sink.records)} records for one call"
        return self.sink.records[0]

    def client(self) -> "BedrockRuntimeClient":
        """Make a boto3 client of the gateway."""
        return client_of(self.url)

    def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Send one request with a plain HTTP client, whose path arrives as it is written."""
        return send(self.url, method, path, body, headers)

    def invoke(self, path: str, body: bytes, headers: Mapping[str, list[str]]) -> dict[str, Any]:
        """Invoke the handler with a POST event whose headers no HTTP server has looked at; give its result."""
        event = to_event("POST", path, (), body, request_id=str(uuid4()))
        return invoke_event(self.handler, {**event, "multiValueHeaders": dict(headers)})


@contextmanager
def open_door(
    upstream_url: str,
    *,
    settings: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = ENVIRON,
    timeout: float = 60.0,
    limits: Limits | None = None,
) -> Iterator[Door]:
    """Run the gateway on a free port.

    Args:
        upstream_url: Where it sends calls.
        settings: Fields of `Settings` that differ from the usual ones of the tests.
        environ: Where it finds its credentials.
        timeout: The timeout of the Lambda function, in seconds.
        limits: The limits of its calls.
    """
    usual = {"upstream_url": upstream_url, "region": REGION, "use_case": USE_CASE, "use_cases": frozenset({USE_CASE})}
    sink = MemorySink()
    with (
        run_handler(Settings(**{**usual, **(settings or {})}), sink=sink, environ=environ, limits=limits) as handler,  # type: ignore[arg-type]
        LambdaFront(handler, timeout=timeout) as front,
    ):
        yield Door(url=front.url, handler=handler, sink=sink)


@contextmanager
def run_handler(
    settings: Settings, *, sink: Sink, environ: Mapping[str, str] = ENVIRON, limits: Limits | None = None
) -> Iterator[Handler]:
    """Put a gateway together, and close its connections to Bedrock in the end."""
    gateway = build(settings, environ=environ, sink=sink, limits=limits)
    try:
        yield handler_for(gateway)
    finally:
        gateway.close()


def invoke_event(handler: Handler, event: Mapping[str, Any]) -> dict[str, Any]:
    """Invoke a handler as Lambda does."""
    return handler(event, InvocationContext(str(uuid4()), 60.0))


def send(url: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """Send one request to a base URL with a plain HTTP client."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request(method, parts.path + path, body, dict(headers or {}))
        raw = connection.getresponse()
        heads = tuple((name.lower(), value) for name, value in raw.getheaders())
        return HttpAnswer(status=raw.status, headers=heads, body=raw.read())
    finally:
        connection.close()


@cache
def _session() -> boto3.session.Session:
    return boto3.session.Session(
        aws_access_key_id=CALLER_ACCESS_KEY, aws_secret_access_key=CALLER_SECRET_KEY, region_name=REGION
    )


def client_of(url: str) -> "BedrockRuntimeClient":
    """Make an unmodified boto3 client; without retries, so that one call is one request."""
    retries = {"total_max_attempts": 1, "mode": "standard"}
    config = Config(retries=retries, max_pool_connections=32, read_timeout=30)  # type: ignore[arg-type]
    return _session().client("bedrock-runtime", endpoint_url=url, config=config)
