"""One `Record` becomes one line in CloudWatch's Embedded Metric Format. Every metric and dimension name lives here.

A line holds several directives, each with its own dimension sets, so that no series exists that nobody reads: a
CloudWatch metric costs money for every distinct combination of dimension values. Metrics that are zero or unknown are
left out. Everything that is not a metric or a dimension is a property, searchable in Logs Insights and free of charge.

Specification: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
Names follow the ``AWS/Bedrock`` namespace where it has one, so that both can be laid side by side:
https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring.html

This is the only module of the library in which a float may stand for money.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from json import JSONEncoder
from typing import Any

from bedrock_meter.domain import Operation, Record, Status, UsageSource

# Dimensions
USE_CASE = "UseCase"
MODEL_ID = "ModelId"
SERVICE = "Service"

# Metrics
INVOCATIONS = "Invocations"
INPUT_TOKENS = "InputTokenCount"
OUTPUT_TOKENS = "OutputTokenCount"
CACHE_READ_TOKENS = "CacheReadInputTokenCount"
CACHE_WRITE_TOKENS = "CacheWriteInputTokenCount"
COST = "EstimatedCostUSD"
CLIENT_ERRORS = "InvocationClientErrors"
SERVER_ERRORS = "InvocationServerErrors"
THROTTLES = "InvocationThrottles"
DENIED = "InvocationsDenied"
ESTIMATED = "UsageEstimated"
DISAGREEMENT = "UsageDisagreement"
UNPRICED = "Unpriced"
LATENCY = "InvocationLatency"
TIME_TO_FIRST_TOKEN = "TimeToFirstToken"  # noqa: S105 - a metric's name
OUTPUT_SPEED = "OutputTokensPerSecond"
OVERHEAD = "MeterOverhead"
COLD_START = "ColdStart"
FAULTS = "MeterFaults"

OTHER = "other"
"""The dimension value of every use case and model that is not registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """A group of metrics that share their dimension sets."""

    metrics: Mapping[str, str]
    """Unit by metric name."""
    dimension_sets: tuple[tuple[str, ...], ...]
    """Every set is a series of its own for each combination of values."""


DIRECTIVES: Mapping[str, Directive] = {
    "volume": Directive(
        metrics={
            INVOCATIONS: "Count",
            INPUT_TOKENS: "Count",
            OUTPUT_TOKENS: "Count",
            CACHE_READ_TOKENS: "Count",
            CACHE_WRITE_TOKENS: "Count",
            COST: "None",
        },
        dimension_sets=((USE_CASE, MODEL_ID), (SERVICE,)),
    ),
    "faults": Directive(
        metrics=dict.fromkeys(
            (CLIENT_ERRORS, SERVER_ERRORS, THROTTLES, DENIED, ESTIMATED, DISAGREEMENT, UNPRICED), "Count"
        ),
        dimension_sets=((USE_CASE, MODEL_ID), (SERVICE,)),
    ),
    "speed": Directive(
        metrics={LATENCY: "Milliseconds", TIME_TO_FIRST_TOKEN: "Milliseconds", OUTPUT_SPEED: "Count/Second"},
        dimension_sets=((USE_CASE,), (MODEL_ID,), (SERVICE,)),
    ),
    "service": Directive(
        metrics={OVERHEAD: "Milliseconds", COLD_START: "Count", FAULTS: "Count"},
        dimension_sets=((SERVICE,),),
    ),
}

# What CloudWatch accepts as a dimension value, and short enough to read.
_DIMENSION_VALUE = re.compile(r"(?!:)[!-~]([ -~]{0,253}[!-~])?")

# HTTP statuses after which AWS/Bedrock still counts an invocation: the model had accepted it. Throttles and rejected
# requests are not invocations there, only errors.
_ACCEPTED = frozenset({408, 424})
_FIRST_ERROR, _FIRST_SERVER_ERROR = 400, 500

_MAX_ACCEPTED_MODELS = 500
"""Without a register, so many models become dimensions at most; Bedrock has some 150, each under a few profile ids."""

_encode = JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Emf:
    """Encodes records as EMF lines for one service.

    Args:
        namespace: The CloudWatch namespace.
        service: The value of the ``Service`` dimension: the stack's name.
        use_cases: The registered use cases; others are counted under ``other``.
        models: The registered model ids; None registers every model as soon as Bedrock has run it once, so that an id
            that somebody made up never becomes a paid series.
        version: The version of the code, a property.
    """

    def __init__(
        self, *, namespace: str, service: str, use_cases: frozenset[str], models: frozenset[str] | None, version: str
    ) -> None:
        self._namespace = namespace
        self._service = service
        self._use_cases = use_cases
        self._models = models
        self._accepted_models: set[str] = set()
        self._version = version

    def line(self, record: Record) -> str:
        """Encode one record: a JSON object on one line, without the line end."""
        metrics = {name: +value for name, value in _metrics(record).items() if value}  # + turns True into 1
        root: dict[str, Any] = {
            USE_CASE: self._use_case(record),
            MODEL_ID: self._model(record),
            SERVICE: self._service,
            **metrics,
            **_properties(record),
            "version": self._version,
        }
        timestamp = int(record.call.received_at.timestamp() * 1000 + (record.outcome.duration_ms or 0))
        directives = _directives(self._namespace, tuple(metrics))
        return f'{{"_aws":{{"Timestamp":{timestamp},"CloudWatchMetrics":{directives}}},{_encode(root)[1:]}'

    def _use_case(self, record: Record) -> str:
        name = record.call.use_case
        return name if name in self._use_cases and _is_dimension_value(name) else OTHER

    def _model(self, record: Record) -> str:
        model = record.call.model
        if model is None:
            return OTHER
        if self._models is not None:
            known = model.id in self._models or model.base in self._models
        else:
            known = model.base is not None and self._is_real(model.id, record)
        return model.id if known and _is_dimension_value(model.id) else OTHER

    def _is_real(self, model_id: str, record: Record) -> bool:
        """Tell whether a model of this id ever worked; a throttled call or an outage proves nothing."""
        status = record.outcome.bedrock_status
        worked = status is not None and (status < _FIRST_ERROR or status in _ACCEPTED)
        if worked and len(self._accepted_models) < _MAX_ACCEPTED_MODELS:
            self._accepted_models.add(model_id)
        return model_id in self._accepted_models


def _is_dimension_value(value: str) -> bool:
    return _DIMENSION_VALUE.fullmatch(value) is not None


def _accepted(record: Record) -> bool:
    """Tell whether AWS/Bedrock counts the call as an invocation."""
    status = record.outcome.bedrock_status
    if status is None:
        return False
    return status < _FIRST_ERROR or status >= _FIRST_SERVER_ERROR or status in _ACCEPTED


def _metrics(record: Record) -> dict[str, float | None]:
    """Give every metric of a record; the zero and unknown ones are still among them."""
    outcome, status = record.outcome, record.outcome.status
    free = record.call.operation is Operation.COUNT_TOKENS
    return {
        INVOCATIONS: _accepted(record) and not free,
        **_token_metrics(record),
        CLIENT_ERRORS: status is Status.CLIENT_ERROR,
        SERVER_ERRORS: status is Status.SERVER_ERROR,
        THROTTLES: status is Status.THROTTLED,
        DENIED: status is Status.DENIED,
        DISAGREEMENT: record.disagreement,
        LATENCY: _milliseconds(outcome.duration_ms) if status is Status.OK and not free else None,
        TIME_TO_FIRST_TOKEN: _milliseconds(outcome.first_byte_ms) if record.call.streaming else None,
        OUTPUT_SPEED: _output_speed(record) if record.call.streaming else None,
        OVERHEAD: _milliseconds(outcome.overhead_ms),
        COLD_START: record.cold_start,
        FAULTS: len(record.faults),
    }


def _token_metrics(record: Record) -> dict[str, float | None]:
    usage = record.usage
    if usage is None:
        return {}
    return {
        INPUT_TOKENS: usage.input,
        OUTPUT_TOKENS: usage.output,
        CACHE_READ_TOKENS: usage.cache_read,
        CACHE_WRITE_TOKENS: usage.cache_write,
        COST: None if record.cost is None else float(record.cost),
        ESTIMATED: usage.source is UsageSource.ESTIMATE,
        UNPRICED: record.cost is None,
    }


def _output_speed(record: Record) -> float | None:
    outcome, output = record.outcome, record.usage and record.usage.output
    if not output or outcome.duration_ms is None or outcome.first_byte_ms is None:
        return None
    seconds = (outcome.duration_ms - outcome.first_byte_ms) / 1000
    return round(output / seconds, 3) if seconds > 0 else None


def _milliseconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _properties(record: Record) -> dict[str, Any]:
    """Give every property that is known. An unknown one is absent: Logs Insights then says so, and no one reads a 0."""
    call, usage, outcome = record.call, record.usage, record.outcome
    model = call.model
    known: dict[str, Any] = {
        "request_id": call.id,
        "bedrock_request_id": outcome.upstream_request_id,
        "use_case": call.use_case,
        "team": call.tags.get("team"),
        "key_id": call.tags.get("key_id"),
        "operation": call.operation.value,
        "model_id": model and model.raw,
        "model_base": model and model.base,
        "model_profile": model and model.profile,
        "model_scope": model and model.scope,
        "region": model and model.region,
        "tier": call.tier,
        "streaming": call.streaming,
        "client_attempt": call.attempt,
        "sdk_attempts": outcome.attempts,
        "input_bytes": call.input_bytes,
        "max_output_tokens": call.max_output_tokens,
        "status": outcome.status.value,
        "ending": outcome.ending.value,
        "http_status": outcome.http_status,
        "bedrock_status": outcome.bedrock_status if outcome.bedrock_status != outcome.http_status else None,
        "error_code": outcome.error_code,
        "stop_reason": outcome.stop_reason,
        "duration_ms": _milliseconds(outcome.duration_ms),
        "bedrock_latency_ms": outcome.upstream_latency_ms,
        "certainty": outcome.certainty.value,
        "cost_usd": None if record.cost is None else str(record.cost),
        "meter_faults": list(record.faults) or None,
    }
    if usage is not None:
        known |= {
            "input_tokens": usage.input,
            "output_tokens": usage.output,
            "cache_read_tokens": usage.cache_read,
            "cache_write_5m_tokens": usage.cache_write_5m,
            "cache_write_1h_tokens": usage.cache_write_1h,
            "other_units": dict(usage.other) or None,
            "usage_source": usage.source.value,
        }
    return {name: value for name, value in known.items() if value is not None}


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
