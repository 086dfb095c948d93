"""Targets as panels store them; a test names only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from meterctl.grafana.compile import TimeRange, Variable

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = TimeRange(start=NOON - timedelta(hours=1), end=NOON, now=NOON)
REGION = "us-east-1"


def builder(**members: Any) -> dict[str, Any]:
    """Make a Builder target."""
    return {
        "refId": "A",
        "id": "a",
        "queryMode": "Metrics",
        "metricQueryType": 0,
        "metricEditorMode": 0,
        "region": "default",
        "namespace": "BedrockMeter",
        "metricName": "InputTokenCount",
        "dimensions": {"Service": "meter"},
        "matchExact": True,
        "statistic": "Sum",
        "period": "",
        "label": "",
        **members,
    }


def code(expression: str, **members: Any) -> dict[str, Any]:
    """Make a Code target with metric math."""
    return builder(metricEditorMode=1, expression=expression, dimensions={}, **{"refId": "B", "id": "b", **members})


def insights(sql: str, **members: Any) -> dict[str, Any]:
    """Make a Metrics Insights target."""
    base = {"refId": "C", "id": "c", "metricQueryType": 1, "metricEditorMode": 1, "sqlExpression": sql}
    return builder(**{**base, "dimensions": {}, **members})


def variable(name: str, *values: str, multi: bool = True) -> Variable:
    """Make a variable with what is chosen in it."""
    return Variable(name=name, values=values, multi=multi)
