"""Spend: what it costs, who spends it, and how much of the budget is left."""

from dataclasses import replace

from bedrock_meter.metrics import (
    BUDGET_USED,
    CACHE_READ_TOKENS,
    CACHE_WRITE_TOKENS,
    COST,
    INPUT_TOKENS,
    INVOCATIONS,
    LIMIT,
    MODEL_ID,
    OUTPUT_TOKENS,
    UNPRICED,
    USE_CASE,
)
from meterctl.dashboards.board import Board, Row
from meterctl.dashboards.panels import COUNT, ORANGE, PERCENT, RED, USD, Kind, Panel
from meterctl.dashboards.queries import (
    Insights,
    Math,
    Metric,
    Target,
    dimension_label,
    inputs,
    of_calls,
    of_service,
    summed,
)

PACE_DAYS, FORECAST_DAYS = 7, 30
CACHE_READ_PRICE, CACHE_WRITE_PRICE = 0.1, 1.25
"""What a token read from the cache, and one written for 5 minutes, cost as part of an input token, with Claude."""
BUDGET_WARNING, BUDGET_SPENT = 80, 100

_COST_BEHIND = (
    "filter ispresent(EstimatedCostUSD) | stats sum(EstimatedCostUSD) as usd, count(*) as calls "
    "by use_case, model_base | sort usd desc"
)
_HOURLY = "3600"
_HOURLY_COST = of_service(COST, "Sum", "USD", period=_HOURLY)
_ALL_TOKENS = "(FILL(input,0)+FILL(output,0)+FILL(read,0)+FILL(write,0))"
_TOKENS = {
    "input": (INPUT_TOKENS, "Sum"),
    "output": (OUTPUT_TOKENS, "Sum"),
    "read": (CACHE_READ_TOKENS, "Sum"),
    "write": (CACHE_WRITE_TOKENS, "Sum"),
}
_PRICES_ARE_LIST = "At the list prices of the price book; discounts and taxes are not in it."
_TWO_WEEKS = "CloudWatch groups at most the last two weeks; a longer time range shows an error."
_SAVED = (
    f"({1 - CACHE_READ_PRICE}*FILL(read,0)-{CACHE_WRITE_PRICE - 1}*FILL(write,0))"
    "/(FILL(input,0)+FILL(read,0)+FILL(write,0))*100"
)
_SAVED_BEHIND = (
    "filter ispresent(usage_source) | stats sum(input_tokens) as input, sum(cache_read_tokens) as read, "
    "sum(cache_write_5m_tokens) as write_5m, sum(cache_write_1h_tokens) as write_1h by model_base"
)
_ASSUMED = (
    f"An estimate from tokens: a cached token is taken to cost {CACHE_READ_PRICE:.0%} of an input token, and a written "
    f"one {CACHE_WRITE_PRICE:.0%}, as with Claude for 5 minutes. Other models and the one-hour cache differ. Below 0 "
    "writing cost more than reading saved."
)
_BUDGET_BEHIND = "filter ispresent(BudgetUsed) | stats max(BudgetUsed) as used by Limit"
_BUDGET_STEPS = ((BUDGET_WARNING, ORANGE), (BUDGET_SPENT, RED))


def _money(title: str, description: str, *targets: Target, since: str) -> Panel:
    return Panel(
        title=title,
        description=f"{description} {_PRICES_ARE_LIST}",
        unit=USD,
        kind=Kind.NUMBER,
        targets=targets,
        behind=_COST_BEHIND,
        width=4,
        height=5,
        since=since,
        decimals=2,
    )


def _rate(title: str, description: str, decimals: int, *targets: Target) -> Panel:
    return Panel(
        title=title,
        description=f"{description} Over the time range of the dashboard. {_PRICES_ARE_LIST}",
        unit=USD,
        kind=Kind.NUMBER,
        calc="lastNotNull",
        targets=targets,
        behind=_COST_BEHIND,
        width=4,
        height=5,
        decimals=decimals,
    )


_NUMBERS = (
    _money("Spend today", "US dollars since midnight UTC.", _HOURLY_COST, since="now/d"),
    _money("Spend this month", "US dollars since the first of the month, UTC.", _HOURLY_COST, since="now/M"),
    _money(
        f"Forecast, {FORECAST_DAYS} days",
        f"What {FORECAST_DAYS} days cost at the pace of the last {PACE_DAYS}; too low until there are {PACE_DAYS} days "
        "of data.",
        replace(_HOURLY_COST, id="cost", hidden=True),
        Math(expression=f"cost*{FORECAST_DAYS}/{PACE_DAYS}", label="USD", period=_HOURLY),
        since=f"{PACE_DAYS}d",
    ),
    _rate(
        "Cost per request",
        "What is spent, over the requests that Bedrock accepted.",
        5,
        *inputs(cost=(COST, "Sum"), calls=(INVOCATIONS, "Sum")),
        Math(expression="TIME_SERIES(SUM(cost)/SUM(calls))", label="USD per request"),
    ),
    _rate(
        "Cost per 1,000 tokens",
        "What is spent, over tokens of every kind, cached ones among them.",
        5,
        *inputs(cost=(COST, "Sum"), **_TOKENS),
        Math(
            expression="TIME_SERIES(1000*SUM(cost)/(SUM(FILL(input,0))+SUM(FILL(output,0))+SUM(FILL(read,0))+SUM(FILL(write,0))))",
            label="USD per 1,000 tokens",
        ),
    ),
    Panel(
        title="Calls without a price",
        description="Calls whose model the price book does not know. Their cost is missing from every number here.",
        unit=COUNT,
        kind=Kind.NUMBER,
        targets=(of_service(UNPRICED, "Sum", "calls"),),
        behind="filter ispresent(Unpriced) | stats count(*) as calls by model_id, region, tier | sort calls desc",
        width=4,
        height=5,
        steps=((1, RED),),
        no_value="0",
        decimals=0,
    ),
)

_WHOLE = (
    Panel(
        title="Budget used",
        description="How much of each limit is spent in its running period, by the last measurement.",
        unit=PERCENT,
        kind=Kind.GAUGE,
        calc="lastNotNull",
        targets=(
            Metric(metric=BUDGET_USED, statistic="Maximum", dimensions={LIMIT: "*"}, label=dimension_label(LIMIT)),
        ),
        behind=_BUDGET_BEHIND,
        steps=_BUDGET_STEPS,
        minimum=0,
        maximum=BUDGET_SPENT,
        no_value="no limit",
    ),
    Panel(
        title="Cost per 1,000 tokens, over time",
        description=f"A jump means other models, or fewer cached tokens. {_PRICES_ARE_LIST}",
        unit=USD,
        calc="mean",
        targets=(
            *inputs(cost=(COST, "Sum"), **_TOKENS),
            Math(expression=f"1000*cost/{_ALL_TOKENS}", label="USD per 1,000 tokens"),
        ),
        behind=_COST_BEHIND,
        decimals=5,
    ),
    Panel(
        title="Saved by the cache",
        description=f"The part of the input bill that caching saves. {_ASSUMED}",
        unit=PERCENT,
        calc="mean",
        targets=(
            *inputs(**{name: _TOKENS[name] for name in ("input", "read", "write")}),
            Math(expression=_SAVED, label="of the input bill"),
        ),
        behind=_SAVED_BEHIND,
        decimals=1,
    ),
)

_SPLIT = (
    Panel(
        title="Spend by use case",
        description=f"All use cases, whatever is chosen above. {_PRICES_ARE_LIST} {_TWO_WEEKS}",
        unit=USD,
        kind=Kind.BARS,
        targets=(Insights(metric=COST, by=USE_CASE),),
        behind=_COST_BEHIND,
        width=12,
    ),
    Panel(
        title="Spend by model",
        description=f"All models, whatever is chosen above. {_PRICES_ARE_LIST} {_TWO_WEEKS}",
        unit=USD,
        kind=Kind.BARS,
        targets=(Insights(metric=COST, by=MODEL_ID),),
        behind=_COST_BEHIND,
        width=12,
    ),
    Panel(
        title="Top use cases",
        description=f"The ten that cost most in the time range. {_TWO_WEEKS}",
        unit=USD,
        kind=Kind.RANKING,
        targets=(Insights(metric=COST, by=USE_CASE, limit=10),),
        behind=_COST_BEHIND,
    ),
    Panel(
        title="Spend of the chosen use cases and models",
        description=f"One series for each pair. {_PRICES_ARE_LIST}",
        unit=USD,
        kind=Kind.BARS,
        targets=(of_calls(COST),),
        behind=_COST_BEHIND,
    ),
    Panel(
        title="Cost per request, chosen",
        description="What is spent, over the requests that Bedrock accepted, of the chosen use cases and models.",
        unit=USD,
        calc="mean",
        targets=(
            summed("cost", of_calls(COST)),
            summed("calls", of_calls(INVOCATIONS)),
            Math(expression="SUM(cost)/SUM(calls)", label="USD per request"),
        ),
        behind=_COST_BEHIND,
        decimals=5,
    ),
    Panel(
        title="Budget used, over time",
        description="The same as the gauge, in the course of time; it falls to 0 when a period begins.",
        unit=PERCENT,
        calc="max",
        targets=(
            Metric(metric=BUDGET_USED, statistic="Maximum", dimensions={LIMIT: "*"}, label=dimension_label(LIMIT)),
        ),
        behind=_BUDGET_BEHIND,
        width=12,
        steps=_BUDGET_STEPS,
        minimum=0,
    ),
    Panel(
        title="Calls without a price, by model",
        description="Which pairs of use case and model the price book does not cover.",
        unit=COUNT,
        kind=Kind.BARS,
        targets=(of_calls(UNPRICED),),
        behind="filter ispresent(Unpriced) | stats count(*) as calls by model_id, region, tier | sort calls desc",
        width=12,
        decimals=0,
    ),
)

BOARD = Board(
    slug="spend",
    title="Bedrock: spend",
    description="What Amazon Bedrock costs: today, this month, by use case and model, and against the budget.",
    since="now-7d",
    rows=(
        Row(title="The whole deployment: $service", panels=_NUMBERS + _WHOLE),
        Row(title="Use cases and models", panels=_SPLIT),
    ),
)
"""The dashboard."""
