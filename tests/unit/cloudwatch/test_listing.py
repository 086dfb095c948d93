"""ListMetrics and GetMetricStatistics."""

from typing import Any

import pytest
from tests.unit.cloudwatch.asking import NAMESPACE, NOW, at, put, recorded

from meterctl.cloudwatch import CloudWatch, CloudWatchError, InvalidTokenError


def listed(cloudwatch: CloudWatch, **request: Any) -> list[tuple[str, dict[str, str]]]:
    """Give the names and dimensions of the metrics of the first page."""
    return [
        (metric["MetricName"], {entry["Name"]: entry["Value"] for entry in metric["Dimensions"]})
        for metric in cloudwatch.list_metrics(now=NOW, **request)["Metrics"]
    ]


def few() -> CloudWatch:
    """Record a few metrics, one of them again and again, one long ago."""
    cloudwatch = CloudWatch()
    for minute in range(3):
        put(cloudwatch, "Tokens", 1, minute=minute, UseCase="chat", ModelId="nova")
    put(cloudwatch, "Tokens", 1, minute=-200, UseCase="search", ModelId="nova")
    put(cloudwatch, "Cost", 1, Service="meter")
    put(cloudwatch, "Errors", 1, namespace="AWS/Lambda", FunctionName="one")
    return cloudwatch


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ({}, ["Errors", "Cost", "Tokens", "Tokens"]),
        ({"Namespace": NAMESPACE}, ["Cost", "Tokens", "Tokens"]),
        ({"Namespace": "Bedrock"}, []),
        ({"MetricName": "Tokens"}, ["Tokens", "Tokens"]),
        ({"Dimensions": [{"Name": "UseCase"}]}, ["Tokens", "Tokens"]),
        ({"Dimensions": [{"Name": "UseCase", "Value": "chat"}]}, ["Tokens"]),
        ({"Dimensions": [{"Name": "UseCase"}, {"Name": "ModelId", "Value": "claude"}]}, []),
        ({"RecentlyActive": "PT3H"}, ["Errors", "Cost", "Tokens"]),
    ],
)
def test_filters(request_: dict[str, Any], names: list[str]) -> None:
    """Each metric is listed once; filters match whole names, and metrics may have further dimensions."""
    assert [name for name, _ in listed(few(), **request_)] == names


def test_metrics_without_data_for_two_weeks_are_not_listed() -> None:
    """ListMetrics leaves them out; GetMetricData still knows them."""
    cloudwatch = few()
    later = at(15 * 24 * 60)
    assert cloudwatch.list_metrics(now=later)["Metrics"] == []


def test_pages_of_500() -> None:
    """The token gives the rest, and belongs to its request."""
    cloudwatch = CloudWatch()
    for number in range(501):
        put(cloudwatch, f"m{number:03}", 1)
    first = cloudwatch.list_metrics(now=NOW)
    assert len(first["Metrics"]) == 500
    second = cloudwatch.list_metrics(now=NOW, NextToken=first["NextToken"])
    assert [metric["MetricName"] for metric in second["Metrics"]] == ["m500"]
    assert "NextToken" not in second
    with pytest.raises(InvalidTokenError):
        cloudwatch.list_metrics(now=NOW, Namespace=NAMESPACE, NextToken=first["NextToken"])


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"RecentlyActive": "PT1H"}, "RecentlyActive is PT3H"),
        ({"IncludeLinkedAccounts": True}, "IncludeLinkedAccounts"),
        ({"Dimensions": [{"Value": "x"}]}, "a dimension filter has a Name"),
    ],
)
def test_listings_that_are_refused(request_: dict[str, Any], message: str) -> None:
    """What is not known is an error."""
    with pytest.raises(CloudWatchError, match=message):
        few().list_metrics(now=NOW, **request_)


def statistics(cloudwatch: CloudWatch, **change: Any) -> list[dict[str, Any]]:
    """Ask for a metric over four minutes in periods of two."""
    request = {
        "Namespace": NAMESPACE,
        "MetricName": "m",
        "StartTime": at(0),
        "EndTime": at(4),
        "Period": 120,
        "Statistics": ["Sum", "Average"],
        **change,
    }
    answer: list[dict[str, Any]] = cloudwatch.get_metric_statistics(now=NOW, **request)["Datapoints"]
    return answer


def test_statistics_of_a_metric() -> None:
    """A data point for each period, with every statistic that was asked for."""
    cloudwatch = recorded({"m": [1, 2, None, 6]})
    assert statistics(cloudwatch) == [
        {"Timestamp": at(0), "Unit": "None", "Sum": 3, "Average": 1.5},
        {"Timestamp": at(2), "Unit": "None", "Sum": 6, "Average": 6},
    ]
    extended = statistics(cloudwatch, Statistics=None, ExtendedStatistics=["p90", "tm50"])
    assert extended[0]["ExtendedStatistics"] == {"p90": 2, "tm50": 1}


def test_each_unit_has_its_own_data_points() -> None:
    """CloudWatch keeps a stream for each unit (cloudwatch_concepts.html, Units)."""
    cloudwatch = CloudWatch()
    put(cloudwatch, "m", 1, unit="Seconds")
    put(cloudwatch, "m", 5, unit="Count")
    assert [(point["Unit"], point["Sum"]) for point in statistics(cloudwatch)] == [("Count", 5), ("Seconds", 1)]
    assert [point["Sum"] for point in statistics(cloudwatch, Unit="Seconds")] == [1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Statistics": None}, "either Statistics or ExtendedStatistics"),
        ({"ExtendedStatistics": ["p90"]}, "either Statistics or ExtendedStatistics"),
        ({"Statistics": ["p90"]}, "Statistics has no 'p90'"),
        ({"Statistics": None, "ExtendedStatistics": ["p900"]}, "above 100 %"),
        ({"Period": 61}, "a period is"),
        ({"MetricName": None}, "MetricName is required"),
        ({"StartTime": at(-1441), "Period": 60}, "1445 data points, the limit is 1440"),
    ],
)
def test_statistics_that_are_refused(change: dict[str, Any], message: str) -> None:
    """Each with what is wrong."""
    with pytest.raises(CloudWatchError, match=message):
        statistics(CloudWatch(), **change)
