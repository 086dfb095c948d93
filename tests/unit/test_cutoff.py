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
from bedrock_meter.usage import Reading
from bedrock_meter.usage.said import MAX_KEPT, Said

ESTIMATOR = Estimator()
TEXT = "The quick brown fox jumps over the lazy dog. " * 20


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


def test_the_output_is_estimated_and_says_so() -> None:
    """Nothing was counted: the output is what the text comes to, the input stays unknown, the source is an estimate."""
    found = with_estimate(Reading(said=said({"delta": {"text": TEXT}})), a_call(), ESTIMATOR)
    assert found.usage is not None
    assert found.usage.output == ESTIMATOR.text(a_call().model, TEXT).tokens
    assert (found.usage.input, found.usage.source) == (None, UsageSource.ESTIMATE)


def test_what_the_stream_had_counted_is_kept() -> None:
    """An input that came at the start stays, and an output count so far is a lower bound."""
    stated = Usage(input=70, output=10_000, cache_read=5, source=UsageSource.STREAM)
    found = with_estimate(Reading(usage=stated, said=said({"text": TEXT})), a_call(), ESTIMATOR)
    assert found.usage == replace(stated, source=UsageSource.ESTIMATE)


@pytest.mark.parametrize(
    "reading",
    [
        Reading(complete=True, said=said({"text": TEXT})),
        Reading(complete_if_whole=True, said=said({"text": TEXT})),
        Reading(said=Said()),
        Reading(),
    ],
)
def test_nothing_is_estimated_without_need(reading: Reading) -> None:
    """A counted answer, one that consumed nothing, and one that said nothing are given back as they are."""
    assert with_estimate(reading, a_call(), ESTIMATOR) is reading


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
    assert with_estimate(Reading(said=collected), a_call(), ESTIMATOR) is not None
