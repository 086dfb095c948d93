"""``meterctl series``: how many CloudWatch series some use cases, models and limits make, and what they cost."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bedrock_meter import metrics
from bedrock_meter.dimensions import OTHER

PRICE_SOURCE = "https://aws.amazon.com/cloudwatch/pricing/"
PRICE_CHECKED = date(2026, 11, 23)
"""When the prices below were looked up, for us-east-1. The page shows them by script only, so the first step and the
price of logs are as third parties quoted them in 2026, the further steps as AWS has published them for years."""
# From so many metrics on, what each costs a month, in US dollars.
METRIC_TIERS: Sequence[tuple[int, Decimal]] = (
    (0, Decimal("0.30")),
    (10_000, Decimal("0.10")),
    (250_000, Decimal("0.05")),
    (1_000_000, Decimal("0.02")),
)
LOG_USD_PER_GB = Decimal("0.50")
GB = Decimal(10**9)

LINE_BYTES = 1900
"""A line of a call as CloudWatch Logs counts it, with 26 bytes for the event; a test holds a full line against it."""

_MILLION = 1_000_000
_WIDTH = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What somebody chose, or only how much of it."""

    use_cases: int
    models: int
    """Model ids and profile ids: each that is called is a value of its own."""
    limits: int = 0
    versions: int = 1
    """How many versions are deployed in a month."""
    services: int = 1
    """How many stacks emit into the namespace."""

    def values(self) -> Mapping[str, int]:
        """Give the number of values of each dimension; use cases and models have one more, `OTHER`."""
        return {
            metrics.USE_CASE: self.use_cases + 1,
            metrics.MODEL_ID: self.models + 1,
            metrics.LIMIT: self.limits,
            metrics.VERSION: self.versions,
            metrics.SERVICE: self.services,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The series of one directive."""

    directive: str
    metrics: int
    sets: tuple[str, ...]
    """Its dimension sets, as people write them."""
    series: int


def predict(choice: Choice) -> list[Row]:
    """Give the most series that each directive can make: every metric for every combination of values.

    A series exists from its first value on, so use cases that call few models make fewer.
    """
    values = choice.values()
    rows = []
    for name, directive in metrics.DIRECTIVES.items():
        combinations = 0
        for dimensions in directive.dimension_sets:
            product = 1
            for dimension in dimensions:
                product *= values[dimension]
            combinations += product
        sets = tuple("[" + ", ".join(dimensions) + "]" for dimensions in directive.dimension_sets)
        series = len(directive.metrics) * combinations
        rows.append(Row(directive=name, metrics=len(directive.metrics), sets=sets, series=series))
    return rows


def monthly_usd(series: int) -> Decimal:
    """Give what so many metrics cost a month; each tier has its own price."""
    total = Decimal(0)
    ends = [*(first for first, _ in METRIC_TIERS[1:]), None]
    for (first, price), end in zip(METRIC_TIERS, ends, strict=True):
        within = max(0, (series if end is None else min(series, end)) - first)
        total += within * price
    return total


def log_usd(calls: int, *, line_bytes: int = LINE_BYTES) -> Decimal:
    """Give what it costs to take the lines of so many calls in."""
    return calls * line_bytes / GB * LOG_USD_PER_GB


class Several(click.ParamType[int]):
    """A number, or names separated by commas, which are counted."""

    name = "number or names"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Count."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        if text.isdecimal():
            return int(text)
        names = {name.strip() for name in text.split(",") if name.strip()}
        if not names or any(" " in name for name in names) or text.lstrip("+-").replace(".", "").isdecimal():
            self.fail(f"{value!r} is neither a number nor names separated by commas", param, ctx)
        return len(names)


SEVERAL = Several()


@click.command("series")
@click.option("--use-cases", type=SEVERAL, required=True, metavar="N|NAMES", help="How many, or which: a,b,c.")
@click.option("--models", type=SEVERAL, required=True, metavar="N|IDS", help="Model ids and inference profiles.")
@click.option("--limits", type=SEVERAL, default=0, show_default=True, metavar="N|IDS", help="Limits of the registry.")
@click.option("--versions", type=click.IntRange(1), default=1, show_default=True, help="Deployments in a month.")
@click.option("--stacks", type=click.IntRange(1), default=1, show_default=True, help="Stacks in the namespace.")
@click.option("--calls", type=click.IntRange(0), default=_MILLION, show_default=True, help="Calls in a month.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def series(*, use_cases: int, models: int, limits: int, versions: int, stacks: int, calls: int, as_json: bool) -> None:
    """Predict the CloudWatch series, and the bill for them, before anything is deployed."""
    choice = Choice(use_cases=use_cases, models=models, limits=limits, versions=versions, services=stacks)
    rows = predict(choice)
    total = sum(row.series for row in rows)
    usd, lines = monthly_usd(total), log_usd(calls)
    if as_json:
        click.echo(json.dumps(_document(rows, total, usd, lines, calls), indent=2))
        return
    console = Console(highlight=False, width=_WIDTH)
    table = Table("directive", "dimension sets", box=None, pad_edge=False)
    for name in ("metrics", "series"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(row.directive, ", ".join(row.sets), str(row.metrics), f"{row.series:,}", end_section=False)
    table.add_row("all", "", "", f"{total:,}")
    # Dimension sets look like markup to rich.
    console.print(table, markup=False)
    click.echo(f"\nAt most {total:,} series: {usd:,.2f} USD a month. Use cases and models count one more, {OTHER!r}.")
    click.echo(
        f"Lines of {calls:,} calls, {LINE_BYTES:,} bytes each: {lines:,.2f} USD to take them into CloudWatch Logs."
    )
    click.echo(f"Prices of us-east-1, looked up on {PRICE_CHECKED}: {PRICE_SOURCE}. The free tier is left out.")


def _document(rows: Sequence[Row], total: int, usd: Decimal, lines: Decimal, calls: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "series": total,
        "usd_per_month": f"{usd:.2f}",
        "directives": {row.directive: row.series for row in rows},
        "calls": calls,
        "log_usd": f"{lines:.2f}",
        "line_bytes": LINE_BYTES,
        "prices": {"source": PRICE_SOURCE, "checked": PRICE_CHECKED.isoformat()},
    }
