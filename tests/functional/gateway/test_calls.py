"""Healthy calls of unmodified boto3 clients, through a local API Gateway and the handler, to a simulated Bedrock."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.functional.gateway.calls import (
    CACHED_CLAUDE_BODY,
    CLAUDE,
    CLAUDE_BODY,
    CLAUDE_PATH,
    CONVERSE_BODY,
    INVOKE_BODIES,
    converse,
    count_tokens,
    invoke,
)
from tests.functional.gateway.conftest import SEED
from tests.functional.gateway.door import USE_CASE, Door, client_of, open_door, send
from tests.functional.gateway.stub import StubUpstream, http, sends, sends_then_closes

from bedrock_meter import __version__
from bedrock_meter.domain import Certainty, Operation, Record, Status, UsageSource
from meterctl.simulate import Served, Simulator

# What API Gateway and the connection write themselves; everything else is Bedrock's.
NOT_BEDROCKS = {"date", "connection", "content-length", "x-amzn-requestid"}
REMAPPED = "x-amzn-remapped-"


def buckets(record: Record) -> tuple[int, int, int, int, int]:
    """Give the token buckets of a record, with unknown ones as 0, as the ledger counts them."""
    assert record.usage is not None
    usage = record.usage
    return (
        usage.input or 0,
        usage.output or 0,
        usage.cache_read or 0,
        usage.cache_write_5m or 0,
        usage.cache_write_1h or 0,
    )


def served_buckets(served: Served) -> tuple[int, int, int, int, int]:
    """Give the token buckets of an entry of the ledger."""
    return (
        served.input_tokens,
        served.output_tokens,
        served.cache_read_tokens,
        served.cache_write_5m_tokens,
        served.cache_write_1h_tokens,
    )


def check(record: Record, served: Served) -> None:
    """Hold a record against the ledger's entry of the same call."""
    assert record.outcome.upstream_request_id == served.request_id
    assert record.call.operation == served.operation
    assert record.call.model is not None
    assert record.call.model.raw == served.model_id
    assert record.outcome.http_status == served.http_status
    assert record.outcome.status is Status.OK
    assert record.outcome.certainty is Certainty.EXACT
    assert record.call.tags == {"use_case": USE_CASE}
    assert record.faults == ()
    assert not record.disagreement
    if record.call.operation is Operation.COUNT_TOKENS:
        assert record.usage is None
    else:
        assert buckets(record) == served_buckets(served)
        assert served.input_tokens > 0
        assert served.output_tokens > 0


def bedrocks(headers: Mapping[str, str]) -> dict[str, str]:
    """Choose the headers that come from Bedrock, under the names that Bedrock gave them."""
    plain = {name.removeprefix(REMAPPED): value for name, value in headers.items() if name.startswith(REMAPPED)}
    assert set(plain) <= NOT_BEDROCKS
    names = {name for name in headers if not name.startswith((REMAPPED, "x-bedrock-meter-"))} - NOT_BEDROCKS
    return {name: headers[name] for name in names}


@pytest.mark.parametrize("model", INVOKE_BODIES)
def test_invoke_model_is_metered_and_unchanged(bedrock: Simulator, door: Door, model: str) -> None:
    """InvokeModel gives, for each family, the status, headers and body bytes that Bedrock gives without the gateway."""
    metadata, body = invoke(door.client(), model, INVOKE_BODIES[model])
    with Simulator(seed=SEED) as other:
        expected_metadata, expected_body = invoke(client_of(other.url), model, INVOKE_BODIES[model])

    assert body == expected_body
    assert metadata["HTTPStatusCode"] == expected_metadata["HTTPStatusCode"] == 200
    expected_headers = expected_metadata["HTTPHeaders"]
    assert bedrocks(metadata["HTTPHeaders"]) == bedrocks(expected_headers)
    assert "x-amzn-bedrock-input-token-count" in bedrocks(expected_headers)
    assert metadata["HTTPHeaders"][f"{REMAPPED}x-amzn-requestid"] == expected_headers["x-amzn-requestid"]
    (served,) = bedrock.ledger
    check(door.record, served)
    assert door.record.usage is not None
    assert door.record.usage.source is UsageSource.HEADER


@pytest.mark.parametrize("model", INVOKE_BODIES)
def test_converse_is_metered_and_unchanged(bedrock: Simulator, door: Door, model: str) -> None:
    """Converse gives, for each family, the parsed answer that boto3 gets without the gateway."""
    answer = dict(converse(door.client(), model))
    with Simulator(seed=SEED) as other:
        expected = dict(converse(client_of(other.url), model))

    metadata, expected_metadata = answer.pop("ResponseMetadata"), expected.pop("ResponseMetadata")
    assert answer == expected
    assert bedrocks(metadata["HTTPHeaders"]) == bedrocks(expected_metadata["HTTPHeaders"])
    (served,) = bedrock.ledger
    check(door.record, served)
    assert door.record.usage is not None
    assert door.record.usage.source is UsageSource.BODY
    assert door.record.usage.input == answer["usage"]["inputTokens"]
    assert door.record.outcome.stop_reason == answer["stopReason"]


def test_count_tokens_is_recorded_without_tokens(bedrock: Simulator, door: Door) -> None:
    """CountTokens, which is free of charge, is answered unchanged and recorded as a call that consumed nothing."""
    answer = count_tokens(door.client(), CLAUDE)

    assert answer["inputTokens"] > 0
    (served,) = bedrock.ledger
    check(door.record, served)


def test_cached_tokens_stay_in_their_buckets(bedrock: Simulator, door: Door) -> None:
    """A cache write and the read that follows it are counted apart from the input, by lifetime."""
    client = door.client()
    for _ in range(2):
        client.invoke_model(modelId=CLAUDE, body=CACHED_CLAUDE_BODY)["body"].read()

    for record, served in zip(door.sink.records, bedrock.ledger, strict=True):
        check(record, served)
    written, read = bedrock.ledger
    assert written.cache_write_1h_tokens > written.cache_write_5m_tokens > 0
    assert read.cache_read_tokens == written.cache_write_1h_tokens + written.cache_write_5m_tokens


def test_meter_headers_are_added(door: Door) -> None:
    """The answer carries the gateway's request id, the counts and their source, and the cost in plain digits."""
    metadata, _ = invoke(door.client(), CLAUDE, INVOKE_BODIES[CLAUDE])

    record, headers = door.record, metadata["HTTPHeaders"]
    assert record.usage is not None
    assert record.cost
    assert {name: value for name, value in headers.items() if name.startswith("x-bedrock-meter-")} == {
        "x-bedrock-meter-request-id": record.call.id,
        "x-bedrock-meter-cost-usd": f"{record.cost:f}",
        "x-bedrock-meter-input-tokens": str(record.usage.input),
        "x-bedrock-meter-output-tokens": str(record.usage.output),
        "x-bedrock-meter-usage-source": "header",
    }


@pytest.mark.parametrize(
    ("segment", "model"),
    [
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", CLAUDE),
        ("anthropic.claude-sonnet-4-5-20250929-v1%3A0", CLAUDE),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1%3A0", f"us.{CLAUDE}"),
        (
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Fanthropic.claude-sonnet-4-5-20250929-v1%3A0",
            f"arn:aws:bedrock:us-east-1::foundation-model/{CLAUDE}",
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile%2Fsimclaude000",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/simclaude000",
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/simclaude000",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/simclaude000",
        ),
        (
            "arn%3aaws%3abedrock%3aus-east-1%3a123456789012%3ainference-profile%2fus.anthropic.claude-sonnet-4-5-20250929-v1%3a0",
            f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{CLAUDE}",
        ),
    ],
    ids=["raw-colon", "boto3", "geo", "encoded-arn", "anthropic-sdk-arn", "decoded-slash", "lower-case-escapes"],
)
def test_model_ids_arrive_in_every_encoding(bedrock: Simulator, door: Door, segment: str, model: str) -> None:
    """A model id reaches Bedrock as the same model however the caller's SDK encoded it."""
    answer = door.send("POST", f"/model/{segment}/converse", CONVERSE_BODY)

    assert answer.status == 200
    (served,) = bedrock.ledger
    assert served.model_id == model
    check(door.record, served)


def test_calls_share_one_upstream_connection() -> None:
    """Calls one after the other use a single connection to Bedrock."""
    reply = sends(http(200, {"Content-Type": "application/json"}, b"{}"))
    with StubUpstream(reply) as upstream, open_door(upstream.url) as door:
        for _ in range(5):
            assert door.send("POST", CLAUDE_PATH, CLAUDE_BODY).status == 200

        assert upstream.connections == 1
        assert [seen.connection for seen in upstream.seen] == [0] * 5
        assert len(door.sink.records) == 5


def test_a_connection_that_bedrock_closed_costs_no_call() -> None:
    """When Bedrock closes a kept connection between two calls, the second one goes out on a new one."""
    reply = sends_then_closes(http(200, {"Content-Type": "application/json"}, b"{}"))
    with StubUpstream(reply) as upstream, open_door(upstream.url) as door:
        for _ in range(3):
            assert door.send("POST", CLAUDE_PATH, CLAUDE_BODY).status == 200
            assert upstream.closed.acquire(timeout=10)

        assert upstream.connections == len(upstream.seen) == 3
        assert len(door.sink.records) == 3


def test_concurrent_calls_each_leave_one_record(bedrock: Simulator, door: Door) -> None:
    """16 threads with 20 calls each leave 320 records whose ids and totals are those of the simulator's ledger."""
    client = door.client()
    models = list(INVOKE_BODIES)

    def work(number: int) -> str:
        model = models[number % len(models)]
        if number % 2:
            answer: Any = converse(client, model)
            return str(answer["ResponseMetadata"]["HTTPHeaders"]["x-bedrock-meter-request-id"])
        metadata, _ = invoke(client, model, INVOKE_BODIES[model])
        return str(metadata["HTTPHeaders"]["x-bedrock-meter-request-id"])

    with ThreadPoolExecutor(16) as pool:
        answered = list(pool.map(work, range(16 * 20)))

    records, ledger = door.sink.records, bedrock.ledger
    assert len(records) == len(ledger) == 320
    assert sorted(answered) == sorted(record.call.id for record in records)
    served = {entry.request_id: entry for entry in ledger}
    assert len(served) == 320
    for record in records:
        check(record, served[str(record.outcome.upstream_request_id)])
    totals = [sum(column) for column in zip(*map(buckets, records), strict=True)]
    assert totals == [sum(column) for column in zip(*map(served_buckets, ledger), strict=True)]


def test_the_health_check_is_not_metered(bedrock: Simulator, door: Door) -> None:
    """GET /healthz answers by itself, asks Bedrock nothing and leaves no record."""
    answer = door.send("GET", "/healthz")

    assert answer.status == 200
    assert json.loads(answer.body) == {"status": "ok", "version": __version__}
    assert bedrock.ledger == ()
    assert door.sink.records == []


def test_the_simulator_without_the_gateway_adds_no_meter_headers(bedrock: Simulator) -> None:
    """The comparison above compares with something else than the gateway itself."""
    answer = send(bedrock.url, "POST", CLAUDE_PATH, CLAUDE_BODY)

    assert answer.status == 200
    assert not [name for name, _ in answer.headers if name.startswith(("x-bedrock-meter-", REMAPPED))]
