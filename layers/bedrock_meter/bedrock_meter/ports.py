"""What the meter needs from the outside, as Protocols. Adapters fulfil them; nothing here knows one."""

from datetime import date, datetime
from typing import Protocol

from bedrock_meter.domain import ModelRef, Record
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
    """Who knows for which use case an IAM principal calls. A `PrincipalMap` is one."""

    def find(self, arn: str) -> str | None:
        """Give the use case of a principal, by its ARN as STS shows it; None where nobody said."""


class FaultLog(Protocol):
    """Where the meter's own failures are told to a person."""

    def report(self, code: str, error: BaseException | None = None) -> None:
        """Take one fault. Must not raise, and must not repeat an error's text: it may quote content."""
