"""``meterctl report estimates``: how far estimates of input tokens were from what Bedrock counted, by model and method.

Every EMF line of a call that was forecast and then counted has the ratio of the two (``EstimateRatio``). Their median
is the factor by which the estimates of a model are off, which is what its row in `bedrock_meter.estimate.tables` should
be multiplied with; docs/estimates.md tells how.
"""

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from bedrock_meter import modelid
from bedrock_meter.estimate import Method, tables
from meterctl.summary import percentile, read_lines

ENOUGH = 30
"""So many calls make a factor worth a change; fewer are told by chance from 1."""
ALL_MODELS = "(all)"
WIDTH = 120
"""Columns where the output is no terminal."""

# Only these are products of factors. CountTokens is Bedrock's own word, and a bound is meant to be too high.
_HAS_FACTORS = frozenset({Method.TOKENIZER, Method.BYTES})
_NAMES = {id(value): name for name, value in vars(tables).items() if isinstance(value, tables.Row)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far estimates were off."""

    factors: str
    """The row of `bedrock_meter.estimate.tables` that the estimates were made with."""
    model: str
    """The foundation model; `ALL_MODELS` for all of a row."""
    method: str
    """How they were made."""
    calls: int
    """How many there were."""
    median: float
    """The median of real tokens divided by estimated ones."""
    p10: float
    """What a tenth of the calls stay below."""
    p90: float
    """What a tenth of the calls go beyond."""
    factor: float | None
    """What the row's factors should be multiplied with; None where there are too few calls, or no factors."""


def drifts(lines: Iterable[Mapping[str, Any]]) -> list[Drift]:
    """Group the ratios of EMF lines by row of factors, model and method; a row with several models has a sum, too."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for line in lines:
        ratio, model = _ratio(line), line.get("model_base") or line.get("model_id")
        if ratio is not None and isinstance(model, str):
            method = str(line.get("forecast_method", ""))
            row = _NAMES[id(tables.row(modelid.parse(model, None)))]
            for group in (model, ALL_MODELS):
                found[row, group, method].append(ratio)
    models = {(row, method, model) for row, model, method in found if model != ALL_MODELS}
    several = {key[:2] for key in models if sum(other[:2] == key[:2] for other in models) > 1}
    return [
        _drift(row, model, method, ratios)
        for (row, model, method), ratios in sorted(found.items())
        if model != ALL_MODELS or (row, method) in several
    ]


def _ratio(line: Mapping[str, Any]) -> float | None:
    value = line.get("EstimateRatio")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def _drift(row: str, model: str, method: str, ratios: list[float]) -> Drift:
    median = statistics.median(ratios)
    useful = len(ratios) >= ENOUGH and method in _HAS_FACTORS
    return Drift(
        factors=row,
        model=model,
        method=method,
        calls=len(ratios),
        median=round(median, 4),
        p10=percentile(ratios, 10) or 0.0,
        p90=percentile(ratios, 90) or 0.0,
        factor=round(median, 3) if useful else None,
    )


@click.command("estimates")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
    metavar="FILE...",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def estimates(*, files: tuple[Path, ...], as_json: bool) -> None:
    """Show how far estimates of input tokens were from Bedrock's counts, from files of EMF lines; - is stdin."""
    lines: list[dict[str, Any]] = []
    for file in files:
        with click.open_file(str(file), encoding="utf-8", errors="replace") as text:
            lines += read_lines(text)
    found = drifts(lines)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
    elif found:
        console = Console(highlight=False)
        (console if console.is_terminal else Console(highlight=False, width=WIDTH)).print(_table(found))
        click.echo(f"Real input tokens divided by estimated ones. A factor needs {ENOUGH} calls; - is none.")
    else:
        click.echo(
            f"None of {len(lines)} EMF lines has an EstimateRatio. Calls under a limit have one; for a share of the "
            "others set BEDROCK_METER_ESTIMATE_SAMPLE."
        )


def _table(found: Iterable[Drift]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("factors")
    shown.add_column("model", overflow="fold")
    shown.add_column("method")
    for name in ("calls", "median", "p10", "p90", "factor"):
        shown.add_column(name, justify="right", no_wrap=True)
    for each in found:
        ratios = (f"{value:.3f}" for value in (each.median, each.p10, each.p90))
        factor = "-" if each.factor is None else f"{each.factor:.3f}"
        shown.add_row(each.factors, each.model, each.method, f"{each.calls:,}", *ratios, factor)
    return shown
