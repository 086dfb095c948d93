"""Run what a panel, a variable or an alert rule asks on the local CloudWatch, as a Grafana would ask the real one."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from meterctl.cloudwatch import CloudWatch, CloudWatchError
from meterctl.grafana.compile import TimeRange, Variable, compile_targets, compile_variable, series_labels

_CALCS: Mapping[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "max": max,
    "min": min,
    "mean": lambda values: sum(values) / len(values),
    "lastNotNull": lambda values: values[-1],
}
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_BACK = re.compile(r"(?:now-)?(\d+)([mhd])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series as a panel or an alert gets it."""

    name: str
    """What the legend shows."""
    labels: Mapping[str, str]
    """The dimensions that the plugin makes labels of."""
    points: Sequence[tuple[datetime, float]]
    """In the order of time; never empty."""

    def reduce(self, calc: str) -> float:
        """Make one number of it, as Grafana's reducer of that name does."""
        values = [value for _, value in self.points]
        return _CALCS[calc](values)


def start_of(text: str, now: datetime) -> datetime:
    """Read the start of a time range: ``now-7d``, ``7d``, ``now/d`` or ``now/M``.

    Raises:
        ValueError: It is written in another way.
    """
    if text in {"now/d", "now/M"}:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if text == "now/d" else midnight.replace(day=1)
    match = _BACK.fullmatch(text)
    if match is None:
        raise ValueError(f"the time {text!r} is not one that is read here")
    return now - timedelta(**{_UNITS[match[2]]: int(match[1])})


def ask(
    cloudwatch: CloudWatch,
    targets: Iterable[Mapping[str, Any]],
    variables: Iterable[Variable],
    time_range: TimeRange,
    *,
    alert: bool = False,
) -> list[Series]:
    """Compile targets as Grafana's plugin does, and ask them; empty series are left out, as Grafana leaves them out.

    Raises:
        CloudWatchError: The answer is not complete, which a panel would show in part and without a word.
    """
    found = []
    for call in compile_targets(targets, variables, time_range, cloudwatch.region, alert=alert):
        answer = cloudwatch.get_metric_data(now=time_range.now, **call.request)
        if messages := answer.get("Messages"):
            raise CloudWatchError(f"{messages}")
        for result in answer["MetricDataResults"]:
            if result["StatusCode"] != "Complete":
                raise CloudWatchError(f"{result['Id']} is {result['StatusCode']}")
            name, labels = series_labels(result["Label"], call.targets[result["Id"]])
            points = list(zip(result["Timestamps"], result["Values"], strict=True))
            if points:
                found.append(Series(name=name, labels=labels, points=points))
    return found


def run_panel(
    cloudwatch: CloudWatch,
    board: Mapping[str, Any],
    panel: Mapping[str, Any],
    variables: Iterable[Variable],
    *,
    now: datetime,
) -> list[Series]:
    """Run every metrics query of a panel over its time range."""
    start = start_of(panel.get("timeFrom") or board["time"]["from"], now)
    targets = [target for target in panel["targets"] if target["queryMode"] == "Metrics"]
    return ask(cloudwatch, targets, variables, TimeRange(start=start, end=now, now=now))


def options(
    cloudwatch: CloudWatch, query: Mapping[str, Any], variables: Iterable[Variable], *, now: datetime
) -> list[str]:
    """Give what a variable offers."""
    call = compile_variable(query, variables, cloudwatch.region)
    return call.options(cloudwatch.list_metrics(now=now, **call.request)["Metrics"])
