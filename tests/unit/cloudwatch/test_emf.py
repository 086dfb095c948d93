"""EMF intake, by the specification.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY
from tests.unit.cloudwatch.asking import NAMESPACE, NOON, NOW, ask, at, document, line, stat, values
from tests.unit.emf_schema import problems

from meterctl.cloudwatch import CloudWatch, Rule, emf
from meterctl.cloudwatch.model import Metric

type Change = Callable[[dict[str, Any]], object]

# The example of the specification.
EXAMPLE = {
    "_aws": {
        "Timestamp": int(NOON.timestamp() * 1000),
        "CloudWatchMetrics": [
            {
                "Namespace": "lambda-function-metrics",
                "Dimensions": [["functionVersion"]],
                "Metrics": [{"Name": "time", "Unit": "Milliseconds", "StorageResolution": 60}],
            }
        ],
    },
    "functionVersion": "$LATEST",
    "time": 100,
    "requestId": "989ffbf8-9ace-4817-a57c-e4dd734019ee",
}


def directive(root: dict[str, Any]) -> dict[str, Any]:
    """Give the only directive."""
    found: dict[str, Any] = root["_aws"]["CloudWatchMetrics"][0]
    return found


def test_the_example_of_the_specification() -> None:
    """It gives one datum, with the unit and the dimension that it names."""
    (datum,) = emf.read([json.dumps(EXAMPLE)], now=NOW).data
    assert datum.metric == Metric.of("lambda-function-metrics", "time", {"functionVersion": "$LATEST"})
    assert (datum.sample.unit, datum.sample.total, datum.sample.time) == ("Milliseconds", 100, int(NOON.timestamp()))


def test_every_dimension_set_is_a_metric_of_its_own() -> None:
    """Two sets, one of them empty, make two metrics of each value."""
    text = line(dimensions=[["UseCase", "ModelId"], []], UseCase="chat", ModelId="nova", Tokens=[1, 2, 2])
    data = emf.read([text], now=NOW).data
    assert [datum.metric.dimensions for datum in data] == [(("ModelId", "nova"), ("UseCase", "chat"))] * 3 + [()] * 3
    assert [datum.sample.total for datum in data] == [1, 2, 2] * 2


def test_a_timestamp_is_rounded_to_the_resolution() -> None:
    """Regular metrics are kept by the minute, high-resolution ones by the second."""
    root = document(0.51, Tokens=1)
    regular = emf.read([json.dumps(root)], now=NOW).data[0]
    directive(root)["Metrics"][0]["StorageResolution"] = 1
    fine = emf.read([json.dumps(root)], now=NOW).data[0]
    assert regular.sample.time == int(NOON.timestamp())
    assert fine.sample.time == int(NOON.timestamp()) + 30


def test_lines_that_are_no_emf_are_ignored() -> None:
    """Log lines, empty lines and JSON of loggers are no metrics, and nothing is wrong with them."""
    intake = emf.read(["", "START RequestId: 1", '{"level": "INFO", "message": "hello"}', "[1]"], now=NOW)
    assert (intake.taken, intake.ignored, intake.dropped) == (0, 4, ())


BROKEN: dict[str, tuple[Rule, Change]] = {
    "no timestamp": (Rule.TIMESTAMP, lambda root: root["_aws"].pop("Timestamp")),
    "timestamp as text": (Rule.TIMESTAMP, lambda root: root["_aws"].update(Timestamp="2026-11-20")),
    "timestamp in seconds": (Rule.TIMESTAMP, lambda root: root["_aws"].update(Timestamp=int(NOW.timestamp()))),
    "timestamp out of reach": (Rule.TIMESTAMP, lambda root: root["_aws"].update(Timestamp=10**30)),
    "15 days old": (Rule.TIMESTAMP, lambda root: root["_aws"].update(Timestamp=_ms(-timedelta(days=15)))),
    "3 hours ahead": (Rule.TIMESTAMP, lambda root: root["_aws"].update(Timestamp=_ms(timedelta(hours=3)))),
    "metadata no object": (Rule.METADATA, lambda root: root.update(_aws=[])),
    "no directives": (Rule.METADATA, lambda root: root["_aws"].pop("CloudWatchMetrics")),
    "directive no object": (Rule.DIRECTIVE, lambda root: root["_aws"].update(CloudWatchMetrics=["x"])),
    "no namespace": (Rule.DIRECTIVE, lambda root: directive(root).pop("Namespace")),
    "no dimensions": (Rule.DIRECTIVE, lambda root: directive(root).pop("Dimensions")),
    "empty namespace": (Rule.NAMESPACE, lambda root: directive(root).update(Namespace="")),
    "namespace with colon": (Rule.NAMESPACE, lambda root: directive(root).update(Namespace=":x")),
    "long namespace": (Rule.NAMESPACE, lambda root: directive(root).update(Namespace="x" * 256)),
    "dimension sets empty": (Rule.DIMENSION_SETS, lambda root: directive(root).update(Dimensions=[])),
    "dimensions flat": (Rule.DIMENSION_SETS, lambda root: directive(root).update(Dimensions=["UseCase"])),
    "dimension name empty": (Rule.DIMENSION_SETS, lambda root: directive(root).update(Dimensions=[[""]])),
    "31 dimensions": (
        Rule.DIMENSION_COUNT,
        lambda root: directive(root).update(Dimensions=[[str(key) for key in range(31)]]),
    ),
    "dimension twice": (Rule.DIMENSION_COUNT, lambda root: directive(root).update(Dimensions=[["UseCase"] * 2])),
    "dimension missing": (Rule.DIMENSION_VALUE, lambda root: root.pop("UseCase")),
    "dimension a number": (Rule.DIMENSION_VALUE, lambda root: root.update(UseCase=5)),
    "dimension empty": (Rule.DIMENSION_VALUE, lambda root: root.update(UseCase="")),
    "dimension of spaces": (Rule.DIMENSION_VALUE, lambda root: root.update(UseCase="  ")),
    "dimension with colon": (Rule.DIMENSION_VALUE, lambda root: root.update(UseCase=":chat")),
    "dimension with umlaut": (Rule.DIMENSION_VALUE, lambda root: root.update(UseCase="Übersetzen")),
    "dimension with line end": (Rule.DIMENSION_VALUE, lambda root: root.update(UseCase="a\nb")),
    "dimension too long": (Rule.DIMENSION_VALUE, lambda root: root.update(UseCase="x" * 1025)),
    "dimension nested": (Rule.DIMENSION_VALUE, lambda root: root.update(UseCase={"name": "chat"})),
    "no metrics": (Rule.METRIC_COUNT, lambda root: directive(root).update(Metrics=[])),
    "101 metrics": (Rule.METRIC_COUNT, lambda root: directive(root).update(Metrics=[{"Name": "Tokens"}] * 101)),
    "metric without name": (Rule.METRIC_NAME, lambda root: directive(root).update(Metrics=[{}])),
    "metric name too long": (Rule.METRIC_NAME, lambda root: directive(root).update(Metrics=[{"Name": "x" * 256}])),
    "metric missing": (Rule.METRIC_VALUE, lambda root: root.pop("Tokens")),
    "metric as text": (Rule.METRIC_VALUE, lambda root: root.update(Tokens="5")),
    "metric null": (Rule.METRIC_VALUE, lambda root: root.update(Tokens=None)),
    "metric true": (Rule.METRIC_VALUE, lambda root: root.update(Tokens=True)),
    "metric too large": (Rule.METRIC_VALUE, lambda root: root.update(Tokens=2.0**361)),
    "no values": (Rule.METRIC_VALUE, lambda root: root.update(Tokens=[])),
    "101 values": (Rule.METRIC_VALUE, lambda root: root.update(Tokens=[1] * 101)),
    "a value no number": (Rule.METRIC_VALUE, lambda root: root.update(Tokens=[1, "2"])),
    "unknown unit": (Rule.UNIT, lambda root: directive(root)["Metrics"][0].update(Unit="USD")),
    "resolution 30": (Rule.RESOLUTION, lambda root: directive(root)["Metrics"][0].update(StorageResolution=30)),
    "too large": (Rule.SIZE, lambda root: root.update(padding="x" * 1024 * 1024)),
}


def _ms(age: timedelta) -> int:
    return int((NOW + age).timestamp() * 1000)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_named_with_the_line(case: str) -> None:
    """The line makes no metric, and the report has its number and the rule; the lines around it count."""
    rule, change = BROKEN[case]
    root = document(dimensions=[["UseCase"]], UseCase="chat", Tokens=1)
    good = json.dumps(root)
    change(root)
    intake = emf.read([good, json.dumps(root), good], now=NOW)
    assert [(dropped.number, dropped.rule) for dropped in intake.dropped] == [(2, rule)]
    assert (intake.taken, len(intake.data)) == (2, 2)
    assert str(intake.dropped[0]).startswith("line 2: ")


@pytest.mark.parametrize(
    "text",
    [
        '{"_aws": {"CloudWatchMetrics": []}',
        'INFO {"_aws": {"CloudWatchMetrics": []}}',
        '{"_aws": {"CloudWatchMetrics": []}} trailing',
        '["_aws"]',
        '{"_aws": {}, "_aws": {}}',
        '{"_aws": {"CloudWatchMetrics": []}, "x": NaN}',
        '{"_aws": ' + "[" * 100_000,
    ],
)
def test_a_line_that_is_no_json_object_is_dropped(text: str) -> None:
    """Anything around the document, as a logger puts it there, makes it no document."""
    (dropped,) = emf.read([text], now=NOW).dropped
    assert dropped.rule is Rule.JSON
    assert dropped.rule.parsing


def test_a_document_that_a_logger_wrapped_is_dropped() -> None:
    """`_aws` counts at the root only."""
    (dropped,) = emf.read([json.dumps({"level": "INFO", "message": document(Tokens=1)})], now=NOW).dropped
    assert dropped.rule is Rule.METADATA


def test_the_report_does_not_quote_the_line() -> None:
    """A value may be anything; only names of members are told."""
    root = document(dimensions=[["UseCase"]], UseCase=":secret-canary", Tokens=1)
    (dropped,) = emf.read([json.dumps(root)], now=NOW).dropped
    assert "canary" not in str(dropped)
    assert "UseCase" in str(dropped)


def test_dropped_lines_are_counted_as_cloudwatch_counts_them() -> None:
    """With a log group, AWS/Logs has EMFParsingErrors and EMFValidationErrors for it."""
    cloudwatch = CloudWatch()
    broken = document(Tokens="5", Other=1)
    directive(broken)["Metrics"].append({"Name": "Tokens"})
    cloudwatch.put_emf(['{"_aws": ', json.dumps(broken), json.dumps(broken)], now=at(0), log_group="/aws/lambda/x")
    search = "SEARCH('{AWS/Logs,LogGroupName} LogGroupName=\"/aws/lambda/x\"', 'Sum', 60)"
    assert ask(cloudwatch, search, minutes=(0, 1)) == [
        ("EMFParsingErrors /aws/lambda/x", [1]),
        ("EMFValidationErrors /aws/lambda/x", [2]),
    ]


def test_only_the_named_namespaces_are_kept() -> None:
    """The others are taken, but not stored."""
    cloudwatch = CloudWatch()
    intake = cloudwatch.put_emf([line(Tokens=1)], now=NOW, namespaces=["Other"])
    assert intake.taken == 1
    assert cloudwatch.list_metrics(now=NOW)["Metrics"] == []


NAMES = st.sampled_from(["UseCase", "ModelId", "Tokens", "Latency", "_aws", ""])
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False), st.text(max_size=5), NAMES)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
DIRECTIVES = st.fixed_dictionaries(
    {},
    optional={
        "Namespace": st.sampled_from(["A", ""]) | JSON,
        "Dimensions": st.lists(st.lists(NAMES, max_size=3), max_size=2) | JSON,
        "Metrics": st.lists(
            st.fixed_dictionaries({"Name": NAMES}, optional={"Unit": st.sampled_from(["Count", "USD"])}), max_size=2
        )
        | JSON,
    },
)
ROOTS = st.fixed_dictionaries(
    {
        "_aws": st.fixed_dictionaries(
            {"Timestamp": st.just(int(NOON.timestamp() * 1000)) | JSON, "CloudWatchMetrics": st.lists(DIRECTIVES)}
        )
    },
    optional={"UseCase": LEAVES, "ModelId": LEAVES, "Tokens": JSON, "Latency": LEAVES},
)


@given(ROOTS)
@PROPERTY
def test_what_is_taken_is_valid_by_the_independent_checker(root: dict[str, Any]) -> None:
    """Whatever the document is, reading it does not crash, and it takes nothing that the other checker refuses."""
    text = json.dumps(root)
    intake = emf.read([text], now=NOW)
    assert intake.taken + len(intake.dropped) == 1
    if intake.taken:
        assert problems(text) == []


@given(st.text())
@PROPERTY
def test_any_text_is_a_line(text: str) -> None:
    """No line crashes the reading."""
    intake = emf.read([text, f'{{"_aws": {text}'], now=NOW)
    assert intake.taken == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1e6)), min_size=1, max_size=30), st.integers(0, 30))
@PROPERTY
def test_portions_change_nothing(recorded: list[tuple[int, float]], cut: int) -> None:
    """Lines that come in two portions, in any order, give the same sums and percentiles as at once."""
    lines = [line(minute, Tokens=value) for minute, value in recorded]
    once, twice = CloudWatch(), CloudWatch()
    once.put_emf(lines, now=NOW)
    twice.put_emf(reversed(lines[cut:]), now=NOW)
    twice.put_emf(lines[:cut], now=NOW)
    for statistic in ("Sum", "p90", "SampleCount"):
        query = stat("m", metric="Tokens", stat=statistic)
        assert values(once, "m*1", query) == values(twice, "m*1", query)


def test_the_namespace_of_the_builders_is_ours() -> None:
    """What these tests record is found where they look for it."""
    cloudwatch = CloudWatch()
    cloudwatch.put_emf([line(Tokens=1)], now=NOW)
    assert cloudwatch.list_metrics(now=NOW)["Metrics"] == [
        {"Namespace": NAMESPACE, "MetricName": "Tokens", "Dimensions": []}
    ]
