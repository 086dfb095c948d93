"""The entry point of ``meterctl``; every command lives in its own module."""

import click

from bedrock_meter import MeterError, __version__
from meterctl.cost import cost
from meterctl.demo.command import demo
from meterctl.prices.command import command as prices
from meterctl.registry.keys import command as keys
from meterctl.registry.limits import command as limits
from meterctl.registry.usecases import command as usecases
from meterctl.report.command import command as report
from meterctl.serve import serve
from meterctl.simulate.command import command as simulate


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="meterctl")
def cli() -> None:
    """Exact token metering for Amazon Bedrock."""


for command in (cost, demo, keys, limits, prices, report, serve, simulate, usecases):
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
