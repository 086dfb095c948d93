"""What Grafana's CloudWatch plugin asks CloudWatch for: panels' targets to GetMetricData, variables to ListMetrics.

.. code-block:: python

    calls = compile_targets(panel["targets"], [Variable(name="usecase", values=("*",), multi=True)],
                            TimeRange(start=..., end=..., now=...), region="us-east-1")
    for call in calls:                                        # one for each region
        answer = cloudwatch.get_metric_data(now=now, **call.request)      # or boto3's client
        for result in answer["MetricDataResults"]:
            target = call.targets[result["Id"]]               # .ref_id tells the row
            name, labels = series_labels(result["Label"], target)

    variable = compile_variable(query, variables, region="us-east-1")
    options = variable.options(metrics)           # the Metrics of all pages of ListMetrics(**variable.request)

The plugin fails silently in many ways (:class:`Trap`); here each of them is a :class:`TargetError`. It was written from
the plugin's source, https://github.com/grafana/grafana-cloudwatch-datasource: ``models/cloudwatch_query.go``,
``metric_data_query_builder.go``, ``time_series_query.go``, ``response_parser.go`` and ``services/list_metrics.go``
below ``pkg/cloudwatch``, and ``query-runner`` below ``src``, as of 2026. It was not compared with a running Grafana.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meterctl.cloudwatch import QueryError, insights, mathsyntax, search
from meterctl.grafana.errors import TargetError, Trap
from meterctl.grafana.period import TimeRange
from meterctl.grafana.target import Mode, Target, read
from meterctl.grafana.templating import ALL, Templating, Variable
from meterctl.grafana.variablequery import VariableCall, compile_variable

__all__ = [
    "Call",
    "Target",
    "TargetError",
    "TimeRange",
    "Trap",
    "Variable",
    "VariableCall",
    "compile_targets",
    "compile_variable",
    "series_labels",
]

_SEPARATOR = "|&|"
"""Between the name of a series and its dimensions, in the label that the plugin asks for."""

_NEED_ESCAPES = frozenset("\\()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One GetMetricData request."""

    region: str
    """Where it goes."""
    request: Mapping[str, Any]
    """The parameters, in boto3's shape."""
    targets: Mapping[str, Target]
    """The target behind each ``Id``."""


def compile_targets(
    targets: Iterable[Mapping[str, Any]],
    variables: Iterable[Variable],
    time_range: TimeRange,
    region: str,
    *,
    alert: bool = False,
) -> list[Call]:
    """Compile the CloudWatch metrics targets of a panel, or the one of an alert rule.

    Args:
        targets: As the panel stores them, in its order.
        variables: The variables of the dashboard and what is chosen in them.
        time_range: From when to when.
        region: The default region of the data source.
        alert: Whether they are evaluated as an alert rule's: without variables, without other rows, never hidden.

    Returns:
        A call for each region, in the order in which the regions occur.

    Raises:
        TargetError: If a target falls into one of the plugin's traps.
    """
    known = {variable.name: variable for variable in variables}
    by_region: dict[str, dict[str, Target]] = {}
    for raw in targets:
        where = str(raw.get("refId") or "a target without refId")
        templating = Templating(where=where, variables=known, alert=alert)
        target = read(raw, templating, time_range, default_region=region, alert=alert)
        rows = by_region.setdefault(target.region, {})
        if target.id in rows or any(row.ref_id == where for row in rows.values()):
            raise TargetError(where, Trap.BAD_ID, f"the id {target.id!r} or the refId is there twice")
        rows[target.id] = target
    return [_call(name, rows, time_range, alert=alert) for name, rows in by_region.items()]


def _call(region: str, rows: Mapping[str, Target], time_range: TimeRange, *, alert: bool) -> Call:
    _check_expressions(rows, alert=alert)
    request = {
        "StartTime": time_range.start,
        "EndTime": time_range.end,
        "ScanBy": "TimestampAscending",
        "MetricDataQueries": [_query(target) for target in rows.values()],
    }
    return Call(region=region, request=request, targets=rows)


def _check_expressions(rows: Mapping[str, Target], *, alert: bool) -> None:
    selects = [target for target in rows.values() if target.mode is Mode.SQL]
    if len(selects) > 1:
        raise TargetError(selects[1].ref_id, Trap.TWO_INSIGHTS, "a second Metrics Insights target")
    for target in rows.values():
        try:
            if target.mode is Mode.SQL and insights.parse(target.expression).schema is None:
                raise TargetError(target.ref_id, Trap.NO_SCHEMA, target.expression)
            if target.mode is Mode.MATH:
                _check_references(target, rows, alert=alert)
        except QueryError as fault:
            raise TargetError(target.ref_id, Trap.BAD_EXPRESSION, str(fault)) from fault


def _check_references(target: Target, rows: Mapping[str, Target], *, alert: bool) -> None:
    for reference in mathsyntax.references(mathsyntax.parse(target.expression)):
        if alert:
            raise TargetError(target.ref_id, Trap.ALERT_MATH, reference.id)
        if reference.id not in rows:
            raise TargetError(target.ref_id, Trap.UNKNOWN_ROW, reference.id)


def _query(target: Target) -> dict[str, Any]:
    query: dict[str, Any] = {"Id": target.id, "ReturnData": target.returned}
    if target.label:
        query["Label"] = target.label
    if target.mode in (Mode.MATH, Mode.SQL):
        return {**query, "Expression": target.expression, "Period": target.period}
    if target.mode is Mode.SEARCH:
        return {**query, "Expression": _search(target), "Label": _search_label(target)}
    dimensions = [{"Name": name, "Value": values[0]} for name, values in target.dimensions.items()]
    metric = {"Namespace": target.namespace, "MetricName": target.metric, "Dimensions": dimensions}
    return {**query, "MetricStat": {"Metric": metric, "Period": target.period, "Stat": target.statistic}}


def _search(target: Target) -> str:
    """Write the search of a target with wildcards, several values or without matchExact."""
    known = {name: values for name, values in target.dimensions.items() if ALL not in values}
    if any(set(value) & _NEED_ESCAPES for values in known.values() for value in values):
        raise TargetError(target.ref_id, Trap.UNESCAPED, "a value of a dimension in a search")
    terms = [f'MetricName="{target.metric}"', *(_term(name, values) for name, values in known.items())]
    if target.match_exact:
        head = "{" + ",".join(f'"{name}"' for name in (target.namespace, *target.dimensions)) + "}"
    else:
        head = f'Namespace="{target.namespace}"'
        terms += [f'"{name}"' for name in target.dimensions if name not in known]
    text = " ".join([head, *terms])
    if len(text) > search.MAX_LENGTH:
        raise TargetError(target.ref_id, Trap.TOO_LONG, f"the search has {len(text)}")
    return f"REMOVE_EMPTY(SEARCH('{text}', '{target.statistic}', {target.period}))"


def _term(name: str, values: list[str]) -> str:
    quoted = " OR ".join('"' + value.replace('"', r"\"").replace("'", r"\'") + '"' for value in values)
    return f'"{name}"=({quoted})' if len(values) > 1 else f'"{name}"={quoted}'


def _search_label(target: Target) -> str:
    return _SEPARATOR.join([target.label or "${LABEL}", *(f"${{PROP('Dim.{name}')}}" for name in target.wild)])


def series_labels(label: str, target: Target) -> tuple[str, dict[str, str]]:
    """Read what CloudWatch answered as label: the name that the legend shows, and the labels of the series.

    Code and Metrics Insights targets give no label but ``Series``, so alert rules cannot tell their series apart.
    """
    name, *values = label.split(_SEPARATOR)
    labels = {"Series": name}
    if target.mode in (Mode.METRIC, Mode.SEARCH):
        labels |= {key: found[0] for key, found in target.dimensions.items() if key not in target.wild}
        labels |= dict(zip(target.wild, values, strict=False))
    fixed = target.label and "${" not in target.label
    return (target.label if fixed else name), labels
