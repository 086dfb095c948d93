"""What marks moments on every dashboard: alarms, and what a pipeline told Grafana.

Deployments need no annotation: the gateway counts them itself, and the panel at the top of each dashboard shows them.
"""

from typing import Any

from meterctl.dashboards.queries import DATASOURCE_VARIABLE, REGION_VARIABLE

TAG = "bedrock-meter"
"""The tag by which dashboards link to each other, and by which they find annotations."""
DEPLOY_TAG = "deploy"
"""The tag of an annotation that marks a deployment."""
ALARM_PREFIX = "bedrock-meter-"
"""How the names of our CloudWatch alarms begin."""

_GRAFANA = {"type": "grafana", "uid": "-- Grafana --"}


def queries() -> list[dict[str, Any]]:
    """Give the annotation queries of a dashboard."""
    return [
        {
            "builtIn": 1,
            "datasource": _GRAFANA,
            "enable": True,
            "hide": True,
            "iconColor": "rgba(0, 211, 255, 1)",
            "name": "Annotations & Alerts",
            "type": "dashboard",
        },
        {
            "datasource": _GRAFANA,
            "enable": True,
            "hide": False,
            "iconColor": "blue",
            "name": "Marked by pipelines",
            "target": {"type": "tags", "tags": [TAG, DEPLOY_TAG], "matchAny": False, "limit": 100},
        },
        {
            "datasource": {"type": "cloudwatch", "uid": DATASOURCE_VARIABLE},
            "enable": True,
            "hide": False,
            "iconColor": "red",
            "name": "Alarms",
            "target": _alarms(),
        },
    ]


def _alarms() -> dict[str, Any]:
    """Ask for the history of our alarms; the plugin skips the query without a word if one of the prefixes is empty."""
    return {
        "refId": "Alarms",
        "queryMode": "Annotations",
        "annotationType": "metrics",
        "prefixMatching": True,
        "alarmNamePrefix": ALARM_PREFIX,
        "actionPrefix": "arn:",
        "region": REGION_VARIABLE,
        "namespace": "",
        "metricName": "",
        "dimensions": {},
        "statistic": "Sum",
        "period": "",
        "matchExact": True,
    }
