"""What the meter needs from the outside, as Protocols. Adapters fulfil them; nothing here knows one."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol, runtime_checkable

from bedrock_meter.domain import Call, ModelRef, Record
from bedrock_meter.forecast import Forecast
from bedrock_meter.limits import Ask, BudgetUse, Counter, Limit, Settlement
from bedrock_meter.pricing import RateCard


class Sink(Protocol):
    """Where records go."""

    def emit(self, record: Record) -> None:
        """Take one record. May raise; the meter counts that and the caller never sees it."""


class Clock(Protocol):
    """The time, as a parameter."""

    def now(self) -> datetime:
        """Give the wall-clock time; aware, UTC."""

    def monotonic(self) -> float:
        """Give seconds from an arbitrary start, never running backwards."""


class ModelResolver(Protocol):
    """Who knows what model is behind an opaque ARN."""

    def find(self, model: ModelRef) -> ModelRef:
        """Give the model with what is known of it by now. Must neither wait nor raise; it may begin to find out."""


class Pricer(Protocol):
    """Who knows prices. A `PriceBook` is one."""

    def rate_card(self, model: ModelRef, *, day: date, tier: str | None, total_input: int) -> RateCard | None:
        """Give the row that holds for a call; None when it has no price. May raise; the meter counts that."""


class Principals(Protocol):
    """Who knows which use cases an IAM principal may name. A `PrincipalMap` is one."""

    def find(self, arn: str) -> tuple[str, ...] | None:
        """Give the use cases of a principal, by its ARN as STS shows it, the default first; None where nobody said."""


class FaultLog(Protocol):
    """Where the meter's own failures are told to a person."""

    def report(self, code: str, error: BaseException | None = None) -> None:
        """Take one fault. Must not raise, and must not repeat an error's text: it may quote content."""


class Forecaster(Protocol):
    """Who tells the size of a call's input before it is sent."""

    def forecast(self, call: Call, body: bytes) -> Forecast:
        """Tell it. May take as long as its own time limit, and must not raise."""


@runtime_checkable
class Notifier(Protocol):
    """Who is told how far budgets are spent. A sink that is one too is told beside the records."""

    def used(self, use: BudgetUse) -> None:
        """Take the news of one window, in the order in which it comes. Must neither wait nor hold the caller up."""


class LimitDirectory(Protocol):
    """Who knows which limits there are."""

    def limits(self) -> Sequence[Limit]:
        """Give all of them; at most 60 seconds old, so that a change is soon heard of and a call seldom waits.

        The same sequence object stands for the same limits, so that whoever prepares them need not do it again.

        Raises:
            RegistryError: They cannot be read.
        """


class LimitStore(Protocol):
    """Where the counters of limits are. All three methods raise `LimitStoreError` when the store cannot be used."""

    def hold(self, asks: Sequence[Ask]) -> tuple[Ask, Counter] | None:
        """Add every ask to its counter, or none of them.

        Returns:
            None when all were held; else the first ask, in their order, that its counter had no room for, with what
            that counter said. Only limits that deny are asked for, and never for more than their amount.
        """

    def settle(self, settlement: Settlement) -> Counter:
        """Settle one counter and give what it says after it. The updates of one counter come one after the other."""

    def read(self, asks: Sequence[Ask]) -> Sequence[Counter]:
        """Give what each counter says, without changing it; the amounts do not matter."""
