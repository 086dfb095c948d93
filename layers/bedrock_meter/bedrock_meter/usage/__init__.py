"""What an answer consumed: ``reader_for(call, status, headers) -> UsageReader``; ``feed`` it, then ask ``result``.

Precedence: Bedrock's own count (the token headers of InvokeModel, the metrics at the end of its streams, the ``usage``
of Converse), then the body of the model family for what that lacks, such as how long a cache write lives. A reader
never raises; what it cannot read is a fault by name and an unknown count.
"""

from collections.abc import Mapping

from bedrock_meter.domain import Call, Family, Operation
from bedrock_meter.usage.buffered import ErrorReader, JsonReader, UncountedReader
from bedrock_meter.usage.converse_stream import ConverseStreamReader
from bedrock_meter.usage.families import row_for
from bedrock_meter.usage.invoke_stream import InvokeStreamReader
from bedrock_meter.usage.reading import Reading, UsageReader
from bedrock_meter.usage.sse_stream import SseReader

__all__ = ["Reading", "UsageReader", "reader_for"]

EVENT_STREAM = "application/vnd.amazon.eventstream"
SSE = "text/event-stream"
JSON = "application/json"

_FREE = frozenset({Operation.COUNT_TOKENS, Operation.GET_ASYNC_INVOKE, Operation.LIST_ASYNC_INVOKES, Operation.UNKNOWN})
_EVENT_STREAM_OPERATIONS = frozenset({Operation.INVOKE_MODEL_STREAM, Operation.CONVERSE_STREAM})
_CONVERSE_OPERATIONS = frozenset({Operation.CONVERSE, Operation.CONVERSE_STREAM})

_CACHE_COUNTED_TWICE = "openai."
"""The beginning of the models whose ConverseStream counts cached tokens twice."""

_HTTP_ERROR = 400


def reader_for(call: Call, http_status: int, headers: Mapping[str, str]) -> UsageReader:
    """Choose the reader of an answer by its status, operation, content type and family.

    Args:
        call: The call that is answered.
        http_status: The status of the answer.
        headers: Its headers with lower-case names.
    """
    if http_status >= _HTTP_ERROR:
        return ErrorReader(headers)
    operation = call.operation
    if operation in _FREE or operation is Operation.START_ASYNC_INVOKE:
        return UncountedReader(free=operation in _FREE)
    row = row_for(operation, call.model.family if call.model else Family.OTHER)
    form = _form(call, headers)
    if form == SSE:
        return SseReader(row)
    if form != EVENT_STREAM:
        return JsonReader(call, headers)
    if operation in _CONVERSE_OPERATIONS:
        base = (call.model and call.model.base) or ""
        return ConverseStreamReader(row, cache_counted_twice=base.startswith(_CACHE_COUNTED_TWICE))
    return InvokeStreamReader(row)


def _form(call: Call, headers: Mapping[str, str]) -> str:
    """Tell how an answer is framed: as it says, and as was asked where it does not say."""
    stated = headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated in {EVENT_STREAM, SSE, JSON}:
        return stated
    if call.operation in _EVENT_STREAM_OPERATIONS:
        return EVENT_STREAM
    return SSE if call.streaming else JSON
