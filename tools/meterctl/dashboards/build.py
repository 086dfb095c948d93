"""Every file that ``meterctl dashboards build`` writes, checked before it is written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bedrock_meter.config import Settings
from meterctl.dashboards import alerts, health, lint, operations, platform, spend, tokens
from meterctl.dashboards.board import Board
from meterctl.dashboards.errors import DashboardError
from meterctl.dashboards.queries import Place
from meterctl.dashboards.rules import rules
from meterctl.dashboards.steps import Deployment, Rule

BOARDS: tuple[Board, ...] = (spend.BOARD, operations.BOARD, tokens.BOARD, health.BOARD, platform.BOARD)
_DEFAULTS = Settings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The deployment that is shown and watched."""

    namespace: str = _DEFAULTS.namespace
    """The CloudWatch namespace of its metrics."""
    deployment: Deployment = field(default_factory=lambda: Deployment(service=_DEFAULTS.service))
    runbook: str = alerts.RUNBOOK
    """Where alerts send a person: the address of the runbook."""


def target(*, namespace: str, service: str, api: str, runbook: str) -> Target:
    """Give the target that the options of the commands name."""
    return Target(namespace=namespace, deployment=Deployment(service=service, api=api), runbook=runbook)


def boards(target: Target) -> dict[str, dict[str, Any]]:
    """Give the dashboards by the names of their files.

    Raises:
        DashboardError: One would not work in Grafana.
    """
    place = Place(own=target.namespace)
    found = {board.slug: board.model(place) for board in BOARDS}
    if problems := lint.problems(found, own=target.namespace):
        raise DashboardError(problems)
    return found


def alert_groups(target: Target, *, datasource: str, folder: str) -> dict[str, dict[str, Any]]:
    """Give the groups of alert rules for Grafana's HTTP API, by name.

    Raises:
        DashboardError: A rule would not work in Grafana.
    """
    place = Place(own=target.namespace, datasource=datasource, region="default")
    return alerts.http_groups(_checked(target, place), place, folder=folder, runbook=target.runbook)


def _checked(target: Target, place: Place) -> Sequence[Rule]:
    found = rules(target.deployment)
    if problems := [*alerts.problems(found, place)]:
        raise DashboardError(problems)
    return found


def files(target: Target) -> Mapping[Path, str]:
    """Give every file by its path under ``grafana/``.

    Raises:
        DashboardError: A dashboard or a rule would not work in Grafana.
    """
    found = {
        Path("dashboards", f"{name}.json"): json.dumps(board, indent=2, sort_keys=True) + "\n"
        for name, board in boards(target).items()
    }
    place = Place(own=target.namespace, datasource=alerts.DATASOURCE_UID, region="default")
    found[Path("provisioning", "alerting", "rules.yaml")] = alerts.file(
        _checked(target, place), place, runbook=target.runbook
    )
    return found
