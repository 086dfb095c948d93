"""PutMetricData: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html."""

from typing import Any

import pytest
from tests.unit.cloudwatch.asking import NOW, at, stat, values

from meterctl.cloudwatch import CloudWatch, InvalidParameterError

SET = {"SampleCount": 4, "Sum": 8, "Minimum": 1, "Maximum": 3}


def total(statistic: str, **datum: Any) -> float | None:
    """Record a datum of ``m`` at noon; give a statistic of it."""
    cloudwatch = CloudWatch()
    entry = {"MetricName": "m", "Timestamp": at(0), **datum}
    cloudwatch.put_metric_data(now=NOW, Namespace="BedrockMeter", MetricData=[entry])
    return values(cloudwatch, "m * 1", stat("m", stat=statistic), minutes=(0, 1))[0]


@pytest.mark.parametrize(
    ("datum", "statistic", "expected"),
    [
        ({"Value": 2.5}, "Sum", 2.5),
        ({"Values": [1, 5], "Counts": [3, 1]}, "Sum", 8),
        ({"Values": [1, 5], "Counts": [3, 1]}, "SampleCount", 4),
        ({"Values": [1, 5], "Counts": [3, 1]}, "p75", 1),
        ({"Values": [1, 5]}, "Average", 3),
        ({"StatisticValues": SET}, "Average", 2),
        ({"StatisticValues": SET}, "Maximum", 3),
        ({"StatisticValues": SET}, "p90", None),
    ],
)
def test_values(datum: dict[str, Any], statistic: str, expected: float | None) -> None:
    """One value, values with counts, or a statistic set."""
    assert total(statistic, **datum) == expected


def test_without_a_time_it_is_now() -> None:
    """Timestamp may be left out."""
    cloudwatch = CloudWatch()
    cloudwatch.put_metric_data(now=at(3), Namespace="BedrockMeter", MetricData=[{"MetricName": "m", "Value": 1}])
    assert values(cloudwatch, "m * 1", stat("m")) == [None, None, None, 1, None]


def test_namespaces_of_aws_are_taken() -> None:
    """Unlike AWS: so that the metrics of Bedrock and Lambda can be loaded."""
    cloudwatch = CloudWatch()
    cloudwatch.put_metric_data(now=NOW, Namespace="AWS/Bedrock", MetricData=[{"MetricName": "m", "Value": 1}])
    assert cloudwatch.list_metrics(now=NOW)["Metrics"][0]["Namespace"] == "AWS/Bedrock"


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        ({}, "one of Value, Values and StatisticValues"),
        ({"Value": 1, "Values": [1]}, "one of Value, Values and StatisticValues"),
        ({"Value": float("nan")}, "no number"),
        ({"Value": "1"}, "no number"),
        ({"Values": []}, "1 to 150 Values"),
        ({"Values": [1] * 151}, "1 to 150 Values"),
        ({"Values": [1], "Counts": [1, 2]}, "as many Counts"),
        ({"Values": [1], "Counts": [0]}, "not above 0"),
        ({"StatisticValues": {"Sum": 1}}, "Minimum is required"),
        ({"StatisticValues": {**SET, "Minimum": 9}}, "contradict themselves"),
        ({"Value": 1, "Unit": "USD"}, "Unit"),
        ({"Value": 1, "StorageResolution": 5}, "StorageResolution"),
        ({"Value": 1, "Timestamp": at(-15 * 24 * 60)}, "more than 14 days old"),
        ({"Value": 1, "Timestamp": at(200)}, "2 hours ahead"),
        ({"Value": 1, "Dimensions": [{"Name": "a", "Value": ""}]}, "a dimension has a Name and a Value"),
        ({"Value": 1, "Dimensions": [{"Name": "a", "Value": "b"}] * 2}, "each name once"),
        ({"Value": 1, "Colour": "red"}, "Colour"),
        ({"Value": 1, "MetricName": None}, "MetricName is required"),
    ],
)
def test_data_that_is_refused(datum: dict[str, Any], message: str) -> None:
    """Nothing of a request with a fault is recorded."""
    cloudwatch = CloudWatch()
    good = {"MetricName": "good", "Value": 1}
    with pytest.raises(InvalidParameterError, match=message):
        cloudwatch.put_metric_data(now=NOW, Namespace="N", MetricData=[good, {"MetricName": "m", **datum}])
    assert cloudwatch.list_metrics(now=NOW)["Metrics"] == []


def test_requests_that_are_refused() -> None:
    """No namespace, no data, too many data."""
    cloudwatch = CloudWatch()
    good = {"MetricName": "good", "Value": 1}
    for request in ({"MetricData": [good]}, {"Namespace": "N"}, {"Namespace": "N", "MetricData": [good] * 1001}):
        with pytest.raises(InvalidParameterError):
            cloudwatch.put_metric_data(now=NOW, **request)
