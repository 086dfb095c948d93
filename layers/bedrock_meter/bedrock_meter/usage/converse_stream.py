"""Reader of ConverseStream: its usage stands in the ``metadata`` event alone, which is the last one.

See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html.
"""

import json
from typing import Any

from bedrock_meter.domain import UsageSource
from bedrock_meter.eventstream import EventStreamDecoder, Message
from bedrock_meter.usage.counts import Counts
from bedrock_meter.usage.event_messages import EventReader
from bedrock_meter.usage.families import CONVERSE, Row
from bedrock_meter.usage.reading import Reading, has_all, merge
from bedrock_meter.usage.said import Said
from bedrock_meter.usage.shape import Body, read
from bedrock_meter.usage.units import trace_usage

EVENT_NOT_JSON = "stream_event_not_json"

# Events that only carry the answer itself. They are not looked into.
_CONTENT = "contentBlockDelta"
_WITHOUT_COUNTS = frozenset({"messageStart", "contentBlockStart", "contentBlockStop", _CONTENT})
_WITH_COUNTS = frozenset({"messageStop", "metadata"})


class ConverseStreamReader(EventReader):
    """Reads the stream of any model.

    Args:
        row: What has to be known.
        cache_counted_twice: The model is one whose ConverseStream counts cached tokens as input as well, which its
            Converse does not (the OpenAI models, reported in 2026-09). They are then taken out of the input, and the
            stream's own total, which has them twice, is told as a disagreement.
    """

    def __init__(self, row: Row, *, cache_counted_twice: bool) -> None:
        super().__init__(EventStreamDecoder())
        self._row = row
        self._cache_counted_twice = cache_counted_twice
        self._body = Body()
        self._stop_reason: str | None = None
        self._said = Said()
        self.content_started = False

    def on_event(self, message: Message) -> None:
        """Take one event."""
        if message.type in _WITHOUT_COUNTS:
            if message.type == _CONTENT:
                self.content_started = True
                self._said.add(message.payload)
            return
        if message.type not in _WITH_COUNTS:
            self.unknown_event()
            return
        try:
            document: Any = json.loads(message.payload)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            self.fault(EVENT_NOT_JSON)
            return
        body = read(CONVERSE, document)
        self._stop_reason = body.stop_reason or self._stop_reason
        if message.type == "metadata":
            units, faults = trace_usage(document.get("trace"))
            body.units |= units
            body.faults += faults
            self._body = body
            if body.counts.known():
                self._said.forget()
            if self._cache_counted_twice and (body.counts.cache_read or body.counts.cache_write):
                body.counts.take_cache_out_of_input()
                body.disagreement = True

    def reading(self) -> Reading:
        """Tell what the events said."""
        body = self._body
        usage, disagreement = merge(
            Counts(), body.counts, units=body.units, sources=(UsageSource.STREAM, UsageSource.STREAM)
        )
        return Reading(
            usage=usage,
            complete=has_all(usage, self._row.needs),
            stop_reason=self._stop_reason,
            latency_ms=body.latency_ms,
            invoked_model=body.invoked_model,
            disagreement=disagreement or body.disagreement,
            faults=tuple(body.faults),
            said=self._said,
        )
