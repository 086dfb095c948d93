"""``meterctl doctor``: runs the table of checks."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from bedrock_meter import MeterError
from bedrock_meter.config import Settings
from meterctl import aws
from meterctl.doctor import account, meter
from meterctl.doctor.model import Check, Finding, Level, World
from meterctl.moments import now
from pricewatch import book

if TYPE_CHECKING:
    import boto3

_GUIDE = "https://docs.aws.amazon.com/bedrock/latest/userguide"
CHECKS: tuple[Check, ...] = (
    Check(name="Region", source="botocore's list of endpoints", run=account.region),
    Check(name="credentials", source="sts:GetCallerIdentity", run=account.credentials),
    Check(name="model access", source="bedrock:GetFoundationModelAvailability", run=account.models),
    Check(name="gateway", source="GET /healthz", run=meter.gateway),
    Check(name="metrics", source="cloudwatch:GetMetricData, AWS/Bedrock and our namespace", run=meter.arriving),
    Check(name="EMF lines", source="cloudwatch:GetMetricData, AWS/Logs", run=meter.emf_errors),
    Check(name="meter faults", source="cloudwatch:GetMetricData, our namespace", run=meter.faults),
    Check(name="unmetered", source="UnmeteredTokens, see docs/reconcile.md", run=meter.unmetered),
    Check(
        name="invocation log",
        source=f"bedrock:GetModelInvocationLoggingConfiguration, {_GUIDE}/model-invocation-logging.html",
        run=account.logging,
    ),
    Check(name="keys", source="dynamodb:Scan", run=meter.keys),
    Check(name="price book", source="prices.json", run=meter.book_age),
    Check(name="quotas", source=f"servicequotas:ListServiceQuotas, {_GUIDE}/quotas.html", run=account.quotas),
)
_COLOURS = {
    Level.OK: "green",
    Level.WARN: "yellow",
    Level.FAIL: "red",
    Level.UNKNOWN: "magenta",
    Level.SKIPPED: "bright_black",
}
WIDTH = 160
_TIMEOUT_SECONDS = 10.0


@click.command("doctor")
@click.option("--region", help="AWS Region; that of the AWS settings when left out.")
@click.option("--gateway", metavar="URL", help="Endpoint of the gateway, the stack's output Endpoint.")
@click.option("--namespace", default=Settings().namespace, show_default=True, help="Namespace of our metrics.")
@click.option("--table", metavar="NAME", help="Table of the registry.")
@click.option(
    "--model", "models", multiple=True, metavar="ID", help="Check this model too. May be given more than once."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *,
    region: str | None,
    gateway: str | None,
    namespace: str,
    table: str | None,
    models: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check an account end to end: what is so, where that is known from, and what to do. It only reads.

    Exit code 1: something does not work, or could not be looked at. Warnings are 0.
    """
    session = aws.session(region)
    world = World(
        region=session.region_name,
        client=_clients(session),
        regions=session.get_available_regions,
        get=_get,
        now=now(),
        namespace=namespace,
        gateway=gateway.rstrip("/") if gateway else None,
        table=table,
        models=models,
        book=json.loads(book.PATH.read_text(encoding="utf-8")),
    )
    found = [(check, finding) for check in CHECKS for finding in examine(check, world)]
    if as_json:
        click.echo(json.dumps({"schema": 1, "findings": [_member(*each) for each in found]}, indent=2))
    else:
        console = Console(highlight=False)
        _show(console if console.is_terminal else Console(highlight=False, width=WIDTH), found)
    if {finding.level for _, finding in found} & {Level.FAIL, Level.UNKNOWN}:
        raise SystemExit(1)


def examine(check: Check, world: World) -> Iterator[Finding]:
    """Make a check; what AWS refuses is a finding of its own, and the other checks go on."""
    try:
        with aws.explained():
            yield from list(check.run(world))
    except MeterError as error:
        yield Finding(level=Level.UNKNOWN, fact=str(error), do="mend this and run the check again")


def _clients(session: "boto3.Session") -> Any:
    known: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in known:
            known[service] = session.client(service)  # type: ignore[call-overload]  # a name out of the checks
        return known[service]

    return client


def _get(url: str) -> tuple[int, bytes]:
    import urllib3  # noqa: PLC0415 - only one check needs it

    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise OSError("the endpoint has to be an https URL")
    try:
        answer = urllib3.request("GET", url, timeout=_TIMEOUT_SECONDS, retries=False, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        raise OSError(type(error).__name__) from error
    return answer.status, answer.data


def _show(console: Console, found: Sequence[tuple[Check, Finding]]) -> None:
    for check, finding in found:
        colour = _COLOURS[finding.level]
        console.print(f"[{colour}]{finding.level.value:<8}[/{colour}]{check.name:<15}", end="")
        console.print(finding.fact, markup=False)
        if finding.do:
            console.print(f"{'':<23}-> {finding.do}", markup=False)
        console.print(f"[bright_black]{'':<23}from {check.source}[/bright_black]")


def _member(check: Check, finding: Finding) -> dict[str, str | None]:
    return {
        "check": check.name,
        "level": finding.level.value,
        "fact": finding.fact,
        "do": finding.do,
        "source": check.source,
    }
