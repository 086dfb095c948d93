"""The entry point of ``meterctl``; every command lives in its own module."""

import click

from bedrock_meter import MeterError, __version__
from meterctl.account.command import command as account
from meterctl.annotate import annotate
from meterctl.backfill.command import command as backfill
from meterctl.cloudwatch.command import cloudwatch, emf_group
from meterctl.cost import cost
from meterctl.dashboards.command import command as dashboards
from meterctl.demo.command import demo
from meterctl.doctor.command import command as doctor
from meterctl.prices.command import command as prices
from meterctl.reconcile.command import command as reconcile
from meterctl.registry.keys import command as keys
from meterctl.registry.limits import command as limits
from meterctl.registry.usecases import command as usecases
from meterctl.report.command import command as report
from meterctl.series import series
from meterctl.serve import serve
from meterctl.simulate.command import command as simulate


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="meterctl")
def cli() -> None:
    """Exact token metering for Amazon Bedrock."""


COMMANDS = (
    account,
    annotate,
    backfill,
    cloudwatch,
    cost,
    dashboards,
    demo,
    doctor,
    emf_group,
    keys,
    limits,
    prices,
    reconcile,
    report,
    series,
    serve,
    simulate,
    usecases,
)
for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run a command; what bedrock-meter itself refuses is one sentence and not a traceback."""
    try:
        cli()
    except MeterError as error:
        click.echo(f"meterctl: {error}", err=True)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
