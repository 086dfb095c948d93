"""What every `LimitStore` promises, one call at a time."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.builders import a_limit, an_ask

from bedrock_meter.limits import Counter, Settlement
from bedrock_meter.ports import LimitStore

NOTHING = Counter()


def counter(used: str, spent: str) -> Counter:
    """Give what a counter says."""
    return Counter(used=Decimal(used), spent=Decimal(spent))


def test_a_window_that_nobody_used_says_nothing(store: LimitStore) -> None:
    """A counter begins at 0, and looking at it changes nothing."""
    assert store.read([an_ask()]) == [NOTHING]
    assert store.read([an_ask(), an_ask(window="2026-11-24T00:00Z")]) == [NOTHING, NOTHING]
    assert store.read([]) == []


def test_a_hold_is_used_and_not_spent(store: LimitStore) -> None:
    """What is held counts as used at once, and as spent when it is settled."""
    ask = an_ask("0.25")
    assert store.hold([ask]) is None
    assert store.read([ask]) == [counter("0.25", "0")]
    assert store.settle(Settlement(ask=ask, spent=Decimal("0.07"))) == counter("0.07", "0.07")
    assert store.read([ask]) == [counter("0.07", "0.07")]


def test_a_final_hold_is_spent_with_it(store: LimitStore) -> None:
    """What is exact from the start needs no settlement."""
    ask = an_ask("1", limit=a_limit("2"), final=True)
    assert store.hold([ask]) is None
    assert store.read([ask]) == [counter("1", "1")]


def test_a_window_can_be_used_to_the_last_cent(store: LimitStore) -> None:
    """The amount itself may be used, and not a billionth of a cent more; a refusal says what the counter says."""
    ask = an_ask("0.5")
    assert store.hold([ask]) is None
    too_much = an_ask("0.500000000001")
    assert store.hold([too_much]) == (too_much, counter("0.5", "0"))
    assert store.hold([ask]) is None
    assert store.hold([an_ask("0.000000000001")]) is not None
    assert store.read([ask]) == [counter("1", "0")]


def test_what_was_not_needed_is_free_again(store: LimitStore) -> None:
    """A settlement for less than was held gives the rest back to the window."""
    ask = an_ask("0.9")
    assert store.hold([ask]) is None
    assert store.hold([ask]) is not None
    store.settle(Settlement(ask=ask, spent=Decimal(0)))
    assert store.hold([ask]) is None
    assert store.read([ask]) == [counter("0.9", "0")]


def test_a_call_may_turn_out_to_use_more_than_was_held(store: LimitStore) -> None:
    """A settlement is never refused: what was used was used, even beyond the amount."""
    ask = an_ask("1")
    assert store.hold([ask]) is None
    assert store.settle(Settlement(ask=ask, spent=Decimal("1.5"))) == counter("1.5", "1.5")
    assert store.hold([an_ask("0.01")]) is not None


def test_what_held_nothing_settles_into_an_empty_window(store: LimitStore) -> None:
    """A limit that only warns has no counter before its first settlement."""
    ask = an_ask("0")
    assert store.settle(Settlement(ask=ask, spent=Decimal("0.3"))) == counter("0.3", "0.3")


def test_windows_and_limits_are_apart(store: LimitStore) -> None:
    """Each window of each limit has a counter of its own."""
    today = an_ask("1")
    tomorrow = an_ask("1", window="2026-11-24T00:00Z", resets_at=today.resets_at + timedelta(days=1))
    other = an_ask("1", limit=a_limit(id="other:day"))
    assert [store.hold([ask]) for ask in (today, tomorrow, other)] == [None, None, None]
    assert store.hold([today]) is not None
    assert store.read([today, tomorrow, other]) == [counter("1", "0")] * 3


@pytest.mark.parametrize("full", [0, 1, 2])
def test_several_limits_are_held_together_or_not_at_all(store: LimitStore, full: int) -> None:
    """When one of several limits has no room, none is changed, and the one that is full is named."""
    asks = [an_ask("0.4", limit=a_limit(id=f"limit-{number}")) for number in range(3)]
    assert store.hold([replace(asks[full], amount=Decimal("0.7"))]) is None
    before = store.read(asks)

    assert store.hold(asks) == (asks[full], counter("0.7", "0"))
    assert store.read(asks) == before
    assert store.hold([ask for ask in asks if ask is not asks[full]]) is None


def test_the_first_of_several_full_limits_is_named(store: LimitStore) -> None:
    """Which limit a refusal names does not depend on the store."""
    asks = [an_ask("1", limit=a_limit(id=f"limit-{number}")) for number in range(2)]
    assert store.hold(asks) is None
    assert store.hold(asks) == (asks[0], counter("1", "0"))


def test_sums_are_exact(store: LimitStore) -> None:
    """A ten-thousandth of a cent, added ten times, is what it is on paper.

    (What is smaller is in the next test: moto cannot add to a number that Python writes with an exponent.)
    """
    ask = an_ask("0.000001")
    for _ in range(10):
        assert store.hold([ask]) is None
    assert store.read([ask]) == [counter("0.00001", "0")]


def test_a_large_window_keeps_the_smallest_amounts(store: LimitStore) -> None:
    """A counter of millions loses nothing of the smallest amount of money that is counted."""
    limit = a_limit("10000000")
    assert store.hold([an_ask("9999999.999999999999", limit=limit)]) is None
    assert store.hold([an_ask("0.000000000002", limit=limit)]) is not None
    assert store.hold([an_ask("0.000000000001", limit=limit)]) is None


def test_a_new_long_window_takes_no_short_one_away(store: LimitStore) -> None:
    """What may be deleted is what ended long ago, and not what ends before the month does."""
    day = an_ask("1")
    month = an_ask(
        "1", limit=a_limit(id="month"), window="2026-11-01T00:00Z", resets_at=day.resets_at + timedelta(days=30)
    )
    assert store.hold([day]) is None
    assert store.hold([month]) is None
    assert store.read([day, month]) == [counter("1", "0")] * 2
