"""A dashboard: rows of panels, with the variables, links and annotations that all of ours share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard as sdk
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType, GridPos

from bedrock_meter.metrics import DEPLOYMENTS, SERVICE, VERSION
from meterctl.dashboards import annotations
from meterctl.dashboards.panels import COUNT, Kind, Panel
from meterctl.dashboards.queries import Metric, Place, dimension_label, plain
from meterctl.dashboards.variables import Variable, common

REFRESH = "5m"
WIDTH = 24
"""Columns of Grafana's grid."""

DEPLOYED = Panel(
    title="Deployments",
    description="Each version of the gateway, at its first cold start. The cursor is shared with the graphs below. The "
    "gateway itself emits the metric, so this needs no token and no pipeline.",
    unit=COUNT,
    kind=Kind.BARS,
    targets=(
        Metric(
            metric=DEPLOYMENTS,
            statistic="Sum",
            dimensions={SERVICE: "$service", VERSION: "*"},
            label=dimension_label(VERSION),
        ),
    ),
    behind="filter ispresent(version) | stats min(@timestamp) as first_call, count(*) as calls by version",
    width=WIDTH,
    height=4,
    decimals=0,
)
"""Stands at the top of every dashboard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A headline and the panels under it, from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard."""

    slug: str
    """The name of its file, and the end of its uid."""
    title: str
    description: str
    since: str
    """The time range that it opens with."""
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    """Those besides the ones that every dashboard has."""

    @property
    def uid(self) -> str:
        """The uid, the same on every Grafana, because dashboards and alerts link to it."""
        return f"bedrock-meter-{self.slug}"

    @property
    def panel_ids(self) -> Mapping[str, int]:
        """The id of each panel, by its title."""
        return {panel.title: number for number, panel, _ in self._laid_out() if isinstance(panel, Panel)}

    def model(self, place: Place) -> dict[str, Any]:
        """Give the JSON of the dashboard in Grafana's classic schema, which Grafana 11 and later read."""
        board = sdk.Dashboard(self.title).uid(self.uid).description(self.description).tags([annotations.TAG])
        # Days and months begin as they do for AWS, whose daily points and bill are in UTC.
        board.timezone("utc").time(self.since, "now").refresh(REFRESH).tooltip(DashboardCursorSync.CROSSHAIR)
        board.variables([*common(place.own), *self.variables])
        link = sdk.DashboardLink("bedrock-meter").type(DashboardLinkType.DASHBOARDS).tags([annotations.TAG])
        board.links([link.include_vars(True).keep_time(True)])
        found = plain(board.build())
        for variable in found["templating"]["list"]:
            for stray in ("auto", "auto_count", "auto_min"):  # the SDK writes them for every kind of variable
                variable.pop(stray, None)
        for each in found["links"]:
            each.pop("placement", None)  # the SDK's own; Grafana's schema has no such value for it before 12
        found["annotations"] = {"list": annotations.queries()}
        found["panels"] = [
            part.model(number, position, place) if isinstance(part, Panel) else _headline(number, part, position)
            for number, part, position in self._laid_out()
        ]
        return found

    def _laid_out(self) -> Iterator[tuple[int, Panel | Row, GridPos]]:
        """Give every panel and headline with its id and place; panels fill a line and go on in the next."""
        number, y = 1, DEPLOYED.height
        yield number, DEPLOYED, GridPos(x=0, y=0, w=DEPLOYED.width, h=DEPLOYED.height)
        for row in self.rows:
            number += 1
            yield number, row, GridPos(x=0, y=y, w=WIDTH, h=1)
            x, y, tallest = 0, y + 1, 0
            for panel in row.panels:
                if x + panel.width > WIDTH:
                    x, y, tallest = 0, y + tallest, 0
                number += 1
                yield number, panel, GridPos(x=x, y=y, w=panel.width, h=panel.height)
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest


def _headline(number: int, row: Row, position: GridPos) -> dict[str, Any]:
    built = sdk.Row(row.title).id(number).grid_pos(position).build()
    return plain(built)
