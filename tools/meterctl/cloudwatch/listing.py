"""ListMetrics and GetMetricStatistics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from meterctl.cloudwatch import shapes, tokens
from meterctl.cloudwatch.errors import CloudWatchError, InvalidParameterError
from meterctl.cloudwatch.model import Metric
from meterctl.cloudwatch.statistics import BASIC, parse
from meterctl.cloudwatch.store import Store, rollup

PAGE = 500
_LISTED = timedelta(days=14)
"""ListMetrics knows metrics with data of the last two weeks."""
_RECENT = timedelta(hours=3)
_MAX_POINTS = 1440


def list_metrics(store: Store, request: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Answer ListMetrics, in pages of 500."""
    shapes.only(request, "Namespace", "MetricName", "Dimensions", "NextToken", "RecentlyActive")
    recent = request.get("RecentlyActive")
    if recent not in (None, "PT3H"):
        raise InvalidParameterError("RecentlyActive is PT3H")
    since = now - (_RECENT if recent else _LISTED)
    filters = [(entry.get("Name"), entry.get("Value")) for entry in request.get("Dimensions") or ()]
    found = [
        metric
        for metric in store.metrics(active_since=int(since.timestamp()))
        if request.get("Namespace") in (None, metric.namespace)
        and request.get("MetricName") in (None, metric.name)
        and all(_has(metric, name, value) for name, value in filters)
    ]
    first = tokens.redeem(request)
    page: dict[str, Any] = {"Metrics": [_shape(metric) for metric in found[first : first + PAGE]]}
    if len(found) > first + PAGE:
        page["NextToken"] = tokens.issue(request, first + PAGE)
    return page


def _has(metric: Metric, name: str | None, value: str | None) -> bool:
    if not name:
        raise InvalidParameterError("a dimension filter has a Name")
    found = metric.value(name)
    return found is not None and value in (None, found)


def _shape(metric: Metric) -> dict[str, Any]:
    return {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
    }


def metric_statistics(store: Store, request: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Answer GetMetricStatistics: a data point for each period and unit."""
    shapes.only(
        request,
        *("Namespace", "MetricName", "Dimensions", "StartTime", "EndTime", "Period"),
        *("Statistics", "ExtendedStatistics", "Unit"),
    )
    basic, extended = request.get("Statistics") or (), request.get("ExtendedStatistics") or ()
    if bool(basic) == bool(extended):
        raise CloudWatchError(
            "either Statistics or ExtendedStatistics is needed, and not both", code="InvalidParameterCombination"
        )
    if unknown := [stat for stat in basic if stat not in BASIC]:
        raise InvalidParameterError(f"Statistics has no {unknown[0]!r}; there are {', '.join(BASIC)}")
    for stat in extended:
        parse(stat)
    period = shapes.check_period(shapes.needed(request, "Period"))
    window = shapes.window(request, periods=[period], now=now)
    if len(window.grid(period)) > _MAX_POINTS:
        raise CloudWatchError(
            f"the request asks for {len(window.grid(period))} data points, the limit is {_MAX_POINTS}",
            code="InvalidParameterCombination",
        )
    metric = shapes.metric_of(request)
    samples = store.samples(metric, window, unit=request.get("Unit"))
    points: dict[tuple[int, str], dict[str, Any]] = {}
    for unit in sorted({sample.unit for sample in samples}):
        of_unit = [sample for sample in samples if sample.unit == unit]
        for stat in (*basic, *extended):
            for time, value in rollup(of_unit, stat=stat, period=period, window=window).items():
                point = points.setdefault((time, unit), {"Timestamp": datetime.fromtimestamp(time, UTC), "Unit": unit})
                (point.setdefault("ExtendedStatistics", {}) if extended else point)[stat] = value
    return {"Label": metric.name, "Datapoints": [points[key] for key in sorted(points)]}
