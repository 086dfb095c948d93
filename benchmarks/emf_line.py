"""The encoding of one record as an EMF line, by CPU time; and the same with the line written to a null stream."""

import json
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

from benchmarks.measure import Row, Target, interleaved, report

from bedrock_meter import __version__
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.domain import Call, Certainty, Ending, Operation, Outcome, Record, Status, Usage, UsageSource
from bedrock_meter.emf import Emf
from bedrock_meter.modelid import parse

TARGET_MICROSECONDS = 10.0

RECORD = Record(
    call=Call(
        id="0a6a6d3e-17c4-4b39-8a0e-6d4d3f5c1a01",
        operation=Operation.INVOKE_MODEL,
        model=parse("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-east-1"),
        tags={"use_case": "chatbot", "team": "support"},
        max_output_tokens=200,
        input_bytes=1834,
        attempt=1,
        received_at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
    ),
    usage=Usage(
        input=412, output=187, cache_read=1800, cache_write_5m=0, cache_write_1h=256, source=UsageSource.HEADER
    ),
    outcome=Outcome(
        status=Status.OK,
        ending=Ending.COMPLETE,
        http_status=200,
        bedrock_status=200,
        stop_reason="end_turn",
        duration_ms=2301.4182,
        first_byte_ms=2300.9911,
        overhead_ms=0.7132,
        certainty=Certainty.EXACT,
        upstream_request_id="11111111-2222-4333-8444-555555555555",
        upstream_latency_ms=2280,
    ),
)


def varied(count: int) -> list[Record]:
    """Give records that differ as real ones do: ids, times, counts and sizes."""
    return [
        replace(
            RECORD,
            call=replace(
                RECORD.call,
                id=f"{number:08x}-17c4-4b39-8a0e-6d4d3f5c1a01",
                input_bytes=1000 + number,
                received_at=RECORD.call.received_at + timedelta(milliseconds=17 * number),
            ),
            usage=Usage(input=400 + number, output=180 + number, cache_read=1800, source=UsageSource.HEADER),
            outcome=replace(RECORD.outcome, duration_ms=2000 + number / 7, overhead_ms=0.7 + number / 1000),
        )
        for number in range(count)
    ]


def check_answer(emf: Emf) -> None:
    """Fail unless the line is one line and says what the record says."""
    text = emf.line(RECORD)
    line = json.loads(text)
    assert "\n" not in text
    assert line["_aws"]["Timestamp"] == int(RECORD.call.received_at.timestamp() * 1000 + 2301.4182)
    assert (line["InputTokenCount"], line["OutputTokenCount"]) == (412, 187)
    assert (line["CacheReadInputTokenCount"], line["CacheWriteInputTokenCount"]) == (1800, 256)
    assert (line["UseCase"], line["ModelId"]) == ("chatbot", "us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert (line["cache_write_1h_tokens"], line["request_id"]) == (256, RECORD.call.id)
    named = {metric["Name"] for directive in line["_aws"]["CloudWatchMetrics"] for metric in directive["Metrics"]}
    assert {"Invocations", "InputTokenCount", "InvocationLatency", "MeterOverhead"} <= named <= line.keys()


def over(function: Callable[[Record], object], records: Sequence[Record]) -> Callable[[], object]:
    """Make a function of no argument that takes the next record at each call."""
    endless = cycle(records)
    return lambda: function(next(endless))


def main() -> None:
    """Check, measure, print."""
    emf = Emf(
        namespace="BedrockMeter",
        service="bedrock-meter",
        use_cases=frozenset({"chatbot"}),
        models=None,
        version=__version__,
    )
    check_answer(emf)
    records = varied(512)
    document = json.loads(emf.line(RECORD))
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sink = StreamSink(emf, nowhere)
        times = interleaved(
            {
                "line": over(emf.line, records),
                "emit": over(sink.emit, records),
                "dumps": lambda: json.dumps(document),
            },
            batches=100,
            calls=1000,
            warm_up=2000,
        )
    report(
        "One record as an EMF line",
        "µs of CPU per line",
        [
            Row(name="encode", samples=times["line"]),
            Row(name="encode and write to a null stream", samples=times["emit"]),
            Row(name="json.dumps of the finished document", samples=times["dumps"]),
        ],
        [
            Target(
                name="encode, median", value=statistics.median(times["line"]), limit=TARGET_MICROSECONDS, unit=" µs"
            ),
        ],
    )


if __name__ == "__main__":
    main()
