"""The comparison with the bill as a table and as JSON."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from meterctl.reconcile.bill import Billed, Compared, by_principal, percent
from meterctl.reconcile.show import percent as written
from meterctl.reconcile.spend import Metered

_MOST_PRINCIPALS = 10


def document(rows: Sequence[Compared], metered: Metered, bill: Sequence[Billed]) -> dict[str, Any]:
    """Give the comparison as the members of a JSON object; money is a decimal string."""
    total = sums(rows)
    return {
        "schema": 1,
        "metered_usd": f"{total[0]:f}",
        "billed_usd": f"{total[1]:f}",
        "difference_percent": _float(percent(*total)),
        "unpriced_calls": metered.unpriced,
        "rows": [
            {
                "day": row.day.isoformat(),
                "model": row.model,
                "kind": row.kind.value,
                "usage_types": list(row.usage_types),
                "metered_usd": f"{row.metered:f}",
                "billed_usd": f"{row.billed:f}",
                "difference_percent": _float(row.percent),
            }
            for row in rows
        ],
        "principals": {principal: f"{usd:f}" for principal, usd in by_principal(bill).items()},
    }


def show(console: Console, rows: Sequence[Compared], metered: Metered, bill: Sequence[Billed]) -> None:
    """Print one row for each day, model and kind, and what both sides come to."""
    if not rows:
        console.print("Neither the meter nor the bill has a cost of Bedrock in this time.")
        return
    table = Table("day", "model", "kind", box=None, pad_edge=False)
    for name in ("metered USD", "billed USD", "diff %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("usage types of the bill", overflow="fold")
    for row in rows:
        table.add_row(
            row.day.isoformat(),
            row.model,
            row.kind.value,
            *_both(row.metered, row.billed),
            ", ".join(row.usage_types) or "-",
        )
    table.add_row("all", "", "", *_both(*sums(rows)), "")
    console.print(table)
    for sentence in _remarks(rows, metered):
        console.print(sentence)
    if principals := by_principal(bill):
        console.print("Billed by principal:")
        for principal, usd in list(principals.items())[:_MOST_PRINCIPALS]:
            console.print(f"  {usd:>14,.4f}  {principal}")


def sums(rows: Sequence[Compared]) -> tuple[Decimal, Decimal]:
    """Give the sums of both sides."""
    nothing = Decimal(0)
    return sum((row.metered for row in rows), nothing), sum((row.billed for row in rows), nothing)


def _remarks(rows: Sequence[Compared], metered: Metered) -> list[str]:
    remarks: Mapping[str, int] = {
        "calls have counts and no price; the bill has them and the metered side does not": metered.unpriced,
        "calls were priced by a row that is not in this price book; their cost is in 'other'": metered.undivided,
        "rows are in the bill alone: calls that went past the meter, or a name that is not understood": sum(
            not row.metered for row in rows
        ),
        "rows are metered alone: AWS finishes a day's bill about a day later": sum(not row.billed for row in rows),
    }
    return [f"{count:,} {text}." for text, count in remarks.items() if count]


def _both(metered: Decimal, billed: Decimal) -> tuple[str, str, str]:
    return f"{metered:,.4f}", f"{billed:,.4f}", written(_float(percent(metered, billed)), sign="+")


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
