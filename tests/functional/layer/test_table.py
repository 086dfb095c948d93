"""The table of the settings at the layer door: its limits, its use cases, and what happens while it is away."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.builders import NoonClock, a_limit
from tests.contract.limits.stores import client_of as dynamodb_client
from tests.contract.limits.stores import make_table
from tests.functional.layer.clients import CLAUDE, HELLO, AwaitedSink, only, plain_client

import bedrock_meter
from bedrock_meter import Settings
from bedrock_meter.adapters import gate
from bedrock_meter.adapters.dynamoregistry import DynamoRegistry
from bedrock_meter.adapters.limiting import Limits
from bedrock_meter.adapters.memory import FixedLimits, MemoryLimitStore
from bedrock_meter.adapters.registryview import UNREACHABLE
from bedrock_meter.domain import Status
from bedrock_meter.errors import BudgetExceeded, LimitsUnavailable
from bedrock_meter.items import CATALOGUE_PK
from bedrock_meter.limiter import LIMIT_FAULT
from bedrock_meter.limits import Subject, Unit
from bedrock_meter.registry import UseCase
from meterctl.simulate import Simulator

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedrock_meter.adapters.client.SystemClock", NoonClock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A registry in DynamoDB."""

    name: str
    registry: DynamoRegistry
    send: Any

    def places(self) -> set[str]:
        """Give the partition keys that there are items of."""
        return {item["pk"]["S"] for item in self.send("Scan", {"TableName": self.name})["Items"]}


@pytest.fixture
def table(dynamodb_url: str) -> Iterator[Table]:
    """Make a table with two use cases, of which one has a team."""
    with closing(dynamodb_client(dynamodb_url)) as client:
        name = make_table(client)
        registry = DynamoRegistry(client.send, name)
        registry.add(UseCase(name="chatbot", team="support"))
        registry.add(UseCase(name="summarizer"))
        yield Table(name=name, registry=registry, send=client.send)


def instrumented(url: str, table: str, sink: AwaitedSink | None, **settings: Any) -> "BedrockRuntimeClient":
    """Give a client that says nothing of limits."""
    client = plain_client(url)
    return bedrock_meter.instrument(client, use_case="chatbot", sink=sink, settings=Settings(table=table, **settings))


def ask_model(client: "BedrockRuntimeClient") -> Any:
    """Call Converse."""
    return client.converse(modelId=CLAUDE, messages=HELLO, inferenceConfig={"maxTokens": 200})


def test_the_limits_of_the_table_hold(table: Table, simulator: Simulator, sink: AwaitedSink) -> None:
    """A limit in the table refuses as the gateway's does, counted by team, over all clients of the process at once."""
    table.registry.add(a_limit("2", unit=Unit.REQUESTS, subject=Subject.TEAM, pattern="support"))
    first, second = (instrumented(simulator.url, table.name, sink) for _ in range(2))
    ask_model(first)
    ask_model(second)
    served = len(simulator.ledger)
    with pytest.raises(BudgetExceeded) as raised:
        ask_model(first)

    assert isinstance(raised.value, ClientError)
    assert isinstance(raised.value, first.exceptions.ServiceQuotaExceededException)
    assert len(simulator.ledger) == served
    assert [record.outcome.status for record in sink.records] == [Status.OK, Status.OK, Status.DENIED]
    assert {record.call.tags["team"] for record in sink.records} == {"support"}
    assert gate.service_client.cache_info().misses == 1


def test_registered_use_cases_become_dimensions(
    table: Table, simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """A use case of the table is a dimension, as at the gateway; one that nobody registered is ``other``."""
    client = instrumented(simulator.url, table.name, None)
    for name in ("summarizer", "unheard-of"):
        with bedrock_meter.use_case(name):
            ask_model(client)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["UseCase"] for line in lines] == ["summarizer", "other"]


def test_without_a_limit_nothing_is_counted(table: Table, simulator: Simulator, sink: AwaitedSink) -> None:
    """A call that no limit of the table counts writes nothing there."""
    table.registry.add(a_limit("1", unit=Unit.REQUESTS, subject=Subject.TEAM, pattern="another"))
    client = instrumented(simulator.url, table.name, sink)
    for _ in range(2):
        ask_model(client)
    assert table.places() == {CATALOGUE_PK}
    assert not any(record.limits or record.faults for record in sink.records)


def test_limits_that_are_given_come_before_the_table(table: Table, simulator: Simulator, sink: AwaitedSink) -> None:
    """Whoever gives limits of its own does not have the table's."""
    table.registry.add(a_limit("1", unit=Unit.REQUESTS))
    own = Limits(directory=FixedLimits(()), store=MemoryLimitStore())
    client = bedrock_meter.instrument(
        plain_client(simulator.url), use_case="chatbot", sink=sink, settings=Settings(table=table.name), limits=own
    )
    for _ in range(2):
        ask_model(client)
    assert [record.limits for record in sink.records] == [(), ()]


@pytest.fixture
def _no_dynamodb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.usefixtures("_no_dynamodb")
def test_a_table_that_is_away_stops_nobody_in_fail_mode_open(simulator: Simulator, sink: AwaitedSink) -> None:
    """Open, calls go on and their records count what went wrong."""
    ask_model(instrumented(simulator.url, "no-such-table", sink))
    assert only(sink).outcome.status is Status.OK
    assert set(only(sink).faults) == {UNREACHABLE, LIMIT_FAULT}


@pytest.mark.usefixtures("_no_dynamodb")
def test_a_table_that_is_away_stops_calls_in_fail_mode_closed(simulator: Simulator, sink: AwaitedSink) -> None:
    """Closed, a call raises what boto3 calls a service that is not available, and is not sent."""
    served = len(simulator.ledger)
    client = instrumented(simulator.url, "no-such-table", sink, fail_mode="closed")
    with pytest.raises(LimitsUnavailable) as raised:
        ask_model(client)
    assert isinstance(raised.value, client.exceptions.ServiceUnavailableException)
    assert len(simulator.ledger) == served
