"""Panels: what one shows, and the JSON that Grafana stores for it.

The SDK's defaults are not those of Grafana's editor: no ids, no legend, a tooltip for one series. Every panel of ours
is made here, so that none forgets its unit, its description or the way to the log lines behind it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from grafana_foundation_sdk.builders import bargauge, common, dashboard, gauge, stat, timeseries
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, FieldColorModeId, GridPos, Threshold

from meterctl.dashboards.queries import Logs, Place, Target, plain

USD = units.Dollars
COUNT = units.Short
PERCENT = units.Percent
MILLISECONDS = units.Milliseconds
BYTES = units.BytesSI
TOKENS_PER_SECOND = "suffix:/s"  # the title says of what; the word would not leave room for the numbers

GREEN, ORANGE, RED, BLUE, PURPLE, YELLOW = "green", "orange", "red", "blue", "purple", "yellow"

_WIDE = 12
"""From so many columns on, of 24, a table beside the graph leaves enough of it; below it shows three rows at most."""
_LEGEND = 340
"""How wide that table is, in pixels; long model ids are cut and not the graph."""
_BAR = 12
"""The widest bar, in pixels: a lonely value would fill the graph."""

type Builder = timeseries.Panel | stat.Panel | gauge.Panel | bargauge.Panel


class Kind(StrEnum):
    """How a panel draws."""

    LINES = "lines"
    BARS = "bars"
    """Stacked: the parts add up to the whole."""
    NUMBER = "number"
    GAUGE = "gauge"
    RANKING = "ranking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel."""

    title: str
    description: str
    """What is shown, and what to know before one believes it."""
    unit: str
    targets: tuple[Target, ...]
    behind: str
    """The Logs Insights query that shows the calls behind the panel."""
    kind: Kind = Kind.LINES
    calc: str = "sum"
    """How the points of the time range become one number, in a number panel and in the legend."""
    width: int = 8
    height: int = 8
    since: str | None = None
    """A time range of its own, such as ``now/M`` or ``7d``."""
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    steps: tuple[tuple[float, str], ...] = ()
    """From which value a colour holds. A graph over time draws a line at each."""
    below: str = GREEN
    """The colour below the first step."""
    no_value: str | None = None
    """What stands there when there is no data; a counter that nobody raised is 0 and not missing."""
    low: bool = False
    """Whether there is no room for a table under the graph."""
    colours: Mapping[str, str] = field(default_factory=dict)
    """Colours with a meaning, by label."""

    def model(self, panel_id: int, position: GridPos, place: Place) -> dict[str, Any]:
        """Give the JSON of the panel at its place on the dashboard."""
        panel = _BUILDERS[self.kind](self)
        panel.id(panel_id).title(self.title).description(self.description).grid_pos(position)
        panel.datasource(place.reference).unit(self.unit).thresholds(_thresholds(self))
        if self.since is not None:
            panel.time_from(self.since)
        if self.no_value is not None:
            panel.no_value(self.no_value)
        if self.decimals is not None:
            panel.decimals(self.decimals)
        if self.minimum is not None:
            panel.min(self.minimum)
        if self.maximum is not None:
            panel.max(self.maximum)
        for label, colour in self.colours.items():
            panel.override_by_name(label, [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})])
        found = plain(panel.build())
        found["targets"] = [target.model(_ref_id(n), place) for n, target in enumerate(self.targets)]
        link = {"title": "The calls behind it (Logs Insights)", "url": explore_url(self.behind), "targetBlank": True}
        found["fieldConfig"]["defaults"]["links"] = [link]
        return found


def explore_url(expression: str) -> str:
    """Give the address of Explore with a log query in it; Grafana fills in the variables, in URL form."""
    query = {**Logs(expression=expression).model("A", Place(own="")), "region": "${region}"}
    query["logGroups"] = [{"arn": "${loggroup}", "name": "${loggroup:text}"}]
    pane = {
        "datasource": "${datasource}",
        "queries": [query],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    text = json.dumps({"calls": pane}, separators=(",", ":"), sort_keys=True)
    parts = re.split(r"(\$\{[\w:]+\})", text)
    return "/explore?schemaVersion=1&panes=" + "".join(
        part if part.startswith("${") else quote(part, safe="") for part in parts
    )


def _ref_id(place: int) -> str:
    return chr(ord("A") + place)


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [Threshold(value=value, color=colour) for value, colour in panel.steps]
    return dashboard.ThresholdsConfig().steps([Threshold(value=None, color=panel.below), *steps])


def _by_name() -> dashboard.FieldColor:
    # A use case keeps its colour from panel to panel.
    return dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME)


def _by_threshold() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS)


def _lines(panel: Panel) -> timeseries.Panel:
    latest = () if panel.kind is Kind.BARS else ("lastNotNull",)  # the last bar may still grow
    calcs = ["lastNotNull"] if panel.low else [*dict.fromkeys((*latest, "max", panel.calc))]
    legend = common.VizLegendOptions().show_legend(True).calcs(calcs)
    legend.display_mode(LegendDisplayMode.LIST if panel.low else LegendDisplayMode.TABLE)
    beside = panel.low or panel.width >= _WIDE
    legend.placement(LegendPlacement.RIGHT if beside else LegendPlacement.BOTTOM)
    if beside and not panel.low:
        legend.width(_LEGEND)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    drawn = timeseries.Panel().legend(legend).tooltip(tooltip).color_scheme(_by_name())
    if panel.steps:
        drawn.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    # Calls come and go; without points a lonely value between two gaps would not be drawn.
    return drawn.show_points(VisibilityMode.AUTO).fill_opacity(10).line_width(1)


def _bars(panel: Panel) -> timeseries.Panel:
    stacking = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
    return _lines(panel).draw_style(GraphDrawStyle.BARS).bar_max_width(_BAR).stacking(stacking).fill_opacity(70).min(0)


def _reduced(calc: str) -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs([calc]).values(False)


def _number(panel: Panel) -> stat.Panel:
    drawn = stat.Panel().reduce_options(_reduced(panel.calc)).color_scheme(_by_threshold())
    return drawn.graph_mode(BigValueGraphMode.NONE).color_mode(BigValueColorMode.VALUE)


def _gauge(panel: Panel) -> gauge.Panel:
    return gauge.Panel().reduce_options(_reduced(panel.calc)).color_scheme(_by_threshold())


def _ranking(panel: Panel) -> bargauge.Panel:
    drawn = bargauge.Panel().reduce_options(_reduced(panel.calc)).color_scheme(_by_name())
    return drawn.orientation(VizOrientation.HORIZONTAL).min(0)


_BUILDERS: Mapping[Kind, Any] = {
    Kind.LINES: _lines,
    Kind.BARS: _bars,
    Kind.NUMBER: _number,
    Kind.GAUGE: _gauge,
    Kind.RANKING: _ranking,
}
