"""Where a price book differs from the AWS Price List, and the rows that would make it agree; pure.

Rows are appended and none is edited or taken out: what the list no longer has is shown and stays, for the list does not
have everything that a book has.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from bedrock_meter.pricerows import ANYWHERE, TOKEN_RATES
from bedrock_meter.pricing import is_apart
from pricewatch.book import Key, Row, a_row, dumps, key, name, order, rates, sources, verify
from pricewatch.errors import PriceDataError
from pricewatch.mapping import Listed, Rates

type Slot = tuple[str, int]
"""Tier and band."""
type Place = tuple[str, str]
"""Model and scope."""
type _Regions = Mapping[str, Mapping[Slot, Rates]]

NOTHING: Rates = {}
CARRIED = "the row of every Region, beside one of this Region's own"
"""The source of a row that has no price of the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row that would be appended."""

    key: Key
    before: Rates
    """The rates that hold for its calls today; none for what the book does not price."""
    after: Rates
    source: str

    @property
    def differences(self) -> list[tuple[str, Decimal | None, Decimal]]:
        """The rates that differ: name, before, after."""
        return [
            (name, self.before.get(name), rate) for name, rate in self.after.items() if self.before.get(name) != rate
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The difference between a book and the list."""

    changes: Sequence[Change]
    """Rows with another price than the book's, and rows that it does not have."""
    carried: Sequence[Change]
    """Rows whose price stays: they come along because a Region that has any row of its own has no others."""
    gone: Sequence[Key]
    """Rows of the book for which the list has no price."""
    left_out: Sequence[Key]
    """Prices of the list that make no row: a long-context band without an ordinary one, a cache rate without input."""
    agreed: int
    """How many rates of the list the book has too."""


def compare(rows: Iterable[Row], listed: Listed, *, day: date, whole: bool) -> Drift:
    """Compare a book with the list.

    Args:
        rows: The rows of the book.
        listed: What the list prices.
        day: Whose prices to compare.
        whole: Whether the list has every Region. Otherwise no row of every Region is changed: a Region whose price
            differs gets rows of its own.
    """
    held = {key(row): row for row in sorted(rows, key=order) if row["valid_from"] <= day.isoformat()}
    book, claims = _by_place((where, rates(row)) for where, row in held.items()), _by_place(listed.rates.items())
    named = {(model, *rest): source for (model, _, *rest), source in listed.sources.items()}
    changes: list[Change] = []
    left_out: list[Key] = []
    agreed = 0
    for place, by_region in claims.items():
        for region, target, base in _targets(book.get(place, {}), by_region, whole=whole):
            for slot, prices in target.items():
                where = (place[0], region, place[1], *slot)
                if not _stands(slot, target):
                    left_out.append(where)
                elif prices != base.get(slot) or where not in held:
                    source = listed.sources.get(where) or named.get((*place, *slot), CARRIED)
                    changes.append(Change(key=where, before=base.get(slot, NOTHING), after=prices, source=source))
        agreed += _agreed(book.get(place, {}), by_region)
    return Drift(
        changes=[each for each in changes if each.differences],
        carried=[each for each in changes if not each.differences],
        gone=[where for where in held if not _is_listed(where, book, claims)],
        left_out=left_out,
        agreed=agreed,
    )


def propose(before: str, drift: Drift, *, day: date) -> str:
    """Write the book that agrees with the list.

    Args:
        before: The text of the book.
        drift: What `compare` found.
        day: From when the new rows hold.

    Returns:
        The text of the new book, checked; the same text when there is nothing to append.

    Raises:
        PriceDataError: The book is damaged, or has a row from this day or later for what a new row would price.
    """
    old = verify(before)
    added = [*drift.changes, *drift.carried]
    if not added:
        return before
    newest = {key(row): row["valid_from"] for row in old}
    for each in added:
        if newest.get(each.key, "") >= day.isoformat():
            raise PriceDataError(f"{'|'.join(map(str, each.key))}: the book has a row from {newest[each.key]} already")
    new = [a_row(each.key, each.after, since=day, day=day, source=each.source) for each in added]
    named = dict.fromkeys([*sources(before), *(each.source for each in added if each.source != CARRIED)])
    text = dumps(sorted([*old, *new], key=order), version=day.isoformat(), sources=list(named))
    verify(text)
    return text


def _by_place(priced: Iterable[tuple[Key, Rates]]) -> dict[Place, dict[str, dict[Slot, Rates]]]:
    found: dict[Place, dict[str, dict[Slot, Rates]]] = {}
    for (model, region, scope, tier, above), prices in priced:
        found.setdefault((model, scope), {}).setdefault(region, {})[tier, above] = prices
    return found


def _targets(
    book: _Regions, claims: _Regions, *, whole: bool
) -> Iterator[tuple[str, Mapping[Slot, Rates], Mapping[Slot, Rates]]]:
    """Give, for each Region that has rows or needs them: what it should have, and what holds there today."""
    common = book.get(ANYWHERE, {})
    general = {region: slots for region, slots in claims.items() if region not in book and not is_apart(region)}
    agreed = _overlaid(common, _unanimous(general)) if whole else common
    yield ANYWHERE, agreed, common
    for region, slots in claims.items():
        if region in general:
            target = _overlaid(agreed, slots)
            if target != agreed:
                yield region, target, common
        else:
            yield region, _overlaid(book.get(region, {}), slots), book.get(region, {})


def _unanimous(claims: _Regions) -> dict[Slot, Rates]:
    """Give the slots of which no Region says another price than another."""
    said: dict[Slot, dict[str, Decimal]] = {}
    disputed: set[Slot] = set()
    for slots in claims.values():
        for slot, prices in slots.items():
            known = said.setdefault(slot, {})
            if any(known.setdefault(name, rate) != rate for name, rate in prices.items()):
                disputed.add(slot)
    return {slot: prices for slot, prices in said.items() if slot not in disputed}


def _overlaid(base: Mapping[Slot, Rates], more: Mapping[Slot, Rates]) -> dict[Slot, Rates]:
    """Lay the list's rates on the book's: a rate that the list does not have stays."""
    return {slot: {**base.get(slot, NOTHING), **more.get(slot, NOTHING)} for slot in {**base, **more}}


def _stands(slot: Slot, target: Mapping[Slot, Rates]) -> bool:
    """Tell whether a book takes a row: a band needs the ordinary one, a cache rate the input's."""
    prices = target[slot]
    return (slot[0], 0) in target and ("input" in prices or prices.keys().isdisjoint(TOKEN_RATES[2:]))


def _agreed(book: _Regions, claims: _Regions) -> int:
    count = 0
    for region, slots in claims.items():
        base = book.get(region) or ({} if is_apart(region) else book.get(ANYWHERE, {}))
        for slot, prices in slots.items():
            count += sum(base.get(slot, NOTHING).get(name) == rate for name, rate in prices.items())
    return count


def _is_listed(where: Key, book: Mapping[Place, _Regions], claims: Mapping[Place, _Regions]) -> bool:
    """Tell whether the list prices a row: in its Region, or in one that has no rows of its own."""
    model, region, scope, tier, above = where
    place = model, scope
    return any(
        (tier, above) in slots
        for each, slots in claims.get(place, {}).items()
        if each == region or (region == ANYWHERE and each not in book[place])
    )


def appended(before: Iterable[Row], after: Iterable[Row]) -> list[Change]:
    """Tell what a newer book adds to an older one.

    Args:
        before: The rows of the older book.
        after: The rows of the newer one.

    Raises:
        PriceDataError: A row of the older book is edited or missing, or a new one holds from an earlier day than one
            that was there: then calls of the past would cost something else.
    """
    old, new = ({(key(row), row["valid_from"]): row for row in rows} for rows in (before, after))
    for which, row in old.items():
        if new.get(which) != row:
            raise PriceDataError(f"{name(row)}: the new book has edited this row or left it out")
    newest: dict[Key, Row] = {}
    for row in sorted(old.values(), key=order):
        newest[key(row)] = row
    found = []
    for which in sorted(new.keys() - old.keys()):
        row, last = new[which], newest.get(which[0])
        if last is not None and row["valid_from"] <= last["valid_from"]:
            raise PriceDataError(f"{name(row)}: the older book has a row from {last['valid_from']}")
        prices = NOTHING if last is None else rates(last)
        found.append(Change(key=which[0], before=prices, after=rates(row), source=row["source"]))
        newest[which[0]] = row
    return found
