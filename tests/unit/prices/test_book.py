"""The file of the price book is checked whole, and the row that is wrong is named."""

import json
from datetime import date
from typing import Any

import pytest

from pricewatch import book
from pricewatch.errors import PriceDataError

ROW: book.Row = {
    "model": "amazon.nova-x-v1:0",
    "region": "*",
    "scope": "in-region",
    "tier": "default",
    "above": 0,
    "valid_from": "2026-11-01",
    "checked": "2026-11-23",
    "source": "table 1",
    "rates": {"input": "3", "output": "15"},
}


def text(*rows: book.Row) -> str:
    """Write a book of rows."""
    return book.dumps(rows, version="2026-11-23", sources=["table 1"])


def changed(**fields: Any) -> book.Row:
    """Give the row with other fields."""
    return {**ROW, **fields}


def test_a_book_has_one_row_on_a_line() -> None:
    """So that a change of a price is one line of a diff, and a reader needs no second encoding for the checksum."""
    rows = [ROW, changed(region="us-east-1")]
    lines = text(*rows).splitlines()
    assert [json.loads(line.rstrip(",")) for line in lines if line.startswith('{"above"')] == rows
    assert book.verify(text(*rows)) == rows


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (changed(rates={}), "rates"),
        (changed(rates={"input": "-1"}), "input"),
        (changed(rates={"input": "NaN"}), "input"),
        (changed(rates={"input": "1E+2"}), "input"),
        (changed(rates={"input": "3.10"}), "input"),
        (changed(rates={"input": 3}), "input"),
        (changed(scope="planet"), "scope"),
        (changed(tier="ultrafast"), "tier"),
        (changed(region="Virginia"), "Region"),
        (changed(above=-1), "tokens"),
        (changed(above=True), "tokens"),
        (changed(valid_from="1.11.2026"), "date"),
        (changed(source=""), "source"),
        (changed(note="x"), "fields"),
        (changed(above=200_000), "shorter"),
    ],
)
def test_a_wrong_row_is_refused_and_named(row: book.Row, fault: str) -> None:
    """The checksum is right, and the row is still looked at."""
    with pytest.raises(PriceDataError, match=fault) as caught:
        book.verify(text(row))
    assert "amazon.nova-x-v1:0" in str(caught.value)


def test_a_row_that_stands_twice_is_refused() -> None:
    """One key and one day have one price."""
    with pytest.raises(PriceDataError, match="twice"):
        book.verify(text(ROW, ROW))


def test_rows_out_of_order_are_refused() -> None:
    """The order makes diffs short, so it is part of the form."""
    with pytest.raises(PriceDataError, match="order"):
        book.verify(text(changed(region="us-east-1"), ROW))


def test_an_edited_rate_is_found_by_the_checksum() -> None:
    """Nobody changes a price by hand and goes unseen."""
    with pytest.raises(PriceDataError, match="checksum"):
        book.verify(text(ROW).replace('"input":"3"', '"input":"2"'))


@pytest.mark.parametrize("document", ["", "[]", "{}", text(ROW).replace('"schema": 1', '"schema": 2')])
def test_what_is_no_book_is_refused(document: str) -> None:
    """No JSON, another document, a newer schema."""
    with pytest.raises(PriceDataError):
        book.verify(document)


def test_the_rows_of_a_day_are_the_newest_and_the_regions_own() -> None:
    """Shown is what a lookup on that day would find."""
    later = changed(valid_from="2026-12-05", rates={"input": "2", "output": "10"})
    own = changed(region="us-east-1")
    rows = [ROW, later, own]
    assert book.holding(rows, day=date(2026, 11, 23)) == [ROW, own]
    assert book.holding(rows, day=date(2026, 12, 5)) == [later, own]
    assert book.holding(rows, day=date(2026, 12, 5), region="us-east-1") == [own]
    assert book.holding(rows, day=date(2026, 12, 5), region="eu-west-1") == [later]
    assert book.holding(rows, day=date(2026, 10, 31)) == []
