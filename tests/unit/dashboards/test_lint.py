"""What the linter finds: each trap that shows as an empty panel in Grafana, planted in a dashboard that is sound."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from bedrock_meter import metrics
from meterctl.dashboards import build, declared, lint
from meterctl.dashboards.errors import DashboardError
from meterctl.dashboards.queries import Place

OWN = "BedrockMeter"
PLACE = Place(own=OWN)
BOARDS = {board.slug: board.model(PLACE) for board in build.BOARDS}
type Json = dict[str, Any]
type Plant = Callable[[Json], object]


def panel(board: Json, title: str) -> Json:
    """Give a panel of a dashboard."""
    found: Json = next(each for each in board["panels"] if each["title"] == title)
    return found


def target(board: Json, title: str, place: int = 0) -> Json:
    """Give a query of a panel."""
    found: Json = panel(board, title)["targets"][place]
    return found


def test_the_dashboards_are_sound() -> None:
    """Nothing is wrong with the dashboards that we write."""
    assert lint.problems(BOARDS, own=OWN) == []


def test_every_metric_is_on_a_panel() -> None:
    """A metric that is emitted and that no panel shows is named."""
    boards = {slug: board for slug, board in BOARDS.items() if slug != "health"}
    unseen = {metrics.OVERHEAD, metrics.COLD_START, metrics.FAULTS, metrics.DISAGREEMENT, metrics.PRICE_DRIFT}
    unseen |= {metrics.UNMETERED_SHARE, metrics.UNMETERED_TOKENS, metrics.DRIFT}
    assert lint.problems(boards, own=OWN) == [f"no panel shows the metric {name}" for name in sorted(unseen)]


def test_every_metric_of_aws_that_is_declared_is_shown() -> None:
    """The table of AWS's metrics holds nothing that no panel reads."""
    shown = {
        (each["namespace"], each["metricName"])
        for board in BOARDS.values()
        for one in board["panels"]
        for each in one.get("targets", [])
        if each.get("namespace", "").startswith("AWS/")
    }
    assert shown == {(namespace, name) for namespace, found in declared.AWS.items() for name in found}


ONE, TOTAL, SEARCH, SQL = "Spend today", "Cost per request", "Cost per request, chosen", "Spend by use case"
TRAPS: list[tuple[str, Plant, str]] = [
    (
        "a misspelt metric",
        lambda b: target(b, ONE).update(metricName="Cost"),
        "there is no metric Cost in BedrockMeter",
    ),
    (
        "a wrong dimension set",
        lambda b: target(b, ONE).update(dimensions={"UseCase": "x"}),
        "EstimatedCostUSD has no dimension set of UseCase",
    ),
    ("no statistic", lambda b: target(b, ONE).pop("statistic"), "None is no statistic; every query needs one"),
    ("no statistic in math", lambda b: target(b, TOTAL, 2).update(statistic=""), "'' is no statistic"),
    (
        "an empty dimension",
        lambda b: target(b, ONE).update(dimensions={"Service": ""}),
        "the dimension Service is empty",
    ),
    (
        "a list as dimension",
        lambda b: target(b, ONE).update(dimensions={"Service": ["$service"]}),
        "the dimension Service is a list, in which Grafana fills in no variable",
    ),
    ("no matchExact", lambda b: target(b, ONE).pop("matchExact"), "matchExact is not written"),
    ("no region", lambda b: target(b, ONE).update(region=""), "without a region Grafana skips it"),
    (
        "an unknown variable",
        lambda b: target(b, ONE).update(dimensions={"Service": "$stack"}),
        "there is no variable stack",
    ),
    ("a bad id", lambda b: target(b, TOTAL).update(id="Cost"), "'Cost' is no id for metric math"),
    ("a row that is not there", lambda b: target(b, TOTAL, 2).update(expression="cost/callz"), "callz in 'cost/callz'"),
    ("a function that is not used", lambda b: target(b, TOTAL, 2).update(expression="MEDIAN(cost)"), "MEDIAN in"),
    (
        "a number instead of a series",
        lambda b: target(b, TOTAL, 2).update(expression="SUM(cost)/SUM(calls)"),
        "is a number and no series",
    ),
    (
        "a sum that becomes a number",
        lambda b: target(b, SEARCH).update(matchExact=True),
        "SUM(cost) is a number as soon as every variable has one value",
    ),
    (
        "two searches in one operation",
        lambda b: target(b, SEARCH, 2).update(expression="cost/calls"),
        "CloudWatch cannot combine the searches calls and cost",
    ),
    (
        "a search that finds two sets",
        lambda b: target(b, SEARCH).update(dimensions={"Service": "x", "UseCase": "y"}),
        "do not tell one dimension set",
    ),
    (
        "two Metrics Insights queries",
        lambda b: panel(b, SQL)["targets"].append({**target(b, SQL), "refId": "B"}),
        "CloudWatch takes one Metrics Insights query in a request",
    ),
    (
        "a group that is no dimension",
        lambda b: target(b, SQL).update(sqlExpression=target(b, SQL)["sqlExpression"].replace("BY UseCase", "BY Team")),
        "it groups by Team, which is not among its dimensions",
    ),
    (
        "other SQL",
        lambda b: target(b, SQL).update(sqlExpression="SELECT 1"),
        "is not of the form of our Metrics Insights",
    ),
    ("an id used twice", lambda b: panel(b, ONE).update(id=1), "panel id 1 is used twice"),
    ("no id", lambda b: panel(b, ONE).pop("id"), "it has no id"),
    ("a unit that is none", lambda b: panel(b, ONE)["fieldConfig"]["defaults"].update(unit="USD"), "'USD' is no unit"),
    ("no description", lambda b: panel(b, ONE).update(description=""), "it has no description"),
    ("no link", lambda b: panel(b, ONE)["fieldConfig"]["defaults"].update(links=[]), "no link to the log lines"),
    (
        "a link elsewhere",
        lambda b: panel(b, ONE)["fieldConfig"]["defaults"]["links"][0].update(url="/x"),
        "holds no query",
    ),
    ("nothing but hidden queries", lambda b: target(b, ONE).update(hide=True), "it shows no query"),
    ("one refId for two", lambda b: target(b, TOTAL).update(refId="B"), "two queries are 'B'"),
    ("an overlap", lambda b: panel(b, ONE)["gridPos"].update(w=5), "overlap"),
    ("a panel beyond the grid", lambda b: panel(b, SQL)["gridPos"].update(w=25), "is wider than the grid"),
    ("a legend without numbers", lambda b: panel(b, SQL)["options"]["legend"].update(calcs=[]), "no calculations"),
    ("a kind that is not used", lambda b: panel(b, ONE).update(type="graph"), "graph is no kind of panel"),
    ("two panels of one name", lambda b: panel(b, ONE).update(title=SQL), f"there are two panels {SQL!r}"),
    ("no refresh", lambda b: b.update(refresh=""), "the dashboard has no refresh"),
    (
        "a skipped annotation",
        lambda b: b["annotations"]["list"][2]["target"].update(actionPrefix=""),
        "annotation Alarms: without actionPrefix Grafana skips it",
    ),
    (
        "a variable of no dimension",
        lambda b: b["templating"]["list"][2]["query"].update(dimensionKey="Stack"),
        "variable service: BedrockMeter Invocations has no dimension Stack",
    ),
    (
        "All as a long list",
        lambda b: b["templating"]["list"][3].update(allValue=None),
        "variable usecase: All would become a long list",
    ),
]
LOG_TRAPS: list[tuple[str, Plant, str]] = [
    ("a misspelt field", lambda t: t.update(expression="stats count(*) as n by bin(5m), stop"), "no field stop"),
    ("series that are not split", lambda t: t.update(statsGroups=[]), "statsGroups has to be ['stop_reason']"),
    ("no time", lambda t: t.update(expression="stats count(*) as n by stop_reason"), "a graph needs stats by bin()"),
    ("no log group", lambda t: t.update(logGroups=[]), "it names no log group"),
    ("no kind of logs", lambda t: t.pop("logsMode"), "which kind of log query"),
]


@pytest.mark.parametrize(("plant", "problem"), [pytest.param(p, s, id=name) for name, p, s in TRAPS])
def test_a_trap_is_found(plant: Plant, problem: str) -> None:
    """The trap is named, and so are the dashboard and, where there is one, the panel."""
    board = copy.deepcopy(BOARDS["spend"])
    plant(board)
    found = lint.problems({**BOARDS, "spend": board}, own=OWN)
    assert [each for each in found if problem in each]
    assert all(each.startswith(("spend: ", "no panel shows")) for each in found)


@pytest.mark.parametrize(("plant", "problem"), [pytest.param(p, s, id=name) for name, p, s in LOG_TRAPS])
def test_a_trap_in_a_log_query_is_found(plant: Plant, problem: str) -> None:
    """A log query that would give nothing is named with its panel."""
    board = copy.deepcopy(BOARDS["operations"])
    plant(target(board, "Stop reasons"))
    (found,) = lint.problems({**BOARDS, "operations": board}, own=OWN)
    assert found.startswith("operations: panel 'Stop reasons': query A: ")
    assert problem in found


def test_a_build_with_a_trap_fails_and_names_the_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    """`meterctl dashboards build` writes nothing when a dashboard would not work."""
    monkeypatch.setattr(declared, "OWN", {name: sets for name, sets in declared.OWN.items() if name != metrics.COST})
    with pytest.raises(DashboardError) as caught:
        build.files(build.Target())
    problem = "spend: panel 'Spend today': query A: there is no metric EstimatedCostUSD in BedrockMeter"
    assert problem in caught.value.problems
