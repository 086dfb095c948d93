"""SEARCH, by the cases of the user guide.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
"""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY

from meterctl.cloudwatch import CloudWatchError, QueryError, search
from meterctl.cloudwatch.model import Metric

EC2 = "AWS/EC2"
METRICS = [
    Metric.of("MyNamespace", "CustomCount1", {"Host": "a"}),
    Metric.of("MyNamespace", "Latency", {"CustomCount1": "a"}),
    Metric.of("MyNamespace", "Latency", {"Host": "CustomCount1"}),
    Metric.of("MyNamespace", "Latency", {"Host": "b"}),
    Metric.of(EC2, "CPUUtilization", {"InstanceId": "i-1234567890123456"}),
    Metric.of(EC2, "CPUUtilization", {"InstanceId": "i-2"}),
    Metric.of(EC2, "CPUUtilization", {"InstanceType": "t2.micro"}),
    Metric.of(EC2, "NetworkPacketsIn", {"InstanceId": "i-2"}),
    Metric.of("AWS/Lambda", "Errors", {"FunctionName": "one"}),
    Metric.of("AWS/Lambda", "Invocations", {"FunctionName": "ProjectA-api"}),
    Metric.of("AWS/Lambda", "Invocations", {"FunctionName": "other"}),
    Metric.of("My Namespace", "Custom:Name[Special_Characters", {"Dimension@Name": "x"}),
    Metric.of("Odd", "Europe\\France Traffic(Network)"),
    Metric.of("Odd", "Network-Errors-2"),
    Metric.of("Odd", "NetworkErrors2"),
    Metric.of("Odd", "NetworkErrorsThree", {"Host": "a"}),
]


def found(text: str, metrics: list[Metric] = METRICS) -> list[Metric]:
    """Give the metrics that a search finds."""
    return search.parse(text).find(metrics)


def names(text: str) -> list[str]:
    """Give the names of the metrics that a search finds."""
    return [metric.name for metric in found(text)]


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        ("CustomCount1", ["customcount1", "custom", "count", "1"]),
        ("SDBFailure", ["sdbfailure", "sdb", "failure"]),
        ("Project2-trial333", ["project2trial333", "project", "2", "trial", "333"]),
        ("one", ["one"]),
    ],
)
def test_tokens(original: str, expected: list[str]) -> None:
    """The table of the section on tokenization."""
    assert search.tokens(original) == expected


@pytest.mark.parametrize("word", ["count", "Count", "COUNT", "CustomCount", "Count1", "CustomCount1", "customcount1"])
def test_partial_matches(word: str) -> None:
    """A single token matches whatever its case, a composite one as it is written: "Partial matches"."""
    assert Metric.of("MyNamespace", "CustomCount1", {"Host": "a"}) in found(word)


@pytest.mark.parametrize("word", ["couNT", "customcount", "count1", "ount", "Custom1"])
def test_what_is_no_partial_match(word: str) -> None:
    """The counter-examples of the same section, and parts of tokens."""
    assert found(word) == []


@pytest.mark.parametrize("word", ["network/errors", "network+errors", "network-errors", "Network_Errors"])
def test_delimiters_make_composite_tokens(word: str) -> None:
    """Each of them finds Network-Errors-2 and NetworkErrors2: "Non-alphanumeric characters"."""
    assert names(word)[:2] == ["Network-Errors-2", "NetworkErrors2"]


def test_exact_matches() -> None:
    """A quoted word is a whole metric name, dimension name or dimension value: "Exact matches"."""
    assert len(found('Namespace="MyNamespace" "CustomCount1"')) == 3
    assert found('"customcount1"') == []
    assert found('"Custom"') == []
    assert names('{"My Namespace", "Dimension@Name"}, "Custom:Name[Special_Characters"') == [
        "Custom:Name[Special_Characters"
    ]
    assert names(r'"Europe\\France Traffic\(Network\)"') == ["Europe\\France Traffic(Network)"]
    assert names('"Network-Errors-2"') == ["Network-Errors-2"]
    assert found('"Network_Errors_2"') == []


def test_a_schema_is_the_exact_dimension_set() -> None:
    """Only metrics with these dimension names, and no other, are found; their order means nothing."""
    assert len(found('{AWS/EC2,InstanceId} MetricName="CPUUtilization"')) == 2
    two = [Metric.of("N", "M", {"A": "1"}), Metric.of("N", "M", {"A": "1", "B": "2"})]
    assert found("{N,B,A}", two) == [two[1]]
    assert found('{"N","A"} M', two) == [two[0]]


def test_a_schema_without_dimensions_finds_metrics_without_dimensions() -> None:
    """Where metrics with dimensions would match too, what AWS answers is not documented: that is refused."""
    assert names("{Odd} two") == []
    assert names('{Odd} "NetworkErrors2"') == ["NetworkErrors2"]
    with pytest.raises(QueryError, match='Namespace="Odd"'):
        found("{Odd} errors")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('MetricName="CPUUtilization"', 3),
        ("InstanceType=micro", 1),
        ('InstanceType="t2.micro" Namespace="AWS/EC2"', 1),
        ('Namespace = "AWS/EC2" MetricName = CPU', 3),
        ("NOT Namespace=AWS", 9),
        ('"InstanceId"="i-2"', 2),
        ('"InstanceId"=("i-2" OR "i-1234567890123456")', 3),
        ('NoSuchDimension="x"', 0),
    ],
)
def test_property_names(text: str, count: int) -> None:
    """The cases of "Specifying property names in the search"."""
    assert len(found(text)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("{AWS/EC2,InstanceId} network AND packets", 1),
        ("{AWS/EC2,InstanceId} network packets", 1),
        ('{AWS/EC2,InstanceId} MetricName="CPUUtilization" NOT i-1234567890123456', 1),
        ('{AWS/EC2,InstanceId} MetricName="CPUUtilization" NOT "i-2" NOT "i-3"', 1),
        ("(EC2 OR Lambda) AND MetricName=Invocations", 2),
        ("(EC2 OR Lambda) MetricName=Invocations", 2),
        ("(EC2 OR Lambda) AND Invocations AND ProjectA", 1),
        (
            '{AWS/Lambda,FunctionName} MetricName="Errors" OR (MetricName="Invocations" AND (ProjectA OR ProjectB))',
            2,
        ),
        ("NOT (EC2 OR Lambda OR Odd)", 5),
        ("and", 0),
    ],
)
def test_boolean_operators(text: str, count: int) -> None:
    """The cases of "Boolean operators"; in lower case they are words."""
    assert len(found(text)) == count


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("{", 1),
        ("{AWS/EC2", 8),
        ("{AWS/EC2,}", 9),
        ('MetricName="a', 11),
        ("MetricName=", 11),
        ("a OR", 4),
        ("OR a", 0),
        ("a AND AND b", 6),
        ("NOT", 3),
        ("(a", 2),
        ("a)", 1),
        ("a = = b", 4),
        ('"A"=("x" AND "y")', 9),
        ("*", 0),
        ("a {b}", 2),
        ("a, b", 1),
        (':aws.AccountId="1"', 0),
        ('Name="a(b"', 5),
    ],
)
def test_what_is_no_search_is_refused_with_its_place(text: str, position: int) -> None:
    """Unknown syntax is an error that names the position, never a search that finds nothing."""
    with pytest.raises(QueryError, match=f"at position {position}$") as refusal:
        search.parse(text)
    assert refusal.value.position == position


def test_a_search_that_is_too_long_is_refused() -> None:
    """CloudWatch takes 1024 characters."""
    assert found("a" * 1024) == []
    with pytest.raises(QueryError, match="1025 characters"):
        search.parse("a" * 1025)


WORDS = st.sampled_from(
    ["{", "}", "(", ")", '"', "=", ",", "\\", " ", "AND", "OR", "NOT", "a", "MetricName", '"b"', "*", "{N,A}", ":aws.x"]
)


@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=12).map("".join), st.lists(WORDS).map(" ".join)))
@PROPERTY
def test_no_text_crashes_the_parser(text: str) -> None:
    """A text is a search or a CloudWatchError."""
    with suppress(CloudWatchError):
        assert set(search.parse(text).find(METRICS)) <= set(METRICS)


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Z"]), min_size=1, max_size=30))
@PROPERTY
def test_every_name_is_found_by_itself(name: str) -> None:
    """Quoted and escaped, a name is an exact match of itself."""
    quoted = "".join(f"\\{character}" if character in '"\\()' else character for character in name)
    metric = Metric.of("N", name, {"A": "x"})
    assert found(f'{{N,A}} MetricName="{quoted}"', [metric]) == [metric]
