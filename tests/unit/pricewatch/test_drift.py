"""Where a book and the Price List differ, and the book that would agree."""

import json
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.books import a_row
from tests.builders import CLAUDE, PROPERTY
from tests.pricelist import OWN, a_product, an_offer

from bedrock_meter.modelid import parse
from bedrock_meter.pricing import PriceBook, RateCard
from pricewatch import book, mapping, names, offers
from pricewatch.book import Row
from pricewatch.drift import Drift, appended, compare, propose
from pricewatch.errors import PriceDataError

DAY = date(2026, 11, 25)
NOVA = "amazon.nova-pro-v1:0"
HEAD = {"version": "2026-11-23", "sources": ["a test"]}

TIERS = {"default": "standard", "latency": "latency-optimized"}
SCOPES = {"in-region": "", "geo": "-cross-region-geo", "global": "-cross-region-global"}
BUCKETS = {
    "input": "input-tokens",
    "output": "output-tokens",
    "cache_read": "cache-read-tokens",
    "cache_write_5m": "cache-write-tokens",
    "cache_write_1h": "cache-write-tokens-1h",
}


def nova(region: str = "*", tier: str = "default", **rates: str) -> Row:
    """Give a row of Nova in a Region."""
    return a_row(
        model=NOVA, scope="in-region", region=region, tier=tier, rates=rates or {"input": "0.8", "output": "3.2"}
    )


def a_text(rows: Iterable[Row]) -> str:
    """Write a book."""
    return book.dumps(sorted(rows, key=book.order), version="2026-11-23", sources=["a test"])


def found(rows: Iterable[Row], products: Iterable[dict[str, Any]], *, whole: bool = True) -> Drift:
    """Compare a book with a list of one offer."""
    rows = list(rows)
    listed = mapping.read(offers.read(json.dumps(an_offer(OWN, products)), name="x"), rows, names.load())
    return compare(rows, listed, day=DAY, whole=whole)


def prices(region: str, usd_in: str, tail: str = "") -> list[dict[str, Any]]:
    """Give the products of Nova's input and output in a Region."""
    return [
        a_product(f"NovaPro-input-tokens{tail}", usd_in, region=region),
        a_product(f"NovaPro-output-tokens{tail}", "0.0032", region=region),
    ]


def changed(drift: Drift) -> dict[tuple[str, str, str], dict[str, tuple[str | None, str]]]:
    """Give what differs: by Region, scope and tier, the rates before and after."""
    return {
        change.key[1:4]: {
            name: (None if before is None else f"{before:f}", f"{after:f}")
            for name, before, after in change.differences
        }
        for change in drift.changes
    }


def test_a_book_that_agrees_has_no_drift() -> None:
    """The same prices give no row, and the book stays as it is to the letter."""
    text = a_text([nova()])
    drift = found([nova()], [*prices("us-east-1", "0.0008"), *prices("eu-west-1", "0.0008")])
    assert (drift.changes, drift.carried, drift.gone, drift.agreed) == ([], [], [], 4)
    assert propose(text, drift, day=DAY) == text


def test_a_price_that_changed_everywhere_changes_the_row_of_every_region() -> None:
    """All Regions say the same, so that one new row does; the old one stays beside it."""
    drift = found([nova()], [*prices("us-east-1", "0.0009"), *prices("eu-west-1", "0.0009")])
    assert changed(drift) == {("*", "in-region", "default"): {"input": ("0.8", "0.9")}}
    rows = book.verify(propose(a_text([nova()]), drift, day=DAY))
    assert [(row["valid_from"], row["rates"]["input"]) for row in rows] == [
        ("2026-01-01", "0.8"),
        ("2026-11-25", "0.9"),
    ]
    assert rows[1]["source"].startswith("AWS Price List, AmazonBedrock")
    assert rows[1]["rates"]["output"] == "3.2"


def test_a_region_that_differs_gets_rows_of_its_own_with_every_tier() -> None:
    """A Region with any row of its own has no others: the tiers that did not change come along."""
    rows = [nova(), nova(tier="flex", input="0.4", output="1.6")]
    drift = found(rows, [*prices("us-east-1", "0.0008"), *prices("eu-west-1", "0.0009")])
    assert changed(drift) == {("eu-west-1", "in-region", "default"): {"input": ("0.8", "0.9")}}
    assert [change.key[1:4] for change in drift.carried] == [("eu-west-1", "in-region", "flex")]
    prices_of = PriceBook.from_json(propose(a_text(rows), drift, day=DAY))

    def rate(region: str, tier: str) -> str | None:
        card = prices_of.rate_card(parse(NOVA, region), day=DAY, tier=tier, total_input=1)
        return None if card is None else str(card.rates["input"])

    assert [rate(region, "default") for region in ("us-east-1", "eu-west-1")] == ["0.8", "0.9"]
    assert [rate(region, "flex") for region in ("us-east-1", "eu-west-1")] == ["0.4", "0.4"]


def test_a_part_of_the_list_changes_no_row_of_every_region() -> None:
    """What was not seen may cost what it did: with some Regions alone, those get rows of their own."""
    drift = found([nova()], prices("us-east-1", "0.0009"), whole=False)
    assert changed(drift) == {("us-east-1", "in-region", "default"): {"input": ("0.8", "0.9")}}


def test_a_region_with_its_own_rows_is_compared_with_those() -> None:
    """Its rows change, and the row of every Region does not."""
    drift = found([nova(), nova("eu-west-1", input="1", output="4")], prices("eu-west-1", "0.001"))
    assert changed(drift) == {("eu-west-1", "in-region", "default"): {"output": ("4", "3.2")}}
    assert [where[1] for where in drift.gone] == ["*"]


def test_another_partition_does_not_share_the_row_of_every_region() -> None:
    """GovCloud's price is new where the book has none for it, whatever the row of every Region says."""
    drift = found([nova()], [*prices("us-gov-west-1", "0.0008"), *prices("us-east-1", "0.0008")])
    assert changed(drift) == {
        ("us-gov-west-1", "in-region", "default"): {"input": (None, "0.8"), "output": (None, "3.2")}
    }


def test_a_new_tier_is_a_new_row() -> None:
    """What the book does not price yet is new; what the list does not have is shown and stays."""
    rows = [nova(), nova(tier="batch", input="0.4")]
    drift = found(rows, [*prices("us-east-1", "0.0008"), *prices("us-east-1", "0.0014", "-priority")])
    assert changed(drift) == {("*", "in-region", "priority"): {"input": (None, "1.4"), "output": (None, "3.2")}}
    assert [where[3] for where in drift.gone] == ["batch"]
    assert len(book.verify(propose(a_text(rows), drift, day=DAY))) == 3


def test_a_model_that_the_book_does_not_have_is_new() -> None:
    """Its id stands in the usage type; both ways to call it at the regional rate get a row."""
    drift = found([nova()], [a_product("zai.glm-9-mantle-input-tokens-standard", "0.001")])
    assert {change.key for change in drift.changes} == {
        ("zai.glm-9", "*", scope, "default", 0) for scope in ("in-region", "geo")
    }


def test_a_price_that_makes_no_row_is_left_out() -> None:
    """A cache rate of a tier without an input rate is listed, and the book that is written can be read."""
    drift = found(
        [nova()], [*prices("us-east-1", "0.0009"), a_product("NovaPro-cache-read-input-token-count-flex", "0.1")]
    )
    assert [where[3] for where in drift.left_out] == ["flex"]
    PriceBook.from_json(propose(a_text([nova()]), drift, day=DAY))


def test_a_row_of_the_same_day_is_not_edited() -> None:
    """A second change on one day, or a row that holds from later on, is refused and not overwritten."""
    rows = [nova(), nova() | {"valid_from": "2026-12-24"}]
    drift = found(rows, prices("us-east-1", "0.0009"))
    with pytest.raises(PriceDataError, match=r"2026-12-24"):
        propose(a_text(rows), drift, day=DAY)


def test_a_damaged_book_gets_no_rows() -> None:
    """The book is checked before anything is appended."""
    with pytest.raises(PriceDataError, match="checksum"):
        propose(a_text([nova()]).replace('"0.8"', '"0.7"'), found([nova()], prices("us-east-1", "0.0009")), day=DAY)


@cache
def packaged() -> list[Row]:
    """Give the rows of the packaged book."""
    return book.verify(book.PATH.read_text(encoding="utf-8"))


def as_listed(row: Row, region: str, factor: Decimal = Decimal(1)) -> list[dict[str, Any]]:
    """Give the products that say in a Region what a row says, times a factor."""
    tail = "-long-ctx" * bool(row["above"]) + SCOPES[row["scope"]] + "-" + str(TIERS.get(row["tier"], row["tier"]))
    return [
        a_product(f"{row['model']}-{BUCKETS[name]}{tail}", f"{rate * factor / 1000:f}", region=region)
        for name, rate in book.rates(row).items()
        if name in BUCKETS
    ]


def test_the_packaged_book_written_as_a_list_agrees_with_itself() -> None:
    """Every token rate of the packaged book goes through the list's spelling and comes back as it was."""
    own = {(row["model"], row["scope"], row["region"]) for row in packaged()}
    products: list[dict[str, Any]] = []
    for row in packaged():
        for region in ["us-east-1", "us-west-2"] if row["region"] == "*" else [row["region"]]:
            if row["region"] != "*" or (row["model"], row["scope"], region) not in own:
                products += as_listed(row, region)
    drift = found(packaged(), products)
    assert drift.agreed == len(products) > 4000
    # In-region rows of these tiers stand for the geography too, where the book has it and lacks them.
    assert {change.key[0] for change in drift.changes} <= {"deepseek.v3.2"}
    assert all(not change.before for change in drift.changes)


PLACES = ("us-east-1", "us-west-2", "eu-west-1", "us-gov-west-1")
places = st.sampled_from(PLACES)
factors = st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("1.1"), Decimal(3)])
lists = st.lists(
    st.tuples(st.integers(0, 60), places, factors), min_size=1, max_size=12, unique_by=lambda each: each[:2]
)


@given(
    said=lists, whole=st.booleans(), day=st.dates(date(2026, 11, 1), date(2026, 11, 24)), size=st.integers(0, 400_000)
)
@PROPERTY
def test_a_refreshed_book_agrees_and_changes_no_past_price(
    said: list[tuple[int, str, Decimal]], *, whole: bool, day: date, size: int
) -> None:
    """Rows are only appended, old calls keep their row, and a second comparison finds nothing more."""
    claude = [row for row in packaged() if row["model"] in {CLAUDE, NOVA} and row["region"] in {"*", *PLACES}]
    products = [
        each for place, region, factor in said for each in as_listed(claude[place % len(claude)], region, factor)
    ]
    before = a_text(claude)
    drift = found(claude, products, whole=whole)
    after = propose(before, drift, day=DAY)
    rows = book.verify(after)
    assert [row for row in rows if row in claude] == sorted(claude, key=book.order)
    assert {change.key for change in appended(claude, rows)} == {each.key for each in [*drift.changes, *drift.carried]}
    again = found(rows, products, whole=whole)
    assert (again.changes, again.carried) == ([], [])

    def card(prices_of: PriceBook, row: Row, region: str) -> RateCard | None:
        prefix = {"in-region": "", "geo": "us.", "global": "global."}[row["scope"]]
        model = parse(prefix + row["model"], region)
        return prices_of.rate_card(model, day=day, tier=row["tier"], total_input=size)

    old, new = PriceBook.from_json(before), PriceBook.from_json(after)
    for place, region, _ in said:
        row = claude[place % len(claude)]
        assert card(new, row, region) == card(old, row, region)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ([nova() | {"checked": "2026-11-24"}], "edited"),
        ([nova("eu-west-1")], "edited"),
        ([nova(), nova() | {"valid_from": "2025-12-31"}], "from 2026-01-01"),
    ],
)
def test_a_book_that_edits_the_past_is_no_newer_one(after: list[Row], told: str) -> None:
    """A row that is changed or missing, or that holds from before one that was there, is refused by name."""
    with pytest.raises(PriceDataError, match=told) as caught:
        appended([nova()], after)
    assert NOVA in str(caught.value)


def test_claude_is_called_by_its_name() -> None:
    """The book's model and the fixture's name are the same, so that the tests above speak of one."""
    assert names.load()["Claude 4.5 Sonnet"] == (CLAUDE,)
