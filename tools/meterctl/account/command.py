"""``meterctl account``: Bedrock's invocation logging by hand, and log entries that failed, tried again."""

import click

from meterctl.account.logging import logging
from meterctl.account.redrive import redrive_command


@click.group("account")
def command() -> None:
    """Look at and set what holds for a whole AWS account and Region."""


command.add_command(logging)
command.add_command(redrive_command)
