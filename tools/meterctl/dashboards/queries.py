"""The queries of panels and alerts, and the JSON that Grafana's CloudWatch plugin stores for each.

The plugin has traps that show as empty panels and not as errors; each query here is written so that it steps into none:
``statistic``, ``matchExact`` and ``region`` always stand in the JSON, and a dimension is always one text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from grafana_foundation_sdk.builders import cloudwatch as sdk
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.cloudwatch import (
    LogsQueryLanguage,
    MetricEditorMode,
    MetricQueryType,
    QueryMode,
)
from grafana_foundation_sdk.models.common import DataSourceRef

from bedrock_meter.metrics import MODEL_ID, SERVICE, USE_CASE

DATASOURCE_VARIABLE = "${datasource}"
REGION_VARIABLE = "$region"
ALL = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where queries are answered."""

    own: str
    """The namespace of our metrics."""
    datasource: str = DATASOURCE_VARIABLE
    """The uid of the data source, or the variable that holds it."""
    region: str = REGION_VARIABLE
    """The Region, ``default`` for that of the data source, or the variable that holds it."""

    @property
    def reference(self) -> DataSourceRef:
        """The data source as targets name it."""
        return DataSourceRef(type_val="cloudwatch", uid=self.datasource)


class Target(Protocol):
    """One query of a panel."""

    @property
    def hidden(self) -> bool:
        """Whether only other queries read it."""

    def model(self, ref_id: str, place: Place) -> dict[str, Any]:
        """Give the JSON that Grafana stores."""


def plain(value: object) -> dict[str, Any]:
    """Give what the SDK built as plain JSON."""
    found: dict[str, Any] = json.loads(JSONEncoder().encode(value))
    return found


def _common(query: sdk.MetricsQuery, place: Place, *, label: str, period: str, id_val: str) -> sdk.MetricsQuery:
    return (
        query.query_mode(QueryMode.METRICS)
        .datasource(place.reference)
        .region(place.region)
        .label(label)
        .period(period)
        .id(id_val)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric by its dimensions: one series, or, where a dimension is ``*`` or a variable, all that match."""

    metric: str
    statistic: str
    dimensions: Mapping[str, str]
    label: str = ""
    namespace: str | None = None
    """None stands for our own."""
    id: str = ""
    hidden: bool = False
    period: str = ""
    """Seconds; empty lets Grafana choose by the time range."""
    exact: bool = True
    """False always makes a search, also where every variable has a single value, so that SUM has something to sum."""

    def model(self, ref_id: str, place: Place) -> dict[str, Any]:
        """Give the JSON of the plugin's builder."""
        query = _common(sdk.MetricsQuery(), place, label=self.label, period=self.period, id_val=self.id)
        query.ref_id(ref_id).metric_query_type(MetricQueryType.SEARCH).metric_editor_mode(MetricEditorMode.BUILDER)
        query.namespace(self.namespace or place.own).metric_name(self.metric).statistic(self.statistic)
        query.dimensions(dict(self.dimensions)).match_exact(self.exact).expression("").sql_expression("")
        return plain(query.hide(self.hidden).build())


@dataclass(frozen=True, slots=True, kw_only=True)
class Math:
    """Metric math over the ids of other queries of the panel."""

    expression: str
    label: str
    id: str = ""
    hidden: bool = False
    period: str = ""

    def model(self, ref_id: str, place: Place) -> dict[str, Any]:
        """Give the JSON of the plugin's code editor."""
        query = _common(sdk.MetricsQuery(), place, label=self.label, period=self.period, id_val=self.id)
        query.ref_id(ref_id).metric_query_type(MetricQueryType.SEARCH).metric_editor_mode(MetricEditorMode.CODE)
        # A backend without a statistic fails, also where it has no use for one.
        query.namespace("").statistic("Sum").match_exact(True).expression(self.expression).sql_expression("")
        return plain(query.hide(self.hidden).build())


@dataclass(frozen=True, slots=True, kw_only=True)
class Insights:
    """A sum over every use case and model, by one of the two; the only grouping that CloudWatch offers.

    A request may hold one such query, and its time range reaches back two weeks at most.
    """

    metric: str
    by: str
    limit: int = 20
    hidden: bool = field(default=False, init=False)

    def model(self, ref_id: str, place: Place) -> dict[str, Any]:
        """Give the JSON of the plugin's code editor for Metrics Insights."""
        sql = (
            f'SELECT SUM({self.metric}) FROM SCHEMA("{place.own}", {MODEL_ID}, {USE_CASE}) '  # noqa: S608 - every part is a name of ours
            f"GROUP BY {self.by} ORDER BY SUM() DESC LIMIT {self.limit}"
        )
        query = _common(sdk.MetricsQuery(), place, label="", period="", id_val="")
        query.ref_id(ref_id).metric_query_type(MetricQueryType.INSIGHTS).metric_editor_mode(MetricEditorMode.CODE)
        query.namespace(place.own).statistic("Sum").match_exact(True).expression("").sql_expression(sql)
        return plain(query.hide(self.hidden).build())


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """A Logs Insights query over the gateway's log group."""

    expression: str
    groups: tuple[str, ...] = ()
    """What the rows are grouped by besides time; without them Grafana does not split the series."""
    log_group: str = "$loggroup"
    hidden: bool = field(default=False, init=False)

    def model(self, ref_id: str, place: Place) -> dict[str, Any]:
        """Give the JSON of a log query."""
        # Newer plugins read the name and older ones the ARN; both are what the variable holds.
        group = sdk.LogGroup().arn(self.log_group).name(self.log_group)
        query = sdk.LogsQuery().ref_id(ref_id).id("").query_mode(QueryMode.LOGS).datasource(place.reference)
        query.region(place.region).log_groups([group]).query_language(LogsQueryLanguage.CWLI)
        query.expression(self.expression).stats_groups([*self.groups])
        return {**plain(query.build()), "logsMode": "Insights"}


def dimension_label(dimension: str) -> str:
    """Give the dynamic label that CloudWatch fills with the value of a dimension."""
    return f"${{PROP('Dim.{dimension}')}}"


def of_service(metric: str, statistic: str, label: str = "", *, period: str = "") -> Metric:
    """Ask for the one series of the deployment that the dashboard is set to."""
    return Metric(metric=metric, statistic=statistic, dimensions={SERVICE: "$service"}, label=label, period=period)


def of_calls(metric: str, label: str = f"{dimension_label(USE_CASE)} {dimension_label(MODEL_ID)}") -> Metric:
    """Ask for the sums of every chosen pair of use case and model."""
    dimensions = {USE_CASE: "$usecase", MODEL_ID: "$model"}
    return Metric(metric=metric, statistic="Sum", dimensions=dimensions, label=label)


def summed(key: str, metric: Metric) -> Metric:
    """Make a query an input of ``SUM(key)``: hidden, and a search even where every variable has a single value.

    SUM of a search is a series and SUM of a single series a number, which no graph can show.
    """
    return replace(metric, id=key, hidden=True, exact=False)


def inputs(**metrics: tuple[str, str]) -> tuple[Metric, ...]:
    """Give hidden queries of the deployment's series for math, by id: ``inputs(a=(COST, "Sum"))``."""
    return tuple(
        replace(of_service(name, statistic), id=key, hidden=True) for key, (name, statistic) in metrics.items()
    )
