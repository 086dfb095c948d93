"""Adapters that keep what they are given in memory, for tests and for programs that read their own records."""

from collections.abc import Sequence
from threading import Lock

from bedrock_meter.budget import begins, expires, held, place, settled
from bedrock_meter.domain import Record
from bedrock_meter.limits import Ask, BudgetUse, Counter, Limit, Settlement


class MemorySink:
    """A `Sink` and `Notifier` that keeps what it is told, in the order in which it came.

    Attributes:
        records: What was emitted so far.
        uses: What was told of budgets so far.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.uses: list[BudgetUse] = []

    def emit(self, record: Record) -> None:
        """Keep one record."""
        self.records.append(record)

    def used(self, use: BudgetUse) -> None:
        """Keep the news of a budget."""
        self.uses.append(use)


class FixedLimits:
    """A `LimitDirectory` of limits that never change.

    Args:
        limits: All of them.

    Raises:
        ValueError: Two have the same id, and so the same counters.
    """

    def __init__(self, limits: Sequence[Limit] = ()) -> None:
        self._limits = tuple(limits)
        if len({limit.id for limit in self._limits}) < len(self._limits):
            raise ValueError("two limits have the same id")

    def limits(self) -> Sequence[Limit]:
        """Give them."""
        return self._limits


class MemoryLimitStore:
    """A `LimitStore` for one process; its counters end with it. Safe to share between threads."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, str], Counter] = {}
        self._expiry: dict[tuple[str, str], int] = {}
        self._lock = Lock()

    def hold(self, asks: Sequence[Ask]) -> tuple[Ask, Counter] | None:
        """Add every ask to its counter, or none of them, see `LimitStore`."""
        with self._lock:
            after: dict[tuple[str, str], Counter] = {}
            for ask in asks:
                counter = self._counter(ask)
                new = held(counter, ask)
                if new is None:
                    return ask, counter
                after[place(ask)] = new
            for ask in asks:
                self._write(ask, after[place(ask)])
        return None

    def settle(self, settlement: Settlement) -> Counter:
        """Settle one counter, see `LimitStore`."""
        with self._lock:
            after = settled(self._counter(settlement.ask), settlement)
            self._write(settlement.ask, after)
        return after

    def read(self, asks: Sequence[Ask]) -> Sequence[Counter]:
        """Give what each counter says."""
        with self._lock:
            return [self._counter(ask) for ask in asks]

    def _counter(self, ask: Ask) -> Counter:
        return self._counters.get(place(ask), Counter())

    def _write(self, ask: Ask, counter: Counter) -> None:
        key = place(ask)
        if key not in self._counters:
            self._expire(begins(ask))
        self._counters[key], self._expiry[key] = counter, expires(ask)

    def _expire(self, newest: int) -> None:
        for key in [key for key, expiry in self._expiry.items() if expiry < newest]:
            del self._counters[key], self._expiry[key]
