"""What an alert rule is made of: queries, numbers made of them, and the condition under which it fires."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bedrock_meter.metrics import SERVICE
from meterctl.dashboards.board import Board
from meterctl.dashboards.queries import Metric

MINUTE, HOUR = 60, 3600
DAY, WEEK = 24 * HOUR, 7 * 24 * HOUR
LATE = 2 * MINUTE
"""How late metrics may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query and the time that it looks at."""

    metric: Metric
    seconds: int
    """How long the time is."""
    ago: int = LATE
    """When it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduce:
    """One number of each series."""

    of: str
    by: str
    """``sum``, ``mean``, ``max`` or ``last``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculation:
    """Arithmetic with numbers, ``$A`` being the result of the step A."""

    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """Fires for each number above a limit."""

    of: str
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A part of `Conditions`."""

    of: str
    by: str
    above: float | None
    """None: when the query has no value."""
    joined: str = "and"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Fires once, and takes the absence of data for an answer; Grafana calls it a classic condition."""

    parts: tuple[Condition, ...]


type Step = Query | Reduce | Calculation | Above | Conditions


class Severity(StrEnum):
    """How soon a person has to look."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An alert rule; the last step is its condition."""

    slug: str
    """The end of its uid."""
    title: str
    summary: str
    severity: Severity
    pending: str
    """How long the condition has to hold before the alert fires."""
    steps: Mapping[str, Step]
    board: Board
    panel: str
    """The panel that shows it."""
    group: str = "minutes"
    section: str = ""
    """Its section in docs/runbook.md, where it is not the slug."""

    @property
    def uid(self) -> str:
        """The uid, the same on every Grafana."""
        return f"bedrock-meter-{self.slug}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What the rules watch."""

    service: str
    """The value of the dimension ``Service``: the name of the stack."""
    api: str = ""
    """The name of the API; empty when it is that of the stack."""

    def metric(self, name: str, statistic: str, period: int = MINUTE) -> Metric:
        """Ask for the one series of the deployment; all have the same labels, by which Grafana joins them."""
        return Metric(
            metric=name,
            statistic=statistic,
            dimensions={SERVICE: self.service},
            label=self.service,
            period=str(period),
        )
