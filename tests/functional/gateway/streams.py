"""Streams of Bedrock as they stand on the wire, with their counts known, and a Bedrock in this process to send them."""

import base64
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from struct import pack
from typing import Any
from zlib import crc32

from tests.builders import Bench, FakeClock
from tests.functional.gateway.calls import CLAUDE_PATH, CONVERSE_BODY

from awshttp.credentials import Credentials
from bedrock_meter.adapters.limiting import Limiting
from bedrock_meter.budget import Windows
from bedrock_meter.config import Settings
from bedrock_meter.domain import Record
from bedrock_meter.limiter import Limiter
from gateway.http import Request, Response
from gateway.identity import identity_for
from gateway.relay import Gateway
from gateway.usage import UsageReport

INPUT, OUTPUT = 11, 7
EVENT_STREAM = "application/vnd.amazon.eventstream"
SSE = "text/event-stream"
CONVERSE_STREAM_PATH = CLAUDE_PATH.replace("/invoke", "/converse-stream")
INVOKE_STREAM_PATH = CLAUDE_PATH.replace("/invoke", "/invoke-with-response-stream")
CHAT_PATH = "/openai/v1/chat/completions"
CHAT_BODY = b'{"model":"openai.gpt-oss-120b-1:0","stream":true,"messages":[{"role":"user","content":"hi"}]}'


def frame(kind: str, document: object, *, message_type: str = "event") -> bytes:
    """Encode one message of an event stream; a faithful copy of what a real one looks like."""
    type_header = ":exception-type" if message_type == "exception" else ":event-type"
    named = {type_header: kind, ":content-type": "application/json", ":message-type": message_type}
    headers = b"".join(
        pack(">B", len(name)) + name.encode() + pack(">BH", 7, len(value)) + value.encode()
        for name, value in named.items()
    )
    payload = json.dumps(document).encode()
    prelude = pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + pack(">I", crc32(prelude)) + headers + payload
    return message + pack(">I", crc32(message))


def converse_frames(deltas: int = 20) -> list[bytes]:
    """Give the frames of a Converse stream."""
    return [
        frame("messageStart", {"role": "assistant", "p": "abc"}),
        *(
            frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": f"canary {n} "}, "p": "x" * (n % 30)})
            for n in range(deltas)
        ),
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        frame("messageStop", {"stopReason": "end_turn"}),
        frame(
            "metadata",
            {
                "usage": {"inputTokens": INPUT, "outputTokens": OUTPUT, "totalTokens": INPUT + OUTPUT},
                "metrics": {"latencyMs": 321},
            },
        ),
    ]


def invoke_frames(deltas: int = 20) -> list[bytes]:
    """Give the frames of an InvokeModelWithResponseStream answer of Claude."""
    usage = {"input_tokens": INPUT, "output_tokens": 1}
    metrics = {"inputTokenCount": INPUT, "outputTokenCount": OUTPUT, "invocationLatency": 321, "firstByteLatency": 20}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"role": "assistant", "content": [], "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"canary {n} "}}
            for n in range(deltas)
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": OUTPUT}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics},
    ]
    return [
        frame("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abcd"})
        for event in events
    ]


def chat_events(deltas: int = 5, end: bytes = b"\n\n") -> tuple[list[bytes], bytes, bytes]:
    """Give the events of a streamed chat completion: those before the usage chunk, the usage chunk, the last one."""
    chunk = {"id": "c-1", "object": "chat.completion.chunk", "model": "openai.gpt-oss-120b-1:0"}

    def event(**more: object) -> bytes:
        return b"data: " + json.dumps({**chunk, **more}).encode() + end

    first = [
        *(event(choices=[{"index": 0, "delta": {"content": f"canary {n}"}}], usage=None) for n in range(deltas)),
        event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=None),
    ]
    usage = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
    return first, event(choices=[], usage=usage), b"data: [DONE]" + end


def cut(data: bytes, offsets: Iterable[int]) -> list[bytes]:
    """Cut bytes at these offsets; a part may be empty, and is left out as no connection would give it."""
    places = [0, *sorted(min(offset, len(data)) for offset in offsets), len(data)]
    return [data[start:end] for start, end in pairwise(places) if start < end]


@dataclass
class FakeAnswer:
    """An answer in this process. Its parts are bytes, an error to raise, or something to do before the next one."""

    parts: Iterable[bytes | Exception | Callable[[], None]]
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", EVENT_STREAM), ("x-amzn-RequestId", "r-1"))
    given: int = 0
    """How many bytes were taken."""
    closed: bool = False
    """Whether its connection was let go."""
    hurried: float | None = None
    """Within how many seconds the rest was wanted."""

    def chunks(self) -> Generator[bytes]:
        """Give the parts."""
        try:
            for part in self.parts:
                if isinstance(part, Exception):
                    raise part
                if isinstance(part, bytes):
                    self.given += len(part)
                    yield part
                else:
                    part()
        finally:
            self.closed = True

    def hurry(self, seconds: float) -> None:
        """Note it."""
        self.hurried = seconds


@dataclass
class FakeUpstream:
    """A Bedrock in this process that gives its answers in order."""

    answers: Iterator[FakeAnswer]
    sent: list[bytes] = field(default_factory=list)
    """The bodies that it got."""
    targets: list[str] = field(default_factory=list)
    """The request targets that it got."""

    def sign(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, credentials: Credentials | None = None
    ) -> bytes:
        """Note the request."""
        del method, headers, credentials
        self.targets.append(path)
        return body

    def send(self, request: bytes, deadline: float | None) -> FakeAnswer:
        """Give the next answer."""
        del deadline
        self.sent.append(request)
        return next(self.answers)

    def close(self) -> None:
        """Keep nothing."""


class Rig:
    """A gateway with everything around it in this process; no thread, no socket, and a clock that stands still.

    Args:
        answers: What Bedrock answers, in order.
        limiter: Admits its calls.
        settings: Fields of `Settings`.
    """

    def __init__(self, *answers: FakeAnswer, limiter: Limiter | None = None, **settings: Any) -> None:
        self.bench = Bench()
        self.upstream = FakeUpstream(iter(answers))
        usual: dict[str, Any] = {"use_case": "tests", "region": "us-east-1"}
        chosen = Settings(**(usual | settings))
        self.gateway = Gateway(
            settings=chosen,
            meter=self.bench.meter,
            upstream=self.upstream,
            clock=self.bench.clock,
            identity=identity_for(chosen, None),
            usage=UsageReport(windows=Windows()),
            limiting=None if limiter is None else Limiting(limiter=limiter, finish=lambda: None),
        )

    @property
    def clock(self) -> FakeClock:
        """The clock."""
        return self.bench.clock

    @property
    def records(self) -> Sequence[Record]:
        """What was recorded."""
        return self.bench.sink.records

    @property
    def record(self) -> Record:
        """The one record; fails unless there is exactly one."""
        assert len(self.records) == 1, f"{len(self.records)} records for one call"
        return self.records[0]

    def ask(self, path: str = CONVERSE_STREAM_PATH, body: bytes = CONVERSE_BODY, **more: Any) -> Response:
        """Send one request."""
        request: dict[str, Any] = {"id": "call-1", "method": "POST", "path": path, "headers": {}, "body": body}
        return self.gateway(Request(**(request | more)))


def counts(record: Record) -> tuple[int | None, int | None]:
    """Give the input and output tokens of a record."""
    return (None, None) if record.usage is None else (record.usage.input, record.usage.output)
