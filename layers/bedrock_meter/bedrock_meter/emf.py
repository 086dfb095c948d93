"""One `Record` becomes one line in CloudWatch's Embedded Metric Format; so does a measurement of the service itself.

A line holds several directives, each with its own dimension sets, so that no series exists that nobody reads: a
CloudWatch metric costs money for every distinct combination of dimension values. Metrics that are zero or unknown are
left out. All else is a property, searchable in Logs Insights.

The names, units and dimension sets are in `metrics`. Specification:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

This is the only module of the library in which a float may stand for money.
"""

from collections.abc import Container, Mapping
from datetime import datetime
from functools import lru_cache
from json import JSONEncoder
from json.encoder import encode_basestring_ascii as _quote
from types import MappingProxyType
from typing import Any

from bedrock_meter.dimensions import Dimensions
from bedrock_meter.domain import Certainty, ModelRef, Operation, Record, Status, Usage, UsageSource
from bedrock_meter.members import fixed as _fixed
from bedrock_meter.members import numbers as _numbers
from bedrock_meter.members import texts as _texts
from bedrock_meter.metrics import (
    CACHE_READ_TOKENS,
    CACHE_WRITE_TOKENS,
    CLIENT_ERRORS,
    COLD_START,
    COST,
    DENIED,
    DIRECTIVES,
    DISAGREEMENT,
    ESTIMATED,
    FAULTS,
    INPUT_TOKENS,
    INVOCATIONS,
    LATENCY,
    MODEL_ID,
    OUTPUT_SPEED,
    OUTPUT_TOKENS,
    OVERHEAD,
    SERVER_ERRORS,
    SERVICE,
    THROTTLES,
    TIME_TO_FIRST_TOKEN,
    UNPRICED,
    USE_CASE,
)

# HTTP statuses after which AWS/Bedrock still counts an invocation: the model had accepted it. Throttles and rejected
# requests are not invocations there, only errors.
_ACCEPTED = frozenset({408, 424})
_FIRST_ERROR, _FIRST_SERVER_ERROR = 400, 500

# The operations that AWS/Bedrock counts as invocations of a model. Guardrails have a namespace of their own, and what
# only counts, asks or lists runs no model.
_INVOCATIONS = frozenset(
    {Operation.INVOKE_MODEL, Operation.INVOKE_MODEL_STREAM, Operation.CONVERSE, Operation.CONVERSE_STREAM}
    | {Operation.START_ASYNC_INVOKE, Operation.CHAT_COMPLETIONS, Operation.RESPONSES, Operation.MESSAGES}
)

_STATUS_METRICS: Mapping[Status, str] = {
    Status.CLIENT_ERROR: CLIENT_ERRORS,
    Status.SERVER_ERROR: SERVER_ERRORS,
    Status.THROTTLED: THROTTLES,
    Status.DENIED: DENIED,
}

# The labels of a call that are properties of its line.
_TAGS = ("use_case", "team", "key_id", "account", "principal")
_NONE: Mapping[str, Any] = MappingProxyType({})
_BOOLEAN = {True: "true", False: "false"}

_encode = JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Emf:
    """Encodes records as EMF lines for one service.

    Args:
        namespace: The CloudWatch namespace.
        service: The value of the ``Service`` dimension: the stack's name.
        use_cases: The registered use cases, see `Dimensions`.
        models: The registered models, or None, see `Dimensions`.
        version: The version of the code, a property.
    """

    def __init__(
        self, *, namespace: str, service: str, use_cases: Container[str], models: frozenset[str] | None, version: str
    ) -> None:
        self._namespace = namespace
        self._service = service
        self._dimensions = Dimensions(use_cases=use_cases, models=models)
        self._own = f'"{SERVICE}":{_quote(service)},"version":{_quote(version)}'

    def line(self, record: Record) -> str:
        """Encode one record: a JSON object on one line, without the line end."""
        call = record.call
        duration = _fixed(record.outcome.duration_ms)
        metrics = _metrics(record, duration)
        ended = int(call.received_at.timestamp() * 1000 + (record.outcome.duration_ms or 0))
        same = _same_for_many(call.operation, call.model, tuple(map(call.tags.get, _TAGS)))
        return (
            f'{{"_aws":{{"Timestamp":{ended},"CloudWatchMetrics":{_directives(self._namespace, tuple(metrics))}}},'
            f'"{USE_CASE}":{_quote(self._dimensions.use_case(record))},"{MODEL_ID}":{_quote(self._dimensions.model(record))},'
            f"{self._own}"
            f"{_numbers(metrics)}{same},{_properties(record, duration)}}}"
        )

    def measurement(
        self,
        metrics: Mapping[str, float],
        *,
        at: datetime,
        dimensions: Mapping[str, str] = _NONE,
        properties: Mapping[str, object] = _NONE,
    ) -> str:
        """Encode what is measured of the service and belongs to no call, such as how much of a budget is used.

        Args:
            metrics: Values by the names of `metrics`; a zero is written, because somebody measured it.
            at: When it was measured; aware.
            dimensions: The dimensions besides ``Service``. The line has exactly the dimension sets that these make.
            properties: What else the line says; it must hold no content.

        Raises:
            ValueError: A metric has no dimension set of these dimensions; CloudWatch would drop it without a word.
        """
        directives = _measured(self._namespace, tuple(metrics), frozenset(dimensions))
        stamp = int(at.timestamp() * 1000)
        members = {SERVICE: self._service, **dimensions, **metrics, **properties}
        return f'{{"_aws":{{"Timestamp":{stamp},"CloudWatchMetrics":{directives}}},{_encode(members)[1:]}'


def _accepted(record: Record) -> bool:
    """Tell whether AWS/Bedrock counts the call as an invocation."""
    status = record.outcome.bedrock_status
    if status is None:
        return False
    return status < _FIRST_ERROR or status >= _FIRST_SERVER_ERROR or status in _ACCEPTED


def _metrics(record: Record, duration: str | None) -> dict[str, float | str]:
    """Give the metrics of a record that are neither zero nor unknown."""
    call, outcome = record.call, record.outcome
    invocation = call.operation in _INVOCATIONS
    found: dict[str, float | str] = {}
    if invocation and _accepted(record):
        found[INVOCATIONS] = 1
    if record.usage is not None:
        _add_volume(found, record, record.usage)
    if outcome.status in _STATUS_METRICS:
        found[_STATUS_METRICS[outcome.status]] = 1
    elif invocation and duration:
        found[LATENCY] = duration
    if record.disagreement:
        found[DISAGREEMENT] = 1
    if call.streaming:
        _add_stream_speed(found, record)
    if overhead := _fixed(outcome.overhead_ms):
        found[OVERHEAD] = overhead
    if record.cold_start:
        found[COLD_START] = 1
    if record.faults:
        found[FAULTS] = len(record.faults)
    return found


def _add_volume(found: dict[str, float | str], record: Record, usage: Usage) -> None:
    if usage.input:
        found[INPUT_TOKENS] = usage.input
    if usage.output:
        found[OUTPUT_TOKENS] = usage.output
    if usage.cache_read:
        found[CACHE_READ_TOKENS] = usage.cache_read
    if cache_write := usage.cache_write:
        found[CACHE_WRITE_TOKENS] = cache_write
    if usage.source is UsageSource.ESTIMATE:
        found[ESTIMATED] = 1
    if record.cost:
        found[COST] = float(record.cost)
    elif record.cost is None and record.price_row is None:
        found[UNPRICED] = 1


def _estimate_ratio(record: Record) -> str | None:
    """Give by how much the real input is larger than was forecast; None where either is not known for certain."""
    usage, forecast = record.usage, record.forecast
    if usage is None or usage.input is None or forecast is None or not forecast.tokens:
        return None
    return f"{usage.total_input / forecast.tokens:.4f}" if record.outcome.certainty is Certainty.EXACT else None


def _add_stream_speed(found: dict[str, float | str], record: Record) -> None:
    if first := _fixed(record.outcome.first_byte_ms):
        found[TIME_TO_FIRST_TOKEN] = first
    if speed := _fixed(_output_speed(record)):
        found[OUTPUT_SPEED] = speed


def _output_speed(record: Record) -> float | None:
    outcome, output = record.outcome, record.usage and record.usage.output
    if not output or outcome.duration_ms is None or outcome.first_byte_ms is None:
        return None
    seconds = (outcome.duration_ms - outcome.first_byte_ms) / 1000
    return output / seconds if seconds > 0 else None


def _properties(record: Record, duration: str | None) -> str:
    """Encode the properties that differ from call to call; those that every call has are written out for speed."""
    call, usage, outcome = record.call, record.usage, record.outcome
    always = (
        f'"request_id":{_quote(call.id)},"streaming":{_BOOLEAN[call.streaming]},'
        f'"status":"{outcome.status}","ending":"{outcome.ending}","certainty":"{outcome.certainty}"'
    )
    texts = {
        "bedrock_request_id": outcome.upstream_request_id,
        "tier": call.tier,
        "error_code": outcome.error_code,
        "stop_reason": outcome.stop_reason,
        "cost_usd": None if record.cost is None else f"{record.cost:f}",
        "price_row": record.price_row,
        "held_usd": None if record.held is None else f"{record.held:f}",
        "refused_by": record.refused_by,
        "invoked_model": outcome.invoked_model,
        "usage_source": None if usage is None else usage.source,
    }
    numbers: dict[str, float | str | None] = {
        "client_attempt": call.attempt,
        "sdk_attempts": outcome.attempts,
        "input_bytes": call.input_bytes,
        "max_output_tokens": call.max_output_tokens,
        "http_status": outcome.http_status,
        "bedrock_status": outcome.bedrock_status if outcome.bedrock_status != outcome.http_status else None,
        "duration_ms": duration,
        "bedrock_latency_ms": outcome.upstream_latency_ms,
    }
    if usage is not None:
        numbers["input_tokens"] = usage.input
        numbers["output_tokens"] = usage.output
        numbers["cache_read_tokens"] = usage.cache_read
        numbers["cache_write_5m_tokens"] = usage.cache_write_5m
        numbers["cache_write_1h_tokens"] = usage.cache_write_1h
    if record.forecast is not None:
        texts["forecast_method"] = record.forecast.method
        numbers["forecast_tokens"] = record.forecast.tokens
        numbers["EstimateRatio"] = _estimate_ratio(record)
    others = f',"other_units":{_encode(dict(usage.other))}' if usage is not None and usage.other else ""
    limits = f',"limits":{_encode(record.limits)}' if record.limits else ""
    faults = f',"meter_faults":{_encode(record.faults)}' if record.faults else ""
    return f"{always}{_texts(texts)}{_numbers(numbers)}{others}{limits}{faults}"


@lru_cache(maxsize=4096)
def _same_for_many(operation: Operation, model: ModelRef | None, tags: tuple[str | None, ...]) -> str:
    """Encode the properties that many calls share. An unknown one is absent, so that no one reads a 0."""
    shared = {"operation": operation, **dict(zip(_TAGS, tags, strict=True))}
    if model is not None:
        shared |= {
            "model_id": model.raw,
            "model_base": model.base,
            "model_profile": model.profile,
            "model_scope": model.scope,
            "region": model.region,
        }
    return _texts(shared)


@lru_cache(maxsize=1024)
def _directives(namespace: str, present: tuple[str, ...]) -> str:
    """Encode the directives of the metrics that are present; the same few combinations come up again and again."""
    return _encode(
        [
            {
                "Namespace": namespace,
                "Dimensions": directive.dimension_sets,
                "Metrics": [
                    {"Name": name, "Unit": unit} for name, unit in directive.metrics.items() if name in present
                ],
            }
            for directive in DIRECTIVES.values()
            if not directive.metrics.keys().isdisjoint(present)
        ]
    )


def _measured(namespace: str, metrics: tuple[str, ...], dimensions: frozenset[str]) -> str:
    """Encode the directives of a measurement."""
    found = []
    for name in metrics:
        directive = next((one for one in DIRECTIVES.values() if name in one.metrics), None)
        sets = [] if directive is None else [s for s in directive.dimension_sets if {*s} - {SERVICE} == dimensions]
        if directive is None or not sets:
            raise ValueError(f"{name} has no dimension set of {', '.join(sorted(dimensions)) or SERVICE}")
        unit = directive.metrics[name]
        found.append({"Namespace": namespace, "Dimensions": sets, "Metrics": [{"Name": name, "Unit": unit}]})
    return _encode(found)
