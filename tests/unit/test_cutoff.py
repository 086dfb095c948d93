"""Streams that end before their counts: the output is estimated from what they said."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import a_call

from bedrock_meter.cutoff import with_estimate
from bedrock_meter.domain import Usage, UsageSource
from bedrock_meter.estimate import Estimator
from bedrock_meter.forecast import Forecast
from bedrock_meter.usage import Reading
from bedrock_meter.usage.said import MAX_KEPT, Said

ESTIMATOR = Estimator()
FORECAST = Forecast(tokens=700, most=2000, method="bytes")
TEXT = "The quick brown fox jumps over the lazy dog. " * 20


def nothing() -> Forecast | None:
    """Expect nothing."""
    return None


def never() -> Forecast | None:
    """Fail: the input is known, or the stream needs no estimate."""
    pytest.fail("nobody needs the input to be estimated")


def said(*documents: object) -> Said:
    """Collect documents."""
    collected = Said()
    for document in documents:
        collected.add(json.dumps(document).encode())
    return collected


@pytest.mark.parametrize(
    "document",
    [
        {"contentBlockIndex": 0, "delta": {"text": TEXT}, "p": "abcdefghijklmnopqrstuvwxyz"},
        {"contentBlockIndex": 0, "delta": {"toolUse": {"input": TEXT}}, "p": "abc"},
        {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": TEXT}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": TEXT}},
        {"type": "response.output_text.delta", "item_id": "msg_0123456789abcdef", "delta": TEXT},
        {"id": "chatcmpl-0123456789", "choices": [{"index": 0, "delta": {"role": "assistant", "content": TEXT}}]},
        {"outputText": TEXT, "index": 0},
        {"generation": TEXT, "prompt_token_count": None},
    ],
)
def test_what_the_model_wrote_is_found_in_every_familys_words(document: object) -> None:
    """Text, thinking and tool input count; ids, types and padding do not."""
    assert said(document).text() == (TEXT, 1.0)


@pytest.mark.parametrize(
    ("forecast", "tokens"), [(FORECAST, 700), (None, None), (replace(FORECAST, method="bound"), None)]
)
def test_both_counts_are_estimated_and_say_so(forecast: Forecast | None, tokens: int | None) -> None:
    """The output is what the text comes to, the input what was expected; a bound is no estimate."""
    found = with_estimate(Reading(said=said({"delta": {"text": TEXT}})), a_call(), ESTIMATOR, lambda: forecast)
    assert found.usage == Usage(
        input=tokens, output=ESTIMATOR.text(a_call().model, TEXT).tokens, source=UsageSource.ESTIMATE
    )


def test_cached_tokens_are_not_counted_twice() -> None:
    """What is expected includes cached tokens, so those that the stream told of are taken off."""
    for read, left in ((300, 400), (900, 0)):
        stated = Usage(cache_read=read, output=1, source=UsageSource.STREAM)
        found = with_estimate(Reading(usage=stated, said=said({"text": TEXT})), a_call(), ESTIMATOR, lambda: FORECAST)
        assert found.usage is not None
        assert (found.usage.input, found.usage.cache_read) == (left, read)


def test_a_stream_that_had_said_nothing_has_consumed_its_input() -> None:
    """Bedrock had begun to answer, so the input is billed; of the output nothing is known, and that is not 0."""
    found = with_estimate(Reading(said=Said()), a_call(), ESTIMATOR, lambda: FORECAST)
    assert found.usage == Usage(input=700, source=UsageSource.ESTIMATE)
    assert with_estimate(Reading(said=Said()), a_call(), ESTIMATOR, nothing).usage is None


def test_an_error_before_the_first_word_is_not_estimated() -> None:
    """Bedrock told that it failed and counted nothing, and may have done nothing."""
    reading = Reading(said=Said(), error_code="ThrottlingException")
    assert with_estimate(reading, a_call(), ESTIMATOR, never) is reading


def test_what_the_stream_had_counted_is_kept() -> None:
    """An input that came at the start stays, and an output count so far is a lower bound."""
    stated = Usage(input=70, output=10_000, cache_read=5, source=UsageSource.STREAM)
    found = with_estimate(Reading(usage=stated, said=said({"text": TEXT})), a_call(), ESTIMATOR, never)
    assert found.usage == replace(stated, source=UsageSource.ESTIMATE)


@pytest.mark.parametrize(
    "reading",
    [
        Reading(complete=True, said=said({"text": TEXT})),
        Reading(complete_if_whole=True, said=said({"text": TEXT})),
        Reading(usage=Usage(input=70, output=1, source=UsageSource.STREAM), said=Said()),
        Reading(),
    ],
)
def test_nothing_is_estimated_without_need(reading: Reading) -> None:
    """An answer that is counted or consumed nothing, one that said nothing more, and no stream stay as they are."""
    assert with_estimate(reading, a_call(), ESTIMATOR, never) is reading


def test_what_is_beyond_the_bound_counts_in_proportion() -> None:
    """Only so much is kept, and a stream of twice the bound is estimated at twice the tokens."""
    document = json.dumps({"text": TEXT}).encode()
    collected = Said()
    for _ in range(2 * MAX_KEPT // len(document)):
        collected.add(document)
    text, share = collected.text()
    assert len(text) <= MAX_KEPT
    assert share == pytest.approx(2, rel=0.01)


def test_nothing_is_kept_once_the_counts_are_there() -> None:
    """What was said is let go of."""
    collected = said({"text": TEXT})
    collected.forget()
    assert not collected
    assert collected.text() == ("", 1.0)


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_bytes_are_taken(documents: list[bytes]) -> None:
    """What is no JSON says nothing, and never raises."""
    collected = Said()
    for document in documents:
        collected.add(document)
    assert with_estimate(Reading(said=collected), a_call(), ESTIMATOR, nothing) is not None
