"""What the page of ``grafana/render`` draws: a dashboard, and for each panel what its queries gave."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from meterctl.cloudwatch import CloudWatch
from meterctl.grafana.compile import Variable
from meterctl.grafana.run import Series, options, run_panel, start_of

NOTICE = "drawn with Grafana's libraries, not by a Grafana server"
_LOGS = "asks Logs Insights, which the local CloudWatch does not have"
_QUOTA = 1_000_000


def picture(board: Mapping[str, Any], cloudwatch: CloudWatch, *, now: datetime, theme: str) -> dict[str, Any]:
    """Run every panel of a dashboard.

    Args:
        board: The dashboard as Grafana loads it.
        cloudwatch: Whom its panels ask.
        now: The time at which it is looked at.
        theme: ``dark`` or ``light``.

    Returns:
        The value of ``window.__dashboard__``.
    """
    variables = choose(board, cloudwatch, now=now)
    shown = {variable.name: variable for variable in variables}
    start = start_of(board["time"]["from"], now)
    return {
        "title": board["title"],
        "notice": NOTICE,
        "theme": theme,
        "range": {
            "from": _milliseconds(start),
            "to": _milliseconds(now),
            "text": f"{start:%d %b %H:%M} to {now:%d %b %H:%M} UTC",
        },
        "variables": [
            {
                "label": listed["label"],
                "value": "All" if shown[listed["name"]].values == ("*",) else shown[listed["name"]].values[0],
            }
            for listed in board["templating"]["list"]
            if listed.get("hide", 0) == 0
        ],
        "panels": [_panel(board, panel, cloudwatch, variables, now) for panel in board["panels"]],
    }


def choose(board: Mapping[str, Any], cloudwatch: CloudWatch, *, now: datetime) -> list[Variable]:
    """Choose a value for each variable, as a person who opens the dashboard would find it."""
    found: list[Variable] = []
    for listed in board["templating"]["list"]:
        values = ("*",) if listed.get("includeAll") else (_first(listed, cloudwatch, found, now),)
        found.append(Variable(name=listed["name"], values=values, multi=bool(listed.get("multi"))))
    return found


def _first(listed: Mapping[str, Any], cloudwatch: CloudWatch, before: Iterable[Variable], now: datetime) -> str:
    query = listed.get("query")
    if listed["type"] == "textbox":
        return str(query or _QUOTA)
    if listed["type"] == "datasource":
        return "CloudWatch"
    kind = query["queryType"] if isinstance(query, Mapping) else ""
    if kind == "regions":
        return cloudwatch.region
    if not isinstance(query, Mapping) or kind != "dimensionValues":
        return "GatewayLogGroup"  # which no metric lists
    return next(iter(options(cloudwatch, query, before, now=now)), "-")


def _panel(
    board: Mapping[str, Any],
    panel: Mapping[str, Any],
    cloudwatch: CloudWatch,
    variables: list[Variable],
    now: datetime,
) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        name: panel[name]
        for name in ("id", "type", "title", "description", "gridPos", "fieldConfig", "options")
        if name in panel
    }
    for variable in variables:
        drawn["title"] = drawn.get("title", "").replace(f"${variable.name}", variable.values[0])
    targets = panel.get("targets", [])
    if not targets:
        return drawn
    if all(target["queryMode"] != "Metrics" for target in targets):
        return {**drawn, "note": f"{panel['title']} {_LOGS}"}
    found = run_panel(cloudwatch, board, panel, variables, now=now)
    start = start_of(panel.get("timeFrom") or board["time"]["from"], now)
    return {
        **drawn,
        "frames": [_frame(series) for series in found],
        "range": {"from": _milliseconds(start), "to": _milliseconds(now)},
    }


def _frame(series: Series) -> dict[str, Any]:
    return {
        "name": series.name,
        "fields": [
            {"name": "Time", "type": "time", "values": [_milliseconds(at) for at, _ in series.points]},
            {
                "name": series.name,
                "type": "number",
                "config": {"displayNameFromDS": series.name},
                "values": [value for _, value in series.points],
            },
        ],
    }


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
