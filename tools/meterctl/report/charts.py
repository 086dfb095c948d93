"""The four plots of the page, each as a plotly figure with a sentence that says what it shows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bedrock_meter import metrics
from meterctl.report.model import PERCENTILES, Report
from meterctl.summary import ERROR_METRICS, TOKEN_METRICS, Row, period_start

# Okabe and Ito's colours, which people with any colour vision can tell apart (https://jfly.uni-koeln.de/color/). The
# yellow is left out: it is too pale on white.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#555555")
_PATTERNS = ("", "/", "x", ".", "-", "\\", "+")
"""So that bars differ in a print without colour too."""
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
"""The same for lines."""
MOST_USE_CASES = len(_COLOURS) - 1
"""More would need colours that look alike; the rest is one series."""
REST = "all others"

_NAMES: Mapping[str, str] = {
    metrics.INPUT_TOKENS: "input",
    metrics.OUTPUT_TOKENS: "output",
    metrics.CACHE_READ_TOKENS: "cache read",
    metrics.CACHE_WRITE_TOKENS: "cache write",
    metrics.CLIENT_ERRORS: "client errors (4xx)",
    metrics.SERVER_ERRORS: "server errors (5xx)",
    metrics.THROTTLES: "throttled",
    metrics.DENIED: "denied by the gateway",
}

type Points = Mapping[datetime, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One plot."""

    id: str
    title: str
    sentence: str
    """What it shows, for those who do not see it."""
    figure: Any
    """None where there is nothing to plot."""


def charts(report: Report) -> list[Chart]:
    """Draw the plots of a report."""
    leading = _leading(report.rows)

    def spent(row: Row) -> Mapping[str, float]:
        return {row.use_case if row.use_case in leading else REST: float(row.cost)}

    spend = _sums(report.rows, (*leading, REST), spent)
    tokens = _sums(report.rows, TOKEN_METRICS, lambda row: row.tokens)
    errors = _sums(report.rows, ERROR_METRICS, lambda row: row.faults)
    drawn = [
        _bars("spend", "Spend by use case", "US dollars", spend, report.period, "$"),
        _bars("tokens", "Tokens by bucket", "tokens", tokens, report.period),
        _lines("latency", "Latency of successful calls", report, leading),
        _bars("errors", "Calls that failed", "calls", errors, report.period),
    ]
    # The same hours stand below each other, also where one plot has nothing in some of them.
    first, last = (period_start(at, report.period) for at in (report.since, report.until - timedelta.resolution))
    for chart in drawn:
        if chart.figure is not None:
            chart.figure.update_xaxes(range=[first, last + report.period])
    return drawn


def _leading(rows: Iterable[Row]) -> list[str]:
    """Give the use cases that cost most, the dearest first; among equals those with more tokens."""
    weight: dict[str, tuple[float, int]] = {}
    for row in rows:
        cost, tokens = weight.get(row.use_case, (0.0, 0))
        weight[row.use_case] = (cost + float(row.cost), tokens + sum(row.tokens.values()))
    return sorted(weight, key=lambda name: (-weight[name][0], -weight[name][1], name))[:MOST_USE_CASES]


def _sums(
    rows: Iterable[Row], names: Iterable[str], values: Callable[[Row], Mapping[str, float]]
) -> dict[str, dict[datetime, float]]:
    """Add the values of rows up by series and period.

    Every name has its place, with or without points, so that it has the same colour in every report.
    """
    found: dict[str, dict[datetime, float]] = {name: {} for name in names}
    for row in rows:
        for name, value in values(row).items():
            if value and row.at is not None:
                found[name][row.at] = found[name].get(row.at, 0) + value
    return {_NAMES.get(name, name): points for name, points in found.items()}


def _bars(name: str, title: str, unit: str, series: Mapping[str, Points], period: timedelta, before: str = "") -> Chart:
    figure = go.Figure()
    width = period.total_seconds() * 1000 * 0.85
    for place, (label, points) in enumerate(series.items()):
        if not points:
            continue
        figure.add_bar(
            name=label,
            x=list(points),
            y=list(points.values()),
            # Without an offset a bar stands around the start of its period, and seems to begin before it.
            offset=0,
            width=width,
            marker={"color": _COLOURS[place], "pattern": {"shape": _PATTERNS[place], "fgcolor": "white", "size": 5}},
            hovertemplate=f"%{{fullData.name}}: {before}%{{y:,.6~g}}<extra></extra>",
        )
    figure.update_layout(barmode="stack")
    total = {label: sum(points.values()) for label, points in series.items() if points}
    parts = ", ".join(f"{label} {before}{_number(value)}" for label, value in total.items())
    sentence = f"In all: {parts}{'' if before else f' {unit}'}." if total else f"No {unit} in this time."
    _axes(figure, unit, before=before)
    return Chart(id=name, title=title, sentence=sentence, figure=figure if total else None)


def _lines(name: str, title: str, report: Report, leading: Sequence[str]) -> Chart:
    """Draw one panel for each percentile, so that no more than one line of a use case is in each."""
    figure = make_subplots(cols=len(PERCENTILES), subplot_titles=[f"p{percent}" for percent in PERCENTILES])
    worst: dict[str, float] = {}
    for place, use_case in enumerate(leading):
        found = [each for each in report.latencies if each.use_case == use_case]
        for column, percent in enumerate(PERCENTILES, start=1):
            points = {each.at: each.values[percent] for each in found if percent in each.values}
            if not points:
                continue
            worst[use_case] = max(points.values())
            figure.add_scatter(
                name=use_case,
                legendgroup=use_case,
                showlegend=percent == PERCENTILES[-1],
                row=1,
                col=column,
                # Where the bar of the same period has its middle.
                x=[at + report.period / 2 for at in points],
                y=list(points.values()),
                mode="lines+markers",
                line={"color": _COLOURS[place], "dash": _DASHES[place], "width": 2},
                marker={"size": 5},
                hovertemplate="%{fullData.name}: %{y:,.0f} ms<extra></extra>",
            )
    parts = ", ".join(f"{use_case} {value:,.0f} ms" for use_case, value in worst.items())
    sentence = f"Highest p{PERCENTILES[-1]} of a period: {parts}." if worst else "No call succeeded in this time."
    _axes(figure, "milliseconds")
    figure.update_layout(legend_y=1.14)  # above the titles of the panels
    return Chart(id=name, title=title, sentence=sentence, figure=figure if worst else None)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4f}"


def _axes(figure: Any, unit: str, *, before: str = "") -> None:
    figure.update_layout(
        template="simple_white",
        font={"family": "system-ui, sans-serif", "size": 14},
        hovermode="x unified",
        height=340,
        margin={"l": 70, "r": 20, "t": 20, "b": 45},
        legend={"orientation": "h", "y": 1.08, "yanchor": "bottom", "x": 0, "xanchor": "left", "traceorder": "normal"},
        showlegend=True,
    )
    figure.update_yaxes(rangemode="tozero", showgrid=True, gridcolor="#e3e3e3", tickprefix=before)
    figure.update_yaxes(title=unit, selector=0)
    figure.update_xaxes(title="UTC", title_standoff=5)
