"""The arithmetic of limits: which apply to a call, their windows, what to ask of them, what to say when one is full.

Pure: times, calls and limits come in, values go out. `limiter` puts it to work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import ROUND_CEILING, Context, Decimal
from math import ceil
from typing import Any

from bedrock_meter.domain import Call, Certainty, Record
from bedrock_meter.errors import BudgetExceeded, RateLimited
from bedrock_meter.limits import Ask, Counter, Limit, OnExceed, Period, Settlement, Subject, Unit
from bedrock_meter.registry import fits

LEVELS = (50, 80, 100)
"""In percent of the amount: when a budget's owner is warned."""

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_KEPT = 2 * _DAY
_PERCENT = Decimal(100)

# A store keeps 38 digits (DynamoDB's numbers). Money is rounded up to this, so that rounding never lets anything pass.
_SMALLEST = Decimal("1e-12")
_MONEY = Context(prec=60, rounding=ROUND_CEILING)
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window: from its start to just before its end."""

    start: datetime
    """When it begins; aware, UTC."""
    end: datetime
    """When the next one begins; aware, UTC."""
    key: str
    """Its start as ISO 8601, to the minute."""


class Windows:
    """The windows of a time zone. Days and months are those of its calendar, whatever its clocks do on the way.

    Args:
        zone: The zone. Minutes are the same everywhere.
    """

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._newest: dict[Period, Window] = {}

    def at(self, period: Period, now: datetime) -> Window:
        """Give the window that a moment is in.

        Args:
            period: How long it lasts.
            now: The moment; aware.
        """
        newest = self._newest.get(period)
        if newest is None or not newest.start <= now < newest.end:
            newest = self._newest[period] = self._find(period, now.astimezone(UTC))
        return newest

    def _find(self, period: Period, now: datetime) -> Window:
        if period is Period.MINUTE:
            start = now.replace(second=0, microsecond=0)
            return _window(start, start + _MINUTE)
        first = _first(period, now.astimezone(self._zone).date())
        # Where a clock is turned back over midnight, a day comes twice; it then belongs to what began first.
        while self._midnight(first) > now:
            first = _first(period, first - _DAY)
        while (end := self._midnight(after := _next(period, first))) <= now:
            first = after
        return _window(self._midnight(first), end)

    def _midnight(self, day: date) -> datetime:
        """Give the first moment of a day; one that the zone leaves out has none of its own, and no length."""
        return datetime.combine(day, time(), self._zone).astimezone(UTC)


def _window(start: datetime, end: datetime) -> Window:
    return Window(start=start, end=end, key=f"{start:%Y-%m-%dT%H:%MZ}")


def _first(period: Period, day: date) -> date:
    return day.replace(day=1) if period is Period.MONTH else day


def _next(period: Period, first: date) -> date:
    if period is Period.DAY:
        return first + _DAY
    return (first.replace(day=28) + 4 * _DAY).replace(day=1)


def belongs(limit: Limit, call: Call) -> bool:
    """Tell whether a call is one of those that a limit counts. A call without a team is in no limit of teams."""
    if limit.subject is Subject.ALL:
        return True
    values = _values(limit.subject, call)
    return any(fits(limit.pattern, value) for value in values if value is not None)


def kind_of(call: Call) -> object:
    """Give what `belongs` looks at in a call: the same limits count all calls of the same kind."""
    model, tags = call.model, call.tags
    names = None if model is None else (model.raw, model.base)
    return tags.get("use_case"), tags.get("team"), tags.get("key_id"), names


def _values(subject: Subject, call: Call) -> Sequence[str | None]:
    if subject is Subject.MODEL:
        model = call.model
        return () if model is None else (model.raw, model.profile, model.base)
    return (call.tags.get(_TAGS[subject]),)


_TAGS: Mapping[Subject, str] = {Subject.USE_CASE: "use_case", Subject.TEAM: "team", Subject.KEY: "key_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """What a call may use at most."""

    usd: Decimal | None
    """US dollars; None when it has no price and passes all the same."""
    tokens: int
    """Tokens, as limits count them."""


def ask_of(limit: Limit, window: Window, worst: Worst | None) -> Ask | None:
    """Say what a call asks of a limit.

    Args:
        limit: A limit that the call belongs to.
        window: The window that the call was admitted in; it also settles there.
        worst: What the call may use at most; not needed for requests and for limits that only warn.

    Returns:
        None when the call uses nothing of what the limit counts.
    """
    if limit.on_exceed is OnExceed.WARN:
        amount = Decimal(0)
    elif limit.unit is Unit.REQUESTS:
        amount = Decimal(1)
    else:
        most = None if worst is None else worst.usd if limit.unit is Unit.USD else Decimal(worst.tokens)
        if most is not None and not most:
            return None
        amount = Decimal(0) if most is None else money(most)
    final = limit.unit is Unit.REQUESTS and limit.period is Period.MINUTE and limit.on_exceed is OnExceed.DENY
    return Ask(limit=limit, window=window.key, amount=amount, resets_at=window.end, final=final)


def spent_by(ask: Ask, record: Record) -> Decimal:
    """Say what a call has used of a limit. What is not certain is never less than what was held.

    A request is one, whatever became of it. A call of which Bedrock certainly processed nothing used no money and no
    tokens; one whose price or count is unknown used what was held for it.
    """
    if ask.limit.unit is Unit.REQUESTS:
        return Decimal(1)
    exact = record.outcome.certainty is Certainty.EXACT
    if exact and record.usage is None:
        return Decimal(0)
    actual = _actual(ask.limit.unit, record)
    if actual is None:
        return ask.amount
    return actual if exact else max(actual, ask.amount)


def _actual(unit: Unit, record: Record) -> Decimal | None:
    if unit is Unit.USD:
        return None if record.cost is None else money(record.cost)
    usage = record.usage
    return None if usage is None else Decimal((usage.input or 0) + (usage.cache_write or 0) + (usage.output or 0))


def money(amount: Decimal) -> Decimal:
    """Round an amount of money up to what every store can keep."""
    return amount.quantize(_SMALLEST, context=_MONEY).normalize(_EXACT)


def place(ask: Ask) -> tuple[str, str]:
    """Give the partition and the sort key of a counter, in the one table that stores have."""
    return f"LIMIT#{ask.limit.id}", ask.window


def expires(ask: Ask) -> int:
    """Give when a counter may be deleted, in seconds since 1970; no call that was admitted in it lasts so long."""
    return int((ask.resets_at + _KEPT).timestamp())


def settled(counter: Counter, settlement: Settlement) -> Counter:
    """Give what a counter says after a settlement."""
    used = _EXACT.add(counter.used, change(settlement))
    return Counter(used=used, spent=_EXACT.add(counter.spent, settlement.spent))


def change(settlement: Settlement) -> Decimal:
    """Give what a settlement adds to what is used."""
    return _EXACT.subtract(settlement.spent, settlement.ask.amount)


def held(counter: Counter, ask: Ask) -> Counter | None:
    """Give what a counter says after a hold; None when it has no room for it."""
    if counter.used > room(ask):
        return None
    used = _EXACT.add(counter.used, ask.amount)
    return Counter(used=used, spent=_EXACT.add(counter.spent, ask.amount) if ask.final else counter.spent)


def begins(ask: Ask) -> int:
    """Give when the window of an ask began, in seconds since 1970. What may be deleted by then may be deleted now.

    Its end would be too late for that: a month's is after that of every day in it.
    """
    return int(datetime.fromisoformat(ask.window).timestamp())


def room(ask: Ask) -> Decimal:
    """Give how much of a counter may be used already for an ask to fit; below 0 when it fits into no window."""
    return _EXACT.subtract(ask.limit.amount, ask.amount)


def refusal(ask: Ask, counter: Counter | None, now: datetime) -> BudgetExceeded:
    """Say that a limit has no room for a call.

    Args:
        ask: What the call asked for.
        counter: What the counter said; None for an ask that fits into no window, for which nobody looked at it. Such a
            call is `BudgetExceeded` whatever the period, since waiting would not help.
        now: When the call was made; aware.
    """
    limit, unit = ask.limit, ask.limit.unit
    head = f"The limit {limit.id} of {_amount(limit.amount, unit)} a {limit.period} has no room for this call"
    facts: dict[str, Any] = {
        "limit": limit.id,
        "unit": unit.value,
        "amount": limit.amount,
        "asked": ask.amount,
        "resets_at": ask.resets_at,
    }
    if counter is None:
        message = (
            f"{head}, which may need {_amount(ask.amount, unit)}: more than the limit ever has. Set max_tokens lower "
            "or send less, or ask the owner of the limit for more."
        )
        return BudgetExceeded(message, spent=None, held=None, **facts)
    waiting = _EXACT.subtract(counter.used, counter.spent)
    smaller = "" if unit is Unit.REQUESTS else ", or a smaller one now (max_tokens bounds its output)"
    message = (
        f"{head}: {_amount(counter.spent, unit)} are spent, {_amount(waiting, unit)} are held for calls that have not "
        f"been settled, and this call may need {_amount(ask.amount, unit)}. The limit resets at "
        f"{ask.resets_at:%Y-%m-%dT%H:%M:%SZ}. Send the call again then{smaller}, or ask the limit's owner for more."
    )
    if limit.period is Period.MINUTE:
        wait = max(1, ceil((ask.resets_at - now).total_seconds()))
        return RateLimited(message, retry_after=wait, spent=counter.spent, held=waiting, **facts)
    return BudgetExceeded(message, spent=counter.spent, held=waiting, **facts)


def _amount(amount: Decimal, unit: Unit) -> str:
    return f"{amount.normalize(_EXACT):f} {'USD' if unit is Unit.USD else unit}"


def passed(limit: Limit, before: Decimal, after: Decimal) -> tuple[int, int | None] | None:
    """Tell which whole percent of a limit's amount a step of what is spent has passed.

    Args:
        limit: The limit.
        before: What was spent before the step.
        after: What is spent after it.

    Returns:
        None when it passed none; else the highest one, and the highest of `LEVELS` that it passed or None. Windows of
        a minute are over before anybody could act, so only their end is told: 100 %.
    """
    percent, earlier = _percent(limit, after), _percent(limit, before)
    levels = LEVELS[-1:] if limit.period is Period.MINUTE else LEVELS
    level = max((level for level in levels if earlier < level <= percent), default=None)
    if percent == earlier or (limit.period is Period.MINUTE and level is None):
        return None
    return percent, level


def _percent(limit: Limit, spent: Decimal) -> int:
    return int(_EXACT.divide_int(_EXACT.multiply(spent, _PERCENT), limit.amount))
