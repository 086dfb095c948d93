"""The committed price book: whole, and with a price for every text model that Bedrock lists as active."""

from datetime import date
from decimal import Decimal

import pytest

from bedrock_meter import modelid
from bedrock_meter.pricing import PriceBook
from meterctl.prices import coverage, models, rules
from pricewatch import book

DAY = date(2026, 11, 23)
TEXT = book.PATH.read_text(encoding="utf-8")
BOOK = PriceBook.from_json(TEXT)

# Ways to call an ACTIVE text model that have no price, each with the reason; "*" is every way.
EXCEPTIONS = {
    "amazon.nova-2-5-sonic": "*",  # bidirectional speech streams: not metered, and text and speech differ in price
    "amazon.nova-2-sonic-v1:0": "*",  # the same
    "amazon.nova-lite-v1:0": "ca.",  # the source does not price the Canadian profile
    "anthropic.claude-mulberry-trn2-208k-20251001": "*",  # a test id that the source does not have
    "zai.glm-4.6": "*",  # bedrock-mantle only; the source does not have it
}


def test_the_committed_book_is_whole() -> None:
    """Schema, checksum, order, form, and every row: what `meterctl prices verify` says, without a network."""
    assert len(book.verify(TEXT)) > 1000


def test_every_active_text_model_has_a_price() -> None:
    """In every Region and through every profile that it can be called by, but for the exceptions named here."""
    found = coverage.cover(BOOK, models.load(), day=DAY)
    assert len(found) == 106
    gaps = {each.model.id: each.unpriced for each in found if not each.whole}
    assert set(gaps) == set(EXCEPTIONS)
    for model_id, unpriced in gaps.items():
        ways = next(each.ways for each in found if each.model.id == model_id)
        prefix = EXCEPTIONS[model_id]
        assert len(unpriced) == ways if prefix == "*" else all(way.startswith(prefix) for way in unpriced)


@pytest.mark.parametrize("rule", rules.load().regional, ids=lambda rule: rule.reason)
def test_regional_rates_are_global_ones_and_ten_percent(rule: rules.Rule) -> None:
    """In-region and geo rows of these models cost exactly 1.10 of the Global row, bucket by bucket, in every band."""
    rows = {book.key(row): book.rates(row) for row in book.holding(book.verify(TEXT), day=DAY)}
    seen = 0
    for (model, region, scope, tier, above), rates in rows.items():
        if scope != "global" or not rule.pattern.fullmatch(model):
            continue
        seen += 1
        for regional in ("in-region", "geo"):
            local = rows[model, region, regional, tier, above]
            assert {name: rate * Decimal("1.10") for name, rate in rates.items()}.items() <= local.items()
    assert seen


@pytest.mark.parametrize(
    ("model_id", "region", "total_input", "expected"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-east-1", 200_000, ("3.3", "16.5")),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-east-1", 200_001, ("6.6", "24.75")),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "eu-west-1", 0, ("3", "15")),
        ("anthropic.claude-haiku-5-5", "us-east-1", 100_000, ("0.11", "0.55")),
        ("anthropic.claude-haiku-5-5", "us-gov-west-1", 100_001, ("0.6", "3")),
        ("eu.amazon.nova-pro-v1:0", "eu-central-1", 0, ("1.05", "4.2")),
        ("us.amazon.nova-pro-v1:0", "us-west-2", 0, ("0.8", "3.2")),
        ("deepseek.v3.2", "ap-south-1", 0, ("0.74", "2.22")),
        ("deepseek.v3.2", "us-east-1", 0, ("0.62", "1.85")),
        ("us.meta.llama3-3-70b-instruct-v1:0", "us-east-1", 0, ("0.72", "0.72")),
    ],
)
def test_well_known_prices(model_id: str, region: str, total_input: int, expected: tuple[str, str]) -> None:
    """Spot checks by hand: US dollars per million input and output tokens."""
    card = BOOK.rate_card(modelid.parse(model_id, region), day=DAY, tier=None, total_input=total_input)
    assert card is not None
    assert (card.rates["input"], card.rates["output"]) == (Decimal(expected[0]), Decimal(expected[1]))


@pytest.mark.parametrize(
    ("model_id", "region", "tier"),
    [
        ("ca.amazon.nova-lite-v1:0", "ca-central-1", None),
        ("anthropic.claude-of-tomorrow", "us-east-1", None),
        ("us.meta.llama3-3-70b-instruct-v1:0", "us-east-1", "priority"),
    ],
)
def test_what_the_book_does_not_have_has_no_price(model_id: str, region: str, tier: str | None) -> None:
    """No neighbouring geography, model or tier stands in."""
    assert BOOK.rate_card(modelid.parse(model_id, region), day=DAY, tier=tier, total_input=0) is None
