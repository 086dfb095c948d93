"""The scene of the account: some calls go past the gateway; three witnesses are compared, and the bypass is named.

The witnesses are the gateway's own lines, Bedrock's invocation log, which the real log door reads, and the metrics
that ``AWS/Bedrock`` publishes, read from a local CloudWatch with a real boto3 client.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
from rich.console import Console
from rich.table import Table

from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import Settings
from meterctl.account.delivery import pack
from meterctl.cloudwatch import CloudWatch
from meterctl.cloudwatch.server import CloudWatchServer
from meterctl.demo import traffic
from meterctl.demo.gateway import ENDPOINT, GATEWAY_ACCESS_KEY, GATEWAY_ROLE, REGION, SERVICE, application, isolated
from meterctl.reconcile.show import percent
from meterctl.report.terminal import short
from meterctl.simulate import Served, put_requests
from reconcile.account import HOUR, reconcile
from reconcile.compare import Line, summed, total
from reconcile.principals import Caller, role_name, rows_of, unmetered

if TYPE_CHECKING:
    from logmeter.door import Report

TIMES = 10
"""So many calls go past the gateway."""
BYPASS_ACCESS_KEY = "DEMO-NOTEBOOK"
BYPASS_ROLE = "arn:aws:sts::123456789012:assumed-role/NotebookExecution"
IDENTITIES = {
    GATEWAY_ACCESS_KEY: f"arn:aws:sts::123456789012:assumed-role/{role_name(GATEWAY_ROLE)}/gateway",
    BYPASS_ACCESS_KEY: f"{BYPASS_ROLE}/i-0abc",
}
"""Whom the simulator's log names for whose access keys."""
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": BYPASS_ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": "demo"}
_GROUP, _STREAM = "bedrock/invocations", "aws/bedrock/modelinvocations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the three witnesses say."""

    start: datetime
    """The first hour that was compared."""
    end: datetime
    """The end of the last one."""
    lines: Sequence[Line]
    """Gateway and AWS/Bedrock, by model."""
    whole: Line
    """The same in one line."""
    callers: Sequence[Caller]
    """The invocation log, by principal and model."""
    report: "Report"
    """What the log door made of the lines of both."""
    counted: Sequence[Mapping[str, Any]]
    """The lines that it wrote: the calls that no other door had metered."""

    @property
    def strangers(self) -> list[Caller]:
        """The principals that called past the gateway."""
        return [one for one in self.callers if role_name(one.principal) != role_name(GATEWAY_ROLE)]

    def logged(self, model: str | None = None, *, of_gateway: bool) -> int:
        """Give the tokens that the log has of the gateway's role, or of everybody else."""
        return sum(
            one.tokens
            for one in self.callers
            if model in {None, one.model} and (role_name(one.principal) == role_name(GATEWAY_ROLE)) is of_gateway
        )


def go_past(endpoint: str) -> None:
    """Call Bedrock itself, as somebody does who has credentials and has not been told about the gateway."""
    call = traffic.converse(traffic.NOVA, "What is in the basement?", max_tokens=200)
    with application({ENDPOINT: endpoint, **_CREDENTIALS}) as bedrock:
        for _ in range(TIMES):
            call(bedrock)


def compare(lines: Sequence[str], logged: Sequence[str], ledger: Iterable[Served], *, since: datetime) -> Found:
    """Ask all three.

    Args:
        lines: The gateway's EMF lines.
        logged: The lines of the invocation log.
        ledger: What was served, through the gateway or past it.
        since: When the first call was made.

    Raises:
        MissingExtraError: What the local CloudWatch is made of is not installed.
        ModuleNotFoundError: What the log door is made of is not installed.
    """
    start, end, found = _against_metrics(lines, ledger, since)
    report, counted = _against_log(lines, logged)
    return Found(
        start=start,
        end=end,
        lines=summed(found),
        whole=total(found, at=start),
        callers=unmetered(rows_of(map(json.loads, logged)), metered=(), aliases={}),
        report=report,
        counted=counted,
    )


def _against_metrics(
    lines: Sequence[str], ledger: Iterable[Served], since: datetime
) -> tuple[datetime, datetime, list[Line]]:
    """Publish the gateway's lines and Bedrock's metrics to a CloudWatch, and reconcile them there."""
    now = datetime.now(UTC)
    engine = CloudWatch()
    engine.put_emf(lines, now=now)
    for request in put_requests(ledger):
        for datum in request["MetricData"]:
            datum["Timestamp"] = datetime.fromtimestamp(datum["Timestamp"], UTC)
        engine.put_metric_data(now=now, **request)
    start = since.replace(minute=0, second=0, microsecond=0)
    end = now.replace(minute=0, second=0, microsecond=0) + HOUR
    # The present hour is compared although it is not over: on this machine nothing is late.
    with isolated(_CREDENTIALS), CloudWatchServer(engine, clock=lambda: end + timedelta(minutes=20)) as server:
        client = boto3.session.Session().client("cloudwatch", endpoint_url=server.url)
        with closing(client):
            return start, end, reconcile(client, namespace=Settings().namespace, start=start, end=end, aliases={})


def _against_log(lines: Sequence[str], logged: Sequence[str]) -> "tuple[Report, list[Mapping[str, Any]]]":
    """Deliver the gateway's lines and those of the log to the log door, as CloudWatch Logs does."""
    from logmeter.app import build, take  # noqa: PLC0415 - Powertools is in no extra of this package
    from logmeter.wiring import with_named  # noqa: PLC0415 - see above

    settings = Settings(service=SERVICE, metered_roles=frozenset({GATEWAY_ROLE}), region=REGION)
    written = io.StringIO()
    door = build(settings, lines=StreamSink.for_settings(with_named(settings), written))
    take(door, _delivered(lines, "gateway", "lines"), delivery_id="gateway")
    report = take(door, _delivered(logged, _GROUP, _STREAM), delivery_id="log")
    return report, [json.loads(line) for line in written.getvalue().splitlines()]


def _delivered(lines: Sequence[str], group: str, stream: str) -> str:
    at = int(datetime.now(UTC).timestamp() * 1000)
    events = [{"id": str(place), "timestamp": at, "message": line} for place, line in enumerate(lines)]
    return pack(events, account="123456789012", group=group, stream=stream, filter_name="demo")


def problems(found: Found) -> Iterator[str]:
    """Give a sentence for everything in which the witnesses do not agree."""
    for line in found.lines:
        ours, others = (found.logged(line.model, of_gateway=mine) for mine in (True, False))
        if line.metered_tokens != ours:
            yield f"{line.model}: the gateway metered {line.metered_tokens} tokens, the log has {ours} of its role"
        if line.account_tokens != ours + others:
            yield f"{line.model}: AWS/Bedrock has {line.account_tokens} tokens, the log {ours + others}"
    report = found.report
    if report.disagreed or report.counted_twice or report.awaiting or report.failed:
        yield f"the log door: {report.as_json()}"
    counted = Counter(str(line["principal"]) for line in found.counted if "principal" in line)
    past = sum(one.calls for one in found.strangers)
    if counted.total() != past or not past:
        yield f"{past} calls went past the gateway by the log, and the log door counted {dict(counted)}"


def show(console: Console, found: Found) -> None:
    """Print the comparison, and who went past."""
    table = Table(box=None, pad_edge=False)
    table.add_column("tokens by model", no_wrap=True)
    for name in (
        "gateway's\nrecords",
        "log:\ngateway's role",
        "log:\nothers",
        "AWS/Bedrock\nmetrics",
        "past the\ngateway",
    ):
        table.add_column(name, justify="right")
    for line in (*found.lines, found.whole):
        if not line.account_tokens and not line.metered_tokens:
            continue  # every call failed before a model took it
        model = None if line is found.whole else line.model
        logged = (found.logged(model, of_gateway=True), found.logged(model, of_gateway=False))
        row = (line.metered_tokens, *logged, line.account_tokens, line.unmetered_tokens)
        table.add_row(short(line.model), *(f"{number:,}" for number in row))
    console.print(table)
    report = found.report
    console.print(
        f"The log door compared {report.compared} calls with the gateway's records: {report.disagreed} differ."
    )
    console.print(f"{percent(found.whole.unmetered_share)} % of all tokens went past the gateway:")
    for one in found.strangers:
        console.print(f"  [red]{one.principal}[/red]  {one.calls} calls  {one.tokens:,} tokens  {short(one.model)}")
    cost = sum((Decimal(line["cost_usd"]) for line in found.counted if "cost_usd" in line), Decimal(0))
    use_cases = ", ".join(sorted({line["UseCase"] for line in found.counted if "UseCase" in line}))
    console.print(f"The log door has metered them: {report.counted} calls, {cost:.4f} USD, use case {use_cases}.")
    console.print("In an account: meterctl reconcile --since 24h --invocation-log GROUP --metered-role ROLE")
