"""Tokens: how many, of which kind, and how sure the counts are."""

from bedrock_meter.metrics import (
    CACHE_READ_TOKENS,
    CACHE_WRITE_TOKENS,
    ESTIMATED,
    INPUT_TOKENS,
    INVOCATIONS,
    MODEL_ID,
    OUTPUT_TOKENS,
    USE_CASE,
)
from meterctl.dashboards.board import Board, Row
from meterctl.dashboards.panels import BLUE, COUNT, GREEN, ORANGE, PERCENT, PURPLE, Kind, Panel
from meterctl.dashboards.queries import Insights, Math, Metric, inputs, of_calls, of_service, summed

_KINDS = {
    "input": INPUT_TOKENS,
    "output": OUTPUT_TOKENS,
    "cache read": CACHE_READ_TOKENS,
    "cache write": CACHE_WRITE_TOKENS,
}
_COLOURS = {"input": BLUE, "output": GREEN, "cache read": PURPLE, "cache write": ORANGE}
_BEHIND = (
    "filter ispresent(usage_source) | stats sum(input_tokens) as input, sum(output_tokens) as output, "
    "sum(cache_read_tokens) as cache_read, sum(cache_write_5m_tokens) as cache_write_5m, "
    "sum(cache_write_1h_tokens) as cache_write_1h by use_case, model_base"
)
_DISJOINT = "A token is in one kind only: input does not include what the cache held."
_TWO_WEEKS = "All of them, of the last two weeks at most."


def _number(label: str) -> Panel:
    return Panel(
        title=f"{label.capitalize()} tokens",
        description=f"In the time range of the dashboard. {_DISJOINT}",
        unit=COUNT,
        kind=Kind.NUMBER,
        targets=(of_service(_KINDS[label], "Sum", label),),
        behind=_BEHIND,
        width=6,
        height=4,
        no_value="0",
    )


def _grouped(label: str, by: str, group: str) -> Panel:
    return Panel(
        title=f"{label.capitalize()} tokens by {group}",
        description=_TWO_WEEKS,
        unit=COUNT,
        kind=Kind.BARS,
        targets=(Insights(metric=_KINDS[label], by=by),),
        behind=_BEHIND,
        width=6,
    )


def _chosen(label: str) -> Panel:
    return Panel(
        title=f"{label.capitalize()} tokens, chosen",
        description="Of the chosen use cases and models, one series for each pair.",
        unit=COUNT,
        kind=Kind.BARS,
        targets=(of_calls(_KINDS[label]),),
        behind=_BEHIND,
        width=12,
        no_value="0",
    )


def _per_request(label: str, key: str) -> tuple[Metric, Math]:
    return summed(key, of_calls(_KINDS[label])), Math(expression=f"SUM({key})/SUM(calls)", label=label)


_SERVICE = (
    *(_number(label) for label in _KINDS),
    Panel(
        title="Tokens by kind",
        description=_DISJOINT,
        unit=COUNT,
        kind=Kind.BARS,
        targets=tuple(of_service(name, "Sum", label) for label, name in _KINDS.items()),
        behind=_BEHIND,
        colours=_COLOURS,
    ),
    Panel(
        title="Cache hit rate",
        description="Tokens read from the cache, of all tokens that prompts had: read, written and neither.",
        unit=PERCENT,
        calc="mean",
        targets=(
            *inputs(input=(INPUT_TOKENS, "Sum"), read=(CACHE_READ_TOKENS, "Sum"), write=(CACHE_WRITE_TOKENS, "Sum")),
            Math(expression="FILL(read,0)/(FILL(input,0)+FILL(read,0)+FILL(write,0))*100", label="hit rate"),
        ),
        behind=_BEHIND,
        minimum=0,
        maximum=100,
    ),
    Panel(
        title="Share of estimates",
        description="Calls for which Bedrock gave no count, so that ours is an estimate, of the calls it accepted. The "
        "log lines name the source of every count.",
        unit=PERCENT,
        calc="mean",
        targets=(
            *inputs(estimated=(ESTIMATED, "Sum"), calls=(INVOCATIONS, "Sum")),
            Math(expression="FILL(estimated,0)/calls*100", label="estimated"),
        ),
        behind="filter ispresent(usage_source) | stats count(*) as calls by usage_source, certainty, ending, operation",
        minimum=0,
    ),
)

_SPLIT = (
    _grouped("input", USE_CASE, "use case"),
    _grouped("output", USE_CASE, "use case"),
    _grouped("input", MODEL_ID, "model"),
    _grouped("output", MODEL_ID, "model"),
    _chosen("cache read"),
    _chosen("cache write"),
    Panel(
        title="Tokens per request, chosen",
        description="Means of the chosen use cases and models, over the requests that Bedrock accepted.",
        unit=COUNT,
        calc="mean",
        targets=(
            summed("calls", of_calls(INVOCATIONS)),
            *_per_request("input", "input"),
            *_per_request("output", "output"),
            *_per_request("cache read", "read"),
            *_per_request("cache write", "write"),
        ),
        behind="filter ispresent(usage_source) | stats avg(input_tokens) as input, pct(input_tokens, 99) as input_p99, "
        "avg(output_tokens) as output, pct(output_tokens, 99) as output_p99 by use_case, model_base",
        width=24,
        minimum=0,
        colours=_COLOURS,
    ),
)

BOARD = Board(
    slug="tokens",
    title="Bedrock: tokens",
    description="Tokens in and out of Amazon Bedrock, by kind, use case and model.",
    since="now-24h",
    rows=(
        Row(title="The whole deployment: $service", panels=_SERVICE),
        Row(title="Use cases and models", panels=_SPLIT),
    ),
)
"""The dashboard."""
