"""A known world: traffic through the real handler, what only the emitter can show, and AWS's own metrics beside it.

The handler's lines keep all that they count. When they happened and how long they took is replaced, because a test does
not know its own speed.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from tests.builders import a_call, a_model, a_record, a_usage, an_emf, an_outcome
from tests.functional.gateway.calls import CACHED_CLAUDE_BODY, CLAUDE, CONVERSE_BODY
from tests.functional.gateway.door import REGION, invoke_event, run_handler

from bedrock_meter import metrics
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import Settings
from bedrock_meter.domain import Status, UsageSource
from meterctl.cloudwatch import CloudWatch
from meterctl.lambda_front import to_event
from meterctl.simulate import Every, Script, Served, Simulator

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
BUSY = NOW - timedelta(minutes=20, seconds=-30)
"""When the handler's traffic happened, all of it in one minute."""
EARLIER = NOW - timedelta(days=2)
"""When a single call happened that cost `EARLIER_USD`; this month and this week, and not today."""
EARLIER_USD = Decimal("0.75")

SERVICE = "meter-test"
CHATBOT, SUMMARIZER = "chatbot", "summarizer"
NOVA = "amazon.nova-lite-v1:0"
FAST_MS, SLOW_MS, FIRST_MS, SPEED, OVERHEAD_MS = 1000.0, 9000.0, 250.0, 40.0, 1.5
FUNCTION, API, TABLE = "meter-test-GatewayFunction-A1", "meter-test", "meter-test-table"
LOG_GROUP = "meter-test-GatewayLogGroup-A1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One call of the script."""

    use_case: str
    model: str
    operation: str = "converse"
    body: bytes = CONVERSE_BODY
    fault: str = ""


SCRIPT = (
    *(Sent(use_case=CHATBOT, model=CLAUDE) for _ in range(5)),
    *(Sent(use_case=CHATBOT, model=NOVA) for _ in range(3)),
    *(Sent(use_case=CHATBOT, model=CLAUDE, operation="converse-stream") for _ in range(2)),
    *(Sent(use_case=SUMMARIZER, model=CLAUDE, operation="invoke", body=CACHED_CLAUDE_BODY) for _ in range(3)),
    Sent(use_case=CHATBOT, model=CLAUDE, fault="throttling"),
    Sent(use_case=CHATBOT, model=CLAUDE, fault="throttling"),
    Sent(use_case=CHATBOT, model=NOVA, fault="throttling"),
    Sent(use_case=SUMMARIZER, model=CLAUDE, fault="internal"),
    Sent(use_case=CHATBOT, model=CLAUDE, fault="validation"),
)
SUCCEEDED = tuple(sent for sent in SCRIPT if not sent.fault)
SLOW = SUCCEEDED[0], SUCCEEDED[-1]
"""Which of them were slow: one of each use case, both with Claude."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What was sent, what was served, and the CloudWatch that holds the metrics of it."""

    cloudwatch: CloudWatch
    served: Sequence[tuple[Sent, Served]]
    lines: Sequence[Mapping[str, Any]]

    def tokens(self, kind: str, *, use_case: str = "", model: str = "") -> int:
        """Sum what the simulator says it served."""
        return sum(
            getattr(entry, name)
            for sent, entry in self.served
            for name in ({"cache_write_tokens": _WRITES}.get(kind, (kind,)))
            if use_case in {"", sent.use_case} and model in {"", sent.model}
        )


_WRITES = ("cache_write_5m_tokens", "cache_write_1h_tokens")


def build() -> World:
    """Run the script and fill a CloudWatch."""
    served, lines = _run()
    cloudwatch = CloudWatch(region=REGION)
    intake = cloudwatch.put_emf([*lines, *_rare(), *_measured()], now=NOW)
    assert not intake.dropped
    cloudwatch.put_emf(['{"_aws":{"CloudWatchMetrics":[', '{"_aws":{"Timestamp":0}}'], now=BUSY, log_group=LOG_GROUP)
    _put_aws(cloudwatch)
    return World(cloudwatch=cloudwatch, served=served, lines=[json.loads(line) for line in lines])


def _run() -> tuple[Sequence[tuple[Sent, Served]], list[str]]:
    written = io.StringIO()
    lines: list[str] = []
    # The faults come last, so that no multiple of one's ordinal is in the script.
    faults = tuple(Every(nth=n, fault=sent.fault) for n, sent in enumerate(SCRIPT, 1) if sent.fault)
    with Simulator(seed=1, script=Script(rules=faults)) as simulator:
        settings = Settings(
            service=SERVICE,
            use_case=CHATBOT,
            use_cases=frozenset({CHATBOT, SUMMARIZER}),
            use_case_header=True,
            upstream_url=simulator.url,
            region=REGION,
        )
        with run_handler(settings, sink=StreamSink.for_settings(settings, written)) as handler:
            for sent in SCRIPT:
                headers = {"content-type": "application/json", "x-bedrock-meter-use-case": sent.use_case}
                path = f"/model/{quote(sent.model, safe='')}/{sent.operation}"
                invoke_event(handler, to_event("POST", path, [*headers.items()], sent.body, request_id=str(uuid4())))
        served = list(zip(SCRIPT, simulator.ledger, strict=True))
    found = [json.loads(line) for line in written.getvalue().splitlines()]
    lines = [json.dumps(_restamped(line, sent)) for line, sent in zip(found, SCRIPT, strict=True)]
    return served, lines


def _restamped(line: Mapping[str, Any], sent: Sent) -> dict[str, Any]:
    slow = any(sent is each for each in SLOW)
    known = {
        metrics.LATENCY: SLOW_MS if slow else FAST_MS,
        metrics.TIME_TO_FIRST_TOKEN: FIRST_MS,
        metrics.OUTPUT_SPEED: SPEED,
        metrics.OVERHEAD: OVERHEAD_MS,
    }
    changed = {name: value for name, value in known.items() if name in line}
    return {**line, **changed, "_aws": {**line["_aws"], "Timestamp": int(BUSY.timestamp() * 1000)}}


def _rare() -> Iterator[str]:
    """Give lines of what the script cannot bring about, in the minute of the script, and of the earlier call."""
    emf = an_emf(service=SERVICE, use_cases=frozenset({CHATBOT, SUMMARIZER}))
    call = a_call(model=a_model(CLAUDE), received_at=BUSY)
    instant = {"duration_ms": None, "first_byte_ms": None, "overhead_ms": 0}
    refused = an_outcome(**instant, status=Status.DENIED, http_status=403, bedrock_status=None)
    yield emf.line(a_record(call=call, usage=None, outcome=refused))
    done = an_outcome(**instant)
    nothing = {"input": None, "output": None, "cache_read": None, "cache_write_5m": None, "cache_write_1h": None}
    estimated = a_usage(**nothing, source=UsageSource.ESTIMATE)
    yield emf.line(a_record(call=call, usage=estimated, outcome=done, disagreement=True, faults=("reader_fault",)))
    earlier = a_call(model=a_model(CLAUDE), received_at=EARLIER)
    yield emf.line(a_record(call=earlier, usage=a_usage(**nothing), outcome=done, cost=EARLIER_USD, price_row="x"))


def _measured() -> Iterator[str]:
    """Give lines as other parts of the product write them."""
    emf = an_emf(service=SERVICE)
    yield emf.measurement({metrics.BUDGET_USED: 42.5}, at=BUSY, dimensions={metrics.LIMIT: "chatbot-month"})
    yield emf.measurement({metrics.BUDGET_USED: 12.0}, at=BUSY, dimensions={metrics.LIMIT: "team-day"})
    found = {metrics.UNMETERED_TOKENS: 30.0, metrics.UNMETERED_SHARE: 1.5, metrics.DRIFT: 0.25}
    yield emf.measurement(found, at=BUSY)
    yield emf.measurement(found, at=BUSY, dimensions={metrics.MODEL_ID: CLAUDE})
    yield emf.measurement({metrics.PRICE_DRIFT: 3.0}, at=BUSY)
    yield emf.measurement({metrics.DEPLOYMENTS: 1.0}, at=BUSY, dimensions={metrics.VERSION: "0.4.2"})


AWS_METRICS: Mapping[str, Mapping[str, tuple[Mapping[str, str], float]]] = {
    "AWS/Bedrock": {
        "Invocations": ({"ModelId": CLAUDE}, 21),
        "InvocationThrottles": ({"ModelId": CLAUDE}, 4),
        "InvocationClientErrors": ({"ModelId": CLAUDE}, 5),
        "InvocationServerErrors": ({"ModelId": CLAUDE}, 6),
        "InvocationLatency": ({"ModelId": CLAUDE}, 1234),
        "TimeToFirstToken": ({"ModelId": CLAUDE}, 321),
        "InputTokenCount": ({"ModelId": CLAUDE}, 7000),
        "OutputTokenCount": ({"ModelId": CLAUDE}, 8000),
        "EstimatedTPMQuotaUsage": ({"ModelId": CLAUDE}, 250_000),
    },
    "AWS/Lambda": {
        "Invocations": ({"FunctionName": FUNCTION}, 20),
        "Errors": ({"FunctionName": FUNCTION}, 1),
        "Throttles": ({"FunctionName": FUNCTION}, 2),
        "Duration": ({"FunctionName": FUNCTION}, 30_000),
        "ConcurrentExecutions": ({"FunctionName": FUNCTION}, 9),
    },
    "AWS/ApiGateway": {
        "Count": ({"ApiName": API}, 22),
        "4XXError": ({"ApiName": API}, 3),
        "5XXError": ({"ApiName": API}, 1),
        "Latency": ({"ApiName": API}, 1300),
        "IntegrationLatency": ({"ApiName": API}, 1250),
    },
    "AWS/DynamoDB": {
        "ConsumedReadCapacityUnits": ({"TableName": TABLE}, 11),
        "ConsumedWriteCapacityUnits": ({"TableName": TABLE}, 12),
        "ReadThrottleEvents": ({"TableName": TABLE}, 1),
        "WriteThrottleEvents": ({"TableName": TABLE}, 2),
        "SuccessfulRequestLatency": ({"TableName": TABLE, "Operation": "UpdateItem"}, 6.5),
    },
}
"""One value of each metric of AWS that is shown."""


def _put_aws(cloudwatch: CloudWatch) -> None:
    for namespace, found in AWS_METRICS.items():
        data = [
            {
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
                "Timestamp": BUSY,
                "Value": float(value),
            }
            for name, (dimensions, value) in found.items()
        ]
        cloudwatch.put_metric_data(now=NOW, Namespace=namespace, MetricData=data)
