"""Where a report's figures can come from: a file of EMF lines, a log group, or CloudWatch metrics."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bedrock_meter import metrics
from meterctl.report.model import PERCENTILES, PERIODS, Latency, Report, fitting, latencies
from meterctl.summary import ERROR_METRICS, TOKEN_METRICS, Row, ended, period_start, summarise
from reconcile import insights, series

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_logs import CloudWatchLogsClient

_ROW_METRICS = (metrics.INVOCATIONS, *TOKEN_METRICS, metrics.COST, metrics.UNPRICED, *ERROR_METRICS)
# What makes a line one of a call, and not a measurement or another function's.
_CALLS = f"filter ispresent({metrics.USE_CASE}) and ispresent({metrics.MODEL_ID}) and ispresent(request_id)"
_SUM = "sum_"
_BIN = "%Y-%m-%d %H:%M:%S.%f"


def from_lines(
    lines: Sequence[Mapping[str, Any]],
    *,
    source: str,
    since: datetime | None = None,
    until: datetime | None = None,
    period: timedelta | None = None,
) -> Report:
    """Read EMF lines. Without a time the lines say themselves from when to when they are."""
    times = [ended(line) for line in lines if metrics.USE_CASE in line] or [datetime.now(UTC)]
    first, last = since or min(times), until or max(times) + timedelta(milliseconds=1)
    chosen = period or fitting(last - first, least=PERIODS["second"])
    rows = summarise((line for line in lines if first <= ended(line) < last), period=chosen)
    return Report(source=source, since=first, until=last, period=chosen, rows=rows, latencies=latencies(rows))


def from_logs(
    logs: "CloudWatchLogsClient", group: str, *, since: datetime, until: datetime, period: timedelta | None = None
) -> Report:
    """Ask Logs Insights for the sums of a log group, and for the percentiles.

    Raises:
        QueryFailed: A query did not end well.
    """
    chosen = period or fitting(until - since)
    of_time = f"bin({int(chosen.total_seconds() // 60)}m) as at"
    # An alias that is a field's own name could be taken for the field.
    sums = ", ".join(f"sum({name}) as {_SUM}{name}" for name in _ROW_METRICS)
    ranks = ", ".join(f"pct({metrics.LATENCY}, {percent}) as p{percent}" for percent in PERCENTILES)
    by_use_case = f"by {of_time}, {metrics.USE_CASE}"
    counted = f"{_CALLS} | stats count(*) as calls, {sums} {by_use_case}, {metrics.MODEL_ID}"
    measured = f"{_CALLS} and ispresent({metrics.LATENCY}) | stats {ranks} {by_use_case}"
    rows, times = (insights.query(logs, text, groups=[group], start=since, end=until) for text in (counted, measured))
    return Report(
        source=f"log group {group}",
        since=since,
        until=until,
        period=chosen,
        rows=_sorted(_row(_unaliased(each), at=_time(each["at"]), calls=int(float(each["calls"]))) for each in rows),
        latencies=[_latency(each, use_case=each[metrics.USE_CASE], at=_time(each["at"])) for each in times],
    )


def from_metrics(
    cloudwatch: "CloudWatchClient",
    namespace: str,
    *,
    since: datetime,
    until: datetime,
    period: timedelta | None = None,
) -> Report:
    """Read the metrics of a namespace.

    No metric counts all calls, so they are put together here: what Bedrock accepted, what it throttled or refused, and
    what was denied before. A call that Bedrock accepted and answered with 408 or 424 is in two of these.

    Raises:
        MetricsUnreadable: CloudWatch failed on a series.
    """
    chosen = period or fitting(until - since)
    start = period_start(since, chosen)
    pairs = series.listed(
        cloudwatch,
        namespace=namespace,
        dimensions=frozenset({metrics.USE_CASE, metrics.MODEL_ID}),
        metrics=_ROW_METRICS,
    )
    speeds = series.listed(
        cloudwatch, namespace=namespace, dimensions=frozenset({metrics.USE_CASE}), metrics=[metrics.LATENCY]
    )
    wanted = [(each, "Sum") for each in pairs] + [(each, f"p{percent}") for each in speeds for percent in PERCENTILES]
    values = series.read(cloudwatch, wanted, start=start, end=until, period=chosen)
    cells: dict[tuple[str, str, datetime], dict[str, float]] = {}
    ranks: dict[tuple[str, datetime], dict[str, float]] = {}
    for (each, statistic), points in values.items():
        use_case = each.value_of(metrics.USE_CASE)
        for at, value in points.items():
            if statistic == "Sum":
                cells.setdefault((use_case, each.value_of(metrics.MODEL_ID), at), {})[each.metric] = value
            else:
                ranks.setdefault((use_case, at), {})[statistic] = value
    rows = []
    for (use_case, model, at), sums in cells.items():
        counted = (metrics.INVOCATIONS, metrics.THROTTLES, metrics.CLIENT_ERRORS, metrics.DENIED)
        calls = round(sum(sums.get(name, 0) for name in counted))
        rows.append(_row({**sums, metrics.USE_CASE: use_case, metrics.MODEL_ID: model}, at=at, calls=calls))
    return Report(
        source=f"CloudWatch namespace {namespace}",
        since=start,
        until=until,
        period=chosen,
        rows=_sorted(rows),
        latencies=[_latency(found, use_case=use_case, at=at) for (use_case, at), found in sorted(ranks.items())],
    )


def _row(sums: Mapping[str, Any], *, at: datetime, calls: int) -> Row:
    """Make a row of sums by metric; text or numbers, as the source has them."""
    counts = {name: round(float(sums[name])) for name in (*TOKEN_METRICS, *ERROR_METRICS) if name in sums}
    return Row(
        use_case=sums[metrics.USE_CASE],
        model=sums[metrics.MODEL_ID],
        at=at,
        calls=calls,
        faults={name: counts[name] for name in ERROR_METRICS if counts.get(name)},
        tokens={name: counts.get(name, 0) for name in TOKEN_METRICS},
        # CloudWatch has floats; a billionth of a dollar is below what a single token costs.
        cost=Decimal(f"{float(sums.get(metrics.COST, 0)):.9f}"),
        unpriced=round(float(sums.get(metrics.UNPRICED, 0))),
    )


def _unaliased(row: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(_SUM): value for name, value in row.items()}


def _latency(found: Mapping[str, Any], *, use_case: str, at: datetime) -> Latency:
    values = {percent: float(found[f"p{percent}"]) for percent in PERCENTILES if f"p{percent}" in found}
    return Latency(use_case=use_case, at=at, values=values)


def _time(text: str) -> datetime:
    """Read what Logs Insights writes for a bin."""
    return datetime.strptime(text, _BIN).replace(tzinfo=UTC)


def _sorted(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.use_case, row.model, row.at is not None and row.at.timestamp()))
