"""A local CloudWatch with real boto3 clients, and one script of traffic that both sides saw."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.builders import NOON

from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import Settings
from gateway.app import build, handler_for
from meterctl.cloudwatch import CloudWatch
from meterctl.cloudwatch.server import CloudWatchServer
from meterctl.lambda_front import LambdaFront
from meterctl.simulate import Every, Script, Simulator, put_requests

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_cloudwatch import CloudWatchClient

CREDENTIALS: Any = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
ENVIRON = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
NOW = NOON + timedelta(hours=1, minutes=20)
"""When the hour from noon is over, and its metrics have arrived."""
NOVA = "amazon.nova-lite-v1:0"
NOVA_US = "us.amazon.nova-lite-v1:0"


@dataclass(slots=True)
class Account:
    """An AWS account with a Bedrock, a gateway in front of it, and a CloudWatch."""

    simulator: Simulator
    gateway: LambdaFront
    cloudwatch: "CloudWatchClient"
    url: str
    """Where the local CloudWatch is."""
    _engine: CloudWatch
    _emf: io.StringIO
    _clients: "dict[str, BedrockRuntimeClient]" = field(default_factory=dict)

    def call(self, *, past: bool, times: int, model: str = NOVA, text: str = "How are you?", **request: Any) -> int:
        """Converse through the gateway, or past it; give how many calls succeeded."""
        url = self.simulator.url if past else self.gateway.url
        client = self._clients.setdefault(url, a_client(url))
        succeeded = 0
        for _ in range(times):
            messages: Any = [{"role": "user", "content": [{"text": text}]}]
            try:
                client.converse(modelId=model, messages=messages, **request)
                succeeded += 1
            except ClientError:
                pass
        return succeeded

    def lines(self) -> list[dict[str, Any]]:
        """Give the EMF lines that the gateway wrote."""
        return [json.loads(line) for line in self._emf.getvalue().splitlines()]

    def publish(self) -> None:
        """Bring everything so far into CloudWatch: our lines, and Bedrock's own metrics.

        All of it happened at noon, so that no hour ends in the middle of a test.
        """
        lines = self.lines()
        for line in lines:
            line["_aws"]["Timestamp"] = int(NOON.timestamp() * 1000)
        self.put_lines([json.dumps(line) for line in lines])
        for request in put_requests(self.simulator.ledger):
            for datum in request["MetricData"]:
                datum["Timestamp"] = NOON
            self._engine.put_metric_data(now=NOW, **request)

    def put(self, metric: str, value: int, **dimensions: str) -> None:
        """Bring one value of Bedrock's own metrics into CloudWatch."""
        pairs = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        datum: Any = {"MetricName": metric, "Dimensions": pairs, "Timestamp": NOON, "Value": value}
        self._engine.put_metric_data(now=NOW, Namespace="AWS/Bedrock", MetricData=[datum])

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            client.close()

    def put_lines(self, lines: Sequence[str]) -> None:
        """Bring EMF lines into CloudWatch."""
        assert not self._engine.put_emf(lines, now=NOW).dropped


def a_client(url: str) -> "BedrockRuntimeClient":
    """Make a client as an application would, that tries each call once."""
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client("bedrock-runtime", endpoint_url=url, config=config, **CREDENTIALS)


def an_account(stack: ExitStack, *, script: Script | None = None) -> Account:
    """Start an account; the stack stops it."""
    simulator = stack.enter_context(Simulator(script=script))
    emf = io.StringIO()
    settings = Settings(
        service="meter",
        use_case="chatbot",
        use_cases=frozenset({"chatbot"}),
        upstream_url=simulator.url,
        region="us-east-1",
    )
    built = build(settings, environ=ENVIRON, sink=StreamSink.for_settings(settings, emf))
    gateway = stack.enter_context(LambdaFront(handler_for(stack.enter_context(closing(built)))))
    engine = CloudWatch()
    server = stack.enter_context(CloudWatchServer(engine, clock=lambda: NOW))
    cloudwatch = boto3.client("cloudwatch", endpoint_url=server.url, **CREDENTIALS)
    stack.callback(cloudwatch.close)
    account = Account(simulator, gateway, cloudwatch, server.url, engine, emf)
    stack.callback(account.close)
    return account


@pytest.fixture
def account() -> Iterator[Account]:
    """An account in which nothing fails."""
    with ExitStack() as stack:
        yield an_account(stack)


@pytest.fixture
def troubled() -> Iterator[Account]:
    """An account that throttles every fifth call, and fails every seventh."""
    rules = (Every(nth=5, fault="throttling"), Every(nth=7, fault="internal"))
    with ExitStack() as stack:
        yield an_account(stack, script=Script(rules=rules))
