"""boto3 iterates every stream, and what it adds up is what the ledger billed."""

import json
import time
from typing import Any

import pytest
from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
from tests.functional.simulate.conftest import MakeClient
from tests.functional.simulate.natives import SILENT, SPEAKING

from meterctl.simulate import Served, Simulator

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
GPT = "openai.gpt-6-sol"
METRICS = "amazon-bedrock-invocationMetrics"
HELLO: Any = [{"role": "user", "content": [{"text": "hello there"}]}]


def chunks_of(client: BedrockRuntimeClient, model: str, body: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the documents of InvokeModelWithResponseStream."""
    response = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body or SPEAKING[model]))
    return [json.loads(event["chunk"]["bytes"]) for event in response["body"]]


def events_of(client: BedrockRuntimeClient, model: str = CLAUDE, **changes: Any) -> list[Any]:
    """Return the events of ConverseStream."""
    asked: Any = {"modelId": model, "messages": HELLO} | changes
    return list(client.converse_stream(**asked)["stream"])


def text_of(events: list[Any]) -> str:
    """Return the text of ConverseStream's events."""
    deltas = (event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event)
    return "".join(delta["text"] for delta in deltas)


def buckets(served: Served) -> list[int]:
    """Return input, output, cache read and cache write."""
    written = served.cache_write_5m_tokens + served.cache_write_1h_tokens
    return [served.input_tokens, served.output_tokens, served.cache_read_tokens, written]


def counts(metrics: dict[str, int]) -> list[int]:
    """Return the same of invocation metrics."""
    names = ("inputTokenCount", "outputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount")
    return [metrics.get(name, 0) for name in names]


@pytest.mark.parametrize("model", SPEAKING)
def test_invoke_streams_end_with_bedrocks_counts(bedrock: Simulator, client: BedrockRuntimeClient, model: str) -> None:
    """The metrics are in the last chunk and nowhere else, and are those of the ledger."""
    *others, last = chunks_of(client, model)
    (served,) = bedrock.ledger
    assert counts(last[METRICS]) == buckets(served)
    assert served.output_tokens >= 20
    assert not any(METRICS in document for document in others)
    assert (served.operation, served.complete) == ("InvokeModelWithResponseStream", True)


@pytest.mark.parametrize("model", SPEAKING)
def test_converse_streams_end_with_usage(bedrock: Simulator, client: BedrockRuntimeClient, model: str) -> None:
    """Every family gives text of as many tokens as it bills, and the usage in the last event."""
    *others, last = events_of(client, model)
    (served,) = bedrock.ledger
    assert len(text_of(others).split()) == served.output_tokens
    usage = last["metadata"]["usage"]
    assert [usage["inputTokens"], usage["outputTokens"]] == [served.input_tokens, served.output_tokens]
    assert not any("metadata" in event for event in others)


def test_jamba_has_its_counts_in_a_chunk_of_their_own(client: BedrockRuntimeClient) -> None:
    """The last document holds the metrics and nothing else; the others have the usage so far."""
    *others, last = chunks_of(client, "ai21.jamba-1-5-mini-v1:0")
    assert set(last) == {METRICS}
    spoken = [document["usage"]["completion_tokens"] for document in others]
    assert spoken == sorted(spoken)
    assert spoken[-1] == last[METRICS]["outputTokenCount"]


@pytest.mark.parametrize(("model", "repeats"), [(CLAUDE, False), ("anthropic.claude-opus-4-8", True)])
def test_newer_claudes_repeat_their_input_at_the_end(client: BedrockRuntimeClient, model: str, repeats: bool) -> None:
    """`message_start` has the input and a placeholder; `message_delta` all of the output, from 4.6 on all of it."""
    documents = {document["type"]: document for document in chunks_of(client, model)}
    start, delta = documents["message_start"]["message"]["usage"], documents["message_delta"]["usage"]
    assert (start["input_tokens"], start["output_tokens"]) == (3, 1)
    assert ("input_tokens" in delta) is repeats
    assert delta["output_tokens"] == documents["message_stop"][METRICS]["outputTokenCount"]


def test_streams_write_and_read_the_cache(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """The second of two equal streams reads what the first one wrote; both lifetimes are told apart."""
    body = SPEAKING[CLAUDE] | {
        "system": [
            {"type": "text", "text": "abcd" * 30, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": "abcd" * 20, "cache_control": {"type": "ephemeral"}},
        ]
    }
    found = [counts(chunks_of(client, CLAUDE, body)[-1][METRICS]) for _ in range(2)]
    first, second = bedrock.ledger
    assert found == [buckets(first), buckets(second)]
    assert (first.cache_write_1h_tokens, first.cache_write_5m_tokens) == (30, 20)
    assert (second.cache_read_tokens, second.cache_write_5m_tokens) == (50, 0)


def test_gpt_counts_its_cache_twice_in_converse_streams_alone(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """ConverseStream's input includes the cached tokens, and the total has them twice; Converse's does not."""
    asked: dict[str, Any] = {"system": [{"text": "abcd" * 50}]}
    streamed = events_of(client, GPT, **asked)[-1]["metadata"]["usage"]
    whole = client.converse(modelId=GPT, messages=HELLO, system=[{"text": "abcd" * 50}])["usage"]
    first, second = bedrock.ledger
    assert buckets(first) == [3, first.output_tokens, 0, 50]
    assert buckets(second) == [3, second.output_tokens, 50, 0]
    assert (streamed["inputTokens"], streamed["totalTokens"]) == (53, 53 + 50 + first.output_tokens)
    assert (whole["inputTokens"], whole["totalTokens"]) == (3, 53 + second.output_tokens)


@pytest.mark.parametrize("model", SPEAKING)
def test_buffered_answers_say_the_counts_of_the_ledger(
    bedrock: Simulator, client: BedrockRuntimeClient, model: str
) -> None:
    """InvokeModel's headers agree with the ledger for every family that writes."""
    response = client.invoke_model(modelId=model, body=json.dumps(SPEAKING[model]))
    assert json.loads(response["body"].read())
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    (served,) = bedrock.ledger
    assert headers["x-amzn-bedrock-input-token-count"] == str(served.input_tokens)
    assert headers["x-amzn-bedrock-output-token-count"] == str(served.output_tokens)


@pytest.mark.parametrize("model", SILENT)
def test_families_that_write_no_text(bedrock: Simulator, client: BedrockRuntimeClient, model: str) -> None:
    """Embeddings bill input and say so in a header; the others bill units and say nothing. None of them streams."""
    body, units = SILENT[model]
    response = client.invoke_model(modelId=model, body=json.dumps(body))
    assert json.loads(response["body"].read())
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    (served,) = bedrock.ledger
    assert headers.get("x-amzn-bedrock-input-token-count") == (None if units else str(served.input_tokens))
    assert (served.input_tokens > 0) is (not units)
    assert "x-amzn-bedrock-output-token-count" not in headers
    assert (served.units, served.output_tokens) == (units, 0)
    for call in (
        lambda: chunks_of(client, model, body),
        lambda: events_of(client, model),
        lambda: client.converse(modelId=model, messages=HELLO),
    ):
        with pytest.raises(client.exceptions.ValidationException):
            call()


@pytest.mark.parametrize("size", [1, 7, 1000, 1_000_000])
def test_chunks_of_any_size_carry_the_same_stream(make_client: MakeClient, size: int) -> None:
    """Where HTTP cuts or joins frames makes no difference to what boto3 reads."""
    with Simulator(seed=1) as whole, Simulator(seed=1, chunk_bytes=size) as cut:
        plain, other = make_client(whole.url), make_client(cut.url)
        assert chunks_of(other, CLAUDE) == chunks_of(plain, CLAUDE)
        assert events_of(other) == events_of(plain)
        assert cut.ledger == whole.ledger
        assert all(served.complete for served in cut.ledger)


def test_a_stream_keeps_the_pace(make_client: MakeClient) -> None:
    """The first text comes after `first_token_ms`, the rest at the token rate, and the metrics say the same."""
    with Simulator(first_token_ms=200, tokens_per_second=200) as bedrock:
        began = time.monotonic()
        asked: Any = {"maxTokens": 60}
        response = make_client(bedrock.url).converse_stream(modelId=CLAUDE, messages=HELLO, inferenceConfig=asked)
        times: dict[str, list[float]] = {}
        usage = None
        for event in response["stream"]:
            times.setdefault(next(iter(event)), []).append(time.monotonic() - began)
            usage = event.get("metadata", usage)
        tokens = bedrock.ledger[0].output_tokens
    spoken = times["contentBlockDelta"]
    assert spoken[0] >= 0.2
    # The first four tokens come at once, the others every 5 ms.
    assert spoken[-1] >= 0.2 + (tokens - 4) / 200
    # A stream that came all at once at the end would keep these times too.
    assert spoken[-1] - times["messageStart"][0] >= 0.2
    assert usage is not None
    assert usage["metrics"]["latencyMs"] == 200 + tokens * 5


@pytest.mark.parametrize("argument", ["tokens_per_second", "first_token_ms", "chunk_bytes"])
def test_a_pace_that_makes_no_sense_is_refused(argument: str) -> None:
    """Nothing is bound before the arguments are known to be good."""
    arguments: dict[str, Any] = {argument: -1}
    with pytest.raises(ValueError, match=argument):
        Simulator(**arguments)


def test_a_router_says_which_model_it_chose(client: BedrockRuntimeClient) -> None:
    """Converse and ConverseStream through a prompt router have the model's ARN in the trace."""
    router = "arn:aws:bedrock:us-east-1:111122223333:default-prompt-router/anthropic.claude:1"
    whole: Any = client.converse(modelId=router, messages=HELLO)
    streamed = events_of(client, router)[-1]["metadata"]
    for trace in (whole["trace"], streamed["trace"]):
        assert trace["promptRouter"]["invokedModelId"].endswith(f"::foundation-model/{CLAUDE}")
