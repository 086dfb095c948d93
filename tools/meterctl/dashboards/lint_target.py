"""The rules of a single query: what makes CloudWatch or Grafana's plugin give nothing, or refuse the whole panel."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meterctl.dashboards import insights
from meterctl.dashboards.declared import dimension_sets

STATISTIC = re.compile(r"Sum|Average|Minimum|Maximum|SampleCount|(p|tm|tc|ts|wm)\d{1,2}(\.\d+)?")
ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
SQL = re.compile(
    r'SELECT (?P<statistic>SUM|AVG|MAX|MIN|COUNT)\((?P<metric>\w+)\) FROM SCHEMA\("(?P<namespace>[^"]+)", '
    r"(?P<dimensions>[\w, ]+)\) GROUP BY (?P<by>\w+) ORDER BY \w+\(\) DESC LIMIT \d+"
)
FUNCTIONS = frozenset({"SUM", "AVG", "MIN", "MAX", "FILL", "REMOVE_EMPTY", "RATE", "IF", "TIME_SERIES"})
"""The metric math that our expressions may use."""

_VARIABLE = re.compile(r"\$\{?(\w+)")
_NAME = re.compile(r"(?<![\w$])[A-Za-z_]\w*")

type Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """The variables that queries may use; an alert has none."""

    names: frozenset[str] = frozenset()
    multi: frozenset[str] = frozenset()
    """Those that may have several values."""


def target_problems(
    target: Json, siblings: Sequence[Json], variables: Variables, *, own: str, graph: bool
) -> Iterator[str]:
    """Find what is wrong with one query.

    Args:
        target: Its JSON.
        siblings: All queries of the panel.
        variables: What it may name with a ``$``.
        own: The namespace of our metrics.
        graph: Whether it draws over time.
    """
    if not target.get("region"):
        yield "without a region Grafana skips it"
    if target.get("queryMode") == "Logs":
        yield from _log_problems(target, graph=graph)
        return
    texts = [target.get("region", ""), target.get("expression", ""), *map(str, target.get("dimensions", {}).values())]
    for name in {name for text in texts for name in _VARIABLE.findall(text)} - {"PROP"}:
        if name not in variables.names:
            yield f"there is no variable {name}"
    if not STATISTIC.fullmatch(target.get("statistic") or ""):
        yield f"{target.get('statistic')!r} is no statistic; every query needs one"
    if not isinstance(target.get("matchExact"), bool):
        yield "matchExact is not written, and its default differs from version to version"
    if target.get("id") and not ID.fullmatch(target["id"]):
        yield f"{target['id']!r} is no id for metric math"
    yield from _kind_problems(target, siblings, variables, own)


def _kind_problems(target: Json, siblings: Sequence[Json], variables: Variables, own: str) -> Iterator[str]:
    if target.get("metricQueryType") == 1:
        yield from _sql_problems(target, own)
    elif target.get("metricEditorMode") == 1:
        yield from _math_problems(target, siblings, variables)
    else:
        yield from _metric_problems(target, own)


def _metric_problems(target: Json, own: str) -> Iterator[str]:
    namespace, metric, dimensions = target.get("namespace"), target.get("metricName"), target.get("dimensions", {})
    for name, value in dimensions.items():
        if not isinstance(value, str):
            yield f"the dimension {name} is a list, in which Grafana fills in no variable"
        elif not value:
            yield f"the dimension {name} is empty, and Grafana refuses the whole request"
    sets = dimension_sets(str(namespace), str(metric), own=own)
    if sets is None:
        yield f"there is no metric {metric} in {namespace}"
    elif target.get("matchExact"):
        if frozenset(dimensions) not in sets:
            yield f"{metric} has no dimension set of {', '.join(sorted(dimensions)) or 'no dimension'}"
    elif sum(each >= dimensions.keys() for each in sets) != 1:
        yield f"{', '.join(sorted(dimensions))} do not tell one dimension set of {metric}; it would be summed twice"


def _sql_problems(target: Json, own: str) -> Iterator[str]:
    match = SQL.fullmatch(target.get("sqlExpression", ""))
    if match is None:
        yield f"{target.get('sqlExpression')!r} is not of the form of our Metrics Insights queries"
        return
    dimensions = frozenset(match["dimensions"].replace(" ", "").split(","))
    sets = dimension_sets(match["namespace"], match["metric"], own=own)
    if sets is None or dimensions not in sets:
        yield f"{match['metric']} has no dimension set of {', '.join(sorted(dimensions))} in {match['namespace']}"
    if match["by"] not in dimensions:
        yield f"it groups by {match['by']}, which is not among its dimensions"


def _math_problems(target: Json, siblings: Sequence[Json], variables: Variables) -> Iterator[str]:
    expression = target.get("expression", "")
    inputs = {sibling["id"]: sibling for sibling in siblings if sibling.get("id") and sibling is not target}
    names = set(_NAME.findall(expression))
    if unknown := names - inputs.keys() - FUNCTIONS:
        yield f"{', '.join(sorted(unknown))} in {expression!r} is no id of another query and no function"
    used = {name: _shape(inputs[name], variables) for name in names & inputs.keys()}
    if not used:
        yield f"{expression!r} uses no other query"
    summed = {name for name in used if re.search(rf"\bSUM\((FILL\()?{name}\b", expression)}
    bare = {name for name in used if re.search(rf"(?<!SUM\()(?<!SUM\(FILL\()\b{name}\b", expression)}
    for name in sorted(summed):
        if used[name] == "either":
            yield f"SUM({name}) is a number as soon as every variable has one value; make {name} a search"
    arrays = sorted(name for name in bare if used[name] != "single")
    if len(arrays) > 1:
        yield f"CloudWatch cannot combine the searches {' and '.join(arrays)}; sum them first"
    number = not bare and all(used[name] == "single" for name in summed)
    if used and number and not expression.startswith("TIME_SERIES("):
        yield f"{expression!r} is a number and no series"


def _shape(target: Json, variables: Variables) -> str:
    """Tell what a query becomes: a ``search``, a ``single`` series, or ``either``, by the values of the variables."""
    if target.get("metricEditorMode") == 1:
        return "single"
    values = list(target["dimensions"].values())
    if not target["matchExact"] or "*" in values:
        return "search"
    several = any(name in variables.multi for value in values for name in _VARIABLE.findall(value))
    return "either" if several else "single"


def _log_problems(target: Json, *, graph: bool) -> Iterator[str]:
    if target.get("logsMode") != "Insights" or target.get("queryLanguage") != "CWLI":
        yield "it does not say which kind of log query it is"
    if not [group for group in target.get("logGroups", []) if group.get("arn") and group.get("name")]:
        yield "it names no log group"
    try:
        query = insights.read(target.get("expression", ""))
    except insights.QueryError as error:
        yield str(error)
        return
    if tuple(target.get("statsGroups", ())) != query.groups:
        yield f"statsGroups has to be {[*query.groups]}, or Grafana does not split the series"
    if graph and not query.over_time:
        yield "a graph needs stats by bin()"
