"""Operations: whether calls succeed, how fast they are, and how far the quota is."""

from grafana_foundation_sdk.builders.dashboard import TextBoxVariable

from bedrock_meter.metrics import (
    CLIENT_ERRORS,
    DENIED,
    INVOCATIONS,
    LATENCY,
    MODEL_ID,
    OUTPUT_SPEED,
    SERVER_ERRORS,
    THROTTLES,
    TIME_TO_FIRST_TOKEN,
    USE_CASE,
)
from meterctl.dashboards import behind
from meterctl.dashboards.board import Board, Row
from meterctl.dashboards.declared import BEDROCK
from meterctl.dashboards.panels import (
    COUNT,
    GREEN,
    MILLISECONDS,
    ORANGE,
    PERCENT,
    PURPLE,
    RED,
    TOKENS_PER_SECOND,
    YELLOW,
    Kind,
    Panel,
)
from meterctl.dashboards.queries import (
    Insights,
    Logs,
    Math,
    Metric,
    dimension_label,
    inputs,
    of_calls,
    of_service,
)

# Colours by what an outcome means: green went well, yellow is the caller's, red is Bedrock's, the others are limits.
_COLOURS = {"succeeded": GREEN, "client errors": YELLOW, "server errors": RED, "throttled": ORANGE, "denied": PURPLE}
_OUTCOMES = {
    "succeeded": (LATENCY, "SampleCount"),
    "client errors": (CLIENT_ERRORS, "Sum"),
    "server errors": (SERVER_ERRORS, "Sum"),
    "throttled": (THROTTLES, "Sum"),
    "denied": (DENIED, "Sum"),
}
_KEYS = dict(zip(_OUTCOMES, ("ok", "client", "server", "throttled", "denied"), strict=True))
_EVERY_REQUEST = "(" + "+".join(f"FILL({key},0)" for key in _KEYS.values()) + ")"
_PERCENTILES = ("p50", "p90", "p99")
_PERCENTILE_COLOURS = {"p50": GREEN, "p90": ORANGE, "p99": RED}

_STREAMS_BEHIND = (
    "filter ispresent(TimeToFirstToken) | stats pct(TimeToFirstToken, 50) as p50, pct(TimeToFirstToken, 99) as p99, "
    "count(*) as calls by use_case, model_base"
)
_MEASURED = "From sending to the last byte, of calls that succeeded."
_STREAMED = "Of streams only."


def _percentiles(metric: str, title: str, description: str, unit: str, calls: str) -> Panel:
    return Panel(
        title=title,
        description=description,
        unit=unit,
        calc="mean",
        targets=tuple(of_service(metric, percentile, percentile) for percentile in _PERCENTILES),
        behind=calls,
        minimum=0,
        colours=_PERCENTILE_COLOURS,
    )


def _each(metric: str, statistic: str, dimension: str, variable: str) -> Metric:
    return Metric(
        metric=metric, statistic=statistic, dimensions={dimension: variable}, label=dimension_label(dimension)
    )


_SERVICE = (
    Panel(
        title="Requests by outcome",
        description="Every call that the gateway took, once. Denied: refused by a budget, a limit or a key.",
        unit=COUNT,
        kind=Kind.BARS,
        targets=tuple(of_service(name, statistic, label) for label, (name, statistic) in _OUTCOMES.items()),
        behind=behind.CALLS,
        width=12,
        colours=_COLOURS,
        decimals=0,
    ),
    Panel(
        title="Error rate by class",
        description="Parts of all requests. Client errors are 4xx, server errors 5xx; throttles and denials are apart.",
        unit=PERCENT,
        calc="mean",
        targets=(
            *inputs(**{_KEYS[label]: _OUTCOMES[label] for label in _OUTCOMES}),
            *(
                Math(expression=f"FILL({_KEYS[label]},0)/{_EVERY_REQUEST}*100", label=label)
                for label in _OUTCOMES
                if label != "succeeded"
            ),
        ),
        behind=behind.FAILED,
        width=12,
        minimum=0,
        colours=_COLOURS,
    ),
    _percentiles(LATENCY, "Latency", _MEASURED, MILLISECONDS, behind.SLOW),
    _percentiles(TIME_TO_FIRST_TOKEN, "Time to first token", _STREAMED, MILLISECONDS, _STREAMS_BEHIND),
    _percentiles(
        OUTPUT_SPEED,
        "Output tokens per second",
        f"{_STREAMED} From the first token to the last; here p50 is the usual speed and p99 the best.",
        TOKENS_PER_SECOND,
        _STREAMS_BEHIND,
    ),
)

_SPLIT = (
    Panel(
        title="Requests by use case",
        description="Requests that Bedrock accepted; all use cases, of the last two weeks at most.",
        unit=COUNT,
        kind=Kind.BARS,
        targets=(Insights(metric=INVOCATIONS, by=USE_CASE),),
        behind=behind.CALLS,
        decimals=0,
    ),
    Panel(
        title="Requests by model",
        description="Requests that Bedrock accepted; all models, of the last two weeks at most.",
        unit=COUNT,
        kind=Kind.BARS,
        targets=(Insights(metric=INVOCATIONS, by=MODEL_ID),),
        behind=behind.CALLS,
        decimals=0,
    ),
    Panel(
        title="Server errors",
        description="Answers with 5xx, by chosen use case and model.",
        unit=COUNT,
        kind=Kind.BARS,
        targets=(of_calls(SERVER_ERRORS),),
        behind=behind.FAILED,
        no_value="0",
        decimals=0,
    ),
    Panel(
        title="Client errors",
        description="Answers with 4xx that are neither throttles nor denials, by chosen use case and model.",
        unit=COUNT,
        kind=Kind.BARS,
        targets=(of_calls(CLIENT_ERRORS),),
        behind=behind.FAILED,
        no_value="0",
        decimals=0,
    ),
    Panel(
        title="Throttles",
        description="Calls that Bedrock throttled, by chosen use case and model.",
        unit=COUNT,
        kind=Kind.BARS,
        targets=(of_calls(THROTTLES),),
        behind=behind.FAILED,
        no_value="0",
        decimals=0,
    ),
    Panel(
        title="p99 latency by use case",
        description=_MEASURED,
        unit=MILLISECONDS,
        calc="mean",
        targets=(_each(LATENCY, "p99", USE_CASE, "$usecase"),),
        behind=behind.SLOW,
        minimum=0,
    ),
    Panel(
        title="p99 latency by model",
        description=_MEASURED,
        unit=MILLISECONDS,
        calc="mean",
        targets=(_each(LATENCY, "p99", MODEL_ID, "$model"),),
        behind=behind.SLOW,
        minimum=0,
    ),
    Panel(
        title="p90 time to first token by model",
        description=_STREAMED,
        unit=MILLISECONDS,
        calc="mean",
        targets=(_each(TIME_TO_FIRST_TOKEN, "p90", MODEL_ID, "$model"),),
        behind=_STREAMS_BEHIND,
        minimum=0,
    ),
    Panel(
        title="Output tokens per second by model",
        description=f"{_STREAMED} The mean.",
        unit=TOKENS_PER_SECOND,
        calc="mean",
        targets=(_each(OUTPUT_SPEED, "Average", MODEL_ID, "$model"),),
        behind=_STREAMS_BEHIND,
        minimum=0,
    ),
    Panel(
        title="Stop reasons",
        description="Why answers ended, from the log lines. Many with max_tokens are answers that were cut short.",
        unit=COUNT,
        kind=Kind.BARS,
        targets=(
            Logs(
                expression="filter ispresent(stop_reason) | stats count(*) as calls by bin(15m), stop_reason",
                groups=("stop_reason",),
            ),
        ),
        behind="filter ispresent(stop_reason) | stats count(*) as calls by stop_reason, use_case, model_base",
        decimals=0,
    ),
    Panel(
        title="Quota used",
        description="Tokens that count against the quota, by the estimate of AWS, in the worst minute. The quota is "
        "what stands above as TPM quota: look it up in Service Quotas, it differs by model and account.",
        unit=COUNT,
        calc="max",
        targets=(
            Metric(
                metric="EstimatedTPMQuotaUsage",
                statistic="Sum",
                dimensions={MODEL_ID: "*"},
                namespace=BEDROCK,
                label=dimension_label(MODEL_ID),
                period="60",
            ),
        ),
        behind=behind.CALLS,
        minimum=0,
    ),
    Panel(
        title="Quota headroom",
        description="What is left of the TPM quota given above, by model, minute by minute; at 0 Bedrock throttles.",
        unit=PERCENT,
        calc="min",
        targets=(
            Metric(
                metric="EstimatedTPMQuotaUsage",
                statistic="Sum",
                dimensions={MODEL_ID: "*"},
                namespace=BEDROCK,
                id="used",
                hidden=True,
                period="60",
            ),
            Math(expression="100-used*100/$quota", label=dimension_label(MODEL_ID), period="60"),
        ),
        behind=behind.CALLS,
        maximum=100,
    ),
)

BOARD = Board(
    slug="operations",
    title="Bedrock: operations",
    description="Requests, errors, throttles, latency and quota of the calls to Amazon Bedrock.",
    since="now-24h",
    rows=(
        Row(title="The whole deployment: $service", panels=_SERVICE),
        Row(title="Use cases and models", panels=_SPLIT),
    ),
    variables=(TextBoxVariable("quota").label("TPM quota").default_value("1000000"),),
)
"""The dashboard."""
