"""Platform: Bedrock, Lambda, API Gateway and DynamoDB side by side, and who puts them under pressure."""

from bedrock_meter.metrics import DENIED, MODEL_ID, THROTTLES
from meterctl.dashboards import behind
from meterctl.dashboards.board import Board, Row
from meterctl.dashboards.declared import (
    API_GATEWAY,
    API_NAME,
    BEDROCK,
    DYNAMODB,
    FUNCTION_NAME,
    LAMBDA,
    OPERATION,
    TABLE_NAME,
)
from meterctl.dashboards.panels import BLUE, BYTES, COUNT, GREEN, MILLISECONDS, ORANGE, RED, YELLOW, Kind, Panel
from meterctl.dashboards.queries import Logs, Metric, Target, dimension_label, of_calls
from meterctl.dashboards.variables import values_of

_BY_KEY_BEHIND = (
    "filter ispresent(key_id) | stats count(*) as calls, sum(input_bytes) as bytes, sum(EstimatedCostUSD) as usd "
    "by key_id, team, use_case, status | sort calls desc | limit 50"
)


def _of(namespace: str, dimension: str, value: str, metric: str, statistic: str, label: str = "") -> Metric:
    return Metric(
        metric=metric,
        statistic=statistic,
        dimensions={dimension: value},
        namespace=namespace,
        label=label or dimension_label(dimension),
    )


def _model(metric: str, statistic: str) -> Metric:
    return _of(BEDROCK, MODEL_ID, "$model", metric, statistic)


def _function(metric: str, statistic: str, label: str) -> Metric:
    return _of(LAMBDA, FUNCTION_NAME, "$function", metric, statistic, label)


def _api(metric: str, statistic: str, label: str) -> Metric:
    return _of(API_GATEWAY, API_NAME, "$api", metric, statistic, label)


def _table(metric: str, label: str) -> Metric:
    return _of(DYNAMODB, TABLE_NAME, "$table", metric, "Sum", label)


def _counts(title: str, description: str, calls: str, *targets: Target, **colours: str) -> Panel:
    return Panel(
        title=title,
        description=description,
        unit=COUNT,
        kind=Kind.BARS,
        targets=targets,
        behind=calls,
        width=6,
        no_value="0",
        decimals=0,
        colours=colours,
    )


def _times(title: str, description: str, *targets: Target) -> Panel:
    return Panel(
        title=title,
        description=description,
        unit=MILLISECONDS,
        calc="mean",
        targets=targets,
        behind=behind.SLOW,
        width=6,
        minimum=0,
    )


_BEDROCK = (
    _counts(
        "Bedrock: invocations",
        "AWS's own count: every call of the account and Region, metered or not.",
        behind.CALLS,
        _model("Invocations", "Sum"),
    ),
    _counts(
        "Bedrock: throttles",
        "AWS's own count, by model.",
        behind.FAILED,
        _model("InvocationThrottles", "Sum"),
    ),
    _counts(
        "Bedrock: errors",
        "AWS's own count of client and server errors, by model.",
        behind.FAILED,
        _of(BEDROCK, MODEL_ID, "$model", "InvocationClientErrors", "Sum", f"4xx {dimension_label(MODEL_ID)}"),
        _of(BEDROCK, MODEL_ID, "$model", "InvocationServerErrors", "Sum", f"5xx {dimension_label(MODEL_ID)}"),
    ),
    _times(
        "Bedrock: p99 latency and first token",
        "AWS's own measurement, by model.",
        _of(BEDROCK, MODEL_ID, "$model", "InvocationLatency", "p99", f"whole {dimension_label(MODEL_ID)}"),
        _of(BEDROCK, MODEL_ID, "$model", "TimeToFirstToken", "p99", f"first {dimension_label(MODEL_ID)}"),
    ),
)

_SERVERLESS = (
    _counts(
        "Lambda: invocations",
        "Of the gateway function. Throttles are calls that found no environment.",
        behind.CALLS,
        _function("Invocations", "Sum", "invocations"),
        _function("Errors", "Sum", "errors"),
        _function("Throttles", "Sum", "throttles"),
        invocations=GREEN,
        errors=RED,
        throttles=ORANGE,
    ),
    _times(
        "Lambda: duration",
        "Most of it is the wait for Bedrock.",
        _function("Duration", "p50", "p50"),
        _function("Duration", "p99", "p99"),
    ),
    Panel(
        title="Lambda: environments at once",
        description="The most at any time. The account has 1,000 for all functions unless it was raised.",
        unit=COUNT,
        calc="max",
        targets=(_function("ConcurrentExecutions", "Maximum", "at once"),),
        behind=behind.CALLS,
        width=6,
        minimum=0,
        decimals=0,
    ),
    _counts(
        "API Gateway: requests",
        "What reached the API, and what it answered with an error.",
        behind.FAILED,
        _api("Count", "Sum", "requests"),
        _api("4XXError", "Sum", "4xx"),
        _api("5XXError", "Sum", "5xx"),
        requests=GREEN,
        **{"4xx": YELLOW, "5xx": RED},
    ),
    _times(
        "API Gateway: p99 latency",
        "The distance between the two lines is the time that API Gateway itself takes.",
        _api("Latency", "p99", "whole"),
        _api("IntegrationLatency", "p99", "gateway function"),
    ),
    _counts(
        "DynamoDB: capacity used",
        "Of the table with limits and keys, where one is deployed.",
        behind.CALLS,
        _table("ConsumedReadCapacityUnits", "read"),
        _table("ConsumedWriteCapacityUnits", "write"),
        read=BLUE,
        write=ORANGE,
    ),
    _counts(
        "DynamoDB: throttles",
        "Requests for which the table had no capacity. A limit cannot be held then.",
        behind.FAILED,
        _table("ReadThrottleEvents", "read"),
        _table("WriteThrottleEvents", "write"),
        read=BLUE,
        write=ORANGE,
    ),
    _times(
        "DynamoDB: latency",
        "The mean, by operation.",
        Metric(
            metric="SuccessfulRequestLatency",
            statistic="Average",
            dimensions={TABLE_NAME: "$table", OPERATION: "*"},
            namespace=DYNAMODB,
            label=dimension_label(OPERATION),
        ),
    ),
)

_ABUSE = (
    _counts(
        "Throttled calls",
        "One use case that stands out is a loop or a flood of prompts.",
        _BY_KEY_BEHIND,
        of_calls(THROTTLES),
    ),
    _counts(
        "Denied calls",
        "Refused before Bedrock: a limit, a budget or a key that does not hold.",
        _BY_KEY_BEHIND,
        of_calls(DENIED),
    ),
    Panel(
        title="Prompt size, p99",
        description="Bytes of the request body, from the log lines. A jump means larger contexts, or somebody who "
        "stuffs them.",
        unit=BYTES,
        calc="max",
        targets=(
            Logs(
                expression="filter ispresent(input_bytes) | stats pct(input_bytes, 99) as p99 by bin(15m), use_case",
                groups=("use_case",),
            ),
        ),
        behind="filter ispresent(input_bytes) | fields @timestamp, use_case, key_id, input_bytes, request_id "
        "| sort input_bytes desc | limit 50",
        width=6,
        minimum=0,
    ),
    Panel(
        title="Requests per key",
        description="From the log lines, by the id of the key; the key itself is in no log.",
        unit=COUNT,
        kind=Kind.BARS,
        targets=(
            Logs(
                expression="filter ispresent(key_id) | stats count(*) as calls by bin(15m), key_id",
                groups=("key_id",),
            ),
        ),
        behind=_BY_KEY_BEHIND,
        width=6,
        no_value="no keys in use",
        decimals=0,
    ),
)

BOARD = Board(
    slug="platform",
    title="Bedrock: platform",
    description="The services under the gateway side by side, and who puts them under pressure.",
    since="now-24h",
    rows=(
        Row(title="Abuse", panels=_ABUSE),
        Row(title="Amazon Bedrock", panels=_BEDROCK),
        Row(title="Lambda, API Gateway, DynamoDB", panels=_SERVERLESS),
    ),
    variables=(
        values_of(
            "function", "Function", namespace=LAMBDA, metric="Invocations", dimension=FUNCTION_NAME, near="Gateway"
        ),
        values_of("api", "API", namespace=API_GATEWAY, metric="Count", dimension=API_NAME),
        values_of("table", "Table", namespace=DYNAMODB, metric="ConsumedReadCapacityUnits", dimension=TABLE_NAME),
    ),
)
"""The dashboard."""
