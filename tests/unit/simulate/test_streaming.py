"""Streams as the pure part makes them: every family, every fault, every route."""

import json
from typing import Any

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from tests.functional.simulate.natives import SILENT, SPEAKING
from tests.unit.simulate.asking import CLAUDE, ask, claude, converse

from meterctl.simulate.answer import Stream
from meterctl.simulate.exchange import Conditions, Exchange, Request
from meterctl.simulate.faults import FAULTS
from meterctl.simulate.respond import respond

CANARY = "canary-3c77"
INVOKE, CONVERSE = "invoke-with-response-stream", "converse-stream"
ROUTES: dict[str, dict[str, Any]] = {
    "/openai/v1/chat/completions": {"model": "openai.gpt-6-sol", "messages": [{"role": "user", "content": CANARY}]},
    "/openai/v1/responses": {"model": "openai.gpt-6-sol", "input": CANARY},
    "/anthropic/v1/messages": {
        "model": CLAUDE,
        "max_tokens": 90,
        "messages": [{"role": "user", "content": CANARY}],
    },
}


def post(path: str, document: Any, **headers: str) -> Exchange:
    """Send a document to a path of its own."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return respond(Request(method="POST", path=path, headers=headers, body=body), Conditions(seed=1))


def stream_of(exchange: Exchange) -> Stream:
    """Return the stream of an answer that has to be one."""
    assert exchange.answer.stream is not None
    return exchange.answer.stream


def messages_of(exchange: Exchange) -> list[Any]:
    """Return the frames as botocore reads them."""
    buffer = EventStreamBuffer()
    buffer.add_data(stream_of(exchange).data)
    return list(buffer)


@pytest.mark.parametrize("verb", [INVOKE, CONVERSE])
@pytest.mark.parametrize("model", SPEAKING)
def test_a_stream_says_all_tokens_that_are_billed(model: str, verb: str) -> None:
    """The frames carry as many tokens as the ledger bills, in frames that botocore can read."""
    document = SPEAKING[model] if verb == INVOKE else converse()
    exchange = ask(document, model=model.replace("/", "%2F"), verb=verb)
    stream = stream_of(exchange)
    assert sum(frame.tokens for frame in stream.frames) == exchange.tokens.output > 0
    assert len(messages_of(exchange)) == len(stream.frames)
    assert exchange.answer.body == b""


@pytest.mark.parametrize("verb", [INVOKE, CONVERSE])
def test_a_stream_and_a_whole_answer_count_the_same_input(verb: str) -> None:
    """The input and the cache do not depend on how the answer is sent."""
    document = claude() if verb == INVOKE else converse()
    streamed, whole = ask(document, verb=verb), ask(document, verb="invoke" if verb == INVOKE else "converse")
    assert streamed.tokens.input == whole.tokens.input
    assert streamed.operation != whole.operation


@pytest.mark.parametrize("verb", [INVOKE, CONVERSE])
def test_the_same_request_has_the_same_stream(verb: str) -> None:
    """Bytes and padding are drawn from the seed; the frames differ in length by more than their text."""
    document = claude() if verb == INVOKE else converse()
    first, again, other = (ask(document, verb=verb, seed=seed) for seed in (1, 1, 2))
    assert stream_of(first).data == stream_of(again).data != stream_of(other).data
    paddings = {len(json.loads(message.payload)["p"]) for message in messages_of(first)}
    assert len(paddings) > 3


def test_stream_headers() -> None:
    """Invoke streams say what is in the chunks; neither kind of stream has a token header."""
    invoke, talk = ask(claude(), verb=INVOKE), ask(converse(), verb=CONVERSE)
    common = {"Content-Type": "application/vnd.amazon.eventstream", "x-amzn-RequestId": invoke.request_id}
    assert dict(invoke.answer.headers) == common | {"X-Amzn-Bedrock-Content-Type": "application/json"}
    assert dict(talk.answer.headers) == common | {"x-amzn-RequestId": talk.request_id}


@pytest.mark.parametrize("model", SILENT)
def test_what_does_not_write_does_not_stream(model: str) -> None:
    """Embeddings, ranks and images come whole or not at all."""
    assert ask(SILENT[model][0], model=model, verb=INVOKE).error_code == "ValidationException"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", [INVOKE, CONVERSE, *ROUTES])
def test_a_fault_is_shown_or_the_stream_is_healthy(path: str, fault: str) -> None:
    """No fault is in the ledger without a trace on the wire, and none leaves one without being there."""
    if path in ROUTES:
        document = ROUTES[path] | {"stream": True}
        healthy, faulty = post(path, document), post(path, document, **{"x-simulate": fault})
    else:
        document = claude() if path == INVOKE else converse()
        healthy, faulty = ask(document, verb=path), ask(document, verb=path, headers={"x-simulate": fault})
    if faulty.fault is None:
        assert faulty == healthy
    else:
        assert faulty.fault == fault
        assert faulty.answer != healthy.answer or FAULTS[fault].slow


def test_faults_of_frames() -> None:
    """Each corrupt frame is in the middle, and what comes before it is whole."""
    healthy = messages_of(ask(claude(), verb=INVOKE))
    for fault in ("corrupt-crc", "corrupt-prelude"):
        buffer = EventStreamBuffer()
        buffer.add_data(stream_of(ask(claude(), verb=INVOKE, headers={"x-simulate": fault})).data)
        found: list[Any] = []
        with pytest.raises(ChecksumMismatch):
            found.extend(buffer)
        assert [message.payload for message in found] == [message.payload for message in healthy[: len(healthy) // 2]]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("fault", ["stream-throttling", "stream-model-timeout", "guardrail-blocked"])
def test_no_stream_repeats_the_prompt(path: str, fault: str) -> None:
    """Neither the answer nor what is remembered of it holds a word of the request."""
    for headers in ({}, {"x-simulate": fault}):
        for streamed in (True, False):
            exchange = post(path, ROUTES[path] | {"stream": streamed}, **headers)
            assert CANARY not in repr(exchange)


@pytest.mark.parametrize("path", [*ROUTES, "/async-invoke", "/guardrail/g/version/1/apply", "/guardrail-checks/invoke"])
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model":7}', b'{"model":"openai.gpt-6-sol"}', b"\xff"])
def test_a_request_that_makes_no_sense_is_refused(path: str, body: bytes) -> None:
    """Whatever is missing, the answer is 400 in the dialect of the route."""
    exchange = post(path, body)
    assert (exchange.answer.status, exchange.error_code) == (400, "ValidationException")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/model/{CLAUDE}/invoke-with-bidirectional-stream"),
        ("POST", "/openai/v1/embeddings"),
        ("GET", "/v1/models"),
        ("POST", "/v1/messages"),
        ("DELETE", "/async-invoke"),
        ("POST", "/guardrail/g/apply"),
    ],
)
def test_what_is_not_simulated_is_an_unknown_operation(method: str, path: str) -> None:
    """The list of operations is closed."""
    exchange = respond(Request(method=method, path=path, headers={}, body=b"{}"), Conditions(seed=1))
    assert exchange.error_code == "UnknownOperationException"
