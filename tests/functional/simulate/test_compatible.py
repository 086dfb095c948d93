"""The routes of OpenAI and Anthropic: model in the body, JSON or server-sent events."""

import json
from contextlib import closing
from http.client import HTTPConnection, HTTPException, IncompleteRead
from typing import Any

import pytest

from meterctl.simulate import Served, Simulator, fault_model_id
from meterctl.simulate.streamfaults import ENDLESS_LINE_BYTES

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
GPT = "openai.gpt-6-sol"
OSS = "openai.gpt-oss-120b-1:0"
CHAT, RESPONSES, MESSAGES = "/openai/v1/chat/completions", "/openai/v1/responses", "/anthropic/v1/messages"

CACHED = [{"role": "system", "content": "abcd" * 50}, {"role": "user", "content": "hello there"}]
HELLO = [{"role": "user", "content": "hello there"}]


def post(bedrock: Simulator, path: str, document: Any, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Post a document and return status, headers and body."""
    with closing(HTTPConnection("127.0.0.1", bedrock.port, timeout=10)) as connection:
        connection.request("POST", path, json.dumps(document), headers)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def ask(bedrock: Simulator, path: str, **document: Any) -> Any:
    """Return the JSON answer."""
    status, headers, body = post(bedrock, path, document)
    assert (status, headers["content-type"]) == (200, "application/json")
    return json.loads(body)


def stream(bedrock: Simulator, path: str, **document: Any) -> tuple[list[Any], list[str]]:
    """Return the documents of a stream, and its `event:` lines."""
    status, headers, body = post(bedrock, path, document | {"stream": True})
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    assert not any("token-count" in name for name in headers)
    lines = body.decode().split("\n")
    documents = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return documents, [line[7:] for line in lines if line.startswith("event: ")]


def inclusive(served: Served) -> tuple[int, int, int, int]:
    """Return input with cache, output, cache read and cache write, as OpenAI counts."""
    written = served.cache_write_5m_tokens + served.cache_write_1h_tokens
    whole = served.input_tokens + served.cache_read_tokens + written
    return whole, served.output_tokens, served.cache_read_tokens, written


def chat_counts(usage: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return the same of a chat completion's usage."""
    details = usage["prompt_tokens_details"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    return (
        usage["prompt_tokens"],
        usage["completion_tokens"],
        details["cached_tokens"],
        details.get("cache_write_tokens", 0),
    )


def responses_counts(usage: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return the same of a response's usage."""
    details = usage["input_tokens_details"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    return usage["input_tokens"], usage["output_tokens"], details["cached_tokens"], details.get("cache_write_tokens", 0)


@pytest.mark.parametrize("path", [CHAT, "/v1/chat/completions"])
def test_chat_completions(bedrock: Simulator, path: str) -> None:
    """Input includes the cache: written by the first call and read by the second."""
    found = [chat_counts(ask(bedrock, path, model=GPT, messages=CACHED)["usage"]) for _ in range(2)]
    assert found == [inclusive(served) for served in bedrock.ledger]
    assert [counts[2:] for counts in found] == [(0, 50), (50, 0)]
    assert {(served.operation, served.model_id) for served in bedrock.ledger} == {("ChatCompletions", GPT)}


@pytest.mark.parametrize("path", [RESPONSES, "/v1/responses"])
def test_responses(bedrock: Simulator, path: str) -> None:
    """The same for responses, whose names differ."""
    asked = {"model": GPT, "instructions": "abcd" * 50, "input": "hello there"}
    found = [responses_counts(ask(bedrock, path, **asked)["usage"]) for _ in range(2)]
    assert found == [inclusive(served) for served in bedrock.ledger]
    assert [counts[2:] for counts in found] == [(0, 50), (50, 0)]


def test_gpt_oss_has_no_cache_writes(bedrock: Simulator) -> None:
    """Where a model does not cache, the member is missing."""
    details = ask(bedrock, RESPONSES, model=OSS, input=HELLO)["usage"]["input_tokens_details"]
    assert details == {"cached_tokens": 0}


def test_messages(bedrock: Simulator) -> None:
    """Input excludes the cache, as on InvokeModel, and no version is asked for."""
    system = [{"type": "text", "text": "abcd" * 30, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    usage = ask(bedrock, MESSAGES, model=CLAUDE, max_tokens=50, messages=HELLO, system=system)["usage"]
    (served,) = bedrock.ledger
    assert usage["input_tokens"] == served.input_tokens == 3
    assert usage["cache_creation"]["ephemeral_1h_input_tokens"] == served.cache_write_1h_tokens == 30
    assert usage["output_tokens"] == served.output_tokens == 50


@pytest.mark.parametrize("wanted", [True, False])
def test_chat_streams_end_with_usage_if_asked(bedrock: Simulator, wanted: bool) -> None:
    """The usage chunk has no choices and is the last one before the end; without the option there is none."""
    options = {"stream_options": {"include_usage": True}} if wanted else {}
    documents, names = stream(bedrock, CHAT, model=GPT, messages=CACHED, **options)
    (served,) = bedrock.ledger
    text = "".join(choice["delta"].get("content", "") for item in documents for choice in item["choices"])
    assert len(text.split()) == served.output_tokens
    assert names == []
    usages = [item["usage"] for item in documents if item.get("usage")]
    assert [chat_counts(usage) for usage in usages] == ([inclusive(served)] if wanted else [])
    assert (documents[-1]["choices"] == []) is wanted


@pytest.mark.parametrize("data_first", [True, False])
def test_responses_streams_end_with_usage(data_first: bool) -> None:
    """Usage is in the last event alone, whichever line comes first."""
    with Simulator(data_first=data_first) as bedrock:
        _, _, raw = post(bedrock, RESPONSES, {"model": GPT, "input": "hello there", "stream": True})
        documents, names = stream(bedrock, RESPONSES, model=GPT, input="hello there")
        served, _ = bedrock.ledger
    assert raw.startswith(b"data: " if data_first else b"event: ")
    assert [document["type"] for document in documents] == names
    assert names[-1] == "response.completed"
    assert responses_counts(documents[-1]["response"]["usage"]) == inclusive(served)
    assert documents[0]["response"]["usage"] is None


def test_a_response_that_is_cut_is_incomplete(bedrock: Simulator) -> None:
    """The last event has another name and still the usage."""
    documents, names = stream(bedrock, RESPONSES, model=GPT, input="hello there", max_output_tokens=5)
    assert names[-1] == "response.incomplete"
    assert documents[-1]["response"]["usage"]["output_tokens"] == 5


def test_messages_streams(bedrock: Simulator) -> None:
    """The events have their names, and the usage of the ledger."""
    documents, names = stream(bedrock, MESSAGES, model=CLAUDE, max_tokens=50, messages=HELLO)
    (served,) = bedrock.ledger
    assert [document["type"] for document in documents] == names
    assert (names[0], names[-1]) == ("message_start", "message_stop")
    by_type = {document["type"]: document for document in documents}
    assert by_type["message_start"]["message"]["usage"]["input_tokens"] == served.input_tokens
    assert by_type["message_delta"]["usage"]["output_tokens"] == served.output_tokens


@pytest.mark.parametrize(
    ("path", "family", "place", "word"),
    [
        (CHAT, "gpt", ("error", "code"), "rate_limit_exceeded"),
        (RESPONSES, "gpt", ("error", "code"), "rate_limit_exceeded"),
        (MESSAGES, "claude", ("error", "type"), "rate_limit_error"),
    ],
)
def test_errors_speak_the_dialect_of_the_route(
    bedrock: Simulator, path: str, family: str, place: tuple[str, str], word: str
) -> None:
    """Before a stream the error is an answer of its own, in the middle of one it is an event."""
    asked = {"messages": HELLO, "input": "hello there", "max_tokens": 50}
    status, headers, body = post(bedrock, path, asked | {"model": fault_model_id("throttling", family=family)})
    assert (status, json.loads(body)[place[0]][place[1]]) == (429, word)
    assert "x-amzn-errortype" not in headers
    documents, _ = stream(bedrock, path, model=fault_model_id("stream-throttling", family=family), **asked)
    last = documents[-1]
    assert last.get("code", last.get("error", {}).get(place[1])) == word
    assert [served.error_code for served in bedrock.ledger] == ["ThrottlingException"] * 2
    assert [served.http_status for served in bedrock.ledger] == [429, 200]


@pytest.mark.parametrize(
    ("path", "model"),
    [(CHAT, CLAUDE), (RESPONSES, "qwen.qwen3-32b-v1:0"), (MESSAGES, GPT), (CHAT, "nobody.nothing"), (CHAT, None)],
)
def test_a_model_on_the_wrong_route_is_refused(bedrock: Simulator, path: str, model: str | None) -> None:
    """Which model may be called where is Bedrock's to say."""
    status, _, body = post(bedrock, path, {"model": model, "messages": HELLO, "input": "x", "max_tokens": 5})
    assert (status, bedrock.ledger[0].error_code) == (400, "ValidationException")
    assert json.loads(body)["error"]["message"]


def test_an_endless_line(bedrock: Simulator) -> None:
    """The stream ends with a long line that has no end."""
    model = fault_model_id("endless-line", family="gpt")
    _, _, body = post(bedrock, RESPONSES, {"model": model, "input": "hello there", "stream": True})
    assert body.endswith(b"x" * ENDLESS_LINE_BYTES)


@pytest.mark.parametrize("fault", ["truncated", "reset-mid-body"])
def test_a_stream_of_events_can_be_cut(bedrock: Simulator, fault: str) -> None:
    """A cut stream of server-sent events is billed and not complete."""
    model = fault_model_id(fault, family="gpt")
    with pytest.raises((IncompleteRead, HTTPException, ConnectionResetError)):
        post(bedrock, CHAT, {"model": model, "messages": HELLO, "stream": True})
    (served,) = bedrock.ledger
    assert (served.complete, served.output_tokens >= 20) == (False, True)
