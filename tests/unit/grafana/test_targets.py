"""What Grafana's CloudWatch plugin makes of targets.

The expected expressions are those of the plugin's own tests, ``pkg/cloudwatch/metric_data_query_builder_test.go`` in
https://github.com/grafana/grafana-cloudwatch-datasource, with our names.
"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY
from tests.unit.grafana.cases import HOUR, NOON, REGION, builder, code, insights, variable

from meterctl.cloudwatch import CloudWatch
from meterctl.grafana.compile import TimeRange, Variable, compile_targets, series_labels
from meterctl.grafana.period import automatic


def query(target: dict[str, Any], *variables: Variable, time_range: TimeRange = HOUR) -> dict[str, Any]:
    """Compile one target; give its query."""
    (call,) = compile_targets([target], variables, time_range, REGION)
    (found,) = call.request["MetricDataQueries"]
    return dict(found)


def test_single_values_and_match_exact_are_a_metric() -> None:
    """A dimension set with one value each is asked for as it is, in the order of the names."""
    found = query(builder(dimensions={"UseCase": "chat", "ModelId": ["nova"]}, label="tokens"))
    assert found == {
        "Id": "a",
        "ReturnData": True,
        "Label": "tokens",
        "MetricStat": {
            "Metric": {
                "Namespace": "BedrockMeter",
                "MetricName": "InputTokenCount",
                "Dimensions": [{"Name": "ModelId", "Value": "nova"}, {"Name": "UseCase", "Value": "chat"}],
            },
            "Period": 60,
            "Stat": "Sum",
        },
    }


def test_no_dimensions_and_match_exact_is_the_metric_without_dimensions() -> None:
    """It does not sum anything up."""
    assert query(builder(dimensions={}))["MetricStat"]["Metric"]["Dimensions"] == []


@pytest.mark.parametrize(
    ("dimensions", "exact", "expression"),
    [
        (
            {"UseCase": "*", "ModelId": "nova"},
            True,
            """{"BedrockMeter","ModelId","UseCase"} MetricName="InputTokenCount" "ModelId"="nova\"""",
        ),
        (
            {"ModelId": ["nova", "claude"]},
            True,
            """{"BedrockMeter","ModelId"} MetricName="InputTokenCount" "ModelId"=("nova" OR "claude")""",
        ),
        ({"ModelId": ["nova", "*"]}, True, """{"BedrockMeter","ModelId"} MetricName="InputTokenCount\""""),
        (
            {"UseCase": "*", "ModelId": "nova"},
            False,
            """Namespace="BedrockMeter" MetricName="InputTokenCount" "ModelId"="nova" "UseCase\"""",
        ),
        ({}, False, """Namespace="BedrockMeter" MetricName="InputTokenCount\""""),
        (
            {"ModelId": 'it\'s "5"', "UseCase": "*"},
            True,
            r"""{"BedrockMeter","ModelId","UseCase"} MetricName="InputTokenCount" "ModelId"="it\'s \"5\"" """.rstrip(),
        ),
    ],
)
def test_wildcards_and_several_values_are_a_search(dimensions: dict[str, Any], exact: bool, expression: str) -> None:
    """The plugin writes the search, with the period in it."""
    found = query(builder(dimensions=dimensions, matchExact=exact))
    assert found["Expression"] == f"REMOVE_EMPTY(SEARCH('{expression}', 'Sum', 60))"
    assert "Period" not in found


def test_the_label_of_a_search_carries_the_dimensions_that_differ() -> None:
    """So the plugin can make labels of the series."""
    dimensions = {"UseCase": "*", "ModelId": ["nova", "claude"], "Service": "meter"}
    label = query(builder(dimensions=dimensions))["Label"]
    assert label == "${LABEL}|&|${PROP('Dim.ModelId')}|&|${PROP('Dim.UseCase')}"
    assert query(builder(dimensions={"UseCase": "*"}, label="cost"))["Label"] == "cost|&|${PROP('Dim.UseCase')}"


def test_code_targets_are_sent_as_they_are() -> None:
    """With the period beside, and with $__period_auto replaced by the automatic one."""
    found = query(code("SUM(SEARCH('{BedrockMeter,UseCase} x', 'Sum', $__period_auto))", period="300"))
    assert found["Expression"] == "SUM(SEARCH('{BedrockMeter,UseCase} x', 'Sum', 60))"
    assert found["Period"] == 300


def test_insights_targets_are_sent_as_they_are() -> None:
    """The SQL is the expression."""
    sql = 'SELECT SUM(InputTokenCount) FROM SCHEMA("BedrockMeter", UseCase) GROUP BY UseCase'
    assert query(insights(sql)) == {"Id": "c", "ReturnData": True, "Expression": sql, "Period": 60}


def test_variables_become_values() -> None:
    """A variable of several values gives them all, All with the custom all value * gives a wildcard."""
    target = builder(dimensions={"UseCase": "$usecase"}, label="${PROP('Dim.UseCase')}")
    assert "MetricStat" in query(target, variable("usecase", "chat"))
    assert '"UseCase"=("chat" OR "search")' in query(target, variable("usecase", "chat", "search"))["Expression"]
    wild = query(target, variable("usecase", "*"))["Expression"]
    assert wild == """REMOVE_EMPTY(SEARCH('{"BedrockMeter","UseCase"} MetricName="InputTokenCount"', 'Sum', 60))"""


@pytest.mark.parametrize("text", ["$model", "${model}", "[[model]]", "${model:raw}"])
def test_the_ways_to_write_a_variable(text: str) -> None:
    """All of templateSrv's."""
    found = query(code(f"SEARCH('{{A,B}} {text}', 'Sum', 60)"), variable("model", "nova"))
    assert found["Expression"] == "SEARCH('{A,B} nova', 'Sum', 60)"


def test_a_format_writes_several_values() -> None:
    """Where it is named, the text is what the format makes of them."""
    target = insights("SELECT SUM(a) FROM SCHEMA(b, c) WHERE c = ${usecase:singlequote}")
    found = query(target, variable("usecase", "chat"))
    assert found["Expression"].endswith("WHERE c = 'chat'")


def test_texts_around_a_variable_of_one_value() -> None:
    """A prefix stays."""
    target = builder(dimensions={"Service": "$stage-meter"})
    found = query(target, variable("stage", "prod", multi=False))
    assert found["MetricStat"]["Metric"]["Dimensions"] == [{"Name": "Service", "Value": "prod-meter"}]


def test_rows_of_a_region_are_one_request() -> None:
    """In their order; another region is another request, the default region is that of the data source."""
    targets = [
        builder(),
        code("a * 100"),
        builder(refId="D", id="d", region="$region"),
        builder(refId="E", id="e", hide=True),
    ]
    calls = compile_targets(targets, [variable("region", "eu-west-1", multi=False)], HOUR, REGION)
    assert [(call.region, [found["Id"] for found in call.request["MetricDataQueries"]]) for call in calls] == [
        (REGION, ["a", "b", "e"]),
        ("eu-west-1", ["d"]),
    ]
    assert [found["ReturnData"] for found in calls[0].request["MetricDataQueries"]] == [True, True, False]
    assert calls[0].request["ScanBy"] == "TimestampAscending"
    assert (calls[0].request["StartTime"], calls[0].request["EndTime"]) == (HOUR.start, HOUR.end)
    assert calls[0].targets["e"].ref_id == "E"


def test_an_alert_rule_never_hides() -> None:
    """The backend cannot know who asks, and returns all."""
    (call,) = compile_targets([builder(hide=True)], [], HOUR, REGION, alert=True)
    assert call.request["MetricDataQueries"][0]["ReturnData"] is True


def test_a_row_without_id_gets_one() -> None:
    """The id is made of a refId that could be one, else it cannot be guessed."""
    assert query(builder(id="", refId="tokens"))["Id"] == "querytokens"
    made = query(builder(id="", refId="A"))["Id"]
    assert made.startswith("query")
    assert made not in ("queryA", query(builder(id="", refId="B"))["Id"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 60), ("auto", 60), ("AUTO", 60), ("300", 300), ("5m", 300), ("1h", 3600), ("1d", 86400), ("10", 10)],
)
def test_periods(text: str, seconds: int) -> None:
    """Automatic, seconds, or an interval."""
    assert query(builder(period=text))["MetricStat"]["Period"] == seconds


@pytest.mark.parametrize(
    ("length", "age", "seconds"),
    [
        (timedelta(hours=1), timedelta(hours=1), 60),
        (timedelta(hours=34), timedelta(hours=34), 300),  # 122400 s / 2000 = 61.2
        (timedelta(days=7), timedelta(days=7), 900),
        (timedelta(days=30), timedelta(days=30), 3600),
        (timedelta(hours=1), timedelta(days=16), 300),
        (timedelta(hours=1), timedelta(days=64), 3600),
        (timedelta(hours=1), timedelta(days=456), 21600),
        (timedelta(days=3650), timedelta(days=3650), 86400),
    ],
)
def test_the_automatic_period(length: timedelta, age: timedelta, seconds: int) -> None:
    """At most 2000 points, and only periods that CloudWatch still has for the age of the start."""
    start = NOON - age
    assert automatic(TimeRange(start=start, end=start + length, now=NOON)) == seconds


def test_labels_of_series() -> None:
    """The name and the dimensions come apart again; a fixed label wins as the name."""
    dimensions = {"UseCase": "*", "Service": "meter"}
    (call,) = compile_targets([builder(dimensions=dimensions)], [], HOUR, REGION)
    labels = {"Series": "chat", "Service": "meter", "UseCase": "chat"}
    assert series_labels("chat|&|chat", call.targets["a"]) == ("chat", labels)
    (call,) = compile_targets([builder(dimensions=dimensions, label="cost")], [], HOUR, REGION)
    assert series_labels("cost|&|chat", call.targets["a"])[0] == "cost"
    (call,) = compile_targets([code("SEARCH('{A,B} x', 'Sum', 60)")], [], HOUR, REGION)
    assert series_labels("nova chat", call.targets["b"]) == ("nova chat", {"Series": "nova chat"})


VALUES = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=12).filter(
    # The plugin escapes quotes alone; a backslash or a parenthesis in a value would need it too.
    lambda text: text.strip() not in ("", "*") and not set(text) & set("$[\\()")
)


@given(st.lists(VALUES, min_size=2, max_size=4, unique=True))
@PROPERTY
def test_the_local_cloudwatch_finds_what_the_search_means(chosen: list[str]) -> None:
    """Whatever the values of a dimension are, the search finds exactly the series of those that are chosen."""
    cloudwatch = CloudWatch()
    for value in [*chosen, "another value"]:
        datum = {"MetricName": "InputTokenCount", "Value": 1, "Dimensions": [{"Name": "UseCase", "Value": value}]}
        cloudwatch.put_metric_data(now=NOON - timedelta(minutes=1), Namespace="BedrockMeter", MetricData=[datum])
    target = builder(dimensions={"UseCase": chosen}, label="${PROP('MetricName')}")
    (call,) = compile_targets([target], [], HOUR, REGION)
    answer = cloudwatch.get_metric_data(now=NOON, **call.request)
    found = [series_labels(result["Label"], call.targets["a"])[1] for result in answer["MetricDataResults"]]
    assert sorted(labels["UseCase"] for labels in found) == sorted(chosen)
