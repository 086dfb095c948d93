"""DynamoDB when it is not itself: foreign items, throttles, conflicts, lost answers; and what a call costs there."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.builders import a_limit, an_ask
from tests.contract.limits.stores import REGION, client_of, make_table
from tests.functional.gateway.stub import StubUpstream, http, sends, sends_then_closes, stays_silent

from awshttp.dynamodb import DynamoDb
from bedrock_meter.adapters.dynamodb import TRIES, DynamoLimitStore, boto_transport
from bedrock_meter.errors import AwsError, DynamoDbError, LimitStoreError
from bedrock_meter.limits import Counter, Settlement

SETTLEMENT = Settlement(ask=an_ask("0.5"), spent=Decimal("0.2"))
KEY = {"pk": {"S": "LIMIT#all-day"}, "sk": {"S": "2026-11-23T00:00Z"}}


class Scripted:
    """A DynamoDB that fails as it is told, and then answers with an empty document; it counts what it is sent."""

    def __init__(self, *errors: DynamoDbError) -> None:
        self._errors = list(errors)
        self.sent: list[str] = []
        self.waits: list[float] = []

    def send(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Fail, or answer."""
        assert parameters
        self.sent.append(operation)
        if self._errors:
            raise self._errors.pop(0)
        return {}

    @property
    def store(self) -> DynamoLimitStore:
        """A store that speaks to it, and does not wait."""
        return DynamoLimitStore(self.send, "table", wait=self.waits.append)


def cancelled(*codes: str) -> DynamoDbError:
    """Give the error of a transaction that was cancelled for these reasons."""
    return DynamoDbError("TransactionCanceledException", {"CancellationReasons": [{"Code": code} for code in codes]})


@pytest.fixture
def client(dynamodb_url: str) -> Iterator[DynamoDb]:
    """Give our light client."""
    with closing(client_of(dynamodb_url)) as client:
        yield client


def test_a_call_takes_two_writes() -> None:
    """One limit: one update before the call and one after it. Several: one transaction, and an update for each."""
    one, several = Scripted(), Scripted()
    one.store.hold([an_ask()])
    one.store.settle(SETTLEMENT)
    assert one.sent == ["UpdateItem", "UpdateItem"]
    several.store.hold([an_ask(limit=a_limit(id=name)) for name in ("a", "b", "c")])
    assert several.sent == ["TransactWriteItems"]


@pytest.mark.parametrize(
    "code",
    ["ThrottlingException", "ProvisionedThroughputExceededException", "TransactionConflictException"],
)
def test_what_was_certainly_not_done_is_sent_again(code: str) -> None:
    """A throttle or a conflict says that nothing was written, so a few more tries cost nobody anything."""
    dynamodb = Scripted(*[DynamoDbError(code)] * (TRIES - 1))
    assert dynamodb.store.hold([an_ask()]) is None
    assert len(dynamodb.sent) == TRIES
    assert len(dynamodb.waits) == TRIES - 1
    assert sum(dynamodb.waits) < 0.25

    dynamodb = Scripted(*[DynamoDbError(code)] * TRIES)
    with pytest.raises(LimitStoreError, match=code):
        dynamodb.store.settle(SETTLEMENT)
    assert len(dynamodb.sent) == TRIES


def test_transactions_that_collide_are_sent_again() -> None:
    """Two calls that hold the same counters at once cancel each other; that is no refusal."""
    asks = [an_ask(limit=a_limit(id=name)) for name in ("a", "b")]
    dynamodb = Scripted(cancelled("None", "TransactionConflict"), cancelled("ThrottlingError", "None"))
    assert dynamodb.store.hold(asks) is None
    assert len(dynamodb.sent) == 3


@pytest.mark.parametrize("code", [AwsError.UNANSWERED, "InternalServerError", "ResourceNotFoundException", "Http503"])
def test_what_may_have_been_done_is_not_sent_again(code: str) -> None:
    """After an answer that was lost a second settlement could count twice."""
    dynamodb = Scripted(DynamoDbError(code))
    with pytest.raises(LimitStoreError, match=code):
        dynamodb.store.settle(SETTLEMENT)
    assert dynamodb.sent == ["UpdateItem"]


def test_a_missing_table(client: DynamoDb) -> None:
    """A table that is not there is a store that cannot be used, whatever it is asked."""
    store = DynamoLimitStore(client.send, "no-such-table")
    for work in (lambda: store.hold([an_ask()]), lambda: store.settle(SETTLEMENT), lambda: store.read([an_ask()])):
        with pytest.raises(LimitStoreError, match="ResourceNotFound"):
            work()
    with pytest.raises(LimitStoreError, match="ResourceNotFound"):
        store.hold([an_ask(), an_ask(limit=a_limit(id="b"))])


@pytest.mark.parametrize("value", [{"S": "much"}, {"BOOL": True}, {"L": []}])
def test_a_foreign_item(client: DynamoDb, value: Mapping[str, Any]) -> None:
    """An item of somebody else in a counter's place is told of as a fault, and neither counted nor changed."""
    table = make_table(client)
    client.send("PutItem", {"TableName": table, "Item": {**KEY, "used": value}})
    store = DynamoLimitStore(client.send, table)
    for work in (lambda: store.hold([an_ask()]), lambda: store.settle(SETTLEMENT), lambda: store.read([an_ask()])):
        with pytest.raises(LimitStoreError):
            work()
    # Of an update that fails moto keeps the half that it had done; DynamoDB keeps nothing.
    assert client.send("GetItem", {"TableName": table, "Key": KEY})["Item"]["used"] == value


def test_an_item_without_a_count_is_an_empty_counter(client: DynamoDb) -> None:
    """What else stands in the item does not matter."""
    table = make_table(client)
    client.send("PutItem", {"TableName": table, "Item": {**KEY, "note": {"S": "x"}}})
    store = DynamoLimitStore(client.send, table)
    assert store.hold([an_ask("1")]) is None
    assert store.hold([an_ask("0.1")]) == (an_ask("0.1"), Counter(used=Decimal(1), spent=Decimal(0)))


def test_a_full_counter_that_is_none() -> None:
    """A condition that failed although the counter has room is a fault, and not taken for a refusal."""
    error = DynamoDbError("ConditionalCheckFailedException", {"Item": {"used": {"N": "0.1"}}})
    with pytest.raises(LimitStoreError, match="another's"):
        Scripted(error).store.hold([an_ask()])


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (stays_silent(), AwsError.UNANSWERED),
        (sends_then_closes(b""), AwsError.UNANSWERED),
        (sends_then_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), AwsError.UNANSWERED),
        (sends(http(200, {}, b"not json")), "Http200"),
        (sends(http(200, {}, b"[1]")), "Http200"),
        (sends(http(503, {}, b"<html>busy</html>")), "Http503"),
        (
            sends(http(400, {}, b'{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException"}')),
            "ValidationException",
        ),
        (sends(http(400, {}, b'{"__type":"ValidationException"}')), "ValidationException"),
    ],
)
def test_the_light_client_names_every_failure(reply: Any, code: str) -> None:
    """Whatever comes back, or does not, within its time limit, is one error with AWS's name for it or one of ours."""
    with StubUpstream(reply) as stub, closing(client_of(stub.url, timeout=0.2)) as client:
        with pytest.raises(DynamoDbError) as raised:
            client.send("GetItem", {"TableName": "t"})
        assert raised.value.code == code


def test_the_light_client_when_nobody_is_there() -> None:
    """A connection that cannot be made is an answer that did not come."""
    with closing(client_of("http://127.0.0.1:1")) as client, pytest.raises(DynamoDbError, match=AwsError.UNANSWERED):
        client.send("GetItem", {"TableName": "t"})


def test_what_the_light_client_sends() -> None:
    """AWS JSON 1.0 over one kept connection: the operation in a header, signed for dynamodb."""
    with StubUpstream(sends(http(200, {}, b'{"Item":{}}'))) as stub, closing(client_of(stub.url)) as client:
        assert client.send("GetItem", {"TableName": "t"}) == {"Item": {}}
        client.send("GetItem", {"TableName": "t"})
        first, second = stub.seen
    assert (first.method, first.target) == ("POST", "/")
    assert first.header("x-amz-target") == "DynamoDB_20120810.GetItem"
    assert first.header("content-type") == "application/x-amz-json-1.0"
    assert f"/{REGION}/dynamodb/aws4_request" in (first.header("authorization") or "")
    assert json.loads(first.body) == {"TableName": "t"}
    assert first.connection == second.connection == 0


def test_botocore_carries_out_the_same(dynamodb_url: str, client: DynamoDb) -> None:
    """Over a botocore client a store says the same as over ours, refusals and failures included."""
    boto = boto3.client(
        "dynamodb",
        region_name=REGION,
        endpoint_url=dynamodb_url,
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )
    with closing(boto):
        store = DynamoLimitStore(boto_transport(boto), make_table(client))
        asks = [an_ask("0.6"), an_ask("0.6", limit=a_limit(id="b"))]
        assert store.hold(asks) is None
        assert store.hold(asks[:1]) == (asks[0], Counter(used=Decimal("0.6"), spent=Decimal(0)))
        assert store.hold(asks) == (asks[0], Counter(used=Decimal("0.6"), spent=Decimal(0)))
        with pytest.raises(LimitStoreError, match="ResourceNotFoundException"):
            DynamoLimitStore(boto_transport(boto), "no-such-table").read(asks)


def test_botocore_without_an_answer() -> None:
    """What botocore raises by itself is an answer that did not come."""
    boto = boto3.client(
        "dynamodb",
        region_name=REGION,
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )
    with closing(boto), pytest.raises(LimitStoreError, match=AwsError.UNANSWERED):
        DynamoLimitStore(boto_transport(boto), "table").hold([an_ask()])
