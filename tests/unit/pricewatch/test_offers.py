"""Offer files: what is read of them, and what is refused, whole or product by product."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY
from tests.pricelist import MARKETPLACE, OWN, VERSION, a_product, an_offer, sold

from pricewatch import offers
from pricewatch.errors import PriceDataError
from pricewatch.offers import Product, Skipped, read


def only(document: Any) -> Product | Skipped:
    """Read a file with one product."""
    (found,) = read(json.dumps(document), name="a file")
    return found


def test_a_product_is_read_with_its_price() -> None:
    """Offer, Region, usage type, names, hints, unit and the exact price come from where AWS puts them."""
    product = sold("InputTokenCount-x", "3.3000000000", name="Claude Sonnet 4.6", description="Million Input Tokens")
    found = only(an_offer(MARKETPLACE, [product]))
    assert isinstance(found, Product)
    assert (found.offer, found.version, found.region) == (MARKETPLACE, VERSION, "us-east-1")
    assert found.usage_type == "USE1-MP:USE1_InputTokenCount-x-Units"
    assert found.names == ("Claude Sonnet 4.6",)
    assert (found.unit, found.description, str(found.usd)) == ("1M tokens", "Million Input Tokens", "3.3000000000")
    hinted = only(an_offer(OWN, [a_product("X-input-tokens", "1", model="X", feature="Batch Inference")]))
    assert isinstance(hinted, Product)
    assert (hinted.names, hinted.hints) == (("X", "Amazon Bedrock"), ("batch inference",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no whole JSON"),
        (json.dumps(an_offer(OWN, [a_product("X-input-tokens", "1")]))[:-40], "no whole JSON"),
        ("[" * 100_000, "no whole JSON"),
        ("[]", "no offer file"),
        (json.dumps(an_offer("AmazonEC2", [])), "no offer file"),
        (json.dumps(an_offer(OWN, [], products=[])), "products or terms are missing"),
        (json.dumps(an_offer(OWN, [], terms={"Reserved": {}})), "products or terms are missing"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(text: str, told: str) -> None:
    """A truncated file, another document, or one without its halves is one error that names the file."""
    with pytest.raises(PriceDataError, match=told) as caught:
        list(read(text, name="bedrock.json"))
    assert str(caught.value).startswith("bedrock.json")


@pytest.mark.parametrize("usd", ["-0.001", "NaN", "Infinity", "free", "", None, 0.003, "1e9"])
def test_a_price_that_is_none_is_refused(usd: object) -> None:
    """Negative, not a number, not a text, or beyond belief: the product is refused by name, and not taken as 0."""
    found = only(an_offer(OWN, [a_product("X-input-tokens", usd)]))
    assert isinstance(found, Skipped)
    assert (found.reason, found.refused) == (offers.BAD_PRICE, True)
    assert "us-east-1 USE1-X-input-tokens" in found.what


@pytest.mark.parametrize("region", [None, "", "global", "US East (N. Virginia)"])
def test_a_product_without_a_region_is_refused(region: str | None) -> None:
    """The Region is never taken from the usage type's prefix or the location's name."""
    found = only(an_offer(OWN, [a_product("X-input-tokens", "1", regionCode=region)]))
    assert isinstance(found, Skipped)
    assert (found.reason, found.refused) == (offers.NO_REGION, True)


def test_a_product_that_is_not_sold_on_demand_is_left_out() -> None:
    """Without terms, with terms in another currency or without a usage type there is nothing to take, and no fault."""
    document = an_offer(OWN, [a_product("A-input-tokens", "1"), a_product("B", "1", usagetype=None)])
    document["products"]["SKU99999"] = document["products"]["SKU00000"]
    (term,) = document["terms"]["OnDemand"]["SKU00000"].values()
    (dimension,) = term["priceDimensions"].values()
    dimension["pricePerUnit"] = {"CNY": "7"}
    found = list(read(json.dumps(document), name="x"))
    assert [each.reason for each in found if isinstance(each, Skipped)] == [
        offers.NO_PRICE,
        offers.NO_USAGE_TYPE,
        offers.NO_PRICE,
    ]
    assert not any(isinstance(each, Skipped) and each.refused for each in found)


def test_a_price_in_steps_is_refused() -> None:
    """Two price dimensions are a price by amount, which a row cannot say."""
    document = an_offer(OWN, [a_product("A-input-tokens", "1")])
    (term,) = document["terms"]["OnDemand"]["SKU00000"].values()
    term["priceDimensions"]["more"] = next(iter(term["priceDimensions"].values()))
    found = only(document)
    assert isinstance(found, Skipped)
    assert (found.reason, found.refused) == (offers.SEVERAL_PRICES, True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["attributes", "usagetype", "regionCode", "priceDimensions", "x"]), inner)
    ),
    max_leaves=12,
)


@given(products=st.dictionaries(st.just("S"), json_values), terms=st.dictionaries(st.just("S"), json_values))
@PROPERTY
def test_no_product_makes_the_reader_fail(products: dict[str, Any], terms: dict[str, Any]) -> None:
    """Whatever stands where a product or its terms should, the rest of the file can be read."""
    document = an_offer(OWN, [], products=products, terms={"OnDemand": terms})
    assert len(list(read(json.dumps(document), name="x"))) == len(products)
