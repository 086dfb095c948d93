"""The log door: CPU time of one entry of the invocation log, from the line to the metric line; and memory over 100,000.

The yardstick is ``json.loads`` and ``json.dumps`` of the same entry. DynamoDB answers at once here, from a stub below
botocore's signer and parser, so that its part is the CPU time that a note takes and not the wait for it.
"""

import json
import os
import resource
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import boto3
from benchmarks.measure import CREDENTIALS, REGION, Row, Target, interleaved, report
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HTTPHeaders

from bedrock_meter.adapters.clock import SystemClock
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import Settings
from logmeter.app import build
from logmeter.callbook import DynamoCallBook, MemoryCallBook
from logmeter.deadletters import NoDeadLetters
from logmeter.deliveries import Delivery, LogEvent
from logmeter.door import LogDoor
from logmeter.wiring import reader_for, with_named

TARGET_MICROSECONDS = 100.0
TARGET_GROWTH_MB = 10.0
BATCH = 500
RECORDS = 100_000
WRITTEN = datetime(2026, 11, 25, 6, 54, 30, tzinfo=UTC)
SETTINGS = Settings(
    principals={
        "arn:aws:iam::123456789012:role/Chatbot": ("chatbot",),
        "arn:aws:iam::123456789012:role/Etl-*": ("etl",),
    },
    metered_roles=frozenset({"arn:aws:iam::123456789012:role/meter-GatewayRole"}),
)


def entry(number: int) -> dict[str, object]:
    """Give an entry in metadata mode; no two have the same id, and sessions differ as they do."""
    return {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": "2026-11-25T06:54:27Z",
        "accountId": "123456789012",
        "region": "us-east-1",
        "identity": {"arn": f"arn:aws:sts::123456789012:assumed-role/Chatbot/i-{number % 50}"},
        "requestId": f"0c5a6e0e-0000-4000-8000-{number:012d}",
        "operation": "Converse",
        "modelId": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "inferenceRegion": "us-west-2",
        "input": {
            "inputContentType": "application/json",
            "inputTokenCount": 400 + number % 100,
            "cacheReadInputTokenCount": 1800,
            "cacheWriteInputTokenCount": 0,
        },
        "output": {"outputContentType": "application/json", "outputTokenCount": 180 + number % 70},
    }


def delivery(number: int) -> Delivery:
    """Give a delivery of new entries, unpacked."""
    events = [
        LogEvent(id=str(index), written=WRITTEN, message=json.dumps(entry(number * BATCH + index)))
        for index in range(BATCH)
    ]
    return Delivery(id=str(number), owner="123456789012", group="g", stream="s", events=events)


def a_door(out: StreamSink, calls: MemoryCallBook | DynamoCallBook) -> LogDoor:
    """Put a log door together."""
    reader = reader_for(SETTINGS, lambda region: boto3.client("bedrock", region_name=region))
    return LogDoor(reader=reader, calls=calls, letters=NoDeadLetters(), lines=out, clock=SystemClock())


def a_table() -> DynamoCallBook:
    """Give a call book whose requests are signed and whose answers are parsed, and that nothing waits for."""
    door = build(Settings(calls_table="calls"))
    book = door._calls  # noqa: SLF001 - the client as the function makes it
    assert isinstance(book, DynamoCallBook)

    def answered(request: AWSPreparedRequest, **_: object) -> Any:
        return AWSResponse(request.url, 200, HTTPHeaders(), _Raw())

    book._client.meta.events.register("before-send.dynamodb", answered)  # noqa: SLF001 - the same
    return book


class _Raw:
    """The body of an answer: an empty object."""

    def stream(self, amt: int = 1024, decode_content: bool | None = None) -> Iterator[bytes]:
        """Give it."""
        del amt, decode_content
        yield b"{}"


def check_answer() -> None:
    """Fail unless each entry is one line with its counts, and a delivery that comes again is none."""
    path = Path(".local/benchmark-logmeter.emf")
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        door = a_door(StreamSink.for_settings(with_named(SETTINGS), file), MemoryCallBook())
        first, again = door.take(delivery(0)), door.take(replace(delivery(0), id="again"))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.unlink()
    assert (first.counted, again.repeated, len(lines)) == (BATCH, BATCH, BATCH)
    assert [line["InputTokenCount"] for line in lines] == [400 + number % 100 for number in range(BATCH)]
    assert {line["UseCase"] for line in lines} == {"chatbot"}
    assert all(line["EstimatedCostUSD"] > 0 for line in lines)


def per_record(function: Callable[[Delivery], object], deliveries: Sequence[Delivery]) -> Callable[[], object]:
    """Make a function of no argument that takes the next delivery at each call."""
    endless = cycle(deliveries)
    return lambda: function(next(endless))


def growth_mb(door: LogDoor) -> float:
    """Take 100,000 records and give by how much the largest memory of the process grew after the first 20,000."""
    numbers = iter(range(10_000, 10_000 + RECORDS // BATCH))
    for _ in range(20_000 // BATCH):
        door.take(delivery(next(numbers)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in numbers:
        door.take(delivery(number))
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    """Check, measure, print."""
    os.environ.update({**CREDENTIALS, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"})
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        check_answer()
        sink = StreamSink.for_settings(with_named(SETTINGS), nowhere)
        door, table_door = a_door(sink, MemoryCallBook()), a_door(sink, a_table())
        grown = growth_mb(door)
        fresh = [delivery(number) for number in range(40)]
        # 40 deliveries are 20,000 calls, as many as are remembered: when one comes round again, it is new.
        messages = [event.message for event in fresh[0].events]
        times = interleaved(
            {
                "door": per_record(door.take, fresh),
                "table": per_record(table_door.take, fresh),
                "json": lambda: [json.dumps(json.loads(message)) for message in messages],
            },
            batches=40,
            calls=1,
            warm_up=1,
        )
    rows = {name: [sample / BATCH for sample in samples] for name, samples in times.items()}
    door_median = statistics.median(rows["door"])
    report(
        "One entry of the invocation log, from the line to the metric line",
        "µs of CPU per entry",
        [
            Row(name="read, price, note in memory, write", samples=rows["door"]),
            Row(name="the same, noted in DynamoDB (answered at once)", samples=rows["table"]),
            Row(name="json.loads and json.dumps of the entry", samples=rows["json"]),
        ],
        [
            Target(name="entry, median", value=door_median, limit=TARGET_MICROSECONDS, unit=" µs"),
            Target(name="growth over 100,000 entries", value=grown, limit=TARGET_GROWTH_MB, unit=" MB"),
        ],
    )
    print(f"  entry : json {door_median / statistics.median(rows['json']):.1f}")


if __name__ == "__main__":
    main()
