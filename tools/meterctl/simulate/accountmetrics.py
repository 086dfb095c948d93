"""What CloudWatch would say in the namespace AWS/Bedrock about what was served: the ledger as PutMetricData requests.

Names and meanings are those of https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-runtime-metrics.html:
an invocation is a request that was accepted, later failures included, throttled and rejected ones excluded; input
excludes cached tokens. Not documented, and so a choice: cache metrics bear the shorter of the two names in use, a
bucket without tokens has no datum, an error in the middle of a stream counts as a server error, and of an ARN only the
last part is the ``ModelId``. The real service refuses a namespace that begins with ``AWS/``; a local one takes it.
"""

from collections.abc import Iterable, Iterator
from itertools import batched
from typing import Any, Final

from meterctl.simulate.ledger import Served

NAMESPACE: Final = "AWS/Bedrock"
_MOST_DATA: Final = 1000
"""Of one request (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html)."""

_RUNS_A_MODEL: Final = frozenset(
    {"InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream", "StartAsyncInvoke"}
    | {"ChatCompletions", "Responses", "Messages"}
)
_TOKENS: Final = (
    ("InputTokenCount", ("input_tokens",)),
    ("OutputTokenCount", ("output_tokens",)),
    ("CacheReadInputTokens", ("cache_read_tokens",)),
    ("CacheWriteInputTokens", ("cache_write_5m_tokens", "cache_write_1h_tokens")),
)
_FIRST_ERROR, _THROTTLED, _FIRST_SERVER_ERROR = 400, 429, 500
_FAILED_AT_WORK: Final = frozenset({408, 424})


def put_requests(ledger: Iterable[Served]) -> Iterator[dict[str, Any]]:
    """Give the requests that put the metrics of what was served, each with at most 1,000 data."""
    data = (datum for entry in ledger for datum in _data(entry))
    for batch in batched(data, _MOST_DATA):
        yield {"Namespace": NAMESPACE, "MetricData": list(batch)}


def _data(entry: Served) -> Iterator[dict[str, Any]]:
    if entry.operation not in _RUNS_A_MODEL or entry.model_id is None:
        return
    dimensions = [{"Name": "ModelId", "Value": entry.model_id.rpartition("/")[2]}]
    for name, value, unit in _values(entry):
        yield {"MetricName": name, "Dimensions": dimensions, "Timestamp": entry.at, "Value": value, "Unit": unit}


def _values(entry: Served) -> Iterator[tuple[str, int, str]]:
    # A reset before the status is a fault of the connection; the model had been asked.
    status = entry.http_status or _FIRST_SERVER_ERROR
    if status == _THROTTLED:
        yield "InvocationThrottles", 1, "Count"
        return
    if status < _FIRST_ERROR or status in _FAILED_AT_WORK or status >= _FIRST_SERVER_ERROR:
        yield "Invocations", 1, "Count"
    if status >= _FIRST_SERVER_ERROR or (status < _FIRST_ERROR and entry.error_code):
        yield "InvocationServerErrors", 1, "Count"
    elif status >= _FIRST_ERROR:
        yield "InvocationClientErrors", 1, "Count"
    else:
        yield "InvocationLatency", entry.latency_ms, "Milliseconds"
    for name, buckets in _TOKENS:
        if count := sum(getattr(entry, bucket) for bucket in buckets):
            yield name, count, "Count"
