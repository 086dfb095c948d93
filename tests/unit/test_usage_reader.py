"""Readers: which one an answer gets, and how the counts of its headers and of its body become one usage."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import NOON, PROPERTY, a_call, a_model

from bedrock_meter.domain import MAX_COUNT, Family, Operation, UsageSource
from bedrock_meter.request import describe, match
from bedrock_meter.usage import Reading, buffered, reader_for
from bedrock_meter.usage.buffered import ANSWER_NOT_JSON, ANSWER_TOO_LARGE
from bedrock_meter.usage.counts import TOKEN_FIELDS, Counts
from bedrock_meter.usage.families import ROWS
from bedrock_meter.usage.reading import merge

HEADERS = {"x-amzn-bedrock-input-token-count": "10", "x-amzn-bedrock-output-token-count": "3"}
TITAN = "amazon.titan-text-express-v1"

count = st.none() | st.integers(0, MAX_COUNT)
sources = st.builds(Counts, input=count, output=count, cache_read=count, cache_write=count)
bodies = st.builds(Counts, input=count, output=count, cache_read=count, cache_write=count, cache_write_1h=count)


def reading(
    body: bytes | dict[str, Any],
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    operation: Operation = Operation.INVOKE_MODEL,
    model: str | None = None,
) -> Reading:
    """Read one answer whole."""
    call = a_call(operation=operation) if model is None else a_call(operation=operation, model=a_model(model))
    reader = reader_for(call, status, headers or {})
    reader.feed(body if isinstance(body, bytes) else json.dumps(body).encode())
    return reader.result()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"usage":{"input_tok', b"[1]", b"null", b"\xff", b"[" * 200_000, b'{"a":' * 200_000],
)
def test_a_body_that_cannot_be_read_leaves_the_headers(body: bytes) -> None:
    """A body that is no JSON object is a fault; Bedrock's headers still count the call, and fully."""
    found = reading(body, headers=HEADERS)
    assert found.usage is not None
    assert (found.usage.input, found.usage.output, found.usage.source) == (10, 3, UsageSource.HEADER)
    assert (found.complete, found.faults) == (True, (ANSWER_NOT_JSON,))


def test_a_body_that_is_too_large_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound only the headers count, and bytes that follow do not bring the body back."""
    monkeypatch.setattr(buffered, "MAX_BODY", 40)
    whole = json.dumps({"usage": {"input_tokens": 1, "output_tokens": 2}}).encode()
    reader = reader_for(a_call(), 200, HEADERS)
    for part in (whole, b" ", whole):
        reader.feed(part)
    found = reader.result()
    assert found.faults == (ANSWER_TOO_LARGE,)
    assert found.usage is not None
    assert (found.usage.input, found.usage.output) == (10, 3)


def test_a_body_at_the_bound_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound itself is allowed."""
    whole = json.dumps({"usage": {"input_tokens": 1, "output_tokens": 2}}).encode()
    monkeypatch.setattr(buffered, "MAX_BODY", len(whole))
    assert reading(whole).complete


def test_a_result_may_be_asked_early() -> None:
    """A reader tells what it has at any time, and goes on reading."""
    reader = reader_for(a_call(), 200, HEADERS)
    reader.feed(b'{"stop_reason":')
    assert reader.result().stop_reason is None
    reader.feed(b'"end_turn"}')
    assert reader.result().stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("status", "operation", "model"),
    [
        (200, Operation.COUNT_TOKENS, None),
        (200, Operation.UNKNOWN, None),
        (200, Operation.CONVERSE, "mistral.mistral-7b-instruct-v0:2"),
        (200, Operation.INVOKE_MODEL, TITAN),
        (200, Operation.INVOKE_MODEL, "not.a-model"),
        (400, Operation.INVOKE_MODEL, None),
        (503, Operation.CONVERSE, None),
    ],
)
@given(body=st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode))
@PROPERTY
def test_no_body_makes_a_reader_raise(status: int, operation: Operation, model: str | None, body: bytes) -> None:
    """Any bytes give a reading."""
    assert isinstance(reading(body, status=status, operation=operation, model=model), Reading)


def test_counts_that_are_absurd_in_sum_do_not_lose_the_others() -> None:
    """An output that adds up beyond the bound is unknown; the input beside it still counts."""
    found = reading(
        {"inputTextTokenCount": 5, "results": [{"tokenCount": MAX_COUNT}, {"tokenCount": MAX_COUNT}]}, model=TITAN
    )
    assert found.usage is not None
    assert (found.usage.input, found.usage.output) == (5, None)
    assert not found.complete


@pytest.mark.parametrize(
    ("operation", "free"),
    [
        (Operation.COUNT_TOKENS, True),
        (Operation.GET_ASYNC_INVOKE, True),
        (Operation.LIST_ASYNC_INVOKES, True),
        (Operation.START_ASYNC_INVOKE, False),
    ],
)
def test_operations_without_counts(operation: Operation, free: bool) -> None:
    """Counting and asking cost nothing, for certain; what an asynchronous call will cost, its start does not say."""
    assert reading({"inputTokens": 37}, operation=operation) == Reading(complete=free)


def test_a_body_of_an_unknown_family_may_be_anything() -> None:
    """Nobody said that it is JSON, so it is no fault when it is not; the headers count it."""
    found = reading(b"\x89PNG", headers=HEADERS, model="newcomer.painter-v1:0")
    assert (found.complete, found.faults) == (True, ())


@pytest.mark.parametrize(
    "usage", [{"input_tokens": 1, "output_tokens": 2}, {"prompt_tokens": 1, "completion_tokens": 2}]
)
def test_a_body_of_an_unknown_family_is_known_by_its_counts(usage: dict[str, int]) -> None:
    """An application profile hides its model, but not how that answers."""
    found = reading({"usage": usage}, model="arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2")
    assert found.usage is not None
    assert (found.usage.input, found.usage.output) == (1, 2)


@pytest.mark.parametrize(
    ("documents", "units", "complete"), [(None, 1, False), (2, 1, True), (100, 1, True), (101, 2, True), (250, 3, True)]
)
def test_rerank_is_billed_by_the_documents_of_its_request(documents: int | None, units: int, complete: bool) -> None:
    """A search unit is a query with up to 100 documents; the answer alone, which may be shorter, is a lower bound."""
    call = a_call(model=a_model("cohere.rerank-v3-5:0"), documents=documents)
    reader = reader_for(call, 200, {})
    reader.feed(b'{"results":[{"index":0},{"index":1}]}')
    found = reader.result()
    assert found.usage is not None
    assert (found.usage.other, found.complete) == ({"search_units": units}, complete)


@pytest.mark.parametrize(
    ("model", "body", "documents"),
    [
        ("cohere.rerank-v3-5:0", b'{"query":"q","documents":["a","b"],"top_n":1}', 2),
        ("amazon.rerank-v1:0", b'{"query":"q","documents":[]}', 0),
        ("cohere.rerank-v3-5:0", b'{"query":"q","documents":"a"}', None),
        ("cohere.command-r-v1:0", b'{"message":"m","documents":[{"a":"b"}]}', None),
    ],
)
def test_the_documents_of_a_rerank_request(model: str, body: bytes, documents: int | None) -> None:
    """A rerank request says how many documents it sends; the documents of a chat are none of these."""
    target = match("POST", f"/model/{model}/invoke")
    call = describe(target, {}, body, call_id="1", received_at=NOON, tags={}, region=None)
    assert call.documents == documents


def test_a_call_without_a_model_is_read_from_the_headers_alone() -> None:
    """A missing model is an unknown family."""
    reader = reader_for(a_call(model=None), 200, HEADERS)
    reader.feed(b"x")
    assert reader.result().complete


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"x-amzn-errortype": "ThrottlingException:http://x"}, {"message": "m"}, "ThrottlingException"),
        ({"x-amzn-errortype": "ThrottlingException"}, {"__type": "a#OtherException"}, "ThrottlingException"),
        ({}, {"__type": "com.amazon.coral#ValidationException"}, "ValidationException"),
        ({}, {"__type": "ValidationException"}, "ValidationException"),
        ({}, {"__type": "a sentence that a caller wrote"}, None),
        ({}, {"__type": 7}, None),
        ({}, {"error": {"type": "rate_limit_error", "code": None}}, "rate_limit_error"),
        ({}, {"type": "error", "error": {"type": "not_found_error"}}, "not_found_error"),
        ({}, {"error": {"code": 400, "type": "invalid_request_error"}}, "invalid_request_error"),
        ({}, {"error": {"code": "a sentence that a caller wrote"}}, None),
        ({}, {"error": "text"}, None),
        ({}, {"message": "m"}, None),
        ({}, b"<html>", None),
        ({}, b"", None),
    ],
)
def test_the_name_of_an_error(headers: dict[str, str], body: bytes | dict[str, Any], code: str | None) -> None:
    """The header names an error, else ``__type`` does; a page of a proxy names none. Errors consume nothing."""
    assert reading(body, status=400, headers=headers) == Reading(error_code=code)


@pytest.mark.parametrize(
    ("billed", "body", "expected", "source", "disagreement"),
    [
        (Counts(input=1, output=2), Counts(), (1, 2, None, None, None), "header", False),
        (Counts(), Counts(input=1, output=2), (1, 2, None, None, None), "body", False),
        (Counts(input=1, output=2), Counts(input=1, output=2), (1, 2, None, None, None), "header", False),
        (Counts(input=1, output=2), Counts(input=9, output=2), (1, 2, None, None, None), "header", True),
        (Counts(input=1), Counts(input=1, output=2), (1, 2, None, None, None), "body", False),
        (Counts(input=0), Counts(input=1), (0, None, None, None, None), "header", True),
        (
            Counts(input=1, output=2, cache_read=3),
            Counts(cache_write=4, cache_write_1h=1),
            (1, 2, 3, 3, 1),
            "header",
            False,
        ),
        (
            Counts(input=1, output=2, cache_write=4),
            Counts(cache_write=4, cache_write_1h=5),
            (1, 2, None, 0, 4),
            "header",
            True,
        ),
        (Counts(input=1, output=2, cache_write=4), Counts(cache_write=5), (1, 2, None, 4, None), "header", True),
    ],
)
def test_merge(billed: Counts, body: Counts, expected: tuple[int | None, ...], source: str, disagreement: bool) -> None:
    """The header wins, the body fills in what the header lacks, and a difference is noted."""
    usage, differed = merge(billed, body)
    assert usage is not None
    buckets = (usage.input, usage.output, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h)
    assert (buckets, usage.source.value, differed) == (expected, source, disagreement)


def test_nothing_merged_is_nothing() -> None:
    """Without any count there is no usage."""
    assert merge(Counts(), Counts()) == (None, False)


def test_counts_that_only_the_body_has_are_the_bodys() -> None:
    """A cache count of the body is not said to come from headers that were not there."""
    usage, _ = merge(Counts(), Counts(cache_read=5))
    assert usage is not None
    assert usage.source is UsageSource.BODY


def test_a_lone_one_hour_write_is_kept() -> None:
    """A body that tells only the tokens written for one hour has told a count."""
    usage, _ = merge(Counts(), Counts(cache_write_1h=7))
    assert usage is not None
    assert (usage.cache_write_1h, usage.cache_write) == (7, 7)


@given(billed=sources, body=bodies)
@PROPERTY
def test_merged_buckets_add_up(billed: Counts, body: Counts) -> None:
    """No bucket is negative, each header's total is kept to the token, and every disagreement is told."""
    usage, disagreement = merge(billed, body)
    if usage is None:
        assert billed == Counts()
        return
    for name in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h"):
        bucket = getattr(usage, name)
        assert bucket is None or bucket >= 0
    for name in TOKEN_FIELDS:
        first, second = getattr(billed, name), getattr(body, name)
        assert getattr(usage, name) == (second if first is None else first) or (
            name == "cache_write" and first is second is None and usage.cache_write == body.cache_write_1h
        )
        assert disagreement or first is None or second is None or first == second


def test_every_family_has_a_row() -> None:
    """A family without a row could not be read."""
    assert set(ROWS) == set(Family)
