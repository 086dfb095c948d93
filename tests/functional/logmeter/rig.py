"""The log door with its AWS services on moto, and a sink that keeps lines."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from moto import mock_aws
from tests.builders import FakeClock
from tests.contract.limits.stores import dynamodb_server
from tests.logs import CHATBOT_ROLE, GATEWAY_ROLE, delivered

from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import Settings
from logmeter.app import build, take
from logmeter.door import LogDoor, Report
from logmeter.wiring import with_named

if TYPE_CHECKING:
    import pytest
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

REGION = "us-east-1"
TABLE = "meter-calls"


@dataclass(slots=True, kw_only=True)
class Rig:
    """A log door and all around it."""

    settings: Settings
    door: LogDoor
    written: io.StringIO
    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"

    def deliver(self, lines: Sequence[str | Mapping[str, Any]], *, delivery: str = "d-1", **changes: Any) -> Report:
        """Deliver lines."""
        return take(self.door, delivered(lines, **changes), delivery_id=delivery)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The metric lines so far."""
        return [json.loads(line) for line in self.written.getvalue().splitlines()]

    @property
    def counted(self) -> list[str]:
        """The request ids of the calls that were counted so far."""
        return [line["bedrock_request_id"] for line in self.lines if line.get("usage_source") == "log"]

    def letters(self) -> list[tuple[str, Any]]:
        """Take the dead letters: reason and body."""
        taken = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.settings.dead_letter_queue or "", MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                taken.append((message["MessageAttributes"]["reason"]["StringValue"], json.loads(message["Body"])))
                self.sqs.delete_message(
                    QueueUrl=self.settings.dead_letter_queue or "", ReceiptHandle=message["ReceiptHandle"]
                )
        return taken


@contextmanager
def running(monkeypatch: "pytest.MonkeyPatch", *, table: bool = True) -> Iterator[Rig]:
    """Run a log door that knows the chatbot's role and the gateway's.

    Args:
        monkeypatch: Pytest's.
        table: Whether it notes calls in DynamoDB; else in memory.
    """
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    # The server has the same tables as the mocked clients: moto keeps them in the process.
    with mock_aws(), dynamodb_server() if table else nullcontext() as url:
        dynamodb, sqs = boto3.client("dynamodb", region_name=REGION), boto3.client("sqs", region_name=REGION)
        dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        queue = sqs.create_queue(QueueName="meter-dead-letters")["QueueUrl"]
        settings = Settings(
            service="meter-test",
            use_cases=frozenset({"reports"}),
            principals={CHATBOT_ROLE: ("chatbot",)},
            metered_roles=frozenset({GATEWAY_ROLE}),
            calls_table=TABLE if table else None,
            dead_letter_queue=queue,
            region=REGION,
            aws_endpoint_url_dynamodb=url,
        )
        written = io.StringIO()
        sink = StreamSink.for_settings(with_named(settings), written)
        door = build(settings, lines=sink, clock=FakeClock())
        yield Rig(settings=settings, door=door, written=written, dynamodb=dynamodb, sqs=sqs)
