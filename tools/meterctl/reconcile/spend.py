"""What was metered in US dollars, by day, model and kind of tokens: the side that the bill is held against."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from meterctl.reconcile.usagetype import Kind
from meterctl.summary import ended
from pricewatch import book

MILLION = Decimal(1_000_000)

PARTS: Mapping[str, Kind] = {
    "input": Kind.INPUT,
    "output": Kind.OUTPUT,
    "cache_read": Kind.CACHE_READ,
    "cache_write_5m": Kind.CACHE_WRITE,
    "cache_write_1h": Kind.CACHE_WRITE,
}
"""The kind of each rate that is of a million tokens; a line's property is its name and ``_tokens``."""

type Key = tuple[date, str, Kind]
"""Day (UTC), foundation model, kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """The whole of one side."""

    usd: Mapping[Key, Decimal]
    unpriced: int
    """Calls with counts that have no price; they are in the bill and not in ``usd``."""
    undivided: int
    """Calls whose row is not in the price book at hand; their cost is of `Kind.OTHER`."""


def by_row(book_text: str) -> dict[str, Mapping[str, Decimal]]:
    """Give the rates of each row of a price book, by the name that lines have for it."""
    return {book.name(row): book.rates(row) for row in json.loads(book_text)["rows"]}


def metered(lines: Iterable[Mapping[str, Any]], rates: Mapping[str, Mapping[str, Decimal]]) -> Metered:
    """Divide the cost of each line among the kinds of tokens, by the rates of its own row.

    Args:
        lines: EMF lines.
        rates: What `by_row` gave.
    """
    usd: dict[Key, Decimal] = {}
    unpriced = undivided = 0
    for line in lines:
        row = line.get("price_row")
        if "cost_usd" not in line or row is None:
            unpriced += "usage_source" in line
            continue
        day, model, rest = ended(line).date(), row.partition("|")[0], Decimal(line["cost_usd"])
        undivided += row not in rates
        for name, kind in PARTS.items():
            part = line.get(f"{name}_tokens", 0) * rates.get(row, {}).get(name, Decimal(0)) / MILLION
            if part:
                usd[day, model, kind] = usd.get((day, model, kind), Decimal(0)) + part
                rest -= part
        if rest:
            usd[day, model, Kind.OTHER] = usd.get((day, model, Kind.OTHER), Decimal(0)) + rest
    return Metered(usd=usd, unpriced=unpriced, undivided=undivided)
