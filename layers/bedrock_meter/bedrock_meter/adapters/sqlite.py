"""The counters of limits in the local file that ``meterctl serve`` and ``meterctl limits`` share."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Any

from bedrock_meter.adapters.localfile import Items, LocalFile
from bedrock_meter.budget import begins, expires, held, place, settled
from bedrock_meter.errors import LimitStoreError
from bedrock_meter.limits import Ask, Counter, Settlement


class SqliteLimitStore:
    """A `LimitStore` in a `LocalFile`. Safe to share between threads; other processes may use the same file.

    Args:
        file: The file. Whoever opened it closes it.
    """

    def __init__(self, file: LocalFile) -> None:
        self._file = file

    def hold(self, asks: Sequence[Ask]) -> tuple[Ask, Counter] | None:
        """Add every ask to its counter, or none of them, see `LimitStore`."""
        with _usable(), self._file.write() as items:
            after: list[tuple[Ask, Counter]] = []
            for ask in asks:
                counter = _read(items, ask)
                new = held(counter, ask)
                if new is None:
                    return ask, counter
                after.append((ask, new))
            for ask, counter in after:
                _write(items, ask, counter)
        return None

    def settle(self, settlement: Settlement) -> Counter:
        """Settle one counter, see `LimitStore`."""
        with _usable(), self._file.write() as items:
            after = settled(_read(items, settlement.ask), settlement)
            _write(items, settlement.ask, after)
        return after

    def read(self, asks: Sequence[Ask]) -> Sequence[Counter]:
        """Give what each counter says."""
        with _usable(), self._file.read() as items:
            return [_read(items, ask) for ask in asks]


@contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise LimitStoreError(f"the local file cannot be used ({type(error).__name__})") from error


def _read(items: Items, ask: Ask) -> Counter:
    item = items.get(*place(ask))
    if item is None:
        return Counter()
    return Counter(used=_number(item, "used"), spent=_number(item, "spent"))


def _number(item: Mapping[str, Any], name: str) -> Decimal:
    try:
        number = Decimal(item[name])
    except (KeyError, TypeError, ValueError, InvalidOperation):
        number = Decimal("NaN")
    if not number.is_finite():
        raise LimitStoreError("an item in the place of a counter is none")
    return number


def _write(items: Items, ask: Ask, counter: Counter) -> None:
    pk, sk = place(ask)
    if items.get(pk, sk) is None:
        items.expire(begins(ask))
    items.put(pk, sk, {"used": f"{counter.used:f}", "spent": f"{counter.spent:f}"}, expires=expires(ask))
