"""Which limits count a call, their windows, what is asked of them, and what a refusal says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.builders import (
    CLAUDE,
    CLAUDE_US,
    NOON,
    PROPERTY,
    a_call,
    a_limit,
    a_model,
    a_record,
    a_usage,
    an_ask,
    an_outcome,
)

from bedrock_meter.budget import (
    Windows,
    Worst,
    ask_of,
    belongs,
    change,
    held,
    money,
    passed,
    refusal,
    room,
    settled,
    spent_by,
)
from bedrock_meter.domain import Certainty, Record
from bedrock_meter.errors import BudgetExceeded, RateLimited
from bedrock_meter.limits import Ask, Counter, OnExceed, Period, Settlement, Subject, Unit

BERLIN, SAMOA, BEIRUT = ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Apia"), ZoneInfo("Asia/Beirut")
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Pacific/Apia",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
]
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001 - made aware right here


def utc(text: str) -> datetime:
    """Read a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "period", "now", "start", "end"),
    [
        (UTC, Period.MINUTE, "2026-11-23T12:00:59.999999", "2026-11-23T12:00", "2026-11-23T12:01"),
        (UTC, Period.MINUTE, "2026-11-23T12:01:00", "2026-11-23T12:01", "2026-11-23T12:02"),
        (UTC, Period.DAY, "2026-11-23T23:59:59", "2026-11-23T00:00", "2026-11-24T00:00"),
        (UTC, Period.MONTH, "2026-12-31T23:59:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        (UTC, Period.MONTH, "2028-02-29T12:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        (BERLIN, Period.DAY, "2026-11-23T22:59", "2026-11-22T23:00", "2026-11-23T23:00"),
        (BERLIN, Period.DAY, "2026-11-23T23:00", "2026-11-23T23:00", "2026-11-24T23:00"),
        (BERLIN, Period.DAY, "2026-03-29T12:00", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        (BERLIN, Period.DAY, "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        (BERLIN, Period.MONTH, "2026-10-31T23:00", "2026-10-31T23:00", "2026-11-30T23:00"),
        (SAMOA, Period.DAY, "2011-12-30T09:59", "2011-12-29T10:00", "2011-12-30T10:00"),
        (SAMOA, Period.DAY, "2011-12-30T10:00", "2011-12-30T10:00", "2011-12-31T10:00"),  # the 30th was left out
        (BEIRUT, Period.DAY, "2026-03-28T22:00", "2026-03-28T22:00", "2026-03-29T21:00"),  # it begins at 01:00
    ],
)
def test_windows_on_paper(zone: ZoneInfo, period: Period, now: str, start: str, end: str) -> None:
    """Days and months are those of the zone's calendar, whatever its clocks do; minutes are the same everywhere."""
    window = Windows(zone).at(period, utc(now))
    assert (window.start, window.end) == (utc(start), utc(end))
    assert window.key == f"{start}Z"


@PROPERTY
@given(zone=st.sampled_from(ZONES), period=st.sampled_from(Period), now=MOMENTS)
def test_windows_follow_each_other_without_gap(zone: str, period: Period, now: datetime) -> None:
    """A moment is in exactly one window, and the end of one is the start of the next."""
    windows = Windows(ZoneInfo(zone))
    window = windows.at(period, now)
    assert window.start <= now < window.end
    assert Windows(ZoneInfo(zone)).at(period, window.start) == window
    assert Windows(ZoneInfo(zone)).at(period, window.end - timedelta(microseconds=1)) == window
    assert Windows(ZoneInfo(zone)).at(period, window.end).start == window.end
    assert windows.at(period, window.start - timedelta(microseconds=1)).end == window.start


def test_a_clock_that_jumps_back_finds_the_earlier_window() -> None:
    """What window a call is in depends on its own time alone."""
    windows = Windows()
    later = windows.at(Period.DAY, NOON + timedelta(days=1))
    assert windows.at(Period.DAY, NOON).end == later.start
    assert windows.at(Period.DAY, NOON + timedelta(days=1)) == later


@pytest.mark.parametrize(
    ("subject", "pattern", "counts"),
    [
        (Subject.ALL, "*", True),
        (Subject.USE_CASE, "chatbot", True),
        (Subject.USE_CASE, "chat*", True),
        (Subject.USE_CASE, "*b*t", True),
        (Subject.USE_CASE, "chatbo", False),
        (Subject.USE_CASE, "Chatbot", False),
        (Subject.USE_CASE, "chatbo?", False),
        (Subject.USE_CASE, "[c]hatbot", False),
        (Subject.TEAM, "search", True),
        (Subject.KEY, "*", False),
        (Subject.MODEL, CLAUDE_US, True),
        (Subject.MODEL, CLAUDE, True),
        (Subject.MODEL, "anthropic.*", True),
        (Subject.MODEL, "us.*", True),
        (Subject.MODEL, "amazon.*", False),
    ],
)
def test_which_limits_count_a_call(subject: Subject, pattern: str, *, counts: bool) -> None:
    """A star stands for any characters and nothing else stands for any; what a call does not have is in no limit."""
    call = a_call(tags={"use_case": "chatbot", "team": "search"}, model=a_model(CLAUDE_US))
    assert belongs(a_limit(subject=subject, pattern=pattern), call) is counts


def test_a_call_without_a_model_is_in_no_limit_of_models() -> None:
    """A guardrail that is applied by itself has no model."""
    assert not belongs(a_limit(subject=Subject.MODEL), a_call(model=None))


WINDOW = Windows().at(Period.DAY, NOON)
WORST = Worst(usd=Decimal("0.0000000000001"), tokens=1200)


@pytest.mark.parametrize(
    ("changes", "worst", "amount", "final"),
    [
        ({}, WORST, "0.000000000001", False),
        ({"unit": Unit.TOKENS}, WORST, "1200", False),
        ({"unit": Unit.REQUESTS}, None, "1", False),
        ({"unit": Unit.REQUESTS, "period": Period.MINUTE}, None, "1", True),
        ({"unit": Unit.REQUESTS, "period": Period.MINUTE, "on_exceed": OnExceed.WARN}, None, "0", False),
        ({"on_exceed": OnExceed.WARN}, None, "0", False),
        ({}, Worst(usd=None, tokens=5), "0", False),
        ({}, None, "0", False),
    ],
)
def test_what_a_call_asks(changes: dict[str, Any], worst: Worst | None, amount: str, *, final: bool) -> None:
    """Money is rounded up, a request is one, and a limit that warns is asked for nothing."""
    ask = ask_of(a_limit(**changes), WINDOW, worst)
    assert ask is not None
    assert (ask.amount, ask.final, ask.window, ask.resets_at) == (Decimal(amount), final, WINDOW.key, WINDOW.end)


def test_a_call_that_uses_nothing_asks_for_nothing() -> None:
    """Where the worst case is nothing, the limit has nothing to hold and nothing to settle."""
    free = Worst(usd=Decimal(0), tokens=0)
    assert ask_of(a_limit(), WINDOW, free) is None
    assert ask_of(a_limit(unit=Unit.TOKENS), WINDOW, free) is None


USAGE = a_usage(input=10, output=20, cache_read=1000, cache_write_5m=3, cache_write_1h=4)
EXACT, AT_LEAST, UNKNOWN = (an_outcome(certainty=certainty) for certainty in Certainty)


@pytest.mark.parametrize(
    ("unit", "record", "spent"),
    [
        (Unit.USD, a_record(cost=Decimal("0.3"), outcome=EXACT), "0.3"),
        (Unit.USD, a_record(cost=Decimal("1.3"), outcome=EXACT), "1.3"),
        (Unit.USD, a_record(cost=Decimal("0.0000000000001"), outcome=EXACT), "0.000000000001"),
        (Unit.USD, a_record(usage=None, outcome=EXACT), "0"),
        (Unit.USD, a_record(cost=None, outcome=EXACT), "0.5"),
        (Unit.USD, a_record(cost=Decimal("0.3"), outcome=AT_LEAST), "0.5"),
        (Unit.USD, a_record(cost=Decimal("0.7"), outcome=AT_LEAST), "0.7"),
        (Unit.USD, a_record(usage=None, outcome=UNKNOWN), "0.5"),
        (Unit.TOKENS, a_record(usage=USAGE, outcome=EXACT), "37"),
        (Unit.TOKENS, a_record(usage=a_usage(output=None), outcome=AT_LEAST), "110"),
        (Unit.TOKENS, a_record(usage=None, outcome=EXACT), "0"),
        (Unit.REQUESTS, a_record(usage=None, outcome=EXACT), "1"),
    ],
)
def test_what_a_call_has_spent(unit: Unit, record: Record, spent: str) -> None:
    """Exact counts settle to themselves; whatever is not certain never settles for less than was held."""
    assert spent_by(an_ask("0.5", limit=replace(a_limit("5"), unit=unit)), record) == Decimal(spent)


def test_what_a_refusal_says() -> None:
    """It names the limit, what is spent and held, what was asked, when it resets, and what to do."""
    counter = Counter(used=Decimal("0.95"), spent=Decimal("0.90"))
    error = refusal(an_ask("0.10"), counter, NOON)
    assert isinstance(error, BudgetExceeded)
    assert not isinstance(error, RateLimited)
    assert (error.limit, error.unit, error.amount) == ("all-day", "usd", Decimal(1))
    assert (error.spent, error.held, error.asked) == (Decimal("0.90"), Decimal("0.05"), Decimal("0.10"))
    assert error.resets_at == utc("2026-11-24T00:00")
    for part in (
        "all-day",
        "1 USD a day",
        "0.9 USD are spent",
        "0.05 USD are held",
        "need 0.1 USD",
        "2026-11-24T00:00:00Z",
    ):
        assert part in error.message


@pytest.mark.parametrize(("left", "seconds"), [("59.4", 60), ("1", 1), ("0.2", 1), ("-5", 1)])
def test_how_long_a_rate_asks_to_wait(left: str, seconds: int) -> None:
    """Retry-After is whole seconds, rounded up, and never 0, also for a clock that has run on."""
    limit = a_limit("5", unit=Unit.REQUESTS, period=Period.MINUTE)
    ask = an_ask("1", limit=limit, resets_at=NOON + timedelta(seconds=float(left)))
    error = refusal(ask, Counter(used=Decimal(5), spent=Decimal(5)), NOON)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds
    assert "max_tokens" not in error.message


def test_what_never_fits_is_no_rate() -> None:
    """Waiting would not help a call that is larger than the limit, so no SDK should wait."""
    limit = a_limit("5", unit=Unit.TOKENS, period=Period.MINUTE)
    error = refusal(an_ask("6", limit=limit), None, NOON)
    assert not isinstance(error, RateLimited)
    assert (error.spent, error.held) == (None, None)
    assert "more than the limit ever has" in error.message


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("0", "0.009", None),
        ("0", "0.01", (1, None)),
        ("0.4999", "0.5", (50, 50)),
        ("0.5", "0.5", None),
        ("0.5", "0.509", None),
        ("0.1", "0.9", (90, 80)),
        ("0.1", "3", (300, 100)),
        ("1", "1.02", (102, None)),
        ("0.99", "0.999999999999", None),
    ],
)
def test_which_thresholds_a_step_passes(before: str, after: str, expected: tuple[int, int | None] | None) -> None:
    """A step tells the whole percent that it reaches, if it reaches a new one, and the highest level on its way."""
    assert passed(a_limit(), Decimal(before), Decimal(after)) == expected


def test_a_minute_tells_only_its_end() -> None:
    """A window of a minute is over before anybody could act on half of it."""
    limit = a_limit(period=Period.MINUTE)
    assert passed(limit, Decimal(0), Decimal("0.9")) is None
    assert passed(limit, Decimal("0.9"), Decimal("1.1")) == (110, 100)
    assert passed(limit, Decimal("1.1"), Decimal(5)) is None


AMOUNTS = st.decimals(0, 1000, places=12)


@PROPERTY
@given(steps=st.lists(AMOUNTS, max_size=30), amount=st.decimals("0.01", 1000, places=2))
def test_each_level_is_passed_once(steps: list[Decimal], amount: Decimal) -> None:
    """However a window is spent, each level is told at most once, in order, and the last one when it is spent."""
    limit, spent, levels, percents = a_limit(str(amount)), Decimal(0), [], []
    for step in steps:
        told = passed(limit, spent, spent + step)
        spent += step
        if told is not None:
            percents.append(told[0])
            levels += [told[1]] if told[1] else []
    assert percents == sorted(set(percents))
    assert levels == sorted(set(levels))
    assert (100 in levels) == (spent >= amount)


@PROPERTY
@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_a_hold_and_its_settlement_balance(before: Decimal, asked: Decimal, spent: Decimal) -> None:
    """After hold and settlement a counter has grown by what was spent, to the last digit."""
    counter, ask = Counter(used=before, spent=before), an_ask(str(asked), limit=a_limit("100000"))
    after = held(counter, ask)
    assert after is not None
    settlement = Settlement(ask=ask, spent=spent)
    assert settled(after, settlement) == Counter(used=before + spent, spent=before + spent)
    assert change(settlement) == spent - asked


@PROPERTY
@given(st.decimals(0, 10**6, places=18))
def test_money_is_rounded_up(amount: Decimal) -> None:
    """Rounding never makes a hold smaller than the price, and adds less than a billionth of a cent."""
    assert amount <= money(amount) < amount + Decimal("1e-12")


class Window(RuleBasedStateMachine):
    """Calls that come, hold, end, crash, and a clock that moves both ways, against one limit and its counters."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.counters: dict[str, Counter] = {}
        self.open: list[Ask] = []
        self.spent: dict[str, Decimal] = {}
        self.held: dict[str, Decimal] = {}
        self.limit = a_limit()
        self.windows = Windows()

    @initialize(period=st.sampled_from(Period), zone=st.sampled_from(ZONES), amount=st.integers(1, 20))
    def begin(self, period: Period, zone: str, amount: int) -> None:
        """Choose the limit."""
        self.limit = a_limit(str(amount), period=period)
        self.windows = Windows(ZoneInfo(zone))

    @rule(seconds=st.sampled_from([-86_400, -61, -1, 0, 1, 59, 60, 3_600, 86_400, 2_678_400]))
    def move(self, seconds: int) -> None:
        """Let the clock run, or jump back."""
        self.now += timedelta(seconds=seconds)

    @rule(worst=st.decimals("0.01", 8, places=2))
    def call(self, worst: Decimal) -> None:
        """Admit a call, if there is room."""
        window = self.windows.at(self.limit.period, self.now)
        ask = ask_of(self.limit, window, Worst(usd=worst, tokens=0))
        assert ask is not None
        after = held(self.counters.get(ask.window, Counter()), ask)
        fits = self.used(ask.window) + worst <= self.limit.amount
        assert (after is not None) == fits
        if after is None:
            assert (
                refusal(ask, self.counters.get(ask.window) if room(ask) >= 0 else None, self.now).limit == self.limit.id
            )
            return
        self.counters[ask.window] = after
        self.held[ask.window] = self.held.get(ask.window, Decimal(0)) + worst
        self.open.append(ask)

    @rule(share=st.integers(0, 100), which=st.integers(0, 1000))
    def end(self, share: int, which: int) -> None:
        """End one of the calls, in the window that it was admitted in, whatever time it is now."""
        if self.open:
            ask = self.open.pop(which % len(self.open))
            spent = ask.amount * share / 100
            window = ask.window
            self.counters[window] = settled(self.counters[window], Settlement(ask=ask, spent=spent))
            self.held[window] -= ask.amount
            self.spent[window] = self.spent.get(window, Decimal(0)) + spent

    @rule(which=st.integers(0, 1000))
    def crash(self, which: int) -> None:
        """Lose one of the calls: nobody will ever settle it."""
        if self.open:
            del self.open[which % len(self.open)]

    def used(self, window: str) -> Decimal:
        """Give what is used of a window, on paper."""
        return self.spent.get(window, Decimal(0)) + self.held.get(window, Decimal(0))

    @invariant()
    def balanced(self) -> None:
        """No window passes the limit, and each says exactly what was spent and what is held."""
        for window, counter in self.counters.items():
            assert counter.used == self.used(window) <= self.limit.amount
            assert counter.spent == self.spent.get(window, Decimal(0))


TestWindow = Window.TestCase
TestWindow.settings = settings(PROPERTY, max_examples=25, stateful_step_count=40)
