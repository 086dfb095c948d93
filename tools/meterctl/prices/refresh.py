"""``meterctl prices refresh``: the price book held against the AWS Price List, and the book that agrees with it."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path

import click
from rich.table import Table

from bedrock_meter.pricing import PriceBook
from meterctl.prices.options import Day, book_option, console, today
from pricewatch.book import Key, text
from pricewatch.compare import Comparison, Source, compare
from pricewatch.drift import Change
from pricewatch.mapping import Listed
from pricewatch.offers import Skipped
from pricewatch.sources import SITE, Folder, Site

EXAMPLES = 5
_HUNDRED = Decimal(100)


@click.command("refresh")
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read downloaded offer files in place of AWS's site.",
)
@click.option("--site", default=SITE, show_default=True, help="The site of the Price List.")
@book_option
@click.option("--day", type=Day(), default=today, help="The day from which changed prices hold; today when left out.")
@click.option("--write/--dry-run", default=False, help="Append the rows to the book; a dry run when left out.")
@click.option("--all", "everything", is_flag=True, help="List every product and row, not a few of each kind.")
def refresh(folder: Path | None, site: str, book_file: Path, day: date, write: bool, everything: bool) -> None:
    """Compare the price book with the AWS Price List, which has the last word.

    Shows new rows, changed rates, rows that the list does not have, and products that no row comes from. Rows are
    appended with --write, and never edited.
    """
    source: Source = Site(site) if folder is None else Folder(folder)
    before = book_file.read_text(encoding="utf-8")
    found = compare(before, source, day=day)
    shown = None if everything else EXAMPLES
    _print_list(found.listed, whole=source.whole)
    _print_skipped(found.listed, shown)
    _print_gone(found.drift.gone, shown)
    print_changes(found.drift.changes)
    _print_sum(found)
    if write and found.book != before:
        PriceBook.from_json(found.book)
        book_file.write_text(found.book, encoding="utf-8")
        click.echo(f"{book_file.name} written; look at the difference before it is committed")


def print_changes(changes: Iterable[Change]) -> None:
    """Print one line for each rate that differs."""
    table = Table("model", "region", "scope", "tier", "above", "rate", box=None, pad_edge=False)
    for heading in ("book", "list", "change"):
        table.add_column(heading, justify="right")
    for change in changes:
        model, region, scope, tier, above = change.key
        for name, before, after in change.differences:
            old = "-" if before is None else text(before)
            table.add_row(model, region, scope, tier, f"{above:,}", name, old, text(after), percent(before, after))
    if table.row_count:
        console().print(table)
        click.echo()


def percent(before: Decimal | None, after: Decimal) -> str:
    """Give a change in percent, with one decimal; new where there was no rate, or a rate of nothing."""
    return f"{(after - before) / before * _HUNDRED:+.1f} %" if before else "new"


def _print_list(listed: Listed, *, whole: bool) -> None:
    extent = "every Region" if whole else "part of the list: rows of every Region stay as they are"
    click.echo(f"{listed.products} products in {len(listed.regions)} Regions ({extent})\n")


def _print_skipped(listed: Listed, shown: int | None) -> None:
    wrong = {each.reason for each in listed.refused()}
    for reason, count in listed.reasons():
        click.echo(f"{count} {'REFUSED' if reason in wrong else 'left out'}: {reason}")
        for each in islice(_of(listed.skipped, reason), shown):
            click.echo(f"    {each.what}")
    if listed.skipped:
        click.echo()


def _of(skipped: Iterable[Skipped], reason: str) -> Iterator[Skipped]:
    return (each for each in skipped if each.reason == reason)


def _print_gone(gone: Iterable[Key], shown: int | None) -> None:
    rows = ["|".join(map(str, where)) for where in gone]
    if rows:
        click.echo(f"{len(rows)} rows of the book are not in the list; they stay")
        for row in rows[:shown]:
            click.echo(f"    {row}")
        click.echo()


def _print_sum(found: Comparison) -> None:
    new = sum(not change.before for change in found.drift.changes)
    click.echo(f"{found.drift.agreed} rates agree; {found.changed - new} rows changed, {new} new", nl=False)
    click.echo(f", {len(found.drift.carried)} carried along" if found.drift.carried else "", nl=False)
    click.echo(f", {len(found.drift.left_out)} make no row" if found.drift.left_out else "")
