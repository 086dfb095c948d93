"""``meterctl account``: Bedrock's invocation logging by hand, and log entries that failed, tried again."""

import click

from bedrock_meter.config import PRINCIPALS, Settings
from bedrock_meter.invocationlog import UNATTRIBUTED
from bedrock_meter.principals import PrincipalMap
from meterctl.account.logging import logging
from meterctl.account.redrive import redrive_command


@click.group("account")
def command() -> None:
    """Look at and set what holds for a whole AWS account and Region."""


@command.command()
@click.argument("mapping", metavar="MAPPING")
@click.option("--arn", "arns", multiple=True, metavar="ARN", help="Say for which use case this principal calls.")
def principals(mapping: str, arns: tuple[str, ...]) -> None:
    """Check a mapping of principals (pattern=use_case[+use_case], separated by spaces) before it is deployed.

    Refused, with a sentence: what is no pattern, and two patterns with different use cases that one principal matches.
    """
    found = Settings.from_env({PRINCIPALS: mapping}).principals
    for pattern, use_cases in sorted(found.items(), key=lambda pair: (pair[1], pair[0])):
        click.echo(f"{'+'.join(use_cases):<24}{pattern}")
    for arn in arns:
        click.echo(f"{arn}: {'+'.join(PrincipalMap(found).find(arn) or (UNATTRIBUTED,))}")


command.add_command(logging)
command.add_command(redrive_command)
