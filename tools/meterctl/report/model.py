"""The one table that every source is read into and every output is written from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterctl.summary import Row, percentile

PERCENTILES = (50, 90, 99)

PERIODS: Mapping[str, timedelta] = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "5min": timedelta(minutes=5),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
"""What a report can be divided into, by the word of the option."""
SHORTEST_AT_AWS = PERIODS["minute"]
"""CloudWatch keeps our metrics by the minute."""

_MOST_PERIODS = 72


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long the successful calls of one use case took, in milliseconds."""

    use_case: str
    at: datetime
    """When the period starts, UTC."""
    values: Mapping[int, float]
    """By the percent of `PERCENTILES`; one that the source did not give is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was used in a stretch of time."""

    source: str
    """Where the figures come from, for the reader."""
    since: datetime
    until: datetime
    """Not included."""
    period: timedelta
    """How long each period is."""
    rows: Sequence[Row]
    """One for each use case, model and period that had a call, sorted."""
    latencies: Sequence[Latency]
    """One for each use case and period that had a success."""


def fitting(span: timedelta, *, least: timedelta = SHORTEST_AT_AWS) -> timedelta:
    """Choose the period that divides a stretch of time into a number of parts that fits on a page."""
    enough = (period for period in PERIODS.values() if period >= least and span <= period * _MOST_PERIODS)
    return next(enough, PERIODS["day"])


def latencies(rows: Iterable[Row]) -> list[Latency]:
    """Work the percentiles of each use case and period out, from rows that have every single value."""
    measured: dict[tuple[str, datetime], list[float]] = {}
    for row in rows:
        if row.at is not None and row.latencies:
            measured.setdefault((row.use_case, row.at), []).extend(row.latencies)
    found = []
    for (use_case, at), values in sorted(measured.items()):
        ranks = {percent: percentile(values, percent) for percent in PERCENTILES}
        known = {percent: value for percent, value in ranks.items() if value is not None}
        found.append(Latency(use_case=use_case, at=at, values=known))
    return found
