"""A month of a company that does not exist: the metrics that its gateway and AWS would have written.

The lines are made by the real encoder from records, and priced by the packaged price book. The same seed gives the same
month. It fills pictures; nothing is proven with it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from random import Random

from bedrock_meter import (
    Call,
    Certainty,
    Ending,
    Operation,
    Outcome,
    PriceBook,
    Record,
    Status,
    Usage,
    UsageSource,
    metrics,
)
from bedrock_meter import __version__ as version
from bedrock_meter.adapters.pricebook import packaged_book
from bedrock_meter.emf import Emf
from bedrock_meter.modelid import parse
from bedrock_meter.pricing import cost
from meterctl.cloudwatch import CloudWatch

REGION = "us-east-1"
SERVICE = "bedrock-meter"
DAYS = 26
STEP = timedelta(minutes=10)
DEPLOY_HOUR = 9

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "amazon.nova-lite-v1:0"
PREVIEW = "amazon.nova-preview-v1:0"
"""A model that the price book does not know."""
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The calls of one use case to one model."""

    use_case: str
    model: str
    rate: float
    """Calls in a step at the busiest time of a working day."""
    input: int
    output: int
    cache_read: int = 0
    streaming: bool = True


STREAMS = (
    Stream(use_case="support-chat", model=SONNET, rate=14.0, input=900, output=420, cache_read=5200),
    Stream(use_case="support-chat", model=HAIKU, rate=9.0, input=700, output=260),
    Stream(use_case="contract-review", model=SONNET, rate=3.0, input=21_000, output=1_600, streaming=False),
    Stream(use_case="product-search", model=NOVA, rate=18.0, input=450, output=90, streaming=False),
    Stream(use_case="code-review", model=SONNET, rate=6.0, input=6_500, output=900, cache_read=18_000),
    Stream(use_case="product-search", model=PREVIEW, rate=0.1, input=450, output=90, streaming=False),
    Stream(use_case="translation", model=LLAMA, rate=7.0, input=1_300, output=1_250, streaming=False),
)
LIMITS: Mapping[str, float] = {"support-chat-month": 500.0, "contract-review-month": 400.0, "everything-month": 1500.0}
"""US dollars a month, by the name of the limit: whose it is, and the period."""


def fill(cloudwatch: CloudWatch, *, now: datetime, days: int = DAYS, seed: int = 7) -> None:
    """Fill a CloudWatch with the days before ``now``."""
    random, emf = Random(seed), _emf()  # noqa: S311 - a made-up month needs no secrets
    spent = dict.fromkeys(LIMITS, 0.0)
    start = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in range(days + 1):
        first = start + timedelta(days=day)
        if first.day == 1:
            spent = dict.fromkeys(LIMITS, 0.0)
        steps = [first + STEP * step for step in range(24 * 6) if first + STEP * step <= now]
        records = [record for at in steps for record in _records(at, random)]
        lines = [emf.line(_ended(record)) for record in records]
        lines += _measured(emf, records, spent, steps[-1], days - day)
        cloudwatch.put_emf(lines, now=steps[-1] + STEP)
        for at, group in groupby(records, key=lambda record: record.call.received_at):
            _put_aws(cloudwatch, [*group], at)


def _ended(record: Record) -> Record:
    """Let a call end just after it was received: a line has the time of its end, AWS's metrics that of the step."""
    lasted = timedelta(milliseconds=record.outcome.duration_ms or 0) - timedelta(seconds=1)
    return replace(record, call=replace(record.call, received_at=record.call.received_at - lasted))


def _emf() -> Emf:
    use_cases = frozenset(stream.use_case for stream in STREAMS)
    return Emf(namespace="BedrockMeter", service=SERVICE, use_cases=use_cases, models=None, version=version)


def _busy(at: datetime) -> float:
    """Tell how busy a time is, from 0 to 1: by day and on working days, with a slow growth."""
    hour = at.hour + at.minute / 60
    daily = 0.08 + max(0.0, math.sin((hour - 6) / 14 * math.pi)) if 6 <= hour <= 20 else 0.08  # noqa: PLR2004 - o'clock
    return daily * (0.25 if at.weekday() >= 5 else 1.0) * (0.8 + at.day / 150)  # noqa: PLR2004 - the weekend


def _records(at: datetime, random: Random) -> Iterator[Record]:
    book = packaged_book()
    for stream in STREAMS:
        expected = stream.rate * _busy(at)
        for _ in range(int(expected) + (random.random() < expected % 1)):
            yield _record(stream, at, random, book)


def _record(stream: Stream, at: datetime, random: Random, book: PriceBook) -> Record:
    model = parse(stream.model, REGION)
    operation = Operation.CONVERSE_STREAM if stream.streaming else Operation.CONVERSE
    call = Call(
        id=f"sample-{random.getrandbits(64):016x}",
        operation=operation,
        model=model,
        tags={"use_case": stream.use_case, "team": stream.use_case.partition("-")[0]},
        streaming=stream.streaming,
        received_at=at,
    )
    luck = random.random()
    if luck < 0.012:  # noqa: PLR2004 - how often something fails
        return Record(call=call, usage=None, outcome=_failed(luck))
    scale = random.lognormvariate(0, 0.45)
    usage = Usage(
        input=max(1, int(stream.input * scale)),
        output=max(1, int(stream.output * random.lognormvariate(0, 0.5))),
        cache_read=int(stream.cache_read * scale) if random.random() < 0.8 else 0,  # noqa: PLR2004 - the hit rate
        cache_write_5m=int(stream.cache_read * scale) if random.random() < 0.08 else 0,  # noqa: PLR2004 - and the misses
        cache_write_1h=0,
        source=UsageSource.ESTIMATE if luck > 0.996 else UsageSource.STREAM,  # noqa: PLR2004 - few hang up
    )
    card = book.rate_card(model, day=at.date(), tier=None, total_input=usage.input or 0)
    priced = cost(usage, card) if card is not None and card.covers(usage) else None
    first = 320 * random.lognormvariate(0, 0.35) + (usage.input or 0) * 0.02
    duration = first + (usage.output or 0) * 14 * random.lognormvariate(0, 0.2)
    outcome = Outcome(
        status=Status.OK,
        ending=Ending.COMPLETE,
        http_status=200,
        bedrock_status=200,
        duration_ms=duration,
        first_byte_ms=first if stream.streaming else None,
        overhead_ms=0.6 * random.lognormvariate(0, 0.4),
        certainty=Certainty.EXACT,
    )
    row = card.row if card is not None else None
    return Record(call=call, usage=usage, outcome=outcome, cost=priced, price_row=row, cold_start=luck < 0.016)  # noqa: PLR2004


def _failed(luck: float) -> Outcome:
    status, code = (Status.THROTTLED, 429) if luck < 0.008 else (Status.SERVER_ERROR, 503)  # noqa: PLR2004 - two of three
    if luck < 0.001:  # noqa: PLR2004 - a few are refused
        status, code = Status.DENIED, 403
    bedrock_status = None if status is Status.DENIED else code
    return Outcome(
        status=status,
        ending=Ending.REFUSED if status is Status.DENIED else Ending.COMPLETE,
        http_status=code,
        bedrock_status=bedrock_status,
        overhead_ms=0.4,
        certainty=Certainty.EXACT,
    )


def _measured(emf: Emf, records: list[Record], spent: dict[str, float], at: datetime, ago: int) -> Iterator[str]:
    """Give what the gateway and the scheduled functions measure of a day."""
    for step, group in groupby(records, key=lambda record: record.call.received_at):
        here = [record for record in group if record.cost]
        for limit, amount in LIMITS.items():
            whose = limit.removesuffix("-month")
            before = spent[limit]
            spent[limit] += sum(
                float(record.cost or 0) for record in here if whose in {"everything", record.call.use_case}
            )
            if int(before / amount * 100) != int(spent[limit] / amount * 100):
                used = {metrics.BUDGET_USED: round(spent[limit] / amount * 100, 1)}
                yield emf.measurement(used, at=step, dimensions={metrics.LIMIT: limit})
                yield emf.measurement(used, at=step)
    for hour in range(at.hour + 1):
        share = 1.2 + math.sin(ago + hour / 4)
        found = {metrics.UNMETERED_TOKENS: 900.0 * share, metrics.UNMETERED_SHARE: share, metrics.DRIFT: -share}
        yield emf.measurement(found, at=at.replace(hour=hour, minute=0))
        yield emf.measurement(found, at=at.replace(hour=hour, minute=0), dimensions={metrics.MODEL_ID: SONNET})
    yield emf.measurement({metrics.PRICE_DRIFT: 0.0}, at=at.replace(hour=0))
    if ago % 6 == 0 and at.hour >= DEPLOY_HOUR:
        deployed = {metrics.VERSION: f"1.{9 - ago // 6}.0"}
        yield emf.measurement(
            {metrics.DEPLOYMENTS: 1.0}, at=at.replace(hour=DEPLOY_HOUR, minute=0), dimensions=deployed
        )


def _put_aws(cloudwatch: CloudWatch, records: list[Record], at: datetime) -> None:
    """Put what AWS's own services would say of the same calls; one call in a hundred has gone past the gateway."""
    for namespace, data in _aws(records).items():
        if data:
            entries = [
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                    "Timestamp": at,
                    "Value": float(value_),
                }
                for name, dimensions, value_ in data
            ]
            cloudwatch.put_metric_data(now=at + STEP, Namespace=namespace, MetricData=entries)


type _Data = list[tuple[str, dict[str, str], float]]


def _aws(records: list[Record]) -> dict[str, _Data]:
    bedrock: _Data = []
    function, api, table = {"FunctionName": f"{SERVICE}-GatewayFunction"}, {"ApiName": SERVICE}, {"TableName": SERVICE}
    for record in records:
        model = {"ModelId": record.call.model.id if record.call.model else ""}
        outcome, usage = record.outcome, record.usage
        if outcome.status is Status.THROTTLED:
            bedrock.append(("InvocationThrottles", model, 1))
        elif outcome.status is Status.SERVER_ERROR:
            bedrock.append(("InvocationServerErrors", model, 1))
        elif usage is not None:
            bedrock += [
                ("Invocations", model, 1),
                ("InputTokenCount", model, (usage.input or 0) * 1.012),
                ("OutputTokenCount", model, (usage.output or 0) * 1.012),
                ("InvocationLatency", model, outcome.duration_ms or 0),
                ("EstimatedTPMQuotaUsage", model, (usage.input or 0) + 5 * (usage.output or 0)),
            ]
            if outcome.first_byte_ms:
                bedrock.append(("TimeToFirstToken", model, outcome.first_byte_ms))
    calls = len(records)
    times = [record.outcome.duration_ms or 1.0 for record in records]
    return {
        "AWS/Bedrock": bedrock,
        "AWS/Lambda": [
            ("Invocations", function, calls),
            ("Errors", function, 0),
            ("Throttles", function, 0),
            ("ConcurrentExecutions", function, max(1, calls // 3)),
            *(("Duration", function, time + 3) for time in times),
        ],
        "AWS/ApiGateway": [
            ("Count", api, calls),
            ("4XXError", api, 0),
            ("5XXError", api, 0),
            *(("Latency", api, time + 9) for time in times),
            *(("IntegrationLatency", api, time + 4) for time in times),
        ],
        "AWS/DynamoDB": [
            ("ConsumedReadCapacityUnits", table, 2),
            ("ConsumedWriteCapacityUnits", table, 2 * calls),
            ("ReadThrottleEvents", table, 0),
            ("WriteThrottleEvents", table, 0),
            *(("SuccessfulRequestLatency", {**table, "Operation": "UpdateItem"}, 4 + time % 5) for time in times),
        ],
    }
