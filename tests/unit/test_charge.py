"""What the meter charges a call: from the answer's counts and the book to the record."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.books import a_book, a_row
from tests.builders import CLAUDE, CLAUDE_US, REGION, Bench, a_call

from bedrock_meter.domain import Operation, Record
from bedrock_meter.modelid import parse
from bedrock_meter.session import PRICING_FAULT

TOKENS = {"x-amzn-bedrock-input-token-count": "1000", "x-amzn-bedrock-output-token-count": "100"}
BODY = b"{}"
GUARDRAIL = a_row(
    model="guardrail", scope="in-region", rates={"content_policy_units": "0.00015", "topic_policy_units": "0.00015"}
)


def tier_row(tier: str, rate: str, **changes: Any) -> dict[str, Any]:
    """Give a row of a tier whose input and output cost the same."""
    return a_row(tier=tier, rates={"input": rate, "output": rate}, **changes)


def charge(*rows: dict[str, Any], body: bytes = BODY, headers: dict[str, str] | None = None, **call: Any) -> Record:
    """Meter one call with a book of these rows."""
    bench = Bench()
    bench.meter.pricer = a_book(*rows)
    return bench.exchange(body, call=a_call(**call), headers=TOKENS if headers is None else headers)


def test_the_record_has_the_cost_and_its_row() -> None:
    """1,000 tokens in at 3 USD and 100 out at 15 USD a million are 0.0045 USD."""
    record = charge()
    assert (record.cost, record.price_row) == (Decimal("0.0045"), f"{CLAUDE}|*|geo|default|0|2026-01-01")
    assert record.faults == ()


def test_without_a_price_the_record_has_neither() -> None:
    """A model that the book does not know leaves cost and row open, and is no fault."""
    record = charge(a_row(model="acme.model-v1"))
    assert (record.cost, record.price_row, record.faults) == (None, None, ())


def test_an_unknown_count_leaves_the_cost_open_and_names_the_row() -> None:
    """The book has a price, so that the call is not unpriced; its cost is unknown all the same."""
    record = charge(headers={"x-amzn-bedrock-input-token-count": "1000"})
    assert (record.cost, record.price_row) == (None, f"{CLAUDE}|*|geo|default|0|2026-01-01")


def test_cached_tokens_count_towards_the_band() -> None:
    """A short new input after a long cached one is a long request."""
    long = a_row(above=200_000, rates={"input": "6", "output": "22.5", "cache_read": "0.6"})
    cached = {**TOKENS, "x-amzn-bedrock-cache-read-input-token-count": "199001"}
    record = charge(a_row(), long, headers=cached)
    # 1,000 x 6 + 100 x 22.50 + 199,001 x 0.60 = 127,650.6 millionths
    assert record.cost == Decimal("0.1276506")
    at_the_threshold = charge(
        a_row(), long, headers={**TOKENS, "x-amzn-bedrock-cache-read-input-token-count": "199000"}
    )
    # 1,000 x 3 + 100 x 15 + 199,000 x 0.30
    assert at_the_threshold.cost == Decimal("0.0642")


def test_cache_writes_are_split_by_lifetime_and_default_to_five_minutes() -> None:
    """The body says that 4,000 of 5,000 written tokens live an hour; without it all are priced for 5 minutes."""
    written = {**TOKENS, "x-amzn-bedrock-cache-write-input-token-count": "5000"}
    split = b'{"usage":{"cache_creation":{"ephemeral_5m_input_tokens":1000,"ephemeral_1h_input_tokens":4000}}}'
    # 0.0045 + 1,000 x 3.75 + 4,000 x 6, and 0.0045 + 5,000 x 3.75 millionths
    assert charge(headers=written, body=split).cost == Decimal("0.03225")
    assert charge(headers=written).cost == Decimal("0.02325")


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        (None, {}, "default"),
        ("default", {}, "default"),
        ("flex", {}, "flex"),
        ("reserved", {}, None),
        ("latency", {}, "latency"),
        ("priority", {"x-amzn-bedrock-service-tier": "default"}, "default"),
        ("reserved", {"x-amzn-bedrock-service-tier": "default"}, "default"),
        (None, {"x-amzn-bedrock-service-tier": "flex"}, "flex"),
        (None, {"x-amzn-bedrock-performanceconfig-latency": "optimized"}, "latency"),
        ("latency", {"x-amzn-bedrock-performanceconfig-latency": "standard"}, "default"),
        ("latency", {"x-amzn-bedrock-service-tier": "default"}, "latency"),
    ],
)
def test_the_tier_that_served_is_the_one_that_is_paid(
    asked: str | None, answered: dict[str, str], expected: str | None
) -> None:
    """Bedrock's word comes before the request's; a tier without a price is not priced as another."""
    rows = [
        tier_row(tier, rate) for tier, rate in (("default", "1"), ("flex", "2"), ("priority", "3"), ("latency", "4"))
    ]
    record = charge(*rows, headers={**TOKENS, **answered}, tier=asked)
    assert (record.price_row and record.price_row.split("|")[3]) == expected


def test_the_model_that_a_router_chose_is_the_one_that_is_paid() -> None:
    """Behind a prompt router the price is that of the model that answered."""
    answer = (
        b'{"usage":{"inputTokens":1000,"outputTokens":100,"totalTokens":1100},'
        b'"trace":{"promptRouter":{"invokedModelId":"%s"}}}' % CLAUDE_US.encode()
    )
    router = parse(f"arn:aws:bedrock:{REGION}:123456789012:default-prompt-router/anthropic.claude:1", REGION)
    record = charge(body=answer, headers={}, operation=Operation.CONVERSE, model=router)
    assert record.cost == Decimal("0.0045")


def test_guardrail_units_are_added_from_a_row_of_their_own() -> None:
    """A guarded call pays for its tokens and for the units of the guardrail, and names both rows."""
    answer = (
        b'{"usage":{"inputTokens":1000,"outputTokens":100,"totalTokens":1100},"trace":{"guardrail":{"inputAssessment":'
        b'{"g":{"invocationMetrics":{"usage":{"contentPolicyUnits":2,"wordPolicyUnits":1}}}}}}}'
    )
    record = charge(a_row(), GUARDRAIL, body=answer, headers={}, operation=Operation.CONVERSE)
    assert record.cost == Decimal("0.0048")
    assert record.price_row == (f"{CLAUDE}|*|geo|default|0|2026-01-01+guardrail|*|in-region|default|0|2026-01-01")
    flex = charge(tier_row("flex", "1"), GUARDRAIL, body=answer, headers={}, operation=Operation.CONVERSE, tier="flex")
    assert flex.cost == Decimal("0.0014")  # 1,100 tokens at 1 USD a million, and the same units
    without = charge(a_row(), body=answer, headers={}, operation=Operation.CONVERSE)
    assert (without.cost, without.price_row) == (None, None)


def test_a_guardrail_alone_is_priced_by_its_units() -> None:
    """ApplyGuardrail has no model and no tokens."""
    answer = b'{"usage":{"topicPolicyUnits":3,"contentPolicyUnits":1,"wordPolicyUnits":1}}'
    record = charge(GUARDRAIL, body=answer, headers={}, operation=Operation.APPLY_GUARDRAIL, model=None)
    assert record.cost == Decimal("0.0006")


def test_counting_tokens_is_free() -> None:
    """CountTokens costs nothing, whether or not the book knows the model."""
    record = charge(a_row(model="acme.model-v1"), body=b'{"inputTokens":7}', operation=Operation.COUNT_TOKENS)
    assert (record.cost, record.price_row) == (Decimal(0), None)


def test_the_day_is_that_of_utc() -> None:
    """A price that begins on a day begins at midnight UTC, wherever the code runs."""
    rows = a_row(), a_row(valid_from="2026-11-23", rates={"input": "1", "output": "1"})
    auckland = ZoneInfo("Pacific/Auckland")
    before = charge(*rows, received_at=datetime(2026, 11, 23, 12, 59, tzinfo=auckland))
    after = charge(*rows, received_at=datetime(2026, 11, 23, 13, 0, tzinfo=auckland))
    assert [record.price_row and record.price_row[-10:] for record in (before, after)] == ["2026-01-01", "2026-11-23"]


def test_a_pricer_that_fails_costs_nobody_the_record() -> None:
    """The record has its counts, no cost, and the fault."""

    class Broken:
        def rate_card(self, *_: object, **__: object) -> None:
            raise OSError("no such book")

    bench = Bench()
    bench.meter.pricer = Broken()
    record = bench.exchange(BODY, headers=TOKENS)
    assert (record.cost, record.faults) == (None, (PRICING_FAULT,))
    assert record.usage is not None
    assert record.usage.input == 1000
