"""Admission and settlement with everything around them faked: what is held, what is asked of whom, who is told."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from tests.books import a_book, a_row
from tests.builders import (
    CLAUDE,
    FakeFaultLog,
    FakeForecaster,
    a_call,
    a_limit,
    a_model,
    a_record,
    a_usage,
    an_ask,
    an_outcome,
)

from bedrock_meter.adapters.memory import FixedLimits, MemoryLimitStore, MemorySink
from bedrock_meter.adapters.pricebook import PACKAGED
from bedrock_meter.charge import worst_case
from bedrock_meter.domain import Certainty, Operation
from bedrock_meter.errors import BudgetExceeded, LimitStoreError, LimitsUnavailable, RegistryError, UnpricedModel
from bedrock_meter.limiter import LIMIT_FAULT, NOTIFIER_FAULT, Admission, Limiter, Policy
from bedrock_meter.limits import Ask, BudgetUse, Counter, Limit, OnExceed, Period, Settlement, Subject, Unit
from bedrock_meter.outputs import output_bound
from bedrock_meter.pricing import PriceBook


class CountingStore(MemoryLimitStore):
    """A store that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.holds: list[Sequence[Ask]] = []
        self.settlements: list[Settlement] = []
        self.down = False

    def hold(self, asks: Sequence[Ask]) -> tuple[Ask, Counter] | None:
        """Hold, unless it is down."""
        self.holds.append(asks)
        if self.down:
            raise LimitStoreError("down")
        return super().hold(asks)

    def settle(self, settlement: Settlement) -> Counter:
        """Settle, unless it is of the limit that is broken."""
        self.settlements.append(settlement)
        if settlement.ask.limit.id == "broken":
            raise LimitStoreError("lost")
        return super().settle(settlement)


@dataclass(kw_only=True)
class Bench:
    """A limiter with fakes all around it."""

    limits: Sequence[Limit]
    policy: Policy = field(default_factory=Policy)
    store: CountingStore = field(default_factory=CountingStore)
    forecaster: FakeForecaster = field(default_factory=lambda: FakeForecaster(tokens=100, most=200))
    faults: FakeFaultLog = field(default_factory=FakeFaultLog)
    sink: MemorySink = field(default_factory=MemorySink)
    book: PriceBook = field(default_factory=a_book)

    def __post_init__(self) -> None:
        """Join the parts."""
        self.limiter = Limiter(
            directory=FixedLimits(self.limits),
            store=self.store,
            forecaster=self.forecaster,
            pricer=self.book,
            faults=self.faults,
            policy=self.policy,
            notifiers=[Deaf(), self.sink],
        )

    def admit(self, body: bytes = b"{}", **call: Any) -> Admission | None:
        """Admit a call with a bound of 1000 output tokens."""
        return self.limiter.admit(a_call(**({"max_output_tokens": 1000} | call)), body)


class Deaf:
    """A `Notifier` with a bug."""

    def used(self, use: BudgetUse) -> None:
        """Fail."""
        raise ZeroDivisionError(str(use.percent))


@pytest.mark.parametrize(
    ("body", "policy", "held"),
    [
        (b"{}", Policy(), "0.0156"),  # 200 x 3 + 1000 x 15
        (b'{"cachePoint":{}}', Policy(), "0.0162"),  # 200 x 6: written for an hour
        (b'{"\\u0063ache_control":{}}', Policy(), "0.0162"),
        (b"{}", Policy(hold_estimate=True), "0.01533"),  # 110 x 3
    ],
)
def test_what_is_held_of_a_budget(body: bytes, policy: Policy, held: str) -> None:
    """The dearest rate that the input may be billed at, and the whole output; by setting, the estimate and a tenth."""
    admission = Bench(limits=[a_limit()], policy=policy).admit(body)
    assert admission is not None
    assert admission.usd == Decimal(held)
    assert admission.forecast is not None


def test_an_estimate_is_never_held_above_the_bound() -> None:
    """The margin does not go beyond what the input cannot pass."""
    bench = Bench(
        limits=[a_limit()], policy=Policy(hold_estimate=True), forecaster=FakeForecaster(tokens=199, most=200)
    )
    admission = bench.admit()
    assert admission is not None
    assert admission.usd == Decimal("0.0156")


def test_one_limit_takes_one_hold_and_one_settlement() -> None:
    """A call under one limit asks its store twice in all."""
    bench = Bench(limits=[a_limit()])
    admission = bench.admit()
    assert admission is not None
    admission.settle(a_record(cost=Decimal("0.001")))
    assert (len(bench.store.holds), len(bench.store.settlements)) == (1, 1)


def test_a_rate_of_requests_takes_one_write() -> None:
    """Requests a minute are exact when they are admitted, so nothing is forecast and nothing settled."""
    bench = Bench(limits=[a_limit("9", unit=Unit.REQUESTS, period=Period.MINUTE)])
    admission = bench.admit()
    assert admission is not None
    admission.settle(a_record())
    admission.release()
    assert (len(bench.store.holds), bench.store.settlements, bench.forecaster.asked) == (1, [], 0)
    assert (admission.usd, admission.forecast) == (None, None)


def test_a_warning_limit_takes_one_write() -> None:
    """A limit that only warns is not asked before the call."""
    bench = Bench(limits=[a_limit(on_exceed=OnExceed.WARN)])
    admission = bench.admit()
    assert admission is not None
    admission.settle(a_record(cost=Decimal("0.001")))
    assert (bench.store.holds, len(bench.store.settlements), bench.forecaster.asked) == ([], 1, 0)


def test_without_a_limit_nobody_is_asked() -> None:
    """No limit, no forecast, no store."""
    bench = Bench(limits=[])
    assert bench.admit() is None
    assert (bench.store.holds, bench.forecaster.asked) == ([], 0)


def test_what_cannot_fit_is_refused_without_the_store() -> None:
    """A call larger than the whole limit changes nothing anywhere."""
    bench = Bench(limits=[a_limit("0.01"), a_limit("5", id="other")])
    with pytest.raises(BudgetExceeded, match="ever has"):
        bench.admit()
    assert bench.store.holds == []


def test_a_counter_that_fails_does_not_stop_the_others() -> None:
    """Each counter is settled by itself; the failure is raised when all had their turn."""
    limits = [a_limit("5", id="broken"), a_limit("5", id="fine")]
    bench = Bench(limits=limits)
    admission = bench.admit()
    assert admission is not None
    with pytest.raises(LimitStoreError):
        admission.settle(a_record(cost=Decimal("0.01")))
    broken, fine = bench.store.read([an_ask(limit=limit) for limit in limits])
    assert broken == Counter(used=Decimal("0.0156"), spent=Decimal(0))
    assert fine == Counter(used=Decimal("0.01"), spent=Decimal("0.01"))


def test_who_is_told_of_budgets() -> None:
    """Every notifier hears each whole percent with its level; one that fails is reported and keeps nobody from it."""
    bench = Bench(limits=[a_limit("0.1")])
    for cost in ("0.0004", "0.0148", "0.0148", "0.0148", "0.0148", "0.0148"):
        admission = bench.admit()
        assert admission is not None
        admission.settle(a_record(cost=Decimal(cost), outcome=an_outcome(duration_ms=2000.0)))
    assert [(use.percent, use.level) for use in bench.sink.uses] == [
        (15, None),
        (30, None),
        (44, None),
        (59, 50),
        (74, None),
    ]
    last = bench.sink.uses[-1]
    assert (last.spent, last.at.second) == (Decimal("0.0744"), 2)
    assert set(bench.faults.codes) == {NOTIFIER_FAULT}


def test_release_gives_back_what_was_held() -> None:
    """A call that was not made after all leaves its window as it found it."""
    bench = Bench(limits=[a_limit()])
    admission = bench.admit()
    assert admission is not None
    admission.release()
    assert bench.store.read([an_ask()]) == [Counter()]


class Lost:
    """A directory that cannot be read."""

    def limits(self) -> Sequence[Limit]:
        """Fail."""
        raise RegistryError("gone")


@pytest.mark.parametrize("fail_open", [True, False])
def test_a_directory_that_cannot_be_read(*, fail_open: bool) -> None:
    """Without the limits a call passes or not, as the fail mode says; the fault is counted either way."""
    faults = FakeFaultLog()
    limiter = Limiter(
        directory=Lost(),
        store=MemoryLimitStore(),
        forecaster=FakeForecaster(),
        pricer=None,
        faults=faults,
        policy=Policy(fail_open=fail_open),
    )
    if fail_open:
        admission = limiter.admit(a_call(), b"")
        assert admission is not None
        assert (admission.asks, admission.faults) == ((), (LIMIT_FAULT,))
    else:
        with pytest.raises(LimitsUnavailable):
            limiter.admit(a_call(), b"")
    assert faults.codes == [LIMIT_FAULT]


def test_a_call_that_went_on_without_a_hold_is_still_spent() -> None:
    """When the hold failed the settlement counts the whole cost, so an outage of one request hides nothing."""
    bench = Bench(limits=[a_limit("5"), a_limit("9", id="rate", unit=Unit.REQUESTS, period=Period.MINUTE)])
    bench.store.down = True
    admission = bench.admit()
    assert admission is not None
    assert admission.limits == ("all-day", "rate")
    admission.settle(a_record(cost=Decimal("0.02")))
    assert bench.store.read([an_ask()]) == [Counter(used=Decimal("0.02"), spent=Decimal("0.02"))]
    assert bench.store.settlements[1].spent == 1


def test_an_application_profile_whose_model_is_not_known_yet() -> None:
    """The model behind a profile is asked for beside the first call, which may be sent again in a moment."""
    model = a_model("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6")
    with pytest.raises(LimitsUnavailable, match="GetInferenceProfile"):
        Bench(limits=[a_limit()]).admit(model=model)


def test_a_profile_does_not_pass_by_the_limits_of_its_model() -> None:
    """While nobody knows whether a limit of models counts the call, it is not let by; its price does not matter."""
    opaque = a_model("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6")
    limit = a_limit("5", id="claude", subject=Subject.MODEL, pattern="anthropic.*", unit=Unit.REQUESTS)
    bench = Bench(limits=[limit])
    for _ in range(2):
        with pytest.raises(LimitsUnavailable, match="claude"):
            bench.admit(model=opaque)
    assert bench.admit(model=replace(opaque, base="amazon.nova-lite-v1:0")) is None
    admission = bench.admit(model=replace(opaque, base=CLAUDE))
    assert admission is not None
    assert admission.limits == ("claude",)

    by_arn = replace(limit, id="by-arn", pattern="arn:*")
    warning = replace(limit, id="warning", on_exceed=OnExceed.WARN)
    assert Bench(limits=[by_arn, warning]).admit(model=opaque) is not None


def test_an_unpriced_model_is_refused_or_not() -> None:
    """Under a limit in dollars the policy decides; where it may pass, a price that turns up is still counted."""
    model = a_model("acme.unheard-of-v1:0")
    with pytest.raises(UnpricedModel) as raised:
        Bench(limits=[a_limit()]).admit(model=model)
    assert raised.value.limit == "all-day"

    bench = Bench(limits=[a_limit()], policy=Policy(allow_unpriced=True))
    admission = bench.admit(model=model)
    assert admission is not None
    assert (admission.usd, bench.store.holds) == (None, [])
    admission.settle(a_record(cost=Decimal("0.3")))
    assert bench.store.read([an_ask()]) == [Counter(used=Decimal("0.3"), spent=Decimal("0.3"))]


def test_limits_in_tokens_need_no_price() -> None:
    """A limit in tokens holds the input at its most and the output bound, of any model."""
    limit = a_limit("2000", unit=Unit.TOKENS)
    bench = Bench(limits=[limit], book=a_book(a_row(model="other.model-v1")))
    admission = bench.admit(model=a_model("acme.unheard-of-v1:0"))
    assert admission is not None
    assert bench.store.read([an_ask(limit=limit)]) == [Counter(used=Decimal(1200), spent=Decimal(0))]
    admission.settle(a_record(usage=a_usage(), outcome=an_outcome(certainty=Certainty.EXACT)))
    assert bench.store.read([an_ask(limit=limit)])[0].spent == 11 + 22 + 44 + 55


def test_two_limits_of_one_id_are_refused() -> None:
    """They would share their counters."""
    with pytest.raises(ValueError, match="same id"):
        FixedLimits([a_limit(), a_limit("3")])


@pytest.mark.parametrize(
    ("model", "bound", "most"),
    [
        (CLAUDE, None, 64_000),
        (f"us.{CLAUDE}", None, 64_000),
        (CLAUDE, 300, 300),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", None, 8_192),
        ("anthropic.claude-3-haiku-20240307-v1:0", None, 4_096),
        ("amazon.nova-lite-v1:0", None, 10_000),
        ("acme.unheard-of-v1:0", None, 777),
        ("amazon.titan-embed-text-v2:0", None, 0),
        ("cohere.rerank-v3-5:0", None, 0),
        ("stability.stable-image-core-v1:1", None, 0),
    ],
)
def test_how_long_an_answer_can_become(model: str, bound: int | None, most: int) -> None:
    """The caller's own bound counts, else the model's, else the deployment's default; embeddings write nothing."""
    assert output_bound(a_call(model=a_model(model), max_output_tokens=bound), 777) == most


def test_a_guardrail_alone_writes_nothing() -> None:
    """An operation without a model has no output tokens."""
    assert output_bound(a_call(model=None), 777) == 0


GUARDRAIL = a_row(
    model="guardrail",
    scope="in-region",
    rates={"content_policy_units": "0.0002", "topic_policy_units": "0.0001", "word_policy_units": "0"},
)


@pytest.mark.parametrize(
    ("row", "call", "worst"),
    [
        (a_row(), {}, "0.0156"),
        (a_row(), {"operation": Operation.COUNT_TOKENS}, "0"),
        (a_row(model="other.model"), {}, None),
        (a_row(tier="priority"), {"tier": "priority"}, "0.0156"),
        (a_row(tier="priority"), {}, None),
        (a_row(rates={"images": "0.04"}), {}, "0.04"),
        (a_row(rates={"input": "0", "output": "0", "search_units": "0.002"}), {"documents": 201}, "0.006"),
        (a_row(rates={"input": "0", "output": "0", "search_units": "0.002"}), {}, "0.002"),
        (GUARDRAIL, {"model": None, "operation": Operation.APPLY_GUARDRAIL, "input_bytes": 1001}, "0.0006"),
    ],
)
def test_the_worst_case_of_a_call(row: dict[str, Any], call: dict[str, Any], worst: str | None) -> None:
    """It is priced by the row that the call would be priced by, with every unit that the request tells of."""
    found = worst_case(a_call(**call), input_tokens=200, output_tokens=1000, cached=False, pricer=a_book(row))
    assert found == (None if worst is None else Decimal(worst))


def test_a_longer_input_is_never_cheaper() -> None:
    """Holding by the band of the longest possible input is the worst case, for every model of the packaged book."""
    book = PriceBook.from_json(PACKAGED.read_bytes())
    bands = 0
    for model in sorted({row["model"] for row in _rows()}):
        for name in (model, f"us.{model}", f"global.{model}"):
            call = a_call(model=a_model(name))
            costs = [
                worst_case(call, input_tokens=size, output_tokens=1000, cached=True, pricer=book)
                for size in (1, 200_000, 200_001, 272_001, 10**6)
            ]
            known = [cost for cost in costs if cost is not None]
            assert known == sorted(known)
            bands += len(known) > 1
    assert bands > 20


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(PACKAGED.read_bytes())["rows"]
    return rows
