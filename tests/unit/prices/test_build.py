"""Entries of the source become rows by the reviewed rules, and rows are appended, never edited."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY

from meterctl.prices import build, rules
from meterctl.prices.models import Model
from pricewatch.book import Row, dumps, verify
from pricewatch.errors import PriceDataError

DAY = date(2026, 11, 23)
LATER = date(2026, 12, 5)
FIRST = 'first_day = "2026-11-01"\n[geos]\nus-gov = ["us-gov-west-1"]\n'
REGIONAL = FIRST + '[[regional]]\npattern = \'anthropic\\.claude-x\'\nfactor = "1.10"\nreason = "the price list"\n'
MODELS = (
    Model(
        id="amazon.nova-x-v1:0",
        status="ACTIVE",
        text=True,
        runtime=True,
        in_region=("us-east-1",),
        geos={"us": ("us-east-1", "us-west-2"), "eu": ("eu-west-1",)},
        everywhere=False,
    ),
)


def entry(price: float, **more: object) -> dict[str, object]:
    """Give a chat entry whose output costs five times its input."""
    return {
        "litellm_provider": "bedrock",
        "mode": "chat",
        "input_cost_per_token": price * 1e-06,
        "output_cost_per_token": price * 5e-06,
        **more,
    }


def book(table: dict[str, Any], *, decided: str = FIRST, before: str = "", day: date = DAY) -> str:
    """Build a book."""
    return build.document(
        before, json.dumps(table), source="table 1", rules=rules.parse(decided), models=MODELS, others=(), day=day
    )


def inputs(text: str) -> dict[tuple[str, str, str], str]:
    """Give the input rates by model, Region and scope; the newest where a key has several rows."""
    return {(row["model"], row["region"], row["scope"]): row["rates"]["input"] for row in verify(text)}


def test_an_entry_of_another_provider_is_not_in_the_book() -> None:
    """Only Bedrock's prices are taken over."""
    table = {"amazon.nova-x-v1:0": entry(1), "gpt-x": {"litellm_provider": "openai", "input_cost_per_token": 1e-06}}
    assert inputs(book(table)) == {("amazon.nova-x-v1:0", "*", "in-region"): "1"}


def test_ids_say_where_a_price_holds() -> None:
    """A bare id is in-region, a Region in the path is that Region, profiles are geo and Global."""
    table = {
        "amazon.nova-x-v1:0": entry(1),
        "bedrock/us-gov-west-1/amazon.nova-x-v1:0": entry(2),
        "global.amazon.nova-x-v1:0": entry(3),
        "us.amazon.nova-x-v1:0": entry(4),
        "eu.amazon.nova-x-v1:0": entry(5),
        "us-gov.amazon.nova-x-v1:0": entry(6),
        "bedrock_mantle/openai.gpt-x": entry(7),
    }
    model = "amazon.nova-x-v1:0"
    assert inputs(book(table)) == {
        (model, "*", "in-region"): "1",
        (model, "us-gov-west-1", "in-region"): "2",
        (model, "*", "global"): "3",
        (model, "us-east-1", "geo"): "4",
        (model, "us-west-2", "geo"): "4",
        (model, "eu-west-1", "geo"): "5",
        (model, "us-gov-west-1", "geo"): "6",
        ("openai.gpt-x", "*", "in-region"): "7",
    }


def test_geographies_of_one_price_share_a_row() -> None:
    """When every geography costs the same, the row is that of every Region; GovCloud keeps its own."""
    table = {f"{geo}.amazon.nova-x-v1:0": entry(price) for geo, price in (("us", 1), ("eu", 1), ("us-gov", 2))}
    assert inputs(book(table)) == {
        ("amazon.nova-x-v1:0", "*", "geo"): "1",
        ("amazon.nova-x-v1:0", "us-gov-west-1", "geo"): "2",
    }


def test_a_region_of_the_general_price_has_no_row_of_its_own() -> None:
    """A lookup falls back to the general row, so the same price is not written again."""
    table = {"amazon.nova-x-v1:0": entry(1), "bedrock/us-east-1/amazon.nova-x-v1:0": entry(1)}
    assert inputs(book(table)) == {("amazon.nova-x-v1:0", "*", "in-region"): "1"}


def test_a_region_that_lacks_a_tier_keeps_its_rows() -> None:
    """Else the general price of a tier would seem to be offered there."""
    cheap = entry(1, input_cost_per_token_flex=5e-07)
    table = {"amazon.nova-x-v1:0": cheap, "bedrock/us-east-1/amazon.nova-x-v1:0": entry(1)}
    assert inputs(book(table))["amazon.nova-x-v1:0", "us-east-1", "in-region"] == "1"


def test_a_bare_id_at_the_global_rate_gets_the_regional_one() -> None:
    """Where the price list has a regional metric, in-region and geo cost the Global rate and ten percent."""
    table = {"anthropic.claude-x": entry(3), "global.anthropic.claude-x": entry(3)}
    text = book(table, decided=REGIONAL)
    assert inputs(text) == {
        ("anthropic.claude-x", "*", "global"): "3",
        ("anthropic.claude-x", "*", "in-region"): "3.3",
        ("anthropic.claude-x", "*", "geo"): "3.3",
    }
    sources = {row["scope"]: row["source"] for row in verify(text)}
    assert sources["global"] == "table 1"
    assert sources["in-region"] == "table 1 x 1.10 (Global to regional)"


def test_a_bare_id_at_the_regional_rate_stays() -> None:
    """The rule raises nothing twice."""
    table = {
        "anthropic.claude-x": entry(3.3),
        "global.anthropic.claude-x": entry(3),
        "us.anthropic.claude-x": entry(3.3),
    }
    assert inputs(book(table, decided=REGIONAL))["anthropic.claude-x", "*", "in-region"] == "3.3"


def test_a_profile_that_breaks_the_regional_rule_stops_the_build() -> None:
    """When a source says something else than Global and ten percent, somebody has to look."""
    table = {"global.anthropic.claude-x": entry(3), "us.anthropic.claude-x": entry(3.5)}
    with pytest.raises(PriceDataError, match=r"anthropic\.claude-x"):
        book(table, decided=REGIONAL)


def test_contradicting_entries_stop_the_build() -> None:
    """Two prices for one place are not resolved by chance."""
    table = {"amazon.nova-x-v1:0": entry(1), "bedrock_mantle/amazon.nova-x-v1:0": entry(2)}
    with pytest.raises(PriceDataError, match="differ"):
        book(table)


def test_an_entry_that_is_not_understood_stops_the_build() -> None:
    """An id of an unknown form is not skipped: a rule has to leave it out, with a reason."""
    table = {"amazon.nova-x-v1:0": entry(1), "bedrock/1-year/amazon.nova-x-v1:0": entry(2)}
    with pytest.raises(PriceDataError, match="1-year"):
        book(table)
    left_out = FIRST + "[[exclude]]\npattern = 'bedrock/1-year/.*'\nreason = \"by the hour\"\n"
    assert inputs(book(table, decided=left_out)) == {("amazon.nova-x-v1:0", "*", "in-region"): "1"}


@pytest.mark.parametrize(
    "rule",
    [
        "[[exclude]]\npattern = 'never'\nreason = \"r\"\n",
        '[[regional]]\npattern = \'never\'\nfactor = "1.10"\nreason = "r"\n',
        '[[same]]\nmodel = "openai.a"\nlike = "openai.b"\nreason = "r"\n',
    ],
)
def test_a_rule_that_fits_nothing_stops_the_build(rule: str) -> None:
    """What was decided about entries that are gone is taken out, not carried along."""
    with pytest.raises(PriceDataError):
        book({"amazon.nova-x-v1:0": entry(1)}, decided=FIRST + rule)


def test_a_rule_without_a_reason_is_refused() -> None:
    """Every rule is there because of something, and says what."""
    with pytest.raises(PriceDataError):
        rules.parse(FIRST + "[[exclude]]\npattern = 'x'\nreason = \"\"\n")


def test_a_model_can_have_the_prices_of_another() -> None:
    """A dated id costs what the id without a date costs."""
    decided = FIRST + '[[same]]\nmodel = "openai.gpt-x-2026"\nlike = "openai.gpt-x"\nreason = "dated"\n'
    found = inputs(book({"openai.gpt-x": entry(1)}, decided=decided))
    assert found["openai.gpt-x-2026", "*", "in-region"] == found["openai.gpt-x", "*", "in-region"] == "1"


def test_a_second_build_changes_nothing() -> None:
    """The same sources give the same file, on any day."""
    table = {"amazon.nova-x-v1:0": entry(1), "us.amazon.nova-x-v1:0": entry(2)}
    first = book(table)
    assert book(table, before=first, day=LATER) == first


def test_a_changed_price_is_a_new_row_from_today() -> None:
    """The row of before stays as it was, so that old records keep their price."""
    first = book({"amazon.nova-x-v1:0": entry(1)})
    second = book({"amazon.nova-x-v1:0": entry(2)}, before=first, day=LATER)
    rows = verify(second)
    assert rows[0] == verify(first)[0]
    assert [(row["valid_from"], row["rates"]["input"]) for row in rows] == [("2026-11-01", "1"), ("2026-12-05", "2")]


def test_a_model_that_the_source_forgets_stays_in_the_book() -> None:
    """Calls of the days in which it was priced keep their price."""
    first = book({"amazon.nova-x-v1:0": entry(1), "openai.gpt-x": entry(2)})
    second = book({"amazon.nova-x-v1:0": entry(1)}, before=first, day=LATER)
    assert verify(second) == verify(first)


def test_what_the_price_list_said_is_not_taken_back() -> None:
    """A row that came from AWS stays the newest when the source has another price, until AWS says another."""
    first = book({"amazon.nova-x-v1:0": entry(1)})
    said = verify(first)[0] | {
        "valid_from": "2026-11-25",
        "source": "AWS Price List, AmazonBedrock 20261125101500",
        "rates": {"input": "3", "output": "15"},
    }
    refreshed = dumps([*verify(first), said], version="2026-11-25", sources=["table 1"])
    assert book({"amazon.nova-x-v1:0": entry(2)}, before=refreshed, day=LATER) == refreshed


def test_a_region_that_falls_back_to_the_general_price_gets_it_as_a_row() -> None:
    """Its own old row would hide the general one for ever."""
    region = "bedrock/us-east-1/amazon.nova-x-v1:0"
    first = book({"amazon.nova-x-v1:0": entry(1), region: entry(2)})
    second = book({"amazon.nova-x-v1:0": entry(3)}, before=first, day=LATER)
    assert inputs(second)["amazon.nova-x-v1:0", "us-east-1", "in-region"] == "3"


def test_two_prices_on_one_day_are_refused() -> None:
    """A second change on the same day would have to edit a row."""
    first = book({"amazon.nova-x-v1:0": entry(1)})
    second = book({"amazon.nova-x-v1:0": entry(2)}, before=first, day=LATER)
    with pytest.raises(PriceDataError, match="nothing is edited"):
        book({"amazon.nova-x-v1:0": entry(3)}, before=second, day=LATER)


HISTORY = st.lists(st.dictionaries(st.sampled_from(["", "us.", "eu.", "global."]), st.integers(1, 5)), min_size=1)


@PROPERTY
@given(HISTORY.filter(lambda history: bool(history[0])))
def test_every_row_of_every_day_stays(history: list[dict[str, int]]) -> None:
    """Whatever the sources say from month to month, a row that was once in the book is in it for ever, unchanged."""
    text, kept = "", list[Row]()
    for month, prices in enumerate(history):
        table = {f"{prefix}amazon.nova-x-v1:0": entry(price) for prefix, price in prices.items()}
        text = book(table, before=text, day=date(2027 + month, 1, 1))
        rows = verify(text)
        assert all(row in rows for row in kept)
        kept = rows


def test_the_reviewed_rules_can_be_read() -> None:
    """The rules of the repository are whole, and each has its reason."""
    found = rules.load()
    assert found.exclude
    assert found.regional
    reasons = [rule.reason for rule in (*found.exclude, *found.regional)] + [rule.reason for rule in found.same]
    assert all(reasons)
