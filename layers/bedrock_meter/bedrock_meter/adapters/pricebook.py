"""The price book of a process: the file that a setting names, else the one that lies beside the library."""

from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from threading import Lock

from bedrock_meter.domain import ModelRef
from bedrock_meter.errors import PriceBookError
from bedrock_meter.pricing import PriceBook, RateCard

PRICE_BOOK_FAULT = "price_book_fault"

PACKAGED = Path(__file__).parents[1] / "prices.json"
"""The book that comes with this version."""

MAX_BYTES = 32 * 1024 * 1024
"""A file larger than this is no price book; the packaged one has less than a megabyte."""


class PriceBookFile:
    """A `Pricer` that reads its book when the first call is to be priced. Safe to share between threads.

    A book that cannot be used is told once, and the packaged one stays in its place.

    Args:
        path: The book's file; None for the packaged one alone.
        failed: Is told of a book that cannot be used, by fault code and error.
    """

    def __init__(self, path: str | None, failed: Callable[[str, BaseException], None]) -> None:
        self._path = path
        self._failed = failed
        self._book: PriceBook | None = None
        self._lock = Lock()

    def rate_card(self, model: ModelRef, *, day: date, tier: str | None, total_input: int) -> RateCard | None:
        """Find the row that holds for a call, see `PriceBook.rate_card`."""
        book = self._book or self.load()
        return book.rate_card(model, day=day, tier=tier, total_input=total_input)

    def load(self) -> PriceBook:
        """Give the book, and read it if that has not been done."""
        with self._lock:
            if self._book is None:
                self._book = self._own() or packaged_book()
            return self._book

    def _own(self) -> PriceBook | None:
        if self._path is None:
            return None
        try:
            return _read(Path(self._path))
        except (OSError, PriceBookError) as error:
            self._failed(PRICE_BOOK_FAULT, error)
            return None


@cache
def packaged_book() -> PriceBook:
    """Give the packaged book, one for all meters of the process; a copy of the library without it prices nothing."""
    try:
        return PriceBook.packaged(PACKAGED.read_bytes())
    except OSError:
        return PriceBook({})


def _read(path: Path) -> PriceBook:
    with path.open("rb") as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise PriceBookError("its file is too large")
    return PriceBook.from_json(text)
