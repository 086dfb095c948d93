"""The counts of a stream of JSON documents: the chunks of an InvokeModel stream and the events of the SSE routes.

Most documents are pieces of text and cannot change any count. Those are told by a search through their bytes for a key
that could, and are not parsed: a stream has thousands of them.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from bedrock_meter.domain import UsageSource
from bedrock_meter.usage import failures
from bedrock_meter.usage.counts import Counts
from bedrock_meter.usage.families import METRICS, Row
from bedrock_meter.usage.reading import Reading, has_all, merge
from bedrock_meter.usage.said import Said
from bedrock_meter.usage.shape import Shape, read, read_first
from bedrock_meter.usage.units import trace_usage

CHUNK_NOT_JSON = "stream_chunk_not_json"
METRICS_KEY = "amazon-bedrock-invocationMetrics"
ACTION_KEY = "amazon-bedrock-guardrailAction"
TRACE_KEY = "amazon-bedrock-trace"

_NOT_YET = frozenset({"response.created", "response.queued", "response.in_progress"})
"""Events of the Responses API that show the response as it will be, with a status and without usage."""

_INTERVENED = "INTERVENED"
BLOCKED = "guardrail_intervened"
"""The stop reason of an answer that a guardrail replaced, as Converse names it."""

_SOURCES = (UsageSource.STREAM, UsageSource.STREAM)

# Keys of a first piece of an answer, by family; a value that is empty is no piece.
_CONTENT_KEYS = (
    "contentBlockDelta",
    "outputText",
    "generation",
    "outputs",
    "text",
    "completion",
    "message",
    "generations",
)
_DELTA_KEYS = ("content", "reasoning_content", "reasoning", "tool_calls", "refusal", "text")


class ChunkTally:
    """Counts over the documents of one stream.

    Attributes:
        content_started: Whether the first piece of the model's answer has come.
        faults: What could not be read; each kind once.
        error: The name and status of an error that came as a document.
    """

    def __init__(self, row: Row) -> None:
        self.content_started = False
        self.faults: list[str] = []
        self.error: tuple[str, int] | None = None
        self._row = row
        self._shapes = row.chunks
        self._worth_parsing = marks(row.chunks).search
        self._billed = Counts()
        self._body = Counts()
        self._units: dict[str, int] = {}
        self._stop_reason: str | None = None
        self._latency_ms: int | None = None
        self._disagreement = False
        self._blocked = False
        self._said = Said()

    def take(self, data: bytes) -> None:
        """Take the next document, as bytes."""
        if self.content_started and self._worth_parsing(data) is None:
            self._said.add(data)
            return
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            self._fault(CHUNK_NOT_JSON)
            return
        if not isinstance(document, dict):
            self._fault(CHUNK_NOT_JSON)
            return
        if has_content(document):
            self.content_started = True
            self._said.add(data)
        if self._worth_parsing(data) is not None:
            self._read(document, data)

    def result(self) -> Reading:
        """Tell the counts so far."""
        blocked = self._blocked and not self._billed.known()
        # What a model did not say, Bedrock said for it: the counts in such a body are not of the model.
        body = Counts() if self._blocked else self._body
        usage, disagreement = merge(self._billed, body, units=self._units, sources=_SOURCES)
        ended = self._billed.known() or self._stop_reason is not None
        return Reading(
            usage=usage,
            complete=ended and has_all(usage, self._row.needs) and not self.faults,
            complete_if_whole=blocked and self.error is None and not self.faults,
            stop_reason=BLOCKED if blocked else self._stop_reason,
            latency_ms=self._latency_ms,
            error_code=self.error and self.error[0],
            error_status=self.error and self.error[1],
            disagreement=disagreement or (self._disagreement and not self._blocked),
            faults=tuple(self.faults),
            said=self._said,
        )

    def _read(self, document: Mapping[str, Any], data: bytes) -> None:
        kind = document.get("type")
        if isinstance(kind, str) and kind in _NOT_YET:
            return
        shape, body = read_first(self._shapes, document)
        if body.counts.known():
            self._shapes = (shape,)  # the other chunks are of the same kind
            self._body.update(body.counts)
        self._stop_reason = body.stop_reason or self._stop_reason
        self._disagreement |= body.disagreement
        for fault in body.faults:
            self._fault(fault)
        if self.error is None and b"error" in data:
            self.error = failures.in_document(document)
        self._blocked |= document.get(ACTION_KEY) == _INTERVENED
        metrics = document.get(METRICS_KEY)
        if isinstance(metrics, dict):
            stated = read(METRICS, metrics)
            self._billed.update(stated.counts)
            self._said.forget()
            self._latency_ms = stated.latency_ms
            for fault in stated.faults:
                self._fault(fault.replace("body", "metrics", 1))
        self._add_units(document.get(TRACE_KEY))

    def _add_units(self, trace: object) -> None:
        if trace is None:
            return
        units, faults = trace_usage(trace)
        # Whether a later trace repeats an earlier one is not documented; the larger number counts, as for tokens.
        for name, count in units.items():
            self._units[name] = max(count, self._units.get(name, 0))
        for fault in faults:
            self._fault(fault)

    def _fault(self, code: str) -> None:
        if code not in self.faults:
            self.faults.append(code)


@cache
def marks(shapes: tuple[Shape, ...]) -> re.Pattern[bytes]:
    """Compile the search for a key that could change a count: one of the shapes' own, with a value that is not null.

    Quotation marks inside a text are escaped, so what looks like a key is one, or costs no more than a parse.
    """
    keys = {"error"}
    for shape in shapes:
        for alternatives in (*(paths for _, paths in shape.counts), shape.stop_reason):
            for steps in alternatives:
                names = [key for key, _, _ in steps]
                keys.add("usage" if "usage" in names else names[-1])
    known = "|".join(sorted(map(re.escape, keys)))
    return re.compile(rf'"(?:{known}|amazon-bedrock-[A-Za-z]+)"\s*:\s*[^n\s]'.encode())


def has_content(document: Mapping[str, Any]) -> bool:
    """Tell whether a document holds a piece of the model's answer, in any family's words."""
    kind = document.get("type")
    if isinstance(kind, str):
        # Messages: `content_block_delta`; Responses: `response.output_text.delta` and its siblings.
        return kind == "content_block_delta" or (kind.startswith("response.") and kind.endswith(".delta"))
    if any(document.get(key) for key in _CONTENT_KEYS):
        return True
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            delta = choice.get("delta") or choice.get("message") or choice
            if isinstance(delta, dict) and any(delta.get(key) for key in _DELTA_KEYS):
                return True
    return False
