"""The ways in which the plugin fails; each is an error that names the row."""

from typing import Any

import pytest
from tests.unit.grafana.cases import HOUR, REGION, builder, code, insights, variable

from meterctl.grafana.compile import TargetError, Trap, Variable, compile_targets, compile_variable

CHAT = variable("usecase", "chat")
BOTH = variable("usecase", "chat", "search")
ALL = variable("usecase", "*")
SEARCH = "SEARCH('{A,B} UseCase=\"%s\"', 'Sum', 60)"
SQL = "SELECT SUM(a) FROM SCHEMA(b, c)"


@pytest.mark.parametrize(
    ("target", "variables", "trap"),
    [
        (builder(region=""), [], Trap.SKIPPED),
        (builder(namespace=""), [], Trap.SKIPPED),
        (builder(metricName=None), [], Trap.SKIPPED),
        (builder(metricQueryType=None), [], Trap.SKIPPED),
        (builder(metricEditorMode=2), [], Trap.SKIPPED),
        (code(""), [], Trap.SKIPPED),
        (insights(""), [], Trap.SKIPPED),
        (builder(statistic=""), [], Trap.NO_STATISTIC),
        (code("TIME_SERIES(1)", statistic=None), [], Trap.NO_STATISTIC),
        (insights(SQL, statistic=""), [], Trap.NO_STATISTIC),
        (builder(dimensions={"UseCase": ""}), [], Trap.EMPTY_DIMENSION),
        (builder(dimensions={"UseCase": []}), [], Trap.EMPTY_DIMENSION),
        (builder(dimensions={"UseCase": [""]}), [], Trap.EMPTY_DIMENSION),
        (builder(dimensions={"UseCase": {"a": 1}}), [], Trap.EMPTY_DIMENSION),
        (builder(dimensions={"UseCase": "$usecase"}), [variable("usecase")], Trap.EMPTY_DIMENSION),
        (builder(dimensions={"UseCase": ["$usecase"]}), [CHAT], Trap.ARRAY_VARIABLE),
        (builder(dimensions={"UseCase": "$usecase-x"}), [BOTH], Trap.SPLIT_VALUE),
        (builder(dimensions={"UseCase": "$usecase"}), [variable("usecase", "a|b")], Trap.SPLIT_VALUE),
        (builder(dimensions={"UseCase": "$usecas"}), [CHAT], Trap.UNKNOWN_VARIABLE),
        (builder(dimensions={"$usecase": "x"}), [CHAT], Trap.SEVERAL_VALUES),
        (builder(metricName="$usecase"), [CHAT], Trap.SEVERAL_VALUES),
        (builder(region="$regio"), [CHAT], Trap.UNKNOWN_VARIABLE),
        (code(SEARCH % "$usecase"), [BOTH], Trap.SEVERAL_VALUES),
        (code(SEARCH % "$usecase"), [ALL], Trap.SEVERAL_VALUES),
        (code(SEARCH % "$other"), [ALL], Trap.UNKNOWN_VARIABLE),
        (insights(f"{SQL} WHERE c = '$usecase'"), [BOTH], Trap.SEVERAL_VALUES),
        (insights(f"{SQL} WHERE c = '$usecase'"), [ALL], Trap.SEVERAL_VALUES),
        (code(SEARCH % "${usecase:fancy}"), [CHAT], Trap.UNSUPPORTED),
        (builder(label="$usecase"), [CHAT], Trap.LABEL_VARIABLE),
        (builder(label="${usecase}"), [CHAT], Trap.LABEL_VARIABLE),
        (builder(period="$__period_auto"), [], Trap.PERIOD_MACRO),
        (insights(f"{SQL} LIMIT $__period_auto"), [], Trap.PERIOD_MACRO),
        (builder(dimensions={"UseCase": "$__period_auto"}), [], Trap.PERIOD_MACRO),
        (builder(matchExact=None), [], Trap.MATCH_EXACT),
        (builder(id="A"), [], Trap.BAD_ID),
        (builder(id="a-b"), [], Trap.BAD_ID),
        (builder(period="90"), [], Trap.BAD_PERIOD),
        (builder(period="5 minutes"), [], Trap.BAD_PERIOD),
        (builder(period=300), [], Trap.BAD_PERIOD),
        (builder(dimensions={"UseCase": ["x" * 500, "y" * 500]}), [], Trap.TOO_LONG),
        (builder(dimensions={"UseCase": ["a(b)", "c"]}), [], Trap.UNESCAPED),
        (builder(statistics=["Sum"]), [], Trap.LEGACY),
        (builder(alias="{{UseCase}}"), [], Trap.LEGACY),
        (insights('SELECT SUM(a) FROM "BedrockMeter"'), [], Trap.NO_SCHEMA),
        (insights("SELECT SUM(a)"), [], Trap.BAD_EXPRESSION),
        (code("a +"), [], Trap.BAD_EXPRESSION),
        (code("x * 2"), [], Trap.UNKNOWN_ROW),
        (builder(queryMode="Logs"), [], Trap.UNSUPPORTED),
        (builder(accountId="all"), [], Trap.UNSUPPORTED),
    ],
)
def test_traps_of_one_row(target: dict[str, Any], variables: list[Variable], trap: Trap) -> None:
    """The error has the row and the trap, and says both."""
    with pytest.raises(TargetError) as refusal:
        compile_targets([target], variables, HOUR, REGION)
    assert refusal.value.trap is trap
    assert refusal.value.where == target["refId"]
    assert str(refusal.value).startswith(f"{target['refId']}: ")
    assert str(refusal.value).endswith(trap)


@pytest.mark.parametrize(
    ("targets", "trap"),
    [
        ([insights(SQL), insights(SQL, refId="D", id="d")], Trap.TWO_INSIGHTS),
        ([builder(), builder(refId="B")], Trap.BAD_ID),
        ([builder(), builder(id="b")], Trap.BAD_ID),
        ([builder(region="eu-west-1"), code("a * 2")], Trap.UNKNOWN_ROW),
    ],
)
def test_traps_between_rows(targets: list[dict[str, Any]], trap: Trap) -> None:
    """Rows of one region share a request; rows of another do not see each other."""
    with pytest.raises(TargetError) as refusal:
        compile_targets(targets, [], HOUR, REGION)
    assert refusal.value.trap is trap


def test_two_insights_rows_in_two_regions_are_two_requests() -> None:
    """The limit is one in a request."""
    targets = [insights(SQL), insights(SQL, refId="D", id="d", region="eu-west-1")]
    assert len(compile_targets(targets, [], HOUR, REGION)) == 2


def test_places_of_cloudwatch_are_no_variables() -> None:
    """`${PROP(…)}` and `${LABEL}` stay, also beside a variable of that name that does not exist."""
    target = builder(label="${PROP('Dim.UseCase')} ${LABEL} ${SUM}")
    (call,) = compile_targets([target], [CHAT], HOUR, REGION)
    assert call.request["MetricDataQueries"][0]["Label"] == target["label"]


@pytest.mark.parametrize(
    ("target", "trap"),
    [
        (builder(dimensions={"UseCase": "$usecase"}), Trap.ALERT_VARIABLE),
        (code("a * 2"), Trap.ALERT_MATH),
    ],
)
def test_traps_of_alert_rules(target: dict[str, Any], trap: Trap) -> None:
    """A rule's query has neither variables nor other rows."""
    with pytest.raises(TargetError) as refusal:
        compile_targets([builder(refId="X"), target | {"id": "z"}], [CHAT], HOUR, REGION, alert=True)
    assert refusal.value.trap is trap


def values(**members: Any) -> dict[str, Any]:
    """Make the query of a variable that lists use cases."""
    return {
        "queryType": "dimensionValues",
        "region": "$region",
        "namespace": "BedrockMeter",
        "metricName": "InputTokenCount",
        "dimensionKey": "UseCase",
        "dimensionFilters": {},
        **members,
    }


METRICS = [
    {"MetricName": "Tokens", "Dimensions": [{"Name": "UseCase", "Value": "search"}, {"Name": "ModelId", "Value": "x"}]},
    {"MetricName": "Tokens", "Dimensions": [{"Name": "UseCase", "Value": "chat"}, {"Name": "ModelId", "Value": "x"}]},
    {"MetricName": "Cost", "Dimensions": [{"Name": "Service", "Value": "meter"}]},
]


def test_dimension_values() -> None:
    """ListMetrics is asked for the metric, and the values of the key are the options, in alphabetical order."""
    region = variable("region", "eu-west-1", multi=False)
    call = compile_variable(values(dimensionFilters={"ModelId": "nova", "Stage": "*", "Old": None}), [region], REGION)
    assert call.region == "eu-west-1"
    assert call.request == {
        "Namespace": "BedrockMeter",
        "MetricName": "InputTokenCount",
        "Dimensions": [{"Name": "ModelId", "Value": "nova"}, {"Name": "Old"}, {"Name": "Stage"}],
    }
    assert call.options(METRICS) == ["chat", "search"]


def test_dimension_keys_and_metrics() -> None:
    """Both ask for the namespace alone, and keep the order of the answer."""
    keys = compile_variable({"queryType": "dimensionKeys", "region": "default", "namespace": "N"}, [], REGION)
    assert (keys.region, keys.request, keys.options(METRICS)) == (
        REGION,
        {"Namespace": "N"},
        ["UseCase", "ModelId", "Service"],
    )
    metrics = compile_variable({"queryType": "metrics", "region": "default", "namespace": "N"}, [], REGION)
    assert metrics.options(METRICS) == ["Tokens", "Cost"]


@pytest.mark.parametrize(
    ("query", "trap"),
    [
        (values(metricName=""), Trap.SKIPPED),
        (values(dimensionKey=""), Trap.SKIPPED),
        (values(region=""), Trap.SKIPPED),
        (values(namespace="$usecase"), Trap.SEVERAL_VALUES),
        (values(namespace="$nothing"), Trap.UNKNOWN_VARIABLE),
        (values(dimensionFilters={"UseCase": "$usecase"}), Trap.SEVERAL_VALUES),
        (values(dimensionFilters={"UseCase": ["$usecase"]}), Trap.ARRAY_VARIABLE),
        (values(queryType="regions"), Trap.UNSUPPORTED),
        (values(queryType=None), Trap.UNSUPPORTED),
        (values(accountId="1"), Trap.UNSUPPORTED),
    ],
)
def test_traps_of_variables(query: dict[str, Any], trap: Trap) -> None:
    """A drop-down that would be empty is an error."""
    known = [BOTH, variable("region", "eu-west-1", multi=False)]
    with pytest.raises(TargetError) as refusal:
        compile_variable(query, known, REGION)
    assert refusal.value.trap is trap
