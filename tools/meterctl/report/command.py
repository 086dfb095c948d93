"""``meterctl report``: choose a source and an output. Without a sub-command it is the report of usage."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import click
from rich.console import Console

from bedrock_meter.config import Settings
from meterctl import aws
from meterctl.moments import MOMENT, now
from meterctl.report import machine, sources, terminal
from meterctl.report.estimates import estimates
from meterctl.report.model import PERIODS, SHORTEST_AT_AWS, Report
from meterctl.summary import read_lines

WIDTH = 120
"""Columns where the output is no terminal."""


def _page(report: Report) -> str:
    from meterctl.report import page  # noqa: PLC0415 - plotly takes a second to import, and only this needs it

    return page.page(report)


OUTPUTS: Mapping[str, Callable[[Report], str]] = {
    "html": _page,
    "csv": machine.as_csv,
    "json": machine.as_json,
}


@click.group("report", invoke_without_command=True)
@click.option(
    "--emf",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Read EMF lines; - is stdin.",
)
@click.option("--log-group", metavar="NAME", help="Ask Logs Insights for the lines of this log group.")
@click.option("--metrics", "from_metrics", is_flag=True, help="Read CloudWatch metrics. What holds without a source.")
@click.option("--namespace", default=Settings().namespace, show_default=True, help="Namespace of the metrics.")
@click.option("--since", type=MOMENT, metavar="WHEN", help="24h, 7d, or 2026-11-23T12:00 (UTC).  [default: 24h]")
@click.option("--until", type=MOMENT, metavar="WHEN", help="The same; not included.  [default: now]")
@click.option("--by", type=click.Choice(list(PERIODS)), help="Length of a period; chosen to fit when left out.")
@click.option("--region", help="AWS Region; that of the AWS settings when left out.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with plots to this file.")
@click.option("--csv", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True), help="Write CSV; - is stdout.")
@click.option(
    "--json", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True), help="Write JSON; - is stdout."
)
@click.pass_context
def command(  # noqa: PLR0913 - one argument an option
    context: click.Context,
    *,
    emf: Path | None,
    log_group: str | None,
    from_metrics: bool,
    namespace: str,
    since: datetime | None,
    until: datetime | None,
    by: str | None,
    region: str | None,
    html: Path | None,
    csv: Path | None,
    json: Path | None,
) -> None:
    """Show what was used and spent: from CloudWatch metrics, a log group or a file of EMF lines."""
    if context.invoked_subcommand is not None:
        return
    if sum((emf is not None, log_group is not None, from_metrics)) > 1:
        raise click.UsageError("--emf, --log-group and --metrics are three sources; name one")
    period = PERIODS[by] if by else None
    if emf is not None:
        report = _from_file(emf, since=since, until=until, period=period)
    else:
        last = until or now()
        first = since or last - timedelta(hours=24)
        if period is not None and period < SHORTEST_AT_AWS:
            raise click.UsageError("AWS keeps the figures by the minute; --by second needs --emf")
        if first >= last:
            raise click.UsageError("--since has to lie before --until")
        with aws.explained():
            session = aws.session(region)
            if log_group is not None:
                report = sources.from_logs(session.client("logs"), log_group, since=first, until=last, period=period)
            else:
                report = sources.from_metrics(
                    session.client("cloudwatch"), namespace, since=first, until=last, period=period
                )
    write(report, {"html": html, "csv": csv, "json": json})


command.add_command(estimates)


def write(report: Report, files: Mapping[str, Path | None]) -> None:
    """Write the outputs that were asked for; without any, or beside those that are files, the table."""
    wanted = {kind: path for kind, path in files.items() if path is not None}
    if Path("-") not in wanted.values():
        console = Console(highlight=False)
        terminal.show(console if console.is_terminal else Console(highlight=False, width=WIDTH), report)
    for kind, path in wanted.items():
        text = OUTPUTS[kind](report)
        if path == Path("-"):
            click.echo(text, nl=False)
        else:
            path.write_text(text, encoding="utf-8")
            click.echo(f"{path} written", err=True)


def _from_file(emf: Path, *, since: datetime | None, until: datetime | None, period: timedelta | None) -> Report:
    with click.open_file(str(emf), encoding="utf-8") as text:
        lines = read_lines(text)
    if not lines:
        raise click.UsageError(f"{emf} holds no EMF line")
    source = "EMF lines of standard input" if emf == Path("-") else f"EMF lines of {emf}"
    return sources.from_lines(lines, source=source, since=since, until=until, period=period)
