"""``meterctl reconcile``: against Bedrock's metrics, an export of the bill, or Cost Explorer."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bedrock_meter.config import Settings
from meterctl import aws
from meterctl.moments import MOMENT, now
from meterctl.prices import models
from meterctl.reconcile import bill, costexplorer, cur, show, showbill, spend
from meterctl.summary import ended, read_lines
from pricewatch import book
from reconcile.account import aliases, closed, reconcile
from reconcile.principals import Caller, callers, rows_of, unmetered

_WIDTH = 160


@click.command("reconcile")
@click.option("--since", type=MOMENT, default="24h", show_default=True, help="24h, 7d, or 2026-11-23T12:00 (UTC).")
@click.option("--until", type=MOMENT, metavar="WHEN", help="The same; not included.  [default: now]")
@click.option("--namespace", default=Settings().namespace, show_default=True, help="Namespace of our metrics.")
@click.option("--region", help="AWS Region; that of the AWS settings when left out.")
@click.option("--invocation-log", metavar="GROUP", help="Name who called, from Bedrock's invocation log.")
@click.option(
    "--invocation-log-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The same from a file of its records, one JSON object a line; .gz as Bedrock writes it to S3.",
)
@click.option(
    "--metered-role",
    "metered_roles",
    multiple=True,
    metavar="ROLE",
    help="Name or ARN of a role whose calls are metered; * stands for any characters. May be given more than once.",
)
@click.option("--bill", "export", metavar="FILE|s3://…", help="Compare with an export of CUR 2.0 instead.")
@click.option("--cost-explorer", is_flag=True, help="Compare with Cost Explorer instead; a request costs 0.01 USD.")
@click.option(
    "--emf",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
    metavar="FILE",
    help="With a bill: the EMF lines of the same time.",
)
@click.option("--as-json", "--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--fail-above", type=click.FloatRange(0), metavar="PERCENT", help="Exit with 1 above this difference.")
def command(**options: Any) -> None:
    """Compare what was metered with what Bedrock's own metrics or AWS's bill say.

    Exit code 1: the unmetered share, or the difference to the bill, is above --fail-above. 2: nothing was compared.
    """
    until = options["until"] or now()
    if options["since"] >= until:
        raise click.UsageError("--since has to lie before --until")
    if options["invocation_log"] and options["invocation_log_file"]:
        raise click.UsageError("--invocation-log and --invocation-log-file are two logs; name one")
    if options["export"] and options["cost_explorer"]:
        raise click.UsageError("--bill and --cost-explorer are two bills; name one")
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=_WIDTH)
    with aws.explained():
        of_bill = options["export"] or options["cost_explorer"]
        difference = _bill(console, until, options) if of_bill else _metrics(console, until, options)
    if options["fail_above"] is not None and difference is not None and abs(difference) > options["fail_above"]:
        raise SystemExit(1)


def _metrics(console: Console, until: datetime, options: dict[str, Any]) -> float | None:
    start, end = closed(options["since"], until, now=now())
    if start == end:
        raise click.UsageError("there is no whole hour in this time that ended 15 minutes ago or earlier")
    session = aws.session(options["region"])
    known = aliases(session.client("bedrock"))
    lines = reconcile(session.client("cloudwatch"), namespace=options["namespace"], start=start, end=end, aliases=known)
    group, file, roles = options["invocation_log"], options["invocation_log_file"], options["metered_roles"]
    named: list[Caller] | None = None
    if group is not None:
        named = callers(session.client("logs"), group, start=start, end=end, metered=roles, aliases=known)
    elif file is not None:
        named = unmetered(rows_of(_records(file, start, end)), metered=roles, aliases=known)
    found = show.Comparison(start=start, end=end, lines=lines, callers=named)
    if options["as_json"]:
        click.echo(json.dumps(show.document(found), indent=2))
    else:
        show.show(console, found)
    return found.whole.unmetered_share


def _records(file: Path, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Read the records of a time; what is no record is skipped, as the log has lines of other kinds too."""
    opened = gzip.open if file.suffix == ".gz" else Path.open
    with opened(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            try:
                record = json.loads(line)
                inside = start <= datetime.fromisoformat(record["timestamp"]) < end
            except (ValueError, KeyError, TypeError):
                continue
            if inside:
                yield record


def _bill(console: Console, until: datetime, options: dict[str, Any]) -> float | None:
    if options["emf"] is None:
        raise click.UsageError(
            "a bill needs --emf, the EMF lines of the same time; docs/reconcile.md says how to get them"
        )
    # A bill is by the day, so only whole days can be compared.
    first, last = options["since"].date(), (until - timedelta(microseconds=1)).date()
    with click.open_file(str(options["emf"]), encoding="utf-8") as text:
        lines = [line for line in read_lines(text) if first <= ended(line).date() <= last]
    metered = spend.metered(lines, spend.by_row(book.PATH.read_text(encoding="utf-8")))
    if options["cost_explorer"]:
        # Cost Explorer has one endpoint for all Regions.
        billed = costexplorer.read(aws.session("us-east-1").client("ce"), first=first, last=last)
    else:
        with _export(options["export"], options["region"]) as path:
            billed = cur.read(path, first=first, last=last)
    rows = bill.compare(metered, billed, models=[each.id for each in models.load()])
    if options["as_json"]:
        click.echo(json.dumps(showbill.document(rows, metered, billed), indent=2))
    else:
        showbill.show(console, rows, metered, billed)
    difference = bill.percent(*showbill.sums(rows))
    return None if difference is None else float(difference)


@contextmanager
def _export(given: str, region: str | None) -> Iterator[Path]:
    if given.startswith("s3://"):
        with cur.fetched(aws.session(region).client("s3"), given) as folder:
            yield folder
    else:
        yield Path(given)
