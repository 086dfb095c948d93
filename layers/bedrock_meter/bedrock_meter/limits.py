"""Limits as data: who may use how much in which time, and what is held back of it. Invariants only.

A limit has one counter for each of its windows. `Ask` is what one call wants of a counter before it is sent,
`Settlement` what it turned out to have used, `Counter` what the counter says. How they come about is in `budget`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

LIMIT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
"""A limit's id is also the value of its metric dimension."""

# A counter that needs more digits than DynamoDB keeps could not be used, and its limit would hold nothing.
_MOST, _DECIMALS = Decimal("1e18"), 12


class Subject(StrEnum):
    """What a limit looks at in a call to see whether the call is its own."""

    USE_CASE = "use_case"
    TEAM = "team"
    KEY = "key"
    MODEL = "model"
    """The model id as it was called, or its foundation model."""
    ALL = "all"


class Unit(StrEnum):
    """What a limit counts."""

    USD = "usd"
    """US dollars, at the prices of the price book."""
    TOKENS = "tokens"
    """Input, cache writes and output. Cache reads do not count, as they do not count towards Bedrock's own quotas
    (https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html)."""
    REQUESTS = "requests"


class Period(StrEnum):
    """How long a window of a limit lasts."""

    MINUTE = "minute"
    DAY = "day"
    MONTH = "month"


class OnExceed(StrEnum):
    """What a limit does when a call does not fit any more."""

    DENY = "deny"
    WARN = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much may be used in each window."""

    id: str
    """Its name, unique in the registry."""
    subject: Subject
    """What it looks at in a call."""
    pattern: str = "*"
    """Which values of it belong to the limit; ``*`` stands for any characters. All of them share the one counter."""
    unit: Unit
    """What is counted."""
    period: Period
    """How long a window lasts."""
    amount: Decimal
    """How much of the unit a window has."""
    on_exceed: OnExceed = OnExceed.DENY
    """Whether a call that does not fit is refused."""

    def __post_init__(self) -> None:
        """Refuse a limit that cannot hold."""
        if not LIMIT_ID.fullmatch(self.id):
            raise ValueError(f"id has to match {LIMIT_ID.pattern}")
        if not self.pattern or len(self.pattern) > 256 or not self.pattern.isprintable():  # noqa: PLR2004 - as a model id
            raise ValueError("pattern has to have 1 to 256 printable characters")
        if not self.amount.is_finite() or self.amount <= 0:
            raise ValueError("amount has to be a number above 0")
        if self.amount > _MOST or _decimals(self.amount) > _DECIMALS:
            raise ValueError("amount has to be at most 10^18, with at most 12 decimals: stores keep 38 digits")
        if self.unit is not Unit.USD and self.amount != self.amount.to_integral_value():
            raise ValueError(f"an amount of {self.unit} has to be a whole number")


def _decimals(amount: Decimal) -> int:
    """Give the number of digits after the point."""
    return len(f"{amount:f}".partition(".")[2].rstrip("0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a call wants of one counter."""

    limit: Limit
    """Whose counter."""
    window: str
    """Which window of it: its start as ISO 8601 in UTC, to the minute. With the limit's id the counter's key."""
    amount: Decimal
    """How much, in the limit's unit; 0 for a limit of which nothing is held."""
    resets_at: datetime
    """When the window ends; aware, UTC."""
    final: bool = False
    """Whether this is already what the call will have used: then it is spent with the hold, and not settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """What a counter says."""

    used: Decimal = Decimal(0)
    """Settled and held together: what no call may push past the amount of a limit that denies."""
    spent: Decimal = Decimal(0)
    """Settled alone. It only ever grows, so a threshold is passed once in a window, whoever looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The change of one counter after a call."""

    ask: Ask
    """What the call had asked for and got; its amount is 0 where nothing was held."""
    spent: Decimal
    """What it used. ``spent`` is added to what is spent, and ``spent - ask.amount`` to what is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetUse:
    """How far a window of a limit is spent, told when a whole percent is passed."""

    ask: Ask
    """The window."""
    spent: Decimal
    """What is spent in it, in the limit's unit."""
    percent: int
    """The same in percent of the amount, rounded down."""
    level: int | None
    """The highest of the warning levels that was passed by this step; None when it was none."""
    at: datetime
    """When; aware, UTC."""

    @property
    def facts(self) -> dict[str, str]:
        """What there is to tell of the window, as text."""
        limit = self.ask.limit
        return {
            "limit": limit.id,
            "unit": limit.unit,
            "period": limit.period,
            "amount": f"{limit.amount:f}",
            "spent": f"{self.spent:f}",
            "window": self.ask.window,
            "resets_at": self.ask.resets_at.isoformat(),
            "on_exceed": limit.on_exceed,
        }
