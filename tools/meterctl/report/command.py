"""``meterctl report``: the group of the reports."""

import click

from meterctl.report.estimates import estimates


@click.group("report")
def command() -> None:
    """Show what the EMF lines of calls say."""


command.add_command(estimates)
