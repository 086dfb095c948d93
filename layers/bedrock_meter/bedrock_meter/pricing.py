"""Prices: a book of dated rows, the row that holds for a call, and what a usage costs by it.

Money is `Decimal` and exact. Rows are appended and never edited, so that a call of any past day keeps its price. What
the book does not say is not guessed: there is no row for a neighbouring Region, scope, tier or model to fall back to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from bedrock_meter.domain import ModelRef, Scope, Usage
from bedrock_meter.pricerows import ANYWHERE, DEFAULT_TIER, TOKEN_RATES, packaged_rows, read_rows

FREE_UNITS = frozenset({"word_policy_units", "sensitive_information_policy_free_units"})
"""Guardrail units for which AWS charges nothing: word filters and regular expressions."""

_NEEDED = ("input", "output")
"""A call of a model that charges for these has them, so that one without a count has an unknown cost."""

# Wide enough for every product and sum of a believable count and a valid rate; `Inexact` would be a bug.
_EXACT = Context(prec=100)
_ZERO = Decimal(0)
_buckets = attrgetter(*TOKEN_RATES)
_OTHER_PARTITIONS = ("us-gov-", "us-iso", "cn-")
"""Beginnings of Regions outside the commercial partition; they have prices of their own or none."""
_PER_MILLION = -6
_MAX_MODELS = 1024
"""Of so many models the cards are kept; Bedrock has a few hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCard:
    """One row of the price book: what a model costs, where, how, and from which day."""

    model: str
    """The foundation model id."""
    region: str
    """The AWS Region that is called, or ``*`` for every Region without a row of its own."""
    scope: Scope
    """Whether Bedrock runs the call in that Region, in its geography, or anywhere."""
    tier: str
    """The service tier: one of `TIERS`."""
    above: int
    """The row holds for requests of more input tokens than this, cached ones included; 0 for the ordinary band."""
    valid_from: date
    """The first day, in UTC, on which it holds."""
    checked: date
    """The day on which it was last compared with its source."""
    source: str
    """Where the rates come from."""
    rates: Mapping[str, Decimal]
    """US dollars: per 1,000,000 for the buckets in `TOKEN_RATES`, for one of every other unit."""
    row: str = field(init=False, repr=False, compare=False)
    """The row's key as a short text: ``model|region|scope|tier|above|valid_from``. Each call that it prices has it."""

    def __post_init__(self) -> None:
        """Write the key once."""
        row = f"{self.model}|{self.region}|{self.scope}|{self.tier}|{self.above}|{self.valid_from}"
        object.__setattr__(self, "row", row)

    def covers(self, usage: Usage) -> bool:
        """Tell whether the card has a rate for everything that was used."""
        tokens = all(name in self.rates or not getattr(usage, name) for name in TOKEN_RATES)
        return tokens and all(
            unit in self.rates or unit in FREE_UNITS or not count for unit, count in usage.other.items()
        )


def cost(usage: Usage, card: RateCard) -> Decimal | None:
    """Give the exact cost in US dollars.

    Cache writes whose lifetime nobody told are in the 5-minute bucket, Bedrock's default, and priced so.

    Returns:
        None when something was used for which the card has no rate, and when something that it prices has no count: the
        input, the output, and for a card without a rate for input every one of its units.
    """
    rates = card.rates
    tokens = units = _ZERO
    for name, count in zip(TOKEN_RATES, _buckets(usage), strict=True):
        rate = rates.get(name)
        if count is None:
            if rate and name in _NEEDED:
                return None
        elif rate is not None:
            tokens = _EXACT.fma(count, rate, tokens)
        elif count:
            return None
    for unit, count in usage.other.items():
        rate = rates.get(unit)
        if rate is not None:
            units = _EXACT.fma(count, rate, units)
        elif count and unit not in FREE_UNITS:
            return None
    if "input" not in rates and rates.keys().isdisjoint(usage.other):
        return None
    return add(_EXACT.scaleb(tokens, _PER_MILLION), units)


def add(first: Decimal, second: Decimal) -> Decimal:
    """Add two amounts of money exactly, whatever the decimal context of the thread."""
    return _EXACT.add(first, second)


def is_apart(region: str) -> bool:
    """Tell whether the rows of every Region do not reach a Region, because it is in another partition."""
    return region.startswith(_OTHER_PARTITIONS)


@dataclass(frozen=True, slots=True)
class _Cards:
    """The cards of one model."""

    by_place: Mapping[tuple[str, str, str | None], Sequence[RateCard]]
    """By scope, tier and Region, in the order in which they are tried."""
    own_since: Mapping[tuple[str, str | None], date]
    """The scopes and Regions that have rows of their own, in whatever tier and band, and since when."""


class PriceBook:
    """The rows of a price book, by what they are looked up with. Safe to share between threads.

    Args:
        rows: Valid rows as in the JSON document, by model. Without any, nothing has a price.
        version: The book's version: the day on which it was made.

    Attributes:
        version: The same.
    """

    def __init__(self, rows: Mapping[str, Sequence[Mapping[str, Any]]], version: str = "") -> None:
        self.version = version
        self._rows = rows
        # Most models are never asked for, so the cards of one are made when it is.
        self._models: dict[str, _Cards] = {}

    @classmethod
    def from_json(cls, text: str | bytes) -> "PriceBook":
        """Read a book and check all of it.

        Raises:
            PriceBookError: Anything is wrong with it; the error names the row.
        """
        version, rows = read_rows(text)
        return cls(rows, version)

    @classmethod
    def packaged(cls, text: bytes) -> "PriceBook":
        """Take a book that came with the code, which a test of the code has read by `from_json`."""
        version, rows = packaged_rows(text)
        return cls(rows, version)

    def rate_card(self, model: ModelRef, *, day: date, tier: str | None, total_input: int) -> RateCard | None:
        """Find the row that holds for a call.

        Where the called Region has rows of its own for the model and scope, only they count: a tier that it does not
        list is not offered there at the price of elsewhere. Otherwise the rows of every Region count, which are those
        of the commercial partition. Then the highest band below the request's input decides, and in it the newest row
        of the day or before.

        Args:
            model: The model; an opaque one has no price.
            day: The day of the call, in UTC.
            tier: The service tier; None for the default one.
            total_input: All input tokens of the request, cached ones included.

        Returns:
            The row, or None when the book has none for exactly this model, scope, tier and day.

        Raises:
            PriceBookError: A row of the model in a packaged book is wrong.
        """
        if model.base is None or model.scope is None:
            return None
        cards = self._cards(model.base)
        place = model.region
        if cards.own_since.get((model.scope, place), date.max) > day:
            if place is not None and is_apart(place):
                return None
            place = ANYWHERE
        for card in cards.by_place.get((model.scope, tier or DEFAULT_TIER, place), ()):
            if (card.above == 0 or total_input > card.above) and card.valid_from <= day:
                return card
        return None

    def _cards(self, model: str) -> _Cards:
        cards = self._models.get(model)
        if cards is None:
            cards = _in_order([_card(row) for row in self._rows.get(model, ())])
            # Also that there are none, for an unknown model is asked for as often; but callers make ids up.
            if len(self._models) < _MAX_MODELS:
                self._models[model] = cards
        return cards


def _in_order(cards: Sequence[RateCard]) -> _Cards:
    found: dict[tuple[str, str, str | None], list[RateCard]] = {}
    # The highest band first, in it the newest day: the first row that fits is the one that holds.
    for card in sorted(cards, key=lambda card: (card.above, card.valid_from), reverse=True):
        found.setdefault((card.scope, card.tier, card.region), []).append(card)
    own_since: dict[tuple[str, str | None], date] = {}
    for card in cards:
        place = card.scope, card.region
        own_since[place] = min(card.valid_from, own_since.get(place, date.max))
    return _Cards(found, own_since)


def _card(row: Mapping[str, Any]) -> RateCard:
    return RateCard(
        model=row["model"],
        region=row["region"],
        scope=Scope(row["scope"]),
        tier=row["tier"],
        above=row["above"],
        valid_from=date.fromisoformat(row["valid_from"]),
        checked=date.fromisoformat(row["checked"]),
        source=row["source"],
        rates=MappingProxyType({name: Decimal(rate) for name, rate in row["rates"].items()}),
    )
