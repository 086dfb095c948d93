"""``meterctl cloudwatch`` and ``meterctl emf``."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click

from meterctl.cloudwatch import emf
from meterctl.cloudwatch.engine import CloudWatch
from meterctl.cloudwatch.errors import InvalidParameterError
from meterctl.cloudwatch.files import Follower, Tail, put_requests
from meterctl.cloudwatch.server import CloudWatchServer
from meterctl.server import wait_for_signal

_FILE = click.Path(path_type=Path, dir_okay=False)


def _moment(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time such as 2026-11-20T12:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_at = click.option(
    "--at",
    metavar="TIME",
    callback=_moment,
    help="Take this for the present time, such as 2026-11-20T12:00:00Z, so that old lines are not too old.",
)


def _clock(at: datetime | None) -> Callable[[], datetime]:
    return (lambda: datetime.now(UTC)) if at is None else (lambda: at)


@click.command("cloudwatch")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port; 0: a free one.")
@click.option("--emf", "emf_files", type=_FILE, multiple=True, help="Load the EMF lines of FILE; may be given again.")
@click.option("--follow", is_flag=True, help="Go on reading lines that are appended to the EMF files.")
@click.option("--metrics", type=_FILE, multiple=True, help="Load PutMetricData requests, one JSON object a line.")
@click.option("--namespace", "namespaces", multiple=True, help="Load only this namespace; may be given again.")
@click.option("--log-group", default="/aws/lambda/bedrock-meter", show_default=True, help="Where the lines came from.")
@click.option("--region", help="What labels show as the region.  [default: AWS_REGION, else us-east-1]")
@_at
def cloudwatch(
    *,
    port: int,
    emf_files: tuple[Path, ...],
    follow: bool,
    metrics: tuple[Path, ...],
    namespaces: tuple[str, ...],
    log_group: str,
    region: str | None,
    at: datetime | None,
) -> None:
    """Answer as CloudWatch on 127.0.0.1, from EMF lines, without an AWS account, until Ctrl-C.

    Lines that CloudWatch would drop are told on stderr, with the rule that they break.
    """
    clock = _clock(at)
    engine = CloudWatch(region=region or os.environ.get("AWS_REGION") or "us-east-1")
    loading = _Loading(engine, clock, namespaces=namespaces, log_group=log_group)
    for path in metrics:
        loading.put(path)
    tails = [(path, Tail(path)) for path in emf_files]
    if missing := [path for path in emf_files if not follow and not path.exists()]:
        raise InvalidParameterError(f"{missing[0]} does not exist; with --follow it may come later")

    def look() -> None:
        for path, tail in tails:
            loading.look(path, tail, to_the_end=not follow)

    look()
    with ExitStack() as running:
        server = _listen(engine, clock, port, log_group)
        running.enter_context(server)
        click.echo(f"CloudWatch on {server.url}, {loading.lines} EMF lines loaded. Ctrl-C ends it.", err=True)
        click.echo(f"export AWS_ENDPOINT_URL_CLOUDWATCH={server.url}", err=True)
        if follow:
            running.enter_context(Follower(look))
        wait_for_signal()


def _listen(engine: CloudWatch, clock: Callable[[], datetime], port: int, log_group: str) -> CloudWatchServer:
    try:
        return CloudWatchServer(engine, clock=clock, port=port, log_group=log_group)
    except OSError as error:
        raise click.ClickException(f"cannot listen on 127.0.0.1:{port}: {error.strerror}") from error


class _Loading:
    """Files on their way into the engine, and what is told of them."""

    def __init__(
        self, engine: CloudWatch, clock: Callable[[], datetime], *, namespaces: tuple[str, ...], log_group: str
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._namespaces = namespaces
        self._log_group = log_group
        self.lines = 0

    def put(self, path: Path) -> None:
        """Load a file of PutMetricData requests."""
        for request in put_requests(path):
            if not self._namespaces or request.get("Namespace") in self._namespaces:
                self._engine.put_metric_data(now=self._clock(), **request)

    def look(self, path: Path, tail: Tail, *, to_the_end: bool = False) -> None:
        """Load what a file of EMF lines has got."""
        first, lines = tail.read(to_the_end=to_the_end)
        intake = self._engine.put_emf(
            lines, now=self._clock(), first=first, log_group=self._log_group, namespaces=self._namespaces
        )
        self.lines += intake.taken
        for dropped in intake.dropped:
            click.echo(f"{path} {dropped}", err=True)


@click.group("emf")
def emf_group() -> None:
    """Lines in the embedded metric format."""


@emf_group.command("check")
@click.argument("file", type=click.File(encoding="utf-8", errors="replace"))
@_at
def check(file: TextIO, at: datetime | None) -> None:
    """Tell which lines of FILE (- is stdin) CloudWatch would drop, and why. Exits with 1 if there are any."""
    intake = emf.read(file, now=_clock(at)())
    for dropped in intake.dropped:
        click.echo(str(dropped))
    click.echo(f"{intake.taken} lines valid, {len(intake.dropped)} dropped, {intake.ignored} not EMF", err=True)
    if intake.dropped:
        raise SystemExit(1)
