"""Metric math, by the cases of the user guide.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY
from tests.unit.cloudwatch.asking import NOON, ask, put, recorded, stat, values

from meterctl.cloudwatch import CloudWatch, CloudWatchError, ExpressionError, mathsyntax
from meterctl.cloudwatch.mathevaluate import REFUSED
from meterctl.cloudwatch.mathfunctions import FUNCTIONS

Points = list[float | None]


def compute(expression: str, **series: Points) -> Points:
    """Compute an expression of series that are named by their ids."""
    return values(recorded(series), expression, *(stat(name) for name in series))


def computed(expression: str, **series: Points) -> list[Points]:
    """Compute an expression that gives an array."""
    return [found for _, found in ask(recorded(series), expression, *(stat(name) for name in series))]


# The tables of "Comparison and logical operators" and of "Using IF expressions".
METRIC1: Points = [30, 20, 0, 0, None]
METRIC2: Points = [20, None, 20, None, None]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("metric1 < metric2", [0, 0, 1, 0, None]),
        ("metric1 >= 30", [1, 0, 0, 0, None]),
        ("metric1 > 15 AND metric2 > 15", [1, 0, 0, 0, None]),
        ("metric1 > 15 && metric2 > 15", [1, 0, 0, 0, None]),
        ("metric1 > 15 OR metric2 > 15", [1, 1, 1, 0, None]),
        ("metric1 > 15 || metric2 > 15", [1, 1, 1, 0, None]),
        ("metric1 == 20", [0, 1, 0, 0, None]),
        ("metric1 != 20", [1, 0, 1, 1, None]),
        ("20 <= metric1", [1, 1, 0, 0, None]),
    ],
)
def test_comparisons(expression: str, expected: Points) -> None:
    """What is missing in one of two series counts as 0."""
    assert compute(expression, metric1=METRIC1, metric2=METRIC2) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("IF(metric1, metric2, metric3)", [30, 0, 20, None, None]),
        ("IF(metric1, 5, metric3)", [5, 5, 20, None, None]),
        ("IF(metric1, metric2, 5)", [30, 0, 5, 5, None]),
        ("IF(metric1, metric2)", [30, 0, None, None, None]),
        ("IF(metric1 < 1, 10, 2)", [2, 2, 10, 10, None]),
        ("IF(1, metric2, metric3)", [30, None, 0, 0, 30]),
        ("IF(0, metric2, metric3)", [0, 0, 20, None, 20]),
        ("IF(0, metric2)", [None] * 5),
    ],
)
def test_if(expression: str, expected: Points) -> None:
    """The tables of the section, row by row."""
    series: dict[str, Points] = {
        "metric1": [1, 1, 0, 0, None],
        "metric2": [30, None, 0, 0, 30],
        "metric3": [0, 0, 20, None, 20],
    }
    assert compute(expression, **series) == expected


M: Points = [4, None, 0, 10, None]
N: Points = [2, 6, 0, None, None]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m + n", [6, 6, 0, 10, None]),
        ("m - n", [2, -6, 0, 10, None]),
        ("m * 5", [20, None, 0, 50, None]),
        ("5 * m", [20, None, 0, 50, None]),
        ("m / n", [2, 0, None, None, None]),  # a division by zero drops the point
        ("m / 0", [None] * 5),
        ("100 / m", [25, None, None, 10, None]),
        ("-m", [-4, None, 0, -10, None]),
        ("-5 * m", [-20, None, 0, -50, None]),
        ("m ^ 2", [16, None, 0, 100, None]),
        ("-m ^ 2", [-16, None, 0, -100, None]),
        ("2 + 3 * m", [14, None, 2, 32, None]),
        ("(2 + 3) * m", [20, None, 0, 50, None]),
        ("m - n - n", [0, -12, 0, 10, None]),
        ("m / (n / 2)", [4, 0, None, None, None]),
        ("m - MIN(m)", [4, None, 0, 10, None]),
        ("m / PERIOD(m)", [4 / 60, None, 0, 10 / 60, None]),
        ("m / METRIC_COUNT([m, n])", [2, None, 0, 5, None]),
        ("m - SUM(m)", [-10, None, -14, -4, None]),
        ("m - AVG(m)", [4 - 2.8, None, -2.8, 10 - 2.8, None]),  # missing values count as 0
        ("TIME_SERIES(SUM(m) / DATAPOINT_COUNT(m))", [14 / 3] * 5),
        ("TIME_SERIES(1.5e1)", [15] * 5),
        ("ABS(m - n)", [2, 6, 0, 10, None]),
        ("CEIL(m / 3)", [2, None, 0, 4, None]),
        ("FLOOR(m / 3)", [1, None, 0, 3, None]),
        ("LOG10(m)", [math.log10(4), None, None, 1, None]),
        ("LOG(m)", [math.log(4), None, None, math.log(10), None]),
        ("DIFF(m)", [None, None, -4, 10, None]),
        ("DIFF_TIME(m)", [None, None, 120, 60, None]),
        ("RATE(m)", [None, None, -4 / 120, 10 / 60, None]),
        ("RUNNING_SUM(m)", [4, None, 4, 14, None]),
        ("FILL(m, 7)", [4, 7, 0, 10, 7]),
        ("FILL(m, n)", [4, 6, 0, 10, None]),
        ("FILL(m, MIN(m))", [4, 0, 0, 10, 0]),
        ("FILL(m, REPEAT)", [4, 4, 0, 10, 10]),
        ("FILL(m, LINEAR)", [4, 2, 0, 10, None]),
        ("SUM([m, n])", [6, 6, 0, 10, None]),
        ("SUM(METRICS())", [6, 6, 0, 10, None]),
        ('SUM(METRICS("n"))', N),
        ("AVG([m, n])", [3, 3, 0, 5, None]),
        ("MIN([m, n])", [2, 6, 0, 10, None]),
        ("MAX(METRICS())", [4, 6, 0, 10, None]),
        ("STDDEV([m, n])", [1, 0, 0, 0, None]),
        ("DATAPOINT_COUNT([m, n])", [2, 1, 2, 1, None]),
        ("SUM(100 / [m, n])", [75, 100 / 6, None, 10, None]),
        ("AVG([m, n] / m)", [0.75, None, None, 0.5, None]),
        ("FIRST(SORT(METRICS(), AVG, DESC))", M),
        ("LAST(SORT(METRICS(), SUM, DESC))", N),
        ("SUM([])", [None] * 5),
        ("HOUR(m)", [12] * 5),
        ("MINUTE(m)", [0, 1, 2, 3, 4]),
        ("DAY(m)", [5] * 5),  # 20 November 2026 is a Friday
        ("IF(DAY(m) < 6, m)", [4, 0, 0, 10, 0]),  # by the table of IF: true and missing is 0
        ("MONTH(m) * 100 + DATE(m)", [1120] * 5),
        ("YEAR(m)", [2026] * 5),
        ("EPOCH(m) - EPOCH(n)", [0] * 5),
    ],
)
def test_functions_and_operators(expression: str, expected: Points) -> None:
    """Each gives what its row in the tables of the guide says."""
    assert compute(expression, m=M, n=N) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("METRICS() / 2", [[2, None, 0, 5, None], [1, 3, 0, None, None]]),
        ("-[m, n]", [[-4, None, 0, -10, None], [-2, -6, 0, None, None]]),
        ("RUNNING_SUM([m, n])", [[4, None, 4, 14, None], [2, 8, 8, None, None]]),
        ("FILL(METRICS(), 0)", [[4, 0, 0, 10, 0], [2, 6, 0, 0, 0]]),
        ("REMOVE_EMPTY(METRICS())", [M, N]),
        ("SORT(METRICS(), MAX, ASC)", [N, M]),
        ("SORT(METRICS(), SUM, DESC, 1)", [M]),
        ("SLICE(SORT(METRICS(), AVG, ASC), 1)", [M]),
        ("SLICE(METRICS(), 0, 1)", [M]),
        ("[m, [n, m]]", [M, N, M]),
    ],
)
def test_functions_that_give_arrays(expression: str, expected: list[Points]) -> None:
    """A series comes out for each that goes in, or for those that are chosen."""
    assert computed(expression, m=M, n=N) == expected


def test_remove_empty_takes_series_without_values_out() -> None:
    """A metric that was recorded at other times only is no series of the result."""
    cloudwatch = recorded({"m": [1], "n": [None] * 8 + [1]})
    queries = stat("m"), stat("n")
    assert len(ask(cloudwatch, "METRICS()", *queries)) == 2
    assert [label for label, _ in ask(cloudwatch, "REMOVE_EMPTY(METRICS())", *queries)] == ["m"]


def test_a_search_in_an_expression() -> None:
    """The sum of the errors of all functions: "Using math expressions" of the page on searches."""
    cloudwatch = CloudWatch()
    for name, value in (("one", 1), ("two", 2)):
        put(cloudwatch, "Errors", value, namespace="AWS/Lambda", FunctionName=name)
    search = """SEARCH(' {AWS/Lambda, FunctionName} MetricName="Errors" ', 'Sum', 60)"""
    assert ask(cloudwatch, search, minutes=(0, 1)) == [("one", [1]), ("two", [2])]
    assert values(cloudwatch, f"SUM({search})", minutes=(0, 1)) == [3]
    assert values(cloudwatch, search.replace("Errors", "Nothing"), minutes=(0, 1)) == [None]


def test_quotes_are_escaped_for_the_expression_and_for_the_search() -> None:
    """A value with quotes, as Grafana escapes it, finds its metric."""
    cloudwatch = CloudWatch()
    put(cloudwatch, "M", 1, Name='it\'s "5"')
    search = r"""SEARCH('{"BedrockMeter","Name"} MetricName="M" "Name"="it\'s \"5\""', 'Sum', 60)"""
    assert values(cloudwatch, search, minutes=(0, 1)) == [1]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "found the end where a metric, a number or a function"),
        ("m +", "found the end .* at position 3"),
        ("m n", "found 'n' where the end should be at position 2"),
        ("(m", r"found the end where '\)' should be at position 2"),
        ("m $ 2", r"found '\$' where the end should be at position 2"),
        ("sum(m)", r"found '\(' where the end should be at position 3"),
        ("TOTAL(m)", r"unknown function 'TOTAL' \(known: ABS, .*YEAR\) at position 0"),
        ("m * TOTAL(m)", "unknown function 'TOTAL' .* at position 4"),
        ("x + m", "no query has the id 'x' at position 0"),
        ("result", "refers to itself by 'result'"),
        ("SUM(m)", "the result is a number"),
        ("5", "the result is a number"),
        ("m + REPEAT", "'REPEAT' stands where a metric or a number should be"),
        ("m + 'text'", "'text' stands where"),
        ("[m, 5]", "an array holds time series"),
        ("[m, n] + [m, n]", r"\+ does not take an array of time series and an array of time series"),
        ("[m, n] > 5", "> does not take"),
        ("SUM(5)", "SUM takes an array of time series, not a number"),
        ("SUM(m, n)", "SUM takes 1 arguments, not 2"),
        ("FILL(m)", "FILL takes 2 arguments, not 1"),
        ("FILL(m, ZERO)", "FILL takes a number, a metric, REPEAT or LINEAR, not 'ZERO'"),
        ("FILL(5, 0)", "FILL takes time series, not a number"),
        ("IF(m)", "IF takes 2 to 3 arguments"),
        ("IF([m], 1, 0)", "not arrays"),
        ("RATE(5)", "RATE takes a time series, not a number"),
        ("REMOVE_EMPTY(m)", "REMOVE_EMPTY takes an array"),
        ("TIME_SERIES(m)", "TIME_SERIES takes a number"),
        ("HOUR(5)", "HOUR takes a time series"),
        ("PERIOD(m * 1)", "PERIOD takes the id of a metric"),
        ("PERIOD(result)", "'result' is an expression"),
        ("SORT([m], MEDIAN, DESC)", "SORT takes AVG, MIN, MAX or SUM"),
        ("SORT([m], 1, 2)", "SORT takes a word here"),
        ("METRICS(m)", "METRICS takes a text"),
        ("SEARCH(m, 'Sum')", "SEARCH takes a search and a statistic"),
        ("SEARCH('{A,B} x', 'Sum', 0)", "SEARCH has no period"),
        ("SEARCH('{A,B} x', 'Sum', 90)", "a period is"),
        ("SEARCH('{A,B', 'Sum', 60)", r"found the end where '\}' should be at position 12"),
        ("SEARCH('Namespace=BedrockMeter', 'Total', 60)", "unknown statistic 'Total'"),
        ("SEARCH('Namespace=Nothing', 'Total', 60)", "unknown statistic 'Total'"),
        ("1" + "+1" * 1100, "has 2201 characters"),
        ("(" * 60 + "m" + ")" * 60, "nested more than 50 deep"),
        ("-" * 60 + "m", "nested more than 50 deep"),
    ],
)
def test_what_is_no_expression_is_refused(expression: str, message: str) -> None:
    """Unknown syntax and wrong arguments are errors that name the query, the word and its place."""
    with pytest.raises(CloudWatchError, match=message) as refusal:
        compute(expression, m=M, n=N)
    assert not isinstance(refusal.value, ExpressionError) or "Error in expression 'result':" in str(refusal.value)


@pytest.mark.parametrize("function", REFUSED)
def test_functions_of_aws_alone_are_refused_by_name(function: str) -> None:
    """They are known, and said not to be here."""
    with pytest.raises(ExpressionError, match=f"{function} is not supported by the local CloudWatch"):
        compute(f"{function}(m, 2)", m=M)


def test_metrics_of_different_periods_are_not_mixed() -> None:
    """What AWS makes of it is not documented, so it is refused."""
    cloudwatch = recorded({"m": M, "n": N})
    with pytest.raises(ExpressionError, match="the periods 60 and 120 are mixed"):
        ask(cloudwatch, "m + n", stat("m"), stat("n", period=120))


NODES = st.recursive(
    st.sampled_from(["m", "n", "x", "1", "0", ".5", "'a'", "REPEAT", "AVG", "DESC", "[]", "METRICS()"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "^", "<", ">=", " AND ", "||"]), inner).map("".join),
        inner.map(lambda node: f"({node})"),
        inner.map(lambda node: f"-{node}"),
        st.lists(inner, max_size=3).map(lambda nodes: f"[{','.join(nodes)}]"),
        st.tuples(
            st.sampled_from([*FUNCTIONS, *REFUSED, "FILL", "SORT", "PERIOD", "SEARCH"]), st.lists(inner, max_size=3)
        ).map(lambda call: f"{call[0]}({','.join(call[1])})"),
    ),
    max_leaves=8,
)
CLOUDWATCH = recorded({"m": M, "n": N})


@given(st.one_of(NODES, st.text(max_size=30)))
@PROPERTY
def test_no_expression_crashes(expression: str) -> None:
    """A text is computed to numbers or refused; nothing else happens, and no value is infinite or NaN."""
    with suppress(CloudWatchError):
        found = ask(CLOUDWATCH, expression, stat("m"), stat("n"))
        assert all(value is None or math.isfinite(value) for _, series in found for value in series)


SERIES = st.lists(st.one_of(st.none(), st.integers(-1000, 1000)), min_size=5, max_size=5)


@given(SERIES, SERIES)
@PROPERTY
def test_sums_agree(m: Points, n: Points) -> None:
    """SUM of an array is the same as +, and the running sum ends at the sum."""
    assert compute("SUM([m, n])", m=m, n=n) == compute("m + n", m=m, n=n)
    running = [value for value in compute("RUNNING_SUM(m)", m=m) if value is not None]
    assert running[-1:] == ([sum(value for value in m if value is not None)] if running else [])


def test_references_are_found_everywhere() -> None:
    """Every id of an expression is given, in the order of the text."""
    node = mathsyntax.parse("IF(a > 1, [b, -c], SUM(d) / 2) + FILL(e, REPEAT)")
    assert [reference.id for reference in mathsyntax.references(node)] == ["a", "b", "c", "d", "e"]


def test_the_day_of_the_cases() -> None:
    """The cases for DAY rest on it."""
    assert NOON.isoweekday() == 5
