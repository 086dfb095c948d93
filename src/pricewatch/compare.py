"""A price book held against a source of offer files: the one run that the function and `meterctl` share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from pricewatch import drift, mapping, names, offers
from pricewatch.book import verify
from pricewatch.drift import Drift
from pricewatch.errors import PriceDataError
from pricewatch.mapping import Listed


class Source(Protocol):
    """Gives offer files."""

    @property
    def whole(self) -> bool:
        """Whether it gives every Region of every offer."""

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Give each file with its name.

        Raises:
            PriceDataError: A file cannot be had, or is too large.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came out."""

    listed: Listed
    """What the list prices."""
    drift: Drift
    """Where the book differs."""
    book: str
    """The text of the book that agrees with the list; that of before when nothing differs."""

    @property
    def changed(self) -> int:
        """How many rows have another price than the book's, or are new."""
        return len(self.drift.changes)


def compare(before: str, source: Source, *, day: date) -> Comparison:
    """Compare a book with the list.

    Args:
        before: The text of the book.
        source: Gives the offer files.
        day: Whose prices to compare, and from when new rows hold.

    Raises:
        PriceDataError: The book or a file is damaged, or nothing in the files could be mapped: then the list has
            changed its form, and agreement would be a mistake.
    """
    rows = verify(before)
    listed = mapping.read(_products(source), rows, names.load())
    if not listed.rates:
        found = ", ".join(f"{reason} ({count})" for reason, count in listed.reasons()[:3])
        raise PriceDataError(f"none of {listed.products} products of the Price List could be mapped: {found}")
    difference = drift.compare(rows, listed, day=day, whole=source.whole)
    return Comparison(listed=listed, drift=difference, book=drift.propose(before, difference, day=day))


def _products(source: Source) -> Iterator[offers.Product | offers.Skipped]:
    for name, text in source:
        yield from offers.read(text, name=name)
