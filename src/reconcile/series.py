"""CloudWatch metrics, read with ListMetrics and GetMetricData: which series there are, and their values by period."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING

from bedrock_meter.errors import MeterError

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

QUERIES_AT_ONCE = 500
"""GetMetricData's bound (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html)."""

type Values = Mapping[datetime, float]
"""A value by the start of its period, UTC. A period without data is absent."""


class MetricsUnreadable(MeterError):  # noqa: N818 - the module's one error, named for what happened
    """CloudWatch did not give a series that it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of CloudWatch."""

    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    """Name and value, sorted by name."""

    def value_of(self, dimension: str) -> str:
        """Give the value of a dimension that the series has."""
        return dict(self.dimensions)[dimension]


def listed(
    cloudwatch: "CloudWatchClient", *, namespace: str, dimensions: frozenset[str], metrics: Iterable[str]
) -> list[Series]:
    """Find the series of some metrics that have exactly these dimensions and had data in the last two weeks.

    A series with more dimensions counts the same calls again, so it is left out.
    """
    wanted = frozenset(metrics)
    pages = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace=namespace, Dimensions=[{"Name": name} for name in sorted(dimensions)]
    )
    found = []
    for page in pages:
        for metric in page["Metrics"]:
            pairs = tuple(sorted((each["Name"], each["Value"]) for each in metric["Dimensions"]))
            if metric["MetricName"] in wanted and {name for name, _ in pairs} == dimensions:
                found.append(Series(namespace=namespace, metric=metric["MetricName"], dimensions=pairs))
    return sorted(found, key=lambda series: (series.metric, series.dimensions))


def read(
    cloudwatch: "CloudWatchClient",
    wanted: Sequence[tuple[Series, str]],
    *,
    start: datetime,
    end: datetime,
    period: timedelta,
) -> dict[tuple[Series, str], Values]:
    """Read series, each with a statistic such as ``Sum`` or ``p99``.

    Raises:
        MetricsUnreadable: CloudWatch failed on one of them; half an answer would pass for the whole.
    """
    found: dict[tuple[Series, str], dict[datetime, float]] = {one: {} for one in wanted}
    for batch in batched(dict.fromkeys(wanted), QUERIES_AT_ONCE):
        ids = {f"m{place}": one for place, one in enumerate(batch)}
        queries = [_query(name, *one, period=period) for name, one in ids.items()]
        for name, at, value in _points(cloudwatch, queries, start=start, end=end):
            found[ids[name]][at] = value
    return dict(found)


def _points(
    cloudwatch: "CloudWatchClient", queries: "list[MetricDataQueryTypeDef]", *, start: datetime, end: datetime
) -> Iterator[tuple[str, datetime, float]]:
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending"
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            if result.get("StatusCode") in {"InternalError", "Forbidden"}:
                raise MetricsUnreadable(f"CloudWatch answered {result['StatusCode']} for {result.get('Label')}")
            for at, value in zip(result["Timestamps"], result["Values"], strict=True):
                yield result["Id"], at.astimezone(UTC), value


def _query(name: str, series: Series, statistic: str, *, period: timedelta) -> "MetricDataQueryTypeDef":
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": series.namespace,
                "MetricName": series.metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions],
            },
            "Period": int(period.total_seconds()),
            "Stat": statistic,
        },
        "ReturnData": True,
    }
