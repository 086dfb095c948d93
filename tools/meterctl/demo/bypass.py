"""The end of the demo: some calls go past the gateway, and the reconciliation finds them.

Both sides come from a local CloudWatch with a real boto3 client: the EMF lines, and what `AWS/Bedrock` would publish of
what the simulator served.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3

from meterctl.cloudwatch import CloudWatch
from meterctl.cloudwatch.server import CloudWatchServer
from meterctl.demo import traffic
from meterctl.reconcile.show import Comparison
from meterctl.simulate import Served, put_requests
from reconcile.account import HOUR, reconcile

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

TIMES = 10
"""So many calls go past the gateway."""


def go_past(bedrock: "BedrockRuntimeClient") -> None:
    """Call Bedrock itself, as an application does that nobody has told about the gateway."""
    for _ in range(TIMES):
        traffic.perform(traffic.PAST_THE_GATEWAY, bedrock)


def compare(
    lines: Iterable[str], ledger: Iterable[Served], *, since: datetime, credentials: Mapping[str, str]
) -> Comparison:
    """Publish both sides, and compare them.

    Args:
        lines: EMF lines.
        ledger: What was served, through the gateway or past it.
        since: When the first call was made.
        credentials: Any, as environment variables; nothing leaves this machine.

    Raises:
        MissingExtraError: What the local CloudWatch is made of is not installed.
    """
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
    with CloudWatchServer(engine, clock=lambda: end + timedelta(minutes=20)) as server:
        client = boto3.client(
            "cloudwatch",
            endpoint_url=server.url,
            region_name=credentials["AWS_DEFAULT_REGION"],
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        )
        try:
            found = reconcile(client, namespace="BedrockMeter", start=start, end=end, aliases={})
        finally:
            client.close()
    return Comparison(start=start, end=end, lines=found, callers=None)
