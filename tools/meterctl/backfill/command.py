"""``meterctl backfill`` on the command line."""

import os
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bedrock_meter.adapters.dynamodb import boto_transport
from bedrock_meter.adapters.registryview import RegistryView, registered
from bedrock_meter.adapters.stdout import emf_for
from bedrock_meter.config import Settings
from logmeter.callbook import PARALLEL, CallBook, DynamoCallBook, MemoryCallBook
from logmeter.wiring import principals_of, reader_for, registry_view, with_named
from meterctl.backfill.run import OLDER, WRITTEN, Backfill
from meterctl.backfill.sending import Sender
from meterctl.backfill.sources import FileSource, LogGroupSource, Period, S3Source, Source, Unit
from meterctl.backfill.state import State

REMEMBERED = 100_000
"""How many calls are remembered without a table, so that none counts twice; some 100 MB."""


class Moment(click.ParamType[datetime]):
    """An ISO date or time; UTC where it does not say."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-11-23 or 2026-11-23T08:00", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.command("backfill")
@click.option("--from", "start", type=Moment(), required=True, help="The first moment; UTC unless it says otherwise.")
@click.option("--to", "end", type=Moment(), required=True, help="The moment at which to end; not in it.")
@click.option("--log-group", metavar="NAME", help="Read this log group.")
@click.option("--s3", metavar="URL", help="Read what Bedrock delivered to s3://bucket/prefix.")
@click.option("--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read this file.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("backfill.emf"),
    show_default=True,
    help="Write metric lines here, and those older than 14 days to the same name with .older.",
)
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="Remember here what is done, to resume.")
@click.option(
    "--send-to", metavar="LOG_GROUP", help="Also send the lines to this log group, which makes metrics of them."
)
@click.option("--table", help="Note calls in the log door's DynamoDB table, so that none counts here and there.")
@click.option("--region", envvar="AWS_REGION", help="The Region of the log group.")
def command(  # noqa: PLR0913 - one argument an option
    *,
    start: datetime,
    end: datetime,
    log_group: str | None,
    s3: str | None,
    path: Path | None,
    out: Path,
    state: Path | None,
    send_to: str | None,
    table: str | None,
    region: str | None,
) -> None:
    """Meter old invocation logs, with the times of the calls.

    The BEDROCK_METER_… settings of the log door hold here too: use cases, principals, roles, registry, price book.
    """
    if start >= end:
        raise click.UsageError("--from has to lie before --to")
    settings = with_named(Settings.from_env(os.environ))
    try:
        view = _registry(settings, region)
        job = Backfill(
            source=_source(log_group, s3, path, region),
            period=Period(start=start, end=end),
            reader=reader_for(
                settings,
                lambda one: boto3.client("bedrock", region_name=one or region),
                principals=principals_of(settings, view),
            ),
            emf=emf_for(settings, registered(settings.use_cases, view)),
            calls=_calls(table, region),
            out=out,
            now=datetime.now(UTC),
            sender=_sender(send_to, region),
        )
        counts = _run(job, State.load(state, job.job))
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(str(error)) from error
    _print(job, counts)


def _source(log_group: str | None, s3: str | None, path: Path | None, region: str | None) -> Source:
    if sum(one is not None for one in (log_group, s3, path)) != 1:
        raise click.UsageError("give one of --log-group, --s3 and --file")
    if path is not None:
        return FileSource(path=path)
    if log_group is not None:
        return LogGroupSource(client=boto3.client("logs", region_name=region), group=log_group)
    bucket, _, prefix = str(s3).removeprefix("s3://").partition("/")
    if not str(s3).startswith("s3://") or not bucket:
        raise click.UsageError(f"--s3 takes s3://bucket/prefix, not {s3!r}")
    return S3Source(client=boto3.client("s3", region_name=region), bucket=bucket, prefix=prefix)


def _registry(settings: Settings, region: str | None) -> RegistryView | None:
    if settings.table is None:
        return None
    view = registry_view(settings.table, boto_transport(boto3.client("dynamodb", region_name=region)))
    view.catalogue()  # read before the first call is counted, or not at all
    return view


def _calls(table: str | None, region: str | None) -> CallBook:
    if table is None:
        return MemoryCallBook(REMEMBERED)
    config = Config(retries={"mode": "standard"}, max_pool_connections=PARALLEL)
    return DynamoCallBook(boto_transport(boto3.client("dynamodb", region_name=region, config=config)), table, time.time)


def _sender(group: str | None, region: str | None) -> Sender | None:
    if group is None:
        return None
    sender = Sender(client=boto3.client("logs", region_name=region), group=group)
    sender.prepare()
    return sender


def _run(job: Backfill, state: State) -> Counter[str]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed} units"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(job.source.name, total=None)

        def tell(unit: Unit, counts: Counter[str]) -> None:
            progress.update(task, advance=1, description=f"{unit.key[:60]}: {counts[WRITTEN] + counts[OLDER]} calls")

        return job.run(state, tell=tell)


def _print(job: Backfill, counts: Counter[str]) -> None:
    for what, count in sorted(counts.items()):
        if count:
            click.echo(f"{what:<40}{count:>10}")
    if counts[OLDER]:
        click.echo(
            f"{job.older} has the calls of which CloudWatch makes no metrics, for they lie more than 14 days back."
        )
