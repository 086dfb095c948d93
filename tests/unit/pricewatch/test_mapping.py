"""Products of the Price List, mapped to rows of a price book."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.books import a_row
from tests.builders import CLAUDE, PROPERTY
from tests.pricelist import MARKETPLACE, OWN, SERVICE, VERSION, a_product, an_offer, sold

from pricewatch import mapping, names, offers
from pricewatch.mapping import Listed

NOVA = "amazon.nova-pro-v1:0"
SONNET = "Claude Sonnet 4.5"
BOOK = [
    *(a_row(scope=scope, above=above) for scope in ("geo", "global", "in-region") for above in (0, 200_000)),
    a_row(model=NOVA, scope="in-region", rates={"input": "0.8"}),
    a_row(model=NOVA, scope="geo", region="eu-west-1", rates={"input": "1.05"}),
    a_row(model="guardrail", scope="in-region", rates={"content_policy_units": "0.00015"}),
    a_row(model="cohere.rerank-v3-5:0", scope="in-region", rates={"search_units": "0.002"}),
]


def listed(products: Iterable[dict[str, Any]], code: str = OWN) -> Listed:
    """Map products of one offer file against a small book."""
    return mapping.read(offers.read(json.dumps(an_offer(code, products)), name="x"), BOOK, names.load())


def rates(found: Listed) -> dict[tuple[str, str, str, str, int], dict[str, str]]:
    """Give the rates as texts."""
    return {where: {name: f"{rate:f}" for name, rate in each.items()} for where, each in found.rates.items()}


def reasons(found: Listed) -> dict[str, int]:
    """Give how often what was skipped."""
    return dict(found.reasons())


def test_thousands_and_millions_come_to_the_same() -> None:
    """A price for 1K tokens and one for 1M tokens become rates for a million, exactly."""
    found = listed(
        [
            a_product("NovaPro-input-tokens", "0.0008000000"),
            a_product("NovaPro-output-tokens", "3.2000000000", unit="1M tokens"),
        ]
    )
    assert rates(found) == {(NOVA, "us-east-1", "in-region", "default", 0): {"input": "0.8", "output": "3.2"}}
    assert set(found.sources.values()) == {f"AWS Price List, {OWN} {VERSION}"}


def test_the_regional_rate_is_that_of_the_region_and_of_its_geography() -> None:
    """It speaks for the scopes in which the book has the model there; a Global product for Global calls alone."""
    found = listed(
        [sold("InputTokenCount", "3.3", name=SONNET), sold("InputTokenCount_Global", "3", name=SONNET)], MARKETPLACE
    )
    assert rates(found) == {
        (CLAUDE, "us-east-1", "in-region", "default", 0): {"input": "3.3"},
        (CLAUDE, "us-east-1", "geo", "default", 0): {"input": "3.3"},
        (CLAUDE, "us-east-1", "global", "default", 0): {"input": "3"},
    }
    nova = listed([a_product("NovaPro-input-tokens", "0.001", region=each) for each in ("us-west-2", "eu-west-1")])
    assert {where[1:3] for where in nova.rates} == {
        ("us-west-2", "in-region"),
        ("eu-west-1", "in-region"),
        ("eu-west-1", "geo"),
    }


def test_a_geo_product_comes_before_the_regional_rate() -> None:
    """Where the list prices the geography apart, the regional rate is not taken for it."""
    found = listed(
        [
            a_product("NovaPro-input-tokens", "0.001", region="eu-west-1"),
            a_product("NovaPro-input-tokens-cross-region-geo", "0.0011", region="eu-west-1"),
        ]
    )
    assert rates(found)[NOVA, "eu-west-1", "geo", "default", 0] == {"input": "1.1"}
    assert rates(found)[NOVA, "eu-west-1", "in-region", "default", 0] == {"input": "1"}
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("usage", "changes", "tier"),
    [
        ("NovaPro-input-tokens-flex", {}, "flex"),
        ("NovaPro-input-tokens-latency-optimized", {}, "latency"),
        ("NovaPro-input-tokens", {"service_tier": "priority"}, "priority"),
        ("NovaPro-input-tokens", {"feature": "Batch Inference"}, "batch"),
        ("NovaPro-input-tokens", {"feature": "On-demand Inference", "inferenceType": "Input tokens"}, "default"),
        ("amazon.nova-pro-v1:0-mantle-input-tokens-standard", {"service_tier": "standard"}, "default"),
    ],
)
def test_the_tier_is_found_where_it_stands(usage: str, changes: dict[str, str], tier: str) -> None:
    """The usage type says it, or an attribute does."""
    (where,) = listed([a_product(usage, "0.001", **changes)]).rates
    assert where[3] == tier


def test_the_long_context_band_is_the_books() -> None:
    """The list says only that a request is long; the number of tokens is the one that the book has for the model."""
    found = listed([sold("input_tokens_long_ctx_standard", "6.6", name=SONNET)], MARKETPLACE)
    assert (CLAUDE, "us-east-1", "geo", "default", 200_000) in found.rates
    unknown = listed([a_product("NovaPro-input-tokens-long-context", "0.001")])
    assert (unknown.rates, reasons(unknown)) == ({}, {mapping.NO_BAND: 1})


@pytest.mark.parametrize(
    ("usage", "unit", "usd", "bucket", "rate"),
    [
        ("cohere.rerank-v3-5:0-search-units", "1K search units", "2", "search_units", "0.002"),
        ("cohere.rerank-v3-5-search-units", "Search Units", "0.002", "search_units", "0.002"),
        ("Guardrail-ContentPolicyUnitsConsumed", "1K text units", "0.15", "content_policy_units", "0.00015"),
    ],
)
def test_units_are_priced_one_by_one(usage: str, unit: str, usd: str, bucket: str, rate: str) -> None:
    """Search and text units are not tokens: their rate is for one."""
    (prices,) = rates(listed([a_product(usage, usd, unit=unit)])).values()
    assert prices == {bucket: rate}


@pytest.mark.parametrize(
    ("usage", "unit", "description"),
    [
        ("NovaPro-input-tokens", "1B tokens", "a price"),
        ("NovaPro-input-tokens", "Search Units", "a price"),
        ("NovaPro-input-tokens", "", "a price"),
        ("NovaPro-input-tokens", "Units", "Input Tokens - Standard"),
        ("cohere.rerank-v3-5:0-search-units", "1K tokens", "a price"),
        ("Guardrail-ContentPolicyUnitsConsumed", "hours", "a price"),
    ],
)
def test_an_unknown_unit_is_refused_by_name(usage: str, unit: str, description: str) -> None:
    """A unit that is not in the table, or not of what is metered, is told and its price not taken."""
    found = listed([a_product(usage, "0.001", unit=unit, description=description)])
    (skipped,) = found.refused()
    assert found.rates == {}
    assert repr(unit) in skipped.reason


def test_the_marketplaces_units_are_millions_where_it_says_so() -> None:
    """The unit "Units" is taken where the price's own words say that it stands for a million tokens."""
    words = "AWS Marketplace software usage|us-east-1|Million Input Tokens Regional CRIS"
    found = listed([sold("InputTokenCount", "3.3", name=SONNET, unit="Units", description=words)], MARKETPLACE)
    assert rates(found)[CLAUDE, "us-east-1", "geo", "default", 0] == {"input": "3.3"}


def test_a_rate_of_too_many_digits_is_refused() -> None:
    """What a book could not hold exactly is not rounded."""
    found = listed([a_product("NovaPro-input-tokens", "0.0000000000001234")])
    assert [each.reason for each in found.refused()] == [mapping.BAD_RATE]


def test_two_prices_for_one_row_are_both_refused() -> None:
    """Neither of two products that contradict each other is taken; two that agree are one."""
    twice = [
        a_product("NovaPro-input-tokens", usd, model=name) for usd, name in (("0.0008", "Nova Pro"), ("0.0009", "x"))
    ]
    found = listed([*twice, a_product("NovaPro-output-tokens", "0.0032")])
    assert rates(found) == {(NOVA, "us-east-1", "in-region", "default", 0): {"output": "3.2"}}
    assert [each.reason for each in found.refused()] == [mapping.TWO_PRICES] * 2
    assert listed([twice[0], twice[0]]).refused() == []


def test_bedrock_runtime_comes_before_bedrock_mantle() -> None:
    """Where both endpoints have a price for a model, that of the one which is metered is taken, the other is listed."""
    found = listed(
        [
            a_product("amazon.nova-pro-v1:0-mantle-input-tokens-standard", "0.0007"),
            a_product("NovaPro-input-tokens", "0.0008"),
        ]
    )
    assert rates(found) == {(NOVA, "us-east-1", "in-region", "default", 0): {"input": "0.8"}}
    assert reasons(found) == {mapping.SUPERSEDED: 1}
    assert found.refused() == []


def test_a_name_that_nobody_knows_is_listed() -> None:
    """A product of an unknown model is counted with its names, and is no fault."""
    found = listed([sold("InputTokenCount", "3", name="Claude Haiku 99")], MARKETPLACE)
    assert reasons(found) == {mapping.NO_MODEL: 1}
    assert "Claude Haiku 99" in found.skipped[0].what
    assert not found.refused()


def test_the_three_offers_are_one_list() -> None:
    """Products of all offers come together; each row names the offer that it comes from."""
    files = [
        an_offer(OWN, [a_product("NovaPro-input-tokens", "0.0008")]),
        an_offer(MARKETPLACE, [sold("InputTokenCount", "3.3", name=SONNET)]),
        an_offer(SERVICE, [a_product("Claude4.5Sonnet-output-tokens", "0.0165")]),
    ]
    products = (product for file in files for product in offers.read(json.dumps(file), name="x"))
    found = mapping.read(products, BOOK, names.load())
    assert rates(found)[CLAUDE, "us-east-1", "in-region", "default", 0] == {"input": "3.3", "output": "16.5"}
    assert found.products == 3
    assert found.regions == {"us-east-1"}


usd = st.decimals(Decimal(0), Decimal(100), places=10).map(lambda value: f"{value:f}")


@given(prices=st.lists(st.tuples(st.sampled_from(["NovaPro-input-tokens", "x", "NovaPro-output-tokens-flex"]), usd)))
@PROPERTY
def test_every_product_is_taken_or_told(prices: list[tuple[str, str]]) -> None:
    """No product is lost in silence: each gives the rate of a row, agrees with one that does, or is listed."""
    found = listed([a_product(usage, price) for usage, price in prices])
    said: dict[str, set[Decimal]] = {}
    for usage, price in prices:
        said.setdefault(usage, set()).add(Decimal(price) * 1000)
    taken = {usage for usage, rates_of in said.items() if usage != "x" and len(rates_of) == 1}
    assert sum(map(len, found.rates.values())) == len(taken)
    assert len(found.skipped) == sum(usage not in taken for usage, _ in prices)
