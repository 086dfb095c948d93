"""``meterctl account logging show|enable|adopt|disable``: the same rules as the stack's custom resource, by hand."""

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from account.policy import Conflict, Mode, Plan, Wanted, described, group_of, plan, plan_removal
from account.setting import LoggingSetting

PATIENCE_SECONDS = 60.0
"""How long a role that was just made may take to be known to Bedrock."""

_region = click.option("--region", envvar="AWS_REGION", help="The Region; each has a configuration of its own.")
_group = click.option("--log-group", required=True, metavar="NAME", help="Our log group; it has to exist.")
_role = click.option("--role-arn", required=True, metavar="ARN", help="The role with which Bedrock writes to it.")
_dry = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


@click.group()
def logging() -> None:
    """Bedrock's model invocation logging: one configuration for each account and Region."""


@logging.command()
@_region
@click.option("--json", "as_json", is_flag=True, help="Print the configuration as it is.")
def show(region: str | None, *, as_json: bool) -> None:
    """Show what is configured."""
    current = _asked(_setting(region).read)
    if as_json:
        click.echo(json.dumps(current, indent=2))
        return
    click.echo(f"{described(current)[:1].upper()}{described(current)[1:]}.")
    if (group := group_of(current)) is not None:
        click.echo(f"InvocationLogging=keep meters from {group}.")


@logging.command()
@_region
@_group
@_role
@click.option(
    "--mode",
    type=click.Choice([Mode.METADATA.value, Mode.FULL.value]),
    default=Mode.METADATA.value,
    show_default=True,
    help="Without prompts and answers, or with them.",
)
@click.option("--large-data-bucket", metavar="NAME", help="For bodies of more than 100 KB, with --mode full.")
@_dry
def enable(
    region: str | None, log_group: str, role_arn: str, mode: str, large_data_bucket: str | None, *, dry_run: bool
) -> None:
    """Switch logging on; refused where somebody else's configuration is there."""
    wanted = Wanted(mode=Mode(mode), log_group=log_group, role_arn=role_arn, large_data_bucket=large_data_bucket)
    _carry_out(region, lambda current: plan(current, wanted), dry_run=dry_run)


@logging.command()
@_region
@_group
@_role
@_dry
def adopt(region: str | None, log_group: str, role_arn: str, *, dry_run: bool) -> None:
    """Add our log group to a configuration that delivers to S3 alone; everything that is there stays."""
    wanted = Wanted(mode=Mode.METADATA, log_group=log_group, role_arn=role_arn, adopt=True)
    _carry_out(region, lambda current: plan(current, wanted), dry_run=dry_run)


@logging.command()
@_region
@_group
@_dry
def disable(region: str | None, log_group: str, *, dry_run: bool) -> None:
    """Take our log group out again; what somebody else set stays."""
    _carry_out(region, lambda current: plan_removal(current, frozenset({log_group})), dry_run=dry_run)


def _carry_out(region: str | None, decide: Callable[[Any], Plan], *, dry_run: bool) -> None:
    setting = _setting(region)
    try:
        todo = decide(_asked(setting.read))
        if not dry_run:
            _asked(lambda: setting.apply(todo))
    except Conflict as conflict:
        raise click.ClickException(str(conflict)) from conflict
    click.echo(f"Would do: {todo.says}" if dry_run else todo.says)


def _setting(region: str | None) -> LoggingSetting:
    end = time.monotonic() + PATIENCE_SECONDS

    def wait(seconds: float) -> bool:
        if time.monotonic() + seconds > end:
            return False
        time.sleep(seconds)
        return True

    return LoggingSetting(_asked(lambda: boto3.client("bedrock", region_name=region)), wait)


def _asked[T](ask: Callable[[], T]) -> T:
    """Ask AWS; what it refuses is a sentence and not a traceback."""
    try:
        return ask()
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(str(error)) from error
