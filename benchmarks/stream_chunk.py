"""The metering of one chunk of a stream, by CPU time, against parsing the same stream with botocore's EventStream."""

import json
import statistics
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from struct import pack
from typing import Any, cast
from zlib import crc32

import botocore.session
from benchmarks.measure import REGION, Row, Target, interleaved, report
from botocore.eventstream import EventStream
from botocore.parsers import ResponseParserFactory

from bedrock_meter.adapters.clock import SystemClock
from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.memory import MemorySink
from bedrock_meter.domain import Call, Certainty, Ending, Operation
from bedrock_meter.meter import Meter
from bedrock_meter.modelid import parse

TARGET_MICROSECONDS = 6.0
"""Of the 20 that a chunk may take from Bedrock to the caller."""
TARGET_RATIO = 0.5
PIECES = 200

HEADERS = {"content-type": "application/vnd.amazon.eventstream"}
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def frame(event: str, payload: bytes) -> bytes:
    """Encode one message."""
    stated = ((":event-type", event), (":content-type", "application/json"), (":message-type", "event"))
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + pack(">H", len(value)) + value.encode() for name, value in stated
    )
    prelude = pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + pack(">I", crc32(prelude)) + headers + payload
    return message + pack(">I", crc32(message))


def invoke_chunk(document: Mapping[str, object]) -> bytes:
    """Encode one chunk of an InvokeModel stream."""
    encoded = b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()
    return frame("chunk", json.dumps({"bytes": encoded, "p": "abcdefghijklmnop"}, separators=(",", ":")).encode())


PIECE = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " hello there my friend"}}
INVOKE = (
    invoke_chunk({"type": "message_start", "message": {"usage": {"input_tokens": 14, "output_tokens": 1}}}),
    *[invoke_chunk(PIECE)] * PIECES,
    invoke_chunk({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 600}}),
    invoke_chunk(
        {
            "type": "message_stop",
            "amazon-bedrock-invocationMetrics": {"inputTokenCount": 14, "outputTokenCount": 600},
        }
    ),
)
TEXT = b'{"contentBlockIndex":0,"delta":{"text":" hello there my friend"},"p":"abcdefghijklmnop"}'
CONVERSE = (
    frame("messageStart", b'{"role":"assistant","p":"abc"}'),
    *[frame("contentBlockDelta", TEXT)] * PIECES,
    frame("messageStop", b'{"stopReason":"end_turn","p":"abc"}'),
    frame("metadata", b'{"usage":{"inputTokens":14,"outputTokens":600,"totalTokens":614},"p":"abc"}'),
)

STREAMS = {Operation.INVOKE_MODEL_STREAM: INVOKE, Operation.CONVERSE_STREAM: CONVERSE}


def metered(operation: Operation, stream: tuple[bytes, ...]) -> Callable[[], tuple[int | None, int | None]]:
    """Give a function that meters a whole stream and tells its input and output."""
    call = Call(
        id="0a6a6d3e-17c4-4b39-8a0e-6d4d3f5c1a01",
        operation=operation,
        model=parse(MODEL, REGION),
        tags={"use_case": "chatbot"},
        streaming=True,
        received_at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
    )
    meter = Meter(sink=MemorySink(), clock=SystemClock(), faults=OnceLog())

    def run() -> tuple[int | None, int | None]:
        session = meter.open(call)
        session.sending()
        session.head(200, HEADERS)
        for chunk in stream:
            session.feed(chunk)
        record = session.close(Ending.COMPLETE)
        assert record is not None
        assert record.usage is not None
        assert record.outcome.certainty is Certainty.EXACT
        return record.usage.input, record.usage.output

    return run


class Raw:
    """What botocore reads a stream from."""

    def __init__(self, chunks: tuple[bytes, ...]) -> None:
        self._chunks = chunks

    def stream(self) -> Iterator[bytes]:
        """Give the chunks."""
        yield from self._chunks


def parsed(operation: Operation, stream: tuple[bytes, ...]) -> Callable[[], int]:
    """Give a function that reads a whole stream as boto3 does, and tells how many events it had."""
    model = botocore.session.Session().get_service_model("bedrock-runtime")
    shape = model.operation_model(operation.value).get_event_stream_output()
    parser = cast("Any", ResponseParserFactory().create_parser("rest-json"))._event_stream_parser  # noqa: SLF001 - as botocore's own client does

    def run() -> int:
        return sum(1 for _ in EventStream(cast("Any", Raw(stream)), cast("Any", shape), parser, operation.value))

    return run


def main() -> None:
    """Assert the answers, then time them."""
    subjects: dict[str, Callable[[], object]] = {}
    for operation, stream in STREAMS.items():
        ours, theirs = metered(operation, stream), parsed(operation, stream)
        assert ours() == (14, 600)
        assert theirs() == len(stream)
        subjects[f"{operation.value}, metered"] = ours
        subjects[f"{operation.value}, botocore"] = theirs
    times = interleaved(subjects, batches=15, calls=20, warm_up=10)
    rows = [Row(name=name, samples=[sample / (PIECES + 3) for sample in samples]) for name, samples in times.items()]
    medians = {row.name: statistics.median(row.samples) for row in rows}
    targets = [
        target
        for name in STREAMS
        for target in (
            Target(
                name=f"{name}, metering",
                value=medians[f"{name}, metered"],
                limit=TARGET_MICROSECONDS,
                unit=" us",
            ),
            Target(
                name=f"{name}, of botocore",
                value=medians[f"{name}, metered"] / medians[f"{name}, botocore"],
                limit=TARGET_RATIO,
            ),
        )
    ]
    report("One chunk of a stream", "us of CPU", rows, targets)


if __name__ == "__main__":
    main()
