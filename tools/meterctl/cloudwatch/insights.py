"""Metrics Insights: ``SELECT SUM(m) FROM SCHEMA("ns", A) WHERE … GROUP BY … ORDER BY … LIMIT …``.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-metrics-insights-querylanguage.html
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from meterctl.cloudwatch.errors import refuse
from meterctl.cloudwatch.model import Metric, Sample, Series, Window
from meterctl.cloudwatch.scanner import Scanner
from meterctl.cloudwatch.store import Store, rollup

MAX_SERIES = 500
OTHER = "Other"
"""The value of a key of ``GROUP BY`` that a metric does not have."""

FUNCTIONS: Mapping[str, str] = {
    "AVG": "Average",
    "COUNT": "SampleCount",
    "MAX": "Maximum",
    "MIN": "Minimum",
    "SUM": "Sum",
}
"""The statistic behind each function."""

_ORDERS: Mapping[str, Callable[[list[float]], float]] = {
    "AVG": lambda values: math.fsum(values) / len(values),
    "COUNT": lambda values: float(len(values)),
    "MAX": max,
    "MIN": min,
    "SUM": math.fsum,
}

type Test = Callable[[Metric], bool]

_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9_]+|\"((?:[^\"\\]|\\.)*)\"")
_VALUE = re.compile(r"'((?:[^'\\]|\\.)*)'")
_SIGN = re.compile(r"=|!=")
_COUNT = re.compile(r"\d+")
_ESCAPED = re.compile(r"\\(.)")
_RESERVED = frozenset(["AND", "ASC", "BY", "DESC", "FROM", "GROUP", "IN", "LIMIT", "NOT", "OR", "ORDER", "SCHEMA"])
_RESERVED_TOO = frozenset(["SELECT", "WHERE"])


def _keyword(word: str) -> re.Pattern[str]:
    return re.compile(rf"{word}\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Insights:
    """A query that was understood."""

    function: str
    """One of :data:`FUNCTIONS`."""
    metric: str
    """The name of the metric."""
    namespace: str
    """Where it is."""
    schema: frozenset[str] | None
    """The exact dimension names; None for metrics with any."""
    test: Test | None = None
    """The filter of ``WHERE``; None for none."""
    groups: tuple[str, ...] = field(default=())
    """The keys of ``GROUP BY``."""
    order: tuple[str, bool] | None = None
    """The function of ``ORDER BY``, and whether the largest comes first."""
    limit: int = MAX_SERIES
    """How many series at most."""

    def run(self, store: Store, *, period: int, window: Window) -> tuple[Series, ...]:
        """Compute it; one series, or one for each group that has values."""
        grouped: dict[tuple[str, ...], list[Sample]] = {}
        for metric in self._metrics(store.metrics()):
            key = tuple(metric.value(name) or OTHER for name in self.groups)
            grouped.setdefault(key, []).extend(store.samples(metric, window))
        if not self.groups:
            grouped = {(): grouped.get((), [])}
        found = [self._series(key, grouped[key], period, window) for key in sorted(grouped)]
        if self.groups:
            found = [series for series in found if series.points]
        if self.order and self.groups:
            function, descending = self.order
            found.sort(key=lambda one: _ORDERS[function](list(one.points.values())), reverse=descending)
        return tuple(found[: self.limit])

    def _metrics(self, metrics: Iterable[Metric]) -> Iterable[Metric]:
        return (
            metric
            for metric in metrics
            if metric.namespace == self.namespace
            and metric.name == self.metric
            and self.schema in (None, metric.keys)
            and (self.test is None or self.test(metric))
        )

    def _series(self, key: tuple[str, ...], samples: list[Sample], period: int, window: Window) -> Series:
        return Series(
            points=rollup(samples, stat=FUNCTIONS[self.function], period=period, window=window),
            period=period,
            name=" ".join(key) or self.metric,
            groups=tuple(zip(self.groups, key, strict=True)),
        )


def is_query(expression: str) -> bool:
    """Tell a Metrics Insights query from metric math."""
    return _SELECT.match(expression) is not None


def parse(text: str) -> Insights:
    """Read a query.

    Raises:
        QueryError: If it is none.
    """
    scanner = Scanner(text)
    scanner.expect(_keyword("SELECT"), "SELECT")
    function = _function(scanner)
    metric = _name(scanner, "a metric name")
    scanner.expect_text(")")
    scanner.expect(_keyword("FROM"), "FROM")
    namespace, schema = _source(scanner)
    test = _any_of(scanner) if scanner.take(_keyword("WHERE")) else None
    groups = _groups(scanner)
    order = _order(scanner)
    limit = _limit(scanner)
    scanner.expect_end()
    return Insights(
        function=function,
        metric=metric,
        namespace=namespace,
        schema=schema,
        test=test,
        groups=groups,
        order=order,
        limit=limit,
    )


def _function(scanner: Scanner) -> str:
    position = scanner.position
    name = scanner.expect(re.compile(r"[A-Za-z]+"), f"one of {', '.join(FUNCTIONS)}")[0].upper()
    if name not in FUNCTIONS:
        refuse(f"unknown function {name!r} (known: {', '.join(FUNCTIONS)})", position)
    scanner.expect_text("(")
    return name


def _name(scanner: Scanner, what: str) -> str:
    position = scanner.position
    match = scanner.expect(_NAME, what)
    if match[1] is not None:
        return _ESCAPED.sub(r"\1", match[1])
    if match[0].upper() in _RESERVED | _RESERVED_TOO:
        refuse(f"{match[0]!r} is a keyword: put the name into double quotes", position)
    return match[0]


def _source(scanner: Scanner) -> tuple[str, frozenset[str] | None]:
    if not scanner.take(re.compile(r"SCHEMA\s*\(", re.IGNORECASE)):
        return _name(scanner, "a namespace"), None
    namespace = _name(scanner, "a namespace")
    keys = []
    while scanner.take_text(","):
        keys.append(_name(scanner, "a dimension name"))
    scanner.expect_text(")")
    return namespace, frozenset(keys)


def _any_of(scanner: Scanner) -> Test:
    tests = [_all_of(scanner)]
    while scanner.take(_keyword("OR")):
        tests.append(_all_of(scanner))
    return lambda metric: any(test(metric) for test in tests)


def _all_of(scanner: Scanner) -> Test:
    tests = [_condition(scanner)]
    while scanner.take(_keyword("AND")):
        tests.append(_condition(scanner))
    return lambda metric: all(test(metric) for test in tests)


def _condition(scanner: Scanner) -> Test:
    if scanner.take_text("("):
        inner = _any_of(scanner)
        scanner.expect_text(")")
        return inner
    position = scanner.position
    key = _name(scanner, "a dimension name")
    equal = scanner.expect(_SIGN, "= or !=")[0] == "="
    value = _ESCAPED.sub(r"\1", scanner.expect(_VALUE, "a value in single quotes")[1])

    def test(metric: Metric) -> bool:
        found = metric.value(key)
        if found is None and not equal:
            refuse(f"a metric has no {key}: name the dimensions with SCHEMA, else != has no clear meaning", position)
        return (found == value) == equal

    return test


def _groups(scanner: Scanner) -> tuple[str, ...]:
    if not scanner.take(re.compile(r"GROUP\s+BY\b", re.IGNORECASE)):
        return ()
    names = [_name(scanner, "a dimension name")]
    while scanner.take_text(","):
        names.append(_name(scanner, "a dimension name"))
    return tuple(names)


def _order(scanner: Scanner) -> tuple[str, bool] | None:
    if not scanner.take(re.compile(r"ORDER\s+BY\b", re.IGNORECASE)):
        return None
    function = _function(scanner)
    scanner.expect_text(")")
    if scanner.take(_keyword("DESC")):
        return function, True
    scanner.take(_keyword("ASC"))
    return function, False


def _limit(scanner: Scanner) -> int:
    if not scanner.take(_keyword("LIMIT")):
        return MAX_SERIES
    position = scanner.position
    limit = int(scanner.expect(_COUNT, "a number")[0])
    if not 1 <= limit <= MAX_SERIES:
        refuse(f"LIMIT is 1 to {MAX_SERIES}", position)
    return limit
