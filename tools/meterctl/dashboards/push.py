"""``meterctl dashboards push``: look at everything first, then write what differs, and nothing else.

A push has three parts, of which only the last one writes: `plan` finds out whether Grafana is there, new enough and
open to the token, and what differs; `Plan.diff` shows it; `apply` writes it. So a push that cannot be finished is not
begun. A Grafana has no transactions: what fails in the middle of `apply` all the same (a network that breaks) is made
whole by the next push, because each thing is written under a uid of its own and a second time changes nothing.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meterctl.dashboards import build
from meterctl.dashboards.alerts import FOLDER_UID
from meterctl.dashboards.api import Grafana, segment
from meterctl.dashboards.errors import GrafanaError

type Json = Mapping[str, Any]

_CAN_SAVE = frozenset({"dashboards:create", "alert.rules:create"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that differs from what Grafana has."""

    what: str
    """What it is, for a person."""
    method: str
    path: str
    body: Json
    before: Any
    """None when it is not there yet."""
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a push would write, in that order."""

    version: str
    changes: Sequence[Change] = field(default=())

    def diff(self) -> Iterator[str]:
        """Give the lines of a unified diff of everything that changes."""
        for change in self.changes:
            before, after = (_lines(side) for side in (change.before, change.after))
            yield from difflib.unified_diff(before, after, f"Grafana: {change.what}", change.what, n=1, lineterm="")


def plan(grafana: Grafana, target: build.Target, *, folder: str, datasource: str | None = None) -> Plan:
    """Find out what a push would do. It only reads.

    Args:
        grafana: The Grafana.
        target: What is shown and watched.
        folder: The title of the folder.
        datasource: The uid of the CloudWatch data source that alerts ask; None takes the only one, or the default.

    Raises:
        GrafanaError: The push could not be finished.
        DashboardError: A dashboard or a rule would not work.
    """
    boards = build.boards(target)
    version = grafana.check_version()
    grafana.check_token()
    there = grafana.get(f"/api/folders/{FOLDER_UID}")
    _check_rights(grafana, there, folder)
    groups = build.alert_groups(target, datasource=_datasource(grafana, datasource), folder=FOLDER_UID)
    changes = [*_folder(there, folder)]
    for board in boards.values():
        changes += _board(grafana, board)
    for name, group in groups.items():
        changes += _group(grafana, name, group)
    return Plan(version=version, changes=changes)


def apply(grafana: Grafana, found: Plan) -> None:
    """Write what a plan found."""
    for change in found.changes:
        grafana.write(change.method, change.path, change.body, what=change.what)


def _check_rights(grafana: Grafana, folder: Json | None, title: str) -> None:
    """Stop where the token may read but not write; Grafana tells the rights only to those who ask."""
    if folder is not None and folder.get("canSave") is False:
        raise GrafanaError(
            f"the token may not write to the folder {folder.get('title')!r} on {grafana.url}: give its service account "
            "the role Editor, or the permission Edit on that folder"
        )
    granted = grafana.get("/api/access-control/user/permissions")
    if folder is None and isinstance(granted, dict) and "folders:create" not in granted:
        raise GrafanaError(
            f"the token may not make the folder {title!r} on {grafana.url}: give its service account the role Editor, "
            f"or make a folder with the uid {FOLDER_UID} and give it the permission Edit there"
        )
    missing = _CAN_SAVE - granted.keys() if isinstance(granted, dict) else set()
    if missing:
        raise GrafanaError(
            f"the token lacks {', '.join(sorted(missing))} on {grafana.url}: give its service account the role Editor"
        )


def _datasource(grafana: Grafana, uid: str | None) -> str:
    """Find the data source that alert rules name by its uid."""
    found = [each for each in grafana.get("/api/datasources") or () if each.get("type") == "cloudwatch"]
    if uid is not None:
        if uid not in {each["uid"] for each in found}:
            raise GrafanaError(f"{grafana.url} has no CloudWatch data source with the uid {uid!r}")
        return uid
    chosen = found if len(found) == 1 else [each for each in found if each.get("isDefault")]
    if not chosen:
        names = ", ".join(sorted(each["uid"] for each in found))
        raise GrafanaError(
            f"{grafana.url} has several CloudWatch data sources; choose one with --datasource: {names}"
            if found
            else f"{grafana.url} has no CloudWatch data source: add one, then push again"
        )
    return str(chosen[0]["uid"])


def _folder(there: Json | None, title: str) -> Iterator[Change]:
    if there is None:
        body = {"uid": FOLDER_UID, "title": title}
        yield Change(what=f"folder {title}", method="POST", path="/api/folders", body=body, before=None, after=body)


def _board(grafana: Grafana, board: dict[str, Any]) -> Iterator[Change]:
    answer = grafana.get(f"/api/dashboards/uid/{segment(board['uid'])}")
    after = {**board, "folder": FOLDER_UID}
    before = None
    if answer is not None:
        before = pruned({**answer["dashboard"], "folder": answer.get("meta", {}).get("folderUid")}, after)
    if before != after:
        body = {"dashboard": board, "folderUid": FOLDER_UID, "overwrite": True, "message": "meterctl dashboards push"}
        yield Change(
            what=f"dashboard {board['title']}",
            method="POST",
            path="/api/dashboards/db",
            body=body,
            before=before,
            after=after,
        )


def _group(grafana: Grafana, name: str, group: dict[str, Any]) -> Iterator[Change]:
    path = f"/api/v1/provisioning/folder/{segment(FOLDER_UID)}/rule-groups/{segment(name)}"
    before = pruned(grafana.get(path), group)
    if before != group:
        yield Change(what=f"alert rules {name}", method="PUT", path=path, body=group, before=before, after=group)


def pruned(stored: Any, wanted: Any) -> Any:
    """Leave out what Grafana adds of its own to what it stores: ids, versions, times, defaults."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        return {key: pruned(value, wanted[key]) for key, value in stored.items() if key in wanted}
    if isinstance(stored, list) and isinstance(wanted, list) and len(stored) == len(wanted):
        return [pruned(*pair) for pair in zip(stored, wanted, strict=True)]
    return stored


def _lines(side: Any) -> list[str]:
    return [] if side is None else json.dumps(side, indent=1, sort_keys=True).splitlines()
