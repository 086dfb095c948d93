"""Limits in an application that calls Bedrock itself: what its own boto3 client then raises."""

from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from tests.builders import NOON, NoonClock, a_limit
from tests.contract.limits.stores import client_of as dynamodb_client
from tests.contract.limits.stores import make_table
from tests.functional.layer.clients import CLAUDE, HELLO, PROMPT, AwaitedSink, only, plain_client

import bedrock_meter
from bedrock_meter import Settings
from bedrock_meter.adapters.limiting import Limits
from bedrock_meter.adapters.memory import FixedLimits, MemoryLimitStore
from bedrock_meter.domain import Status
from bedrock_meter.errors import BudgetExceeded, LimitStoreError, LimitsUnavailable, RateLimited, UnpricedModel
from bedrock_meter.limits import Ask, Counter, Limit, Period, Settlement, Unit
from bedrock_meter.ports import LimitStore
from meterctl.simulate import Simulator

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedrock_meter.adapters.client.SystemClock", NoonClock)


class Down:
    """A `LimitStore` that cannot be reached."""

    def hold(self, asks: Sequence[Ask]) -> tuple[Ask, Counter] | None:
        """Fail."""
        raise LimitStoreError(str(len(asks)))

    def settle(self, settlement: Settlement) -> Counter:
        """Fail."""
        raise LimitStoreError(settlement.ask.window)

    def read(self, asks: Sequence[Ask]) -> Sequence[Counter]:
        """Fail."""
        raise LimitStoreError(str(len(asks)))


def limited(
    url: str, sink: AwaitedSink, *limits: Limit, store: LimitStore | None = None, **settings: Any
) -> "BedrockRuntimeClient":
    """Give a client with limits."""
    return bedrock_meter.instrument(
        plain_client(url),
        use_case="chatbot",
        sink=sink,
        settings=Settings(**settings),
        limits=Limits(directory=FixedLimits(limits), store=store or MemoryLimitStore()),
    )


def ask_model(client: "BedrockRuntimeClient", **more: Any) -> Any:
    """Call Converse."""
    return client.converse(modelId=CLAUDE, messages=HELLO, inferenceConfig={"maxTokens": 200}, **more)


def counter(store: LimitStore, limit: Limit) -> Counter:
    """Give what the counter of the day says."""
    (found,) = store.read([Ask(limit=limit, window="2026-11-23T00:00Z", amount=Decimal(0), resets_at=NOON)])
    return found


def test_a_full_budget_raises_what_both_sides_catch(simulator: Simulator, sink: AwaitedSink) -> None:
    """A refusal is `BudgetExceeded`, botocore's ClientError and the client's own exception at once; nothing is sent."""
    served = len(simulator.ledger)
    client = limited(simulator.url, sink, a_limit("0.000001"))
    with pytest.raises(BudgetExceeded) as raised:
        ask_model(client)

    error: Any = raised.value
    assert isinstance(raised.value, ClientError)
    assert isinstance(raised.value, client.exceptions.ServiceQuotaExceededException)
    assert not isinstance(raised.value, RateLimited)
    assert (error.limit, error.operation_name) == ("all-day", "Converse")
    assert error.response["Error"] == {"Code": "ServiceQuotaExceededException", "Message": error.message}
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert str(error) == error.message
    assert PROMPT not in str(error)
    assert len(simulator.ledger) == served
    assert (only(sink).outcome.status, only(sink).refused_by) == (Status.DENIED, "all-day")


def test_a_rate_raises_throttling(simulator: Simulator, sink: AwaitedSink) -> None:
    """A rate limit is a ThrottlingException that says how long to wait."""
    client = limited(simulator.url, sink, a_limit("1", unit=Unit.REQUESTS, period=Period.MINUTE))
    ask_model(client)
    with pytest.raises(client.exceptions.ThrottlingException) as raised:
        ask_model(client)
    assert isinstance(raised.value, RateLimited)
    assert raised.value.retry_after == 60


def test_a_call_settles_to_its_cost(simulator: Simulator, sink: AwaitedSink) -> None:
    """What is spent is what the record says, for a plain answer, a body and a stream alike."""
    limit, store = a_limit("50"), MemoryLimitStore()
    client = limited(simulator.url, sink, limit, store=store)
    ask_model(client)
    body = b'{"anthropic_version":"bedrock-2023-05-31","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}'
    client.invoke_model(modelId=CLAUDE, body=body)["body"].read()
    list(client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])

    costs = [record.cost for record in sink.records]
    assert len(costs) == 3
    spent = sum((cost for cost in costs if cost is not None), Decimal(0))
    assert counter(store, limit) == Counter(used=spent, spent=spent)
    assert all(record.held and record.cost and record.held >= record.cost for record in sink.records)


def test_a_dropped_stream_settles(simulator: Simulator, sink: AwaitedSink) -> None:
    """A stream that the application drops is read on, and settled to what is billed."""
    limit, store = a_limit("50"), MemoryLimitStore()
    stream = limited(simulator.url, sink, limit, store=store).converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]
    next(iter(stream))
    stream.close()
    cost = sink.wait().cost
    assert cost is not None
    assert counter(store, limit) == Counter(used=cost, spent=cost)


def test_nothing_is_spent_where_nothing_was_sent(sink: AwaitedSink) -> None:
    """A call that found nobody to talk to gives back what was held."""
    limit, store = a_limit(), MemoryLimitStore()
    with pytest.raises(EndpointConnectionError):
        ask_model(limited("http://127.0.0.1:1", sink, limit, store=store))
    assert only(sink).held is not None
    assert counter(store, limit) == Counter()


def test_a_stubbed_call_holds_nothing(simulator: Simulator, sink: AwaitedSink) -> None:
    """Botocore's Stubber answers by itself: no record, and what was held is given back."""
    limit, store = a_limit(), MemoryLimitStore()
    client = limited(simulator.url, sink, limit, store=store)
    answer: Any = {
        "output": {"message": {"role": "assistant", "content": [{"text": "x"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    }
    with Stubber(client) as stubber:
        stubber.add_response("converse", answer)
        ask_model(client)
    assert sink.records == []
    assert counter(store, limit) == Counter()


def test_a_store_that_is_down(simulator: Simulator, sink: AwaitedSink) -> None:
    """Open, a store that cannot be reached stops nobody; closed, the call raises and is not sent."""
    ask_model(limited(simulator.url, sink, a_limit(), store=Down()))
    served = len(simulator.ledger)
    client = limited(simulator.url, sink, a_limit(), store=Down(), fail_mode="closed")
    with pytest.raises(LimitsUnavailable) as raised:
        ask_model(client)
    assert isinstance(raised.value, client.exceptions.ServiceUnavailableException)
    assert len(simulator.ledger) == served
    assert [bool(record.faults) for record in sink.records] == [True, True]


def test_a_model_without_a_price(simulator: Simulator, sink: AwaitedSink) -> None:
    """Under a budget in dollars an unpriced model is refused as access denied."""
    client = limited(simulator.url, sink, a_limit())
    with pytest.raises(UnpricedModel) as raised:
        client.converse(modelId="acme.unheard-of-v1:0", messages=HELLO)
    assert isinstance(raised.value, client.exceptions.AccessDeniedException)


def test_the_counters_of_the_layer_are_in_the_table(dynamodb_url: str, simulator: Simulator, sink: AwaitedSink) -> None:
    """With a table name the layer counts there, by a botocore client of its own, beside every gateway that does."""
    limit = a_limit("0.01")
    with closing(dynamodb_client(dynamodb_url)) as dynamodb:
        table = make_table(dynamodb)
        client = bedrock_meter.instrument(
            plain_client(simulator.url),
            use_case="chatbot",
            sink=sink,
            settings=Settings(table=table),
            limits=Limits(directory=FixedLimits([limit])),
        )
        ask_model(client)
        with pytest.raises(BudgetExceeded):  # noqa: PT012 - which call it is depends on what the model answers
            for _ in range(50):
                ask_model(client)
        key = {"pk": {"S": f"LIMIT#{limit.id}"}, "sk": {"S": "2026-11-23T00:00Z"}}
        item = dynamodb.send("GetItem", {"TableName": table, "Key": key})["Item"]
    spent = sum((record.cost for record in sink.records if record.cost is not None), Decimal(0))
    assert Decimal(item["used"]["N"]) == Decimal(item["spent"]["N"]) == spent
    assert sink.records[-1].refused_by == limit.id
