"""What limits cost a call: admission and settlement with DynamoDB stubbed, and one request of the light client.

The first table is all that the gateway does for its limits, without the request to DynamoDB itself: the limits are
matched, the input forecast, the worst case priced, the update composed and its answer read, and after the call the
settlement. The second is what a request costs on top, against the same request by botocore, with a stub that answers in
another process.
"""

import json
import statistics
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
from benchmarks.measure import CREDENTIALS, REGION, Row, Target, answering_process, interleaved, report

from awshttp.credentials import provider
from awshttp.dynamodb import DynamoDb
from bedrock_meter.adapters.dynamodb import DynamoLimitStore, boto_transport
from bedrock_meter.adapters.memory import FixedLimits
from bedrock_meter.adapters.pricebook import packaged_book
from bedrock_meter.domain import Call, Certainty, Ending, Operation, Outcome, Record, Status, Usage, UsageSource
from bedrock_meter.estimate import Estimator
from bedrock_meter.forecaster import EstimateForecaster
from bedrock_meter.limiter import Limiter
from bedrock_meter.limits import Limit, Period, Subject, Unit
from bedrock_meter.modelid import parse

TARGET_MICROSECONDS = 150.0
BODY = json.dumps(
    {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Name three rivers of Europe."}]}],
    }
).encode()
CALL = Call(
    id="0a6a6d3e-17c4-4b39-8a0e-6d4d3f5c1a01",
    operation=Operation.INVOKE_MODEL,
    model=parse("us.anthropic.claude-sonnet-4-5-20250929-v1:0", REGION),
    tags={"use_case": "chatbot", "team": "search"},
    max_output_tokens=200,
    input_bytes=len(BODY),
    received_at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
)
COST = Decimal("0.001234")
RECORD = Record(
    call=CALL,
    usage=Usage(input=40, output=80, source=UsageSource.HEADER),
    outcome=Outcome(status=Status.OK, ending=Ending.COMPLETE, http_status=200, certainty=Certainty.EXACT),
    cost=COST,
)
ANSWER = {"Attributes": {"used": {"N": "4.231234"}, "spent": {"N": "4.001234"}, "expires": {"N": "1795651200"}}}
UPDATE = {"TableName": "t", "Key": {"pk": {"S": "LIMIT#budget"}, "sk": {"S": "2026-11-23T00:00Z"}}}


class Stub:
    """A DynamoDB that says yes to everything, and keeps what it was sent last."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer."""
        del parameters
        self.sent.append(operation)
        return ANSWER


class Silent:
    """A `FaultLog` that fails when it is told anything: a benchmark must not measure failures."""

    def report(self, code: str, error: BaseException | None = None) -> None:
        """Fail."""
        raise AssertionError(code) from error


def a_limit(name: str, subject: Subject, pattern: str, unit: Unit = Unit.USD, period: Period = Period.DAY) -> Limit:
    """Give a limit."""
    return Limit(id=name, subject=subject, pattern=pattern, unit=unit, period=period, amount=Decimal(1000))


OTHERS = [a_limit(f"other-{number}", Subject.USE_CASE, f"batch-{number}-*") for number in range(20)]
"""What else stands in the registry."""
ONE = [*OTHERS, a_limit("budget", Subject.TEAM, "search")]
THREE = [
    *ONE,
    a_limit("model", Subject.MODEL, "*claude*", Unit.TOKENS),
    a_limit("rate", Subject.ALL, "*", Unit.REQUESTS, Period.MINUTE),
]


def limiter_of(limits: list[Limit], stub: Stub) -> Limiter:
    """Make a limiter over a stubbed DynamoDB."""
    return Limiter(
        directory=FixedLimits(limits),
        store=DynamoLimitStore(stub.send, "table"),
        forecaster=EstimateForecaster(Estimator()),
        pricer=packaged_book(),
        faults=Silent(),
    )


def a_call(limiter: Limiter) -> None:
    """Admit a call and settle it."""
    admission = limiter.admit(CALL, BODY)
    if admission is not None:
        admission.settle(RECORD)


def check_answer() -> None:
    """Fail unless the calls are held and settled as they should be, with at most two writes for one limit."""
    stub = Stub()
    assert limiter_of(OTHERS, stub).admit(CALL, BODY) is None
    assert stub.sent == []
    admission = limiter_of(ONE, stub).admit(CALL, BODY)
    assert admission is not None
    assert admission.usd is not None
    assert admission.usd > COST
    admission.settle(RECORD)
    assert stub.sent == ["UpdateItem", "UpdateItem"]
    a_call(limiter_of(THREE, stub))
    assert stub.sent[2:] == ["TransactWriteItems", "UpdateItem", "UpdateItem"]


def measure_requests() -> dict[str, list[float]]:
    """Time one UpdateItem by our light client and by botocore's."""
    with answering_process(ANSWER) as url:
        light = DynamoDb(region=REGION, credentials=provider(CREDENTIALS), url=url)
        boto = boto3.client(
            "dynamodb",
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        by_botocore = boto_transport(boto)
        with closing(light), closing(boto):
            assert light.send("UpdateItem", UPDATE) == ANSWER
            assert by_botocore("UpdateItem", UPDATE)["Attributes"] == ANSWER["Attributes"]
            return interleaved(
                {
                    "light": lambda: light.send("UpdateItem", UPDATE),
                    "botocore": lambda: by_botocore("UpdateItem", UPDATE),
                },
                batches=40,
                calls=20,
                warm_up=50,
            )


def main() -> None:
    """Check, measure, print."""
    check_answer()
    stub = Stub()
    none, one, three = (limiter_of(limits, stub) for limits in (OTHERS, ONE, THREE))
    forecaster = EstimateForecaster(Estimator())
    times = interleaved(
        {
            "none": lambda: a_call(none),
            "one": lambda: a_call(one),
            "three": lambda: a_call(three),
            "forecast": lambda: forecaster.forecast(CALL, BODY),
        },
        batches=60,
        calls=200,
        warm_up=500,
    )
    report(
        f"Admission and settlement of a call, DynamoDB stubbed ({len(THREE)} limits registered)",
        "µs of CPU per call",
        [
            Row(name="no limit counts the call", samples=times["none"]),
            Row(name="one limit in US dollars", samples=times["one"]),
            Row(name="three limits: dollars, tokens, requests", samples=times["three"]),
            Row(name="of which: the forecast of the input", samples=times["forecast"]),
        ],
        [Target(name="one limit", value=statistics.median(times["one"]), limit=TARGET_MICROSECONDS, unit=" µs")],
    )
    requests = measure_requests()
    ratio = statistics.median(requests["light"]) / statistics.median(requests["botocore"])
    report(
        "One UpdateItem, answered by a stub in another process",
        "µs of CPU per request",
        [
            Row(name="our light client", samples=requests["light"]),
            Row(name="botocore's client", samples=requests["botocore"]),
        ],
        [Target(name="light client / botocore", value=ratio, limit=0.5)],
    )


if __name__ == "__main__":
    main()
