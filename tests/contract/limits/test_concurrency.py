"""What limits promise when many callers want the same cent, on every store."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Barrier

from tests.builders import FakeFaultLog, FakeForecaster, a_call, a_limit, a_record, a_usage, an_ask

from bedrock_meter.adapters.memory import FixedLimits, MemorySink
from bedrock_meter.errors import BudgetExceeded
from bedrock_meter.limiter import Limiter
from bedrock_meter.limits import Counter, Limit, Period, Settlement, Unit
from bedrock_meter.ports import LimitStore

THREADS = 64
CALLS = {"memory": 50, "sqlite": 50, "dynamodb": 8}
"""For each thread; a simulated DynamoDB takes a millisecond for what the others do in microseconds."""
CALLERS = 500


@dataclass(slots=True)
class Ledger:
    """What one thread knows of its own calls."""

    settled: Decimal = Decimal(0)
    lost: Decimal = Decimal(0)
    refused: int = 0
    counters: list[Counter] = field(default_factory=list)


def at_once[T](work: Callable[[int], T], count: int, *, threads: int = THREADS) -> Sequence[T]:
    """Do some work in many threads that start together."""
    start = Barrier(threads)

    def one(number: int) -> T:
        if number < threads:
            start.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(count)))


def limit_for(calls: int, name: str = "all-day") -> Limit:
    """Give a limit that has about half of what the callers want, so that many calls are refused."""
    return a_limit(str(Decimal(THREADS * calls) / 400), id=name)


def caller(store: LimitStore, seed: int, calls: int, limits: Sequence[str]) -> Ledger:
    """Make calls of random cost, each at most what was held; one in ten dies between hold and settlement.

    All callers together want about twice what the limit has.
    """
    chance, ledger = random.Random(seed), Ledger()  # noqa: S311 - the same each time, on purpose
    for _ in range(calls):
        worst = Decimal(chance.randint(1, 200)) / 10_000
        asks = [an_ask(str(worst), limit=limit_for(calls, name)) for name in limits]
        if store.hold(asks) is not None:
            ledger.refused += 1
        elif chance.random() < 0.1:
            ledger.lost += worst
        else:
            spent = worst * chance.randint(0, 100) / 100
            ledger.counters += [store.settle(Settlement(ask=ask, spent=spent)) for ask in asks][:1]
            ledger.settled += spent
    return ledger


def test_many_callers_never_spend_more_than_the_limit(store: LimitStore, store_name: str) -> None:
    """64 callers, random costs, random crashes: nothing passes the limit, and the books balance to the last digit.

    What is used is what was settled and what the crashed calls had held; a crash gives nothing back.
    """
    calls = CALLS[store_name]
    limit = limit_for(calls)
    ledgers = at_once(lambda seed: caller(store, seed, calls, [limit.id]), THREADS)

    settled = sum((one.settled for one in ledgers), Decimal(0))
    lost = sum((one.lost for one in ledgers), Decimal(0))
    (counter,) = store.read([an_ask()])
    assert counter == Counter(used=settled + lost, spent=settled)
    assert counter.used <= limit.amount
    assert all(seen.used <= limit.amount for one in ledgers for seen in one.counters)
    assert lost > 0
    assert sum(one.refused for one in ledgers) > 0


def test_many_callers_of_two_limits(store: LimitStore, store_name: str) -> None:
    """Counters that are held together never differ."""
    ledgers = at_once(lambda seed: caller(store, seed, CALLS[store_name] // 4, ["one", "two"]), THREADS)

    settled = sum((one.settled for one in ledgers), Decimal(0))
    lost = sum((one.lost for one in ledgers), Decimal(0))
    counters = store.read([an_ask(limit=a_limit(id=name)) for name in ("one", "two")])
    assert counters == [Counter(used=settled + lost, spent=settled)] * 2


def test_the_last_cent_goes_to_one_caller(store: LimitStore, store_name: str) -> None:
    """Of 500 callers who want the last cent at once, one gets it."""
    assert store.hold([an_ask("0.99")]) is None
    threads = THREADS if store_name == "dynamodb" else CALLERS
    answers = at_once(lambda _: store.hold([an_ask("0.01")]), CALLERS, threads=threads)

    assert answers.count(None) == 1
    assert store.read([an_ask()]) == [Counter(used=Decimal(1), spent=Decimal(0))]


def test_a_rate_lets_exactly_its_number_through(store: LimitStore) -> None:
    """Of 100 calls at once under a limit of 20 requests a minute, 20 pass; there is nothing to settle."""
    limit = a_limit("20", unit=Unit.REQUESTS, period=Period.MINUTE)
    limiter = Limiter(
        directory=FixedLimits([limit]), store=store, forecaster=FakeForecaster(), pricer=None, faults=FakeFaultLog()
    )

    def call(_: int) -> bool:
        try:
            return limiter.admit(a_call(), b"") is not None
        except BudgetExceeded:
            return False

    assert at_once(call, 100, threads=32).count(True) == 20


def test_every_level_is_told_once(store: LimitStore) -> None:
    """Whoever settles, the warnings of a window come once each, in a window that 64 callers spend together."""
    limit, sink = a_limit("64000", unit=Unit.TOKENS), MemorySink()
    limiter = Limiter(
        directory=FixedLimits([limit]),
        store=store,
        forecaster=FakeForecaster(most=700),
        pricer=None,
        faults=FakeFaultLog(),
        notifiers=[sink],
    )
    usage = a_usage(input=500, output=500, cache_read=9, cache_write_5m=0, cache_write_1h=0)

    def call(_: int) -> None:
        admission = limiter.admit(a_call(max_output_tokens=300), b"")
        assert admission is not None
        limiter.settle(admission, a_record(usage=usage))

    at_once(call, 64, threads=32)
    assert sorted(use.level for use in sink.uses if use.level) == [50, 80, 100]
    assert len({use.percent for use in sink.uses}) == len(sink.uses)
    assert max(use.percent for use in sink.uses) == 100
