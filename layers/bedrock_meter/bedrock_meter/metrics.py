"""The names, units and dimension sets of every metric that bedrock-meter emits. Dashboards and alarms import them.

Names follow the ``AWS/Bedrock`` namespace where it has one, so that both can be laid side by side:
https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

# Dimensions
USE_CASE = "UseCase"
MODEL_ID = "ModelId"
SERVICE = "Service"
LIMIT = "Limit"
VERSION = "Version"

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
BUDGET_USED = "BudgetUsed"
DEPLOYMENTS = "Deployments"
UNMETERED_TOKENS = "UnmeteredTokens"
UNMETERED_SHARE = "UnmeteredShare"
DRIFT = "ReconciliationDrift"
PRICE_DRIFT = "PriceDrift"


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
    "budget": Directive(metrics={BUDGET_USED: "Percent"}, dimension_sets=((LIMIT,), (SERVICE,))),
    "reconciliation": Directive(
        metrics={UNMETERED_TOKENS: "Count", UNMETERED_SHARE: "Percent", DRIFT: "Percent"},
        dimension_sets=((MODEL_ID,), (SERVICE,)),
    ),
    "prices": Directive(metrics={PRICE_DRIFT: "Count"}, dimension_sets=((SERVICE,),)),
    "deploy": Directive(metrics={DEPLOYMENTS: "Count"}, dimension_sets=((SERVICE, VERSION),)),
}
