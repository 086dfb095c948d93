"""Price books that cannot be used: each is refused whole, with the row that is wrong, and the old one stays."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.books import CLAUDE_RATES, a_book, a_row, as_json
from tests.builders import CLAUDE_US, REGION, Bench, FakeClock, FakeSink, a_call

from bedrock_meter.adapters import pricebook
from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.pricebook import PRICE_BOOK_FAULT, PriceBookFile
from bedrock_meter.domain import Ending
from bedrock_meter.errors import MeterError, PriceBookError
from bedrock_meter.meter import Meter
from bedrock_meter.modelid import parse
from bedrock_meter.pricing import PriceBook, RateCard
from bedrock_meter.session import PRICING_FAULT

HEADERS = {"x-amzn-bedrock-input-token-count": "10", "x-amzn-bedrock-output-token-count": "3"}
GOOD = a_row(valid_from="2025-01-01")


@pytest.fixture(autouse=True)
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a book of one row in the place of the packaged one."""
    path = tmp_path / "packaged.json"
    path.write_text(as_json([a_row(source="packaged")]), encoding="utf-8")
    monkeypatch.setattr(pricebook, "PACKAGED", path)
    pricebook.packaged_book.cache_clear()
    yield path
    pricebook.packaged_book.cache_clear()


def find(book: PriceBook | PriceBookFile) -> RateCard | None:
    """Look Claude up."""
    return book.rate_card(parse(CLAUDE_US, REGION), day=date(2026, 11, 23), tier=None, total_input=1)


def with_rates(**rates: object) -> dict[str, Any]:
    """Give a row whose rates are wrong."""
    return a_row(rates={**CLAUDE_RATES, **rates})


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (with_rates(output="-15"), "the rate output"),
        (with_rates(output="NaN"), "the rate output"),
        (with_rates(output="Infinity"), "the rate output"),
        (with_rates(output="1e3"), "the rate output"),
        (with_rates(output=""), "the rate output"),
        (with_rates(output="1\n"), "the rate output"),
        (with_rates(output="\u0661"), "the rate output"),
        (with_rates(output=15), "the rate output"),
        (with_rates(output=None), "the rate output"),
        (with_rates(output=["15"]), "the rate output"),
        (with_rates(**{"Per Image": "1"}), "the name of a rate"),
        (a_row(rates={}), "the rates are missing"),
        (a_row(rates=None), "the rates are missing"),
        (a_row(rates={"output": "1", "cache_read": "1"}), "the rate input is missing"),
        (a_row(valid_from="2026-02-30"), "valid_from"),
        (a_row(valid_from="20260101"), "valid_from"),
        (a_row(valid_from="2026-W01-1"), "valid_from"),
        (a_row(checked=20260101), "checked"),
        (a_row(model=""), "model"),
        (a_row(model="two words"), "model"),
        (a_row(region="everywhere"), "region"),
        (a_row(region=None), "region"),
        (a_row(scope="geographic"), "scope"),
        (a_row(scope=["geo"]), "scope"),
        (a_row(tier="reserved"), "tier"),
        (a_row(above=-1), "above"),
        (a_row(above=True), "above"),
        (a_row(above="0"), "above"),
        (a_row(source=""), "source"),
        (a_row(currency="EUR"), "currency"),
        ({name: value for name, value in a_row().items() if name != "checked"}, "checked"),
        (GOOD, "the same key"),
        ("a row", "no JSON object"),
    ],
)
def test_a_wrong_row_is_named(row: object, told: str) -> None:
    """One wrong row spoils the book; the error says which it is and what is wrong with it."""
    with pytest.raises(PriceBookError) as caught:
        PriceBook.from_json(as_json([GOOD, row]))
    assert isinstance(caught.value, MeterError)
    assert caught.value.row is not None
    assert caught.value.row.startswith("row 2")
    assert told in str(caught.value)
    if isinstance(row, dict):
        assert str(row["model"]) in caught.value.row


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no JSON document"),
        ("{", "no JSON document"),
        ("[" * 100_000, "no JSON document"),
        ("[]", "no JSON object"),
        (as_json([GOOD], schema=2), "newer than 1"),
        (as_json([GOOD], schema=0), "schema has to be 1"),
        (as_json([GOOD], schema=True), "schema has to be 1"),
        (as_json([GOOD], schema="1"), "schema has to be 1"),
        (as_json([GOOD], sha256="0" * 64), "checksum"),
        (as_json([GOOD], sha256=None), "sha256"),
        (as_json([GOOD], version=""), "version"),
        (as_json([GOOD], sources="litellm"), "sources"),
        (as_json([GOOD], currency="EUR"), "fields"),
        (as_json([]), "rows"),
        (json.dumps({"schema": 1}), "fields"),
    ],
)
def test_a_wrong_book_is_refused(text: str, told: str) -> None:
    """What is wrong with the book as a whole names no row."""
    with pytest.raises(PriceBookError, match=told) as caught:
        PriceBook.from_json(text)
    assert caught.value.row is None


def test_bytes_that_are_no_text_are_refused() -> None:
    """A file of another kind is no price book."""
    with pytest.raises(PriceBookError, match="no JSON document"):
        PriceBook.from_json(b"\xff\xfe\x00\x80")


def test_a_changed_rate_breaks_the_checksum() -> None:
    """A rate that was edited in place is noticed, however the rows are laid out."""
    text = as_json([GOOD])
    edited = text.replace('"15"', '"14"')
    assert edited != text
    canonical = as_json([GOOD]).replace(json.dumps(GOOD), json.dumps(GOOD, sort_keys=True, separators=(",", ":")))
    assert find(PriceBook.from_json(text)) == find(PriceBook.from_json(canonical)) is not None
    for changed in (edited, canonical.replace('"15"', '"14"')):
        with pytest.raises(PriceBookError, match="checksum"):
            PriceBook.from_json(changed)


def test_the_named_book_takes_the_place_of_the_packaged_one(tmp_path: Path) -> None:
    """A setting names another book, and its rows are used."""
    own = tmp_path / "own.json"
    own.write_text(as_json([a_row(source="own")]), encoding="utf-8")
    found, by_default = find(PriceBookFile(str(own), fail)), find(PriceBookFile(None, fail))
    assert found is not None
    assert by_default is not None
    assert (found.source, by_default.source) == ("own", "packaged")


def fail(code: str, error: BaseException) -> None:
    """Stand where no fault is expected."""
    raise AssertionError(code) from error


def nothing(_: Path) -> None:
    """Leave no file."""


def wrong_row(path: Path) -> None:
    """Write a book with a wrong row."""
    path.write_text(as_json([with_rates(input="-1")]), encoding="utf-8")


def too_large(path: Path) -> None:
    """Make a file beyond the bound, without writing all of it."""
    with path.open("wb") as file:
        file.truncate(pricebook.MAX_BYTES + 1)


@pytest.mark.parametrize("make", [nothing, wrong_row, too_large, Path.mkdir])
def test_a_named_book_that_cannot_be_used_leaves_the_packaged_one(
    make: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls keep their price, the next record counts the fault once, and the log tells it once."""
    path = tmp_path / "own.json"
    make(path)
    sink = FakeSink()
    meter = Meter(
        sink=sink,
        clock=FakeClock(),
        faults=OnceLog(),
        pricer=PriceBookFile(str(path), lambda code, error: meter.carry(code, error)),  # noqa: PLW0108 - no meter yet
    )
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            session = meter.open(a_call())
            session.head(200, HEADERS)
            session.feed(b"{}")
            session.close(Ending.COMPLETE)
    assert [record.faults for record in sink.records] == [(PRICE_BOOK_FAULT,), (), ()]
    assert {record.price_row for record in sink.records} == {find_row()}
    assert len(caplog.records) == 1
    assert ("row 1" in caplog.text) == (make is wrong_row)


def find_row() -> str:
    """Give the key of the packaged row."""
    found = find(PriceBookFile(None, fail))
    assert found is not None
    return found.row


def test_a_library_without_its_book_prices_nothing(packaged: Path) -> None:
    """Without a packaged book nothing has a price, and that is no fault."""
    packaged.unlink()
    assert find(PriceBookFile(None, fail)) is None


def test_a_wrong_row_of_the_packaged_book_is_a_fault_of_its_model_alone(packaged: Path) -> None:
    """A call of that model has no cost and counts the fault; its tokens are metered, and other models are priced."""
    llama = a_row(model="meta.llama3-3-70b-instruct-v1:0", rates={"input": "1", "output": "1"})
    packaged.write_text(as_json([with_rates(input="-1"), llama]), encoding="utf-8")
    bench = Bench()
    bench.meter.pricer = PriceBookFile(None, fail)
    broken = bench.exchange(b"{}", headers=HEADERS)
    assert (broken.cost, broken.price_row, broken.faults) == (None, None, (PRICING_FAULT,))
    assert broken.usage is not None
    whole = bench.exchange(
        b"{}", call=a_call(model=parse("us.meta.llama3-3-70b-instruct-v1:0", REGION)), headers=HEADERS
    )
    assert whole.cost is not None


def test_the_packaged_book_is_valid_as_a_whole() -> None:
    """What is read one model at a time in production passes every check, and has one row on each line."""
    text = (Path(pricebook.__file__).parents[1] / "prices.json").read_bytes()
    rows = json.loads(text)["rows"]
    PriceBook.from_json(text)
    book = PriceBook.packaged(text)
    for row in rows:
        prefix = {"geo": "us.", "global": "global."}.get(row["scope"], "")
        model = parse(f"{prefix}{row['model']}", None if row["region"] == "*" else row["region"])
        found = book.rate_card(
            model, day=date.fromisoformat(row["valid_from"]), tier=row["tier"], total_input=row["above"] + 1
        )
        assert found is not None, row
        assert (found.model, found.region, found.above) == (row["model"], row["region"], row["above"])


def test_a_book_without_a_row_of_the_model_is_no_error() -> None:
    """An empty answer of the book is an answer."""
    assert find(a_book(a_row(model="acme.model-v1"))) is None
