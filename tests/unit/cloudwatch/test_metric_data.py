"""GetMetricData as a whole: time ranges, order, pages, labels, and requests that are refused.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY
from tests.unit.cloudwatch.asking import NAMESPACE, NOON, NOW, ask, at, put, recorded, stat

from meterctl.cloudwatch import CloudWatch, CloudWatchError, InvalidTokenError


def get(cloudwatch: CloudWatch, *queries: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Ask for the first five minutes."""
    request = {"StartTime": at(0), "EndTime": at(5), "MetricDataQueries": list(queries), **options}
    return cloudwatch.get_metric_data(now=NOW, **request)


def shown(name: str, **options: Any) -> dict[str, Any]:
    """Ask for a metric that the answer shows."""
    return {**stat(name, **options), "ReturnData": True}


def points(result: dict[str, Any]) -> list[tuple[str, float]]:
    """Give the points of a result with their times."""
    return [(f"{time:%H:%M}", value) for time, value in zip(result["Timestamps"], result["Values"], strict=True)]


def test_the_newest_comes_first_unless_asked_otherwise() -> None:
    """TimestampDescending is the default of ScanBy."""
    cloudwatch = recorded({"m": [1, 2, 3]})
    (result,) = get(cloudwatch, shown("m"))["MetricDataResults"]
    assert points(result) == [("12:02", 3), ("12:01", 2), ("12:00", 1)]
    (result,) = get(cloudwatch, shown("m"), ScanBy="TimestampAscending")["MetricDataResults"]
    assert points(result) == [("12:00", 1), ("12:01", 2), ("12:02", 3)]
    assert result["Timestamps"][0] == NOON
    assert (result["Id"], result["Label"], result["StatusCode"]) == ("m", "m", "Complete")


def test_the_dimension_set_is_exact() -> None:
    """A metric with other dimensions is another metric; CloudWatch does not add custom metrics up.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#dimension-combinations
    """
    cloudwatch = CloudWatch()
    put(cloudwatch, "ServerStats", 105, Server="Prod", Domain="Frankfurt")
    for dimensions, expected in (
        ({"Domain": "Frankfurt", "Server": "Prod"}, [105.0]),
        ({"Server": "Prod"}, []),
        ({}, []),
        ({"Server": "Prod", "Domain": "Rio"}, []),
    ):
        (result,) = get(cloudwatch, shown("m", metric="ServerStats", **dimensions))["MetricDataResults"]
        assert result["Values"] == expected


def test_periods_count_from_the_start() -> None:
    """The periods of a request begin at its start, and not at the full hour.

    So did CloudWatch answer in https://github.com/boto/boto3/issues/3457.
    """
    cloudwatch = recorded({"m": [1] * 10})
    options = {"StartTime": at(1), "EndTime": at(10), "ScanBy": "TimestampAscending"}
    (result,) = get(cloudwatch, shown("m", period=240), **options)["MetricDataResults"]
    assert points(result) == [("12:01", 4), ("12:05", 4), ("12:09", 1)]


@pytest.mark.parametrize(
    ("age", "start"),
    [(timedelta(), (12, 32)), (timedelta(days=16), (12, 30)), (timedelta(days=64), (12, 0))],
)
def test_the_start_is_rounded_as_its_age_demands(age: timedelta, start: tuple[int, int]) -> None:
    """To the minute, to five minutes after 15 days, to the hour after 63: the cases of StartTime."""
    begin = datetime(2026, 11, 20, 12, 32, 34, tzinfo=UTC)
    query = {"Id": "e", "Expression": "TIME_SERIES(1)", "Period": 3600}
    answer = CloudWatch().get_metric_data(
        now=begin + age, StartTime=begin, EndTime=begin + timedelta(minutes=20), MetricDataQueries=[query]
    )
    (result,) = answer["MetricDataResults"]
    assert (result["Timestamps"][0].hour, result["Timestamps"][0].minute) == start


def test_the_end_does_not_belong_to_the_range() -> None:
    """It is rounded down to the minute: https://github.com/grafana/grafana/pull/89341."""
    cloudwatch = recorded({"m": [1, 2, 3]})
    for seconds, expected in ((0, [2.0, 1.0]), (59, [2.0, 1.0]), (60, [3.0, 2.0, 1.0])):
        (result,) = get(cloudwatch, shown("m"), EndTime=at(2) + timedelta(seconds=seconds))["MetricDataResults"]
        assert result["Values"] == expected


def test_short_periods_show_high_resolution() -> None:
    """Periods of 10 seconds have values of metrics that were recorded with a resolution of a second."""
    cloudwatch = CloudWatch()
    for second in (0, 3, 11):
        datum = {"MetricName": "m", "Value": 1, "StorageResolution": 1, "Timestamp": NOON + timedelta(seconds=second)}
        cloudwatch.put_metric_data(now=NOW, Namespace=NAMESPACE, MetricData=[datum])
    (result,) = get(cloudwatch, shown("m", period=10), ScanBy="TimestampAscending")["MetricDataResults"]
    assert result["Values"] == [2, 1]


def test_a_unit_chooses_samples() -> None:
    """Only data that was recorded with the unit is given; several units without a choice are refused."""
    cloudwatch = CloudWatch()
    put(cloudwatch, "m", 1, unit="Seconds")
    put(cloudwatch, "m", 1000, unit="Milliseconds")
    query = shown("m")
    query["MetricStat"]["Unit"] = "Seconds"
    assert get(cloudwatch, query)["MetricDataResults"][0]["Values"] == [1]
    with pytest.raises(CloudWatchError, match=r"Error in expression 'm': .* Milliseconds and Seconds: name one"):
        get(cloudwatch, shown("m"))


def test_hidden_queries_are_computed_but_not_returned() -> None:
    """ReturnData False."""
    answer = get(recorded({"m": [2]}), stat("m"), {"Id": "e", "Expression": "m * 2", "Period": 60})
    assert [(result["Id"], result["Values"]) for result in answer["MetricDataResults"]] == [("e", [4])]


def test_a_query_that_finds_nothing_still_answers() -> None:
    """Grafana draws an empty series for it."""
    search = "REMOVE_EMPTY(SEARCH('{Nowhere,A} x', 'Sum', 60))"
    for label, expected in ((None, "e"), ("cost", "cost"), ("${PROP('Dim.A')}", "e")):
        (result,) = get(CloudWatch(), {"Id": "e", "Expression": search, "Label": label})["MetricDataResults"]
        assert (result["Label"], result["Values"], result["StatusCode"]) == (expected, [], "Complete")


MODELS = {"nova": 3.0, "claude": 4.0}


def models() -> CloudWatch:
    """Record tokens of two models of one use case."""
    cloudwatch = CloudWatch(region="eu-west-1")
    for model, value in MODELS.items():
        put(cloudwatch, "Tokens", value, UseCase="chat", ModelId=model)
        put(cloudwatch, "Tokens", value + 1, minute=2, UseCase="chat", ModelId=model)
    return cloudwatch


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (None, ["claude chat", "nova chat"]),
        ("", ["claude chat", "nova chat"]),
        ("tokens", ["tokens claude chat", "tokens nova chat"]),
        ("${PROP('Dim.ModelId')}", ["claude", "nova"]),
        ("${LABEL}|&|${PROP('Dim.UseCase')}", ["claude chat|&|chat", "nova chat|&|chat"]),
        ("${PROP('MetricName')} ${PROP('Namespace')}", ["Tokens BedrockMeter"] * 2),
        ("${PROP('Stat')} ${PROP('Period')} ${PROP('Region')}", ["Sum 60 eu-west-1"] * 2),
        ("${PROP('AccountId')}", ["123456789012"] * 2),
        ("${SUM} ${AVG} ${MIN} ${MAX} ${LAST}", ["9 4.5 4 5 5", "7 3.5 3 4 4"]),
        ("${FIRST} ${DATAPOINT_COUNT}", ["4 2", "3 2"]),
        ("${MIN_MAX_RANGE}/${FIRST_LAST_RANGE}", ["1/1", "1/1"]),
    ],
)
def test_labels(label: str | None, expected: list[str]) -> None:
    """Each series of a search has its own: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/graph-dynamic-labels.html."""
    search = "SEARCH('{BedrockMeter,UseCase,ModelId} Tokens', 'Sum', 60)"
    assert [name for name, _ in ask(models(), search, label=label)] == expected


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("${PROP('Dim.Model')}", "the dimension Model, which the series does not have"),
        ("${PROP('Colour')}", "unknown property 'Colour'"),
        ("${P99}", r"unknown place '\$\{P99\}'"),
        ("${LAST_TIME}", "unknown place"),
        ("${LABEL} ${LABEL}", "more than one"),
        ("${SUM}" * 6, "more than 5 values"),
    ],
)
def test_labels_that_cannot_be_filled_are_refused(label: str, message: str) -> None:
    """A label is not shown with a hole in it."""
    with pytest.raises(CloudWatchError, match=message):
        ask(models(), "SEARCH('{BedrockMeter,UseCase,ModelId} Tokens', 'Sum', 60)", label=label)


def test_a_sum_has_no_dimensions() -> None:
    """What is made of several metrics has none of their properties, and its default label is the id."""
    total = "SUM(SEARCH('{BedrockMeter,UseCase,ModelId} Tokens', 'Sum', 60))"
    assert ask(models(), total, minutes=(0, 1)) == [("result", [7])]
    assert ask(models(), total, minutes=(0, 1), label="all ${SUM}") == [("all 7", [7])]
    with pytest.raises(CloudWatchError, match="made of several metrics"):
        ask(models(), total, label="${PROP('MetricName')}")


def test_a_search_over_several_metrics_names_them() -> None:
    """The default label has what tells the series apart."""
    cloudwatch = models()
    put(cloudwatch, "Cost", 1, UseCase="chat", ModelId="nova")
    found = ask(cloudwatch, "SEARCH('{BedrockMeter,UseCase,ModelId} nova', 'Sum', 60)")
    assert [name for name, _ in found] == ["Cost nova chat", "Tokens nova chat"]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=3), st.integers(1, 9), st.booleans())
@PROPERTY
def test_pages_are_the_answer_in_portions(lengths: list[int], size: int, ascending: bool) -> None:
    """Put together, the pages have every point once and in order, and no page is larger than MaxDatapoints."""
    cloudwatch = recorded({f"m{place}": [1.0 * minute for minute in range(n)] for place, n in enumerate(lengths)})
    queries = [shown(f"m{place}") for place in range(len(lengths))]
    scan = "TimestampAscending" if ascending else "TimestampDescending"
    whole = get(cloudwatch, *queries, ScanBy=scan, EndTime=at(10))["MetricDataResults"]
    token, seen = None, dict.fromkeys((query["Id"] for query in queries), ())
    while True:
        page = get(cloudwatch, *queries, ScanBy=scan, EndTime=at(10), MaxDatapoints=size, NextToken=token)
        assert sum(len(result["Values"]) for result in page["MetricDataResults"]) <= size
        for result in page["MetricDataResults"]:
            seen[result["Id"]] += tuple(result["Values"])
        token = page.get("NextToken")
        if token is None:
            break
        last = page["MetricDataResults"][-1]
        assert last["StatusCode"] in ("PartialData", "Complete")
    assert seen == {result["Id"]: tuple(result["Values"]) for result in whole}


def test_a_page_that_is_not_the_last_of_a_series_is_partial() -> None:
    """PartialData tells that more of the same series follows."""
    answer = get(recorded({"m": [1, 2, 3]}), shown("m"), MaxDatapoints=2)
    assert answer["MetricDataResults"][0]["StatusCode"] == "PartialData"


def test_a_token_belongs_to_its_request() -> None:
    """One of another request, or made up, is refused."""
    cloudwatch = recorded({"m": [1, 2, 3], "n": [1]})
    token = get(cloudwatch, shown("m"), MaxDatapoints=2)["NextToken"]
    assert get(cloudwatch, shown("m"), MaxDatapoints=2, NextToken=token)["MetricDataResults"][0]["Values"] == [1]
    for stranger in (token, "1", "x.y", "2."):
        with pytest.raises(InvalidTokenError):
            get(cloudwatch, shown("n"), MaxDatapoints=2, NextToken=stranger)


def test_more_than_500_series_are_cut_with_a_message() -> None:
    """The plugin shows MaxMetricsExceeded as a notice at the panel."""
    cloudwatch = CloudWatch()
    for number in range(501):
        put(cloudwatch, "m", 1, Number=f"{number}")
    answer = get(cloudwatch, {"Id": "e", "Expression": "SEARCH('{BedrockMeter,Number} m', 'Sum', 60)"})
    assert len(answer["MetricDataResults"]) == 500
    assert [message["Code"] for message in answer["Messages"]] == ["MaxMetricsExceeded"]


QUERY = {"Id": "e", "Expression": "TIME_SERIES(1)", "Period": 60}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MetricDataQueries": []}, "1 to 500 members"),
        ({"MetricDataQueries": [{**QUERY, "Id": f"e{n}"} for n in range(501)]}, "1 to 500 members"),
        ({"MetricDataQueries": [QUERY, QUERY]}, "the id 'e' in MetricDataQueries is not unique"),
        ({"MetricDataQueries": [{**QUERY, "Id": "E"}]}, "the id 'E' must begin with a lowercase letter"),
        ({"MetricDataQueries": [{"Id": "e"}]}, "either MetricStat or Expression"),
        ({"MetricDataQueries": [{**stat("m"), "Expression": "m"}]}, "either MetricStat or Expression"),
        ({"MetricDataQueries": [{**QUERY, "AccountId": "1"}]}, "does not know the parameter AccountId"),
        ({"MetricDataQueries": [{**QUERY, "Period": 90}]}, "a period is 1, 5, 10, 20, 30 or a multiple of 60"),
        ({"MetricDataQueries": [stat("m", period=0)]}, "a period is"),
        ({"MetricDataQueries": [stat("m", stat="Total")]}, "unknown statistic 'Total'"),
        ({"MetricDataQueries": [{**QUERY, "Expression": "nothing"}]}, "no query has the id 'nothing'"),
        ({"StartTime": at(5)}, "StartTime must be before EndTime"),
        ({"StartTime": None}, "StartTime is required"),
        ({"StartTime": 5}, "StartTime is not a time"),
        ({"ScanBy": "Random"}, "ScanBy is"),
        ({"Colour": "red"}, "does not know the parameter Colour"),
        ({"StartTime": at(-16 * 24 * 60)}, "take a multiple of 300 s"),
        ({"StartTime": at(-64 * 24 * 60)}, "take a multiple of 3600 s"),
        ({"StartTime": at(-4 * 60), "MetricDataQueries": [{**QUERY, "Period": 10}]}, "take a multiple of 60 s"),
    ],
)
def test_requests_that_are_refused(change: dict[str, Any], message: str) -> None:
    """What CloudWatch refuses, and what it would answer with an empty series, is an error that says what to do."""
    request: dict[str, Any] = {"StartTime": at(0), "EndTime": at(5), "MetricDataQueries": [QUERY], **change}
    for query in request["MetricDataQueries"]:
        query["ReturnData"] = True
    with pytest.raises(CloudWatchError, match=message):
        CloudWatch().get_metric_data(now=NOW, **request)


def test_expressions_that_refer_in_a_circle_are_refused() -> None:
    """Neither of them can be computed."""
    circle = [{"Id": "a", "Expression": "b + 1", "Period": 60}, {"Id": "b", "Expression": "a + 1", "Period": 60}]
    with pytest.raises(CloudWatchError, match="refers to itself"):
        get(CloudWatch(), *circle)
