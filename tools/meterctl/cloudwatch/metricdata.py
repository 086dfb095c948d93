"""GetMetricData: metrics, metric math, searches and Metrics Insights in one request.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from meterctl.cloudwatch import insights, labels, mathsyntax, search, shapes, statistics, tokens
from meterctl.cloudwatch.errors import CloudWatchError, ExpressionError, QueryError, refuse
from meterctl.cloudwatch.mathevaluate import Evaluation
from meterctl.cloudwatch.mathvalues import Value
from meterctl.cloudwatch.model import Metric, Series, Window
from meterctl.cloudwatch.shapes import Query
from meterctl.cloudwatch.store import Store

MAX_SERIES = 500
MAX_POINTS = 100_800
_INSIGHTS_AGE = timedelta(days=14)
_DEFAULT_PERIOD = 300
"""Of Metrics Insights queries that name none (the console's default)."""

_PARAMETERS = (
    *("MetricDataQueries", "StartTime", "EndTime"),
    *("NextToken", "ScanBy", "MaxDatapoints", "LabelOptions"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """A series of the answer."""

    id: str
    """The query that it belongs to."""
    label: str
    """Its label."""
    points: Sequence[tuple[int, float]]
    """In the order of the answer."""


def answer(store: Store, request: Mapping[str, Any], *, now: datetime, region: str) -> dict[str, Any]:
    """Answer GetMetricData.

    Args:
        store: What was recorded.
        request: The parameters, in boto3's shape.
        now: The time of the request.
        region: What ``${PROP('Region')}`` gives.

    Raises:
        CloudWatchError: If the request is refused.
    """
    shapes.only(request, *_PARAMETERS)
    queries = shapes.queries(shapes.needed(request, "MetricDataQueries"))
    periods = [query.period for query in queries.values() if query.period]
    window = shapes.window(request, periods=periods, now=now)
    calculation = _Calculation(store, queries, window, now)
    results = [result for query in queries.values() if query.returned for result in calculation.results(query, region)]
    messages = []
    if len(results) > MAX_SERIES:
        results = results[:MAX_SERIES]
        messages = [{"Code": "MaxMetricsExceeded", "Value": f"only the first {MAX_SERIES} series are returned"}]
    scan_by = request.get("ScanBy") or "TimestampDescending"
    if scan_by not in ("TimestampDescending", "TimestampAscending"):
        raise CloudWatchError("ScanBy is TimestampDescending or TimestampAscending")
    return {**_page(results, request, newest_first=scan_by == "TimestampDescending"), "Messages": messages}


def _page(results: Sequence[_Result], request: Mapping[str, Any], *, newest_first: bool) -> dict[str, Any]:
    """Cut a page of at most ``MaxDatapoints`` values out of the answer."""
    first = tokens.redeem(request)
    size = request.get("MaxDatapoints") or MAX_POINTS
    before, entries = 0, []
    for result in results:
        points = sorted(result.points, reverse=newest_first)
        inside = points[max(first - before, 0) : max(first + size - before, 0)]
        after = before + len(points)
        if inside or (not points and first <= before < first + size):
            entries.append(_entry(result, inside, complete=after <= first + size))
        before = after
    page: dict[str, Any] = {"MetricDataResults": entries}
    if before > first + size:
        page["NextToken"] = tokens.issue(request, first + size)
    return page


def _entry(result: _Result, points: Sequence[tuple[int, float]], *, complete: bool) -> dict[str, Any]:
    return {
        "Id": result.id,
        "Label": result.label,
        "Timestamps": [datetime.fromtimestamp(time, UTC) for time, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete" if complete else "PartialData",
    }


class _Calculation:
    """The queries of one request, each computed once. It is the context of their expressions."""

    def __init__(self, store: Store, queries: Mapping[str, Query], window: Window, now: datetime) -> None:
        self.window = window
        self._store = store
        self._queries = queries
        self._now = now
        self._values: dict[str, Value] = {}
        self._under_way: list[str] = []
        selects = [query.id for query in queries.values() if query.expression and insights.is_query(query.expression)]
        if len(selects) > 1:
            raise CloudWatchError(f"a request has one Metrics Insights query, not {len(selects)}: {', '.join(selects)}")

    def results(self, query: Query, region: str) -> Iterator[_Result]:
        """Give the series of a query with their labels."""
        value = self._value(query)
        try:
            if isinstance(value, float):
                refuse("the result is a number, and not a time series or an array of them")
            if value == ():
                # Grafana and others expect that a query that finds nothing answers nevertheless.
                label = query.label if query.label and not labels.is_dynamic(query.label) else query.id
                yield _Result(id=query.id, label=label, points=())
            for series in value if isinstance(value, tuple) else (value,):
                label = _label(query, series, in_array=isinstance(value, tuple), region=region)
                yield _Result(id=query.id, label=label, points=tuple(series.points.items()))
        except QueryError as fault:
            raise ExpressionError(query.id, fault) from fault

    def _value(self, query: Query) -> Value:
        if query.id not in self._values:
            self._under_way.append(query.id)
            try:
                self._values[query.id] = self._compute(query)
            except QueryError as fault:
                raise ExpressionError(query.id, fault) from fault
            self._under_way.pop()
        return self._values[query.id]

    def _compute(self, query: Query) -> Value:
        if query.metric is not None and query.period is not None:
            return self._store.series(
                query.metric, stat=query.stat, period=query.period, window=self.window, unit=query.unit
            )
        expression = query.expression or ""
        if insights.is_query(expression):
            return self._insights(expression, query.period or _DEFAULT_PERIOD)
        return Evaluation(self, query.period).compute(mathsyntax.parse(expression))

    def _insights(self, expression: str, period: int) -> Value:
        if self._now - datetime.fromtimestamp(self.window.start, UTC) > _INSIGHTS_AGE:
            refuse("Metrics Insights looks back two weeks at most")
        parsed = insights.parse(expression)
        found = parsed.run(self._store, period=period, window=self.window)
        return found if parsed.groups else found[0]

    def value(self, ref: mathsyntax.Ref) -> Value:
        """Compute the query that is referred to."""
        query = self._query(ref)
        if query.id in self._under_way:
            refuse(f"the expression refers to itself by {ref.id!r}", ref.position)
        return self._value(query)

    def _query(self, ref: mathsyntax.Ref) -> Query:
        if ref.id not in self._queries:
            refuse(f"no query has the id {ref.id!r}", ref.position)
        return self._queries[ref.id]

    def metrics(self, part: str) -> tuple[Series, ...]:
        """Give the queries that are metrics and have this text in their id."""
        wanted = [query for query in self._queries.values() if query.metric is not None and part in query.id]
        return tuple(series for query in wanted if isinstance(series := self._value(query), Series))

    def period(self, ref: mathsyntax.Ref) -> int:
        """Give the period of the metric that is referred to."""
        query = self._query(ref)
        if query.metric is None or query.period is None:
            refuse(f"PERIOD takes a metric, and {ref.id!r} is an expression", ref.position)
        return query.period

    def search(self, found: search.Search, *, stat: str, period: int) -> tuple[Series, ...]:
        """Compute a statistic of every metric that a search finds."""
        # Both are checked even if nothing is found: a typing error is not an empty answer.
        shapes.check_age(shapes.check_period(period), self.window, self._now)
        statistics.parse(stat)
        metrics = found.find(self._store.metrics())
        several = len({metric.name for metric in metrics}) > 1
        return tuple(
            self._store.series(
                metric, stat=stat, period=period, window=self.window, name=_default_label(metric, several=several)
            )
            for metric in metrics
        )


def _default_label(metric: Metric, *, several: bool) -> str:
    values = [value for _, value in metric.dimensions]
    return " ".join([metric.name, *values] if several or not values else values)


def _label(query: Query, series: Series, *, in_array: bool, region: str) -> str:
    """Label a series: of its own if the query has none, both for a fixed label on an array."""
    default = series.name if in_array or query.metric is not None else query.id
    if not query.label:
        return default
    if labels.is_dynamic(query.label):
        return labels.render(query.label, series, default=default, region=region)
    return f"{query.label} {default}" if in_array else query.label
