"""What would go wrong with a dashboard in Grafana, found without a Grafana.

Grafana shows most of these as an empty panel, and none as an error: a misspelt metric, a set of dimensions that does
not exist, a query without a statistic. `lint_target` has the rules of a single query.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any
from urllib.parse import parse_qs

from grafana_foundation_sdk.models import units

from meterctl.dashboards import insights
from meterctl.dashboards.declared import OWN, dimension_sets
from meterctl.dashboards.lint_target import Variables, target_problems
from meterctl.dashboards.queries import DATASOURCE_VARIABLE

UNITS = frozenset(value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_"))
"""Grafana's unit ids."""
_GRID = 24
_KINDS = frozenset({"timeseries", "stat", "gauge", "bargauge"})

type Json = Mapping[str, Any]


def problems(boards: Mapping[str, Json], *, own: str) -> list[str]:
    """Find what is wrong with dashboards.

    Args:
        boards: Their JSON, by the name of the file.
        own: The namespace of our metrics.

    Returns:
        A sentence for each problem, which names the dashboard and the panel; empty when all is well.
    """
    found = []
    for name, board in boards.items():
        found += [f"{name}: {problem}" for problem in board_problems(board, own=own)]
    found += [f"{uid} is the uid of two dashboards" for uid in _twice(board["uid"] for board in boards.values())]
    shown = {metric for board in boards.values() for metric in _shown(board, own)}
    found += [f"no panel shows the metric {metric}" for metric in sorted(OWN.keys() - shown)]
    return found


def board_problems(board: Json, *, own: str) -> Iterator[str]:
    """Find what is wrong with one dashboard."""
    for member in ("uid", "title", "description", "refresh", "tags", "links"):
        if not board.get(member):
            yield f"the dashboard has no {member}"
    listed = board["templating"]["list"]
    variables = Variables(
        names=frozenset(v["name"] for v in listed), multi=frozenset(v["name"] for v in listed if v["multi"])
    )
    for variable in listed:
        yield from (f"variable {variable['name']}: {problem}" for problem in _variable_problems(variable, own))
    for annotation in board["annotations"]["list"]:
        yield from (f"annotation {annotation['name']}: {problem}" for problem in _annotation_problems(annotation))
    panels = board["panels"]
    yield from (f"panel id {number} is used twice" for number in _twice(panel.get("id") for panel in panels))
    yield from (f"there are two panels {title!r}" for title in _twice(panel["title"] for panel in panels))
    yield from _overlaps(panels)
    for panel in panels:
        if panel["type"] != "row":
            yield from (f"panel {panel['title']!r}: {problem}" for problem in panel_problems(panel, variables, own=own))


def panel_problems(panel: Json, variables: Variables, *, own: str) -> Iterator[str]:
    """Find what is wrong with one panel."""
    defaults = panel["fieldConfig"]["defaults"]
    if panel["type"] not in _KINDS:
        yield f"{panel['type']} is no kind of panel that is used here"
    if not panel.get("description"):
        yield "it has no description"
    unit = defaults.get("unit", "")
    if unit not in UNITS and not unit.startswith("suffix:"):
        yield f"{unit!r} is no unit of Grafana"
    if panel["type"] == "timeseries" and not panel["options"]["legend"]["calcs"]:
        yield "its legend has no calculations"
    if not isinstance(panel.get("id"), int) or panel["id"] < 1:
        yield "it has no id"
    yield from _link_problems(defaults.get("links", []))
    targets: Sequence[Json] = panel.get("targets", [])
    if all(target.get("hide") for target in targets):
        yield "it shows no query"
    yield from (f"two queries are {ref!r}" for ref in _twice(target.get("refId") for target in targets))
    yield from (f"two queries have the id {key!r}" for key in _twice(t["id"] for t in targets if t.get("id")))
    if sum(bool(target.get("sqlExpression")) for target in targets) > 1:
        yield "CloudWatch takes one Metrics Insights query in a request"
    graph = panel["type"] == "timeseries"
    for target in targets:
        for problem in target_problems(target, targets, variables, own=own, graph=graph):
            yield f"query {target.get('refId')}: {problem}"


def _link_problems(links: Sequence[Json]) -> Iterator[str]:
    if not links:
        yield "it has no link to the log lines behind it"
    for link in links:
        try:
            insights.read(explored_query(link["url"]))
        except (insights.QueryError, LookupError, ValueError) as error:
            yield f"its link {link.get('title')!r} holds no query that reads: {error}"


def explored_query(url: str) -> str:
    """Give the Logs Insights query that a link to Explore holds.

    Raises:
        LookupError: The link holds none.
        ValueError: It is no link to Explore.
    """
    path, _, query = url.partition("?")
    panes = json.loads(parse_qs(query)["panes"][0])
    if path != "/explore":
        raise ValueError(f"{path} is not Explore")
    expression: str = panes["calls"]["queries"][0]["expression"]
    return expression


def _variable_problems(variable: Json, own: str) -> Iterator[str]:
    if variable["type"] != "query":
        return
    query = variable["query"]
    if variable["datasource"]["uid"] != DATASOURCE_VARIABLE:
        yield "it asks another data source than the one that is chosen"
    if variable["refresh"] != 1:
        yield "it is not asked when the dashboard loads"
    if variable["multi"] and variable.get("allValue") != "*":
        yield "All would become a long list instead of a wildcard"
    if query["queryType"] == "dimensionValues":
        sets = dimension_sets(query["namespace"], query["metricName"], own=own)
        if sets is None or not any(query["dimensionKey"] in each for each in sets):
            yield f"{query['namespace']} {query['metricName']} has no dimension {query['dimensionKey']}"


def _annotation_problems(annotation: Json) -> Iterator[str]:
    target = annotation.get("target", {})
    if target.get("queryMode") == "Annotations":
        for member in ("alarmNamePrefix", "actionPrefix", "statistic", "region"):
            if not target.get(member):
                yield f"without {member} Grafana skips it"


def _overlaps(panels: Sequence[Json]) -> Iterator[str]:
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > _GRID:
            yield f"panel {panel['title']!r} is wider than the grid"
    for one, other in combinations(panels, 2):
        a, b = one["gridPos"], other["gridPos"]
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        if not beside and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]:
            yield f"panels {one['title']!r} and {other['title']!r} overlap"


def _shown(board: Json, own: str) -> Iterator[str]:
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            if target.get("namespace") == own and target.get("metricName"):
                yield target["metricName"]


def _twice(values: Any) -> Iterator[Any]:
    return (value for value, times in Counter(values).items() if times > 1)
