"""All five model operations of unmodified boto3, against a simulated Bedrock, through both ways into the gateway."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.functional.gateway.calls import CLAUDE, INVOKE_BODIES, QUESTION, converse, count_tokens, invoke
from tests.functional.gateway.conftest import SEED
from tests.functional.gateway.door import client_of, open_door
from tests.functional.gateway.local import serve
from tests.functional.gateway.stub import StubUpstream, http, sends

from bedrock_meter.domain import Certainty, Operation, Record
from meterctl.simulate import Simulator

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

NOVA = "amazon.nova-lite-v1:0"
TOO_FINE = 7
"""Bytes per chunk, so that every frame is cut in many places."""

type Door = tuple[str, Callable[[], Record]]
type Call = Callable[["BedrockRuntimeClient", str], object]


def converse_stream(client: "BedrockRuntimeClient", model: str) -> list[Any]:
    """Call ConverseStream; give its events."""
    answer = client.converse_stream(modelId=model, messages=[{"role": "user", "content": [{"text": QUESTION}]}])
    return list(answer["stream"])


def invoke_stream(client: "BedrockRuntimeClient", model: str) -> list[Any]:
    """Call InvokeModelWithResponseStream; give its events."""
    answer = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(INVOKE_BODIES[model]))
    return list(answer["body"])


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give an answer without what differs from one HTTP exchange to the next."""
    return {name: value for name, value in document.items() if name != "ResponseMetadata"}


CALLS: Mapping[Operation, Call] = {
    Operation.INVOKE_MODEL: lambda client, model: invoke(client, model, INVOKE_BODIES[model])[1],
    Operation.INVOKE_MODEL_STREAM: invoke_stream,
    Operation.CONVERSE: lambda client, model: plain(converse(client, model)),
    Operation.CONVERSE_STREAM: converse_stream,
    Operation.COUNT_TOKENS: lambda client, model: plain(count_tokens(client, model)),
}

NOT_OFFERED = (Operation.COUNT_TOKENS, NOVA)


@contextmanager
def streaming(upstream: str) -> Iterator[Door]:
    """Open the streaming way."""
    with serve(upstream) as served:
        yield served.url, served.record


@contextmanager
def buffered(upstream: str) -> Iterator[Door]:
    """Open the way of a buffered Lambda function."""
    with open_door(upstream) as door:
        yield door.url, lambda: door.record


@pytest.mark.parametrize("way", [streaming, buffered])
@pytest.mark.parametrize(
    ("operation", "model"),
    # Nova has no CountTokens.
    [(operation, model) for operation in CALLS for model in (CLAUDE, NOVA) if (operation, model) != NOT_OFFERED],
)
@pytest.mark.parametrize("chunk_bytes", [None, TOO_FINE])
def test_every_operation_is_metered_and_unchanged(
    way: Callable[[str], Any], model: str, operation: Operation, chunk_bytes: int | None
) -> None:
    """boto3 gets what it gets without the gateway, and the record has what the simulator billed."""
    call = CALLS[operation]
    with Simulator(seed=SEED, chunk_bytes=chunk_bytes) as direct:
        expected = call(client_of(direct.url), model)
    with Simulator(seed=SEED, chunk_bytes=chunk_bytes) as bedrock, way(bedrock.url) as (url, record_of):
        got = call(client_of(url), model)
        record = record_of()
        (served,) = bedrock.ledger

    assert got == expected
    assert record.call.operation is operation
    assert record.outcome.certainty is Certainty.EXACT
    assert record.outcome.upstream_request_id == served.request_id
    assert record.faults == ()
    if operation is not Operation.COUNT_TOKENS:
        assert record.usage is not None
        assert (record.usage.input, record.usage.output) == (served.input_tokens, served.output_tokens)
        assert served.output_tokens > 0
        assert record.outcome.first_byte_ms is not None


def test_a_list_of_invocations_keeps_its_query() -> None:
    """The one operation with a query sends it on, encoded, through both ways."""
    for way in (streaming, buffered):
        page = http(200, {"Content-Type": "application/json"}, b'{"asyncInvokeSummaries":[]}')
        with StubUpstream(sends(page)) as upstream, way(upstream.url) as (url, record_of):
            client_of(url).list_async_invokes(maxResults=5, nextToken="a+b/c=")
            (seen,) = upstream.seen
            assert seen.target.partition("?")[0] == "/async-invoke"
            assert sorted(seen.target.partition("?")[2].split("&")) == ["maxResults=5", "nextToken=a%2Bb%2Fc%3D"]
            assert record_of().call.operation is Operation.LIST_ASYNC_INVOKES
