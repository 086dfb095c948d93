"""Limits in front of Bedrock, as unmodified boto3 clients meet them."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.builders import NOON, FakeFaultLog, FakeForecaster, NoonClock, a_limit
from tests.contract.limits.stores import client_of as dynamodb_client
from tests.contract.limits.stores import dynamodb_server, make_table
from tests.functional.gateway.calls import CLAUDE, CLAUDE_BODY, CLAUDE_PATH, INVOKE_BODIES, QUESTION, converse
from tests.functional.gateway.door import ENVIRON, Door, open_door
from tests.functional.gateway.streams import FakeAnswer, Rig, converse_frames
from tests.functional.gateway.stub import StubUpstream, http, sends, sends_then_closes

from bedrock_meter.adapters.limiting import Limits
from bedrock_meter.adapters.memory import FixedLimits, MemoryLimitStore, MemorySink
from bedrock_meter.budget import Windows
from bedrock_meter.config import Settings
from bedrock_meter.domain import Ending, Status
from bedrock_meter.errors import LimitStoreError
from bedrock_meter.limiter import LIMIT_FAULT, Limiter
from bedrock_meter.limits import Ask, Counter, Limit, OnExceed, Period, Settlement, Subject, Unit
from bedrock_meter.ports import LimitStore
from gateway.app import build
from gateway.http import Request
from meterctl.simulate import Simulator, fault_model_id

CHAT_BODY = json.dumps(
    {"model": "openai.gpt-oss-120b-1:0", "max_tokens": 50, "messages": [{"role": "user", "content": QUESTION}]}
).encode()


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.app.SystemClock", NoonClock)


class BrokenStore:
    """A `LimitStore` that cannot be reached. With ``after`` it breaks after so many requests."""

    def __init__(self, after: int = 0) -> None:
        self._left = after
        self.asked = 0

    def hold(self, asks: Sequence[Ask]) -> tuple[Ask, Counter] | None:
        """Hold, or fail."""
        del asks
        self._fail()
        return None

    def settle(self, settlement: Settlement) -> Counter:
        """Fail."""
        del settlement
        self._fail()
        return Counter()

    def read(self, asks: Sequence[Ask]) -> Sequence[Counter]:
        """Fail."""
        self._fail()
        return [Counter() for _ in asks]

    def _fail(self) -> None:
        self.asked += 1
        if self.asked > self._left:
            raise LimitStoreError("not now")


@contextmanager
def limited(
    upstream: str, *limits: Limit, store: LimitStore | None = None, **settings: object
) -> Iterator[tuple[Door, Callable[[Limit], Counter]]]:
    """Run a gateway with limits; give it and what reads a counter."""
    used = store or MemoryLimitStore()

    def read(limit: Limit) -> Counter:
        window = Windows().at(limit.period, NOON)
        (counter,) = used.read([Ask(limit=limit, window=window.key, amount=Decimal(0), resets_at=window.end)])
        return counter

    with open_door(upstream, settings=settings, limits=Limits(directory=FixedLimits(limits), store=used)) as door:
        yield door, read


def invoke(door: Door, model: str = CLAUDE) -> Any:
    """Invoke a model with boto3."""
    return door.client().invoke_model(modelId=model, body=CLAUDE_BODY)["body"].read()


def test_a_budget_stops_before_the_cent_that_is_not_there(bedrock: Simulator) -> None:
    """Calls pass until the worst case of the next one does not fit; what was spent is what the records cost."""
    limit = a_limit("0.02")
    with limited(bedrock.url, limit) as (door, read):
        with pytest.raises(ClientError) as raised:  # noqa: PT012 - which call it is depends on what the model answers
            for _ in range(100):
                invoke(door)
        done, refused = door.sink.records[:-1], door.sink.records[-1]
        spent = sum((record.cost for record in done if record.cost is not None), Decimal(0))

        assert isinstance(raised.value, door.client().exceptions.ServiceQuotaExceededException)
        assert len(bedrock.ledger) == len(done) > 1
        assert all(
            record.outcome.status is Status.OK and record.held and record.limits == (limit.id,) for record in done
        )
        assert read(limit) == Counter(used=spent, spent=spent)
        assert spent <= limit.amount
        assert (refused.outcome.status, refused.refused_by, refused.held) == (Status.DENIED, limit.id, None)
        assert refused.call.model is not None


def test_a_refusal_says_what_there_is_to_know(bedrock: Simulator) -> None:
    """A refusal names the limit, what is spent, what was asked, when it resets and what to do, and nothing else."""
    limit = a_limit("700", unit=Unit.TOKENS, id="tokens:day")
    with limited(bedrock.url, limit) as (door, _):
        invoke(door)
        invoke(door)
        answer = door.send("POST", CLAUDE_PATH, CLAUDE_BODY)

    message = json.loads(answer.body)["message"]
    assert answer.status == 400
    for part in ("tokens:day", "700 tokens a day", "are spent", "2026-11-24T00:00:00Z", "max_tokens", "owner"):
        assert part in message
    assert QUESTION not in message
    assert answer.header("x-bedrock-meter-limit") == "tokens:day"
    assert answer.header("x-bedrock-meter-limit-amount") == "700"
    assert answer.header("x-bedrock-meter-limit-resets-at") == "2026-11-24T00:00:00Z"
    assert answer.header("retry-after") is None


def test_a_call_larger_than_the_limit_is_told_so(bedrock: Simulator) -> None:
    """What fits into no window is no matter of waiting, even under a limit per minute."""
    limit = a_limit("50", unit=Unit.TOKENS, period=Period.MINUTE)
    with limited(bedrock.url, limit, store=BrokenStore()) as (door, _):
        with pytest.raises(door.client().exceptions.ServiceQuotaExceededException) as raised:
            invoke(door)
        assert "more than the limit ever has" in raised.value.response["Error"]["Message"]
    assert not bedrock.ledger


def test_a_rate_limit_says_when_to_try_again(bedrock: Simulator) -> None:
    """The call above a rate is boto3's ThrottlingException, with the seconds to wait in Retry-After."""
    limit = a_limit("2", unit=Unit.REQUESTS, period=Period.MINUTE)
    with limited(bedrock.url, limit) as (door, read):
        invoke(door)
        invoke(door)
        with pytest.raises(door.client().exceptions.ThrottlingException) as raised:
            invoke(door)
        answer = raised.value.response["ResponseMetadata"]

        assert (answer["HTTPStatusCode"], answer["HTTPHeaders"]["retry-after"]) == (429, "60")
        assert read(limit) == Counter(used=Decimal(2), spent=Decimal(2))
    assert len(bedrock.ledger) == 2


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/openai/v1/chat/completions", "rate_limit_error"), ("/anthropic/v1/messages", "rate_limit_error")],
)
def test_the_compatible_routes_have_their_own_shape(bedrock: Simulator, path: str, kind: str) -> None:
    """On the routes of OpenAI and Anthropic a refusal is an error of theirs, with the same headers."""
    limit = a_limit("1", unit=Unit.REQUESTS, period=Period.MINUTE)
    body = CHAT_BODY.replace(b"openai.gpt-oss-120b-1:0", CLAUDE.encode()) if "anthropic" in path else CHAT_BODY
    with limited(bedrock.url, limit) as (door, _):
        assert door.send("POST", path, body).status == 200
        answer = door.send("POST", path, body)

    assert (answer.status, answer.header("retry-after")) == (429, "60")
    assert json.loads(answer.body)["error"]["type"] == kind


def test_the_first_full_limit_of_several_is_named(bedrock: Simulator) -> None:
    """A call needs room in all of its limits, and takes none when one is full."""
    roomy, tight = a_limit("5", id="roomy"), a_limit("1", id="tight", unit=Unit.REQUESTS, subject=Subject.MODEL)
    with limited(bedrock.url, roomy, tight) as (door, read):
        invoke(door)
        before = read(roomy)
        with pytest.raises(ClientError, match="tight"):
            invoke(door)
        assert read(roomy) == before
        assert [record.limits for record in door.sink.records] == [("roomy", "tight"), ()]


def test_a_limit_of_another_use_case_costs_nothing(bedrock: Simulator) -> None:
    """A call that no limit counts asks neither the store nor for a forecast."""
    store = BrokenStore()
    others = a_limit(subject=Subject.USE_CASE, pattern="batch-*"), a_limit(subject=Subject.TEAM, id="team")
    with limited(bedrock.url, *others, store=store) as (door, _):
        invoke(door)
        record = door.record
    assert (store.asked, record.forecast, record.held, record.limits, record.faults) == (0, None, None, (), ())


def test_a_limit_that_warns_refuses_nothing(bedrock: Simulator) -> None:
    """A warning limit holds nothing; it counts what was spent and tells each level once."""
    limit = a_limit("0.0001", on_exceed=OnExceed.WARN)
    with limited(bedrock.url, limit) as (door, read):
        for _ in range(3):
            invoke(door)
        records, uses = door.sink.records, door.sink.uses

        spent = sum((record.cost for record in records if record.cost is not None), Decimal(0))
        assert read(limit) == Counter(used=spent, spent=spent)
        assert spent > limit.amount
        assert [use.level for use in uses if use.level] == [100]
        assert all(record.held is None and record.forecast is None for record in records)


def test_what_bedrock_refuses_costs_nothing(bedrock: Simulator) -> None:
    """A call that Bedrock throttled gives back all that was held, except of requests: it was one."""
    tokens, requests = a_limit("9999", unit=Unit.TOKENS), a_limit("9", unit=Unit.REQUESTS, id="requests")
    with limited(bedrock.url, tokens, requests) as (door, read):
        with pytest.raises(door.client().exceptions.ThrottlingException):
            invoke(door, fault_model_id("throttling"))
        assert read(tokens) == Counter()
        assert read(requests) == Counter(used=Decimal(1), spent=Decimal(1))


def test_an_unreachable_bedrock_costs_nothing() -> None:
    """When no connection can be made nothing was sent, so an outage eats no budget."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    limit = a_limit("5")
    with limited(f"http://127.0.0.1:{port}", limit) as (door, read):
        with pytest.raises(door.client().exceptions.ServiceUnavailableException):
            invoke(door)
        assert door.record.outcome.ending is Ending.UNREACHABLE
        assert door.record.held is not None
        assert read(limit) == Counter()


def test_a_call_whose_end_nobody_saw_keeps_its_hold() -> None:
    """A connection that breaks after the request has gone may have been billed, so the worst case stays spent."""
    limit = a_limit("5")
    with StubUpstream(sends_then_closes(b"")) as upstream, limited(upstream.url, limit) as (door, read):
        with pytest.raises(door.client().exceptions.ServiceUnavailableException):
            invoke(door)
        held = door.record.held
        assert held is not None
        assert read(limit) == Counter(used=held, spent=held)


def test_a_stream_settles_at_its_end(bedrock: Simulator) -> None:
    """A stream holds until its last event, and settles to its own cost."""
    limit = a_limit("5")
    with limited(bedrock.url, limit) as (door, read):
        stream = door.client().converse_stream(
            modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": QUESTION}]}]
        )
        list(stream["stream"])
        cost = door.record.cost
        assert cost is not None
        assert read(limit) == Counter(used=cost, spent=cost)


@pytest.mark.parametrize("leaves", [True, False], ids=["caller leaves", "caller stays"])
def test_a_stream_counts_while_it_runs(*, leaves: bool) -> None:
    """While a stream runs its hold counts; a caller who leaves is read to the end, and settled to what is billed."""
    limit, store = a_limit("9999", unit=Unit.TOKENS), MemoryLimitStore()
    limiter = Limiter(
        directory=FixedLimits([limit]),
        store=store,
        forecaster=FakeForecaster(most=200),
        pricer=None,
        faults=FakeFaultLog(),
    )
    ask = Ask(limit=limit, window="2026-11-23T00:00Z", amount=Decimal(0), resets_at=NOON)
    rig = Rig(FakeAnswer(converse_frames()), limiter=limiter)
    response = rig.ask(body=b'{"messages":[],"inferenceConfig":{"maxTokens":800}}')
    chunks = iter(response.body)
    next(chunks)
    assert store.read([ask]) == [Counter(used=Decimal(1000), spent=Decimal(0))]

    if leaves:
        response.close()
    else:
        list(chunks)
    assert rig.record.outcome.ending is (Ending.CLIENT_GONE if leaves else Ending.COMPLETE)
    assert store.read([ask]) == [Counter(used=Decimal(18), spent=Decimal(18))]


def test_when_the_store_fails_calls_go_on(bedrock: Simulator) -> None:
    """By default a store that cannot be reached stops nobody; the fault is counted on the record of the call."""
    store = BrokenStore()
    with limited(bedrock.url, a_limit(), store=store) as (door, _):
        invoke(door)
        invoke(door)
        first, second = door.sink.records
    assert first.faults == (LIMIT_FAULT,)
    assert second.faults == (LIMIT_FAULT, LIMIT_FAULT)  # its own, and the settlement of the one before
    assert store.asked == 4


def test_when_the_store_fails_closed_nothing_is_sent(bedrock: Simulator) -> None:
    """With the fail mode closed no call passes that could not be held: 503, which SDKs send again."""
    with limited(bedrock.url, a_limit(), store=BrokenStore(), fail_mode="closed") as (door, _):
        with pytest.raises(door.client().exceptions.ServiceUnavailableException):
            invoke(door)
        assert door.record.outcome.status is Status.SERVER_ERROR
    assert not bedrock.ledger


def test_a_settlement_that_fails_is_counted_and_not_repeated(bedrock: Simulator) -> None:
    """The answer is the caller's whatever the store does afterwards; the next record carries the fault."""
    store = BrokenStore(after=1)
    with limited(bedrock.url, a_limit(), store=store) as (door, _):
        invoke(door)
        assert store.asked == 2
        invoke(door)
        assert LIMIT_FAULT in door.sink.records[1].faults


@pytest.mark.parametrize("model", ["acme.unheard-of-v1:0", f"arn:aws:bedrock:us-east-1:1:prompt-router/{'x' * 12}"])
def test_a_model_without_a_price_is_refused_under_a_budget(bedrock: Simulator, model: str) -> None:
    """What nobody can price cannot be held in dollars: 403, or with the setting it passes and is not counted."""
    limit = a_limit()
    with limited(bedrock.url, limit) as (door, _):
        with pytest.raises(door.client().exceptions.AccessDeniedException, match="no price") as raised:
            invoke(door, model)
        assert limit.id in raised.value.response["Error"]["Message"]
        assert door.record.refused_by == limit.id
    assert not bedrock.ledger


def test_an_unpriced_call_may_be_allowed() -> None:
    """With the setting an unpriced call passes a limit in dollars, and leaves its counter as it is."""
    limit = a_limit()
    answer = sends(http(200, {"Content-Type": "application/json"}, b"{}"))
    with StubUpstream(answer) as upstream, limited(upstream.url, limit, unpriced="allow") as (door, read):
        assert invoke(door, "acme.unheard-of-v1:0") == b"{}"
        assert (door.record.limits, door.record.held) == ((limit.id,), None)
        assert read(limit) == Counter()


def test_operations_that_aws_does_not_bill_need_no_budget(bedrock: Simulator) -> None:
    """CountTokens is free, so a spent budget does not stop it; it is a request all the same."""
    usd, requests = a_limit("0.000001"), a_limit("5", unit=Unit.REQUESTS, id="requests")
    with limited(bedrock.url, usd, requests) as (door, read):
        question: Any = {"invokeModel": {"body": CLAUDE_BODY}}
        door.client().count_tokens(modelId=CLAUDE, input=question)
        assert read(usd) == Counter()
        assert read(requests) == Counter(used=Decimal(1), spent=Decimal(1))


def test_every_family_is_held_for_at_least_what_it_costs(bedrock: Simulator) -> None:
    """What is held is never less than what the call then costs, whatever model and operation."""
    with limited(bedrock.url, a_limit("100")) as (door, _):
        for model, body in INVOKE_BODIES.items():
            door.client().invoke_model(modelId=model, body=json.dumps(body))["body"].read()
            converse(door.client(), model)
        for record in door.sink.records:
            assert record.cost is not None
            assert record.held is not None
            assert record.held >= record.cost


def test_the_counters_are_in_dynamodb(bedrock: Simulator) -> None:
    """With a table a call makes two writes, one before and one after, and the counter is an item of that table."""
    limit = a_limit("0.01")
    with dynamodb_server() as url, closing(dynamodb_client(url)) as dynamodb:
        table = make_table(dynamodb)
        settings = {"table": table, "aws_endpoint_url_dynamodb": url}
        with open_door(bedrock.url, settings=settings, limits=Limits(directory=FixedLimits([limit]))) as door:
            invoke(door)
            cost = door.record.cost
            key = {"pk": {"S": f"LIMIT#{limit.id}"}, "sk": {"S": "2026-11-23T00:00Z"}}
            item = dynamodb.send("GetItem", {"TableName": table, "Key": key})["Item"]
            with pytest.raises(ClientError, match=limit.id):  # noqa: PT012 - as above
                for _ in range(50):
                    invoke(door)
    assert cost is not None
    assert (Decimal(item["used"]["N"]), Decimal(item["spent"]["N"])) == (cost, cost)
    assert int(item["expires"]["N"]) == int(NOON.replace(day=26, hour=0).timestamp())


def test_an_event_for_each_level(bedrock: Simulator) -> None:
    """With an event bus a level that is passed becomes an event, which the gateway can wait for before it is frozen."""
    with StubUpstream(sends(http(200, {}, b'{"FailedEntryCount":0}'))) as bus:
        settings = Settings(
            upstream_url=bedrock.url,
            region="us-east-1",
            use_case="tests",
            event_bus="alerts",
            aws_endpoint_url_eventbridge=bus.url,
        )
        limits = Limits(directory=FixedLimits([a_limit("1100", unit=Unit.TOKENS)]), store=MemoryLimitStore())
        sink = MemorySink()
        with closing(build(settings, environ=ENVIRON, sink=sink, limits=limits)) as gateway:
            for number in range(5):
                gateway(Request(id=str(number), method="POST", path=CLAUDE_PATH, headers={}, body=CLAUDE_BODY))
            gateway.finish()
        (seen,) = bus.seen
    (entry,) = json.loads(seen.body)["Entries"]
    detail = json.loads(entry["Detail"])
    assert (detail["limit"], detail["level"], detail["unit"]) == ("all-day", 50, "tokens")
    assert [use.level for use in sink.uses if use.level] == [50]
    assert sink.records[-1].outcome.status is Status.DENIED
