"""Alert rules as Grafana takes them: as a file for provisioning, and over HTTP."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from meterctl.dashboards.lint_target import Variables, target_problems
from meterctl.dashboards.queries import Place
from meterctl.dashboards.steps import Above, Calculation, Conditions, Query, Reduce, Rule, Step

FOLDER = "Bedrock"
FOLDER_UID = "bedrock-meter"
DATASOURCE_UID = "cloudwatch"
"""The uid that grafana/provisioning gives the data source."""
RUNBOOK = "docs/runbook.md"
INTERVALS: Mapping[str, int] = {"minutes": 60, "hours": 600}
"""How often the rules of a group are looked at, in seconds."""
EXPRESSION = "__expr__"
"""The uid of Grafana's own data source for numbers made of other queries."""

HEADER = "# Written by `meterctl dashboards build`; edit tools/meterctl/dashboards/rules.py instead.\n"


def step_model(ref_id: str, step: Step, place: Place) -> dict[str, Any]:
    """Give a step as Grafana stores it among the data of a rule."""
    if isinstance(step, Query):
        return {
            "refId": ref_id,
            "datasourceUid": place.datasource,
            "relativeTimeRange": {"from": step.ago + step.seconds, "to": step.ago},
            "model": step.metric.model(ref_id, place),
        }
    return {
        "refId": ref_id,
        "datasourceUid": EXPRESSION,
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {"refId": ref_id, "datasource": {"type": EXPRESSION, "uid": EXPRESSION}, **_expression(step)},
    }


def _expression(step: Reduce | Calculation | Above | Conditions) -> dict[str, Any]:
    match step:
        case Reduce(of=of, by=by):
            return {"type": "reduce", "expression": of, "reducer": by, "settings": {"mode": "dropNN"}}
        case Calculation(expression=expression):
            return {"type": "math", "expression": expression}
        case Above(of=of, limit=limit):
            return {"type": "threshold", "expression": of, "conditions": [{"evaluator": _above(limit)}]}
        case Conditions(parts=parts):
            return {
                "type": "classic_conditions",
                "conditions": [
                    {
                        "type": "query",
                        "evaluator": _above(part.above),
                        "operator": {"type": part.joined},
                        "query": {"params": [part.of]},
                        "reducer": {"type": part.by, "params": []},
                    }
                    for part in parts
                ],
            }


def _above(limit: float | None) -> dict[str, Any]:
    return {"type": "no_value", "params": []} if limit is None else {"type": "gt", "params": [limit]}


def _rule(rule: Rule, place: Place, runbook: str) -> dict[str, Any]:
    """Give what both forms of a rule have in common."""
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": [*rule.steps][-1],
        "for": rule.pending,
        # Silence is no traffic, and a rule of its own watches for a gateway that is silent under traffic.
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": {"team": "bedrock", "severity": rule.severity.value},
        "annotations": {
            "summary": rule.summary,
            "runbook_url": f"{runbook}#{rule.section or rule.slug}",
        },
        "data": [step_model(ref_id, step, place) for ref_id, step in rule.steps.items()],
    }


def file(rules: Sequence[Rule], place: Place, *, runbook: str = RUNBOOK) -> str:
    """Give the file for Grafana's provisioning.

    Grafana fills in ``$VARIABLES`` in labels; none of ours has any. Annotations and queries keep their ``$``.
    """
    groups = [
        {
            "orgId": 1,
            "name": f"bedrock-meter-{group}",
            "folder": FOLDER,
            "interval": f"{seconds}s",
            "rules": [
                {
                    **_rule(rule, place, runbook),
                    "dashboardUid": rule.board.uid,
                    "panelId": rule.board.panel_ids[rule.panel],
                }
                for rule in rules
                if rule.group == group
            ],
        }
        for group, seconds in INTERVALS.items()
    ]
    return HEADER + yaml.safe_dump({"apiVersion": 1, "groups": groups}, sort_keys=False, width=120)


def http_groups(
    rules: Sequence[Rule], place: Place, *, folder: str, runbook: str = RUNBOOK
) -> dict[str, dict[str, Any]]:
    """Give the groups as ``PUT /api/v1/provisioning/folder/{folder}/rule-groups/{name}`` takes them, by name."""
    found = {}
    for group, seconds in INTERVALS.items():
        name = f"bedrock-meter-{group}"
        found[name] = {
            "title": name,
            "folderUid": folder,
            "interval": seconds,
            "rules": [_http_rule(rule, place, folder, name, runbook) for rule in rules if rule.group == group],
        }
    return found


def _http_rule(rule: Rule, place: Place, folder: str, group: str, runbook: str) -> dict[str, Any]:
    model = _rule(rule, place, runbook)
    panel = {"__dashboardUid__": rule.board.uid, "__panelId__": str(rule.board.panel_ids[rule.panel])}
    model["annotations"] = {**model["annotations"], **panel}
    return {**model, "orgID": 1, "folderUID": folder, "ruleGroup": group, "isPaused": False}


def problems(rules: Sequence[Rule], place: Place) -> Iterator[str]:
    """Find what is wrong with the rules: a sentence for each, which names the rule."""
    for uid in {rule.uid for rule in rules if sum(other.uid == rule.uid for other in rules) > 1}:
        yield f"alert {uid}: there are two"
    for rule in rules:
        yield from (f"alert {rule.uid}: {problem}" for problem in _rule_problems(rule, place))


def _rule_problems(rule: Rule, place: Place) -> Iterator[str]:
    if len(rule.uid) > 40:  # noqa: PLR2004 - Grafana's limit on uids
        yield "its uid is longer than 40 characters"
    if rule.panel not in rule.board.panel_ids:
        yield f"the dashboard {rule.board.slug} has no panel {rule.panel!r}"
    known: set[str] = set()
    for ref_id, step in rule.steps.items():
        model = step_model(ref_id, step, place)["model"]
        if isinstance(step, Query):
            # An alert has no variables, and a hidden query would be asked all the same.
            for problem in target_problems(model, [model], Variables(), own=place.own, graph=False):
                yield f"query {ref_id}: {problem}"
        elif unknown := _inputs(step) - known:
            yield f"step {ref_id} reads {', '.join(sorted(unknown))}, which does not come before it"
        known.add(ref_id)
    if not isinstance([*rule.steps.values()][-1], Above | Conditions):
        yield "its last step is no condition"


def _inputs(step: Reduce | Calculation | Above | Conditions) -> set[str]:
    match step:
        case Reduce(of=of) | Above(of=of):
            return {of}
        case Calculation(expression=expression):
            return {*re.findall(r"\$(\w+)", expression)}
        case Conditions(parts=parts):
            return {part.of for part in parts}
