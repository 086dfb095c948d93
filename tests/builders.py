"""Values and fakes for tests: each builder gives a valid value, and a test names only what it is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from bedrock_meter.adapters.clock import SystemClock
from bedrock_meter.domain import (
    MAX_COUNT,
    Call,
    Certainty,
    Ending,
    Family,
    ModelRef,
    Operation,
    Outcome,
    Record,
    Scope,
    Status,
    Usage,
    UsageSource,
)
from bedrock_meter.emf import Emf
from bedrock_meter.forecast import Forecast
from bedrock_meter.limits import Ask, Limit, Period, Subject, Unit
from bedrock_meter.meter import Meter, Session
from bedrock_meter.modelid import parse

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_US = f"us.{CLAUDE}"
REGION = "us-east-1"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
"""How property tests run: the same examples each time, so that a red run belongs to the commit that shows it."""


class FakeClock:
    """A `Clock` that stands still until it is told to advance."""

    def __init__(self) -> None:
        self._elapsed = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._elapsed += seconds

    def now(self) -> datetime:
        """Give noon of a fixed day, plus what has passed."""
        return NOON + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Give seconds from a start that is not 0, so that nobody takes a reading for a duration."""
        return 1000.0 + self._elapsed


class NoonClock(SystemClock):
    """A clock of this machine on which it is always noon, so that no minute ends during a test."""

    def now(self) -> datetime:
        """Give noon of a fixed day."""
        return NOON


@dataclass(slots=True)
class FakeFaultLog:
    """A `FaultLog` that keeps the codes it was told."""

    codes: list[str] = field(default_factory=list)

    def report(self, code: str, error: BaseException | None = None) -> None:
        """Keep one code."""
        del error
        self.codes.append(code)


@dataclass(slots=True)
class FakeSink:
    """A `Sink` that keeps records, and raises as long as ``broken`` is set."""

    records: list[Record] = field(default_factory=list)
    broken: bool = False

    def emit(self, record: Record) -> None:
        """Keep one record, or fail."""
        if self.broken:
            raise OSError("the disk is full")
        self.records.append(record)


@dataclass(slots=True, kw_only=True)
class Bench:
    """A meter with fakes all around it."""

    clock: FakeClock = field(default_factory=FakeClock)
    sink: FakeSink = field(default_factory=FakeSink)
    faults: FakeFaultLog = field(default_factory=FakeFaultLog)
    meter: Meter = field(init=False)

    def __post_init__(self) -> None:
        """Join the parts."""
        self.meter = Meter(sink=self.sink, clock=self.clock, faults=self.faults)

    def session(self, call: Call | None = None) -> Session:
        """Open a session."""
        return self.meter.open(call or a_call())

    def exchange(
        self,
        *chunks: bytes,
        call: Call | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        ending: Ending = Ending.COMPLETE,
    ) -> Record:
        """Run one whole exchange and give its record."""
        session = self.session(call)
        session.sending()
        session.head(status, headers or {})
        for chunk in chunks:
            session.feed(chunk)
        record = session.close(ending)
        assert record is not None
        return record


@dataclass(slots=True)
class FakeForecaster:
    """A `Forecaster` that tells the same of every call, and counts how often it is asked."""

    tokens: int = 100
    most: int = 200
    asked: int = 0

    def forecast(self, call: Call, body: bytes) -> Forecast:
        """Tell it."""
        del call, body
        self.asked += 1
        return Forecast(tokens=self.tokens, most=self.most, method="bytes")


def a_limit(amount: str = "1", **changes: Any) -> Limit:
    """Give a limit on everything, by default of US dollars a day."""
    limit = Limit(id="all-day", subject=Subject.ALL, unit=Unit.USD, period=Period.DAY, amount=Decimal(amount))
    return replace(limit, **changes)


def an_ask(amount: str = "0.10", *, limit: Limit | None = None, **changes: Any) -> Ask:
    """Give what a call asks of a limit, in the window of the day of `NOON`."""
    end = NOON.replace(hour=0) + timedelta(days=1)
    ask = Ask(limit=limit or a_limit(), window="2026-11-23T00:00Z", amount=Decimal(amount), resets_at=end)
    return replace(ask, **changes)


def a_model(raw: str = CLAUDE_US) -> ModelRef:
    """Give a model, by default a US profile of Claude."""
    return parse(raw, REGION)


def a_call(**changes: Any) -> Call:
    """Give an InvokeModel call of the use case ``chatbot``."""
    call = Call(
        id="6a3d2e1c-0000-4000-8000-000000000001",
        operation=Operation.INVOKE_MODEL,
        model=a_model(),
        tags={"use_case": "chatbot"},
        input_bytes=120,
        received_at=NOON,
    )
    return replace(call, **changes)


def a_usage(**changes: Any) -> Usage:
    """Give a usage with every bucket known and different."""
    usage = Usage(input=11, output=22, cache_read=33, cache_write_5m=44, cache_write_1h=55, source=UsageSource.HEADER)
    return replace(usage, **changes)


def an_outcome(**changes: Any) -> Outcome:
    """Give the outcome of a call that went well; Bedrock's status is the caller's where nothing else is said."""
    if "http_status" in changes:
        ending, status = changes.get("ending"), changes["http_status"]
        unanswered = ending in {Ending.REFUSED, Ending.UNREACHABLE} or (ending, status) == (Ending.TIMED_OUT, 408)
        changes = {"bedrock_status": None if unanswered else status, **changes}
    outcome = Outcome(
        status=Status.OK,
        ending=Ending.COMPLETE,
        http_status=200,
        bedrock_status=200,
        stop_reason="end_turn",
        duration_ms=1500.0,
        first_byte_ms=500.0,
        overhead_ms=1.25,
        certainty=Certainty.EXACT,
        upstream_request_id="b0d1c2e3-0000-4000-8000-000000000002",
        upstream_latency_ms=1400,
    )
    return replace(outcome, **changes)


def a_record(**changes: Any) -> Record:
    """Give the record of a call that went well."""
    return replace(Record(call=a_call(), usage=a_usage(), outcome=an_outcome()), **changes)


def an_emf(**changes: Any) -> Emf:
    """Give an encoder that knows the use case ``chatbot`` and every model that Bedrock acknowledges."""
    arguments: dict[str, Any] = {
        "namespace": "BedrockMeter",
        "service": "meter-test",
        "use_cases": frozenset({"chatbot"}),
        "models": None,
        "version": "0.0.1",
    }
    return Emf(**(arguments | changes))


_text = st.text(max_size=40)
_counts = st.none() | st.integers(0, MAX_COUNT)
_milliseconds = st.none() | st.floats(0, 9e5)

models = st.builds(
    ModelRef,
    raw=_text,
    base=st.none() | st.sampled_from([CLAUDE, "meta.llama3-8b-instruct-v1:0", ""]) | _text,
    family=st.sampled_from(Family),
    scope=st.none() | st.sampled_from(Scope),
    region=st.none() | st.just(REGION) | _text,
    profile=st.none() | st.just(CLAUDE_US) | _text,
)
"""Any model, also ones that no parser would give."""

calls = st.builds(
    Call,
    id=_text,
    operation=st.sampled_from(Operation),
    model=st.none() | models,
    tags=st.dictionaries(st.sampled_from(["use_case", "team", "key_id"]), st.just("chatbot") | _text),
    max_output_tokens=st.none() | st.integers(1, MAX_COUNT),
    input_bytes=st.integers(0, 10**8),
    tier=st.none() | st.sampled_from(["priority", "default", "flex", "reserved"]),
    streaming=st.booleans(),
    attempt=st.none() | st.integers(1, 9999),
    received_at=st.integers(1_767_225_600_000, 2_208_988_800_000).map(
        lambda ms: datetime.fromtimestamp(ms / 1000, UTC)
    ),
)
"""Any call that the type allows."""

usages = st.builds(
    Usage,
    input=_counts,
    output=_counts,
    cache_read=_counts,
    cache_write_5m=_counts,
    cache_write_1h=_counts,
    other=st.dictionaries(st.sampled_from(["images", "search_units", "text_units"]), st.integers(0, MAX_COUNT)),
    source=st.sampled_from(UsageSource),
)
"""Any usage that the type allows."""

outcomes = st.builds(
    Outcome,
    status=st.sampled_from(Status),
    ending=st.sampled_from(Ending),
    http_status=st.none() | st.integers(100, 599),
    bedrock_status=st.none() | st.integers(100, 599),
    error_code=st.none() | _text,
    stop_reason=st.none() | _text,
    duration_ms=_milliseconds,
    first_byte_ms=_milliseconds,
    overhead_ms=st.floats(0, 9e5),
    certainty=st.sampled_from(Certainty),
    upstream_request_id=st.none() | _text,
    upstream_latency_ms=_counts,
    attempts=st.none() | st.integers(1, 20),
)
"""Any outcome that the type allows."""

records = st.builds(
    Record,
    call=calls,
    usage=st.none() | usages,
    outcome=outcomes,
    cost=st.none() | st.decimals(Decimal(0), Decimal(10**6), places=9),
    forecast=st.none()
    | st.builds(Forecast, tokens=st.integers(0, MAX_COUNT), most=st.integers(0, MAX_COUNT), method=_text),
    disagreement=st.booleans(),
    cold_start=st.booleans(),
    faults=st.lists(st.sampled_from(["reader_fault", "sink_fault"]), max_size=3).map(tuple),
)
"""Any record that the type allows."""
