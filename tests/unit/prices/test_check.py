"""Coverage finds what has no price, and the comparison finds every rate that differs."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from bedrock_meter.pricing import PriceBook
from meterctl.prices import check, coverage
from meterctl.prices.models import Model
from pricewatch import book
from pricewatch.errors import PriceDataError

DAY = date(2026, 11, 23)
PRICED: book.Row = {
    "model": "openai.gpt-x",
    "region": "us-east-1",
    "scope": "in-region",
    "tier": "default",
    "above": 0,
    "valid_from": "2026-11-01",
    "checked": "2026-11-23",
    "source": "table 1",
    "rates": {"input": "3", "output": "15"},
}
LONG: book.Row = {**PRICED, "above": 272_000, "rates": {"input": "6", "output": "22.5"}}
BOOK = PriceBook.from_json(book.dumps([PRICED, LONG], version="1", sources=["table 1"]))


def model(**fields: object) -> Model:
    """Give an ACTIVE text model."""
    values: dict[str, object] = {
        "id": "openai.gpt-x",
        "status": "ACTIVE",
        "text": True,
        "runtime": True,
        "in_region": ("us-east-1",),
        "geos": {},
        "everywhere": False,
    }
    return Model(**{**values, **fields})  # type: ignore[arg-type]


def test_a_model_is_covered_when_every_way_to_call_it_has_a_price() -> None:
    """Region by Region and profile by profile; one way without a price is named."""
    whole, partly = coverage.cover(
        BOOK,
        [model(), model(in_region=("us-east-1", "eu-west-1"), geos={"us": ("us-east-1",)}, everywhere=True)],
        day=DAY,
    )
    assert whole.whole
    assert partly.ways == 4
    assert partly.unpriced == (
        "openai.gpt-x in eu-west-1",
        "us.openai.gpt-x in us-east-1",
        "global.openai.gpt-x in us-east-1",
    )


def test_only_active_text_models_have_to_be_covered() -> None:
    """Legacy models and those that give no text are not in the table."""
    assert coverage.cover(BOOK, [model(status="LEGACY"), model(text=False)], day=DAY) == []


def test_every_rate_that_differs_is_found() -> None:
    """In each context band; a rate that only one of the two has is no difference."""
    opinion = {
        "openai.gpt-x": {"0": {"input": "3.0", "output": "14", "cache_read": "1"}, "272000": {"input": "7"}},
        "openai.gpt-y": {"0": {"input": "1"}},
    }
    both, found = check.compare(BOOK, opinion, region="us-east-1", day=DAY)
    assert both == 1
    assert [(each.above, each.rate, each.ours, each.theirs) for each in found] == [
        (0, "output", Decimal(15), Decimal(14)),
        (272_000, "input", Decimal(6), Decimal(7)),
    ]


def test_a_difference_needs_its_own_explanation(tmp_path: Path) -> None:
    """A pattern explains what it matches and nothing beside it; one without a reason is refused."""
    file = tmp_path / "differences.toml"
    file.write_text("[[explained]]\npattern = 'openai\\.gpt-x output'\nreason = \"looked at\"\n", encoding="utf-8")
    _, found = check.compare(BOOK, {"openai.gpt-x": {"0": {"input": "2", "output": "14"}}}, region="us-east-1", day=DAY)
    known = check.explanations(file)
    assert [check.explain(each, known) is not None for each in found] == [False, True]
    file.write_text("[[explained]]\npattern = 'x'\nreason = \"\"\n", encoding="utf-8")
    with pytest.raises(PriceDataError):
        check.explanations(file)


def test_a_missing_environment_is_named(tmp_path: Path) -> None:
    """The second opinion is optional, and the message says how to get it."""
    with pytest.raises(PriceDataError, match="make prices-check"):
        check.ask(tmp_path / "python", ["openai.gpt-x"])
