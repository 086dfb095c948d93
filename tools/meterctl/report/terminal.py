"""A report in the terminal: one line for each use case and model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.table import Table

from meterctl.report.model import PERCENTILES, Report
from meterctl.summary import TOKEN_METRICS, Row, together

_TOKENS = ("input", "output", "cache r", "cache w")
"""Short names of `TOKEN_METRICS`."""


def table(rows: Sequence[Row]) -> Table:
    """Lay rows out, one for each use case and model; percentiles only where the rows have every single latency."""
    timed = any(row.latencies for row in rows)
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    found.add_column("use case / model", overflow="fold")
    for name in ("calls", "errs", *_TOKENS, "USD", *(f"p{percent}" for percent in PERCENTILES if timed)):
        found.add_column(name, justify="right", no_wrap=True)
    use_case = None
    for row in rows:
        if row.use_case != use_case:
            use_case = row.use_case
            found.add_row(f"[bold]{use_case}[/bold]")
        tokens = (f"{row.tokens[name]:,}" for name in TOKEN_METRICS)
        found.add_row(
            f"  {short(row.model)}", f"{row.calls:,}", f"{row.errors:,}", *tokens, dollars(row), *_latencies(row, timed)
        )
    return found


def show(console: Console, report: Report) -> None:
    """Print a report."""
    rows = together(report.rows)
    console.print(f"[bold]{report.source}[/bold]")
    console.print(f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC; tokens, US dollars", end="")
    console.print("; latency percentiles in ms" if any(row.latencies for row in rows) else "")
    if not rows:
        console.print("No calls in this time.")
        return
    console.print(table(rows))
    console.print(total(rows))
    for use_case, ranks in _slowest(report).items():
        shown = ", ".join(f"p{percent} {value:,.0f}" for percent, value in ranks.items())
        console.print(f"Slowest period of {use_case}: {shown} ms")


def total(rows: Sequence[Row]) -> str:
    """Say what all rows come to."""
    spent, unpriced = sum((row.cost for row in rows), Decimal(0)), sum(row.unpriced for row in rows)
    return f"Together {spent:.4f} USD at the list prices of the price book; {unpriced} calls without a price."


def short(model: str) -> str:
    """Leave the release date and version of a model id out, for the eye."""
    return re.sub(r"(-\d{8})?-v\d+(:\d+)?$", "", model)


def dollars(row: Row) -> str:
    """Give what is known of the cost; a mark says that calls are missing in it."""
    if not row.cost and not row.unpriced:
        return "-"
    return f"{row.cost:,.4f}{'+' if row.unpriced else ''}"


def _latencies(row: Row, timed: bool) -> Iterator[str]:
    for percent in PERCENTILES if timed else ():
        value = row.percentile(percent)
        yield "-" if value is None else f"{value:.0f}"


def _slowest(report: Report) -> Mapping[str, Mapping[int, float]]:
    """Give the highest percentiles of each use case, where the rows have none of their own.

    Percentiles of several periods cannot be added up, so the worst period has to speak for all.
    """
    found: dict[str, dict[int, float]] = {}
    if not any(row.latencies for row in report.rows):
        for each in report.latencies:
            worst = found.setdefault(each.use_case, {})
            for percent, value in each.values.items():
                worst[percent] = max(value, worst.get(percent, 0))
    return found
