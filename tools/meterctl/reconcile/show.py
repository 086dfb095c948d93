"""The comparison with Bedrock's metrics as a table and as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from reconcile.compare import BUCKETS, Line, summed, total
from reconcile.principals import Caller, named


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that a run found."""

    start: datetime
    end: datetime
    lines: Sequence[Line]
    """By hour and model."""
    callers: Sequence[Caller] | None
    """Who called past the meter; None where no invocation log was asked."""

    @property
    def whole(self) -> Line:
        """All of it in one line."""
        return total(self.lines, at=self.start)


def document(found: Comparison) -> dict[str, Any]:
    """Give the comparison as the members of a JSON object."""
    return {
        "schema": 1,
        "since": found.start.isoformat(),
        "until": found.end.isoformat(),
        "total": _member(found.whole),
        "models": [_member(line) for line in summed(found.lines)],
        "hours": [{"at": line.at.isoformat(), **_member(line)} for line in found.lines],
        "principals": None
        if found.callers is None
        else [
            {"principal": one.principal, "model": one.model, "calls": one.calls, "tokens": one.tokens}
            for one in found.callers
        ],
    }


def show(console: Console, found: Comparison) -> None:
    """Print the comparison: one row for each model, and what the numbers mean where they differ."""
    console.print(f"[bold]Metered against Bedrock's own metrics[/bold], {_span(found.start, found.end)}")
    if not found.lines:
        console.print("Neither side has a call in this time.")
        return
    console.print(_table([*summed(found.lines), found.whole]))
    for note in sorted({note for line in found.lines for note in line.notes}):
        models = sorted({line.model for line in found.lines if note in line.notes})
        console.print(f"{', '.join(models)}: {note}.")
    whole = found.whole
    if not whole.unmetered_tokens:
        console.print("[green]No token went past the meter.[/green]")
        return
    console.print(f"[red]{whole.unmetered_tokens:,} tokens ({whole.unmetered_share:.1f} %) went past the meter.[/red]")
    _show_callers(console, whole, found.callers)


def _span(start: datetime, end: datetime) -> str:
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, whole hours"


def _table(lines: Iterable[Line]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("model", overflow="fold")
    for name in ("calls", "of Bedrock", "tokens", "of Bedrock", "unmetered", "share %", "drift %"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        if not any((line.metered_calls, line.account_calls, line.metered_tokens, line.account_tokens)):
            continue  # every call failed before a model took it
        table.add_row(
            line.model,
            *(f"{number:,}" for number in (line.metered_calls, line.account_calls)),
            *(f"{number:,}" for number in (line.metered_tokens, line.account_tokens, line.unmetered_tokens)),
            percent(line.unmetered_share),
            percent(line.drift, sign="+"),
        )
    return table


def _show_callers(console: Console, whole: Line, callers: Sequence[Caller] | None) -> None:
    if callers is None:
        console.print("Bedrock's invocation log says who called: meterctl reconcile --invocation-log GROUP.")
        return
    table = Table("principal", "model", box=None, pad_edge=False)
    for name in ("calls", "tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in callers:
        table.add_row(one.principal, one.model, f"{one.calls:,}", f"{one.tokens:,}")
    console.print(table)
    if without := max(0, whole.unmetered_tokens - named(callers)):
        console.print(
            f"{without:,} tokens are of nobody in the log: it was off, or a metered role called past its meter."
        )


def percent(value: float | None, *, sign: str = "") -> str:
    """Write a percentage; what is unknown is a dash."""
    # Without the sum a tiny negative drift would be written as -0.0.
    return "-" if value is None else f"{round(value, 1) + 0.0:{sign}.1f}"


def _member(line: Line) -> Mapping[str, Any]:
    return {
        "model": line.model,
        "metered_calls": line.metered_calls,
        "account_calls": line.account_calls,
        "metered_tokens": {name: line.metered.get(name, 0) for name in BUCKETS},
        "account_tokens": {name: line.account[name] for name in BUCKETS if name in line.account},
        "set_aside_tokens": line.aside,
        "unmetered_tokens": line.unmetered_tokens,
        "unmetered_share_percent": line.unmetered_share,
        "drift_percent": line.drift,
        "notes": [note.value for note in line.notes],
    }
