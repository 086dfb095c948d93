"""Requests in boto3's shape, checked and taken apart."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from meterctl.cloudwatch.errors import CloudWatchError, InvalidParameterError
from meterctl.cloudwatch.model import Metric, Window

MAX_QUERIES = 500
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_SHORT_PERIODS = (1, 5, 10, 20, 30)
_MINUTE = 60
_RETENTION: Sequence[tuple[timedelta, int]] = (
    (timedelta(days=63), 3600),
    (timedelta(days=15), 300),
    (timedelta(hours=3), _MINUTE),
)
"""Beyond this age only periods that are a multiple of this have data, and the start is rounded to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One entry of ``MetricDataQueries``: a metric or an expression."""

    id: str
    """What expressions call it."""
    metric: Metric | None
    """The metric; None for an expression."""
    expression: str | None
    """The expression; None for a metric."""
    stat: str
    """The statistic of the metric; empty for an expression."""
    unit: str | None
    """Only samples of this unit; None for all."""
    period: int | None
    """Seconds; None where an expression names none."""
    label: str | None
    """The label; None if none was given."""
    returned: bool
    """Whether the answer has it."""


def only(request: Mapping[str, Any], *known: str) -> None:
    """Refuse what is not supported, rather than overlook it.

    Raises:
        InvalidParameterError: If there is a parameter beyond the known ones.
    """
    unknown = sorted(name for name, value in request.items() if value is not None and name not in known)
    if unknown:
        raise InvalidParameterError(f"the local CloudWatch does not know the parameter {unknown[0]}")


def needed(request: Mapping[str, Any], name: str) -> Any:
    """Take a parameter that must be there."""
    if request.get(name) is None:
        raise InvalidParameterError(f"the parameter {name} is required")
    return request[name]


def moment(value: object, name: str) -> datetime:
    """Take a time; one without a zone is UTC, as for boto3."""
    if not isinstance(value, datetime):
        raise InvalidParameterError(f"the parameter {name} is not a time")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def dimensions(entries: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """Take ``[{"Name": …, "Value": …}]``."""
    found: dict[str, str] = {}
    for entry in entries or ():
        name, value = entry.get("Name"), entry.get("Value")
        if not name or not value or name in found:
            raise InvalidParameterError("a dimension has a Name and a Value, neither of them empty, each name once")
        found[name] = value
    return found


def is_period(seconds: int) -> bool:
    """Tell whether CloudWatch has such a period."""
    return seconds in _SHORT_PERIODS or (seconds > 0 and seconds % _MINUTE == 0)


def check_period(period: object) -> int:
    """Check a period."""
    if not isinstance(period, int) or not is_period(period):
        raise CloudWatchError(f"a period is 1, 5, 10, 20, 30 or a multiple of 60 seconds, not {period!r}")
    return period


def window(request: Mapping[str, Any], *, periods: Iterable[int], now: datetime) -> Window:
    """Take the time range, rounded as CloudWatch rounds it (API_GetMetricData, StartTime).

    Raises:
        CloudWatchError: If the range is empty, or so old that CloudWatch has no data in one of the periods.
    """
    start, end = (moment(needed(request, name), name) for name in ("StartTime", "EndTime"))
    if start >= end:
        raise CloudWatchError("StartTime must be before EndTime")
    shortest = min([*periods, _MINUTE])
    step = next((kept for age, kept in _RETENTION[:2] if now - start > age), shortest)
    rounded = Window(
        start=int(start.timestamp()) // step * step,
        # The end is rounded to the minute: https://github.com/grafana/grafana/pull/89341
        end=int(end.timestamp()) // shortest * shortest,
    )
    for period in periods:
        check_age(period, rounded, now)
    return rounded


def check_age(period: int, wanted: Window, now: datetime) -> None:
    """Refuse a period that CloudWatch no longer keeps: it would answer with no data and no word.

    Raises:
        CloudWatchError: Naming the period to take.
    """
    age = now - datetime.fromtimestamp(wanted.start, UTC)
    # A query of the last three hours is rounded down by up to a minute.
    kept = next((kept for oldest, kept in _RETENTION if age > oldest + timedelta(seconds=kept)), 1)
    if period % kept:
        raise CloudWatchError(
            f"CloudWatch has no data with a period of {period} s that far back: take a multiple of {kept} s"
        )


def queries(entries: Sequence[Mapping[str, Any]]) -> dict[str, Query]:
    """Check ``MetricDataQueries``; give them by id, in their order."""
    if not 1 <= len(entries) <= MAX_QUERIES:
        raise CloudWatchError(f"MetricDataQueries has 1 to {MAX_QUERIES} members")
    found: dict[str, Query] = {}
    for entry in entries:
        query = _query(entry)
        if query.id in found:
            raise CloudWatchError(f"the id {query.id!r} in MetricDataQueries is not unique")
        found[query.id] = query
    return found


def _query(entry: Mapping[str, Any]) -> Query:
    only(entry, "Id", "MetricStat", "Expression", "Label", "ReturnData", "Period")
    name = needed(entry, "Id")
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise CloudWatchError(f"the id {name!r} must begin with a lowercase letter and have letters, digits and _ only")
    stat, expression, period = entry.get("MetricStat"), entry.get("Expression"), entry.get("Period")
    if (stat is None) == (expression is None):
        raise CloudWatchError(f"the query {name!r} has either MetricStat or Expression, and not both")
    returned = entry.get("ReturnData")
    if stat is not None:
        only(stat, "Metric", "Period", "Stat", "Unit")
        period = needed(stat, "Period")
    return Query(
        id=name,
        metric=metric_of(needed(stat, "Metric")) if stat is not None else None,
        expression=expression,
        stat=needed(stat, "Stat") if stat is not None else "",
        unit=stat.get("Unit") if stat is not None else None,
        period=None if period is None else check_period(period),
        label=entry.get("Label"),
        returned=True if returned is None else bool(returned),
    )


def metric_of(entry: Mapping[str, Any]) -> Metric:
    """Take ``{"Namespace": …, "MetricName": …, "Dimensions": […]}``."""
    return Metric.of(needed(entry, "Namespace"), needed(entry, "MetricName"), dimensions(entry.get("Dimensions")))
