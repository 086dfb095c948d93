"""Which metrics exist: ours with the dimension sets that `bedrock_meter.metrics` declares, and AWS's that we show.

A dashboard may name nothing else. The tables of AWS name only what a panel or an alarm of ours reads:
https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring.html,
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html and
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
"""

from collections.abc import Mapping

from bedrock_meter.metrics import DIRECTIVES, MODEL_ID

type DimensionSets = frozenset[frozenset[str]]

BEDROCK = "AWS/Bedrock"
LAMBDA = "AWS/Lambda"
API_GATEWAY = "AWS/ApiGateway"
DYNAMODB = "AWS/DynamoDB"
LOGS = "AWS/Logs"

API_NAME = "ApiName"
FUNCTION_NAME = "FunctionName"
TABLE_NAME = "TableName"
OPERATION = "Operation"
LOG_GROUP_NAME = "LogGroupName"


def _sets(*sets: tuple[str, ...]) -> DimensionSets:
    return frozenset(map(frozenset, sets))


_MODEL, _FUNCTION, _API, _TABLE = _sets((MODEL_ID,)), _sets((FUNCTION_NAME,)), _sets((API_NAME,)), _sets((TABLE_NAME,))

AWS: Mapping[str, Mapping[str, DimensionSets]] = {
    BEDROCK: dict.fromkeys(
        (
            "Invocations",
            "InvocationLatency",
            "InvocationClientErrors",
            "InvocationServerErrors",
            "InvocationThrottles",
            "InputTokenCount",
            "OutputTokenCount",
            "TimeToFirstToken",
            "EstimatedTPMQuotaUsage",
        ),
        _MODEL,
    ),
    LAMBDA: dict.fromkeys(("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"), _FUNCTION),
    API_GATEWAY: dict.fromkeys(("Count", "4XXError", "5XXError", "Latency", "IntegrationLatency"), _API),
    DYNAMODB: {
        "ConsumedReadCapacityUnits": _TABLE,
        "ConsumedWriteCapacityUnits": _TABLE,
        "ReadThrottleEvents": _TABLE,
        "WriteThrottleEvents": _TABLE,
        "SuccessfulRequestLatency": _sets((TABLE_NAME, OPERATION)),
    },
    LOGS: dict.fromkeys(("EMFParsingErrors", "EMFValidationErrors"), _sets((LOG_GROUP_NAME,))),
}

OWN: Mapping[str, DimensionSets] = {
    name: frozenset(map(frozenset, directive.dimension_sets))
    for directive in DIRECTIVES.values()
    for name in directive.metrics
}
"""The dimension sets of every metric that we emit, by its name."""


def dimension_sets(namespace: str, metric: str, *, own: str) -> DimensionSets | None:
    """Give the dimension sets under which a metric exists.

    Args:
        namespace: The namespace that is asked.
        metric: The metric's name.
        own: The namespace of our own metrics.

    Returns:
        None when there is no such metric.
    """
    return OWN.get(metric) if namespace == own else AWS.get(namespace, {}).get(metric)
