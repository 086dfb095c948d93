"""Floats of the source become exact decimal rates, by tier and context band; nothing is lost or made up."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY

from meterctl.prices.convert import exact, rates_of
from pricewatch.book import text
from pricewatch.errors import PriceDataError

FIELDS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
}
BANDS = {0: "", 100_000: "_above_100k_tokens", 200_000: "_above_200k_tokens", 272_000: "_above_272k_tokens"}
TIERS = {"default": "", "batch": "_batches", "flex": "_flex", "priority": "_priority"}


def written(entry: dict[str, object]) -> dict[tuple[str, int], dict[str, str]]:
    """Convert an entry and write its rates as the book does."""
    return {slot: {name: text(rate) for name, rate in rates.items()} for slot, rates in rates_of(entry).items()}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3e-06, "0.000003"),
        (3.0000000000000004e-06, "0.000003"),
        (1.1000000000000001e-05, "0.000011"),
        (8.75e-09, "0.00000000875"),
        (5.775e-07, "0.0000005775"),
        (0.0, "0"),
        (0, "0"),
        (Decimal("1E-7"), "0.0000001"),
    ],
)
def test_a_float_is_taken_as_it_was_written_without_its_noise(value: float | Decimal, expected: str) -> None:
    """Binary noise in the sixteenth digit goes away; every digit that a price can have stays."""
    assert text(exact(value)) == expected


@pytest.mark.parametrize("value", [-1e-06, float("nan"), float("inf"), Decimal("-0.1"), 1.2345678901234e-06, True])
def test_what_is_no_price_is_refused(value: float | Decimal) -> None:
    """Negative and infinite numbers are refused, and so is one with more digits than noise explains."""
    with pytest.raises(PriceDataError):
        exact(value)


def test_an_entry_becomes_rates_by_tier_and_band() -> None:
    """Prices of one token become prices of a million, in the tier and the band that the field names."""
    entry: dict[str, object] = {
        "mode": "chat",
        "max_tokens": 8192,
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "cache_read_input_token_cost": 3e-07,
        "cache_creation_input_token_cost": 3.75e-06,
        "cache_creation_input_token_cost_above_1hr": 6e-06,
        "input_cost_per_token_above_200k_tokens": 6e-06,
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05,
        "input_cost_per_token_batches": 1.5e-06,
        "cache_read_input_token_cost_flex": 1.5e-07,
        "input_cost_per_token_priority": 5.25e-06,
    }
    assert written(entry) == {
        ("default", 0): {
            "input": "3",
            "output": "15",
            "cache_read": "0.3",
            "cache_write_5m": "3.75",
            "cache_write_1h": "6",
        },
        ("default", 200_000): {"input": "6", "cache_write_1h": "12"},
        ("batch", 0): {"input": "1.5"},
        ("flex", 0): {"cache_read": "0.15"},
        ("priority", 0): {"input": "5.25"},
    }


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"mode": "rerank", "input_cost_per_query": 0.002, "input_cost_per_token": 0.0}, {"search_units": "0.002"}),
        ({"mode": "image_edit", "output_cost_per_image": 0.07}, {"images": "0.07"}),
        ({"mode": "embedding", "input_cost_per_image": 6e-05}, {"images": "0.00006"}),
        ({"mode": "chat", "input_cost_per_video_per_second": 0.00049}, {"video_seconds": "0.00049"}),
        ({"guardrail_cost_per_unit": {"contentPolicyUnits": 0.00015}}, {"content_policy_units": "0.00015"}),
    ],
)
def test_units_that_are_not_tokens_keep_their_price_of_one(entry: dict[str, object], expected: dict[str, str]) -> None:
    """Images, seconds, search units and guardrail units are priced one by one, under the names of the records."""
    assert expected.items() <= written(entry)["default", 0].items()


def test_an_unknown_price_field_is_refused() -> None:
    """A new kind of price stops the build instead of getting lost."""
    with pytest.raises(PriceDataError, match="input_cost_per_hologram"):
        rates_of({"input_cost_per_token": 1e-06, "input_cost_per_hologram": 0.1})


def test_a_dearer_price_for_audio_tokens_is_refused() -> None:
    """Audio tokens at the input price change nothing; at another price, one input rate would be wrong for them."""
    assert written({"input_cost_per_token": 1e-06, "input_cost_per_audio_token": 1e-06}) == {
        ("default", 0): {"input": "1"}
    }
    with pytest.raises(PriceDataError, match="audio"):
        rates_of({"input_cost_per_token": 1e-06, "input_cost_per_audio_token": 3e-06})


def test_a_tier_that_records_cannot_name_is_left_out() -> None:
    """Its prices must not turn up under another tier."""
    entry: dict[str, object] = {"input_cost_per_token": 1e-05, "input_cost_per_token_ultrafast": 6e-05}
    assert written(entry) == {("default", 0): {"input": "10"}}


PRICES = st.dictionaries(
    st.tuples(st.sampled_from(sorted(FIELDS)), st.sampled_from(sorted(TIERS)), st.sampled_from(sorted(BANDS))),
    st.integers(min_value=0, max_value=10**9).map(lambda units: Decimal(units).scaleb(-5)),
    min_size=1,
)


@PROPERTY
@given(PRICES)
def test_no_rate_is_lost_or_invented(prices: dict[tuple[str, str, int], Decimal]) -> None:
    """Whatever an entry prices, exactly that comes out: every field once, at its price, and nothing else."""
    entry: dict[str, object] = {
        f"{FIELDS[bucket]}{BANDS[above]}{TIERS[tier]}": float(rate.scaleb(-6))
        for (bucket, tier, above), rate in prices.items()
    }
    found = {
        (name, tier, above): rate for (tier, above), rates in rates_of(entry).items() for name, rate in rates.items()
    }
    assert found == prices
