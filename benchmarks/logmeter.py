"""The log door: CPU time of one entry of the invocation log, from the line to the metric line; and memory over 100,000.

The yardstick is ``json.loads`` and ``json.dumps`` of the same entry. DynamoDB is a server in a process of its own that
answers at once, so that its part is the CPU time that a note takes here: to sign, to send over a socket, to read.
"""

import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import boto3
from benchmarks.measure import CREDENTIALS, REGION, Row, Target, answering_process, interleaved, report
from botocore.config import Config

from bedrock_meter.adapters.clock import SystemClock
from bedrock_meter.adapters.dynamodb import boto_transport
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import Settings
from logmeter.app import build
from logmeter.callbook import PARALLEL, DynamoCallBook, MemoryCallBook, Note, Noted, Witness
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


def a_table(url: str) -> DynamoCallBook:
    """Give the call book as the function makes it, with its table at a URL."""
    book = build(replace(SETTINGS, calls_table="calls", region=REGION, aws_endpoint_url_dynamodb=url))._calls  # noqa: SLF001 - what the function uses
    assert isinstance(book, DynamoCallBook)
    return book


def a_table_by_boto3(url: str) -> DynamoCallBook:
    """Give a call book over boto3, without botocore's checks of the parameters."""
    config = Config(max_pool_connections=PARALLEL, parameter_validation=False)
    client = boto3.client("dynamodb", region_name=REGION, endpoint_url=url, config=config)
    return DynamoCallBook(boto_transport(client), "calls", time.time)


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


def check_notes(url: str) -> None:
    """Fail unless the server takes notes from both clients, of which it says that nothing was known."""
    notes = [Note(request_id=str(number), witness=Witness.LOG, tally={}) for number in range(BATCH)]
    for book in (a_table(url), a_table_by_boto3(url)):
        assert book.note(notes, delivery="d") == [Noted(repeated=False, other=None)] * BATCH


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
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, answering_process({}) as url:
        check_answer()
        check_notes(url)
        sink = StreamSink.for_settings(with_named(SETTINGS), nowhere)
        door, table_door, boto_door = (
            a_door(sink, calls) for calls in (MemoryCallBook(), a_table(url), a_table_by_boto3(url))
        )
        grown = growth_mb(door)
        fresh = [delivery(number) for number in range(40)]
        # 40 deliveries are 20,000 calls, as many as are remembered: when one comes round again, it is new.
        messages = [event.message for event in fresh[0].events]
        times = interleaved(
            {
                "door": per_record(door.take, fresh),
                "table": per_record(table_door.take, fresh),
                "boto3": per_record(boto_door.take, fresh),
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
            Row(name="the same, noted in DynamoDB", samples=rows["table"]),
            Row(name="the same, noted in DynamoDB by boto3", samples=rows["boto3"]),
            Row(name="json.loads and json.dumps of the entry", samples=rows["json"]),
        ],
        [
            Target(name="entry, median", value=door_median, limit=TARGET_MICROSECONDS, unit=" µs"),
            Target(name="growth over 100,000 entries", value=grown, limit=TARGET_GROWTH_MB, unit=" MB"),
        ],
    )
    median = {name: statistics.median(samples) for name, samples in rows.items()}
    notes = median["table"] - median["door"], median["boto3"] - median["door"]
    print(f"  entry : json {median['door'] / median['json']:.1f}")
    print(f"  note : note by boto3 {notes[0]:.0f} : {notes[1]:.0f} = {notes[0] / notes[1]:.2f}")


if __name__ == "__main__":
    main()
