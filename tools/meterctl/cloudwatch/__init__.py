"""A local CloudWatch: EMF lines in, the answers of ListMetrics and GetMetricData out.

:class:`CloudWatch` is the engine. It does no I/O and reads no clock:

.. code-block:: python

    cloudwatch = CloudWatch(region="us-east-1")
    intake = cloudwatch.put_emf(lines, now=now)             # intake.dropped: what CloudWatch would drop, and why
    cloudwatch.put_metric_data(now=now, Namespace="AWS/Bedrock", MetricData=[...])
    cloudwatch.get_metric_data(now=now, StartTime=..., EndTime=..., MetricDataQueries=[...])
    cloudwatch.list_metrics(now=now, Namespace="BedrockMeter")
    cloudwatch.get_metric_statistics(now=now, ...)

Requests and answers have boto3's shapes. What it does not know is a :class:`CloudWatchError`, never an empty answer.
"""

from meterctl.cloudwatch.emf import Dropped, Intake, Rule
from meterctl.cloudwatch.engine import CloudWatch
from meterctl.cloudwatch.errors import (
    CloudWatchError,
    ExpressionError,
    InvalidParameterError,
    InvalidTokenError,
    QueryError,
)

__all__ = [
    "CloudWatch",
    "CloudWatchError",
    "Dropped",
    "ExpressionError",
    "Intake",
    "InvalidParameterError",
    "InvalidTokenError",
    "QueryError",
    "Rule",
]
