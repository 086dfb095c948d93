"""Prices: which row holds for a call, and what a usage costs by it, exactly."""

import decimal
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.books import CLAUDE_RATES, a_book, a_row, as_json
from tests.builders import CLAUDE, CLAUDE_US, PROPERTY, REGION, a_usage

from bedrock_meter.domain import MAX_COUNT, ModelRef, Usage, UsageSource
from bedrock_meter.modelid import parse, resolve
from bedrock_meter.pricing import PriceBook, RateCard, cost

TODAY = date(2026, 11, 23)
BUCKETS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
UNKNOWN: dict[str, int | None] = dict.fromkeys(BUCKETS)

counts = st.fixed_dictionaries(dict.fromkeys(BUCKETS, st.integers(0, MAX_COUNT // 4)))


def find(book: PriceBook, raw: str = CLAUDE_US, **changes: Any) -> RateCard | None:
    """Look a model up; by default today, on the default tier, with a short request, in us-east-1."""
    region = changes.pop("region", REGION)
    model = changes.pop("model", None) or parse(raw, region)
    return book.rate_card(model, **({"day": TODAY, "tier": None, "total_input": 100} | changes))


def card(**rates: str) -> RateCard:
    """Give a card of these rates."""
    found = find(a_book(a_row(rates=rates)))
    assert found is not None
    return found


def usage(**buckets: Any) -> Usage:
    """Give a usage in which only what is named is known."""
    return Usage(**buckets, source=UsageSource.BODY)


CLAUDE_CARD = card(**CLAUDE_RATES)


def test_every_bucket_has_its_own_rate() -> None:
    """Input, output, cache reads and both cache writes are multiplied by their own rates, per million, and added."""
    # 11 x 3 + 22 x 15 + 33 x 0.30 + 44 x 3.75 + 55 x 6 = 33 + 330 + 9.9 + 165 + 330 = 867.9 millionths
    assert cost(a_usage(), CLAUDE_CARD) == Decimal("0.0008679")


def test_units_are_priced_one_by_one() -> None:
    """What is no token costs its rate for each."""
    by_unit = card(images="0.04", search_units="0.002")
    assert cost(usage(other={"images": 3}), by_unit) == Decimal("0.12")
    assert cost(usage(input=0, other={"images": 2, "search_units": 1}), by_unit) == Decimal("0.082")


@given(first=counts, second=counts)
@PROPERTY
def test_cost_is_linear(first: dict[str, int], second: dict[str, int]) -> None:
    """Inside a band two usages cost together exactly what they cost apart, to the last digit."""
    both = {name: first[name] + second[name] for name in BUCKETS}
    apart = cost(usage(**first), CLAUDE_CARD), cost(usage(**second), CLAUDE_CARD)
    with decimal.localcontext(prec=60):
        assert apart[0] is not None
        assert apart[1] is not None
        assert cost(usage(**both), CLAUDE_CARD) == apart[0] + apart[1]


@given(buckets=counts, bucket=st.sampled_from(BUCKETS), more=st.integers(1, 1000))
@PROPERTY
def test_cost_grows_with_every_bucket(buckets: dict[str, int], bucket: str, more: int) -> None:
    """More tokens in any bucket cost more."""
    less, greater = (
        cost(usage(**buckets), CLAUDE_CARD),
        cost(usage(**{**buckets, bucket: buckets[bucket] + more}), CLAUDE_CARD),
    )
    assert less is not None
    assert greater is not None
    assert greater > less


def test_cost_does_not_depend_on_the_decimal_context() -> None:
    """An application that works with few digits changes no cost."""
    whole = usage(input=123_456_789, output=987_654_321)
    exact = cost(whole, CLAUDE_CARD)
    with decimal.localcontext(prec=3):
        assert str(cost(whole, CLAUDE_CARD)) == str(exact) == "15185.185182"


@pytest.mark.parametrize(
    "buckets",
    [
        {"input": None, "output": 1},
        {"input": 1, "output": None},
        {"input": 1, "output": 1, "cache_read": 1, "other": {"images": 1}},
    ],
)
def test_what_is_not_known_is_not_priced(buckets: dict[str, Any]) -> None:
    """Without the input, without the output, and with a unit that has no rate there is no cost, not even a part."""
    assert cost(usage(**buckets), CLAUDE_CARD) is None


def test_a_bucket_without_a_rate_has_to_be_empty() -> None:
    """Cached tokens of a model without a cache price make the cost unknown; none of them do not."""
    plain = card(input="1", output="2")
    assert cost(usage(input=1, output=1, cache_read=0), plain) == Decimal("0.000003")
    assert cost(usage(input=1, output=1, cache_read=1), plain) is None
    assert cost(usage(input=1, output=1, cache_write_5m=1), plain) is None


def test_a_missing_count_that_costs_nothing_is_no_obstacle() -> None:
    """An embedding has no output; where the output is free or has no rate, its count is not needed."""
    assert cost(usage(input=1000), card(input="0.02")) == Decimal("0.00002")
    assert cost(usage(input=1000), card(input="0.02", output="0")) == Decimal("0.00002")
    assert cost(usage(other={"search_units": 1}), card(input="0", output="0", search_units="0.002")) == Decimal("0.002")


def test_a_model_billed_by_the_unit_needs_its_unit() -> None:
    """An answer that does not say how many images it has does not cost 0."""
    assert cost(usage(input=0), card(images="0.04")) is None
    assert cost(usage(output=5), card(output="7.5", video_seconds="0.00049")) is None


def test_free_guardrail_units_cost_nothing() -> None:
    """Word filters and regular expressions are free of charge at AWS."""
    free = {"word_policy_units": 2, "sensitive_information_policy_free_units": 1}
    assert cost(usage(input=1, output=0, other=free), CLAUDE_CARD) == Decimal("0.000003")


def test_the_band_follows_the_whole_input() -> None:
    """A request of more than the threshold is priced by the higher band; one of exactly as much is not."""
    long = a_row(above=200_000, rates={"input": "6", "output": "22.5"})
    book = a_book(a_row(), long, a_row(above=500_000, rates={"input": "9", "output": "30"}))
    bands = {size: card.above for size in (0, 200_000, 200_001, 500_001) if (card := find(book, total_input=size))}
    assert bands == {0: 0, 200_000: 0, 200_001: 200_000, 500_001: 500_000}


def test_a_called_region_comes_before_every_region() -> None:
    """A row of the Region is taken there, and the row of every Region elsewhere."""
    book = a_book(a_row(), a_row(region="eu-west-1"))
    regions = {where: card.region for where in ("eu-west-1", "us-east-1") if (card := find(book, region=where))}
    assert regions == {"eu-west-1": "eu-west-1", "us-east-1": "*"}


def test_a_region_with_its_own_rows_takes_no_price_from_elsewhere() -> None:
    """What a Region does not list, it does not offer: its missing tier is unpriced, and not priced as elsewhere."""
    book = a_book(a_row(), a_row(tier="batch"), a_row(region="eu-west-1"))
    assert find(book, region="eu-west-1", tier="batch") is None
    assert find(book, region="us-east-1", tier="batch") is not None


def test_rows_of_every_region_end_at_the_partition() -> None:
    """GovCloud and China have prices of their own or none."""
    book = a_book(a_row(), a_row(region="us-gov-west-1"))
    assert find(book, region="us-gov-west-1") is not None
    assert find(book, region="us-gov-east-1") is None
    assert find(book, region="cn-north-1") is None


def test_the_region_of_an_arn_is_the_one_that_counts() -> None:
    """A profile that is named by its ARN is priced in the ARN's Region."""
    book = a_book(a_row(region="eu-west-1"))
    arn = f"arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.{CLAUDE}"
    assert find(book, arn, region="us-east-1") is not None
    assert find(book, f"eu.{CLAUDE}", region="us-east-1") is None


@pytest.mark.parametrize(("raw", "scope"), [(CLAUDE, "in-region"), (CLAUDE_US, "geo"), (f"global.{CLAUDE}", "global")])
def test_each_scope_has_its_own_price(raw: str, scope: str) -> None:
    """A call in the Region, in a geography and anywhere is priced by the row of that scope, and by no other."""
    scopes = ("in-region", "geo", "global")
    found = find(a_book(*(a_row(scope=each) for each in scopes)), raw)
    assert found is not None
    assert found.scope == scope
    assert find(a_book(*(a_row(scope=each) for each in scopes if each != scope)), raw) is None


def test_each_tier_has_its_own_price() -> None:
    """No tier is the default one; a tier without a row has no price."""
    book = a_book(a_row(), a_row(tier="flex"))
    tiers = {
        tier: card and card.tier
        for tier in (None, "default", "flex", "priority", "reserved")
        if [card := find(book, tier=tier)]
    }
    assert tiers == {None: "default", "default": "default", "flex": "flex", "priority": None, "reserved": None}


def test_a_day_is_priced_by_its_own_row() -> None:
    """The newest row that began on the day or before holds; before the first one there is no price."""
    book = a_book(a_row(), a_row(valid_from="2026-07-01", rates={"input": "2", "output": "10"}))
    rows = {
        day: card and str(card.valid_from)
        for day in ("2025-12-31", "2026-06-30", "2026-07-01", "2027-01-01")
        if [card := find(book, day=date.fromisoformat(day))]
    }
    assert rows == {
        "2025-12-31": None,
        "2026-06-30": "2026-01-01",
        "2026-07-01": "2026-07-01",
        "2027-01-01": "2026-07-01",
    }


@given(day=st.dates(date(2026, 1, 1), date(2026, 11, 22)), size=st.integers(0, 400_000), buckets=counts)
@PROPERTY
def test_appended_rows_change_no_past_price(day: date, size: int, buckets: dict[str, int]) -> None:
    """A record of a past day costs the same to the last digit, and by the same row, after the book has grown."""
    rows = [a_row(), a_row(above=200_000), a_row(valid_from="2026-05-01", rates={"input": "2", "output": "10"})]
    new = [
        a_row(valid_from="2026-11-23", rates={"input": "99", "output": "99"}),
        a_row(valid_from="2026-11-23", above=200_000, rates={"input": "99", "output": "99"}),
        a_row(valid_from="2026-11-23", region=REGION, rates={"input": "99", "output": "99"}),
        a_row(valid_from="2026-11-23", tier="flex", rates={"input": "1", "output": "1"}),
    ]
    before, after = (find(a_book(*book), day=day, total_input=size) for book in (rows, [*rows, *new]))
    assert before is not None
    assert after is not None
    assert (cost(usage(**buckets), before), before.row) == (cost(usage(**buckets), after), after.row)


def test_models_are_matched_exactly() -> None:
    """A model that is new to the book, and a version that is, have no price."""
    book = a_book()
    assert find(book, "us.anthropic.claude-sonnet-4-5-20250929-v2:0") is None
    assert find(book, "us.acme.model-v1") is None


def test_an_application_profile_is_priced_by_its_model() -> None:
    """An opaque profile has no price until its model is known."""
    arn = f"arn:aws:bedrock:{REGION}:123456789012:application-inference-profile/a1b2c3"
    opaque = parse(arn, REGION)
    models = [f"arn:aws:bedrock:{region}::foundation-model/{CLAUDE}" for region in ("us-east-1", "us-west-2")]
    assert find(a_book(), model=opaque) is None
    assert find(a_book(), model=resolve(opaque, models)) == find(a_book())


def test_a_row_is_named_by_its_key() -> None:
    """The name of a row has every part of its key, so that a finance reader finds it."""
    assert CLAUDE_CARD.row == f"{CLAUDE}|*|geo|default|0|2026-01-01"


def test_a_packaged_book_gives_the_same_rows() -> None:
    """A book whose rows are read one model at a time finds what the book that was read whole finds."""
    text = as_json([a_row(), a_row(region="eu-west-1"), a_row(model="meta.llama3-3-70b-instruct-v1:0")])
    packaged, whole = PriceBook.packaged(text.encode()), PriceBook.from_json(text)
    models: list[ModelRef] = [parse(raw, REGION) for raw in (CLAUDE_US, CLAUDE, "us.meta.llama3-3-70b-instruct-v1:0")]
    assert [find(packaged, model=model) for model in models] == [find(whole, model=model) for model in models]
    assert find(packaged) is not None


def test_a_book_knows_its_version() -> None:
    """However it is read; a library without its book has none, so that every other is newer."""
    text = as_json([a_row()], version="2026-11-25")
    assert PriceBook.from_json(text).version == PriceBook.packaged(text.encode()).version == "2026-11-25"
    assert PriceBook({}).version == PriceBook.packaged(b"").version == ""
