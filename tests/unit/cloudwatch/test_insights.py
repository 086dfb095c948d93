"""Metrics Insights, by the cases of the user guide.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-metrics-insights-querylanguage.html
"""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY
from tests.unit.cloudwatch.asking import ask, put, stat, values

from meterctl.cloudwatch import CloudWatch, CloudWatchError, insights

ELB = "AWS/ApplicationELB"


def requests(*source: str) -> str:
    """Ask for the requests from a source."""
    return " ".join(["SELECT SUM(RequestCount) FROM", *source])


BALANCED = requests(f'SCHEMA("{ELB}", LoadBalancer, AvailabilityZone)')


def balancers() -> CloudWatch:
    """Record requests of two load balancers in three zones, and one metric with the load balancer alone."""
    cloudwatch = CloudWatch()
    for minute, balancer, zone, value in (
        (0, "app/load-balancer-1", "a", 10),
        (1, "app/load-balancer-1", "a", 1),
        (0, "app/load-balancer-1", "b", 30),
        (0, "app/load-balancer-2", "c", 5),
    ):
        put(
            cloudwatch,
            "RequestCount",
            value,
            minute=minute,
            namespace=ELB,
            LoadBalancer=balancer,
            AvailabilityZone=zone,
        )
    put(cloudwatch, "RequestCount", 1000, namespace=ELB, LoadBalancer="app/load-balancer-1")
    put(cloudwatch, "RequestCount", 5000, namespace=ELB)
    return cloudwatch


def run(query: str) -> list[tuple[str, list[float | None]]]:
    """Run a query over two minutes."""
    return ask(balancers(), query, minutes=(0, 2))


def test_the_rich_query_step_by_step() -> None:
    """The section "Building a rich query step by step" as it grows."""
    assert run(BALANCED) == [("result", [45, 1])]
    where = f"{BALANCED} WHERE LoadBalancer = 'app/load-balancer-1'"
    assert run(where) == [("result", [40, 1])]
    grouped = f"{where} GROUP BY AvailabilityZone"
    assert run(grouped) == [("a", [10, 1]), ("b", [30, None])]
    ordered = f"{grouped} ORDER BY MAX() DESC"
    assert run(ordered) == [("b", [30, None]), ("a", [10, 1])]
    assert run(f"{ordered} LIMIT 1") == [("b", [30, None])]


def test_without_schema_every_dimension_set_counts() -> None:
    """FROM a namespace matches metrics "no matter their dimensions", SCHEMA without keys those without any."""
    assert run(requests(f'"{ELB}"')) == [("result", [6045, 1])]
    assert run(requests(f'SCHEMA("{ELB}")')) == [("result", [5000, None])]
    assert run(requests(f'SCHEMA("{ELB}", LoadBalancer)')) == [("result", [1000, None])]


@pytest.mark.parametrize(
    ("function", "expected"), [("AVG", [15, 1]), ("COUNT", [3, 1]), ("MAX", [30, 1]), ("MIN", [5, 1]), ("SUM", [45, 1])]
)
def test_functions(function: str, expected: list[float]) -> None:
    """Each aggregates the observations of all metrics that match."""
    assert run(BALANCED.replace("SUM", function)) == [("result", expected)]


@pytest.mark.parametrize(
    ("where", "total"),
    [
        ("LoadBalancer != 'app/load-balancer-1'", 5),
        ("LoadBalancer = 'app/load-balancer-1' AND AvailabilityZone != 'a'", 30),
        ("AvailabilityZone = 'a' OR AvailabilityZone = 'c'", 15),
        ("(AvailabilityZone = 'a' OR AvailabilityZone = 'b') AND LoadBalancer = 'app/load-balancer-1'", 40),
        ("\"LoadBalancer\" = 'app/load-balancer-2'", 5),
    ],
)
def test_where(where: str, total: float) -> None:
    """The filter holds for each metric; AND binds stronger than OR."""
    assert run(f"{BALANCED} WHERE {where}")[0][1][0] == total


def test_a_group_key_that_a_metric_lacks_is_other() -> None:
    """The guide calls it a null group."""
    found = run(requests(f'"{ELB}"', "GROUP BY AvailabilityZone ORDER BY SUM() DESC"))
    assert found[0] == ("Other", [6000, None])


def test_ascending_is_the_default_order() -> None:
    """ORDER BY without a word, and ASC, put the smallest first; without ORDER BY names decide."""
    grouped = f"{BALANCED} GROUP BY LoadBalancer, AvailabilityZone"
    first = [f"{grouped} ORDER BY SUM()", f"{grouped} order by sum() asc", grouped]
    assert [run(query)[0][0] for query in first] == [
        "app/load-balancer-2 c",
        "app/load-balancer-2 c",
        "app/load-balancer-1 a",
    ]


def test_groups_can_be_named_in_labels() -> None:
    """PROP('Dim.…') gives the value of a key of GROUP BY."""
    query, label = f"{BALANCED} GROUP BY AvailabilityZone", "zone ${PROP('Dim.AvailabilityZone')}"
    found = ask(balancers(), query, minutes=(0, 2), label=label)
    assert [name for name, _ in found] == ["zone a", "zone b", "zone c"]


def test_names_with_other_characters_and_keywords_are_quoted() -> None:
    """The section on what needs quotation marks or escape characters."""
    cloudwatch = CloudWatch()
    put(cloudwatch, 'Bytes"Input"', 1, namespace="My.Space", LIMIT="it's")
    query = 'SELECT SUM("Bytes\\"Input\\"") FROM SCHEMA("My.Space", "LIMIT") WHERE "LIMIT" = \'it\\\'s\''
    assert values(cloudwatch, query, minutes=(0, 1)) == [1]


def test_math_may_use_the_result() -> None:
    """Without GROUP BY the query is a series, with it an array."""
    select = {"Id": "q", "Period": 60, "ReturnData": False, "Expression": BALANCED}
    assert values(balancers(), "q * 2", select, minutes=(0, 2)) == [90, 2]
    select["Expression"] = f"{BALANCED} GROUP BY AvailabilityZone"
    assert values(balancers(), "SUM(q)", select, minutes=(0, 2)) == [45, 1]


def test_one_query_in_a_request() -> None:
    """GetMetricData takes a single Metrics Insights query."""
    select = {"Id": "q", "Period": 60, "Expression": BALANCED}
    with pytest.raises(CloudWatchError, match="one Metrics Insights query, not 2: q, result"):
        ask(balancers(), BALANCED, select)


def test_it_looks_back_two_weeks_at_most() -> None:
    """An older start is an error here; AWS shows less than was asked for."""
    with pytest.raises(CloudWatchError, match="two weeks"):
        ask(balancers(), BALANCED, minutes=(-15 * 24 * 60, 2), period=300)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT", "found the end where one of AVG"),
        ("SELECT MEDIAN(a) FROM b", "unknown function 'MEDIAN'"),
        ("SELECT SUM(a)", "found the end where FROM should be"),
        ("SELECT SUM(a) FROM AWS/EC2", "found '/' where the end should be at position 22"),
        ("SELECT SUM(LIMIT) FROM b", "'LIMIT' is a keyword"),
        ("SELECT SUM(a) FROM SCHEMA()", "a namespace should be"),
        ("SELECT SUM(a) FROM b WHERE", "a dimension name should be"),
        ('SELECT SUM(a) FROM b WHERE c = "d"', "a value in single quotes should be"),
        ("SELECT SUM(a) FROM b WHERE c LIKE 'd'", "found 'LIKE' where = or != should be"),
        ("SELECT SUM(a) FROM b WHERE c = 'd' GROUP c", "found 'GROUP' where the end should be"),
        ("SELECT SUM(a) FROM b ORDER BY SUM", r"found the end where '\(' should be"),
        ("SELECT SUM(a) FROM b LIMIT 0", "LIMIT is 1 to 500"),
        ("SELECT SUM(a) FROM b LIMIT 501", "LIMIT is 1 to 500"),
        ("SELECT SUM(a), AVG(a) FROM b", "found ',' where FROM should be"),
        ("SELECT SUM(a) FROM b; DROP", "found ';' where the end should be"),
    ],
)
def test_what_is_no_query_is_refused(query: str, message: str) -> None:
    """Unknown syntax is an error that names the word and its place."""
    with pytest.raises(CloudWatchError, match=message):
        ask(balancers(), query)


def test_unequal_is_refused_where_a_metric_has_no_such_dimension() -> None:
    """Whether such a metric matches is not documented: SCHEMA makes it clear."""
    with pytest.raises(CloudWatchError, match="SCHEMA"):
        run(requests(f'"{ELB}"', "WHERE AvailabilityZone != 'a'"))


WORDS = st.sampled_from(
    [
        *("SELECT", "SUM", "(", ")", "a", "FROM", "SCHEMA", '"b"', ",", "WHERE", "=", "!=", "'c'", "AND", "OR"),
        *("GROUP BY", "ORDER BY", "DESC", "LIMIT", "5", "'", '"', "\\"),
    ]
)


@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=20).map(" ".join)))
@PROPERTY
def test_no_text_crashes_the_parser(text: str) -> None:
    """A text is a query or a CloudWatchError."""
    for query in (text, requests("b", text)):
        with suppress(CloudWatchError):
            assert insights.parse(query).function in insights.FUNCTIONS


def test_an_expression_that_only_begins_alike_is_no_query() -> None:
    """SELECT is a word of its own."""
    assert insights.is_query(" select sum(a) from b")
    assert not insights.is_query("SELECTED(m)")
    assert stat("m")["Id"] == "m"
