"""The rows of the price book, from the source's table and the reviewed rules; pure.

`derive` says what the source and the rules price today. `append` lays that on the rows that the book already has: a row
that still holds stays as it is, one that changed gets a newer row beside it, and none is ever edited or taken out.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from meterctl.prices.convert import Rates, Slot, rates_of
from meterctl.prices.keys import Reader
from meterctl.prices.models import GeoRegions, Model, regions_of
from meterctl.prices.rows import Priced, Pricing, everywhere
from meterctl.prices.rules import Rules
from pricewatch.book import Key, Row, a_row, dumps, key, order, rates, sources, verify
from pricewatch.errors import PriceDataError
from pricewatch.mapping import PRICE_LIST


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What is priced today."""

    rates: Mapping[Key, Rates]
    sources: Mapping[Key, str]
    """Where each came from, for the row."""
    used: Mapping[str, int]
    """How often each rule was used, by its pattern or model."""


def derive(table: str, *, source: str, rules: Rules, geos: GeoRegions) -> Derived:
    """Price everything that the source's table prices on Bedrock.

    Args:
        table: The JSON text of the source's table.
        source: The package and version that it came from.
        rules: What was decided on top.
        geos: The Regions of each geo profile.

    Raises:
        PriceDataError: An entry is not understood, two entries differ, or a rule fits nothing.
    """
    reader = Reader(rules)
    entries = _entries(table, reader)
    book = Pricing(source, rules)
    for model in sorted({*(each.place.model for each in entries), *(each.model for each in rules.same)}):
        book.add(model, _of(model, entries, rules), geos)
    unused = [*reader.unused(), *book.unused()]
    if unused:
        raise PriceDataError(f"rules that fit nothing any more: {', '.join(unused)}")
    return Derived(rates=book.rates, sources=book.sources, used={**reader.used, **book.used})


def append(rows: Iterable[Row], derived: Derived, *, day: date, first_day: date) -> list[Row]:
    """Lay what is priced today on the rows of the book.

    Args:
        rows: The book's rows; none for the first book.
        derived: What is priced today.
        day: Today; new rows hold from it, and say that they were checked on it.
        first_day: From when the rows of the first book hold.

    Returns:
        The rows of the new book, sorted; the same ones when nothing changed.
    """
    kept = sorted(rows, key=order)
    since = day if kept else first_day
    newest = {key(row): row for row in kept}
    added = []
    for where in sorted({*derived.rates, *newest}):
        # A row that is no longer derived would hide a change of the row of every Region, to which it now falls back.
        prices = derived.rates.get(where) or derived.rates.get(everywhere(where))
        before = newest.get(where)
        if prices is None:
            continue
        # The Price List has the last word: what it said is not taken back on the word of the package.
        if before is not None and (rates(before) == prices or before["source"].startswith(PRICE_LIST)):
            continue
        if before is not None and before["valid_from"] >= since.isoformat():
            raise PriceDataError(f"{where}: the book has a row from {before['valid_from']} already; nothing is edited")
        added.append(
            a_row(
                where,
                prices,
                since=since,
                day=day,
                source=derived.sources.get(where) or derived.sources[everywhere(where)],
            )
        )
    return sorted([*kept, *added], key=order)


def document(
    before: str,
    table: str,
    *,
    source: str,
    rules: Rules,
    models: tuple[Model, ...],
    others: tuple[str, ...],
    day: date,
) -> str:
    """Write the new book.

    Args:
        before: The text of the book so far; empty for the first one.
        table: The JSON text of the source's table.
        source: The package and version that it came from.
        rules: What was decided on top.
        models: The list of models.
        others: What else the book comes from.
        day: Today.

    Returns:
        The text of the book; the one from before when no price changed.

    Raises:
        PriceDataError: The book so far is damaged, or see `derive`.
    """
    old = verify(before) if before else []
    derived = derive(table, source=source, rules=rules, geos=regions_of(models, rules.geos))
    rows = append(old, derived, day=day, first_day=rules.first_day)
    if rows == old:
        return before
    earlier = sources(before) if before else []
    named = list(dict.fromkeys([*earlier, source, *others]))
    text = dumps(rows, version=day.isoformat(), sources=named)
    verify(text)
    return text


def _entries(table: str, reader: Reader) -> list[Priced]:
    found = []
    for entry_id, entry in json.loads(table, parse_float=Decimal).items():
        if not str(entry.get("litellm_provider", "")).startswith("bedrock"):
            continue
        place = reader.read(entry_id)
        if place is not None:
            found.append(Priced(entry=entry_id, place=place, rates=_rates_of(entry_id, entry)))
    return found


def _of(model: str, entries: list[Priced], rules: Rules) -> list[Priced]:
    names = {model, *(each.like for each in rules.same if each.model == model)}
    found = [each for each in entries if each.place.model in names]
    if not found:
        raise PriceDataError(f"{model}: the model whose prices it has is not priced either")
    return found


def _rates_of(entry_id: str, entry: Mapping[str, Any]) -> dict[Slot, Rates]:
    try:
        return rates_of(entry)
    except PriceDataError as error:
        raise PriceDataError(f"{entry_id}: {error}") from error
