"""A local CloudWatch with a few metrics, and short ways to ask it."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from meterctl.cloudwatch import CloudWatch

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NOW = NOON + timedelta(minutes=10)
NAMESPACE = "BedrockMeter"


def at(minute: float) -> datetime:
    """Give a moment, in minutes after noon."""
    return NOON + timedelta(minutes=minute)


def document(minute: float = 0, *, dimensions: Sequence[Sequence[str]] = ((),), **members: Any) -> dict[str, Any]:
    """Make an EMF document: members that are strings are dimensions, the others are metrics."""
    metrics = [{"Name": name} for name, value in members.items() if not isinstance(value, str)]
    directive = {"Namespace": NAMESPACE, "Dimensions": [list(keys) for keys in dimensions], "Metrics": metrics}
    timestamp = int(at(minute).timestamp() * 1000)
    return {"_aws": {"Timestamp": timestamp, "CloudWatchMetrics": [directive]}, **members}


def line(minute: float = 0, *, dimensions: Sequence[Sequence[str]] = ((),), **members: Any) -> str:
    """Make an EMF line."""
    return json.dumps(document(minute, dimensions=dimensions, **members))


def recorded(series: Mapping[str, Sequence[float | None]], *, namespace: str = NAMESPACE) -> CloudWatch:
    """Make a CloudWatch with metrics that have no dimensions: a value for each minute from noon on."""
    cloudwatch = CloudWatch()
    for name, values in series.items():
        for minute, value in enumerate(values):
            if value is not None:
                put(cloudwatch, name, value, minute=minute, namespace=namespace)
    return cloudwatch


def put(
    cloudwatch: CloudWatch,
    name: str,
    value: float,
    *,
    minute: float = 0,
    namespace: str = NAMESPACE,
    unit: str = "None",
    **dimensions: str,
) -> None:
    """Record one value."""
    datum = {
        "MetricName": name,
        "Value": value,
        "Unit": unit,
        "Timestamp": at(minute),
        "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
    }
    cloudwatch.put_metric_data(now=NOW, Namespace=namespace, MetricData=[datum])


def stat(
    name: str, *, metric: str | None = None, stat: str = "Sum", period: int = 60, **dimensions: str
) -> dict[str, Any]:
    """Ask for a metric; its id is its name unless ``metric`` names it."""
    identity = {
        "Namespace": NAMESPACE,
        "MetricName": metric or name,
        "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
    }
    return {"Id": name, "MetricStat": {"Metric": identity, "Period": period, "Stat": stat}, "ReturnData": False}


def ask(
    cloudwatch: CloudWatch,
    expression: str,
    *queries: Mapping[str, Any],
    minutes: tuple[float, float] = (0, 5),
    period: int | None = 60,
    label: str | None = None,
) -> list[tuple[str, list[float | None]]]:
    """Ask for an expression; give the label of each series and a value for each period, None where there is none."""
    start, end = at(minutes[0]), at(minutes[1])
    query = {"Id": "result", "Expression": expression, "Period": period, "Label": label}
    answer = cloudwatch.get_metric_data(
        now=NOW, StartTime=start, EndTime=end, MetricDataQueries=[*queries, query], ScanBy="TimestampAscending"
    )
    grid = [start + timedelta(seconds=second) for second in range(0, int((end - start).total_seconds()), period or 60)]
    return [
        (
            result["Label"],
            [dict(zip(result["Timestamps"], result["Values"], strict=True)).get(moment) for moment in grid],
        )
        for result in answer["MetricDataResults"]
        if result["Id"] == "result"
    ]


def values(cloudwatch: CloudWatch, expression: str, *queries: Mapping[str, Any], **options: Any) -> list[float | None]:
    """Ask for an expression that gives one series; give its values."""
    ((_, found),) = ask(cloudwatch, expression, *queries, **options)
    return found
