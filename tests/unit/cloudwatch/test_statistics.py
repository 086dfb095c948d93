"""Statistics, by https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html."""

import math
import statistics as reference
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY

from meterctl.cloudwatch import QueryError
from meterctl.cloudwatch.model import Sample
from meterctl.cloudwatch.statistics import parse

TEN = [float(value) for value in range(10, 110, 10)]
VALUES = st.lists(st.floats(0, 1e9), min_size=1, max_size=60)


def compute(stat: str, values: list[float]) -> float | None:
    """Compute a statistic of values that were recorded one by one."""
    return parse(stat)([Sample.of(value, time=0, unit="None") for value in values])


@pytest.mark.parametrize(
    ("stat", "expected"),
    [
        ("Sum", 550),
        ("SampleCount", 10),
        ("Average", 55),
        ("Minimum", 10),
        ("Maximum", 100),
        ("p0", 10),
        ("p50", 50),
        ("p90", 90),
        ("p90.5", 100),
        ("p100", 100),
        ("tm90", 50),  # the mean without the 10 % highest
        ("tm99", 55),
        ("tc90", 9),
        ("ts90", 450),
        ("wm90", 54),  # 100 counts as 90
        ("TM(10%:90%)", 55),
        ("TM(20:50)", 40),  # above 20, up to 50
        ("TM(:20)", 15),
        ("TC(80:500)", 2),
        ("TS(80%:)", 190),
        ("WM(10%:90%)", 55),
        ("PR(:30)", 30),
        ("PR(20:50)", 30),
        ("IQM", 60),  # without the three lowest and the two highest: 2.5 is rounded up to the next rank
    ],
)
def test_statistics_of_ten_values(stat: str, expected: float) -> None:
    """Each statistic of 10, 20, … 100 is what the definitions of the user guide give by hand."""
    assert compute(stat, TEN) == pytest.approx(expected)


def test_the_trimmed_sum_is_the_trimmed_mean_times_the_trimmed_count() -> None:
    """The user guide says so of TS, TM and TC."""
    values = [3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    for part in ("75", "99", "50.5"):
        total, mean, count = (compute(f"{name}{part}", values) for name in ("ts", "tm", "tc"))
        assert total is not None
        assert mean is not None
        assert count is not None
        assert total == pytest.approx(mean * count)


def test_a_value_with_a_count_is_as_many_values() -> None:
    """Values and Counts of PutMetricData give the percentiles of the single values."""
    counted = [Sample.of(value, time=0, unit="None", count=count) for value, count in ((1, 8), (5, 1), (100, 1))]
    assert parse("p80")(counted) == 1
    assert parse("p90")(counted) == 5
    assert parse("p95")(counted) == 100
    assert parse("tm90")(counted) == pytest.approx((8 + 5) / 9)


def test_a_statistic_set_has_no_percentiles() -> None:
    """They need single values: a set has them only if all of them are equal."""
    spread = Sample(time=0, unit="None", low=1, high=3, total=8, count=4)
    level = Sample(time=0, unit="None", low=2, high=2, total=8, count=4)
    assert parse("p90")([spread]) is None
    assert parse("Average")([spread]) == 2
    assert parse("p90")([level]) == 2


def test_negative_values_have_no_percentiles() -> None:
    """The guide says that they are not available when any of the values are negative."""
    assert compute("p50", [-1, 1]) is None
    assert compute("tm50", [-1, 1]) is None
    assert compute("Sum", [-1, 1]) == 0


@pytest.mark.parametrize(
    "stat",
    ["", "sum", "p", "p101", "P90", "tm100.1", "TM90", "TM(:)", "TM(1%:2)", "TM(2:1)", "PR(1%:2%)", "TM(%:5)", "p9 0"],
)
def test_an_unknown_statistic_is_refused(stat: str) -> None:
    """It is an error that quotes it, and no empty series."""
    with pytest.raises(QueryError, match="statistic"):
        parse(stat)


@given(VALUES)
@PROPERTY
def test_p50_is_the_lower_median(values: list[float]) -> None:
    """The nearest rank at 50 % is what the statistics module calls the low median."""
    assert compute("p50", values) == reference.median_low(values)


@given(VALUES, st.integers(1, 99))
@PROPERTY
def test_a_percentile_has_its_share_of_values_below(values: list[float], percent: int) -> None:
    """At least NN % of the values are not above pNN, which occurs; and fewer than NN % are below it."""
    found = compute(f"p{percent}", values)
    assert found in values
    assert sum(value <= found for value in values) >= Fraction(percent, 100) * len(values)
    assert sum(value < found for value in values) < Fraction(percent, 100) * len(values)


@given(VALUES, st.randoms())
@PROPERTY
def test_the_order_of_values_changes_nothing(values: list[float], random: Random) -> None:
    """Sums are exact, so shuffled samples give the same to the last bit."""
    shuffled = values[:]
    random.shuffle(shuffled)
    for stat in ("Sum", "Average", "p90", "tm90"):
        assert compute(stat, shuffled) == compute(stat, values)
    assert compute("Sum", values) == math.fsum(values)
